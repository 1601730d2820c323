"""The metadata of an ONNX file, read from its protobuf frame alone: no package is needed and no weight is loaded.

An ONNX file is a message `ModelProto`. Field 14 (`metadata_props`) is a message of two texts, field 1 the key and field
2 the value; every other field is stepped over.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, BinaryIO

from simple_trt.engines.fields import checked_fields
from simple_trt.engines.manifest import Manifest, Plan, Preprocessing
from simple_trt.engines.protobuf import fields_until, read_text
from simple_trt.errors import SimpleTrtError
from simple_trt.files import sha256_of

__all__ = ["METADATA_KEY", "WEIGHT_LEVELS", "graph_manifest", "read_metadata"]

METADATA_KEY = "simple_trt"
WEIGHT_LEVELS = "weight_levels"  # entry of int8 graphs: the largest magnitude of a weight
METADATA_PROPS, KEY, VALUE = 14, 1, 2
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
    for field, length in fields_until(file, size):
        if field != METADATA_PROPS:
            continue
        texts = fields_until(file, file.tell() + length)
        entry = {number: read_text(file, text_length, MAX_ENTRY) for number, text_length in texts}
        if entry.get(KEY) == METADATA_KEY:
            return entry.get(VALUE, "")
    return None
