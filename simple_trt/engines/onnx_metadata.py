"""The metadata of an ONNX file, read from its protobuf frame alone: no package is needed and no weight is loaded.

An ONNX file is a message `ModelProto`: a sequence of (field number, wire type, value). Field 14 (`metadata_props`) is a
message of two texts, field 1 the key and field 2 the value; every other field is stepped over by its length.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from simple_trt.engines.fields import checked_fields
from simple_trt.engines.manifest import Manifest, Plan, Preprocessing
from simple_trt.errors import SimpleTrtError
from simple_trt.files import sha256_of

__all__ = ["METADATA_KEY", "WEIGHT_LEVELS", "graph_manifest", "read_metadata"]

METADATA_KEY = "simple_trt"
WEIGHT_LEVELS = "weight_levels"  # entry of int8 graphs: the largest magnitude of a weight
METADATA_PROPS, KEY, VALUE = 14, 1, 2
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
MAX_ENTRY = 1 << 20
EXPORT_CURE = "export it again: simple-trt export CHECKPOINT -o MODEL.onnx"


def read_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The `simple_trt` metadata of an ONNX file.

    Raises:
        SimpleTrtError: the file is missing, truncated, not ONNX, or was not made by us.
    """
    if not Path(path).is_file():
        raise SimpleTrtError(f"no file '{path}'", "check the path")
    try:
        with Path(path).open("rb") as file:
            text = _find_entry(file, Path(path).stat().st_size)
    except (EOFError, ValueError) as error:
        raise SimpleTrtError(f"'{path}' is not a whole ONNX file ({error})", EXPORT_CURE) from error
    if text is None:
        raise SimpleTrtError(
            f"'{path}' carries no '{METADATA_KEY}' metadata: it is not a graph made by simple-trt", EXPORT_CURE
        )
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SimpleTrtError(f"the '{METADATA_KEY}' metadata of '{path}' is not JSON", EXPORT_CURE) from error
    if not isinstance(values, dict):
        raise SimpleTrtError(f"the '{METADATA_KEY}' metadata of '{path}' is not a JSON object", EXPORT_CURE)
    return values


def graph_manifest(path: str | os.PathLike[str]) -> Manifest:
    """A manifest for an ONNX file that is run as it is, from its metadata; a dynamic batch is run as batch 1.

    Raises:
        SimpleTrtError: as `read_metadata`, or a field of the metadata is not what it must be.
    """
    values = read_metadata(path)
    if not isinstance(values.get("batch"), int):
        values["batch"] = 1
    names = ("name", "precision", "lowering", "batch", "size", "skeleton", "preprocessing")
    fields = checked_fields(values, f"metadata of {path}", EXPORT_CURE, names)
    fields["preprocessing"] = Preprocessing.from_json(fields["preprocessing"])
    digest = sha256_of(path)
    weights = values.get("checkpoint_sha256")
    return Manifest(
        **{**fields, "size": tuple(fields["size"])},
        target="cpu",
        runtime="onnxruntime",
        plan=Plan(Path(path).name, digest, Path(path).stat().st_size),
        onnx={"sha256": digest},
        checkpoint={"sha256": weights} if isinstance(weights, str) else None,
    )


def _find_entry(file: BinaryIO, size: int) -> str | None:
    while file.tell() < size:
        field, wire = _tag(file)
        if (field, wire) != (METADATA_PROPS, LENGTH):
            _step_over(file, wire, size)
            continue
        entry = dict(_texts(file, file.tell() + _length(file, MAX_ENTRY)))
        if entry.get(KEY) == METADATA_KEY:
            return entry.get(VALUE, "")
    return None


def _texts(file: BinaryIO, end: int) -> Iterator[tuple[int, str]]:
    """(field number, text) of an entry's two fields."""
    while file.tell() < end:
        field, wire = _tag(file)
        if wire != LENGTH:
            raise ValueError("a metadata entry holds something else than text")
        yield field, _read(file, _length(file, MAX_ENTRY)).decode("utf-8", errors="strict")


def _tag(file: BinaryIO) -> tuple[int, int]:
    tag = _varint(file)
    if tag >> 3 == 0:
        raise ValueError("field number 0")
    return tag >> 3, tag & 7


def _step_over(file: BinaryIO, wire: int, size: int) -> None:
    if wire == VARINT:
        _varint(file)
    elif wire in (FIXED64, FIXED32):
        _read(file, 8 if wire == FIXED64 else 4)
    elif wire == LENGTH:
        file.seek(_length(file, size - file.tell()), os.SEEK_CUR)
    else:
        raise ValueError(f"wire type {wire}")


def _length(file: BinaryIO, limit: int) -> int:
    length = _varint(file)
    if length > limit:
        raise ValueError(f"a field of {length} bytes where at most {limit} can be")
    return length


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = _read(file, 1)[0]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
    raise ValueError("a number of more than ten bytes")


def _read(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise EOFError("it ends in the middle of a field")
    return data
