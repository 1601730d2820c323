"""TensorRT-RTX, for real: plans are built here without a GPU; what needs one says so."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper
from tiny_graph import save_tiny

from simple_trt.engines import open_engine
from simple_trt.engines.builder import CompileOptions
from simple_trt.engines.gpu import Gpu
from simple_trt.engines.manifest import manifest_path, write_manifest
from simple_trt.engines.tensorrt_rtx import compile_plan
from simple_trt.errors import SimpleTrtError, UsageError

rtx = pytest.importorskip("tensorrt_rtx", reason="needs the package tensorrt-rtx")


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    return save_tiny(tmp_path / "tiny.onnx")


@pytest.fixture
def engine_file(graph: Path, tmp_path: Path, make_manifest: Callable[..., Any]) -> Callable[..., Path]:
    """Builds a plan for the given GPUs, with a manifest changed as told."""

    def build(*capabilities: str, **changes: Any) -> Path:
        plan = tmp_path / "tiny.plan"
        made = compile_plan(graph, plan, CompileOptions(compute_capabilities=capabilities))
        fields = {"target": "tensorrt-rtx", "runtime": made.runtime, "versions": made.versions, "device": made.device}
        write_manifest(manifest_path(plan), make_manifest(plan, **(fields | changes)))
        return plan

    return build


def test_builds_without_a_gpu(graph: Path, tmp_path: Path) -> None:
    seen: list[float] = []
    made = compile_plan(graph, tmp_path / "plan", CompileOptions(), lambda phase, done: seen.append(done))
    assert (tmp_path / "plan").stat().st_size > 1000
    assert made.versions == {"tensorrt_rtx": rtx.__version__}
    assert made.device == {"compute_capabilities": []}
    assert seen
    assert all(0 < done <= 1 for done in seen)


@pytest.mark.parametrize("text", ["8.6", "86", "sm_86", "SM86"])
def test_compute_capability_may_be_written_in_many_ways(graph: Path, tmp_path: Path, text: str) -> None:
    made = compile_plan(graph, tmp_path / "plan", CompileOptions(compute_capabilities=(text, "8.9")))
    assert made.device == {"compute_capabilities": ["SM86", "SM89"]}


@pytest.mark.parametrize("text", ["8.7", "ampere", "", "CURRENT", "NONE"])
def test_compute_capability_that_is_not_offered(graph: Path, tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="does not build for") as caught:
        compile_plan(graph, tmp_path / "plan", CompileOptions(compute_capabilities=(text,)))
    assert "SM86" in caught.value.cure
    assert not (tmp_path / "plan").exists()


def test_operator_that_it_cannot_run(graph: Path, tmp_path: Path) -> None:
    model = onnx.load(graph)
    model.graph.node.append(helper.make_node("NonZero", ["boxes"], ["places"], name="find_places"))
    model.graph.output.append(helper.make_tensor_value_info("places", TensorProto.INT64, [3, None]))
    onnx.save(model, graph)
    with pytest.raises(SimpleTrtError, match="NonZero 'find_places'"):
        compile_plan(graph, tmp_path / "plan", CompileOptions())


def test_not_a_graph(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"not a graph")
    with pytest.raises(SimpleTrtError, match=r"cannot read 'bad\.onnx'"):
        compile_plan(tmp_path / "bad.onnx", tmp_path / "plan", CompileOptions())


def test_running_needs_a_gpu(engine_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simple_trt.engines.gpu.find_gpus", list)
    with pytest.raises(SimpleTrtError, match="needs an NVIDIA GPU, and none is here"):
        open_engine(engine_file())


def test_plan_of_another_version(engine_file: Callable[..., Path]) -> None:
    plan = engine_file(versions={"tensorrt_rtx": "1.0.0"})
    with pytest.raises(SimpleTrtError, match=r"versions\.tensorrt_rtx' of its manifest is 1\.0\.0") as caught:
        open_engine(plan)
    assert "simple-trt build" in caught.value.cure


@pytest.mark.parametrize(
    ("built", "gpu", "fits"),
    [
        ((), (8, 9), True),
        ((), (7, 5), False),
        (("8.6",), (8, 6), True),
        (("8.6",), (8, 9), False),
    ],
)
def test_plan_of_another_gpu(
    engine_file: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    built: tuple[str, ...],
    gpu: tuple[int, int],
    fits: bool,
) -> None:
    plan = engine_file(*built)
    monkeypatch.setattr("simple_trt.engines.gpu.find_gpus", lambda: [Gpu("a GPU", gpu, 1)])
    for name in ("cupy", "cuda", "pycuda"):
        monkeypatch.setitem(sys.modules, name, None)
    said = "no CUDA package" if fits else r"device\.compute_capabilities"
    with pytest.raises(SimpleTrtError, match=said):
        open_engine(plan)


def test_library_is_not_installed(graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    with pytest.raises(SimpleTrtError, match="'tensorrt_rtx' is not installed") as caught:
        compile_plan(graph, tmp_path / "plan", CompileOptions())
    assert "pip install tensorrt-rtx" in caught.value.cure
