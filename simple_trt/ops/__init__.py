"""Public torch ops of simple-trt: the seven steps of the network that are no convolution.

Importing this package registers ``torch.ops.simple_trt.*`` with fake kernels and gradients, from the compiled library
where it is built, else from the NumPy core, else from the plain-PyTorch twins in :mod:`simple_trt.ops.reference`.
"""

from __future__ import annotations

from simple_trt.ops.functions import (
    Boxes,
    Direction,
    Peaks,
    center_pool,
    corner_pool,
    crop_heatmaps,
    find_peaks,
    group_boxes,
    letterbox,
    read_keypoints,
)
from simple_trt.ops.registration import register

__all__ = [
    "Boxes",
    "Direction",
    "Peaks",
    "backend",
    "center_pool",
    "corner_pool",
    "crop_heatmaps",
    "find_peaks",
    "group_boxes",
    "letterbox",
    "read_keypoints",
]

_backend, _library = register()


def backend() -> str:
    """What serves the ops: ``compiled`` (the torch library), ``core`` (the NumPy core) or ``reference`` (the twins)."""
    return _backend
