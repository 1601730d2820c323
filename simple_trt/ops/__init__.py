"""Public torch ops of simple-trt."""
