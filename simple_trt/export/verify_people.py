"""How far apart two answers to the same pictures are: who was found by both, and by how many pixels they differ.

Lengths are pixels of the picture. Two people are the same when their boxes overlap by an IoU of one half or more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simple_trt.types import People

__all__ = ["Differences", "compare_people", "match_people"]

SURE_PERSON = 0.1
SURE_KEYPOINT = 0.2
SAME = 0.5


@dataclass
class Differences:
    """What was seen over all pictures.

    Args:
        pictures: how many were compared.
        reference, engine: people that each found with a score of at least 0.1.
        matched: people of the reference that the engine found too.
        box: largest corner shift of each matched person, pixels.
        keypoints: distance of each keypoint that both are sure of (confidence over 0.2), pixels.
        score: absolute difference of each matched person's score.
    """

    pictures: int = 0
    reference: int = 0
    engine: int = 0
    matched: int = 0
    box: list[float] = field(default_factory=list)
    keypoints: list[float] = field(default_factory=list)
    score: list[float] = field(default_factory=list)

    @property
    def matched_fraction(self) -> float | None:
        """Share of the reference's people that the engine found; None when the reference found nobody."""
        return self.matched / self.reference if self.reference else None

    def to_json(self) -> dict[str, Any]:
        """Counts, and median and maximum of each difference (null where nothing could be compared)."""
        counts = {"pictures": self.pictures, "reference": self.reference, "engine": self.engine}
        rows = {"box_px": self.box, "keypoint_px": self.keypoints, "score": self.score}
        return {**counts, "matched": self.matched} | {name: _summary(values) for name, values in rows.items()}

    def table(self, reference: str) -> list[str]:
        """Lines for a person; `reference` says what the engine was compared with."""
        rows = [("box corner, px", self.box), ("keypoint, px", self.keypoints), ("score", self.score)]
        lines = [f"{'difference':<16}{'median':>10}{'largest':>10}{'compared':>10}"]
        for name, values in rows:
            found = _summary(values)
            cells = "".join(
                f"{'-' if found[key] is None else format(found[key], '.4f'):>10}" for key in ("median", "max")
            )
            lines.append(f"{name:<16}{cells}{len(values):>10}")
        people = f"{self.reference} by the {reference}, {self.engine} by the engine, {self.matched} by both"
        return [*lines, f"people found: {people}"]


def compare_people(pairs: Iterable[tuple[People, People]]) -> Differences:
    """Differences over pictures; each pair is (the reference's people, the engine's people) of one picture."""
    total = Differences()
    for reference, engine in pairs:
        _add(total, reference, engine)
    return total


def match_people(reference: NDArray[Any], engine: NDArray[Any]) -> list[tuple[int, int]]:
    """Pairs (i, j) of boxes xyxy [n,4] and [m,4] that are the same person, the best overlap first, each box once."""
    if not len(reference) or not len(engine):
        return []
    overlap = _iou(reference, engine)
    pairs: list[tuple[int, int]] = []
    while True:
        i, j = np.unravel_index(int(overlap.argmax()), overlap.shape)
        if overlap[i, j] < SAME:
            return pairs
        pairs.append((int(i), int(j)))
        overlap[i, :] = overlap[:, j] = -1.0


def _add(total: Differences, reference: People, engine: People) -> None:
    total.pictures += 1
    wanted = np.flatnonzero(reference.scores >= SURE_PERSON)
    total.reference += len(wanted)
    total.engine += int((engine.scores >= SURE_PERSON).sum())
    for i, j in match_people(reference.boxes.xyxy[wanted], engine.boxes.xyxy):
        person = wanted[i]
        total.matched += 1
        total.box.append(float(np.abs(reference.boxes.xyxy[person] - engine.boxes.xyxy[j]).max()))
        total.score.append(abs(float(reference.scores[person]) - float(engine.scores[j])))
        total.keypoints += _keypoint_distances(reference, int(person), engine, j)


def _keypoint_distances(reference: People, i: int, engine: People, j: int) -> list[float]:
    sure = (reference.keypoints.conf[i] > SURE_KEYPOINT) & (engine.keypoints.conf[j] > SURE_KEYPOINT)
    apart = np.linalg.norm(reference.keypoints.xy[i] - engine.keypoints.xy[j], axis=-1)
    return [float(distance) for distance in apart[sure]]


def _iou(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """IoU of every box of `a` [n,4] with every box of `b` [m,4] -> [n,m]."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=-1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=-1) for boxes in (a, b)]
    union = areas[0][:, None] + areas[1][None, :] - shared
    return np.where(union > 0, shared / np.maximum(union, np.finfo(np.float32).tiny), 0.0)


def _summary(values: Sequence[float]) -> dict[str, float | None]:
    if not values:
        return {"median": None, "max": None}
    return {"median": round(float(np.median(values)), 6), "max": round(float(np.max(values)), 6)}
