"""What only a GPU can show, in one run of less than ten minutes and one report: `make gpu`.

Each part runs in a process of its own with a time limit, and fails by itself: the report keeps what the others found,
and is rewritten after every part. Nothing is fetched, nothing about the GPU is changed; packages that the machine lacks
can be carried along as wheels, in the folder that SIMPLE_TRT_WHEELS names.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any

from benchmarks.conditions import conditions
from benchmarks.gpu_clocks import watched_clocks
from benchmarks.gpu_machine import (
    WHEELS_VARIABLE,
    add_tool_folders,
    describe_gpu,
    install_wheels,
    tool_versions,
    wheels_in,
)
from benchmarks.gpu_parts import DATA, PARTS, Part
from benchmarks.options import ROOT, run_main, say
from benchmarks.processes import Outcome, run_limited
from benchmarks.results import write_result
from simple_trt.engines.gpu import Gpu, need_gpu
from simple_trt.errors import UsageError

__all__ = ["main", "run_part"]

LIMIT = 560
LEAST = 10  # seconds; with less left, a part is not begun
RESERVE = 30  # seconds that each part still to come can count on, however long those before it take
WHEELS_SECONDS = 60


def main(argv: Sequence[str] | None = None) -> int:
    """Run all parts and write the report: 0 when none failed, else 1.

    Raises:
        SimpleTrtError: there is no GPU here.
        UsageError: no such part, or no wheels where they are said to be.
    """
    args = _arguments(argv)
    chosen = _chosen(args.only)
    gpu = need_gpu(None, "measuring on a GPU")
    wheels = wheels_in(os.environ.get(WHEELS_VARIABLE))
    add_tool_folders()
    start, parts = time.monotonic(), {}
    with tempfile.TemporaryDirectory() as folder:
        if wheels:
            parts["wheels"] = _wheels(wheels, Path(folder) / "site")
        about = conditions(seed=0, threads=None) | {"gpu": describe_gpu(gpu), "tools": tool_versions()}
        for i, part in enumerate(chosen):
            left = args.limit - (time.monotonic() - start) - RESERVE * (len(chosen) - 1 - i)
            parts[part.name] = {"proves": part.proves} | _guarded(part, gpu, left)
            say(f"{part.name}: {parts[part.name]['status']} {parts[part.name].get('reason', '')}")
            write_result(args.out, "gpu", about, seconds=round(time.monotonic() - start, 1), parts=parts)
    return int(any(part["status"] == "failed" for part in parts.values()))


def run_part(part: Part, gpu: Gpu, seconds: float) -> dict[str, Any]:
    """Run one part within the seconds that are left: its status, why, how long, its numbers, the clocks seen."""
    if part.needs and not (find_spec(part.needs) or which(part.needs)):
        return {"status": "skipped", "reason": f"no {part.needs} here"}
    if seconds < LEAST:
        return {"status": "skipped", "reason": "no time was left"}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        words = [_word(word, data) for word in part.words]
        sm = "{}{}".format(*gpu.compute_capability)
        variables = {name: value.format(sm=sm) for name, value in part.environment.items()}
        with watched_clocks() as clocks:
            outcome = run_limited(words, min(part.limit, seconds), ROOT, variables)
        return _report(outcome) | {"data": _numbers(data), "clocks": clocks or None}


def _guarded(part: Part, gpu: Gpu, seconds: float) -> dict[str, Any]:
    """As run_part; what goes wrong around the part is its failure, too, and not that of the parts after it."""
    try:
        return run_part(part, gpu, seconds)
    except Exception as error:
        return {"status": "failed", "reason": f"{type(error).__name__}: {error}"}


def _wheels(wheels: Sequence[Path], site: Path) -> dict[str, Any]:
    about = {
        "proves": "the packages that were carried along can be installed",
        "data": [wheel.name for wheel in wheels],
    }
    return about | _report(install_wheels(wheels, site, WHEELS_SECONDS))


def _chosen(names: str) -> list[Part]:
    wanted = names.split(",") if names else [part.name for part in PARTS]
    known = {part.name: part for part in PARTS}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise UsageError(f"no part '{unknown[0]}'", f"choose from {', '.join(known)}")
    return [part for part in PARTS if part.name in wanted]


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


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    p = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    p.add_argument("--out", type=Path, required=True, metavar="FILE", help="the report, JSON")
    p.add_argument("--limit", type=float, default=LIMIT, help="seconds for everything")
    p.add_argument("--only", default="", metavar="PARTS", help=f"of {', '.join(part.name for part in PARTS)}")
    return p.parse_args(argv)


if __name__ == "__main__":
    run_main(main)
