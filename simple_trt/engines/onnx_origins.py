"""What a plain graph tells of the ops of ours in it: the node that each was lowered from (`export.lowering`).

It stands as JSON in the doc string of the op's first standard operator. In an ONNX file field 7 (`graph`) is a message
whose fields 1 are the nodes, of which field 3 is the name and field 6 the doc string. Weights are stepped over.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from simple_trt.engines.protobuf import fields_until, read_text
from simple_trt.errors import SimpleTrtError

__all__ = ["Origin", "read_origins"]

GRAPH, NODE, NAME, DOC_STRING = 7, 1, 3, 6
MARK = "simple_trt."  # how the names of such operators begin
MAX_TEXT = 1 << 16


@dataclass(frozen=True)
class Origin:
    """A node of ours: its op, its name, the tensors that it took and gave, and its numbers by name."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, int | float]


def read_origins(path: str | os.PathLike[str]) -> list[Origin]:
    """The nodes of ours that a plain graph was lowered from, in the graph's order; none where it tells nothing.

    Raises:
        SimpleTrtError: the file is not a whole ONNX file, or tells what makes no sense.
    """
    try:
        with Path(path).open("rb") as file:
            return [_origin(json.loads(text)) for text in _doc_strings(file, Path(path).stat().st_size)]
    except (ValueError, EOFError, RecursionError) as error:
        raise SimpleTrtError(
            f"'{path}' does not tell what it was lowered from ({error})", "export it again, or build the engine again"
        ) from error


def _doc_strings(file: BinaryIO, size: int) -> Iterator[str]:
    for field, length in fields_until(file, size):
        if field != GRAPH:
            continue
        for inner, node_length in fields_until(file, file.tell() + length):
            if inner != NODE:
                continue
            texts = _texts(file, file.tell() + node_length)
            if texts.get(NAME, "").startswith(MARK) and texts.get(DOC_STRING):
                yield texts[DOC_STRING]


def _texts(file: BinaryIO, end: int) -> dict[int, str]:
    wanted = (NAME, DOC_STRING)
    return {field: read_text(file, length, MAX_TEXT) for field, length in fields_until(file, end) if field in wanted}


def _origin(values: Any) -> Origin:
    """Checked: a graph may come from anywhere."""
    if not isinstance(values, dict):
        raise ValueError("an op's origin is no JSON object")
    op, name = _texts_of([values.get("op_type"), values.get("name")])
    numbers = {key: value for key, value in values.items() if type(value) in (int, float)}
    return Origin(op, name, _texts_of(values.get("inputs")), _texts_of(values.get("outputs")), numbers)


def _texts_of(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("an op's origin lacks its type, its name, its inputs or its outputs")
    return tuple(values)
