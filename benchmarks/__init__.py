"""Measuring, through the public names of simple_trt. README.md says how; `results/` holds what came out."""
