"""AP lost between two networks on the same pictures, and how sure that number is: a paired bootstrap over pictures."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simple_trt.errors import SimpleTrtError
from simple_trt.evaluate.annotations import Annotations
from simple_trt.evaluate.coco import Found, cocoeval, completed

__all__ = ["Drop", "Matches", "ap_drop", "match_found"]

RESAMPLES = 200
MOST_PEOPLE = 20  # of a picture, as COCO counts


class Drop(NamedTuple):
    """AP lost, 0..1 (negative where the second network is better), and its standard error."""

    ap: float
    standard_error: float


@dataclass(frozen=True)
class Matches:
    """Who was found, once for all thresholds T, so that AP on any resample of the pictures is quickly had.

    Args:
        picture: of each detection, best score first: which picture, by its place in the list [D].
        hit: detection is a person of the annotations [T,D].
        ignored: detection counts neither way [T,D].
        people: annotated people of each picture [I].
    """

    picture: NDArray[np.intp]
    hit: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    people: NDArray[np.int64]
    recalls: NDArray[np.float64]

    def ap(self, weights: NDArray[Any] | None = None) -> float:
        """COCO's AP; with `weights` [I], of a sample in which picture i stands `weights[i]` times. NaN for nobody."""
        weights = np.ones(len(self.people)) if weights is None else weights
        people = float(self.people @ weights)
        if not people:
            return float("nan")
        each = weights[self.picture]
        right = np.cumsum(each * (self.hit & ~self.ignored), axis=1)
        wrong = np.cumsum(each * (~self.hit & ~self.ignored), axis=1)
        precision = right / np.maximum(right + wrong, np.spacing(1))
        best_after = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        return float(
            np.mean([self._at_recalls(r / people, p) for r, p in zip(right, best_after, strict=True)], dtype=float)
        )

    def _at_recalls(self, recall: NDArray[Any], precision: NDArray[Any]) -> float:
        """Mean precision [D] at the 101 recalls; 0 at those that are not reached."""
        at = np.searchsorted(recall, self.recalls)
        return float(np.append(precision, 0.0)[at].mean())


def match_found(annotations: Annotations, found: Found) -> Matches:
    """Match what a network found with the annotations.

    Raises:
        SimpleTrtError: the pictures show nobody with keypoints.
    """
    ids = sorted(found.image_ids)
    chosen = set(ids)
    truth = [entry for entry in annotations.people if entry["image_id"] in chosen]
    measure = cocoeval(truth, completed(found.results), ids, found.skeleton)
    with redirect_stdout(io.StringIO()):
        measure.evaluate()
    pictures = measure.evalImgs[: len(ids)]  # the first of the area ranges is all areas
    people = np.array([0 if p is None else int((np.asarray(p["gtIgnore"]) == 0).sum()) for p in pictures])
    if not people.sum():
        cause = f"AP cannot be measured: '{annotations.path}' marks no keypoints in {len(ids)} pictures"
        raise SimpleTrtError(cause, "give other annotations, or more pictures")
    return _sorted_matches(pictures, people, measure.params)


def _sorted_matches(pictures: list[Any], people: NDArray[np.int64], params: Any) -> Matches:
    thresholds = len(params.iouThrs)
    rows = [(i, p) for i, p in enumerate(pictures) if p is not None]
    counts = [min(len(p["dtScores"]), MOST_PEOPLE) for _, p in rows]
    scores = np.concatenate([np.zeros(0), *(p["dtScores"][:n] for (_, p), n in zip(rows, counts, strict=True))])
    order = np.argsort(-scores, kind="mergesort")

    def gather(key: str) -> NDArray[np.bool_]:
        parts = [np.asarray(p[key], bool)[:, :n] for (_, p), n in zip(rows, counts, strict=True)]
        return np.concatenate([np.zeros((thresholds, 0), bool), *parts], axis=1)[:, order]

    picture = np.repeat([i for i, _ in rows], counts).astype(np.intp)[order]
    return Matches(picture, gather("dtMatches"), gather("dtIgnore"), people, np.asarray(params.recThrs))


def ap_drop(before: Matches, after: Matches, seed: int = 0) -> Drop:
    """AP lost from one network to another on the same pictures.

    The standard error is the spread of the difference over 200 resamples of the pictures, each taken alike for both.
    """
    rng = np.random.default_rng(seed)
    count = len(before.people)
    samples = rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES).astype(float)
    differences = [before.ap(weights) - after.ap(weights) for weights in samples]
    return Drop(before.ap() - after.ap(), float(np.nanstd(differences, ddof=1)))
