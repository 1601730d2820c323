"""Writes the committed results into benchmarks/README.md as tables, between its markers.

`<!-- results:NAME -->` ... `<!-- end:NAME -->` holds what `results/NAME.json` says. With --check nothing is written:
the exit code says whether the tables are those of the results.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks.options import run_main, say
from benchmarks.results import RESULTS, read_result
from benchmarks.tables import RENDERERS, conditions_line
from simple_trt.errors import SimpleTrtError
from simple_trt.files import whole_file

__all__ = ["filled", "main", "section"]

README = Path(__file__).resolve().parent / "README.md"
MARKED = re.compile(r"(<!-- results:(\w+) -->\n).*?(<!-- end:\2 -->)", re.DOTALL)
MISSING = "*No result is committed yet.*"


def main(argv: Sequence[str] | None = None) -> int:
    """Fill the README, or with --check compare: 1 when its tables are not those of the results."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    p.add_argument("--check", action="store_true")
    args = p.parse_args(argv)
    before = README.read_text(encoding="utf-8")
    after = filled(before, RESULTS)
    if after == before:
        return 0
    if args.check:
        say("benchmarks/README.md does not hold the results' tables: run python -m benchmarks.report")
        return 1
    with whole_file(README) as temporary:
        temporary.write_text(after, encoding="utf-8")
    return 0


def filled(text: str, results: Path) -> str:
    """The text with a fresh section between each pair of markers.

    Raises:
        SimpleTrtError: a marker names no benchmark, or a result file is damaged.
    """
    return MARKED.sub(lambda found: found[1] + section(found[2], results) + "\n" + found[3], text)


def section(name: str, results: Path) -> str:
    """One benchmark's tables and conditions; that there is no result, where there is none."""
    if name not in RENDERERS:
        raise SimpleTrtError(f"no benchmark is called '{name}'", f"choose one of: {', '.join(RENDERERS)}")
    path = results / f"{name}.json"
    if not path.exists():
        return f"\n{MISSING}\n"
    result = read_result(path)
    return f"\n{RENDERERS[name](result)}\n\n{conditions_line(result)}\n"


if __name__ == "__main__":
    run_main(main)
