"""Maps with people at known places: what a perfect network would give, plus noise. NumPy only."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["grid_boxes", "planted_maps"]

Floats = NDArray[np.float32]

STRIDE = 4
KEYPOINTS = 17
BACKGROUND = -6.0  # logit; sigmoid(-6) = 0.0025
PEAK = 3.0  # logit; sigmoid(3) = 0.95
ASPECT = 0.5  # width over height of a person's box
SPREAD = 1.5  # cells; the width of a planted peak


def grid_boxes(people: int, size: int, seed: int = 0) -> Floats:
    """Boxes xyxy [n,4] of `people` people, one in each cell of a square grid over a picture of `size` x `size` pixels.

    Sizes and places vary: on an even grid the corners of two people frame a third one's centre, and make a false box.
    """
    if people == 0:
        return np.zeros((0, 4), np.float32)
    rng = np.random.default_rng(seed)
    columns = math.ceil(math.sqrt(people / ASPECT))
    rows = math.ceil(people / columns)
    cell = np.array([size / columns, size / rows])
    height = min(cell[0] / ASPECT, cell[1]) * rng.uniform(0.55, 0.95, people)
    half = np.stack([height * ASPECT / 2, height / 2], axis=1)
    index = np.arange(people)
    corner = np.stack([index % columns, index // columns], axis=1) * cell
    centre = corner + half + rng.uniform(size=(people, 2)) * (cell - 2 * half)
    return np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)


def planted_maps(people: int, size: int, seed: int = 0, keypoints: int = KEYPOINTS) -> dict[str, Floats]:
    """Network output for one picture that holds `people` people on a grid.

    Args:
        people: how many.
        size: side of the network's input, pixels.
        seed: of the noise and of the keypoints' places.
        keypoints: K.

    Returns:
        `points` [1,3,S/4,S/4] logits, `offsets` [1,6,S/4,S/4], `pose` [1,K,S/4,S/4], as `models.simple.Maps`.
    """
    rng = np.random.default_rng(seed)
    cells = size // STRIDE
    boxes = grid_boxes(people, size, seed)
    points = BACKGROUND + 0.3 * rng.standard_normal((1, 3, cells, cells))
    offsets = np.full((1, 6, cells, cells), 0.5)
    pose = 0.01 * rng.standard_normal((1, keypoints, cells, cells))
    for box in boxes.astype(float):
        for kind, place in enumerate((box[:2], box[2:], (box[:2] + box[2:]) / 2)):
            _raise_peak(points[0, kind], place, PEAK - BACKGROUND)
            _set_offset(offsets[0, 2 * kind : 2 * kind + 2], place)
        places = box[:2] + rng.uniform(0.1, 0.9, (keypoints, 2)) * (box[2:] - box[:2])
        for k, place in enumerate(places):
            _raise_peak(pose[0, k], place, 1.0)
    return {
        "points": points.astype(np.float32),
        "offsets": offsets.astype(np.float32),
        "pose": pose.astype(np.float32),
    }


def _raise_peak(heat: NDArray[Any], place: NDArray[Any], height: float) -> None:
    """Add a Gaussian whose centre is `place` (x, y), network-input pixels."""
    grid = np.arange(heat.shape[0]) + 0.5
    x, y = (np.exp(-((grid - at / STRIDE) ** 2) / (2 * SPREAD**2)) for at in place)
    heat += height * np.outer(y, x)


def _set_offset(offset: NDArray[Any], place: NDArray[Any]) -> None:
    """The place inside its cell, written to the 3x3 cells around it, each from its own corner [2,H,W]."""
    u, v = (min(max(int(at // STRIDE), 0), offset.shape[1] - 1) for at in place)
    for row in range(max(v - 1, 0), min(v + 2, offset.shape[1])):
        for column in range(max(u - 1, 0), min(u + 2, offset.shape[2])):
            offset[:, row, column] = place / STRIDE - (column, row)
