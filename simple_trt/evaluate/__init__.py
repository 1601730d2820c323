"""Measuring how right a network is."""

from simple_trt.evaluate.coco import METRICS, Metrics, evaluate

__all__ = ["METRICS", "Metrics", "evaluate"]
