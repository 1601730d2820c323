"""What the module takes for a device array, and how it refuses the rest. The emulator's devices are NumPy arrays."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

MAP = np.zeros((1, 1, 2, 3), np.float32)


def with_interface(array: np.ndarray, name: str, **changes: Any) -> SimpleNamespace:
    """An object that offers the array, with some fields changed, under this protocol."""
    return SimpleNamespace(array=array, **{name: {**array.__array_interface__, **changes}})


def pool(module: ModuleType, x: Any, pooled: Any) -> None:
    module.corner_pool_cuda(x, pooled, 0)


def test_results_are_written_where_the_caller_says(emulated: ModuleType) -> None:
    x, pooled = np.float32([[[[1, 5, 2], [4, 0, 3]]]]), MAP.copy()
    pool(emulated, with_interface(x, "__array_interface__"), with_interface(pooled, "__array_interface__"))
    assert pooled.tolist() == [[[[4, 5, 3], [4, 0, 3]]]]


def test_an_array_is_refused_unless_it_can_be_written_as_a_whole(emulated: ModuleType) -> None:
    fixed = MAP.copy()
    fixed.setflags(write=False)
    with pytest.raises(ValueError, match="pooled: expected a writable array, got a read-only one"):
        pool(emulated, MAP, fixed)
    with pytest.raises(ValueError, match=r"pooled: expected a C-contiguous array, got strides \[24, 24, 4, 8\]"):
        pool(emulated, MAP, np.zeros((1, 1, 3, 2), np.float32).transpose(0, 1, 3, 2))
    with pytest.raises(ValueError, match=r"pooled: expected shape \[1, 1, 2, 3\], got \[1, 1, 3, 2\]"):
        pool(emulated, MAP, np.zeros((1, 1, 3, 2), np.float32))
    with pytest.raises(ValueError, match="pooled: expected float32, got float16"):
        pool(emulated, MAP, MAP.astype(np.float16))


def test_foreign_bytes_and_types_are_refused(emulated: ModuleType) -> None:
    for dtype in (">f4", "<f8", "<i8", "<c8", "?"):
        with pytest.raises(TypeError, match="x: expected float32, float16, bfloat16, int32 or uint8, got type"):
            pool(emulated, MAP.astype(dtype), MAP.copy())
    with pytest.raises(TypeError, match="x: expected an object with __array_interface__, got list"):
        pool(emulated, [1.0], MAP.copy())


def test_strides_do_not_matter_where_there_is_one_element_or_none(emulated: ModuleType) -> None:
    pool(emulated, np.zeros((1, 1, 0, 3), np.float32)[:, :, ::2], np.zeros((1, 1, 0, 3), np.float32))
    one = np.zeros((4, 4, 4, 4), np.float32)[:1, :1, :1, :1]
    pool(emulated, one, one.copy())


def test_the_built_module_asks_for_arrays_on_the_device(core: ModuleType) -> None:
    if not core.cuda_built:
        pytest.skip("this build has no CUDA code")
    with pytest.raises(TypeError, match="x: expected an object with __cuda_array_interface__, got ndarray"):
        pool(core, MAP, MAP.copy())


def test_a_failed_launch_is_told(core: ModuleType) -> None:
    if not core.cuda_built or core.cuda_devices() > 0:
        pytest.skip("needs a build with CUDA code and a machine without a GPU")
    x, pooled = (with_interface(MAP.copy(), "__cuda_array_interface__", version=3) for _ in range(2))
    with pytest.raises(RuntimeError, match="corner_pool_cuda: the CUDA launch failed"):
        pool(core, x, pooled)
