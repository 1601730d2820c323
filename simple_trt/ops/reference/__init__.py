"""The seven ops (and the gradients of those that training uses) in plain PyTorch: what each op means.

These twins are written to be read. They share no line with the C++ and CUDA kernels, which are tested against them:
equal indices, order and counts; values to the tolerance that each twin states.

Glossary: B batch, C channels, H W map size in cells, N peaks a map, M boxes an image, K keypoints a person, h w crop
size. Positions are continuous: cell ``u`` of a map with stride ``s`` covers ``[s*u, s*(u+1))`` and has its centre at
``s*(u+0.5)``.
"""

from simple_trt.ops.reference.boxes import group_boxes
from simple_trt.ops.reference.crops import crop_heatmaps, crop_heatmaps_backward
from simple_trt.ops.reference.keypoints import read_keypoints
from simple_trt.ops.reference.letterbox import letterbox
from simple_trt.ops.reference.peaks import find_peaks
from simple_trt.ops.reference.pools import center_pool, center_pool_backward, corner_pool, corner_pool_backward

__all__ = [
    "center_pool",
    "center_pool_backward",
    "corner_pool",
    "corner_pool_backward",
    "crop_heatmaps",
    "crop_heatmaps_backward",
    "find_peaks",
    "group_boxes",
    "letterbox",
    "read_keypoints",
]
