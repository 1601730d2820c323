"""The whole search: calibration method, sensitivity of every block, sets within the limit, the fastest of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simple_trt.errors import AccuracyError, SimpleTrtError
from simple_trt.export.precision.histograms import Histogram
from simple_trt.export.precision.ranges import METHODS, choose_ranges
from simple_trt.export.search.bench import Bench
from simple_trt.export.search.greedy import Int8, ranked, search_sets
from simple_trt.export.search.outcome import outcome, report
from simple_trt.export.search.record import Record
from simple_trt.export.search.times import predicted_times

__all__ = ["Chosen", "SearchRequest", "search_int8"]

FINALISTS = 3
DEFAULT_LIMIT = 0.005
NOTHING: Int8 = frozenset()


@dataclass(frozen=True)
class SearchRequest:
    """What a search is to find and how much it may measure.

    Args:
        annotations: COCO keypoint file.
        images: folder of its photos.
        max_ap_drop: most AP that the engine may lose, 0..1.
        photos: how many of them each block is measured on; sets of blocks are measured on all.
        steps: most sets of blocks that are measured.
        seed: of the drawing of these photos and of the bootstrap.
        predicted: take blocks' times from their multiplications, the same on every machine, where they could be
            measured.
        record: file that keeps what is measured.
        force: a record of another search may be replaced.
    """

    annotations: Path
    images: Path
    record: Path
    max_ap_drop: float = DEFAULT_LIMIT
    photos: int = 128
    steps: int = 16
    seed: int = 1
    predicted: bool = False
    force: bool = False


@dataclass(frozen=True)
class Chosen:
    """What a search found.

    Args:
        int8: the blocks that become int8.
        method: the calibration method.
        ranges: tensor -> range by that method.
        report: lines for a person.
    """

    int8: Int8
    method: str
    ranges: dict[str, float]
    report: list[str]


def search_int8(
    bench: Bench,
    record: Record,
    request: SearchRequest,
    histograms: Mapping[str, Histogram],
    method: str | None,
    image: NDArray[np.float32],
) -> Chosen:
    """Find the fastest set of int8 blocks that loses at most `request.max_ap_drop`.

    Args:
        bench: measures.
        record: has what was measured before, and gets what is measured now.
        request: limits.
        histograms: of every tensor that a block reads.
        method: calibration method; None measures all of them and takes the one that loses least.
        image: input of the network [B,3,H,W], for timing.

    Raises:
        AccuracyError: no set of blocks keeps the limit, or int8 makes no block faster.
        SimpleTrtError: the model finds nobody on these photos.
    """
    record.ap = bench.reference_ap if record.ap is None else record.ap
    if record.ap <= 0:
        raise SimpleTrtError(
            f"the model's own AP on '{request.annotations}' is 0: no block could lose any",
            "give photos on which it finds people, or a trained model",
        )
    method = method or _best_method(bench, record, histograms)
    bench.ranges = choose_ranges(histograms, method)
    record.times = record.times or (predicted_times(bench.blocks) if request.predicted else bench.times(image))
    alone = _alone(bench, record)

    def lost(int8: Int8) -> float:
        what = f"{len(int8)} of {len(bench.blocks)} blocks in int8"
        return float(record.known(record.sets, int8, lambda: bench.lost_on_all(what, int8)).ap)

    _refuse_hopeless(lost(NOTHING), request)
    usual = frozenset(block.name for block in bench.blocks if block.usual)
    good = search_sets(ranked(record.times, alone), alone, lost, request.max_ap_drop, request.steps)
    good += [usual] if lost(usual) <= request.max_ap_drop and usual not in good else []
    if not good:
        raise AccuracyError(
            f"no set of int8 blocks loses at most {request.max_ap_drop:.4f} of AP ({request.steps} were tried)",
            "allow more with --max-ap-drop, or more --search-steps; give better --calib photos; or build fp16 or bf16",
        )
    chosen = _fastest(bench, record, good, usual, image)
    record.outcome = outcome(record, request.max_ap_drop, method, chosen)
    record.write()
    return Chosen(chosen, method, dict(bench.ranges), report(record, len(bench.blocks)))


def _best_method(bench: Bench, record: Record, histograms: Mapping[str, Histogram]) -> str:
    """The calibration method with which the blocks that are usually int8 lose least."""
    usual = frozenset(block.name for block in bench.blocks if block.usual)
    for name in METHODS:
        ranges = choose_ranges(histograms, name)
        record.known(record.methods, name, partial(bench.lost_on_some, f"calibration by {name}", usual, ranges))
    return min(METHODS, key=lambda name: record.methods[name].ap)


def _alone(bench: Bench, record: Record) -> dict[str, float]:
    """AP that each block loses alone."""
    for number, block in enumerate(bench.blocks, 1):
        what = f"{block.name} in int8, block {number} of {len(bench.blocks)}"
        record.known(record.alone, block.name, partial(bench.lost_on_some, what, frozenset({block.name})))
    return {name: drop.ap for name, drop in record.alone.items()}


def _refuse_hopeless(lost: float, request: SearchRequest) -> None:
    if lost > request.max_ap_drop:
        raise AccuracyError(
            f"even with no block in int8 {lost:.4f} of AP is lost, and at most {request.max_ap_drop:.4f} may be",
            "allow more with --max-ap-drop, or build with --precision fp32",
        )


def _fastest(bench: Bench, record: Record, good: list[Int8], usual: Int8, image: NDArray[np.float32]) -> Int8:
    """The fastest by the sum of its blocks' times; where these are measured, the last three are timed as a whole."""
    times = record.times
    assert times is not None
    finalists = sorted(good, key=lambda int8: (times.of(int8), sorted(int8)))[:FINALISTS]
    if times.unit != "seconds":
        return finalists[0]
    wanted = dict.fromkeys([*finalists, usual, NOTHING])
    if not set(wanted) <= set(record.seconds):
        record.seconds = bench.seconds(wanted, image)
        record.write()
    return min(finalists, key=lambda int8: record.seconds[int8])
