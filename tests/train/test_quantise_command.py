"""The command that learns int8, and the build that needs no photos afterwards."""

import argparse

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from simple_trt.cli import train as train_command
from simple_trt.engines.manifest import manifest_path, read_manifest
from simple_trt.errors import UsageError
from simple_trt.export.build import BuildRequest, build
from simple_trt.models import checkpoints
from simple_trt.runtime import Session
from simple_trt.train.stages import MODEL
from tests.evaluate.networks import save_tiny_checkpoint


@pytest.fixture
def train(coco_files, tmp_path):
    """Run `simple-trt train` with the six little pictures."""
    parser = argparse.ArgumentParser()
    train_command.add_parser(parser.add_subparsers())
    data, images = coco_files
    (tmp_path / "c.toml").write_text(
        "tensorboard = false\nmilestones = []\n[quantise]\nphotos = 3\nmethod = 'minmax'\n"
    )

    def run(*words):
        common = ("--data", data, "--images", images, "--config", tmp_path / "c.toml", "--workers", 0)
        size = ("--size", 64, "--epochs", 1, "--batch", 3, "--out", tmp_path / "out")
        args = parser.parse_args(["train", *(str(word) for word in (*common, *size, *words))])
        return args.run(args)

    return run


def test_a_network_that_learnt_int8_is_built_without_photos(train, tmp_path, monkeypatch, capsys):
    pytest.importorskip("simple_trt._core")
    start = save_tiny_checkpoint(tmp_path / "tiny.safetensors", monkeypatch)
    assert train("--stage", "quantise", "--init", start) == 0
    path = tmp_path / "out" / MODEL
    assert capsys.readouterr().out.strip() == str(path)
    learnt = checkpoints.load(path).meta.quantisation
    assert learnt is not None and (learnt.calibration["count"], learnt.calibration["method"]) == (3, "minmax")
    assert any(name.startswith("grouping.") for name in learnt.ranges)
    engine = tmp_path / "int8.onnx"
    build(BuildRequest(str(path), engine, precision="int8"), lambda opened: Session(opened).predict)
    manifest = read_manifest(manifest_path(engine))
    assert manifest.calibration == learnt.calibration | {"method": "minmax, then learnt"}
    assert manifest.layers["Conv"]["int8"] == len(learnt.ranges)
    held = {item.name: numpy_helper.to_array(item) for item in onnx.load(engine).graph.initializer}
    steps = {float(held[node.input[1]]) for node in onnx.load(engine).graph.node if node.op_type == "QuantizeLinear"}
    assert steps == {float(np.float32(value / 127)) for value in learnt.ranges.values()}


def test_without_a_network_there_is_nothing_to_learn_int8_with(train):
    with pytest.raises(UsageError, match="--stage quantise has no network"):
        train("--stage", "quantise")
