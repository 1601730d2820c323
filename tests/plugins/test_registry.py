"""The real plugin registry and the real ONNX parser, those of TensorRT-RTX, take our library and create every plugin.

They go no further: TensorRT-RTX has no networks with V3 plugins, and its parser ends the process when it adds one.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import helper

from simple_trt.export.lowering import PLUGIN_ATTRIBUTES, plugin_nodes, tensor_types
from simple_trt.export.plain import RECIPES
from simple_trt.export.to_onnx import export_onnx
from tests.export.conftest import SIZE, tiny_predictor

CHILD = Path(__file__).with_name("registry_child.py")
FIELD_TYPES = {onnx.AttributeProto.INT: "INT32", onnx.AttributeProto.FLOAT: "FLOAT32"}


@pytest.fixture(scope="session")
def graph(tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    """What `simple-trt export --lowering plugin` writes, for a tiny network."""
    path = tmp_path_factory.mktemp("registry") / "plugin.onnx"
    return onnx.load(export_onnx(tiny_predictor(), path, size=SIZE, lowering="plugin"))


def run_child(library: Path, *graphs: Path) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("tensorrt_rtx", reason="the registry is that of TensorRT-RTX: pip install tensorrt-rtx")
    command = [sys.executable, str(CHILD), str(library), *map(str, graphs)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def alone(graph: onnx.ModelProto, node: onnx.NodeProto, path: Path) -> Path:
    """A graph of one node of another graph."""
    types = tensor_types(graph.graph)
    ports = {name: helper.make_tensor_value_info(name, types[name][1], types[name][0]) for name in types}
    one = helper.make_graph([node], "one", [ports[n] for n in node.input], [ports[n] for n in node.output])
    onnx.save(helper.make_model(one, opset_imports=graph.opset_import, ir_version=graph.ir_version), path)
    return path


def node_of(graph: onnx.ModelProto, op: str) -> onnx.NodeProto:
    node = onnx.NodeProto()
    node.CopyFrom(next(node for node in plugin_nodes(graph) if node.op_type == op))
    return node


def test_the_registry_has_our_creators_with_the_fields_that_the_exporter_writes(
    library: Path, graph: onnx.ModelProto
) -> None:
    done = run_child(library)
    assert done.returncode == 0, done.stderr
    rows = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("creator ")]
    declared = {name: set(fields) for name, version, *fields in rows if version == "1"}
    assert set(declared) == set(RECIPES)
    for node in plugin_nodes(graph):
        written = {f"{a.name}:{FIELD_TYPES[a.type]}" for a in node.attribute if a.name not in PLUGIN_ATTRIBUTES}
        assert declared[node.op_type] == written


@pytest.mark.parametrize("op", sorted(RECIPES))
def test_the_parser_creates_the_plugin_from_the_exported_node(
    library: Path, graph: onnx.ModelProto, tmp_path: Path, op: str
) -> None:
    done = run_child(library, alone(graph, node_of(graph, op), tmp_path / "one.onnx"))
    assert f"INFO Successfully created plugin: {op}" in done.stdout, done.stdout[-3000:] + done.stderr
    assert "not found in plugin node" not in done.stdout  # every field had its attribute
    assert f"simple_trt::{op}" not in done.stdout + done.stderr  # nothing was refused


@pytest.mark.parametrize(
    ("op", "attribute", "value", "reason"),
    [
        ("CornerPool", "direction", 4, "field 'direction' is 4, expected 0 to 3"),
        ("FindPeaks", "top_n", 65, "field 'top_n' is 65, expected 1 to 64"),
        ("FindPeaks", "threshold", None, "field 'threshold' is missing"),
        ("GroupBoxes", "stride", 0, "field 'stride' is 0, expected at least 1"),
        ("CropHeatmaps", "samples", 1.0, "field 'samples' has PluginFieldType 1, expected a 32-bit integer"),
        ("ReadKeypoints", "padding", 0.0, "field 'padding' is 0, expected above 0"),
    ],
)
def test_a_wrong_attribute_is_refused_with_its_reason(
    library: Path, graph: onnx.ModelProto, tmp_path: Path, op: str, attribute: str, value: float | None, reason: str
) -> None:
    node = node_of(graph, op)
    node.attribute.remove(next(a for a in node.attribute if a.name == attribute))
    if value is not None:
        node.attribute.append(helper.make_attribute(attribute, value))
    done = run_child(library, alone(graph, node, tmp_path / "one.onnx"))
    assert done.returncode == 0, done.stderr  # the parser goes on
    assert "parsed False" in done.stdout
    assert f"simple_trt::{op}: {node.name}: {reason}" in done.stdout + done.stderr
