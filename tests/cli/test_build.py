"""`simple-trt build`: engines that work; every mistake said in one line with its exit code, and nothing left."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from tiny_graph import KEYPOINTS, PEOPLE, save_tiny, tiny_model

from simple_trt.engines import open_engine
from simple_trt.engines.manifest import manifest_path, read_manifest
from simple_trt.engines.onnx_metadata import read_metadata
from simple_trt.export.lowering import to_plain

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., tuple[int, str, str]]


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "engines").mkdir()
    return tmp_path / "engines" / "tiny.engine"


@pytest.fixture
def annotations(tmp_path: Path, photos: Path) -> Path:
    """What the tiny model finds in the photos, shifted by a few pixels so that the AP is neither 0 nor 1."""
    from PIL import Image

    from simple_trt.runtime import Session

    entries, images = [], []
    with Session(open_engine(save_tiny(tmp_path / "truth.onnx"))) as session:
        for number in range(3):
            picture = np.asarray(Image.open(photos / f"{number}.png"))
            images.append({"id": number, "file_name": f"{number}.png", "height": picture.shape[0], "width": 64})
            people = session.predict(picture)
            for person in people:
                keypoints = np.concatenate([person.xy + 1.5, np.full((KEYPOINTS, 1), 2.0)], axis=1)
                x1, y1, x2, y2 = map(float, person.box)
                entries.append(
                    {
                        "id": len(entries) + 1,
                        "image_id": number,
                        "category_id": 1,
                        "iscrowd": 0,
                        "num_keypoints": KEYPOINTS,
                        "keypoints": keypoints.ravel().tolist(),
                        "bbox": [x1, y1, x2 - x1, y2 - y1],
                        "area": (x2 - x1) * (y2 - y1) * 30,
                    }
                )
    names = [f"k{i}" for i in range(KEYPOINTS)]
    category = {"id": 1, "name": "person", "keypoints": names, "skeleton": []}
    path = tmp_path / "truth.json"
    path.write_text(json.dumps({"images": images, "annotations": entries, "categories": [category]}))
    return path


@pytest.mark.parametrize("runtime", [None, "openvino", "onnxruntime"])
def test_cpu_engine(run_cli: Run, model: Path, out: Path, photos: Path, runtime: str | None) -> None:
    chosen = ["--runtime", runtime] if runtime else []
    code, printed, said = run_cli("build", model, "-o", out, "--images", photos, *chosen)
    assert (code, printed.strip()) == (0, str(out))
    assert left_in(out.parent) == ["tiny.engine", "tiny.engine.json"]
    for number, stage in enumerate(("export", "precision", "compile", "write", "verify"), 1):
        assert f"[{number}/5] {stage}" in said
    assert f"people found: {3 * PEOPLE} by the fp32 graph, {3 * PEOPLE} by the engine, {3 * PEOPLE} by both" in said
    manifest = read_manifest(manifest_path(out))
    assert manifest.runtime == runtime or runtime is None
    assert manifest.accuracy["subject"] == "engine"
    assert manifest.accuracy["differences"]["matched"] == 3 * PEOPLE
    assert manifest.layers["Conv"] == {"fp32": 3}
    assert shlex.split(manifest.build_command)[:3] == ["simple-trt", "build", str(model)]
    with open_engine(out) as engine:
        assert engine.infer({"image": np.zeros((1, 3, 64, 64), np.float32)})["num"] == [PEOPLE]


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_int8_cpu_engine(run_cli: Run, model: Path, out: Path, photos: Path, runtime: str) -> None:
    pytest.importorskip(runtime)
    flags = ["--precision", "int8", "--calib", photos, "--runtime", runtime, "--min-matched", "1"]
    code, _, said = run_cli("build", model, "-o", out, *flags)
    assert code == 0, said
    assert "calibrated on 3 photos" in said
    assert "engine beside the fp32 graph, 3 photos" in said, "the calibration photos serve for comparing too"
    manifest = read_manifest(manifest_path(out))
    assert manifest.layers["Conv"] == {"fp32": 2, "int8": 1}
    assert manifest.calibration is not None
    assert manifest.calibration["count"] == 3
    assert run_cli("build", model, "-o", out, *flags, "--force")[0] == 0
    assert read_manifest(manifest_path(out)).calibration == manifest.calibration


@pytest.mark.parametrize("target", ["cpu", "tensorrt-rtx"])
def test_no_build_from_a_graph_needs_torch(model: Path, out: Path, photos: Path, target: str) -> None:
    if target == "tensorrt-rtx":
        pytest.importorskip("tensorrt_rtx", reason="needs the package tensorrt-rtx")
    script = "import sys; sys.modules['torch'] = None; from simple_trt.cli import main; sys.exit(main(sys.argv[1:]))"
    flags = ["--target", target, "--precision", "int8", "--calib", str(photos)]
    words = [sys.executable, "-c", script, "build", str(model), "-o", str(out), *flags]
    found = subprocess.run(words, cwd=ROOT, text=True, capture_output=True, check=False)
    assert found.returncode == 0, found.stderr
    assert left_in(out.parent) == ["tiny.engine", "tiny.engine.json"]


@pytest.mark.parametrize("name", ["int8.onnx", "source.onnx", "engine"])
def test_engine_may_have_any_name(run_cli: Run, model: Path, out: Path, photos: Path, name: str) -> None:
    words = ("build", model, "-o", out.with_name(name), "--precision", "int8", "--calib", photos)
    code, _, said = run_cli(*words, "--runtime", "onnxruntime")
    assert code == 0, said
    assert left_in(out.parent) == [name, f"{name}.json"]


def test_photos_to_calibrate_on_must_be_there(run_cli: Run, model: Path, out: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, _, said = run_cli("build", model, "-o", out, "--precision", "int8", "--calib", tmp_path / "empty")
    assert code == 2
    assert "no photos" in said
    (tmp_path / "empty" / "broken.jpg").write_bytes(b"no picture")
    code, _, said = run_cli("build", model, "-o", out, "--precision", "int8", "--calib", tmp_path / "empty")
    assert code == 1
    assert "broken.jpg" in said
    assert left_in(out.parent) == []


@pytest.mark.parametrize("precision", ["fp16", "bf16", "int8"])
def test_rtx_engine_in_every_precision(run_cli: Run, model: Path, out: Path, photos: Path, precision: str) -> None:
    pytest.importorskip("tensorrt_rtx", reason="needs the package tensorrt-rtx")
    flags = ["--target", "tensorrt-rtx", "--precision", precision, "--calib", photos]
    code, _, said = run_cli("build", model, "-o", out, *flags)
    assert code == 0, said
    manifest = read_manifest(manifest_path(out))
    kinds = {"fp16": {"fp16": 3}, "bf16": {"bf16": 3}, "int8": {"fp16": 2, "int8": 1}}
    assert (manifest.precision, manifest.layers["Conv"]) == (precision, kinds[precision])
    if precision == "bf16":
        assert "cannot run on the CPU either" in said
    elif not manifest.accuracy["failures"]:
        assert manifest.accuracy["differences"]["matched"] == 3 * PEOPLE


def test_the_recorded_command_builds_the_same_engine(run_cli: Run, model: Path, out: Path) -> None:
    run_cli("build", model, "-o", out, "--runtime", "onnxruntime", "--min-matched", "0.5")
    first = read_manifest(manifest_path(out))
    words = shlex.split(first.build_command)
    assert words[0] == "simple-trt"
    assert run_cli(*words[1:], "--force")[0] == 0
    assert read_manifest(manifest_path(out)) == first


def test_bf16_engine_is_the_fp32_graph_computed_in_bf16(run_cli: Run, model: Path, out: Path) -> None:
    openvino = pytest.importorskip("openvino")
    code, _, said = run_cli("build", model, "-o", out, "--precision", "bf16")
    assert code == 0, said
    assert read_manifest(manifest_path(out)).precision == "bf16"
    able = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    assert ("no bf16 instructions" in said) != able
    with open_engine(out) as engine:
        assert engine.describe()["arithmetic"] in (("bf16", "bfloat16") if able else ("f32", "float32"))


def test_bf16_without_openvino_says_that_it_is_fp32(
    run_cli: Run, model: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    code, _, said = run_cli("build", model, "-o", out, "--precision", "bf16")
    assert code == 0, said
    assert "OpenVINO is not installed" in said
    assert "ONNX Runtime has no bf16 for CPUs" in said


def test_json_is_all_that_goes_to_standard_output(run_cli: Run, model: Path, out: Path) -> None:
    code, printed, _ = run_cli("build", model, "-o", out, "--json")
    assert code == 0
    assert json.loads(printed) == json.loads(manifest_path(out).read_text())


def test_without_photos_it_compares_on_noise_and_says_so(run_cli: Run, model: Path, out: Path) -> None:
    code, _, said = run_cli("build", model, "-o", out)
    assert code == 0
    assert "4 noise pictures" in said
    assert "for want of photos" in said
    assert read_manifest(manifest_path(out)).accuracy["noise"] is True


def test_rtx_engine_is_built_and_says_that_it_was_not_run(
    run_cli: Run, model: Path, out: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorrt_rtx", reason="needs the package tensorrt-rtx")
    monkeypatch.setattr("simple_trt.engines.gpu.find_gpus", list)
    flags = ["--target", "tensorrt-rtx", "--compute-capability", "8.6,8.9", "--images", photos]
    code, _, said = run_cli("build", model, "-o", out, *flags)
    assert code == 0
    assert "the engine was not run: there is no GPU here" in said
    assert "compiled graph beside the fp32 graph, 3 photos" in said
    manifest = read_manifest(manifest_path(out))
    assert manifest.device == {"compute_capabilities": ["SM86", "SM89"]}
    assert manifest.accuracy["subject"] == "compiled graph"


def test_rtx_refuses_uint8_zero_points(run_cli: Run, model: Path, out: Path) -> None:
    graph = onnx.load(model)
    helper, tensors = onnx.helper, onnx.numpy_helper
    values = {"unit": np.array(0.1, np.float32), "centre": np.array(128, np.uint8)}
    graph.graph.initializer.extend(tensors.from_array(value, name) for name, value in values.items())
    conv = graph.graph.node[0]
    graph.graph.node.insert(0, helper.make_node("QuantizeLinear", ["image", "unit", "centre"], ["q"]))
    graph.graph.node.insert(1, helper.make_node("DequantizeLinear", ["q", "unit", "centre"], ["d"]))
    assert conv.op_type == "Conv"
    graph.graph.node[2].input[0] = "d"
    onnx.save(graph, model)
    code, _, said = run_cli("build", model, "-o", out, "--target", "tensorrt-rtx")
    assert code == 1
    assert "UINT8 zero points, first 'centre'" in said
    assert left_in(out.parent) == []


def test_plugin_graph_becomes_plain_without_torch(
    run_cli: Run, tmp_path: Path, out: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simple_trt.export.build_source.find_spec", lambda name: None)
    path = save_tiny(tmp_path / "plugin.onnx", plugin=True)
    assert "simple_trt::CenterPool" in json.loads(run_cli("inspect", path, "--json")[1])["layers"]
    code, _, said = run_cli("build", path, "-o", out, "--images", photos)
    assert code == 0, said
    manifest = read_manifest(manifest_path(out))
    assert manifest.lowering == "plain"
    assert not any(name.startswith("simple_trt::") for name in manifest.layers)
    assert manifest.accuracy["differences"]["matched"] == 3 * PEOPLE


def test_plain_graph_becomes_plugin_without_torch(
    run_cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simple_trt.export.build_source.find_spec", lambda name: None)
    plugin = onnx.load(save_tiny(tmp_path / "plugin.onnx", plugin=True))
    onnx.save(to_plain(plugin), tmp_path / "plain.onnx")
    code, _, said = run_cli("export", tmp_path / "plain.onnx", "--lowering", "plugin", "-o", tmp_path / "again.onnx")
    assert code == 0, said
    again = onnx.load(tmp_path / "again.onnx")
    assert [node.op_type for node in again.graph.node] == [node.op_type for node in plugin.graph.node]
    assert read_metadata(tmp_path / "again.onnx")["lowering"] == "plugin"


def test_plain_graph_that_tells_no_origin_cannot_become_plugin(run_cli: Run, model: Path, tmp_path: Path) -> None:
    code, _, said = run_cli("export", model, "--lowering", "plugin", "-o", tmp_path / "again.onnx")
    assert code == 1
    assert "has lowering 'plain', and 'plugin' is wanted" in said
    assert not (tmp_path / "again.onnx").exists()


def test_tensorrt_that_is_not_here(run_cli: Run, model: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    code, _, said = run_cli("build", model, "-o", out, "--target", "tensorrt")
    assert code == 1
    assert "the Python module 'tensorrt'" in said
    assert "JetPack" in said
    assert left_in(out.parent) == []


def test_ap_of_both_is_measured(run_cli: Run, model: Path, out: Path, photos: Path, annotations: Path) -> None:
    flags = ["--verify", annotations, "--images", photos, "--max-ap-drop", "0.01"]
    code, _, said = run_cli("build", model, "-o", out, *flags)
    assert code == 0, said
    ap = read_manifest(manifest_path(out)).accuracy["ap"]
    assert 0 < ap["model"] < 1
    assert ap["engine"] == pytest.approx(ap["model"], abs=1e-6)
    assert (ap["images"], ap["allowed"]) == (3, 0.01)
    assert f"AP on truth.json: model {ap['model']:.4f}" in said


@pytest.fixture
def broken_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU compiler that moves everybody away, as a bad precision would."""
    from simple_trt.engines import cpu

    real = cpu.compile_plan

    def compile_plan(graph: Path, plan: Path, *rest: Any) -> Any:
        made = real(graph, plan, *rest)
        model = onnx.load(plan)
        boxes = next(weight for weight in model.graph.initializer if weight.name == "boxes_at")
        boxes.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(boxes) + 40, "boxes_at"))
        points = next(weight for weight in model.graph.initializer if weight.name == "keypoints_at")
        moved = onnx.numpy_helper.to_array(points) + np.array([40, 40, 0], np.float32)
        points.CopyFrom(onnx.numpy_helper.from_array(moved, "keypoints_at"))
        onnx.save(model, plan)
        return made

    monkeypatch.setattr(cpu, "compile_plan", compile_plan)


@pytest.mark.usefixtures("broken_compiler")
@pytest.mark.parametrize("keep", [False, True])
def test_ap_drop_over_the_limit(
    run_cli: Run, model: Path, out: Path, photos: Path, annotations: Path, keep: bool
) -> None:
    flags = [
        "--verify",
        annotations,
        "--images",
        photos,
        "--max-ap-drop",
        "0.01",
        *(["--keep-failing"] if keep else []),
    ]
    code, printed, said = run_cli("build", model, "-o", out, *flags)
    assert (code, printed) == (3, "")
    assert "at most 0.0100 is allowed" in said
    assert left_in(out.parent) == (["tiny.engine", "tiny.engine.json"] if keep else [])
    if keep:
        assert read_manifest(manifest_path(out)).accuracy["failures"]


@pytest.mark.usefixtures("broken_compiler")
def test_too_few_people_found(run_cli: Run, model: Path, out: Path, photos: Path) -> None:
    code, _, said = run_cli("build", model, "-o", out, "--images", photos, "--min-matched", "0.9")
    assert code == 3
    assert "0.0% of the model's people were found, at least 90.0% must be" in said
    assert left_in(out.parent) == []


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--size", "100"], "multiples of 32"),
        (["--size", "64x"], "expected one number or HEIGHTxWIDTH"),
        (["--batch", "0"], "whole number from 1"),
        (["--target", "abacus"], "invalid choice"),
        (["--precision", "fp8"], "invalid choice"),
        (["--precision", "fp16"], "the target 'cpu' does not run fp16"),
        (["--precision", "bf16", "--runtime", "onnxruntime"], "no bf16 for CPUs"),
        (["--lowering", "plugin"], "takes no plugins"),
        (["--max-ap-drop", "0.1"], "nothing to be measured on"),
        (["--max-ap-drop", "-1"], "expected a number from 0 to 1"),
        (["--verify", "truth.json"], "--verify has no photos"),
        (["--verify", "nowhere.json", "--images", "."], "no file 'nowhere.json'"),
        (["--images", "nowhere"], "no folder 'nowhere'"),
        (["--calib", "nowhere"], "no folder 'nowhere'"),
        (["--precision", "int8"], "--calib"),
        (["--workspace", "lots"], "megabytes"),
        (["--nonsense"], "unrecognized arguments"),
        (["--target", "tensorrt-rtx", "--compute-capability", "8.7"], "does not build for compute capability '8.7'"),
    ],
)
def test_flags_that_make_no_sense(run_cli: Run, model: Path, out: Path, flags: list[str], said: str) -> None:
    code, printed, err = run_cli("build", model, "-o", out, *flags)
    assert (code, printed) == (2, "")
    assert said in err
    assert "Traceback" not in err
    assert left_in(out.parent) == []


@pytest.mark.parametrize(
    ("name", "content", "code", "said"),
    [
        ("nowhere.onnx", None, 2, "no model"),
        ("no-such-model", None, 2, "no model"),
        ("model.txt", b"text", 2, "is no model"),
        ("model.onnx", b"not a graph", 1, "not a whole ONNX file"),
        ("model.onnx", b"", 1, "not a graph made by simple-trt"),
        ("model.safetensors", b"\x10\x00", 1, "model.safetensors"),
    ],
)
def test_model_that_is_none(
    run_cli: Run, tmp_path: Path, out: Path, name: str, content: bytes | None, code: int, said: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    got, _, err = run_cli("build", path, "-o", out)
    assert (got, "Traceback" in err) == (code, False)
    assert said in err
    assert left_in(out.parent) == []


def test_truncated_graph(run_cli: Run, model: Path, out: Path) -> None:
    model.write_bytes(model.read_bytes()[:2000])
    code, _, said = run_cli("build", model, "-o", out)
    assert code == 1
    assert "ONNX" in said
    assert left_in(out.parent) == []


@pytest.mark.parametrize(("flag", "value"), [("--size", "128"), ("--batch", "2")])
def test_other_shape_needs_torch_and_the_checkpoint(
    run_cli: Run, model: Path, out: Path, flag: str, value: str
) -> None:
    code, _, said = run_cli("build", model, "-o", out, flag, value)
    assert code == 1
    assert f"{value} is wanted" in said or f"{value}x{value} is wanted" in said
    assert "PyTorch" in said


def test_checkpoint_without_torch(run_cli: Run, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    monkeypatch.setattr("simple_trt.export.build_source.find_spec", lambda name: None)
    code, _, said = run_cli("build", tmp_path / "model.safetensors", "-o", out)
    assert code == 1
    assert "PyTorch is not installed" in said


def test_graph_of_another_precision(run_cli: Run, tmp_path: Path, out: Path) -> None:
    path = save_tiny(tmp_path / "half.onnx", precision="fp16")
    code, _, said = run_cli("build", path, "-o", out)
    assert code == 1
    assert "is fp16 already" in said


@pytest.mark.parametrize("name", ["two\nlines.engine", "bell\a.engine", "\udcff.engine"])
def test_name_that_cannot_be_printed(run_cli: Run, model: Path, out: Path, name: str) -> None:
    """The manifest records names, and refuses what could play with the terminal of whoever reads them."""
    code, _, said = run_cli("build", model, "-o", out.with_name(name))
    assert code == 2
    assert "cannot be printed" in said
    assert left_in(out.parent) == []


def test_out_exists(run_cli: Run, model: Path, out: Path) -> None:
    out.write_text("precious")
    code, _, said = run_cli("build", model, "-o", out)
    assert (code, out.read_text()) == (2, "precious")
    assert "exists already" in said
    assert "--force" in said
    assert run_cli("build", model, "-o", out, "--force")[0] == 0
    assert open_engine(out).manifest.name == "tiny"


def test_failed_build_keeps_the_old_engine(run_cli: Run, model: Path, out: Path) -> None:
    assert run_cli("build", model, "-o", out)[0] == 0
    before = out.read_bytes(), manifest_path(out).read_bytes()
    model.write_bytes(b"damaged")
    assert run_cli("build", model, "-o", out, "--force")[0] == 1
    assert (out.read_bytes(), manifest_path(out).read_bytes()) == before
    assert left_in(out.parent) == ["tiny.engine", "tiny.engine.json"]


@pytest.mark.parametrize(
    ("place", "code", "said"),
    [
        ("nowhere/tiny.engine", 1, "there is no folder"),
        ("tiny.onnx/tiny.engine", 1, "is a file, not a folder"),
        ("engines", 2, "is a folder"),
    ],
)
def test_places_that_cannot_be_written(run_cli: Run, model: Path, out: Path, place: str, code: int, said: str) -> None:
    got, _, err = run_cli("build", model, "-o", model.parent / place)
    assert got == code
    assert said in err
    assert "Traceback" not in err


def test_read_only_place(run_cli: Run, model: Path) -> None:
    """Root may write into any folder of a disk, but not into the kernel's."""
    code, _, said = run_cli("build", model, "-o", "/proc/self/tiny.engine")
    assert code == 1
    assert "/proc/self/tiny.engine" in said
    assert "Traceback" not in said


def test_folder_without_permission(run_cli: Run, model: Path, out: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere: /proc stands in, see test_read_only_place")
    out.parent.chmod(0o500)
    try:
        code, _, said = run_cli("build", model, "-o", out)
    finally:
        out.parent.chmod(0o700)
    assert code == 1
    assert "no permission" in said


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of its own, mounted with the options that the test is parametrised with."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", request.param, "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("may not mount a file system here: RLIMIT_FSIZE and /proc stand in, see the tests beside this one")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize(
    ("small_disk", "said"), [("size=8k", "disk full"), ("ro", "no permission")], indirect=["small_disk"]
)
def test_real_disk(run_cli: Run, model: Path, small_disk: Path, said: str) -> None:
    code, _, err = run_cli("build", model, "-o", small_disk / "tiny.engine", "--runtime", "onnxruntime")
    assert code == 1
    assert said in err
    assert left_in(small_disk) == []


FULL_DISK = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
from simple_trt.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("limit", [0, 4096])
def test_full_disk(model: Path, out: Path, limit: int) -> None:
    """A child that may not write files of more than a few bytes meets a full disk wherever it writes."""
    script = FULL_DISK.format(limit=limit)
    words = [sys.executable, "-c", script, "build", str(model), "-o", str(out), "--runtime", "onnxruntime"]
    found = subprocess.run(words, cwd=ROOT, text=True, capture_output=True, check=False)
    assert found.returncode == 1, found.stderr
    assert "disk full" in found.stderr
    assert str(out) in found.stderr
    assert "Traceback" not in found.stderr
    assert left_in(out.parent) == []


SLOW_BUILD = """
import sys, time
from simple_trt.engines import cpu
real = cpu.compile_plan
def compile_plan(graph, plan, *rest):
    made = real(graph, plan, *rest)
    print("compiling", flush=True)
    time.sleep(60)
    return made
cpu.compile_plan = compile_plan
from simple_trt.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 143), (signal.SIGKILL, -9)]
)
def test_killed_build_leaves_nothing(run_cli: Run, model: Path, out: Path, number: int, code: int) -> None:
    words = [sys.executable, "-c", SLOW_BUILD, "build", str(model), "-o", str(out), "--runtime", "onnxruntime"]

    def heed() -> None:  # a process started in the background inherits that Ctrl-C is ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True, preexec_fn=heed) as child:
        assert child.stderr is not None
        while "compiling" not in (line := child.stderr.readline()):
            assert line, "the build ended too soon"
        assert any(name.startswith(".tiny.engine.building-") for name in left_in(out.parent))
        child.send_signal(number)
        assert child.wait(timeout=30) == code
        assert "Traceback" not in child.stderr.read()
    assert not out.exists()
    assert not manifest_path(out).exists()
    if number != signal.SIGKILL:
        assert left_in(out.parent) == []
    assert run_cli("build", model, "-o", out)[0] == 0
    assert left_in(out.parent) == ["tiny.engine", "tiny.engine.json"], "the dead build's folder is still there"


def test_living_build_keeps_its_folder(run_cli: Run, model: Path, out: Path) -> None:
    words = [sys.executable, "-c", SLOW_BUILD, "build", str(model), "-o", str(out), "--runtime", "onnxruntime"]
    with subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        while "compiling" not in (line := child.stderr.readline()):
            assert line, "the build ended too soon"
        assert run_cli("build", model, "-o", out)[0] == 0
        assert len(left_in(out.parent)) == 3
        child.terminate()
        child.wait(timeout=30)
    assert left_in(out.parent) == ["tiny.engine", "tiny.engine.json"]


def test_engine_that_appears_meanwhile_is_not_replaced(
    run_cli: Run, model: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from simple_trt.engines import cpu

    real = cpu.compile_plan

    def compile_plan(*arguments: Any) -> Any:
        out.write_text("someone else's")
        return real(*arguments)

    monkeypatch.setattr(cpu, "compile_plan", compile_plan)
    assert run_cli("build", model, "-o", out)[0] == 2
    assert out.read_text() == "someone else's"
    assert left_in(out.parent) == ["tiny.engine"]


def test_batch_of_the_graph_is_kept(run_cli: Run, tmp_path: Path, out: Path, photos: Path) -> None:
    path = save_tiny(tmp_path / "pair.onnx", batch=2)
    code, _, said = run_cli("build", path, "-o", out, "--images", photos)
    assert code == 0, said
    with open_engine(out) as engine:
        assert engine.inputs["image"].shape == (2, 3, 64, 64)


def test_dynamic_batch_must_be_fixed(run_cli: Run, tmp_path: Path, out: Path) -> None:
    onnx.save(_dynamic(), tmp_path / "any.onnx")
    code, _, said = run_cli("build", tmp_path / "any.onnx", "-o", out)
    assert code == 1
    assert "has batch dynamic" in said


def _dynamic() -> onnx.ModelProto:
    model = tiny_model()
    values = json.loads(model.metadata_props[0].value) | {"batch": "dynamic"}
    model.metadata_props[0].value = json.dumps(values)
    return model


def test_stages_are_timed(run_cli: Run, model: Path, out: Path) -> None:
    start = time.perf_counter()
    _, _, said = run_cli("build", model, "-o", out)
    seconds = [float(line.rsplit("(", 1)[1].split()[0]) for line in said.splitlines() if line.startswith("[")]
    assert len(seconds) == 5
    assert sum(seconds) <= time.perf_counter() - start + 0.5
