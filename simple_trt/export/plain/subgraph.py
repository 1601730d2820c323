"""A small builder for ONNX nodes, so that a recipe reads as the arithmetic it stands for.

It holds standard operators of opset 20 only. Nothing here knows what the nodes compute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Dim = int | str | None


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor of the graph under construction; operators on it add nodes.

    A Python float becomes a float32 scalar, a list of integers an int64 vector, an array a constant as it is.
    """

    graph: Subgraph
    name: str

    def __add__(self, other: Operand) -> Value:
        return self.graph.node("Add", self, other)

    def __radd__(self, other: Operand) -> Value:
        return self.graph.node("Add", other, self)

    def __sub__(self, other: Operand) -> Value:
        return self.graph.node("Sub", self, other)

    def __rsub__(self, other: Operand) -> Value:
        return self.graph.node("Sub", other, self)

    def __mul__(self, other: Operand) -> Value:
        return self.graph.node("Mul", self, other)

    def __rmul__(self, other: Operand) -> Value:
        return self.graph.node("Mul", other, self)

    def __truediv__(self, other: Operand) -> Value:
        return self.graph.node("Div", self, other)

    def __rtruediv__(self, other: Operand) -> Value:
        return self.graph.node("Div", other, self)

    def __neg__(self) -> Value:
        return self.graph.node("Neg", self)

    def __lt__(self, other: Operand) -> Value:
        return self.graph.node("Less", self, other)

    def __le__(self, other: Operand) -> Value:
        return self.graph.node("LessOrEqual", self, other)

    # Written as the mirrored comparison: OpenVINO calls Greater and GreaterOrEqual true where an operand is NaN.
    def __gt__(self, other: Operand) -> Value:
        return self.graph.node("Less", other, self)

    def __ge__(self, other: Operand) -> Value:
        return self.graph.node("LessOrEqual", other, self)

    def __and__(self, other: Value) -> Value:
        return self.graph.node("And", self, other)

    def __or__(self, other: Value) -> Value:
        return self.graph.node("Or", self, other)

    def equals(self, other: Operand) -> Value:
        """Elementwise equality, as bool."""
        return self.graph.node("Equal", self, other)

    def floor(self) -> Value:
        """Elementwise floor."""
        return self.graph.node("Floor", self)

    def at_least(self, other: Operand) -> Value:
        """Elementwise maximum."""
        return self.graph.node("Max", self, other)

    def at_most(self, other: Operand) -> Value:
        """Elementwise minimum."""
        return self.graph.node("Min", self, other)

    def reshape(self, *shape: int) -> Value:
        """Reshape; 0 keeps a dimension, -1 is what remains."""
        return self.graph.node("Reshape", self, list(shape))

    def slice(self, axis: int, start: int, stop: int, step: int = 1) -> Value:
        """Every ``step``-th element from ``start`` to ``stop`` (excluded) of one axis."""
        return self.graph.node("Slice", self, [start], [stop], [axis], [step])

    def reduce(self, operator: str, axis: int) -> Value:
        """``ReduceMax``, ``ReduceMin`` or ``ReduceSum`` over one axis, which is kept with length 1."""
        return self.graph.node(operator, self, [axis], keepdims=1)

    def cast(self, dtype: int) -> Value:
        """Cast to an ONNX element type."""
        return self.graph.node("Cast", self, to=dtype)

    def to_float(self) -> Value:
        """Cast to float32."""
        return self.cast(TensorProto.FLOAT)

    def to_index(self) -> Value:
        """Cast to int64, the type of every index here."""
        return self.cast(TensorProto.INT64)


@dataclass(frozen=True, eq=False)
class Input(Value):
    """An input of the subgraph with its static shape (the batch may be a name) and ONNX element type."""

    shape: tuple[Dim, ...]
    dtype: int

    def size(self, axis: int) -> int:
        """The static length of one axis."""
        length = self.shape[axis]
        assert isinstance(length, int), f"axis {axis} of {self.name} is not static"
        return length

    def as_float(self) -> Value:
        """This tensor in float32."""
        return self if self.dtype == TensorProto.FLOAT else self.to_float()


Operand = Value | float | Sequence[int] | np.ndarray | None


class Subgraph:
    """Nodes and constants under construction, all named below one prefix."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[TensorProto] = []
        self._known: dict[tuple[str, tuple[int, ...], bytes], Value] = {}

    def node(self, operator: str, *inputs: Operand, **attributes: Any) -> Value:
        """Add a node with one output."""
        return self.node_with_outputs(1, operator, *inputs, **attributes)[0]

    def node_with_outputs(self, count: int, operator: str, *inputs: Operand, **attributes: Any) -> list[Value]:
        """Add a node with ``count`` outputs."""
        name = f"{self.prefix}/{operator}_{len(self.nodes)}"
        outputs = [name if count == 1 else f"{name}.{i}" for i in range(count)]
        names = [self._name_of(operand) for operand in inputs]
        self.nodes.append(helper.make_node(operator, names, outputs, name=name, **attributes))
        return [Value(self, output) for output in outputs]

    def constant(self, array: np.ndarray) -> Value:
        """A constant tensor; equal ones are stored once."""
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            name = f"{self.prefix}/constant_{len(self.constants)}"
            self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name))
            self._known[key] = Value(self, name)
        return self._known[key]

    def where(self, condition: Value, then: Operand, otherwise: Operand) -> Value:
        """Elementwise choice."""
        return self.node("Where", condition, then, otherwise)

    def concat(self, values: Sequence[Value], axis: int) -> Value:
        """Values one after the other along an axis."""
        return self.node("Concat", *values, axis=axis)

    def counting(self, *shape: int) -> np.ndarray:
        """0, 1, 2... as float32 in this shape."""
        return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)

    def _name_of(self, operand: Operand) -> str:
        if operand is None:
            return ""
        if isinstance(operand, Value):
            return operand.name
        if isinstance(operand, np.ndarray):
            return self.constant(operand).name
        if isinstance(operand, Sequence):
            return self.constant(np.array(operand, np.int64)).name
        return self.constant(np.array(operand, np.float32)).name
