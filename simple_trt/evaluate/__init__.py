"""Measuring how right a network is."""

from simple_trt.evaluate.annotations import read_annotations
from simple_trt.evaluate.coco import METRICS, Found, Metrics, Predict, average_precision, evaluate, find_people

__all__ = ["METRICS", "Found", "Metrics", "Predict", "average_precision", "evaluate", "find_people", "read_annotations"]
