"""From a picture to the network's input."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from simple_trt.engines import Manifest
from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.pictures import Picture
from simple_trt.types import Floats, Letterbox

__all__ = ["DeviceArray", "check_picture", "device_letterbox", "prepare"]


def prepare(picture: Picture, manifest: Manifest) -> tuple[Floats, Letterbox]:
    """A picture as the network wants it.

    Args:
        picture: RGB uint8 [H,W,3]; rows may lie any distance apart.
        manifest: states the input's size, mean and deviation.

    Returns:
        the normalised input [3,h,w] and the letterbox that leads back to the picture.

    Raises:
        UsageError: the picture is not RGB uint8 with at least one pixel.
        SimpleTrtError: the compiled kernels are missing.
    """
    check_picture(picture)
    height, width = manifest.size
    rules = manifest.preprocessing
    image: Floats = _kernels().letterbox(picture, height, width, rules.mean, rules.std)
    return image, Letterbox((picture.shape[0], picture.shape[1]), (height, width))


@dataclass(frozen=True)
class DeviceArray:
    """Device memory as the kernels take it: C-contiguous, of a shape and NumPy type, by the CUDA array interface."""

    address: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Version 3, which numba defines. It names no stream: whoever uses it does so on the right one."""
        return {"shape": self.shape, "typestr": self.dtype.str, "data": (self.address, False), "version": 3}


def device_letterbox() -> Any:
    """`letterbox_cuda(frame, out, mean, std, stream)` of the compiled part; None where that has no CUDA code.

    Raises:
        SimpleTrtError: the compiled kernels are missing.
    """
    return getattr(_kernels(), "letterbox_cuda", None)


def check_picture(picture: Picture) -> None:
    """Raises UsageError unless `picture` is an RGB uint8 array [H,W,3] with at least one pixel."""
    if not isinstance(picture, np.ndarray):
        raise UsageError(f"picture: expected a NumPy array, got {type(picture).__name__}", "read the file first")
    fits = picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3 and picture.size > 0
    if not fits:
        got = f"{picture.dtype} {list(picture.shape)}"
        raise UsageError(f"picture: expected uint8 [height, width, 3], got {got}", "convert it to 8-bit RGB")


def _kernels() -> Any:
    try:
        return import_module("simple_trt._core")
    except ImportError as error:
        cause = f"the compiled part of simple-trt cannot be loaded ({error})"
        raise SimpleTrtError(
            cause, "install again with a C++ compiler: pip install . (in a checkout: make build)"
        ) from error
