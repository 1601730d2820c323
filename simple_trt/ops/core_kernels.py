"""The ops over the torch-free module ``simple_trt._core``: tensors go in and come out as views of arrays."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from simple_trt.ops import fakes
from simple_trt.ops.schemas import SCHEMAS

_RESULTS: Final = {
    "letterbox": ("out",),
    "center_pool": ("pooled",),
    "center_pool_backward": ("grad_column", "grad_row"),
    "corner_pool": ("pooled",),
    "corner_pool_backward": ("grad_x",),
    "find_peaks": ("scores", "indices"),
    "group_boxes": ("boxes", "box_scores", "points", "num"),
    "crop_heatmaps": ("crops",),
    "read_keypoints": ("keypoints",),
}
# Settings that say the size of a result: on the device the core reads them from the array it writes to.
_SIZES: Final = {"out_h", "out_w", "top_n", "top_m", "crop_h", "crop_w"}


def host_kernel(core: ModuleType, name: str) -> Callable[..., Tensor | tuple[Tensor, ...]]:
    """The op ``name`` on CPU tensors."""
    function = getattr(core, name)

    def kernel(*arguments: Any) -> Tensor | tuple[Tensor, ...]:
        result = function(*(_as_array(value) if isinstance(value, Tensor) else value for value in arguments))
        return tuple(_as_tensor(array) for array in result) if isinstance(result, tuple) else _as_tensor(result)

    return kernel


def device_kernel(core: ModuleType, name: str) -> Callable[..., Tensor | tuple[Tensor, ...]]:
    """The op ``name`` on CUDA tensors, on torch's current stream."""
    function = getattr(core, f"{name}_cuda")
    argument_names = [
        argument.name for argument in torch._C.parse_schema(f"simple_trt::{name}{SCHEMAS[name]}").arguments
    ]

    def kernel(*arguments: Any) -> Tensor | tuple[Tensor, ...]:
        results = getattr(fakes, name)(*arguments)
        written = results if isinstance(results, tuple) else (results,)
        settings = dict(zip(argument_names, arguments, strict=False)) | dict(zip(_RESULTS[name], written, strict=True))
        device = written[0].device
        with torch.cuda.device(device):
            stream = torch.cuda.current_stream(device).cuda_stream
            function(**{key: _on_device(settings[key]) for key in settings if key not in _SIZES}, stream=stream)
        return results

    return kernel


def _as_array(tensor: Tensor) -> np.ndarray:
    """The tensor's memory; NumPy knows bfloat16 as two bytes only."""
    if tensor.dtype == torch.bfloat16:
        return tensor.detach().view(torch.int16).numpy().view("V2")
    return tensor.detach().numpy()


def _as_tensor(array: np.ndarray) -> Tensor:
    if array.dtype == np.dtype("V2"):
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def _on_device(value: Any) -> Any:
    """What the core takes: tensors offer the array interface themselves once they are plain and contiguous."""
    return value.detach().contiguous() if isinstance(value, Tensor) else value
