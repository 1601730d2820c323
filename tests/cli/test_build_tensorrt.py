"""`simple-trt build --target tensorrt` and `inspect --layers` on a Jetson made of fakes, in TensorRT 10 and 11."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_gpu import take_over
from fake_tensorrt import CACHE, FakeTensorRt
from tensorrt_api import VERSIONS
from tiny_graph import PEOPLE, save_tiny

from simple_trt.engines import open_engine
from simple_trt.engines.gpu import Gpu
from simple_trt.engines.manifest import manifest_path, read_manifest

ROOT = Path(__file__).resolve().parents[2]
TARGET = ("--target", "tensorrt")
Run = Callable[..., tuple[int, str, str]]


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "engines").mkdir()
    return tmp_path / "engines" / "tiny.engine"


@pytest.fixture(params=VERSIONS)
def jetson(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest) -> FakeTensorRt:
    """A machine with TensorRT, our plugin library and a GPU, all of them fakes."""
    fake = FakeTensorRt(request.param)
    for name, module in fake.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    take_over(fake.cuda, monkeypatch)
    monkeypatch.setattr("simple_trt.engines.gpu.find_gpus", lambda: [Gpu("Orin", (8, 7), 8 << 30)])
    (tmp_path / "plugins.so").touch()
    monkeypatch.setenv("SIMPLE_TRT_PLUGINS", str(tmp_path / "plugins.so"))
    return fake


def test_engine(run_cli: Run, jetson: FakeTensorRt, model: Path, out: Path, photos: Path) -> None:
    flags = ["--precision", "fp16", "--workspace", "256", "--timing-cache", out.parent / "timings"]
    code, _, said = run_cli("build", model, "-o", out, *TARGET, *flags, "--images", photos, "--min-matched", "1")
    assert code == 0, said
    assert "engine beside the fp32 graph, 3 photos" in said
    assert f"set_memory_pool_limit WORKSPACE {256 << 20}" in jetson.calls
    assert left_in(out.parent) == ["timings", "tiny.engine", "tiny.engine.json"]
    manifest = read_manifest(manifest_path(out))
    assert manifest.device == {"gpu": "Orin", "compute_capability": "SM87"}
    assert "--workspace 256" in manifest.build_command
    with open_engine(out) as engine:
        assert engine.infer({"image": np.zeros((1, 3, 64, 64), np.float32)})["num"] == [PEOPLE]


def test_every_option_reaches_the_builder_and_the_recorded_command(
    run_cli: Run, jetson: FakeTensorRt, model: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = out.parent / "layers.json"
    flags = ["--version-compatible", "--hardware-compatibility-level", "ampere+", "--builder-optimization-level", "4"]
    code, _, said = run_cli("build", model, "-o", out, *TARGET, *flags, "--layers", report)
    assert code == 0, said
    assert (jetson.config.flags_set, jetson.config.builder_optimization_level) == (["VERSION_COMPATIBLE"], 4)
    assert jetson.config.hardware_compatibility_level.name == "AMPERE_PLUS"
    assert jetson.config.profiling_verbosity.name == "DETAILED", "--layers asks for it"
    layers = json.loads(report.read_text())["Layers"]
    assert {"Name", "LayerType"} <= set(layers[0])
    assert f"{len(layers)} layers, in '{report}'" in said
    manifest = read_manifest(manifest_path(out))
    words = shlex.split(manifest.build_command)
    assert set(map(str, flags)) < set(words)
    assert run_cli(*words[1:], "--force")[0] == 0
    assert read_manifest(manifest_path(out)) == manifest
    assert run_cli("inspect", out, "--layers", report)[0] == 1, "the plan carries code"
    monkeypatch.setenv("SIMPLE_TRT_HOST_CODE", "1")
    report.unlink()
    code, printed, said = run_cli("inspect", out, "--layers", report)
    assert code == 0, said
    assert f"{len(layers)} layers, in '{report}'" in said
    assert "hardware_compatibility_level ampere+" in printed
    assert json.loads(report.read_text())["Layers"] == layers


def test_level_that_is_asked_for_wins_over_the_report(
    run_cli: Run, jetson: FakeTensorRt, model: Path, out: Path
) -> None:
    flags = ["--layers", out.parent / "layers.json", "--profiling-verbosity"]
    code, _, said = run_cli("build", model, "-o", out, *TARGET, *flags, "layer-names-only")
    assert code == 0
    assert "names only: build with --profiling-verbosity detailed" in said
    code, _, said = run_cli("build", model, "-o", out, "--force", *TARGET, *flags, "none")
    assert code == 2
    assert "tells nothing of its layers" in said


def test_plugin_lowering_loads_the_plugins_and_keeps_the_nodes(
    run_cli: Run, jetson: FakeTensorRt, tmp_path: Path, out: Path
) -> None:
    """The fake cannot run the plugin nodes: the build fails at its last stage, and nothing is put in place."""
    path = save_tiny(tmp_path / "plugin.onnx", plugin=True)
    flags = [*TARGET, "--lowering", "plugin", "--layers", out.parent / "layers.json"]
    code, _, said = run_cli("build", path, "-o", out, *flags)
    assert jetson.calls[:3] == ["load_library plugins.so", "create_network", "parse"]
    assert code == 1
    assert "tensorrt refuses the plan" in said
    assert left_in(out.parent) == []


def test_timing_cache_of_another_machine(run_cli: Run, jetson: FakeTensorRt, model: Path, out: Path) -> None:
    cache = out.parent / "timings"
    cache.write_bytes(CACHE + b"another machine")
    code, _, said = run_cli("build", model, "-o", out, *TARGET, "--timing-cache", cache)
    assert code == 1
    assert f"refuses the timing cache '{cache}'" in said
    assert "cure: name another file with --timing-cache" in said
    assert left_in(out.parent) == ["timings"]
    assert cache.read_bytes() == CACHE + b"another machine"


@pytest.mark.parametrize(
    ("setting", "said", "code"),
    [
        ({"build_error": "Could not allocate 2 GiB of memory"}, "Could not allocate 2 GiB of memory", 1),
        ({"raised": MemoryError()}, "ran out of memory", 1),
        ({"starts": False}, "cannot start: CUDA initialization failure", 1),
        ({"parse_error": "no importer"}, "cannot read 'tiny.onnx'", 1),
        ({"layer_text": ""}, "does not tell the layers", 1),
    ],
)
def test_failures_leave_nothing(
    run_cli: Run, jetson: FakeTensorRt, model: Path, out: Path, setting: dict[str, Any], said: str, code: int
) -> None:
    for name, value in setting.items():
        setattr(jetson, name, value)
    found, _, err = run_cli("build", model, "-o", out, *TARGET, "--layers", out.parent / "layers.json")
    assert found == code
    assert said in err
    assert "cure: " in err
    assert left_in(out.parent) == []


def test_no_gpu(run_cli: Run, jetson: FakeTensorRt, model: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simple_trt.engines.gpu.find_gpus", list)
    code, _, said = run_cli("build", model, "-o", out, *TARGET)
    assert code == 1
    assert "needs an NVIDIA GPU, and none is here" in said
    assert left_in(out.parent) == []


def test_dla_is_refused_and_the_reason_said(run_cli: Run, model: Path, out: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "dla.toml"
    recipe.write_text('target = "tensorrt"\nuse-dla-core = 0\n')
    for words in (("--use-dla-core", "0"), ("--recipe", recipe)):
        code, _, said = run_cli("build", model, "-o", out, *words)
        assert code == 2
        assert "TopK" in said
        assert "leave --use-dla-core out" in said
    assert left_in(out.parent) == []


@pytest.mark.parametrize("target", ["cpu", "tensorrt-rtx"])
@pytest.mark.parametrize(
    "flags",
    [
        ("--workspace", "64"),
        ("--timing-cache", "timings"),
        ("--builder-optimization-level", "0"),
        ("--version-compatible",),
        ("--hardware-compatibility-level", "ampere+"),
        ("--profiling-verbosity", "detailed"),
        ("--layers", "layers.json"),
    ],
)
def test_options_of_tensorrt_are_not_ignored_by_other_targets(
    run_cli: Run, model: Path, out: Path, target: str, flags: tuple[str, ...]
) -> None:
    code, _, said = run_cli("build", model, "-o", out, "--target", target, *flags)
    assert code == 2
    assert f"the target '{target}' has no workspace, timing cache" in said
    assert left_in(out.parent) == []


@pytest.mark.parametrize("name", ["tiny.engine", "tiny.engine.json", "../tiny.onnx", "nowhere/layers.json"])
def test_report_by_layer_spoils_no_file(run_cli: Run, jetson: FakeTensorRt, model: Path, out: Path, name: str) -> None:
    before = model.read_bytes()
    code, _, _ = run_cli("build", model, "-o", out, *TARGET, "--layers", out.parent / name)
    assert (code, left_in(out.parent), model.read_bytes()) == (2, [], before)


def test_inspect_layers_of_what_has_none(run_cli: Run, model: Path, out: Path) -> None:
    report = out.parent / "layers.json"
    assert run_cli("build", model, "-o", out)[0] == 0
    for source, said in ((out, "is for the target 'cpu'"), (model, "is for engines")):
        code, _, err = run_cli("inspect", source, "--layers", report)
        assert code == 2
        assert said in err
    assert not report.exists()


FAKE_JETSON = """
import os, resource, signal, sys
sys.path.insert(0, {tests!r})
import pytest
from fake_gpu import take_over
from fake_tensorrt import FakeTensorRt
from simple_trt.cli import main
from simple_trt.engines import gpu
signal.signal(signal.SIGINT, signal.default_int_handler)
fake = FakeTensorRt({version!r})
sys.modules.update(fake.modules())
take_over(fake.cuda, pytest.MonkeyPatch())
gpu.find_gpus = lambda: [gpu.Gpu("Orin", (8, 7), 8 << 30)]
{setting}
code = main(sys.argv[1:])
print("calls", fake.calls, file=sys.stderr)
sys.exit(code)
"""


def jetson_process(version: str, setting: str, *words: object, **options: Any) -> subprocess.Popen[str]:
    script = FAKE_JETSON.format(tests=str(ROOT / "tests"), version=version, setting=setting)
    command = [sys.executable, "-c", script, "build", *map(str, words), *TARGET]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)


SLOW = """
fake.seconds, fake.steps = 0.01, 3000
import fake_tensorrt
real = fake_tensorrt._Builder._run_phases
def run_phases(*arguments):
    print("building", file=sys.stderr, flush=True)
    return real(*arguments)
fake_tensorrt._Builder._run_phases = run_phases
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)], ids=lambda v: str(int(v))
)
def test_ctrl_c_stops_the_builder_through_its_monitor(model: Path, out: Path, number: int, code: int) -> None:
    words = (model, "-o", out, "--timing-cache", out.parent / "timings", "--layers", out.parent / "layers.json")
    with jetson_process("11.4.0.106", SLOW, *words) as child:
        assert child.stderr is not None
        while (line := child.stderr.readline().strip()) != "building":
            assert line, "the build ended too soon"
        child.send_signal(number)
        rest = child.stderr.read()
        assert child.wait(timeout=20) == code, rest
    assert "'build_serialized_network', 'stopped'" in rest, "TensorRT was not told to stop"
    assert "Traceback" not in rest
    assert left_in(out.parent) == []


LIMIT = "resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)"


@pytest.mark.parametrize("what", ["plan", "timing cache", "layers"])
def test_full_disk(model: Path, out: Path, what: str) -> None:
    """A child that may not write files of more than a few bytes; only the timing cache or the report is larger."""
    size = model.stat().st_size
    limit = {"plan": 1000, "timing cache": 2 * size, "layers": 2 * size}[what]
    large = {
        "plan": "",
        "timing cache": f"import fake_tensorrt; fake_tensorrt.CACHE = b'x' * {3 * size}",
        "layers": f"import json; fake.layer_text = json.dumps(dict(Layers=['x' * {3 * size}]))",
    }[what]
    words = (model, "-o", out, "--timing-cache", out.parent / "timings", "--layers", out.parent / "layers.json")
    with jetson_process("10.3.0", large + "\n" + LIMIT.format(limit=limit), *words) as child:
        _, said = child.communicate(timeout=60)
    assert child.returncode == 1, said
    assert "disk full" in said
    assert "Traceback" not in said
    assert left_in(out.parent) == (["timings"] if what == "layers" else [])
