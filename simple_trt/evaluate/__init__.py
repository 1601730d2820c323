"""Measuring how right a network is."""

from simple_trt.evaluate.annotations import read_annotations
from simple_trt.evaluate.coco import METRICS, Found, Metrics, Predict, average_precision, evaluate, find_people
from simple_trt.evaluate.joint_precision import REPORT, Row
from simple_trt.evaluate.mpii import mpii_map
from simple_trt.evaluate.mpii_truth import Group, read_mpii_truth
from simple_trt.evaluate.posetrack import posetrack_map, posetrack_mota
from simple_trt.evaluate.posetrack_truth import Frame, Video, read_posetrack_truth

__all__ = [
    "METRICS",
    "REPORT",
    "Found",
    "Frame",
    "Group",
    "Metrics",
    "Predict",
    "Row",
    "Video",
    "average_precision",
    "evaluate",
    "find_people",
    "mpii_map",
    "posetrack_map",
    "posetrack_mota",
    "read_annotations",
    "read_mpii_truth",
    "read_posetrack_truth",
]
