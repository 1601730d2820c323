"""What only a GPU can show, in one run of less than ten minutes and one report: `make gpu`.

Each part runs in a process of its own with a time limit, and fails by itself: the report keeps what the others found,
and is rewritten after every part. Nothing is fetched; nothing about the GPU is changed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any

from benchmarks.conditions import conditions
from benchmarks.options import ROOT, run_main, say
from benchmarks.processes import Outcome, run_limited
from benchmarks.results import write_result
from simple_trt.engines.gpu import Gpu, driver_version, need_gpu

__all__ = ["PARTS", "Part", "main", "run_part"]

LIMIT = 560
LEAST = 10  # seconds; with less left, a part is not begun
DATA = "{data}"  # in a command: the file that the part writes its numbers to
SANITIZER = ("compute-sanitizer", "--error-exitcode", "9", "--tool")
ONCE = ("python", "-m", "benchmarks.gpu_kernels", "--once", "--out", DATA)


@dataclass(frozen=True)
class Part:
    """One thing to find out.

    Args:
        name: in the report.
        proves: what a success shows.
        words: the command; `python` is this interpreter, DATA the file for its numbers.
        limit: seconds it may take.
        needs: a Python module or a program without which it is left out.
        environment: further variables; `{sm}` is the GPU's compute capability without its dot.
    """

    name: str
    proves: str
    words: tuple[str, ...]
    limit: int
    needs: str = ""
    environment: dict[str, str] = field(default_factory=dict)


PARTS = (
    Part(
        "build",
        "nvcc here compiles the kernels for this GPU; the libraries load",
        ("python", "setup.py", "build_ext", "--inplace"),
        180,
        environment={"SIMPLE_TRT_CUDA": "1", "SIMPLE_TRT_CUDA_ARCHS": "{sm}"},
    ),
    Part(
        "kernels",
        "each CUDA kernel equals its twin; its time beside its floor, a copy, torch's operators and a serial scan",
        ("python", "-m", "benchmarks.gpu_kernels", "--out", DATA),
        150,
        needs="torch",
    ),
    Part(
        "decode",
        "the four decode kernels in a row find what their twins find; their time at batch 1 and 8, by number of people",
        ("python", "-m", "benchmarks.gpu_decode", "--out", DATA),
        90,
        needs="torch",
    ),
    Part(
        "pipeline",
        "the predictor on the GPU finds what it finds on the CPU; its time at batch 1 and 8",
        ("python", "-m", "benchmarks.gpu_pipeline", "--out", DATA),
        150,
        needs="torch",
    ),
    Part(
        "tests",
        "the tests marked gpu: odd sizes, degenerate cases, gradients, engines",
        ("python", "-m", "pytest", "-m", "gpu", "-q", "--continue-on-collection-errors", f"--junitxml={DATA}"),
        240,
        needs="pytest",
    ),
    Part(
        "tensorrt_rtx",
        "TensorRT-RTX builds the plain graph here, runs it, and answers as the model does; its time",
        ("python", "-m", "benchmarks.gpu_engine", "--out", DATA),
        150,
        needs="tensorrt_rtx",
    ),
    Part(
        "memory",
        "compute-sanitizer sees no kernel access memory out of bounds or misaligned (with the allocator's cache off)",
        (*SANITIZER, "memcheck", *ONCE),
        150,
        needs="compute-sanitizer",
        environment={"PYTORCH_NO_CUDA_MEMORY_CACHING": "1"},
    ),
    Part(
        "races",
        "compute-sanitizer sees no race in shared memory",
        (*SANITIZER, "racecheck", *ONCE),
        150,
        needs="compute-sanitizer",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run all parts and write the report: 0 when none failed, else 1.

    Raises:
        SimpleTrtError: there is no GPU here.
    """
    args = _arguments(argv)
    gpu = need_gpu(None, "measuring on a GPU")
    about = conditions(seed=0, threads=None) | {"gpu": _describe(gpu)}
    parts: dict[str, Any] = {}
    start = time.monotonic()
    for part in PARTS:
        if args.only and part.name not in args.only.split(","):
            continue
        parts[part.name] = {"proves": part.proves} | run_part(part, gpu, args.limit - (time.monotonic() - start))
        say(f"{part.name}: {parts[part.name]['status']} {parts[part.name].get('reason', '')}")
        write_result(args.out, "gpu", about, seconds=round(time.monotonic() - start, 1), parts=parts)
    return int(any(part["status"] == "failed" for part in parts.values()))


def run_part(part: Part, gpu: Gpu, seconds: float) -> dict[str, Any]:
    """Run one part within the seconds that are left: its status, why, how long it took, and its numbers."""
    if part.needs and not (find_spec(part.needs) or which(part.needs)):
        return {"status": "skipped", "reason": f"no {part.needs} here"}
    if seconds < LEAST:
        return {"status": "skipped", "reason": "no time was left"}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        words = [_word(word, data) for word in part.words]
        variables = {name: value.format(sm="{}{}".format(*gpu.compute_capability)) for name, value in _items(part)}
        outcome = run_limited(words, min(part.limit, seconds), ROOT, variables)
        return _report(outcome) | {"data": _numbers(data)}


def _items(part: Part) -> list[tuple[str, str]]:
    return list(part.environment.items())


def _word(word: str, data: Path) -> str:
    return sys.executable if word == "python" else word.replace(DATA, str(data))


def _report(outcome: Outcome) -> dict[str, Any]:
    found: dict[str, Any] = {"status": "failed" if outcome.reason else "ok", "seconds": round(outcome.seconds, 1)}
    if outcome.reason:
        found |= {"reason": outcome.reason, "output": outcome.tail}
    return found


def _numbers(data: Path) -> Any:
    """What a part wrote: our JSON, or pytest's XML summed up; None when it wrote nothing that can be read."""
    try:
        text = data.read_text(encoding="utf-8")
        return _test_counts(text) if text.lstrip().startswith("<") else json.loads(text)
    except (OSError, ValueError, ElementTree.ParseError):
        return None


def _test_counts(xml: str) -> dict[str, Any]:
    """Counts of pytest's report, and the names of the tests that failed."""
    suites = list(ElementTree.fromstring(xml).iter("testsuite"))
    counts = {
        key: sum(int(suite.get(key, 0)) for suite in suites) for key in ("tests", "failures", "errors", "skipped")
    }
    cases = [case for suite in suites for case in suite.iter("testcase")]
    bad = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    return counts | {"failed": [f"{case.get('classname')}::{case.get('name')}" for case in bad]}


def _describe(gpu: Gpu) -> dict[str, Any]:
    return {"name": gpu.name, "sm": gpu.sm, "memory_gib": round(gpu.memory / 2**30, 1), "driver_cuda": driver_version()}


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    p = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    p.add_argument("--out", type=Path, required=True, metavar="FILE", help="the report, JSON")
    p.add_argument("--limit", type=float, default=LIMIT, help="seconds for everything")
    p.add_argument("--only", default="", metavar="PARTS", help=f"of {', '.join(part.name for part in PARTS)}")
    return p.parse_args(argv)


if __name__ == "__main__":
    run_main(main)
