"""The README's figure: what a photo costs each contender, drawn from results/latency.json."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.options import run_main
from benchmarks.results import RESULTS, read_result
from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.files import whole_file

__all__ = ["bars", "main"]

OURS, RIVALS = "#1f77b4", "#9aa5b1"
SHOWN = {
    "torch eager": "PyTorch",
    "onnxruntime fp32": "ONNX Runtime, fp32",
    "cpu fp32": "our engine, fp32",
    "cpu bf16": "our engine, bf16",
    "cpu int8": "our engine, int8",
    "movenet fp32": "MoveNet MultiPose, fp32",
    "movenet bf16": "MoveNet MultiPose, bf16",
}
Bar = tuple[str, float, float, float]


def main(argv: Sequence[str] | None = None) -> int:
    """Draw the chart of the last model in the result, the bundled one."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.chart", description=__doc__)
    p.add_argument("--latency", type=Path, default=RESULTS / "latency.json", metavar="FILE")
    p.add_argument("--out", type=Path, default=RESULTS / "latency.svg", metavar="FILE.svg")
    args = p.parse_args(argv)
    result = read_result(args.latency)
    if not result.get("models"):
        raise UsageError(f"'{args.latency}' is no result of benchmarks.latency", "name its latency.json")
    _draw(result, args.out)
    return 0


def bars(model: Mapping[str, Any]) -> list[Bar]:
    """Label, median and quartiles in milliseconds of each contender that the chart shows, the slowest first."""
    rows = {row["name"]: row["ms"] for row in model["rows"]}
    shown = [(SHOWN[name], ms["median"], ms["q1"], ms["q3"]) for name, ms in rows.items() if name in SHOWN]
    return sorted(shown, key=lambda bar: -bar[1])


def _draw(result: Mapping[str, Any], out: Path) -> None:
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise SimpleTrtError("matplotlib is not installed", "pip install matplotlib") from None
    model, about = result["models"][-1], result["conditions"]
    found = bars(model)
    names, medians = [bar[0] for bar in found], [bar[1] for bar in found]
    errors = [[median - q1 for _, median, q1, _ in found], [q3 - median for _, median, _, q3 in found]]
    # A fixed salt and no date: the same result gives the same file.
    with matplotlib.rc_context({"svg.hashsalt": "simple-trt", "svg.fonttype": "none", "font.size": 10}):
        figure = Figure(figsize=(7.2, 0.36 * len(found) + 1.2), layout="constrained", facecolor="white")
        axes = figure.add_subplot()
        colors = [OURS if name.startswith("our") else RIVALS for name in names]
        axes.barh(names, medians, xerr=errors, color=colors, ecolor="#444", height=0.7)
        for i, (_, median, _, q3) in enumerate(found):
            axes.text(q3 + 0.012 * max(medians), i, f"{median:.1f} ms", va="center")
        axes.set(
            xlim=(0, 1.2 * max(medians)), xlabel="milliseconds a photo, 512 x 512, network and decode; lower is better"
        )
        threads = "1 thread" if about["threads"] == 1 else f"{about['threads']} threads"
        axes.set_title(f"{model['name']} and its rivals on one CPU ({about['cpu']['model']}, {threads})", loc="left")
        axes.spines[["top", "right"]].set_visible(False)
        with whole_file(out) as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    run_main(main)
