"""Training: losses, schedules, and the trainers of the network and of its grouping CNN."""
