"""The blocks of a network, named after its modules: the parts that may be int8 or not, each as a whole.

Whatever the network is, its modules form a tree, and the exporter names each node after its module. A block is a module
of that tree: one that holds more than a sixteenth of all multiplications is divided into the modules inside it, unless
these are single convolutions. So an HRNet's blocks are the modules of its stages, a mobile backbone's are its stages or
their residual blocks, and a corner module, the neck's convolutions or the grouping gate are one block each.

The convolutions that are not quantised unless asked for (the first, and those that make the maps) are blocks of their
own, so that a sensitive last layer does not keep its whole module from being int8.
Depthwise convolutions belong to no block: int8.py says why.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from simple_trt.errors import SimpleTrtError
from simple_trt.export.lowering import tensor_types
from simple_trt.export.plain import Dim
from simple_trt.export.precision.int8 import dense_convolutions, quantised_convolutions

__all__ = ["Block", "find_blocks", "multiplications"]

SHARE = 1 / 16
MAP_LEVEL = 2  # first and last convolutions of the same `simple.heads` are one block


@dataclass(frozen=True)
class Block:
    """A named part of the network.

    Args:
        name: of the module, such as `simple.backbone.stage4.0`.
        convolutions: names of its dense convolutions, in graph order.
        multiplications: how many they do for a batch.
        usual: quantised where nothing is searched.
    """

    name: str
    convolutions: tuple[str, ...]
    multiplications: int
    usual: bool


def find_blocks(graph: onnx.GraphProto) -> list[Block]:
    """The blocks of a graph of either lowering, in graph order.

    Raises:
        SimpleTrtError: the graph has no convolution that could be quantised, or does not state its shapes.
    """
    dense = dense_convolutions(graph)
    usual = {node.name for node in quantised_convolutions(graph)}
    costs = multiplications(graph)
    limit = SHARE * sum(costs[node.name] for node in dense)
    rest = [node.name for node in dense if node.name not in usual]
    parts = [(part, True) for part in _divided([node.name for node in dense if node.name in usual], costs, limit, 0)]
    parts += [(part, False) for part in _parted(rest, MAP_LEVEL)]
    blocks: list[Block] = []
    for part, kind in parts:
        name = _unused(_common(part), {block.name for block in blocks})
        blocks.append(Block(name, tuple(part), sum(costs[convolution] for convolution in part), kind))
    if not blocks:
        raise SimpleTrtError("the graph has no convolution that int8 could make faster", "build it with fp16 or bf16")
    place = {node.name: i for i, node in enumerate(graph.node)}
    return sorted(blocks, key=lambda block: place[block.convolutions[0]])


def multiplications(graph: onnx.GraphProto) -> dict[str, int]:
    """How many multiplications each convolution does for a batch (an open side counts as 1), by the node's name.

    Raises:
        SimpleTrtError: the graph does not state a shape.
    """
    types = tensor_types(graph)
    counts: dict[str, int] = {}
    for node in graph.node:
        if node.op_type != "Conv":
            continue
        if node.output[0] not in types or node.input[1] not in types:
            raise SimpleTrtError(
                f"the shape of '{node.output[0]}' is not in the graph", "export the model again; keep its value_info"
            )
        output, weight = (_sides(types[name][0]) for name in (node.output[0], node.input[1]))
        counts[node.name] = int(np.prod(output) * np.prod(weight[1:]))
    return counts


def _sides(shape: tuple[Dim, ...]) -> list[int]:
    return [side if isinstance(side, int) else 1 for side in shape]


def _divided(names: Sequence[str], costs: dict[str, int], limit: float, depth: int) -> list[list[str]]:
    """Modules light enough, or of nothing but single convolutions; `depth` steps of their paths are equal."""
    parts = _parted(names, depth + 1)
    light = depth > 0 and sum(costs[name] for name in names) <= limit
    if light or len(names) == 1 or (depth > 0 and all(len(part) == 1 for part in parts)):
        return [list(names)] if names else []
    if len({_path(name) for name in names}) == 1:
        return [list(names)]
    return [piece for part in parts for piece in _divided(part, costs, limit, depth + 1)]


def _parted(names: Sequence[str], depth: int) -> list[list[str]]:
    """Those of equal first `depth` steps of their paths together."""
    parts: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in names:
        parts[_path(name)[:depth]].append(name)
    return list(parts.values())


def _path(name: str) -> tuple[str, ...]:
    """`simple.center.merge.1/Conv_2` -> (simple, center, merge, 1)."""
    return tuple(name.partition("/")[0].split("."))


def _common(names: Sequence[str]) -> str:
    """The innermost module that holds all of them."""
    paths = [_path(name) for name in names]
    shared = 0
    while shared < min(map(len, paths)) and len({path[shared] for path in paths}) == 1:
        shared += 1
    return ".".join(paths[0][:shared])


def _unused(name: str, taken: set[str]) -> str:
    number = 2
    unused = name
    while unused in taken:
        unused, number = f"{name}#{number}", number + 1
    return unused
