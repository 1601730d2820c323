"""Everything that runs the network, behind one small contract: `open_engine(path)` gives an `Engine`."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

from simple_trt.engines.base import Arrays, Engine, LoadOptions, TensorSpec
from simple_trt.engines.manifest import Manifest, manifest_path, verified_manifest
from simple_trt.errors import SimpleTrtError, UsageError

__all__ = ["Arrays", "Engine", "LoadOptions", "Manifest", "TensorSpec", "backend_of", "open_engine"]

BACKENDS = {
    "cpu": ("simple_trt.engines.cpu", "CpuEngine"),
    "tensorrt-rtx": ("simple_trt.engines.tensorrt_rtx", "TensorRtRtxEngine"),
    "tensorrt": ("simple_trt.engines.tensorrt", "TensorRtEngine"),
    "torch": ("simple_trt.engines.torch", "TorchEngine"),
}


def open_engine(source: str | os.PathLike[str], options: LoadOptions | None = None) -> Engine:
    """Load what `source` names: a built engine, or a model as it is.

    A built engine (a plan with its manifest beside it) is checked against the manifest before any framework sees it.
    A model needs no build: an ONNX file and a bundled model's graph run on ONNX Runtime, a checkpoint runs in PyTorch.

    Args:
        source: path of a plan, of an ONNX file or of a `.safetensors` checkpoint, or the name of a bundled model.
        options: how to open it on this machine.

    Raises:
        SimpleTrtError: nothing of that name is there, the manifest is missing or does not fit, or the framework is
            missing or refuses.
    """
    path = Path(source)
    if manifest_path(path).exists() and path.is_file():
        manifest = verified_manifest(path)
        return backend_of(manifest.target)(path, manifest, options)
    return _open_model(path, options)


def backend_of(target: str) -> type[Engine]:
    """The engine class of a target; its module is imported now, its framework when an engine is opened."""
    if target not in BACKENDS:
        raise UsageError(f"no target '{target}'", f"choose one of: {', '.join(BACKENDS)}")
    module, name = BACKENDS[target]
    backend: type[Engine] = getattr(import_module(module), name)
    return backend


def _open_model(path: Path, options: LoadOptions | None) -> Engine:
    from simple_trt import zoo
    from simple_trt.engines.onnx_metadata import graph_manifest

    if not path.exists() and str(path) in zoo.names():
        path = zoo.find(str(path)).onnx
    if not path.is_file():
        raise SimpleTrtError(
            f"no engine, model or bundled model '{path}'",
            "check the path; 'simple-trt models' lists the bundled models",
        )
    if path.suffix == ".onnx":
        return backend_of("cpu")(path, graph_manifest(path), options)
    if path.suffix == ".safetensors":
        from simple_trt.engines.torch import checkpoint_manifest

        return backend_of("torch")(path, checkpoint_manifest(path), options)
    verified_manifest(path)
    raise SimpleTrtError(
        f"'{path}' is no engine and no model",
        "give a plan with its manifest, an ONNX file or a .safetensors checkpoint",
    )
