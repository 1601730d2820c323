"""The four decode ops in every implementation, called alike: torch tensors in, a tuple of torch tensors out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import ml_dtypes
import numpy as np
import torch
from torch import Tensor

from simple_trt.ops import reference
from tests.kernels.emulator import Call, Outcome

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
_UNWRITTEN = 77  # what outputs hold before a kernel writes them

#: An implementation: op name and arguments to results.
Run = Callable[..., tuple[Tensor, ...]]


def twin(name: str, *arguments: Any) -> tuple[Tensor, ...]:
    """The definition, in plain PyTorch."""
    return _as_tuple(getattr(reference, name)(*arguments))


def cpu_kernel(core: ModuleType) -> Run:
    """The CPU kernels of a module."""

    def run(name: str, *arguments: Any) -> tuple[Tensor, ...]:
        return tuple(map(to_tensor, _as_tuple(getattr(core, name)(*map(to_array, arguments)))))

    return run


def emulated_kernel(emulated: ModuleType, seed: int) -> Run:
    """The CUDA kernels on the grid emulator, under one order of threads."""

    def run(name: str, *arguments: Any) -> tuple[Tensor, ...]:
        emulated.set_schedule_seed(seed)
        call = DeviceCall.of(name, arguments)
        getattr(emulated, call.function)(*call.arguments)
        return call.results(call.arguments)

    return run


def torch_op(device: str) -> Run:
    """The registered torch op on a device."""

    def run(name: str, *arguments: Any) -> tuple[Tensor, ...]:
        import simple_trt.ops  # noqa: F401 registers the ops

        moved = [value.to(device) if isinstance(value, Tensor) else value for value in arguments]
        results = _as_tuple(getattr(torch.ops.simple_trt, name)(*moved))
        return tuple(result.cpu() for result in results)

    return run


@dataclass(frozen=True)
class DeviceCall:
    """A call of ``<op>_cuda``, which writes into arrays that it is given."""

    function: str
    arguments: tuple[Any, ...]
    outputs: slice  # of the arguments

    @staticmethod
    def of(name: str, arguments: Sequence[Any]) -> DeviceCall:
        arrays = tuple(to_array(value) for value in arguments if isinstance(value, Tensor))
        outputs, scalars = _OUTPUTS[name](*arguments)
        last = len(arrays) + len(outputs)
        return DeviceCall(f"{name}_cuda", (*arrays, *outputs, *scalars), slice(len(arrays), last))

    def results(self, arguments: Sequence[Any]) -> tuple[Tensor, ...]:
        """The outputs among the arguments of a finished call."""
        return tuple(map(to_tensor, arguments[self.outputs]))

    def as_call(self) -> Call:
        return self.function, self.arguments


#: An op and its arguments.
Case = tuple[str, tuple[Any, ...]]


def run_both_sanitized(
    run_sanitized: Callable[[Sequence[Call]], Outcome], cases: Sequence[Case]
) -> Iterator[tuple[Case, tuple[Tensor, ...]]]:
    """Every case with the results of the emulated CUDA kernel, then with those of the CPU kernel, under sanitizers."""
    on_device = [DeviceCall.of(*case) for case in cases]
    on_host = [(name, tuple(map(to_array, arguments))) for name, arguments in cases]
    finished = run_sanitized([call.as_call() for call in on_device] + on_host).results
    for case, call, (written, _) in zip(cases, on_device, finished, strict=False):
        yield case, call.results(written)
    for case, (_, result) in zip(cases, finished[len(cases) :], strict=True):
        yield case, tuple(map(to_tensor, _as_tuple(result)))


def _peaks(maps: Tensor, threshold: float, top_n: int) -> tuple[tuple[np.ndarray, ...], tuple[Any, ...]]:
    shape = (*maps.shape[:2], top_n)
    return (_blank(shape, np.float32), _blank(shape, np.int32)), (threshold,)


def _boxes(
    scores: Tensor, indices: Tensor, offsets: Tensor, stride: int, area: float, sigma: float, top_m: int
) -> tuple[tuple[np.ndarray, ...], tuple[Any, ...]]:
    shape = (scores.shape[0], top_m)
    boxes, box_scores = _blank((*shape, 4), np.float32), _blank(shape, np.float32)
    return (boxes, box_scores, _blank((*shape, 3), np.int32), _blank(shape[:1], np.int32)), (stride, area, sigma)


def _crops(
    heatmaps: Tensor, boxes: Tensor, stride: int, crop_h: int, crop_w: int, padding: float, samples: int
) -> tuple[tuple[np.ndarray, ...], tuple[Any, ...]]:
    shape = (*boxes.shape[:2], heatmaps.shape[1], crop_h, crop_w)
    return (_blank(shape, to_array(heatmaps).dtype),), (stride, padding, samples)


def _keypoints(
    heatmaps: Tensor, gated: Tensor, boxes: Tensor, prior: Tensor, stride: int, padding: float, present: float
) -> tuple[tuple[np.ndarray, ...], tuple[Any, ...]]:
    return (_blank((*gated.shape[:3], 3), np.float32),), (stride, padding, present)


_OUTPUTS: dict[str, Callable[..., tuple[tuple[np.ndarray, ...], tuple[Any, ...]]]] = {
    "find_peaks": _peaks,
    "group_boxes": _boxes,
    "crop_heatmaps": _crops,
    "read_keypoints": _keypoints,
}


def _blank(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    return np.full(shape, _UNWRITTEN, dtype)


def to_array(value: Any) -> Any:
    """A tensor as a NumPy array (bfloat16 as that of ml_dtypes); anything else as it is."""
    if not isinstance(value, Tensor):
        return value
    if value.dtype == torch.bfloat16:
        return value.contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return value.numpy()


def to_tensor(array: np.ndarray) -> Tensor:
    """The reverse of :func:`to_array`."""
    if array.dtype.itemsize == 2 and array.dtype.kind == "V":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def assert_same(actual: Sequence[Tensor], expected: Sequence[Tensor], tolerance: float = 0.0) -> None:
    """Equal types, shapes, integers and NaN; numbers within ``tolerance``, relative and absolute."""
    assert len(actual) == len(expected)
    for got, wanted in zip(actual, expected, strict=True):
        limit = tolerance if wanted.is_floating_point() else 0.0
        torch.testing.assert_close(got, wanted, rtol=limit, atol=limit, equal_nan=True)


def fill(shape: Sequence[int], values: Sequence[float] | None, seed: int) -> Tensor:
    """A float32 tensor of these values at random, so that many are equal; of normal numbers for ``None``."""
    generator = torch.Generator().manual_seed(seed)
    if values is None:
        return torch.randn(tuple(shape), generator=generator)
    return torch.tensor(values)[torch.randint(len(values), tuple(shape), generator=generator)]


def random_boxes(batch: int, count: int, extent: float, seed: int) -> Tensor:
    """Boxes [batch, count, 4]: many on whole multiples of 2, some beyond the map, empty, turned round or not finite."""
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(batch, count, 2, generator=generator) * extent * 1.4 - extent * 0.2
    size = torch.rand(batch, count, 2, generator=generator) * extent
    boxes = torch.cat((corner, corner + size), dim=2)
    on_grid = torch.rand(batch, count, 1, generator=generator) < 0.5
    boxes = torch.where(on_grid, (boxes / 2).round() * 2, boxes)
    flawed = torch.rand(batch, count, 4, generator=generator) < 0.04
    flaws = fill((batch, count, 4), (math.nan, math.inf, -math.inf, 0.0, 1e30, -1e30), seed)
    return torch.where(flawed, flaws, boxes)
