"""Ranges from a checkpoint to its training and back into a graph: the int8 graph computes what was learnt."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper

from simple_trt.engines.processor import overflows_int8
from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.export.build_int8 import Quantising
from simple_trt.export.build_precision import with_precision
from simple_trt.export.build_progress import Stages
from simple_trt.export.calibration import pick_photos
from simple_trt.export.lowering import to_plain
from simple_trt.export.metadata import update_metadata
from simple_trt.export.network_ranges import calibrate_checkpoint, graph_quantisation, tensor_ranges
from simple_trt.export.precision import to_int8
from simple_trt.export.precision.int8 import quantise, quantised_convolutions
from simple_trt.export.to_onnx import export_onnx
from simple_trt.models import checkpoints
from simple_trt.models.quantisation import Quantisation
from simple_trt.pictures import write_picture
from simple_trt.train.quantising import QuantisedNetwork
from tests.evaluate.networks import photo_like as picture_like
from tests.evaluate.networks import save_tiny_checkpoint
from tests.export.conftest import photo_like
from tests.export.maps import maps_of, signal_to_noise

CALIBRATION = {"sha256": "0" * 64, "count": 6, "method": "entropy"}


def by_convolution(model: onnx.ModelProto, value: float | None = None) -> dict[str, float]:
    """A range for what each quantised convolution reads; from a calibration on noise where no value is given."""
    rounded = to_int8(model, photo_like(1, 8))
    held = {item.name: numpy_helper.to_array(item) for item in rounded.graph.initializer}
    return {
        node.input[1].removesuffix(".weight"): value or float(held[f"{node.input[0]}_scale"] * 127)
        for node in quantised_convolutions(model.graph)
    }


def scales(model: onnx.ModelProto) -> dict[str, float]:
    """The scale of every rounded tensor that is no weight."""
    held = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
    return {node.input[0]: float(held[node.input[1]]) for node in nodes}


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return save_tiny_checkpoint(tmp_path / "tiny.safetensors", monkeypatch)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        write_picture(folder / f"{number}.png", picture_like(number))
    return folder


def with_ranges(checkpoint: Path, ranges: dict[str, float]) -> Path:
    """The checkpoint as if it had learnt ranges."""
    loaded = checkpoints.load(checkpoint)
    meta = replace(loaded.meta, quantisation=Quantisation(ranges, CALIBRATION))
    path = checkpoint.with_name("learnt.safetensors")
    checkpoints.save(path, *loaded._replace(meta=meta))
    return path


@pytest.fixture(scope="module")
def ranges(plugin: onnx.ModelProto) -> dict[str, float]:
    return by_convolution(plugin)


@pytest.fixture(scope="module")
def int8(plugin: onnx.ModelProto, ranges: dict[str, float]) -> onnx.ModelProto:
    convolutions = [node.name for node in quantised_convolutions(plugin.graph)]
    return quantise(plugin, convolutions, tensor_ranges(plugin.graph, ranges))


def levels_as_written(model: onnx.ModelProto, tensors: list[str], image: np.ndarray) -> list[np.ndarray]:
    """The int8 levels of tensors of a plugin graph, by ONNX Runtime without any of its own rewriting."""
    plain = to_plain(model)
    names = [f"{name}_int8" for name in tensors]
    plain.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(plain.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return list(session.run(names, {"image": image}))


def test_every_rounded_tensor_has_the_levels_of_the_int8_graph(plugin, int8, ranges, predictor):
    """Level by level; of a thousand one may tip over where sums are taken in another order."""
    network, image = QuantisedNetwork(predictor.simple, ranges).eval(), photo_like(3)
    ours: list[np.ndarray] = []
    for rounding in network.rounding:
        rounding.register_forward_hook(lambda module, _, out: ours.append((out / (module.range / 127)).numpy()))
    with torch.no_grad():
        network(torch.from_numpy(image))
    tensors = {node.input[1]: node.input[0] for node in plugin.graph.node if node.op_type == "Conv"}
    read = [tensors[f"simple.{names[0]}.weight"] for names in network.readers]
    assert len(read) == len({tensors[f"{name}.weight"] for name in ranges if name.startswith("simple.")}) > 10
    by_tensor = dict(zip(read, levels_as_written(int8, read, image), strict=True))
    made = [tensors[f"simple.{names[0]}.weight"] for names in _by_time(network)]
    for name, levels in zip(made, ours, strict=True):
        assert np.unique(by_tensor[name]).size > 8
        assert (levels.round() != by_tensor[name]).mean() <= 1e-3, name


def _by_time(network: QuantisedNetwork) -> list[list[str]]:
    """Readers of the rounded tensors in the order in which these are computed."""
    names = [str(node.target) for node in network.graph.nodes if node.op == "call_module"]
    return [network.readers[int(name.partition(".")[2])] for name in names if name.startswith("rounding.")]


@pytest.mark.parametrize(("runtime", "least"), [("openvino", 60), ("onnxruntime", 30)])
def test_the_int8_graph_gives_the_maps_of_the_network(runtime, least, plugin, int8, ranges, predictor):
    """OpenVINO computes as written; ONNX Runtime rounds once more inside what it fuses."""
    if runtime == "openvino" and overflows_int8():
        pytest.skip("sums of full-range weights overflow on this processor")
    image = photo_like(3)
    with torch.no_grad():
        maps = QuantisedNetwork(predictor.simple, ranges).eval()(torch.from_numpy(image))
    ours = dict(zip(("points", "offsets", "pose"), (m.numpy() for m in maps), strict=True))
    for name, noise in signal_to_noise(ours, maps_of(int8, runtime, image)).items():
        assert noise > least, name
    apart = signal_to_noise(ours, maps_of(plugin, runtime, image))
    assert all(15 < noise < 45 for noise in apart.values()), "the rounding is seen"


def test_a_checkpoint_is_calibrated_by_the_names_of_its_convolutions(checkpoint, photos, tmp_path):
    pytest.importorskip("simple_trt._core")
    chosen = pick_photos(sorted(photos.iterdir()), 2)
    found = calibrate_checkpoint(checkpoint, chosen, "percentile")
    assert found.calibration == {"sha256": chosen.sha256, "count": 2, "method": "percentile"}
    graph = onnx.load(export_onnx(checkpoint, tmp_path / "g.onnx"))
    wanted = to_int8(graph, chosen.inputs((96, 128)), "percentile")
    for tensor, value in tensor_ranges(graph.graph, found.ranges).items():
        assert value / 127 == pytest.approx(scales(wanted)[tensor]), tensor
    convolutions = {node.input[1] for node in quantised_convolutions(graph.graph)}
    assert {f"{name}.weight" for name in found.ranges} == convolutions
    QuantisedNetwork(checkpoints.load(checkpoint).simple, found.ranges)


def test_learnt_ranges_need_no_photos(checkpoint, plain, tmp_path):
    ranges = {name: 1.0 + i for i, name in enumerate(by_convolution(plain))}
    with pytest.raises(SimpleTrtError, match="different ranges"):
        QuantisedNetwork(checkpoints.load(checkpoint).simple, ranges)
    ranges = dict.fromkeys(ranges, 2.5)
    source = export_onnx(with_ranges(checkpoint, ranges), tmp_path / "source.onnx", lowering="plugin")
    learnt = graph_quantisation(source)
    assert learnt is not None and set(learnt.ranges.values()) == {2.5} and learnt.calibration == CALIBRATION
    with Stages(1).stage("precision") as stage:
        precise = with_precision(source, "onnx", "int8", Quantising(), tmp_path, stage)
    assert precise.quantised is not None
    assert precise.quantised.calibration == {**CALIBRATION, "method": "entropy, then learnt"}
    assert set(scales(onnx.load(precise.graph)).values()) == {float(np.float32(2.5 / 127))}


def test_what_was_not_learnt_is_calibrated(checkpoint, plain, photos, tmp_path):
    pytest.importorskip("simple_trt._core")
    ranges = {name: 2.5 for name in by_convolution(plain) if name.startswith("simple.")}
    source = export_onnx(with_ranges(checkpoint, ranges), tmp_path / "source.onnx")
    with pytest.raises(UsageError, match="that were not learnt"), Stages(1).stage("precision") as stage:
        with_precision(source, "onnx", "int8", Quantising(), tmp_path, stage)
    with Stages(1).stage("precision") as stage:
        precise = with_precision(source, "onnx", "int8", Quantising(photos), tmp_path, stage)
    found = list(scales(onnx.load(precise.graph)).values())
    kept = found.count(float(np.float32(2.5 / 127)))
    assert 0 < kept < len(found)
    assert precise.quantised is not None and precise.quantised.calibration["method"] == "mse, where not learnt"
    with Stages(1).stage("precision") as stage:
        precise = with_precision(source, "onnx", "int8", Quantising(photos, "minmax"), tmp_path, stage)
    assert float(np.float32(2.5 / 127)) not in scales(onnx.load(precise.graph)).values(), "a method asks for others"


def test_a_graph_whose_ranges_are_damaged_is_named(plain, tmp_path):
    model = onnx.ModelProto()
    model.CopyFrom(plain)
    whole = asdict(Quantisation({"a": 1.0}, CALIBRATION))
    for wrong in (3, {"ranges": {}}, {**whole, "ranges": {"a": 0.0}}, {**whole, "calibration": {"count": 1}}):
        update_metadata(model, quantisation=wrong)
        onnx.save(model, tmp_path / "m.onnx")
        with pytest.raises(SimpleTrtError, match=r"m\.onnx.: (its|the range)"):
            graph_quantisation(tmp_path / "m.onnx")


def test_a_checkpoint_whose_ranges_are_damaged_is_named(checkpoint):
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    with safe_open(checkpoint, "pt") as file:
        description = json.loads(file.metadata()["simple_trt"])
    assert "quantisation" not in description
    wrong = {"ranges": {"simple.reduce": float("inf")}, "calibration": CALIBRATION}
    save_file(load_file(checkpoint), checkpoint, {"simple_trt": json.dumps(description | {"quantisation": wrong})})
    with pytest.raises(SimpleTrtError, match=r"range of 'simple\.reduce' is inf"):
        checkpoints.load(checkpoint)
