"""Every op at the shapes that the presets give it at 512 x 512: our kernel, its twin, and torch's own operators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks import torch_operators
from benchmarks.contenders import Arrays, Contender
from benchmarks.planted import STRIDE, planted_maps
from simple_trt import ops
from simple_trt.models.presets import Preset, find_preset
from simple_trt.ops import Direction, reference

__all__ = ["CASES", "OpCase", "OpContender", "largest_difference", "tensors_of"]

SIZE = 512
CELLS = SIZE // STRIDE
PEOPLE = 15
THRESHOLD = -2.1972246  # the logit of 0.1
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

Arguments = tuple[Any, ...]


@dataclass(frozen=True)
class OpCase:
    """One op at one shape.

    Args:
        name: preset or photo size, op, variant.
        op: its name; kernel and twin are found by it.
        arguments: (seed, dtype of maps) -> arguments, on the CPU.
        tolerances: of each output: largest difference to the twin, relative above 1; 0 means equal.
        native: the nearest thing that torch's own operators offer, or None; it may differ at borders and ties.
    """

    name: str
    op: str
    arguments: Callable[[int, torch.dtype], Arguments]
    tolerances: tuple[float, ...]
    native: Callable[..., Any] | None = None

    def implementation(self, which: str) -> Callable[..., Any]:
        """`kernel`, `twin` or `native`. Raises ValueError when there is none of that name."""
        found = {"kernel": getattr(ops, self.op), "twin": getattr(reference, self.op), "native": self.native}.get(which)
        if found is None:
            raise ValueError(f"case '{self.name}' has no implementation '{which}'")
        implementation: Callable[..., Any] = found
        return implementation


class OpContender(Contender):
    """See `contenders.op`."""

    def __init__(self, case: str, seed: int, threads: int) -> None:
        torch.set_num_threads(threads)
        self._case = CASES[case]
        self._arguments = self._case.arguments(seed, torch.float32)

    def run(self, task: str) -> Any:
        """Once, in the implementation that the task names."""
        with torch.inference_mode():
            return self._case.implementation(task)(*self._arguments)

    def outputs(self, task: str) -> Arrays:
        """The outputs, numbered."""
        return {str(i): tensor.numpy() for i, tensor in enumerate(tensors_of(self.run(task)))}


def tensors_of(result: Any) -> tuple[Tensor, ...]:
    """An op's result as a tuple, also where it is one tensor."""
    return (result,) if isinstance(result, Tensor) else tuple(result)


def largest_difference(case: OpCase, got: Any, expected: Any) -> float:
    """Between an op's result and its twin's, relative where the twin's value exceeds 1.

    Where values may differ at all they may differ by the last bit of their type.

    Raises:
        ValueError: it is beyond the case's tolerance, or not a number.
    """
    largest = 0.0
    for tolerance, ours, theirs in zip(case.tolerances, tensors_of(got), tensors_of(expected), strict=True):
        if tolerance:
            tolerance = max(tolerance, torch.finfo(theirs.dtype).eps)
        ours, theirs = ours.double().cpu(), theirs.double().cpu()
        gap = torch.where(ours == theirs, 0.0, (ours - theirs).abs() / theirs.abs().clamp(min=1))
        worst = float(gap.max()) if gap.numel() else 0.0
        if not worst <= tolerance:
            raise ValueError(f"case '{case.name}': differs from its twin by {worst:g}, expected at most {tolerance:g}")
        largest = max(largest, worst)
    return largest


def _photo(height: int, width: int, seed: int, _: torch.dtype) -> Arguments:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return torch.from_numpy(pixels), SIZE, SIZE, MEAN, STD


def _features(preset: Preset, directions: Arguments, seed: int, dtype: torch.dtype) -> Arguments:
    """Two feature maps of the pooling modules' inner width, each followed by its direction where there is one."""
    generator = torch.Generator().manual_seed(seed)
    first, second = (torch.randn(1, preset.mid, CELLS, CELLS, generator=generator).to(dtype) for _ in range(2))
    return (first, *directions[:1], second, *directions[1:])


def _maps(seed: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Points, offsets and pose with PEOPLE planted people."""
    maps = planted_maps(PEOPLE, SIZE, seed)
    points, offsets, pose = (torch.from_numpy(maps[name]).to(dtype) for name in ("points", "offsets", "pose"))
    return points, offsets, pose


def _find_peaks(preset: Preset, seed: int, dtype: torch.dtype) -> Arguments:
    return _maps(seed, dtype)[0], THRESHOLD, preset.settings.peaks


def _group_boxes(preset: Preset, seed: int, dtype: torch.dtype) -> Arguments:
    points, offsets, _ = _maps(seed, dtype)
    s = preset.settings
    scores, indices = reference.find_peaks(points, THRESHOLD, s.peaks)
    return scores, indices, offsets, STRIDE, s.center_area, s.nms_sigma, s.people


def _boxes(preset: Preset, seed: int, dtype: torch.dtype) -> Tensor:
    """Boxes of PEOPLE people, and random ones in the rows that would be empty: an op must not profit from those."""
    boxes = reference.group_boxes(*_group_boxes(preset, seed, dtype))[0]
    corner = torch.rand(1, preset.settings.people, 2, generator=torch.Generator().manual_seed(seed)) * SIZE * 0.7
    random_boxes = torch.cat((corner, corner + SIZE * 0.3), dim=2)
    return torch.where((boxes[..., 2:] > boxes[..., :2]).all(2, keepdim=True), boxes, random_boxes)


def _crop_heatmaps(preset: Preset, seed: int, dtype: torch.dtype) -> Arguments:
    s = preset.settings
    return _maps(seed, dtype)[2], _boxes(preset, seed, dtype), STRIDE, *s.crop, s.padding, s.samples


def _read_keypoints(preset: Preset, seed: int, dtype: torch.dtype) -> Arguments:
    pose, boxes, *settings = _crop_heatmaps(preset, seed, dtype)
    crops = reference.crop_heatmaps(pose, boxes, *settings).clamp(0, 1)
    prior = torch.full((pose.shape[1], 2), 0.5)
    s = preset.settings
    return pose, crops, boxes, prior, STRIDE, s.padding, s.present


def _preset_cases(name: str) -> list[OpCase]:
    preset = find_preset(name)
    left, top = Direction.LEFT, Direction.TOP
    features, native = partial(partial, _features, preset), torch_operators
    crops = partial(_crop_heatmaps, preset)
    return [
        OpCase(f"{name} corner_pool left + map", "corner_pool", features((left,)), (0,), native.corner_pool),
        OpCase(f"{name} corner_pool top + map", "corner_pool", features((top,)), (0,), native.corner_pool),
        OpCase(f"{name} corner_pool top + left", "corner_pool", features((top, left)), (0,), native.corner_pool),
        OpCase(f"{name} center_pool", "center_pool", features(()), (0,), native.center_pool),
        OpCase(f"{name} find_peaks", "find_peaks", partial(_find_peaks, preset), (0, 0), native.find_peaks),
        OpCase(f"{name} group_boxes", "group_boxes", partial(_group_boxes, preset), (1e-5, 1e-5, 0, 0)),
        OpCase(f"{name} crop_heatmaps", "crop_heatmaps", crops, (1e-5,), native.crop_heatmaps),
        OpCase(f"{name} read_keypoints", "read_keypoints", partial(_read_keypoints, preset), (1e-5,)),
    ]


def _letterbox_case(height: int, width: int) -> OpCase:
    return OpCase(f"{width}x{height} letterbox", "letterbox", partial(_photo, height, width), (2e-5,))


CASES: dict[str, OpCase] = {
    case.name: case
    for case in (
        *_preset_cases("deploy-w18"),
        *_preset_cases("edge"),
        _letterbox_case(480, 640),
        _letterbox_case(1080, 1920),
    )
}
