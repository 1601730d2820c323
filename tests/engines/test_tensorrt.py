"""Engines of TensorRT on a machine made of fakes: they answer, and every way in which they can be refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_tensorrt import FakeTensorRt

from simple_trt.engines import LoadOptions, open_engine
from simple_trt.engines.builder import CompileOptions
from simple_trt.engines.gpu import Gpu
from simple_trt.engines.layers import write_layers
from simple_trt.engines.manifest import manifest_path, write_manifest
from simple_trt.engines.tensorrt import HOST_CODE_VARIABLE, compile_plan
from simple_trt.errors import SimpleTrtError, UsageError


@pytest.fixture
def compatible(
    trt: FakeTensorRt, graph: Path, tmp_path: Path, make_manifest: Callable[..., Any]
) -> Callable[..., Path]:
    """Builds a compatible plan as told, with its manifest."""

    def build(**options: Any) -> Path:
        plan = tmp_path / "compatible.plan"
        made = compile_plan(graph, plan, CompileOptions(**options))
        manifest = make_manifest(
            plan, target="tensorrt", runtime="tensorrt", versions=made.versions, device=made.device
        )
        write_manifest(manifest_path(plan), manifest)
        return plan

    return build


def test_answers_are_those_of_the_graph(engine_file: Path, graph: Path, image: np.ndarray, trt: FakeTensorRt) -> None:
    with open_engine(graph) as reference:
        expected = reference.infer({"image": image})
    with open_engine(engine_file) as engine:
        for _ in range(2):
            outputs = engine.infer({"image": image})
        facts = engine.describe()
    assert trt.calls.count("execute_async_v3 7") == 2
    assert (facts["gpu"], facts["version"], facts["layers"]) == ("Orin", trt.version, 12)
    for name, array in expected.items():
        np.testing.assert_array_equal(outputs[name], array)


def test_plan_of_another_version_is_refused(engine_file: Path, trt: FakeTensorRt, monkeypatch: Any) -> None:
    monkeypatch.setattr(trt.module, "__version__", "11.99.0")
    built = re.escape(trt.version)
    with pytest.raises(
        SimpleTrtError, match=rf"versions\.tensorrt' of its manifest is {built}, this machine has 11\.99\.0"
    ) as caught:
        open_engine(engine_file)
    assert "simple-trt build" in caught.value.cure
    assert "deserialize_cuda_engine" not in trt.calls


@pytest.mark.parametrize(("here", "runs"), [(None, True), ("11.99.0", True), ("10.0.1", False), ("9.1.0", False)])
def test_version_compatible_plan_runs_on_newer_versions(
    compatible: Callable[..., Path], trt: FakeTensorRt, monkeypatch: pytest.MonkeyPatch, here: str | None, runs: bool
) -> None:
    plan = compatible(version_compatible=True)
    if here is not None:
        monkeypatch.setattr(trt.module, "__version__", here)
    if runs:
        open_engine(plan, LoadOptions(host_code=True)).close()
    else:
        with pytest.raises(SimpleTrtError, match=r"versions\.tensorrt"):
            open_engine(plan, LoadOptions(host_code=True))


def test_code_in_a_plan_is_run_only_where_that_is_allowed(
    compatible: Callable[..., Path], trt: FakeTensorRt, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = compatible(version_compatible=True)
    for value in (None, "", "0"):
        monkeypatch.delenv(HOST_CODE_VARIABLE, raising=False)
        if value is not None:
            monkeypatch.setenv(HOST_CODE_VARIABLE, value)
        with pytest.raises(SimpleTrtError, match="carries a runtime") as caught:
            open_engine(plan)
        assert f"{HOST_CODE_VARIABLE}=1" in caught.value.cure
    assert "deserialize_cuda_engine" not in trt.calls
    monkeypatch.setenv(HOST_CODE_VARIABLE, "1")
    open_engine(plan).close()
    with pytest.raises(SimpleTrtError, match="carries a runtime"):
        open_engine(plan, LoadOptions(host_code=False))


def test_host_code_is_never_allowed_for_other_plans(engine_file: Path, trt: FakeTensorRt) -> None:
    trt.config.flags_set.append("VERSION_COMPATIBLE")  # the plan is, its manifest does not say so
    with pytest.raises(SimpleTrtError, match="host code is not allowed"):
        open_engine(engine_file, LoadOptions(host_code=True))


@pytest.mark.parametrize(
    ("level", "gpu", "field"),
    [
        ("ampere+", Gpu("RTX", (8, 9), 1), None),
        ("ampere+", Gpu("Turing", (7, 5), 1), "device.hardware_compatibility_level"),
        ("same-compute-capability", Gpu("Orin Nano", (8, 7), 1), None),
        ("same-compute-capability", Gpu("RTX", (8, 9), 1), "device.compute_capability"),
    ],
)
def test_hardware_compatible_plan_runs_on_other_gpus(
    compatible: Callable[..., Path],
    trt: FakeTensorRt,
    monkeypatch: pytest.MonkeyPatch,
    level: str,
    gpu: Gpu,
    field: str | None,
) -> None:
    if level == "same-compute-capability" and trt.version == "10.3.0":
        pytest.skip("TensorRT 10.3 does not have it: test_level_that_only_newer_versions_have")
    plan = compatible(hardware_compatibility_level=level)
    monkeypatch.setattr("simple_trt.engines.gpu.find_gpus", lambda: [gpu])
    if field is None:
        open_engine(plan).close()
    else:
        with pytest.raises(SimpleTrtError, match=re.escape(field)):
            open_engine(plan)


@pytest.mark.parametrize(
    ("gpu", "field"),
    [(Gpu("Orin", (7, 5), 1), "device.compute_capability"), (Gpu("Orin Nano", (8, 7), 1), "device.gpu")],
)
def test_plan_of_another_gpu_is_refused(
    engine_file: Path, trt: FakeTensorRt, monkeypatch: pytest.MonkeyPatch, gpu: Gpu, field: str
) -> None:
    monkeypatch.setattr("simple_trt.engines.gpu.find_gpus", lambda: [gpu])
    with pytest.raises(SimpleTrtError, match=field) as caught:
        open_engine(engine_file)
    assert "simple-trt build" in caught.value.cure
    assert "deserialize_cuda_engine" not in trt.calls


def test_plan_that_tensorrt_refuses(trt: FakeTensorRt, tmp_path: Path, make_manifest: Callable[..., Any]) -> None:
    plan = tmp_path / "bad.plan"
    plan.write_bytes(b"nonsense")
    device = {"gpu": "Orin", "compute_capability": "SM87"}
    versions = {"tensorrt": trt.version}
    manifest = make_manifest(plan, target="tensorrt", runtime="tensorrt", versions=versions, device=device)
    write_manifest(manifest_path(plan), manifest)
    with pytest.raises(SimpleTrtError, match=r"refuses the plan.*cannot read the plan"):
        open_engine(plan)


def test_no_gpu(engine_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simple_trt.engines.gpu.find_gpus", list)
    with pytest.raises(SimpleTrtError, match="needs an NVIDIA GPU, and none is here"):
        open_engine(engine_file)


def test_gpu_that_is_not_there(engine_file: Path) -> None:
    with pytest.raises(UsageError, match="no GPU 3"):
        open_engine(engine_file, LoadOptions(device=3))


def test_report_by_layer(compatible: Callable[..., Path], trt: FakeTensorRt, tmp_path: Path) -> None:
    out = tmp_path / "layers.json"
    assert write_layers(compatible(), out).endswith("layers, names only: build with --profiling-verbosity detailed")
    assert all(isinstance(layer, str) for layer in json.loads(out.read_text())["Layers"])
    said = write_layers(compatible(profiling_verbosity="detailed"), out)
    layers = json.loads(out.read_text())["Layers"]
    assert said == f"{len(layers)} layers"
    assert "Conv" in {layer["LayerType"] for layer in layers}


@pytest.mark.parametrize("text", ["", "no JSON", "[]", '{"Layers": 3}'])
def test_report_by_layer_that_cannot_be_read(engine_file: Path, trt: FakeTensorRt, tmp_path: Path, text: str) -> None:
    trt.layer_text = text
    with pytest.raises(SimpleTrtError, match="does not tell the layers"):
        write_layers(engine_file, tmp_path / "layers.json")
    assert not (tmp_path / "layers.json").exists()


def test_closed_engine_tells_no_layers(engine_file: Path) -> None:
    engine = open_engine(engine_file)
    engine.close()
    with pytest.raises(UsageError, match="is closed"):
        engine.layers()  # type: ignore[attr-defined]


def test_real_tensorrt(graph: Path, tmp_path: Path, make_manifest: Callable[..., Any], image: np.ndarray) -> None:
    """Where TensorRT and a GPU are: build, run, compare."""
    pytest.importorskip("tensorrt")
    from simple_trt.engines.gpu import find_gpu

    if find_gpu() is None:
        pytest.skip("needs an NVIDIA GPU")
    plan = tmp_path / "real.plan"
    made = compile_plan(graph, plan, CompileOptions(timing_cache=tmp_path / "timings"))
    manifest = make_manifest(plan, target="tensorrt", runtime="tensorrt", versions=made.versions, device=made.device)
    write_manifest(manifest_path(plan), manifest)
    with open_engine(plan) as engine, open_engine(graph) as reference:
        expected = reference.infer({"image": image})
        for name, array in engine.infer({"image": image}).items():
            np.testing.assert_allclose(array, expected[name], atol=1e-3)
