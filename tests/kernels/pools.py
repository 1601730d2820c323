"""The pools and their gradients in every implementation, called alike: tensors in, a tuple of tensors out."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from simple_trt.ops import reference
from tests.kernels.decode import DeviceCall, to_array, to_tensor

_OUTPUTS = {"center_pool": 1, "center_pool_backward": 2, "corner_pool": 1, "corner_pool_backward": 1}
_UNWRITTEN = 77  # what outputs hold before a kernel writes them


def twin(name: str, *arguments: Any) -> tuple[Tensor, ...]:
    """The definition, in plain PyTorch."""
    return _as_tuple(getattr(reference, name)(*arguments))


def cpu_kernel(module: ModuleType, name: str, *arguments: Any) -> tuple[Tensor, ...]:
    return tuple(map(to_tensor, _as_tuple(getattr(module, name)(*map(to_array, arguments)))))


def emulated_kernel(emulated: ModuleType, seed: int, name: str, *arguments: Any) -> tuple[Tensor, ...]:
    """The CUDA kernel on the grid emulator, under one order of threads."""
    emulated.set_schedule_seed(seed)
    call = device_call(name, *arguments)
    getattr(emulated, call.function)(*call.arguments)
    return call.results(call.arguments)


def device_call(name: str, *arguments: Any) -> DeviceCall:
    """The call of ``<op>_cuda``: the leading maps, then the outputs, then the rest."""
    maps = next((i for i, value in enumerate(arguments) if not isinstance(value, Tensor)), len(arguments))
    arrays = list(map(to_array, arguments))
    blanks = [np.full_like(arrays[0], _UNWRITTEN) for _ in range(_OUTPUTS[name])]
    return DeviceCall(f"{name}_cuda", (*arrays[:maps], *blanks, *arrays[maps:]), slice(maps, maps + len(blanks)))


def whole_numbers(like: Tensor, seed: int) -> Tensor:
    """Small whole numbers: their sums are exact in every order, so gradients can be compared exactly."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-4, 5, like.shape, generator=generator).to(like.dtype)


def assert_equal(actual: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> None:
    """Equal numbers, NaN where NaN is."""
    assert len(actual) == len(expected)
    for got, wanted in zip(actual, expected, strict=True):
        torch.testing.assert_close(got, wanted, rtol=0, atol=0, equal_nan=True)


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)
