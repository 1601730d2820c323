"""Result files: one JSON object a benchmark, written whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.statistics import Estimate
from simple_trt.errors import SimpleTrtError
from simple_trt.files import reported_os_errors, whole_file

__all__ = ["FORMAT", "RESULTS", "read_result", "target", "write_result"]

FORMAT = 1
RESULTS = Path(__file__).resolve().parent / "results"


def write_result(path: Path, benchmark: str, conditions: dict[str, Any], **content: Any) -> None:
    """Write a result file; the folder is made.

    Args:
        path: of the file.
        benchmark: the module that measured: `latency`, `kernels`, ...
        conditions: as `conditions.conditions` gives them.
        content: settings, rows, targets, notes: plain JSON.
    """
    with reported_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    result = {"format": FORMAT, "benchmark": benchmark, "conditions": conditions, **content}
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_result(path: Path) -> dict[str, Any]:
    """Read a result file. Raises SimpleTrtError when it is missing or none of ours."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SimpleTrtError(f"cannot read the result '{path}' ({error})", "run its benchmark again") from error
    if not isinstance(result, dict) or result.get("format") != FORMAT:
        raise SimpleTrtError(f"'{path}' is no result file of format {FORMAT}", "run its benchmark again")
    return result


def target(what: str, wanted: str, measured: Estimate | float, met: bool) -> dict[str, Any]:
    """One line of the list of targets: met or missed, it is published. The value decides."""
    value = measured.to_json() if isinstance(measured, Estimate) else {"value": round(measured, 5)}
    return {"what": what, "wanted": wanted, "measured": value, "met": bool(met)}
