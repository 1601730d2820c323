"""How the exporter writes our torch ops: one node of domain ``simple_trt`` each, with the op's own argument names.

Tensors become inputs, numbers become attributes. ``plugin_namespace`` and ``plugin_version`` are added because TensorRT
before 10.10 does not take a plugin's namespace from the node's domain.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx
import torch
from onnx.defs import OpSchema
from onnxscript.values import Opset

from simple_trt import ops  # noqa: F401 - registers torch.ops.simple_trt
from simple_trt.export.lowering import DOMAIN
from simple_trt.export.plain import RECIPES

VERSION = 1
PLUGIN_FIELDS = {"plugin_namespace": DOMAIN, "plugin_version": "1"}
# The outputs that have another type than the first input.
OUTPUT_TYPES = {
    "FindPeaks": ("tensor(float)", "tensor(int32)"),
    "GroupBoxes": ("tensor(float)", "tensor(float)", "tensor(int32)", "tensor(int32)"),
    "ReadKeypoints": ("tensor(float)",),
}
ELEMENT_TYPES = ["tensor(float)", "tensor(float16)", "tensor(bfloat16)", "tensor(int32)"]
NUMBERS = {"int": OpSchema.AttrType.INT, "float": OpSchema.AttrType.FLOAT}
SINGLE = OpSchema.FormalParameterOption.Single
TENSORS = {"Tensor": SINGLE, "Optional[Tensor]": OpSchema.FormalParameterOption.Optional}


def translation_table() -> dict[Callable[..., Any], Callable[..., Any]]:
    """For ``torch.onnx.export(custom_translation_table=...)``: torch op -> function that writes its node."""
    return {_torch_op(name): _writer(name, _torch_op(name)._schema) for name in RECIPES}


def _torch_op(node_type: str) -> torch._ops.OpOverload:
    words = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in node_type)
    overload: torch._ops.OpOverload = getattr(torch.ops.simple_trt, words.lstrip("_")).default
    return overload


def _writer(node_type: str, schema: torch._C.FunctionSchema) -> Callable[..., Any]:
    _register(node_type, schema)
    defaults = {argument.name: argument.default_value for argument in schema.arguments}
    tensors = [argument.name for argument in schema.arguments if str(argument.type) in TENSORS]

    def write(*arguments: Any, **keywords: Any) -> Any:
        given = defaults | dict(zip(defaults, arguments, strict=False)) | keywords
        inputs = [given.pop(name) for name in tensors]
        return getattr(Opset(DOMAIN, VERSION), node_type)(*inputs, **given, **PLUGIN_FIELDS)

    return write


def _register(node_type: str, schema: torch._C.FunctionSchema) -> None:
    """Tell ONNX the node's inputs, attributes and outputs.

    The exporter writes no node that has no schema, and folds nothing behind a node whose output types it does not know.
    """
    if onnx.defs.has(node_type, domain=DOMAIN):
        return
    options = {argument.name: TENSORS.get(str(argument.type)) for argument in schema.arguments}
    inputs = [_port(name, f"T_{name}", option) for name, option in options.items() if option is not None]
    types = OUTPUT_TYPES.get(node_type, (inputs[0].type_str,))
    outputs = [_port(result.name or "y", kind) for result, kind in zip(schema.returns, types, strict=True)]
    numbers = [a for a in schema.arguments if str(a.type) in NUMBERS]
    attributes = [OpSchema.Attribute(a.name, NUMBERS[str(a.type)], required=a.default_value is None) for a in numbers]
    attributes += [OpSchema.Attribute(name, OpSchema.AttrType.STRING, required=False) for name in PLUGIN_FIELDS]
    constraints = [(port.type_str, ELEMENT_TYPES, "") for port in inputs]
    onnx.defs.register_schema(
        OpSchema(
            node_type,
            DOMAIN,
            VERSION,
            inputs=inputs,
            outputs=outputs,
            type_constraints=constraints,
            attributes=attributes,
        )
    )


def _port(name: str, kind: str, option: OpSchema.FormalParameterOption = SINGLE) -> OpSchema.FormalParameter:
    return OpSchema.FormalParameter(name, kind, param_option=option)
