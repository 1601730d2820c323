"""A model repository for Triton Inference Server: one engine served to many machines.

The layout is Triton's: `DIR/NAME/config.pbtxt` and `DIR/NAME/1/model.onnx` or `model.plan`. The configuration is a
`ModelConfig` of Triton's `model_config.proto`, in text form. Preprocessing is the client's: what it must know stands in
the configuration's parameters, which a client can ask the server for.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simple_trt.engines import Manifest
from simple_trt.errors import UsageError
from simple_trt.files import reported_os_errors
from simple_trt.skeletons import find_skeleton

__all__ = ["ROWS", "config_text", "write_repository"]

ROWS = 32  # places for people in every engine
BACKENDS = {  # (target, runtime) -> Triton's name of the backend, the file that it reads, where it runs
    ("cpu", "onnxruntime"): ("onnxruntime", "model.onnx", "KIND_CPU"),
    ("cpu", "openvino"): ("openvino", "model.onnx", "KIND_CPU"),
    ("tensorrt", "tensorrt"): ("tensorrt", "model.plan", "KIND_GPU"),
}
VERSION = "1"


def write_repository(folder: Path, plan: Path, manifest: Manifest, force: bool = False) -> Path:
    """Put an engine into a model repository, as version 1 of the model `manifest.name`.

    Args:
        folder: the repository; made when it is not there. Other models in it are left alone.
        plan: the engine, or an ONNX graph of standard operators.
        manifest: what it is; a graph's is that of `graph_manifest`.
        force: a model of that name may be replaced.

    Returns:
        the model's folder.

    Raises:
        UsageError: Triton has no backend for it, its name is no folder's, or it exists and `force` is not given.
        SimpleTrtError: the repository cannot be written to, or the disk is full; nothing is left then.
    """
    text, file = config_text(manifest), _backend(manifest)[1]
    target = folder / manifest.name
    if target.exists() and not force:
        raise UsageError(f"'{target}' exists already", "give --force to replace it, or another folder")
    with reported_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=folder, prefix=f".{manifest.name}."))
        try:
            model = fresh / "new"
            (model / VERSION).mkdir(parents=True)
            shutil.copyfile(plan, model / VERSION / file)
            (model / "config.pbtxt").write_text(text, encoding="utf-8")
            if target.exists():
                target.rename(fresh / "old")
            model.rename(target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return target


def config_text(manifest: Manifest) -> str:
    """The content of `config.pbtxt`.

    The batch of our engines is fixed, so it stands in the shapes, and Triton gathers no requests itself
    (`max_batch_size: 0`). The model is run once when it is loaded, so that the first request is as fast as the others.

    Raises:
        UsageError: Triton has no backend for this engine, or its name is no folder's.
    """
    backend, file, kind = _backend(manifest)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", manifest.name):
        raise UsageError(
            f"'{manifest.name}' is no name for a model in Triton", "build it from a file of a plainer name"
        )
    image = [manifest.batch, 3, *manifest.size]
    lines = [
        f"name: {json.dumps(manifest.name)}",
        f'backend: "{backend}"',
        f'default_model_filename: "{file}"',
        "max_batch_size: 0",
        f'input [ {{ name: "image" data_type: TYPE_FP32 dims: {image} }} ]',
        "output [",
        ",\n".join(f'  {{ name: "{name}" data_type: {kind} dims: {dims} }}' for name, kind, dims in _outputs(manifest)),
        "]",
        f"instance_group [ {{ count: 1 kind: {kind} }} ]",
        'model_warmup [ { name: "zeros" batch_size: 1 inputs { key: "image" value: '
        f"{{ data_type: TYPE_FP32 dims: {image} zero_data: true }} }} }} ]",
        *(
            f"parameters {{ key: {json.dumps(key)} value: {{ string_value: {json.dumps(value)} }} }}"
            for key, value in _parameters(manifest).items()
        ),
    ]
    return "\n".join(lines) + "\n"


def _outputs(manifest: Manifest) -> list[tuple[str, str, list[int]]]:
    """Name, type and shape of each output."""
    batch, joints = manifest.batch, len(find_skeleton(manifest.skeleton))
    return [
        ("boxes", "TYPE_FP32", [batch, ROWS, 4]),
        ("scores", "TYPE_FP32", [batch, ROWS]),
        ("keypoints", "TYPE_FP32", [batch, ROWS, joints, 3]),
        ("num", "TYPE_INT32", [batch]),
    ]


def _parameters(manifest: Manifest) -> Mapping[str, str]:
    """What a client must know to prepare pictures and to read the answer."""
    rules: dict[str, Any] = vars(manifest.preprocessing)
    return {
        "preprocessing": json.dumps({key: list(v) if isinstance(v, tuple) else v for key, v in rules.items()}),
        "skeleton": manifest.skeleton,
        "sha256": manifest.plan.sha256,
    }


def _backend(manifest: Manifest) -> tuple[str, str, str]:
    found = BACKENDS.get((manifest.target, manifest.runtime))
    if found is None:
        raise UsageError(
            f"Triton has no backend for engines of target {manifest.target}",
            "build one with --target tensorrt or cpu, or give a model: it is served as an ONNX graph",
        )
    if manifest.target == "cpu" and manifest.lowering == "plugin":
        raise UsageError(
            "a graph with our plugin nodes runs on TensorRT alone",
            "build it with --target tensorrt first, or leave --lowering plugin out",
        )
    return found
