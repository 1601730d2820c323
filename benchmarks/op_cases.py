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
from benchmarks.floors import Work, letterbox_work, preset_work
from benchmarks.planted import STRIDE, planted_maps
from simple_trt import ops
from simple_trt.models.presets import Preset, find_preset
from simple_trt.ops import Direction, reference

__all__ = ["CASES", "GPU_CASES", "OpCase", "OpContender", "largest_difference", "tensors_of"]

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
        work: what it has to do at least, by the maps' type as `floors` calls it.
    """

    name: str
    op: str
    arguments: Callable[[int, torch.dtype], Arguments]
    tolerances: tuple[float, ...]
    native: Callable[..., Any] | None = None
    work: Callable[[str], Work] | None = None

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


def _features(preset: Preset, batch: int, directions: Arguments, seed: int, dtype: torch.dtype) -> Arguments:
    """Two feature maps of the pooling modules' inner width, each followed by its direction where there is one."""
    generator = torch.Generator().manual_seed(seed)
    first, second = (torch.randn(batch, preset.mid, CELLS, CELLS, generator=generator).to(dtype) for _ in range(2))
    return (first, *directions[:1], second, *directions[1:])


def _maps(batch: int, seed: int, dtype: torch.dtype) -> list[Tensor]:
    """Points, offsets and pose with PEOPLE planted people in each image."""
    images = [planted_maps(PEOPLE, SIZE, seed + i) for i in range(batch)]
    names = ("points", "offsets", "pose")
    return [torch.cat([torch.from_numpy(image[name]) for image in images]).to(dtype) for name in names]


def _find_peaks(preset: Preset, batch: int, seed: int, dtype: torch.dtype) -> Arguments:
    return _maps(batch, seed, dtype)[0], THRESHOLD, preset.settings.peaks


def _group_boxes(preset: Preset, batch: int, seed: int, dtype: torch.dtype) -> Arguments:
    points, offsets, _ = _maps(batch, seed, dtype)
    s = preset.settings
    scores, indices = reference.find_peaks(points, THRESHOLD, s.peaks)
    return scores, indices, offsets, STRIDE, s.center_area, s.nms_sigma, s.people


def _boxes(preset: Preset, batch: int, seed: int, dtype: torch.dtype) -> Tensor:
    """Boxes of PEOPLE people, and random ones in the rows that would be empty: an op must not profit from those."""
    boxes = reference.group_boxes(*_group_boxes(preset, batch, seed, dtype))[0]
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(batch, preset.settings.people, 2, generator=generator) * SIZE * 0.7
    random_boxes = torch.cat((corner, corner + SIZE * 0.3), dim=2)
    return torch.where((boxes[..., 2:] > boxes[..., :2]).all(2, keepdim=True), boxes, random_boxes)


def _crop_heatmaps(preset: Preset, batch: int, seed: int, dtype: torch.dtype) -> Arguments:
    s = preset.settings
    boxes = _boxes(preset, batch, seed, dtype)
    return _maps(batch, seed, dtype)[2], boxes, STRIDE, *s.crop, s.padding, s.samples


def _read_keypoints(preset: Preset, batch: int, seed: int, dtype: torch.dtype) -> Arguments:
    pose, boxes, *settings = _crop_heatmaps(preset, batch, seed, dtype)
    crops = reference.crop_heatmaps(pose, boxes, *settings).clamp(0, 1)
    prior = torch.full((pose.shape[1], 2), 0.5)
    s = preset.settings
    return pose, crops, boxes, prior, STRIDE, s.padding, s.present


def _preset_cases(name: str, batch: int = 1) -> list[OpCase]:
    preset = find_preset(name)
    left, top = Direction.LEFT, Direction.TOP
    features = partial(partial, _features, preset, batch)

    def case(
        kind: str, arguments: Callable[..., Arguments], tolerances: tuple[float, ...], native: Any = None
    ) -> OpCase:
        title = f"{name} {kind}" + (f", batch {batch}" if batch > 1 else "")
        work = partial(_work, preset, batch, kind)
        return OpCase(title, kind.split()[0], arguments, tolerances, native, work)

    def maps(make: Callable[..., Arguments]) -> Callable[..., Arguments]:
        return partial(make, preset, batch)

    return [
        case("corner_pool left + map", features((left,)), (0,), torch_operators.corner_pool),
        case("corner_pool top + map", features((top,)), (0,), torch_operators.corner_pool),
        case("corner_pool top + left", features((top, left)), (0,), torch_operators.corner_pool),
        case("center_pool", features(()), (0,), torch_operators.center_pool),
        case("find_peaks", maps(_find_peaks), (0, 0), torch_operators.find_peaks),
        case("group_boxes", maps(_group_boxes), (1e-5, 1e-5, 0, 0)),
        case("crop_heatmaps", maps(_crop_heatmaps), (1e-5,), torch_operators.crop_heatmaps),
        case("read_keypoints", maps(_read_keypoints), (1e-5,)),
    ]


def _work(preset: Preset, batch: int, kind: str, dtype: str) -> Work:
    return preset_work(preset, dtype, batch)[kind]


def _letterbox_case(height: int, width: int) -> OpCase:
    name, work = f"{width}x{height} letterbox", partial(letterbox_work, height, width)
    return OpCase(name, "letterbox", partial(_photo, height, width), (2e-5,), work=work)


def _by_name(*cases: OpCase) -> dict[str, OpCase]:
    return {case.name: case for case in cases}


_LETTERBOXES = (_letterbox_case(480, 640), _letterbox_case(1080, 1920))
CASES = _by_name(*_preset_cases("deploy-w18"), *_preset_cases("edge"), *_LETTERBOXES)
GPU_CASES = _by_name(*_preset_cases("deploy-w32"), *_preset_cases("deploy-w32", 8), *_LETTERBOXES)
