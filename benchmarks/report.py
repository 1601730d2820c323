"""Writes the committed results as tables into the pages that show them, between their markers.

`<!-- results:NAME -->` ... `<!-- end:NAME -->` holds what `results/NAME.json` says; what follows a dash in NAME tells
several results of one benchmark apart. With --check nothing is written:
the exit code says whether the tables are those of the results.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.design_tables import floor_tables, register_tables
from benchmarks.fuzz_tables import fuzz_tables
from benchmarks.gpu_tables import gpu_tables
from benchmarks.options import ROOT, run_main, say
from benchmarks.people_tables import people_tables
from benchmarks.results import RESULTS, read_result
from benchmarks.soak_tables import soak_tables
from benchmarks.tables import (
    accuracy_tables,
    conditions_line,
    kernel_tables,
    latency_tables,
    parts_tables,
    precision_tables,
    stage_tables,
)
from benchmarks.training_tables import ablation_tables, tracking_tables, training_tables
from simple_trt.errors import SimpleTrtError
from simple_trt.files import whole_file

__all__ = ["PAGES", "RENDERERS", "filled", "main", "section"]

NAMES = ("benchmarks/README.md", "docs/accuracy.md", "docs/fuzzing.md", "docs/faults.md")
PAGES = tuple(ROOT / name for name in NAMES)
RENDERERS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "latency": latency_tables,
    "kernels": kernel_tables,
    "people": people_tables,
    "stages": stage_tables,
    "accuracy": accuracy_tables,
    "parts": parts_tables,
    "precision": precision_tables,
    "training": training_tables,
    "ablation": ablation_tables,
    "tracking": tracking_tables,
    "floors": floor_tables,
    "registers": register_tables,
    "fuzz": fuzz_tables,
    "soak": soak_tables,
    "gpu": gpu_tables,
}
MARKED = re.compile(r"(<!-- results:([\w-]+) -->\n).*?(<!-- end:\2 -->)", re.DOTALL)
MISSING = "*No result is committed yet.*"


def main(argv: Sequence[str] | None = None) -> int:
    """Fill the pages, or with --check compare: 1 when their tables are not those of the results."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    p.add_argument("--check", action="store_true")
    args = p.parse_args(argv)
    stale = [page for page in PAGES if not _fresh(page, args.check)]
    for page in stale:
        say(f"{page.name} does not hold the results' tables: run python -m benchmarks.report")
    return 1 if stale else 0


def _fresh(page: Path, check: bool) -> bool:
    """Whether the page holds the results' tables; without `check` it is made so."""
    before = page.read_text(encoding="utf-8")
    after = filled(before, RESULTS)
    if after != before and not check:
        with whole_file(page) as temporary:
            temporary.write_text(after, encoding="utf-8")
        return True
    return after == before


def filled(text: str, results: Path) -> str:
    """The text with a fresh section between each pair of markers.

    Raises:
        SimpleTrtError: a marker names no benchmark, or a result file is damaged.
    """
    return MARKED.sub(lambda found: found[1] + section(found[2], results) + "\n" + found[3], text)


def section(name: str, results: Path) -> str:
    """One benchmark's tables and conditions; that there is no result, where there is none."""
    kind = name.partition("-")[0]
    if kind not in RENDERERS:
        raise SimpleTrtError(f"no benchmark is called '{name}'", f"choose one of: {', '.join(RENDERERS)}")
    path = results / f"{name}.json"
    if not path.exists():
        return f"\n{MISSING}\n"
    result = read_result(path)
    return f"\n{RENDERERS[kind](result)}\n\n{conditions_line(result)}\n"


if __name__ == "__main__":
    run_main(main)
