"""Results of training and tracking as Markdown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from benchmarks.tables import table

__all__ = ["ablation_tables", "tracking_tables", "training_tables"]

Result = Mapping[str, Any]


def ablation_tables(result: Result) -> str:
    """Each row of the paper's tables beside its AP here, over seeds; gains against point learning alone."""
    by_name: dict[str, list[Result]] = defaultdict(list)
    for row in sorted(result["rows"], key=lambda row: (row["table"], row["seed"])):
        by_name[row["name"]].append(row)
    plain = {row["seed"]: _ap(row) for row in by_name.get("table3-points", [])}
    rows = [_ablation_row(rows, plain) for rows in by_name.values()]
    head = ["", "the paper's table", "AP in the paper", "AP here", "of each seed", "against point learning, same seeds"]
    s = result["settings"]
    budget = f"Base `{s['base']}`, {s['pictures']} photos, {s['epochs']} epochs, teacher `{s['teacher']}`"
    return f"{budget}; AP on the 300-image split.\n\n{table(head, rows)}"


def _ablation_row(rows: list[Result], plain: Mapping[int, float]) -> list[str]:
    aps = [_ap(row) for row in rows]
    gains = [_ap(row) - plain[row["seed"]] for row in rows if row["seed"] in plain]
    return [
        rows[0]["what"],
        rows[0]["table"],
        f"{rows[0]['paper']:.1f}",
        f"{fmean(aps):.1f}",
        ", ".join(f"{ap:.1f}" for ap in aps),
        f"{fmean(gains):+.1f}" if gains else "-",
    ]


def _ap(row: Result) -> float:
    return float(row["metrics"]["AP"]) * 100


def training_tables(result: Result) -> str:
    """Pictures a second of each stage, and whether the reading keeps up."""
    rows = [
        [
            f"{r['config']}, {r['stage']}",
            f"{r['size']}",
            f"{r['batch']}",
            *(f"{r[key]:.1f}" for key in ("learning_alone", "reading_alone", "together")),
            "no" if r["reading_alone"] > r["learning_alone"] else "**yes**",
            f"{r['peak_mb']:.0f}",
        ]
        for r in result["rows"]
    ]
    head = ["", "crop", "batch", "learning alone", "reading alone", "together", "reading holds up", "peak MB"]
    return f"Pictures a second on {result['device']}:\n\n{table(head, rows)}"


def tracking_tables(result: Result) -> str:
    """PoseTrack's measures of each network at each threshold, and what smoothing changes."""
    s = result["settings"]
    names = ("mAP", "MOTA", "MOTP", "precision", "recall")
    rows = [[*_values(r, names, 1), str(r["id_switches"])] for r in result["rows"]]
    what = (
        f"{s['frames']} frames, joints below {s['joint_score']} are not tracked; means over the body's joints, "
        "percent; id switches of people:"
    )
    return f"{what}\n\n{table(['', 'people above', *names, 'id switches'], rows)}\n\n{_smoothing(result)}"


def _smoothing(result: Result) -> str:
    s = result["settings"]
    rest = s["rest"]
    settings = ", ".join(f"`{name}` {value:g}" for name, value in s["smoothing"].items())
    what = (
        f"Without / with smoothing ({settings}; {s['frame_rate']} frames a second). Jitter: median length of a joint's "
        "acceleration, x(t+1) - 2 x(t) + x(t-1), in thousandths of the person's size; the last column is that of the "
        f"annotations. At rest: its mean where nobody moves ({rest['pictures']} pictures shown {rest['frames']} times "
        f"through noise of {rest['noise']} grey levels). OKS: of the people found, percent. Lag: frames by which "
        "smoothing is late, by least squares on the true velocity."
    )
    pairs = (("jitter", 1), ("rest", 2), ("oks", 1), ("MOTA", 1))
    rows = [
        [
            *_values(r, (), 0),
            *(" / ".join(_values(r, (name, f"{name}_smooth"), digits)[2:]) for name, digits in pairs),
            *_values(r, ("lag",), 2)[2:],
            *_values(r, ("jitter_annotated",), 1)[2:],
        ]
        for r in result["rows"]
    ]
    return f"{what}\n\n{table(['', 'people above', 'jitter', 'at rest', 'OKS', 'MOTA', 'lag', 'annotated'], rows)}"


def _values(row: Result, names: Sequence[str], digits: int) -> list[str]:
    values = ("-" if row[name] is None else f"{row[name]:.{digits}f}" for name in names)
    return [row["name"], f"{row['threshold']:.1f}", *values]
