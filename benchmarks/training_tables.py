"""Results of training and tracking as Markdown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from statistics import fmean
from typing import Any

from benchmarks.tables import table

__all__ = ["ablation_tables", "tracking_tables", "training_tables"]

Result = Mapping[str, Any]


def ablation_tables(result: Result) -> str:
    """Each row of the paper's tables beside its AP here, over seeds; gains against point learning alone."""
    by_name: dict[str, list[Result]] = defaultdict(list)
    for row in result["rows"]:
        by_name[row["name"]].append(row)
    plain = _mean_ap(by_name["table3-points"]) if by_name.get("table3-points") else None
    rows = [_ablation_row(rows, plain) for rows in by_name.values()]
    head = ["", "the paper's table", "AP in the paper", "AP here", "seeds", "against point learning"]
    s = result["settings"]
    what = f"Base `{s['base']}`, {s['epochs']} epochs, teacher `{s['teacher']}`; AP on the 300-image split."
    return f"{what}\n\n{table(head, rows)}"


def _ablation_row(rows: list[Result], plain: float | None) -> list[str]:
    ap = _mean_ap(rows)
    single = ", ".join(f"{row['metrics']['AP'] * 100:.1f}" for row in rows)
    gain = "-" if plain is None else f"{(ap - plain) * 100:+.1f}"
    return [rows[0]["what"], rows[0]["table"], f"{rows[0]['paper']:.1f}", f"{ap * 100:.1f}", single, gain]


def _mean_ap(rows: list[Result]) -> float:
    return fmean(row["metrics"]["AP"] for row in rows)


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
    """PoseTrack's measures of each network at each threshold."""
    names = ("mAP", "MOTA", "MOTP", "precision", "recall")
    rows = [
        [r["name"], f"{r['threshold']:.1f}", *("-" if r[n] is None else f"{r[n]:.1f}" for n in names)]
        for r in result["rows"]
    ]
    s = result["settings"]
    what = (
        f"{s['frames']} frames, joints below {s['joint_score']} are not tracked; means over the body's joints, percent:"
    )
    return f"{what}\n\n{table(['', 'people above', *names], rows)}"
