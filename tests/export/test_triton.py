"""The model repository for Triton, held to Triton's own schema as its client package ships it."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from simple_trt.engines import Manifest, open_engine
from simple_trt.engines.manifest import Plan
from simple_trt.engines.onnx_metadata import graph_manifest
from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.export.triton import ROWS, config_text, write_repository
from tests.tiny_graph import save_tiny


def schema() -> ModuleType:
    """``model_config.proto`` as Triton's client package has compiled it; its gRPC client is not imported."""
    found = importlib.util.find_spec("tritonclient")
    if found is None or not found.submodule_search_locations:
        pytest.skip("no tritonclient, which ships Triton's schema: pip install tritonclient")
    path = Path(found.submodule_search_locations[0]) / "grpc" / "model_config_pb2.py"
    spec = importlib.util.spec_from_file_location("model_config_pb2", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def parse() -> Callable[[str], Any]:
    """Reads a configuration by the schema; an unknown field, type or number is an error."""
    from google.protobuf import text_format

    message = schema().ModelConfig
    return lambda text: text_format.Parse(text, message())


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    return save_tiny(tmp_path / "tiny.onnx")


@pytest.fixture
def manifest(graph: Path) -> Manifest:
    return graph_manifest(graph)


def test_schema_refuses_what_it_does_not_know(parse: Callable[[str], Any]) -> None:
    from google.protobuf import text_format

    with pytest.raises(text_format.ParseError):
        parse('name: "a" max_batch: 0')
    with pytest.raises(text_format.ParseError):
        parse('input [ { name: "image" data_type: TYPE_FLOAT } ]')


def test_configuration_is_what_the_engine_is(parse: Callable[[str], Any], graph: Path, manifest: Manifest) -> None:
    config = parse(config_text(manifest))
    assert (config.name, config.backend, config.default_model_filename) == ("tiny", "onnxruntime", "model.onnx")
    assert config.max_batch_size == 0
    types = {"TYPE_FP32": "float32", "TYPE_INT32": "int32"}
    names = config.input[0].DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_number

    def tensors(ports: Any) -> dict[str, tuple[str, tuple[int, ...]]]:
        return {port.name: (types[names[port.data_type].name], tuple(port.dims)) for port in ports}

    with open_engine(graph) as engine:
        assert tensors(config.input) == {n: (s.dtype.name, s.shape) for n, s in engine.inputs.items()}
        assert tensors(config.output) == {n: (s.dtype.name, s.shape) for n, s in engine.outputs.items()}
        assert engine.outputs["scores"].shape == (1, ROWS)


def test_warm_up_fits_the_input(parse: Callable[[str], Any], manifest: Manifest) -> None:
    config = parse(config_text(manifest))
    (warmup,) = config.model_warmup
    assert list(warmup.inputs["image"].dims) == list(config.input[0].dims)
    assert warmup.inputs["image"].zero_data
    assert warmup.batch_size == 1


def test_client_is_told_how_to_prepare_pictures(parse: Callable[[str], Any], manifest: Manifest) -> None:
    parameters = parse(config_text(manifest)).parameters
    rules = json.loads(parameters["preprocessing"].string_value)
    assert rules == {
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
        "color": "RGB",
        "letterbox": "top-left",
    }
    assert parameters["skeleton"].string_value == "coco"
    assert parameters["sha256"].string_value == manifest.plan.sha256


@pytest.mark.parametrize(
    ("target", "runtime", "backend", "file", "kind"),
    [
        ("cpu", "openvino", "openvino", "model.onnx", "KIND_CPU"),
        ("tensorrt", "tensorrt", "tensorrt", "model.plan", "KIND_GPU"),
    ],
)
def test_backends(
    parse: Callable[[str], Any], manifest: Manifest, target: str, runtime: str, backend: str, file: str, kind: str
) -> None:
    config = parse(config_text(replace(manifest, target=target, runtime=runtime)))
    assert (config.backend, config.default_model_filename) == (backend, file)
    group = config.instance_group[0]
    assert group.DESCRIPTOR.enum_types_by_name["Kind"].values_by_number[group.kind].name == kind


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"target": "tensorrt-rtx", "runtime": "tensorrt_rtx"}, "no backend for engines of target tensorrt-rtx"),
        ({"lowering": "plugin"}, "runs on TensorRT alone"),
        ({"name": "../escape"}, "no name for a model"),
        ({"name": ""}, "no name for a model"),
    ],
)
def test_what_triton_cannot_serve(graph: Path, manifest: Manifest, tmp_path: Path, changes: Any, cause: str) -> None:
    with pytest.raises(UsageError, match=cause):
        write_repository(tmp_path / "models", graph, replace(manifest, **changes))
    assert not (tmp_path / "models").exists()


def test_plugin_engine_of_tensorrt_is_served(parse: Callable[[str], Any], manifest: Manifest) -> None:
    changes = {"target": "tensorrt", "runtime": "tensorrt", "lowering": "plugin"}
    assert parse(config_text(replace(manifest, **changes))).backend == "tensorrt"


def test_repository(graph: Path, manifest: Manifest, tmp_path: Path) -> None:
    models = tmp_path / "models"
    (models / "other").mkdir(parents=True)
    model = write_repository(models, graph, manifest)
    assert sorted(str(path.relative_to(models)) for path in models.rglob("*")) == [
        "other",
        "tiny",
        "tiny/1",
        "tiny/1/model.onnx",
        "tiny/config.pbtxt",
    ]
    assert (model / "1" / "model.onnx").read_bytes() == graph.read_bytes()


def test_model_that_exists_is_replaced_only_by_force(graph: Path, manifest: Manifest, tmp_path: Path) -> None:
    models = tmp_path / "models"
    write_repository(models, graph, manifest)
    with pytest.raises(UsageError, match="exists already"):
        write_repository(models, graph, manifest)
    changed = replace(manifest, plan=Plan("other", "f" * 64, 1))
    text = (write_repository(models, graph, changed, force=True) / "config.pbtxt").read_text()
    assert "f" * 64 in text
    assert [path.name for path in models.iterdir()] == ["tiny"]


def test_nothing_is_left_of_a_repository_that_cannot_be_written(
    graph: Path, manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("simple_trt.export.triton.shutil.copyfile", fail)
    with pytest.raises(SimpleTrtError, match="disk full"):
        write_repository(tmp_path / "models", graph, manifest)
    assert list((tmp_path / "models").iterdir()) == []


def test_served_file_answers_as_the_engine_does(graph: Path, manifest: Manifest, tmp_path: Path) -> None:
    """ONNX Runtime, which Triton's backend is, takes the file and the shapes of the configuration."""
    import onnxruntime

    model = write_repository(tmp_path / "models", graph, manifest) / "1" / "model.onnx"
    image = np.random.default_rng(0).normal(size=(1, 3, 64, 64)).astype(np.float32)
    served = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    names = ["boxes", "scores", "keypoints", "num"]
    with open_engine(graph) as engine:
        expected = engine.infer({"image": image})
    for name, got in zip(names, served.run(names, {"image": image}), strict=True):
        np.testing.assert_array_equal(got, expected[name])
