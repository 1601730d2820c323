"""The TensorRT backend on a machine made of fakes: the sequence of calls, and every way in which it can be refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_gpu import FakeTensorRt, HostMemory, fake_cuda_python, fake_cupy, fake_pycuda
from tiny_graph import save_tiny

from simple_trt.engines import open_engine
from simple_trt.engines.builder import CompileOptions
from simple_trt.engines.cuda_memory import open_cuda
from simple_trt.engines.gpu import Gpu
from simple_trt.engines.manifest import manifest_path, write_manifest
from simple_trt.engines.tensorrt import PLUGINS_VARIABLE, compile_plan
from simple_trt.errors import SimpleTrtError, UsageError

ORIN = Gpu("Orin", (8, 7), 8 << 30)


@pytest.fixture
def trt(monkeypatch: pytest.MonkeyPatch) -> FakeTensorRt:
    """A Jetson with TensorRT 10.3 and CUDA Python."""
    fake = FakeTensorRt()
    for name, module in (fake.modules() | fake_cuda_python(HostMemory())).items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr("simple_trt.engines.gpu.find_gpus", lambda: [ORIN])
    return fake


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    return save_tiny(tmp_path / "tiny.onnx")


@pytest.fixture
def engine_file(trt: FakeTensorRt, graph: Path, tmp_path: Path, make_manifest: Callable[..., Any]) -> Path:
    """A plan that the fake TensorRT built, with its manifest."""
    plan = tmp_path / "tiny.plan"
    compiled = compile_plan(graph, plan, CompileOptions())
    manifest = make_manifest(
        plan, target="tensorrt", runtime=compiled.runtime, versions=compiled.versions, device=compiled.device
    )
    write_manifest(manifest_path(plan), manifest)
    return plan


def test_sequence_of_a_build(trt: FakeTensorRt, graph: Path, tmp_path: Path) -> None:
    seen: list[float] = []
    options = CompileOptions(workspace=64 << 20, timing_cache=tmp_path / "cache" / "timings")
    compiled = compile_plan(graph, tmp_path / "plan", options, lambda phase, done: seen.append(done))
    assert trt.calls == [
        "create_network",
        "parse",
        f"set_memory_pool_limit WORKSPACE {64 << 20}",
        "set_timing_cache 0 False",
        "build_serialized_network",
    ]
    assert seen == [0.5, 1.0]
    assert compiled.device == {"gpu": "Orin", "compute_capability": "SM87"}
    assert compiled.versions == {"tensorrt": "10.3.0"}
    assert (tmp_path / "cache" / "timings").read_bytes() == b"timings"
    assert (tmp_path / "plan").read_bytes() == graph.read_bytes()


def test_timing_cache_of_another_gpu_is_made_anew(trt: FakeTensorRt, graph: Path, tmp_path: Path) -> None:
    cache = tmp_path / "timings"
    cache.write_bytes(b"old!")
    trt.timing_cache_fits = False
    compiled = compile_plan(graph, tmp_path / "plan", CompileOptions(timing_cache=cache))
    assert "set_timing_cache 4 False" in trt.calls
    assert "set_timing_cache 0 False" in trt.calls
    assert any("made anew" in note for note in compiled.notes)


def test_answers_are_those_of_the_graph(engine_file: Path, graph: Path, image: np.ndarray, trt: FakeTensorRt) -> None:
    with open_engine(graph) as reference:
        expected = reference.infer({"image": image})
    with open_engine(engine_file) as engine:
        for _ in range(2):
            outputs = engine.infer({"image": image})
        facts = engine.describe()
    assert trt.calls.count("execute_async_v3 7") == 2
    assert (facts["gpu"], facts["version"], facts["layers"]) == ("Orin", "10.3.0", 12)
    for name, array in expected.items():
        np.testing.assert_array_equal(outputs[name], array)


def test_plan_of_another_version_is_refused(engine_file: Path, trt: FakeTensorRt, monkeypatch: Any) -> None:
    monkeypatch.setattr(trt.module, "__version__", "11.4.0.106")
    with pytest.raises(
        SimpleTrtError, match=r"versions\.tensorrt' of its manifest is 10\.3\.0.*11\.4\.0\.106"
    ) as caught:
        open_engine(engine_file)
    assert "simple-trt build" in caught.value.cure
    assert "deserialize_cuda_engine" not in trt.calls


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
    versions = {"tensorrt": "10.3.0"}
    manifest = make_manifest(plan, target="tensorrt", runtime="tensorrt", versions=versions, device=device)
    write_manifest(manifest_path(plan), manifest)
    with pytest.raises(SimpleTrtError, match=r"refuses the plan.*cannot read the plan"):
        open_engine(plan)


def test_no_gpu(engine_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simple_trt.engines.gpu.find_gpus", list)
    with pytest.raises(SimpleTrtError, match="needs an NVIDIA GPU, and none is here"):
        open_engine(engine_file)


def test_gpu_that_is_not_there(engine_file: Path) -> None:
    from simple_trt.engines import LoadOptions

    with pytest.raises(UsageError, match="no GPU 3"):
        open_engine(engine_file, LoadOptions(device=3))


def test_building_needs_a_gpu(trt: FakeTensorRt, graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simple_trt.engines.gpu.find_gpus", list)
    with pytest.raises(SimpleTrtError, match="building for the target tensorrt needs an NVIDIA GPU"):
        compile_plan(graph, tmp_path / "plan", CompileOptions())


def test_tensorrt_is_not_installed(graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(SimpleTrtError, match=r"'tensorrt' (is not installed|cannot be loaded)"):
        compile_plan(graph, tmp_path / "plan", CompileOptions())


def test_tensorrt_is_too_old(trt: FakeTensorRt, graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trt.module, "__version__", "8.6.1")
    with pytest.raises(SimpleTrtError, match=r"8\.6\.1 is too old"):
        compile_plan(graph, tmp_path / "plan", CompileOptions())


def test_parser_error_names_the_node(trt: FakeTensorRt, graph: Path, tmp_path: Path) -> None:
    trt.parse_error = "Plugin not found, are the plugin name, version, and namespace correct?"
    with pytest.raises(SimpleTrtError, match="FindPeaks 'peaks': Plugin not found") as caught:
        compile_plan(graph, tmp_path / "plan", CompileOptions())
    assert "--lowering plain" in caught.value.cure
    assert not (tmp_path / "plan").exists()


def test_builder_error_carries_the_librarys_words(trt: FakeTensorRt, graph: Path, tmp_path: Path) -> None:
    trt.build_error = "Could not allocate enough memory"
    with pytest.raises(SimpleTrtError, match="Could not allocate enough memory") as caught:
        compile_plan(graph, tmp_path / "plan", CompileOptions())
    assert "--workspace" in caught.value.cure


def test_interrupt_stops_the_build(trt: FakeTensorRt, graph: Path, tmp_path: Path) -> None:
    def interrupt(phase: str, done: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compile_plan(graph, tmp_path / "plan", CompileOptions(), interrupt)
    assert not (tmp_path / "plan").exists()


def test_plugins_are_loaded_once_from_where_the_variable_says(
    trt: FakeTensorRt, graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "libsimple_trt_plugins.so"
    library.touch()
    monkeypatch.setenv(PLUGINS_VARIABLE, str(library))
    for name in ("first", "second"):
        compile_plan(graph, tmp_path / name, CompileOptions(lowering="plugin"))
    assert trt.calls[0] == "load_library libsimple_trt_plugins.so"
    assert trt.calls.count("load_library libsimple_trt_plugins.so") == 1


@pytest.mark.parametrize(("made_for", "fits"), [("10.3", True), ("11.0", False), ("1.0", False)])
def test_plugins_made_for_another_tensorrt_are_not_loaded(
    trt: FakeTensorRt, graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made_for: str, fits: bool
) -> None:
    library = tmp_path / "libsimple_trt_plugins.so"
    library.write_bytes(b"\x7fELF\0simple_trt plugins for TensorRT " + made_for.encode() + b"\0")
    monkeypatch.setenv(PLUGINS_VARIABLE, str(library))
    options = CompileOptions(lowering="plugin")
    if fits:
        compile_plan(graph, tmp_path / "plan", options)
        return
    with pytest.raises(SimpleTrtError, match=f"was made for TensorRT {made_for}") as caught:
        compile_plan(graph, tmp_path / "plan", options)
    assert "TensorRT_ROOT" in caught.value.cure
    assert not any(call.startswith("load_library") for call in trt.calls)


@pytest.mark.parametrize("variable", [None, "nowhere/plugins.so"])
def test_missing_plugin_library(
    trt: FakeTensorRt, graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None
) -> None:
    monkeypatch.delenv(PLUGINS_VARIABLE, raising=False)
    monkeypatch.setattr("simple_trt.engines.tensorrt.PLUGINS_FILE", "libsimple_trt_plugins_not_there.so")
    if variable:
        monkeypatch.setenv(PLUGINS_VARIABLE, variable)
    with pytest.raises(SimpleTrtError) as caught:
        compile_plan(graph, tmp_path / "plan", CompileOptions(lowering="plugin"))
    assert (variable or "no libsimple_trt_plugins") in caught.value.cause
    assert "--lowering plain" in caught.value.cure


@pytest.mark.parametrize("package", ["cupy", "cuda.bindings", "pycuda"])
def test_cuda_packages_move_bytes(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    memory = HostMemory()
    fakes = {"cupy": fake_cupy, "cuda.bindings": fake_cuda_python, "pycuda": fake_pycuda}
    for name in ("cupy", "cuda", "pycuda"):
        monkeypatch.setitem(sys.modules, name, None)
    for name, module in fakes[package](memory).items():
        monkeypatch.setitem(sys.modules, name, module)
    cuda = open_cuda(0)
    assert (cuda.package, cuda.stream) == (package, 7)
    sent, received = np.arange(10, dtype=np.float32), np.empty(10, np.float32)
    with cuda.active():
        address = cuda.allocate(sent.nbytes)
        cuda.copy_in(address, sent)
        cuda.copy_out(received, address)
        cuda.synchronize()
    np.testing.assert_array_equal(sent, received)
    cuda.close()
    assert not memory.buffers


def test_out_of_gpu_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    for name, module in fake_cuda_python(HostMemory(), failing="cudaMalloc").items():
        monkeypatch.setitem(sys.modules, name, module)
    with pytest.raises(SimpleTrtError, match="cudaMalloc failed with cudaErrorMemoryAllocation"):
        open_cuda(0).allocate(100)


def test_no_cuda_package(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cupy", "cuda", "pycuda"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SimpleTrtError, match="no CUDA package") as caught:
        open_cuda(0)
    assert "simple-trt[gpu]" in caught.value.cure


def test_the_fake_is_true_to_the_real_interface(trt: FakeTensorRt, graph: Path) -> None:
    """TensorRT-RTX has TensorRT's Python interface: every name that the fake offers must be there."""
    real = pytest.importorskip("tensorrt_rtx")
    config, network = trt.config(), trt.module.Builder(None).create_network(2)
    engine = trt.module.Runtime(None).deserialize_cuda_engine(graph.read_bytes())
    pairs = [
        (trt.module, real),
        (trt.module.Builder, real.Builder),
        (trt.module.OnnxParser, real.OnnxParser),
        (trt.module.Runtime, real.Runtime),
        (config, real.IBuilderConfig),
        (config.create_timing_cache(b""), real.ITimingCache),
        (network, real.INetworkDefinition),
        (engine, real.ICudaEngine),
        (engine.create_execution_context(), real.IExecutionContext),
        (trt.registry, real.IPluginRegistry),
        (trt.module.OnnxParser(network, None).get_error(0), real.ParserError),
    ]
    own = {"model", "cache", "data", "network", "log"}
    for fake, true in pairs:
        names = {name for name in dir(fake) if not name.startswith("_")} - own
        assert not names - set(dir(true)), f"{true}: {names - set(dir(true))}"
    for kind, member in {
        "MemoryPoolType": "WORKSPACE",
        "ProfilingVerbosity": "DETAILED",
        "TensorIOMode": "INPUT",
    }.items():
        assert member in getattr(real, kind).__members__


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
