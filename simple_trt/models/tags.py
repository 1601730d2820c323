"""From heatmaps and tag maps to people: the parser of associative embedding (arXiv 1611.05424, section 3.2).

Its steps and numbers are those of HigherHRNet's code (`lib/core/group.py`), a tag being one number. One picture at a
time, in NumPy: whom a peak may join depends on who was found before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simple_trt.errors import SimpleTrtError
from simple_trt.models.simple import STRIDE
from simple_trt.skeletons import Skeleton

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]

# The parts of the body in the order in which they join the people: from the head, where people overlap least, outwards.
PARTS = (
    *("nose", "eye", "ear", "head_top", "head_bottom", "upper_neck", "thorax"),
    *("shoulder", "hip", "pelvis", "elbow", "wrist", "knee", "ankle"),
)
NONE = -1  # no cell, no person


@dataclass(frozen=True)
class TagSettings:
    """How tags make people (HigherHRNet).

    peaks: most peaks of each class. threshold: smallest value of a peak. distance: a peak joins a person whose mean
    tag is nearer than this. people: most people kept.
    """

    peaks: int = 30
    threshold: float = 0.1
    distance: float = 1.0
    people: int = 32


class TagPeople(NamedTuple):
    """P people of one picture by descending score, in network-input pixels.

    boxes: extent of each one's peaks, xyxy [P,4]; without any size where there is one peak. scores: [P]. keypoints:
    x, y, confidence [P,K,3].
    """

    boxes: Floats
    scores: Floats
    keypoints: Floats


def class_order(skeleton: Skeleton) -> tuple[int, ...]:
    """The K keypoint classes in the order of PARTS."""
    parts = [name.removeprefix("left_").removeprefix("right_") for name in skeleton.keypoints]
    return tuple(sorted(range(len(parts)), key=lambda k: PARTS.index(parts[k])))


def parse_people(pose: Floats, tags: Floats, peaks: Ints, order: Sequence[int], settings: TagSettings) -> TagPeople:
    """The people of one picture.

    A person's score is the mean, over all K classes, of the values at its peaks, 0 for a class that has none. Such a
    class then takes the cell of the whole map where `value - round(tag distance to the person's mean)` is greatest,
    unless the value there is not above 0: then it stays at zero.

    Args:
        pose: heatmaps [K,h,w].
        tags: tag maps [K,h,w].
        peaks: linear cells of the peaks of each class [K,N], best first, -1 where there is none.
        order: the classes in the order of matching.
        settings: `distance` and `people` count here.
    """
    values, marks = (x.reshape(len(x), -1) for x in (pose, tags))
    cells = group_peaks(values, marks, peaks, order, settings.distance)
    found = cells >= 0
    scores = np.where(found, _at(values, cells), 0).clip(0, 1).mean(1)
    best = np.argsort(-scores, kind="stable")[: settings.people]
    cells, found, scores = cells[best], found[best], scores[best]
    cells = np.where(found, cells, _guess_cells(values, marks, cells))
    confidence = _at(values, cells).clip(0, 1)
    keypoints = np.concatenate([_places(pose, cells), confidence[..., None]], 2)
    return TagPeople(_extents(keypoints, found), scores, np.where(confidence[..., None] > 0, keypoints, 0))


def group_peaks(values: Floats, tags: Floats, peaks: Ints, order: Sequence[int], distance: float) -> Ints:
    """Class by class, peaks join the people found so far or found new ones.

    Args:
        values: heatmaps [K,h*w].
        tags: tag maps [K,h*w].
        peaks: linear cells [K,N], -1 where there is none.
        order: of the classes.
        distance: see TagSettings.

    Returns:
        The cell of each person's peak of each class [P,K], -1 where it has none.
    """
    people: list[dict[int, int]] = []
    for k in order:
        cells = peaks[k][peaks[k] >= 0]
        means = np.array([np.mean([tags[c, cell] for c, cell in person.items()]) for person in people])
        owners = match_tags(tags[k, cells], values[k, cells], means, distance)
        people += ({} for _ in range(int((owners == NONE).sum())))
        owners[owners == NONE] = np.arange(len(means), len(people))
        for cell, owner in zip(cells, owners, strict=True):
            people[owner][k] = int(cell)
    table = np.full((len(people), len(peaks)), NONE)
    for row, person in zip(table, people, strict=True):
        row[list(person)] = list(person.values())
    return table


def match_tags(tags: Floats, values: Floats, means: Floats, distance: float) -> Ints:
    """To whom of P people each of n peaks of one class belongs [n], -1 for nobody.

    It is the assignment of least total `100 round(tag distance) - value`: among people whose tags are about as near,
    the strongest peaks are served first. A pair as far apart as `distance` does not belong together.

    Args:
        tags: of the peaks [n].
        values: of the peaks [n].
        means: of the people's tags [P].
        distance: see TagSettings.
    """
    apart = np.abs(tags[:, None] - means)
    row, column = _assign(np.round(apart) * 100 - values[:, None])
    owner = np.full(len(tags), NONE)
    owner[row] = np.where(apart[row, column] < distance, column, NONE)
    return owner


def _assign(cost: Floats) -> tuple[Ints, Ints]:
    """Rows and columns of the assignment of least total cost (Hungarian algorithm)."""
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError as error:
        raise SimpleTrtError(
            f"grouping by tags needs scipy, which cannot be imported ({error})", "pip install 'simple-trt[train]'"
        ) from error
    row, column = linear_sum_assignment(cost)
    return row, column


def _at(maps: Floats, cells: Ints) -> Floats:
    """Values of maps [K,h*w] at cells [P,K]; what -1 gives is of no meaning."""
    return maps[np.arange(len(maps)), cells]


def _guess_cells(values: Floats, tags: Floats, cells: Ints) -> Ints:
    """Where each class of each person most likely is by heatmap and tag alone [P,K]."""
    found = cells >= 0
    means = np.where(found, _at(tags, cells), 0).sum(1) / found.sum(1)
    guesses = [(values - np.round(np.abs(tags - mean))).argmax(1) for mean in means]
    return np.array(guesses, int).reshape(cells.shape)


def _places(pose: Floats, cells: Ints) -> Floats:
    """Positions [P,K,2] in pixels, refined as `read_keypoints` does: from the cell's centre a quarter of a cell towards
    the greater neighbour along each axis, not at the border of the map.
    """
    k, v, u = np.arange(len(pose)), cells // pose.shape[2] + 1, cells % pose.shape[2] + 1
    framed = np.pad(pose, ((0, 0), (1, 1), (1, 1)), constant_values=np.nan)
    slopes = framed[k, v, u + 1] - framed[k, v, u - 1], framed[k, v + 1, u] - framed[k, v - 1, u]
    shift = np.nan_to_num(np.sign(np.stack(slopes, 2)))
    return STRIDE * (np.stack([u, v], 2) - 0.5 + 0.25 * shift)


def _extents(keypoints: Floats, found: NDArray[np.bool_]) -> Floats:
    """Boxes [P,4] around those of the keypoints [P,K,3] that are found [P,K]."""
    places, counts = keypoints[..., :2], found[..., None]
    low, high = np.where(counts, places, np.inf).min(1), np.where(counts, places, -np.inf).max(1)
    return np.concatenate([low, high], 1)
