"""Pieces of an exported graph: the network up to its maps, the decode from there to people, the grouping gate alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx.utils import Extractor

from simple_trt.errors import SimpleTrtError
from simple_trt.export.lowering import decode_op

__all__ = ["Pieces", "cut", "input_shapes"]

# Which op alone reads which map; the maps' names are those of models.simple.Maps.
READERS = {"points": "FindPeaks", "offsets": "GroupBoxes"}
CROP, READ = "CropHeatmaps", "ReadKeypoints"
DECODE = {*READERS.values(), CROP, READ}
PEOPLE = ["boxes", "scores", "keypoints", "num"]


@dataclass(frozen=True)
class Pieces:
    """Files of the pieces, and what the tensors between them are called.

    Args:
        network: image -> maps.
        decode: maps -> people.
        grouping: crops -> gated crops: the clip, the gate (where the model has one) and the product.
        maps: `points`, `offsets`, `pose`, and `context` where the gate has one -> name of the tensor.
        crops: names of the crops, the inputs of `grouping`.
    """

    network: Path
    decode: Path
    grouping: Path
    maps: dict[str, str]
    crops: list[str]


class _Graph:
    """Who makes and who takes each tensor; nodes are told apart by the op that they were lowered from."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.extractor = Extractor(model)
        self._maker = {name: _decode_op(node) for node in model.graph.node for name in node.output}
        self._edges = {(name, _decode_op(node)) for node in model.graph.node for name in node.input}

    def taken(self, op: str, made_by: Callable[[str], bool]) -> list[str]:
        """Computed tensors that nodes of `op` take from nodes of ops that `made_by` accepts."""
        return sorted(t for t, taker in self._edges if taker == op and t in self._maker and made_by(self._maker[t]))

    def left(self, op: str) -> list[str]:
        """Tensors that nodes of `op` make for others."""
        return sorted({t for t, taker in self._edges if self._maker.get(t) == op and taker != op})

    def write(self, inputs: list[str], outputs: list[str], path: Path) -> Path:
        """The part between `inputs` and `outputs`, as a file."""
        onnx.save(self.extractor.extract_model(inputs, outputs), path)
        return path


def cut(graph: Path, folder: Path) -> Pieces:
    """Cut an end-to-end graph of the plain lowering and write the pieces into `folder`.

    Raises:
        SimpleTrtError: its decode cannot be told from its network: it was not exported by this version.
    """
    cut_graph = _Graph(onnx.shape_inference.infer_shapes(onnx.load(graph)))
    maps = {name: _only(cut_graph.taken(op, _is_network), graph, op) for name, op in READERS.items()}
    cropped, read = cut_graph.taken(CROP, _is_network), cut_graph.taken(READ, _is_network)
    maps["pose"] = _only([name for name in cropped if name in read], graph, CROP)
    if context := [name for name in cropped if name not in read]:
        maps["context"] = _only(context, graph, CROP)
    crops = cut_graph.left(CROP)
    gated = [name for name in read if name not in cropped]
    stem = str(folder / graph.name.partition(".")[0])
    return Pieces(
        network=cut_graph.write(["image"], list(maps.values()), Path(f"{stem}-network.onnx")),
        decode=cut_graph.write(list(maps.values()), PEOPLE, Path(f"{stem}-decode.onnx")),
        grouping=cut_graph.write(crops, gated, Path(f"{stem}-grouping.onnx")),
        maps=maps,
        crops=crops,
    )


def input_shapes(graph: Path) -> dict[str, list[int]]:
    """The fixed shapes of a piece's inputs, by their names."""
    inputs = onnx.load(graph).graph.input
    return {item.name: [d.dim_value for d in item.type.tensor_type.shape.dim] for item in inputs}


def _decode_op(node: onnx.NodeProto) -> str:
    """The decode op that a node was lowered from; empty for a node of the network or the gate."""
    op = decode_op(node)
    return op if op in DECODE else ""


def _is_network(op: str) -> bool:
    return not op


def _only(names: list[str], graph: Path, op: str) -> str:
    if len(names) != 1:
        raise SimpleTrtError(
            f"'{graph}' cannot be cut at {op}: expected one tensor there, found {names}", "export the model again"
        )
    return names[0]
