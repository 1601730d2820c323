"""What MODEL names, and the fp32 graph that a build or an export starts from."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import onnx

from simple_trt import zoo
from simple_trt.engines.onnx_metadata import read_metadata
from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.export.lowering import plugin_nodes, to_plain, to_plugin

__all__ = ["Model", "Shape", "find_model", "has_torch", "plain_twin", "plugin_twin", "source_graph"]

NEED_TORCH = (
    "with PyTorch (pip install 'simple-trt[export]') and the checkpoint any size, batch and lowering can be made"
)


@dataclass(frozen=True)
class Model:
    """A model that someone named.

    Args:
        name: for the manifest: the bundled model's name, or the file's stem.
        checkpoint: its weights, when there are any.
        graph: an ONNX graph of it, when there is one.
        float_blocks: blocks that lose accuracy in int8, where that was found out.
    """

    name: str
    checkpoint: Path | None
    graph: Path | None
    float_blocks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shape:
    """What is fixed when a graph is exported.

    Args:
        size: (height, width) of the input; None takes the model's own.
        batch: pictures a run; None takes the model's own.
        lowering: `plain` or `plugin`.
    """

    size: tuple[int, int] | None = None
    batch: int | None = None
    lowering: str = "plain"


def has_torch() -> bool:
    """Whether PyTorch is installed; it is not imported."""
    return find_spec("torch") is not None


def find_model(text: str) -> Model:
    """The model that MODEL names: a bundled model, a `.safetensors` checkpoint or an `.onnx` file.

    Raises:
        UsageError: nothing of that name, or a file of another kind.
        SimpleTrtError: a bundled model whose files are damaged.
    """
    path = Path(text)
    if not path.exists() and text in zoo.names():
        entry = zoo.find(text)
        return Model(entry.name, entry.checkpoint, entry.onnx, entry.float_blocks)
    if not path.is_file():
        bundled = ", ".join(zoo.names()) or "none"
        raise UsageError(f"no model '{text}'", f"give a checkpoint, an ONNX file or a bundled model's name ({bundled})")
    if path.suffix == ".safetensors":
        return Model(path.stem, path, None)
    if path.suffix == ".onnx":
        return Model(path.stem, None, path)
    raise UsageError(f"'{text}' is no model", "give a .safetensors checkpoint or an .onnx file")


def source_graph(model: Model, shape: Shape, folder: Path) -> Path:
    """An ONNX graph of `model` with the wanted shape: the one it has where that fits, else exported into `folder`.

    Raises:
        SimpleTrtError: it must be exported, and PyTorch or the checkpoint is missing; or the export fails.
    """
    if model.graph is not None:
        metadata = read_metadata(model.graph)
        if not _misfit(metadata, shape):
            return model.graph
        if not _misfit(metadata | {"lowering": shape.lowering}, shape):
            twin = plain_twin(model.graph, folder) if shape.lowering == "plain" else plugin_twin(model.graph, folder)
            if twin is not None:
                return twin
        if model.checkpoint is None:
            raise SimpleTrtError(f"'{model.graph}' {_misfit(metadata, shape)}", NEED_TORCH)
    if not has_torch():
        what = f"'{model.graph}' {_misfit(metadata, shape)}" if model.graph else f"exporting '{model.checkpoint}'"
        raise SimpleTrtError(f"{what}, and PyTorch is not installed", NEED_TORCH)
    from simple_trt.export.to_onnx import export_onnx

    assert model.checkpoint is not None
    path = folder / "source.onnx"
    return export_onnx(model.checkpoint, path, size=shape.size, batch=shape.batch or 1, lowering=shape.lowering)


def plain_twin(graph: Path, folder: Path) -> Path:
    """The graph of the lowering `plugin` as one of standard operators, written into `folder`; no PyTorch is needed."""
    path = folder / f"plain-{graph.name}"
    onnx.save(to_plain(onnx.load(graph)), path)
    return path


def plugin_twin(graph: Path, folder: Path) -> Path | None:
    """The graph of the lowering `plain` with our nodes put back, written into `folder`; None where it does not tell
    what it was lowered from. No PyTorch is needed.

    Raises:
        SimpleTrtError: what it tells makes no sense.
    """
    plugin = to_plugin(onnx.load(graph))
    if not plugin_nodes(plugin):
        return None
    path = folder / f"plugin-{graph.name}"
    onnx.save(plugin, path)
    return path


def _misfit(metadata: dict[str, Any], shape: Shape) -> str:
    """How the graph differs from what is wanted; empty when it does not."""
    size, batch, lowering = metadata.get("size"), metadata.get("batch"), metadata.get("lowering")
    if shape.size is not None and size != list(shape.size):
        return f"has size {_sides(size)}, and {_sides(shape.size)} is wanted"
    if batch != (shape.batch or batch) or not isinstance(batch, int):
        return f"has batch {batch}, and {shape.batch or 'a fixed one'} is wanted"
    if lowering != shape.lowering:
        return f"has lowering '{lowering}', and '{shape.lowering}' is wanted"
    return ""


def _sides(size: Any) -> str:
    return "x".join(map(str, size)) if isinstance(size, (list, tuple)) else str(size)
