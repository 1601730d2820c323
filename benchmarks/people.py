"""Latency against the number of people in the picture.

Of one engine, spread beside noise, twice: the whole engine on pictures composed of annotated people, and the decode
alone on planted maps, where the number of people is certain. Then of SIMPLE's presets beside top-down and bottom-up
rivals, from a frame in memory to people in pixels of the frame, in the same runtime, precision and threads.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks import contenders
from benchmarks.answers import people_of
from benchmarks.children import Child
from benchmarks.conditions import Load, conditions
from benchmarks.crowds import compose, cutouts, found_alone, places
from benchmarks.graph_cut import cut, input_shapes
from benchmarks.options import data_folder, parser, plan_of, run_main, say
from benchmarks.photos import network_input, save_arrays
from benchmarks.planted import planted_maps
from benchmarks.results import target, write_result
from benchmarks.rivals import field
from benchmarks.rivals.sweep import sweep
from benchmarks.rounds import interleave
from benchmarks.statistics import spread, summary
from benchmarks.subjects import BUNDLED, SIZE, build_engine, find_subject
from simple_trt import Session
from simple_trt.cli.flags import DEFAULT_THRESHOLD

__all__ = ["COUNTS", "Crowd", "crowds_of", "main"]

COUNTS = (0, *field.COUNTS)
CANDIDATES = 80


class Crowd(NamedTuple):
    """A composed picture uint8 [S,S,3] and where its people stand: xyxy [n,4], pixels."""

    picture: NDArray[np.uint8]
    boxes: NDArray[np.int64]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and write the result."""
    args = _arguments(argv)
    args.work.mkdir(parents=True, exist_ok=True)
    load, about, data = Load(), conditions(args.seed, args.threads), data_folder()
    subject = find_subject(args.model, args.work, args.seed)
    engine = build_engine(subject, args.precision, args.work, data)
    crowds = crowds_of(data, engine, COUNTS)
    whole = _composed(engine, crowds, args)
    parts = [whole, _planted(engine, whole["about"]["arithmetic"], args)]
    rivals = {} if args.without_rivals else {"rivals": _rivals(crowds, data, args)}
    write_result(
        args.out,
        "people",
        about | load.to_json(),
        settings=asdict(plan_of(args)) | {"size": SIZE, "precision": args.precision, "score": DEFAULT_THRESHOLD},
        model=subject.to_json(),
        parts=parts,
        targets=[_target(part) for part in parts],
        **rivals,
    )
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    p = parser("people", __doc__ or "", rounds=20, iterations=10)
    p.add_argument("--model", default=BUNDLED, help="a bundled model, a checkpoint, or a preset (random weights)")
    p.add_argument("--precision", choices=("fp32", "bf16", "int8"), default="int8", help="of the one engine")
    p.add_argument("--without-rivals", action="store_true", help="measure the one engine only")
    group = p.add_argument_group("the rivals")
    group.add_argument("--models", type=_names, default=field.MODELS, help="of SIMPLE: bundled, presets, checkpoints")
    group.add_argument("--runtime", choices=field.RUNTIMES, default="openvino", help="of all (default openvino)")
    group.add_argument("--rivals-precision", choices=field.PRECISIONS, default="fp32", help="of all (default fp32)")
    group.add_argument("--minutes", type=float, default=10.0, help="for their rounds, of which there are at least 3")
    group.add_argument("--quick", action="store_true", help="see that all runs: one round, 1 and 2 people, one model")
    args = p.parse_args(argv)
    if args.runtime == "onnxruntime" and args.rivals_precision == "bf16":
        p.error("ONNX Runtime has no bf16 for CPUs: --rivals-precision fp32")
    if args.quick:
        args.rounds = args.iterations = 1
        args.models = args.models[:1]
    return args


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def crowds_of(data: Path, engine: Path, counts: Sequence[int]) -> dict[int, Crowd]:
    """A composed picture for each number of people; the best-found people are used, again where there are too few.

    Where the engine finds nobody alone, the largest people are taken as they are.
    """
    candidates = cutouts(data, CANDIDATES)
    with Session.open(engine) as session:
        alone = found_alone(candidates, max(counts), SIZE, session.predict, DEFAULT_THRESHOLD)
    say(f"{len(alone)} of {len(candidates)} people are found alone at the smallest size")
    chosen = alone or candidates
    rows = {count: [chosen[i % len(chosen)] for i in range(count)] for count in counts}
    return {count: Crowd(compose(row, SIZE), places(row, SIZE)) for count, row in rows.items()}


def _composed(engine: Path, crowds: Mapping[int, Crowd], args: argparse.Namespace) -> dict[str, Any]:
    """The whole engine on composed pictures."""
    inputs = {
        str(count): save_arrays(args.work / f"crowd-{count}.npz", {"image": network_input(crowd.picture, SIZE)})
        for count, crowd in crowds.items()
    }
    spec = contenders.spec(contenders.engine, path=str(engine), inputs=inputs, threads=args.threads)
    return {"what": "whole engine on composed pictures"} | _measure(spec, args)


def _rivals(crowds: Mapping[int, Crowd], data: Path, args: argparse.Namespace) -> dict[str, Any]:
    """SIMPLE's presets and everybody else on the composed pictures."""
    frames = {
        count: save_arrays(
            args.work / f"frame-{count}.npz", {"frame": crowd.picture, "boxes": crowd.boxes.astype(np.float32)}
        )
        for count, crowd in crowds.items()
        if count and (count <= 2 or not args.quick)
    }
    terms = field.Terms(frames, args.runtime, args.rivals_precision, args.threads, args.seed, args.work, data)
    entries = [*field.simple_entries(args.models, terms), *field.rivals(terms)]
    settings = {"size": SIZE, "runtime": args.runtime, "precision": args.rivals_precision, "minutes": args.minutes}
    found = sweep(entries, plan_of(args), args.threads, 60 * args.minutes)
    return {"settings": settings | {"people": terms.counts}} | found


def _planted(engine: Path, arithmetic: str, args: argparse.Namespace) -> dict[str, Any]:
    """The decode of the engine's graph, in the engine's arithmetic, on maps with planted people."""
    pieces = cut(engine, args.work)
    inputs = {}
    for count in COUNTS:
        maps = planted_maps(count, SIZE, args.seed)
        named = {tensor: maps[name] for name, tensor in pieces.maps.items() if name in maps}
        if tensor := pieces.maps.get("context"):  # the gate's answer changes with it, not its time
            named[tensor] = np.zeros(input_shapes(pieces.decode)[tensor], np.float32)
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
