"""Pictures that the benchmarks show to what they measure, from the 300 photos that nothing was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from simple_trt import ops
from simple_trt.data.coco import read_coco
from simple_trt.engines.manifest import Preprocessing
from simple_trt.pictures import Picture

__all__ = ["VALIDATION", "group_photo", "network_input", "save_arrays", "validation"]

VALIDATION = "coco/person_keypoints_val.json", "coco/val"
PEOPLE = 5


def validation(data: Path) -> tuple[Path, Path]:
    """Annotations and folder of the 300-image split."""
    return data / VALIDATION[0], data / VALIDATION[1]


def group_photo(data: Path) -> Path:
    """The first photo of the split with five annotated people."""
    samples = read_coco(*validation(data))
    return next(sample.image for sample in samples if sum(person.labelled for person in sample.people) == PEOPLE)


def network_input(picture: Picture, size: int) -> NDArray[np.float32]:
    """RGB uint8 [H,W,3] -> [1,3,size,size], letterboxed and normalised as our networks want it."""
    rules = Preprocessing()
    image = ops.letterbox(torch.from_numpy(np.ascontiguousarray(picture)), size, size, rules.mean, rules.std)
    return image.numpy()[None]


def save_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> str:
    """Write an `.npz` that `contenders.load_inputs` reads; returns its name."""
    np.savez(path, **{name: np.ascontiguousarray(array) for name, array in arrays.items()})  # type: ignore[arg-type]
    return str(path)
