"""Latency of a network with its decode, batch 1: our CPU engines, ONNX Runtime, PyTorch, and MoveNet MultiPose 512.

Latency is wall-clock time in the contender's process from the normalised picture in memory to the people in memory:
network and decode, without reading and letterboxing (see stages.py for these). The engines' graphs are also cut at the
maps, and network, decode and grouping gate timed alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import contenders, movenet
from benchmarks.answers import compare_answers, require_equal
from benchmarks.children import Child
from benchmarks.conditions import Load, conditions
from benchmarks.graph_cut import Pieces, cut, input_shapes
from benchmarks.options import data_folder, parser, plan_of, run_main, say
from benchmarks.photos import group_photo, network_input, save_arrays
from benchmarks.results import target, write_result
from benchmarks.rounds import interleave
from benchmarks.statistics import Rounds, difference, ratio, summary
from benchmarks.subjects import BUNDLED, Subject, build_engines, find_subject
from simple_trt.pictures import read_picture

__all__ = ["main", "splits_of", "targets_of"]

TASK = "photo"
# In a pipeline the decode follows a network that has kept the processor busy. After a pause, a contender of a few
# milliseconds would be timed while the processor and the threads wake up, and one of a hundred would not.
WARM_SECONDS = 0.3
TORCH = "torch eager"
FULL_PRECISION = ["torch folded", "onnxruntime fp32", "cpu fp32"]
DECODE_SHARE, SPEEDUPS, PEER_SHARE = 0.05, {"bf16": 3.0, "int8": 5.0}, 0.5
Times = Mapping[str, Rounds]


@dataclass(frozen=True)
class Inputs:
    """Files with what the contenders are shown: the photo for our networks, and for the peer."""

    ours: str
    peer: str


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and write the result; 0 when every answer was right."""
    p = parser("latency", __doc__ or "", rounds=12, iterations=8)
    p.add_argument("--models", default=f"deploy-w18,{BUNDLED}", help="presets (random weights), models or checkpoints")
    p.add_argument("--precisions", default="fp32,bf16,int8", help="of our engines; fp32 must be among them")
    p.add_argument("--warm-seconds", type=float, default=WARM_SECONDS, help="of runs before those that are timed")
    args = p.parse_args(argv)
    args.work.mkdir(parents=True, exist_ok=True)
    load, about, data = Load(), conditions(args.seed, args.threads), data_folder()
    amount = asdict(plan_of(args)) | {"warm_seconds": args.warm_seconds}
    subjects = [find_subject(name, args.work, args.seed) for name in args.models.split(",")]
    models = [_measure(subject, _inputs(data, args.work, subject.size), args, data) for subject in subjects]
    write_result(
        args.out,
        "latency",
        about | load.to_json(),
        settings=amount | {"batch": 1, "photo": group_photo(data).name},
        models=models,
    )
    return 0


def _inputs(data: Path, work: Path, size: int) -> Inputs:
    picture = read_picture(group_photo(data))
    return Inputs(
        save_arrays(work / f"photo-{size}.npz", {"image": network_input(picture, size)}),
        save_arrays(work / "photo-movenet.npz", {movenet.INPUT: movenet.prepare(picture)}),
    )


def _measure(subject: Subject, inputs: Inputs, args: argparse.Namespace, data: Path) -> dict[str, Any]:
    """One model: its contenders, their pieces and the peer, in one interleaved run."""
    precisions = args.precisions.split(",")
    engines = build_engines(subject, precisions, args.work, data)
    with ExitStack() as stack:
        children: dict[str, Child] = {}

        def open_all(specs: Mapping[str, dict[str, Any]]) -> None:
            for name, spec in specs.items():
                children[name] = stack.enter_context(Child(name, spec, args.threads))

        open_all(_whole(subject, engines, inputs, args.threads))
        answers = compare_answers({name: child.outputs(TASK) for name, child in children.items()}, TORCH, subject.size)
        if subject.weights == "trained":  # random maps are full of near-ties, which fall either way
            require_equal(answers, FULL_PRECISION)
        open_all(_pieces(engines, children, inputs, args))
        open_all(_peer(data, inputs, args.threads))
        turns = {name: child.turn(TASK, args.warm_seconds) for name, child in children.items()}
        times = interleave(turns, plan_of(args), lambda text: say(f"{subject.name}: {text}"))
        rows = [_row(name, children[name], times, answers, args.seed) for name in children]
    return subject.to_json() | {
        "rows": rows,
        "splits": splits_of(times, precisions, args.seed),
        "targets": targets_of(times, precisions, subject, args.seed),
    }


def _whole(subject: Subject, engines: Mapping[str, Path], inputs: Inputs, threads: int) -> dict[str, dict[str, Any]]:
    """Everything that turns the photo into people."""
    common: dict[str, Any] = {"inputs": {TASK: inputs.ours}, "threads": threads}
    checkpoint = str(subject.checkpoint)
    return {
        TORCH: contenders.spec(contenders.torch_model, path=checkpoint, **common),
        "torch folded": contenders.spec(contenders.torch_model, path=checkpoint, folded=True, **common),
        "onnxruntime fp32": contenders.spec(
            contenders.engine, path=str(engines["fp32"]), runtime="onnxruntime", **common
        ),
    } | {f"cpu {p}": contenders.spec(contenders.engine, path=str(path), **common) for p, path in engines.items()}


def _pieces(
    engines: Mapping[str, Path], children: Mapping[str, Child], inputs: Inputs, args: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    """Network, decode and grouping gate of each engine's graph, in the arithmetic that the engine reports."""
    specs = {}
    for precision, engine in engines.items():
        arithmetic = children[f"cpu {precision}"].about["arithmetic"]
        pieces = cut(engine, args.work)
        files = _piece_inputs(pieces, precision, inputs, args)
        for name, (path, task) in files.items():
            specs[f"{name} {precision}"] = contenders.spec(
                contenders.graph, path=str(path), inputs={TASK: task}, threads=args.threads, precision=arithmetic
            )
    return specs


def _piece_inputs(
    pieces: Pieces, precision: str, inputs: Inputs, args: argparse.Namespace
) -> dict[str, tuple[Path, str]]:
    """Each piece's file and its inputs: the photo, the photo's maps, and noise for the gate, whose time is fixed."""
    spec = contenders.spec(contenders.graph, path=str(pieces.network), inputs={TASK: inputs.ours}, threads=args.threads)
    with Child("maps", spec, args.threads) as child:
        maps = save_arrays(args.work / f"maps-{precision}.npz", child.outputs(TASK))
    rng = np.random.default_rng(args.seed)
    noise = {name: rng.random(shape, np.float32) for name, shape in input_shapes(pieces.grouping).items()}
    crops = save_arrays(args.work / f"crops-{precision}.npz", noise)
    return {
        "network": (pieces.network, inputs.ours),
        "decode": (pieces.decode, maps),
        "grouping": (pieces.grouping, crops),
    }


def _peer(data: Path, inputs: Inputs, threads: int) -> dict[str, dict[str, Any]]:
    """MoveNet MultiPose in the same runtime: in full precision and in the arithmetic that it prefers here."""
    path = str(movenet.movenet_file(data))
    return {
        f"movenet {name}": contenders.spec(
            contenders.graph, path=path, inputs={TASK: inputs.peer}, threads=threads, precision=hint
        )
        for name, hint in (("fp32", "f32"), ("bf16", "bf16"))
    }


def _row(name: str, child: Child, times: Times, answers: Mapping[str, Any], seed: int) -> dict[str, Any]:
    return {
        "name": name,
        "ms": summary(times[name]).to_json(),
        "torch_over_this": ratio(times[TORCH], times[name], seed).to_json(),
        "about": child.about,
        "load_seconds": child.load_seconds,
        "peak_mb": child.peak_mb,
        "answers": answers.get(name),
    }


def splits_of(times: Times, precisions: Sequence[str], seed: int) -> list[dict[str, Any]]:
    """Network against decode, at each precision; milliseconds and shares with intervals."""
    return [
        {
            "precision": p,
            "network_ms": summary(times[f"network {p}"]).to_json(),
            "decode_ms": summary(times[f"decode {p}"]).to_json(),
            "grouping_ms": summary(times[f"grouping {p}"]).to_json(),
            "decode_without_grouping_ms": difference(times[f"decode {p}"], times[f"grouping {p}"], seed).to_json(),
            "whole_less_network_ms": difference(times[f"cpu {p}"], times[f"network {p}"], seed).to_json(),
            "decode_over_network": ratio(times[f"decode {p}"], times[f"network {p}"], seed).to_json(),
        }
        for p in precisions
    ]


def targets_of(times: Times, precisions: Sequence[str], subject: Subject, seed: int) -> list[dict[str, Any]]:
    """The targets that this model is held to, met or not."""
    lines = []
    for p in precisions:
        share = ratio(times[f"decode {p}"], times[f"network {p}"], seed)
        wanted = f"under {DECODE_SHARE}"
        lines.append(target(f"decode over network, {p}", wanted, share, share.value < DECODE_SHARE))
    for p, least in ((p, SPEEDUPS[p]) for p in precisions if p in SPEEDUPS):
        speedup = ratio(times[TORCH], times[f"cpu {p}"], seed)
        lines.append(target(f"torch eager over cpu {p}", f"at least {least}", speedup, speedup.value >= least))
    if subject.weights == "trained" and "int8" in precisions:
        for peer in ("movenet fp32", "movenet bf16"):
            share = ratio(times["cpu int8"], times[peer], seed)
            lines.append(target(f"cpu int8 over {peer}", f"under {PEER_SHARE}", share, share.value < PEER_SHARE))
    return lines


if __name__ == "__main__":
    run_main(main)
