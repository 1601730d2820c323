"""Flags that several verbs share, and what their values may be."""

from __future__ import annotations

import argparse
import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simple_trt.export.build_source import Shape

__all__ = [
    "DEFAULT_THRESHOLD",
    "SHAPE_FLAGS",
    "blocks",
    "count",
    "fraction",
    "megabytes",
    "positive",
    "shape_of",
    "sides",
]

LOWERINGS = ("plain", "plugin")
SIDE_STEP = 32
MAX_SIDE = 8192
MAX_BATCH = 256
MAX_COUNT = 1_000_000
DEFAULT_THRESHOLD = 0.1  # least score of a person who is shown


def shape_of(args: argparse.Namespace) -> Shape:
    """The shape that SHAPE_FLAGS ask for."""
    from simple_trt.export.build_source import Shape

    return Shape(args.size, args.batch, args.lowering or LOWERINGS[0])


def sides(text: str) -> tuple[int, int]:
    """`512` -> (512, 512); `384x640` -> (384, 640), height first."""
    found = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", text)
    if not found:
        raise argparse.ArgumentTypeError(f"expected one number or HEIGHTxWIDTH, got '{text}'")
    height, width = int(found[1]), int(found[2] or found[1])
    for side in (height, width):
        if not 0 < side <= MAX_SIDE or side % SIDE_STEP:
            raise argparse.ArgumentTypeError(f"expected multiples of {SIDE_STEP} up to {MAX_SIDE}, got '{text}'")
    return height, width


def positive(text: str) -> int:
    """A whole number from 1 to 256."""
    if not re.fullmatch(r"\d{1,5}", text) or not 1 <= int(text) <= MAX_BATCH:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to {MAX_BATCH}, got '{text}'")
    return int(text)


def count(text: str) -> int:
    """A whole number from 1 to a million."""
    if not re.fullmatch(r"\d{1,7}", text) or not 1 <= int(text) <= MAX_COUNT:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to {MAX_COUNT}, got '{text}'")
    return int(text)


def blocks(text: str) -> tuple[str, ...]:
    """Modules of a network, separated by commas, or `none`."""
    names = () if text == "none" else tuple(name.strip() for name in text.split(","))
    if not all(re.fullmatch(r"[A-Za-z0-9_.]+", name) for name in names):
        raise argparse.ArgumentTypeError(f"expected names such as simple.heads, separated by commas, got '{text}'")
    return names


def fraction(text: str) -> float:
    """A number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, got '{text}'")
    return value


def megabytes(text: str) -> int:
    """Megabytes (2^20) -> bytes."""
    if not re.fullmatch(r"\d{1,7}", text) or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number of megabytes, got '{text}'")
    return int(text) << 20


SHAPE_FLAGS: dict[str, dict[str, Any]] = {
    "--size": {
        "type": sides,
        "metavar": "S|HxW",
        "help": "input size in pixels, multiples of 32 (default: the model's)",
    },
    "--batch": {"type": positive, "metavar": "B", "help": "pictures a run (default: the model's)"},
    "--lowering": {"choices": LOWERINGS, "help": "standard ONNX operators, or our TensorRT plugins (default: plain)"},
}
"""What is fixed when a graph is exported."""
