"""What a plain graph tells of the ops in it, read without the onnx package."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import helper

from simple_trt import zoo
from simple_trt.engines.onnx_origins import Origin, read_origins
from simple_trt.errors import SimpleTrtError

TOLD = {"op_type": "FindPeaks", "name": "decode/FindPeaks", "inputs": ["cat"], "outputs": ["scores", "cells"]}


def graph_with(path: Path, *nodes: onnx.NodeProto) -> Path:
    onnx.save(helper.make_model(helper.make_graph(list(nodes), "g", [], [])), path)
    return path


def node(doc_string: str, name: str = "simple_trt.FindPeaks/decode/FindPeaks/Max") -> onnx.NodeProto:
    return helper.make_node("Identity", ["a"], ["b"], name=name, doc_string=doc_string)


def test_the_bundled_graph_tells_what_its_doc_strings_tell() -> None:
    graph = zoo.find("edge-384").onnx
    told = [json.loads(n.doc_string) for n in onnx.load(graph).graph.node if n.doc_string]
    origins = read_origins(graph)
    assert [origin.op for origin in origins] == [each["op_type"] for each in told]
    assert [list(origin.inputs) for origin in origins] == [each["inputs"] for each in told]
    assert {"FindPeaks", "GroupBoxes", "CropHeatmaps", "ReadKeypoints"} <= {origin.op for origin in origins}


def test_numbers_are_kept_and_texts_are_not(tmp_path: Path) -> None:
    path = graph_with(tmp_path / "g.onnx", node(json.dumps(TOLD | {"top_n": 32, "threshold": -2.5, "domain": "x"})))
    attributes: dict[str, int | float] = {"top_n": 32, "threshold": -2.5}
    assert read_origins(path) == [Origin("FindPeaks", "decode/FindPeaks", ("cat",), ("scores", "cells"), attributes)]


def test_other_doc_strings_tell_nothing(tmp_path: Path) -> None:
    assert read_origins(graph_with(tmp_path / "g.onnx", node("made by hand", "conv_1"), node(""))) == []


@pytest.mark.parametrize(
    "told", ["{", "[]", "7", "{}", TOLD | {"op_type": 3}, TOLD | {"inputs": "cat"}, TOLD | {"outputs": [1]}, "[" * 9999]
)
def test_what_makes_no_sense_is_said(tmp_path: Path, told: Any) -> None:
    text = told if isinstance(told, str) else json.dumps(told)
    with pytest.raises(SimpleTrtError, match="does not tell what it was lowered from"):
        read_origins(graph_with(tmp_path / "g.onnx", node(text)))


def test_truncated_file(tmp_path: Path) -> None:
    path = graph_with(tmp_path / "g.onnx", node(json.dumps(TOLD)))
    whole, told = path.read_bytes(), read_origins(path)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with suppress(SimpleTrtError):  # else the cut is between two fields
            assert read_origins(path) in ([], told)
