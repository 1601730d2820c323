"""Our decode inside OpenVINO: operators of a plain graph give way to nodes that call the CPU kernels (csrc/openvino).

A recipe of standard operators takes OpenVINO several times as long as the kernel that it is written after, for the same
people. The plan stays plain, for other runtimes read it too; what it was lowered from, it tells itself.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from simple_trt.engines.onnx_origins import Origin, read_origins
from simple_trt.errors import SimpleTrtError

__all__ = ["LIBRARY", "library_fault", "use_kernels"]

LIBRARY = Path(__file__).parents[1] / "libsimple_trt_openvino.so"
DECODE_OPS = frozenset({"FindPeaks", "GroupBoxes", "CropHeatmaps", "ReadKeypoints"})

Ports = dict[str, Any]
"""Tensor -> the output that gives it."""


def use_kernels(core: Any, model: Any, plan: Path) -> str:
    """Put our nodes into a model, in place of what computes the same; it stays as it is where that cannot be.

    Args:
        core: the `openvino.Core` that will compile the model.
        model: as `core` read it from `plan`, all its shapes known; is changed.
        plan: a plain graph.

    Returns:
        why the model stayed as it is; empty where it was changed.
    """
    try:
        origins = [origin for origin in read_origins(plan) if origin.op in DECODE_OPS]
    except SimpleTrtError as error:
        return error.cause
    if not origins:
        return "the graph does not tell which they are"
    if fault := library_fault():
        return fault
    core.add_extension(str(LIBRARY))  # for models that come out of a cache
    return "" if _replace(origins, model) else "they are not what the graph tells of them"


@cache
def library_fault() -> str:
    """Why OpenVINO cannot take our nodes from their library; empty where it can."""
    import openvino

    if not LIBRARY.is_file():
        return f"{LIBRARY.name} is missing"
    try:
        ctypes.CDLL(str(LIBRARY))  # stays loaded: models may outlive what they were made with
        _factory()
    except (OSError, RuntimeError, ImportError) as error:
        reason = " ".join(str(error).split())[:200]
        return f"{LIBRARY.name} is for another OpenVINO than {openvino.__version__} ({reason})"
    return ""


@cache
def _factory() -> Any:
    """Makes nodes by the name of their op."""
    from openvino.utils.node_factory import NodeFactory

    factory = NodeFactory()
    factory.add_extension(str(LIBRARY))
    return factory


def _replace(origins: Iterable[Origin], model: Any) -> bool:
    """Put the nodes in, all or none; False where one does not fit."""
    ports = {name: port for port in _outputs(model) for name in port.get_names()}
    pairs: list[tuple[Any, Any]] = []
    for origin in origins:
        try:
            pairs += _outputs_of(origin, ports)
        except (KeyError, RuntimeError):  # no such tensor, or it does not fit the op
            return False
    if not all(_alike(old, new) for old, new in pairs):
        return False
    for old, new in pairs:
        _move_takers(old, new)
    model.validate_nodes_and_infer_types()
    return True


def _outputs(model: Any) -> Iterable[Any]:
    """The outputs of all nodes but results, whose output is that of the node before them."""
    return (port for node in model.get_ops() if node.get_type_name() != "Result" for port in node.outputs())


def _outputs_of(origin: Origin, ports: Ports) -> list[tuple[Any, Any]]:
    """What gives each output in the model, and what gives it of a node of ours. What nobody takes, the model lacks."""
    node = _factory().create(origin.op, [ports[name] for name in origin.inputs], origin.attributes)
    node.set_friendly_name(origin.name)
    return [(ports[name], port) for name, port in zip(origin.outputs, node.outputs(), strict=False) if name in ports]


def _move_takers(old: Any, new: Any) -> None:
    for taker in list(old.get_target_inputs()):
        taker.replace_source_output(new)
    names = old.get_names()
    old.get_tensor().set_names(set())
    new.get_tensor().set_names(names)


def _alike(one: Any, other: Any) -> bool:
    return bool(
        one.get_element_type() == other.get_element_type() and one.get_partial_shape() == other.get_partial_shape()
    )
