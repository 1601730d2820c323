"""Exported graphs say the same as the predictor, hold nothing of this machine, and are written whole or not at all."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnx_graphsurgeon
import pytest
import torch

from simple_trt import zoo
from simple_trt.errors import SimpleTrtError
from simple_trt.export import export_onnx
from simple_trt.models import checkpoints
from simple_trt.pictures import read_picture
from tests.export.conftest import SIZE, photo_like
from tests.export.runtimes import RUNNERS, assert_close, openvino_compiled

TOLERANCE = 1e-3  # pixels; scores and confidences agree far better


def answers(predictor, image):
    with torch.no_grad():
        return [tensor.numpy() for tensor in predictor(torch.from_numpy(image))]


@pytest.mark.parametrize("runtime", RUNNERS)
def test_equals_the_predictor(runtime, predictor, plain):
    run = RUNNERS[runtime](plain)
    for seed in range(4):
        image = photo_like(seed)
        wanted = answers(predictor, image)
        assert wanted[3][0] > 3
        assert_close(run({"image": image}), wanted, TOLERANCE)


@pytest.mark.parametrize("runtime", RUNNERS)
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_an_open_batch_equals_the_predictor(runtime, batch, predictor, dynamic):
    image = photo_like(7, batch)
    assert_close(RUNNERS[runtime](dynamic)({"image": image}), answers(predictor, image), TOLERANCE)


@pytest.mark.parametrize("runtime", RUNNERS)
def test_an_empty_picture_has_few_or_no_people_but_runs(runtime, predictor, plain):
    image = np.zeros((1, 3, *SIZE), np.float32)
    assert_close(RUNNERS[runtime](plain)({"image": image}), answers(predictor, image), TOLERANCE)


def test_openvino_keeps_the_decode_in_float32_when_asked_for_bfloat16(plain):
    exact = ("FindPeaks", "GroupBoxes", "CropHeatmaps", "ReadKeypoints")
    seen = set()
    for node in openvino_compiled(plain, "bf16").get_runtime_model().get_ordered_ops():
        facts = {key: str(value.value) for key, value in node.get_rt_info().items()}
        names = facts.get("originalLayersNames", "")
        if any(f"simple_trt.{name}/" in names for name in exact):
            seen.add(facts["runtimePrecision"])
    assert "f32" in seen and "bf16" not in seen


def test_names_and_metadata(plain):
    assert [port.name for port in plain.graph.input] == ["image"]
    assert [port.name for port in plain.graph.output] == ["boxes", "scores", "keypoints", "num"]
    assert [(item.domain, item.version) for item in plain.opset_import] == [("", 20)]
    entries = {item.key: item.value for item in plain.metadata_props}
    assert json.loads(entries["simple_trt"]) == {
        "format": 1,
        "name": "model",
        "preset": None,
        "skeleton": "coco",
        "size": list(SIZE),
        "batch": 1,
        "lowering": "plain",
        "precision": "fp32",
        "checkpoint_sha256": None,
        "preprocessing": {
            "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225],
            "color": "RGB",
            "letterbox": "top-left",
        },
    }


def test_batch_norms_are_folded_and_nodes_are_named_after_modules(plugin):
    assert "BatchNormalization" not in {node.op_type for node in plugin.graph.node}
    names = {node.name for node in plugin.graph.node}
    assert {
        "simple.heads.0/Conv",
        "simple.top_left/CornerPool",
        "decode/GroupBoxes",
        "grouping.gate/Conv",
    } <= names


def test_nothing_of_the_source_code_or_the_machine_is_inside(plugin):
    data = plugin.SerializeToString()
    for trace in (b".py", b"stack_trace", b"pkg.torch", __file__.encode().split(b"/")[1] + b"/"):
        assert trace not in data


def test_the_plugin_graph_is_valid_and_loads_in_graphsurgeon(plugin):
    onnx.checker.check_model(plugin)
    graph = onnx_graphsurgeon.import_onnx(plugin)
    ours = [node for node in graph.nodes if node.domain == "simple_trt"]
    assert len(ours) == 6 + 1 + 4
    for node in ours:
        assert (node.attrs["plugin_namespace"], node.attrs["plugin_version"]) == ("simple_trt", "1")
    peaks = next(node for node in ours if node.op == "FindPeaks")
    assert peaks.attrs["top_n"] == 32 and peaks.attrs["threshold"] == pytest.approx(np.log(1 / 9))
    assert [tensor.dtype for tensor in peaks.outputs] == [np.float32, np.int32]
    assert peaks.outputs[0].shape == [1, 3, 32]


def test_a_checkpoint_leaves_its_name_and_hash(tmp_path, predictor, monkeypatch):
    meta = checkpoints.CheckpointMeta("edge", "coco", (64, 96))
    checkpoint = checkpoints.Checkpoint(predictor.simple, predictor.grouping, predictor.prior, meta)
    path = tmp_path / "small.safetensors"
    checkpoints.save(path, *checkpoint)
    monkeypatch.setattr(checkpoints, "load", lambda _: checkpoint)
    monkeypatch.setattr(checkpoints.Checkpoint, "predictor", lambda _: predictor)
    model = onnx.load(export_onnx(path, tmp_path / "small.onnx", lowering="plugin"))
    facts = json.loads(model.metadata_props[0].value)
    assert (facts["name"], facts["preset"], facts["size"]) == ("small", "edge", [64, 96])
    assert len(facts["checkpoint_sha256"]) == 64


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lowering": "magic"}, "no lowering 'magic'"),
        ({"batch": 0}, "batch cannot be 0"),
        ({"batch": "many"}, "batch cannot be 'many'"),
        ({"size": (100, 128)}, "multiples of 32"),
    ],
)
def test_impossible_choices_are_explained(tmp_path, predictor, options, message):
    with pytest.raises(SimpleTrtError, match=message):
        export_onnx(predictor, tmp_path / "x.onnx", **options)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_missing_is_named_and_nothing_is_left(tmp_path, predictor, monkeypatch, plugin):
    traced = onnx.ModelProto()
    traced.CopyFrom(plugin)  # which others use: an export changes what it is given
    monkeypatch.setattr("simple_trt.export.to_onnx._traced", lambda *_: traced)
    with pytest.raises(SimpleTrtError, match="there is no folder"):
        export_onnx(predictor, tmp_path / "missing" / "x.onnx")
    monkeypatch.setattr(onnx, "save", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(SimpleTrtError, match="disk full"):
        export_onnx(predictor, tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())


def test_the_export_is_silent(tmp_path, predictor, capfd):
    export_onnx(predictor, tmp_path / "x.onnx", size=(64, 64))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("runtime", RUNNERS)
def test_the_bundled_model_on_real_photos(runtime, data_dir):
    if not zoo.names():
        pytest.skip("no bundled model")
    entry = zoo.find(zoo.names()[0])
    checkpoint = checkpoints.load(entry.checkpoint)
    run = RUNNERS[runtime](onnx.load(entry.onnx))
    letterbox = pytest.importorskip("simple_trt._core").letterbox
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    for path in sorted((data_dir / "coco" / "val").iterdir())[:4]:
        image = letterbox(read_picture(path), *checkpoint.meta.size, mean, std)[None]
        assert_close(run({"image": image}), answers(checkpoint.predictor(), image), TOLERANCE)
