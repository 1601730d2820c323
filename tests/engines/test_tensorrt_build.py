"""Building with TensorRT on a machine made of fakes: the sequence of calls, and every way in which it can fail."""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path

import pytest
from fake_tensorrt import CACHE, ENTRIES, FakeTensorRt

from simple_trt.engines.builder import CompileOptions
from simple_trt.engines.tensorrt import PLUGINS_VARIABLE, compile_plan
from simple_trt.errors import SimpleTrtError, UsageError


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


def test_plugins_are_loaded_once_from_where_the_variable_says(
    trt: FakeTensorRt, graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "libsimple_trt_plugins.so"
    library.touch()
    monkeypatch.setenv(PLUGINS_VARIABLE, str(library))
    trt.registry.all_creators.append(object())  # of a kind that has no namespace
    for name in ("first", "second"):
        compiled = compile_plan(graph, tmp_path / name, CompileOptions(lowering="plugin"))
    assert compiled.versions["libsimple_trt_plugins.so"] == f"sha256:{sha256(b'').hexdigest()}"
    assert trt.calls[0] == "load_library libsimple_trt_plugins.so"
    assert trt.calls.count("load_library libsimple_trt_plugins.so") == 1


@pytest.mark.parametrize("fits", [True, False])
def test_plugins_made_for_another_tensorrt_are_not_loaded(
    trt: FakeTensorRt, graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fits: bool
) -> None:
    major = int(trt.version.split(".")[0])
    made_for = f"{major if fits else major + 1}.0"
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
