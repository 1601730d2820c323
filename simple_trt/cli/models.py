"""`simple-trt models`: the bundled models."""

from __future__ import annotations

import argparse
import json
from typing import Any

from simple_trt import zoo


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb and its flags."""
    parser = subparsers.add_parser("models", help="list the bundled models")
    parser.add_argument("--json", action="store_true", help="print everything their cards say, as JSON")


def run(args: argparse.Namespace) -> int:
    """List the models. Raises SimpleTrtError when a card cannot be read."""
    entries = [zoo.describe(name) for name in zoo.names()]
    if args.json:
        print(json.dumps([{"name": entry.name, **entry.card} for entry in entries], indent=2))
        return 0
    rows = [("name", "preset", "size", "AP", "licence")]
    rows += [(entry.name, *_cells(entry.card)) for entry in entries]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def _cells(card: dict[str, Any]) -> tuple[str, str, str, str]:
    size = card.get("size")
    metrics = card.get("metrics")
    ap = metrics.get("AP") if isinstance(metrics, dict) else None
    return (
        str(card.get("preset", "-")),
        "x".join(map(str, size)) if isinstance(size, list) else str(size or "-"),
        f"{ap:.3f}" if isinstance(ap, (int, float)) else "-",
        str(card.get("licence", "-")),
    )
