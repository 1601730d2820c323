"""The README's figures, drawn from committed results: what a photo costs each contender, what people cost, and what
accuracy costs.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import accuracy_chart, latency_chart, people_chart
from benchmarks.options import run_main, say
from benchmarks.results import RESULTS, read_result
from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.files import whole_file

__all__ = ["CHARTS", "main"]

Draw = Callable[..., None]
# Chart -> what draws it on a figure, and the results that it is made of.
CHARTS: dict[str, tuple[Draw, tuple[str, ...]]] = {
    "latency.svg": (latency_chart.draw, ("latency",)),
    "people.svg": (people_chart.draw, ("people",)),
    "accuracy.svg": (accuracy_chart.draw, ("accuracy", "latency")),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Draw every chart whose results are there; 1 when one of them could not be drawn, which is said."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.chart", description=__doc__)
    p.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="where the JSON files are")
    p.add_argument("--out", type=Path, metavar="DIR", help="where the charts go (default: beside the results)")
    args = p.parse_args(argv)
    failed = False
    for name, (draw, needs) in CHARTS.items():
        files = [args.results / f"{need}.json" for need in needs]
        if not all(file.is_file() for file in files):
            continue
        try:
            _save(draw, [read_result(file) for file in files], (args.out or args.results) / name)
        except UsageError as error:
            say(f"{name} is not drawn: {error.cause}\n  cure: {error.cure}")
            failed = True
    return int(failed)


def _save(draw: Draw, results: Sequence[Mapping[str, Any]], out: Path) -> None:
    """A fixed salt and no date: the same result gives the same file."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise SimpleTrtError("matplotlib is not installed", "pip install matplotlib") from None
    with matplotlib.rc_context({"svg.hashsalt": "simple-trt", "svg.fonttype": "none", "font.size": 10}):
        figure = Figure(layout="constrained", facecolor="white")
        draw(figure, *results)
        with whole_file(out) as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    run_main(main)
