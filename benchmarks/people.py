"""Latency against the number of people in the picture: one engine, pictures in interleaved turns, spread beside noise.

Twice: the whole engine on pictures composed of annotated people, and the decode alone on planted maps, where the number
of people is certain.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import contenders
from benchmarks.answers import people_of
from benchmarks.children import Child
from benchmarks.conditions import Load, conditions
from benchmarks.crowds import compose, cutouts, found_alone
from benchmarks.graph_cut import cut
from benchmarks.options import data_folder, parser, plan_of, run_main, say
from benchmarks.photos import network_input, save_arrays
from benchmarks.planted import planted_maps
from benchmarks.results import target, write_result
from benchmarks.rounds import interleave
from benchmarks.statistics import spread, summary
from benchmarks.subjects import BUNDLED, SIZE, build_engine, find_subject
from simple_trt import Session
from simple_trt.cli.flags import DEFAULT_THRESHOLD

__all__ = ["COUNTS", "main", "pictures_of"]

COUNTS = (0, 1, 5, 15, 30)
CANDIDATES = 80


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and write the result."""
    p = parser("people", __doc__ or "", rounds=20, iterations=10)
    p.add_argument("--model", default=BUNDLED, help="a bundled model, a checkpoint, or a preset (random weights)")
    p.add_argument("--precision", choices=("fp32", "bf16", "int8"), default="int8")
    args = p.parse_args(argv)
    args.work.mkdir(parents=True, exist_ok=True)
    load, about, data = Load(), conditions(args.seed, args.threads), data_folder()
    subject = find_subject(args.model, args.work, args.seed)
    engine = build_engine(subject, args.precision, args.work, data)
    whole = _composed(engine, data, args)
    parts = [whole, _planted(engine, whole["about"]["arithmetic"], args)]
    write_result(
        args.out,
        "people",
        about | load.to_json(),
        settings=asdict(plan_of(args)) | {"size": SIZE, "precision": args.precision, "score": DEFAULT_THRESHOLD},
        model=subject.to_json(),
        parts=parts,
        targets=[_target(part) for part in parts],
    )
    return 0


def pictures_of(data: Path, engine: Path, counts: Sequence[int]) -> dict[int, NDArray[np.uint8]]:
    """A composed picture for each number of people; the best-found people are used, again where there are too few.

    Where the engine finds nobody alone, the largest people are taken as they are.
    """
    candidates = cutouts(data, CANDIDATES)
    with Session.open(engine) as session:
        alone = found_alone(candidates, max(counts), SIZE, session.predict, DEFAULT_THRESHOLD)
    say(f"{len(alone)} of {len(candidates)} people are found alone at the smallest size")
    chosen = alone or candidates
    return {count: compose([chosen[i % len(chosen)] for i in range(count)], SIZE) for count in counts}


def _composed(engine: Path, data: Path, args: argparse.Namespace) -> dict[str, Any]:
    """The whole engine on composed pictures."""
    inputs = {
        str(count): save_arrays(args.work / f"crowd-{count}.npz", {"image": network_input(picture, SIZE)})
        for count, picture in pictures_of(data, engine, COUNTS).items()
    }
    spec = contenders.spec(contenders.engine, path=str(engine), inputs=inputs, threads=args.threads)
    return {"what": "whole engine on composed pictures"} | _measure(spec, args)


def _planted(engine: Path, arithmetic: str, args: argparse.Namespace) -> dict[str, Any]:
    """The decode of the engine's graph, in the engine's arithmetic, on maps with planted people."""
    pieces = cut(engine, args.work)
    inputs = {}
    for count in COUNTS:
        maps = planted_maps(count, SIZE, args.seed)
        named = {tensor: maps[name] for name, tensor in pieces.maps.items()}
        inputs[str(count)] = save_arrays(args.work / f"planted-{count}.npz", named)
    spec = contenders.spec(
        contenders.graph, path=str(pieces.decode), inputs=inputs, threads=args.threads, precision=arithmetic
    )
    return {"what": "decode alone on planted maps"} | _measure(spec, args)


def _measure(spec: Mapping[str, Any], args: argparse.Namespace) -> dict[str, Any]:
    """One process, a task for each number of people."""
    with Child("people", dict(spec), args.threads) as child:
        found = {count: people_of(child.outputs(str(count)), SIZE) for count in COUNTS}
        turns = {str(count): child.turn(str(count)) for count in COUNTS}
        times = interleave(turns, plan_of(args), say)
        about = child.about
    rows = [
        {
            "people": count,
            "rows": len(found[count]),
            "found": len(found[count].above(DEFAULT_THRESHOLD)),
            "ms": summary(times[str(count)]).to_json(),
        }
        for count in COUNTS
    ]
    return {"about": about, "rows": rows, "spread": spread(times, args.seed).to_json()}


def _target(part: Mapping[str, Any]) -> dict[str, Any]:
    found = part["spread"]
    wanted = f"within noise, {found['noise']:.4f} ms"
    return target(f"spread in ms, {part['what']}", wanted, found["observed"], found["within_noise"])


if __name__ == "__main__":
    run_main(main)
