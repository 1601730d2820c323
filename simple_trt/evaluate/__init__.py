"""Measuring how right a network is."""

from simple_trt.evaluate.coco import METRICS, Metrics, Predict, evaluate

__all__ = ["METRICS", "Metrics", "Predict", "evaluate"]
