"""The flags that the benchmarks share."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.rounds import Plan
from simple_trt.errors import SimpleTrtError, UsageError

__all__ = ["ROOT", "data_folder", "output_parser", "parser", "plan_of", "run_main", "say"]

ROOT = Path(__file__).resolve().parents[1]


def output_parser(name: str, description: str) -> argparse.ArgumentParser:
    """A parser with --out, --threads, --seed and --work."""
    p = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description)
    p.add_argument("--out", type=Path, required=True, metavar="FILE", help="the result file, JSON")
    p.add_argument("--threads", type=_positive, default=len(os.sched_getaffinity(0)), help="of every contender")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--work", type=Path, default=ROOT / "build" / "benchmarks", help="folder for models and engines")
    return p


def parser(name: str, description: str, rounds: int, iterations: int, warmup: int = 2) -> argparse.ArgumentParser:
    """An output_parser with --rounds, --iterations and --warmup."""
    p = output_parser(name, description)
    p.add_argument("--rounds", type=_positive, default=rounds, help="turns of each contender")
    p.add_argument("--iterations", type=_positive, default=iterations, help="timed runs a turn")
    p.add_argument("--warmup", type=int, default=warmup, help="runs before them that are not timed")
    return p


def plan_of(args: argparse.Namespace) -> Plan:
    """How much the flags ask for."""
    return Plan(args.rounds, args.iterations, args.warmup, args.seed)


def data_folder() -> Path:
    """Folder of annotated photos: $SIMPLE_TRT_DATA, by default ../shared/data beside the checkout.

    Raises:
        UsageError: it is not there.
    """
    path = Path(os.environ.get("SIMPLE_TRT_DATA", ROOT.parent / "shared" / "data")).resolve()
    if not (path / "coco").is_dir():
        raise UsageError(f"no annotated photos in '{path}'", "set SIMPLE_TRT_DATA to their folder")
    return path


def say(text: str) -> None:
    """Progress, to stderr."""
    print(text, file=sys.stderr, flush=True)


def run_main(main: Callable[[], int]) -> None:
    """Run a benchmark's main and leave with its code; what a user can mend is told without a traceback."""
    try:
        code = main()
    except SimpleTrtError as error:
        say(f"benchmarks: error: {error.cause}\n  cure: {error.cure}")
        code = error.exit_code
    sys.exit(code)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 up, got {text}")
    return value
