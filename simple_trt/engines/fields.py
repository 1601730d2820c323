"""The fields of a manifest and what each may hold: the border check for a file that anyone may have written."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from typing import Any

from simple_trt.errors import SimpleTrtError

__all__ = ["PRECISIONS", "RUNTIMES", "TARGETS", "checked_fields"]

TARGETS = ("cpu", "tensorrt-rtx", "tensorrt", "torch")
RUNTIMES = ("openvino", "onnxruntime", "tensorrt_rtx", "tensorrt", "torch")
PRECISIONS = ("fp32", "fp16", "bf16", "int8")
LOWERINGS = ("plain", "plugin")
MAX_SIDE = 16384
MAX_BATCH = 4096

Check = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 4096 and value.isprintable()


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _object(value: Any) -> bool:
    return isinstance(value, dict)


def _one_of(*choices: str) -> Check:
    return lambda value: isinstance(value, str) and value in choices


def _between(low: int, high: int) -> Check:
    return lambda value: _count(value) and low <= value <= high


def _list_of(length: int, check: Check) -> Check:
    return lambda value: isinstance(value, list) and len(value) == length and all(map(check, value))


def _map_of(check: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


def _record(**checks: Check) -> Check:
    return lambda value: (
        isinstance(value, dict) and set(value) == set(checks) and all(check(value[k]) for k, check in checks.items())
    )


def _or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _either(*checks: Check) -> Check:
    return lambda value: any(check(value) for check in checks)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _above_zero(value: Any) -> bool:
    return _number(value) and value > 0


def _sha256(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value) is not None


def _bare_name(value: Any) -> bool:
    """A file name that names no folder: the plan lies beside its manifest and nowhere else."""
    return _text(value) and value not in ("", ".", "..") and not re.search(r"[/\\\x00]", value)


FIELDS: dict[str, tuple[str, Check]] = {
    "name": ("a text", _text),
    "target": (f"one of {TARGETS}", _one_of(*TARGETS)),
    "runtime": (f"one of {RUNTIMES}", _one_of(*RUNTIMES)),
    "precision": (f"one of {PRECISIONS}", _one_of(*PRECISIONS)),
    "lowering": (f"one of {LOWERINGS}", _one_of(*LOWERINGS)),
    "batch": (f"a whole number from 1 to {MAX_BATCH}", _between(1, MAX_BATCH)),
    "size": (f"[height, width], each from 1 to {MAX_SIDE}", _list_of(2, _between(1, MAX_SIDE))),
    "skeleton": ("a text", _text),
    "plan": (
        "{file: a name without folders, sha256: 64 hex digits, bytes: a count}",
        _record(file=_bare_name, sha256=_sha256, bytes=_count),
    ),
    "onnx": ("{sha256: 64 hex digits}", _record(sha256=_sha256)),
    "checkpoint": ("{sha256: 64 hex digits} or null", _or_null(_record(sha256=_sha256))),
    "calibration": (
        "{sha256: 64 hex digits, count: a count, method: a text} or null",
        _or_null(_either(_record(sha256=_sha256, count=_count), _record(sha256=_sha256, count=_count, method=_text))),
    ),
    "assignment": (
        "{blocks: an object of precisions}, with max_ap_drop: a number, seed: a count, report: a file's name; or null",
        _or_null(
            _either(
                _record(blocks=_map_of(_one_of(*PRECISIONS))),
                _record(blocks=_map_of(_one_of(*PRECISIONS)), max_ap_drop=_number, seed=_count, report=_bare_name),
            )
        ),
    ),
    "versions": ("an object of texts", _map_of(_text)),
    "device": ("an object", _object),
    "layers": ("an object of objects of counts", _map_of(_map_of(_count))),
    "preprocessing": (
        "{mean: 3 numbers, std: 3 numbers above 0, color: 'RGB', letterbox: 'top-left'}",
        _record(
            mean=_list_of(3, _number), std=_list_of(3, _above_zero), color=_one_of("RGB"), letterbox=_one_of("top-left")
        ),
    ),
    "accuracy": ("an object", _object),
    "build_command": ("a text", _text),
}

OPTIONAL: dict[str, Any] = {"assignment": None}
"""What manifests of earlier versions lack, and what they then mean."""


def checked_fields(values: dict[str, Any], path: str, cure: str, names: Iterable[str] = FIELDS) -> dict[str, Any]:
    """The fields `names` out of `values`, each of the type and range it must have.

    Raises:
        SimpleTrtError: a field is missing or wrong; the message names it and says what was expected and got.
    """
    found = {**OPTIONAL, **values}
    for name in names:
        expected, check = FIELDS[name]
        if name not in found:
            raise SimpleTrtError(f"'{path}': field '{name}' is missing", cure)
        if not check(found[name]):
            raise SimpleTrtError(f"'{path}': field '{name}': expected {expected}, got {repr(found[name])[:80]}", cure)
    return {name: found[name] for name in names}
