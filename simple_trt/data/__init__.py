"""Data sets and training targets."""
