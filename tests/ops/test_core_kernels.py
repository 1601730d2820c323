"""The GPU half of the registration over the NumPy core, on the grid emulator: the real CUDA kernels, without a GPU."""

from __future__ import annotations

from contextlib import nullcontext
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from simple_trt.ops import core_kernels, reference
from simple_trt.ops.schemas import SCHEMAS
from tests.kernels import emulator
from tests.ops.cases import assert_same, example


@pytest.fixture(scope="module")
def emulated() -> ModuleType:
    return emulator.load("_core_emulated", emulator.build("plain"))


@pytest.fixture(autouse=True)
def emulated_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPU tensors stand for CUDA tensors: the emulator takes NumPy arrays as device arrays."""
    monkeypatch.setattr(torch.cuda, "device", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: SimpleNamespace(cuda_stream=0))
    hand_over = core_kernels._on_device

    def as_array(value: Any) -> Any:
        value = hand_over(value)
        return core_kernels._as_array(value) if isinstance(value, torch.Tensor) else value

    monkeypatch.setattr(core_kernels, "_on_device", as_array)


@pytest.mark.parametrize("name", SCHEMAS)
def test_equals_the_twin(name: str, emulated: ModuleType) -> None:
    arguments = example(name)
    actual = core_kernels.device_kernel(emulated, name)(*arguments)
    assert_same(actual, getattr(reference, name)(*arguments), tolerance=2e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype: torch.dtype, emulated: ModuleType) -> None:
    column, row = (value.to(dtype) for value in example("center_pool"))
    actual = core_kernels.device_kernel(emulated, "center_pool")(column, row)
    assert_same(actual, reference.center_pool(column, row))


def test_left_out_arguments_take_their_defaults(emulated: ModuleType) -> None:
    x = example("corner_pool")[0]
    assert_same(core_kernels.device_kernel(emulated, "corner_pool")(x, 3), reference.corner_pool(x, 3))
