"""What a model file of ours says about itself: the JSON under the key ``simple_trt`` in an ONNX file's metadata."""

from __future__ import annotations

import json
from typing import Any

import onnx

FORMAT = 1
METADATA_KEY = "simple_trt"
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
PREPROCESSING = {
    "mean": list(MEAN),
    "std": list(STD),
    "color": "RGB",
    "letterbox": "top-left",
}


def write_metadata(model: onnx.ModelProto, values: dict[str, Any]) -> None:
    """Set the metadata; what other tools wrote under other keys goes."""
    del model.metadata_props[:]
    model.metadata_props.add(key=METADATA_KEY, value=json.dumps(values, sort_keys=True))


def update_metadata(model: onnx.ModelProto, **changes: Any) -> None:
    """Change single entries; a model without our metadata stays without."""
    entries = {item.key: item for item in model.metadata_props}
    if METADATA_KEY in entries:
        entry = entries[METADATA_KEY]
        entry.value = json.dumps(json.loads(entry.value) | changes, sort_keys=True)


def read_precision(model: onnx.ModelProto) -> str:
    """The precision that the metadata states; fp32 for a model without ours."""
    entries = {item.key: item.value for item in model.metadata_props}
    return str(json.loads(entries[METADATA_KEY])["precision"]) if METADATA_KEY in entries else "fp32"
