"""The TensorRT backend on a machine made of fakes: the sequence of calls, and every way in which it can be refused."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_gpu import HostMemory, fake_cuda_python, fake_cupy, fake_pycuda
from fake_tensorrt import CACHE, ENTRIES, FakeTensorRt
from tensorrt_api import VERSIONS
from tiny_graph import save_tiny

from simple_trt.engines import LoadOptions, open_engine
from simple_trt.engines.builder import CompileOptions
from simple_trt.engines.cuda_memory import open_cuda
from simple_trt.engines.gpu import Gpu
from simple_trt.engines.layers import write_layers
from simple_trt.engines.manifest import manifest_path, write_manifest
from simple_trt.engines.tensorrt import HOST_CODE_VARIABLE, PLUGINS_VARIABLE, compile_plan
from simple_trt.errors import SimpleTrtError, UsageError

ORIN = Gpu("Orin", (8, 7), 8 << 30)


@pytest.fixture(params=VERSIONS)
def trt(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> FakeTensorRt:
    """A Jetson with CUDA Python and TensorRT in each version whose API is known: all tests hold for all of them."""
    fake = FakeTensorRt(request.param)
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
    assert seen == [0.25, 0.5, 0.5, 1.0]
    assert compiled.device == {"gpu": "Orin", "compute_capability": "SM87"}
    assert compiled.versions == {"tensorrt": trt.version}
    assert (tmp_path / "cache" / "timings").read_bytes() == CACHE + trt.version.encode() + ENTRIES
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["timings"]
    assert (tmp_path / "plan").read_bytes() == graph.read_bytes()
    assert trt.config.profiling_verbosity.name == "LAYER_NAMES_ONLY"
    assert trt.config.hardware_compatibility_level.name == "NONE"
    assert trt.config.flags_set == []


def test_timing_cache_is_read_used_and_written_back(trt: FakeTensorRt, graph: Path, tmp_path: Path) -> None:
    options = CompileOptions(timing_cache=tmp_path / "timings")
    for name in ("first", "second"):
        compile_plan(graph, tmp_path / name, options)
    assert [call for call in trt.calls if "cache" in call] == [f"set_timing_cache {n} False" for n in (0, len(ENTRIES))]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (CACHE + b"{version} on another GPU", "does not fit this device"),
        (CACHE + b"9.0.0" + ENTRIES, "Returning an empty timing cache"),
        (b"nonsense", "Returning an empty timing cache"),
    ],
)
def test_timing_cache_that_does_not_fit_is_refused(
    trt: FakeTensorRt, graph: Path, tmp_path: Path, content: bytes, said: str
) -> None:
    cache = tmp_path / "timings"
    content = content.replace(b"{version}", trt.version.encode())
    cache.write_bytes(content)
    with pytest.raises(SimpleTrtError, match=rf"refuses the timing cache .*timings.*{said}") as caught:
        compile_plan(graph, tmp_path / "plan", CompileOptions(timing_cache=cache))
    assert "--timing-cache" in caught.value.cure
    assert cache.read_bytes() == content
    assert "build_serialized_network" not in trt.calls
    assert not (tmp_path / "plan").exists()


@pytest.mark.parametrize("content", ["", "an empty cache"])
def test_timing_cache_without_timings_is_fine(trt: FakeTensorRt, graph: Path, tmp_path: Path, content: str) -> None:
    cache = tmp_path / "timings"
    cache.write_bytes(CACHE + trt.version.encode() if content else b"")
    compile_plan(graph, tmp_path / "plan", CompileOptions(timing_cache=cache))
    assert cache.read_bytes().endswith(ENTRIES)


def test_timing_cache_in_places_that_cannot_be(trt: FakeTensorRt, graph: Path, tmp_path: Path) -> None:
    for place, said in ((tmp_path, "is a folder"), (graph / "timings", "cannot write")):
        with pytest.raises(SimpleTrtError, match=said):
            compile_plan(graph, tmp_path / "plan", CompileOptions(timing_cache=place))
    assert "build_serialized_network" not in trt.calls


def test_failed_build_keeps_the_timing_cache(trt: FakeTensorRt, graph: Path, tmp_path: Path) -> None:
    cache = tmp_path / "timings"
    cache.write_bytes(CACHE + trt.version.encode())
    before = cache.stat()
    trt.build_error = "no kernel fits"
    with pytest.raises(SimpleTrtError, match="no kernel fits"):
        compile_plan(graph, tmp_path / "plan", CompileOptions(timing_cache=cache))
    assert (cache.stat().st_mtime_ns, cache.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_options_reach_the_builder(trt: FakeTensorRt, graph: Path, tmp_path: Path) -> None:
    options = CompileOptions(
        builder_optimization_level=5,
        version_compatible=True,
        hardware_compatibility_level="ampere+",
        profiling_verbosity="detailed",
    )
    compiled = compile_plan(graph, tmp_path / "plan", options)
    assert trt.config.builder_optimization_level == 5
    assert trt.config.flags_set == ["VERSION_COMPATIBLE"]
    assert trt.config.hardware_compatibility_level.name == "AMPERE_PLUS"
    assert trt.config.profiling_verbosity.name == "DETAILED"
    assert compiled.device["version_compatible"] is True
    assert compiled.device["hardware_compatibility_level"] == "ampere+"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (CompileOptions(builder_optimization_level=6), "no builder optimisation level 6"),
        (CompileOptions(hardware_compatibility_level="all"), "no HardwareCompatibilityLevel 'all'"),
        (CompileOptions(profiling_verbosity="loud"), "no ProfilingVerbosity 'loud'"),
        (CompileOptions(version_compatible=True, lowering="plugin"), "does not know our plugins"),
    ],
)
def test_options_that_make_no_sense(
    trt: FakeTensorRt, graph: Path, tmp_path: Path, options: CompileOptions, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        compile_plan(graph, tmp_path / "plan", options)
    assert trt.calls == []


def test_level_that_only_newer_versions_have(trt: FakeTensorRt, graph: Path, tmp_path: Path) -> None:
    options = CompileOptions(hardware_compatibility_level="same-compute-capability")
    if trt.version == "10.3.0":
        with pytest.raises(UsageError, match=r"TensorRT 10\.3\.0 has no HardwareCompatibilityLevel") as caught:
            compile_plan(graph, tmp_path / "plan", options)
        assert caught.value.cure == "choose one of: none, ampere+"
    else:
        compile_plan(graph, tmp_path / "plan", options)
        assert trt.config.hardware_compatibility_level.name == "SAME_COMPUTE_CAPABILITY"


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


@pytest.mark.parametrize("error", [KeyboardInterrupt, BrokenPipeError])
def test_what_progress_raises_stops_the_build(
    trt: FakeTensorRt, graph: Path, tmp_path: Path, error: type[BaseException]
) -> None:
    def interrupt(phase: str, done: float) -> None:
        raise error

    with pytest.raises(error):
        compile_plan(graph, tmp_path / "plan", CompileOptions(timing_cache=tmp_path / "timings"), interrupt)
    assert trt.calls[-1] == "stopped"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.onnx"]


def test_library_that_cannot_start(trt: FakeTensorRt, graph: Path, tmp_path: Path) -> None:
    trt.starts = False
    with pytest.raises(SimpleTrtError, match=r"cannot start: CUDA initialization failure with error: 35") as caught:
        compile_plan(graph, tmp_path / "plan", CompileOptions())
    assert "driver" in caught.value.cure


def test_builder_that_runs_out_of_memory(trt: FakeTensorRt, graph: Path, tmp_path: Path) -> None:
    trt.raised = MemoryError("std::bad_alloc")
    with pytest.raises(SimpleTrtError, match="ran out of memory") as caught:
        compile_plan(graph, tmp_path / "plan", CompileOptions())
    assert "--workspace" in caught.value.cure
    assert not (tmp_path / "plan").exists()


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
