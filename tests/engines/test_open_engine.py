"""Opening and running engines: what is checked at the border, what each CPU runtime answers, models without a build."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from tiny_graph import save_tiny, tiny_model

from simple_trt.engines import LoadOptions, open_engine
from simple_trt.engines.cpu import CpuEngine, pick_runtime
from simple_trt.engines.manifest import manifest_path, read_manifest, write_manifest
from simple_trt.errors import SimpleTrtError, UsageError

RUNTIMES = ("openvino", "onnxruntime")


def expected_answer(model: Path, image: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(str(model))
    names = [port.name for port in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": image}), strict=True))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_cpu_engine_answers_by_name(plan: Path, image: np.ndarray, runtime: str) -> None:
    pytest.importorskip(runtime)
    with open_engine(plan, LoadOptions(runtime=runtime, threads=1)) as engine:
        outputs = engine.infer({"image": image})
        assert engine.runtime == runtime
        assert engine.seconds > 0
        assert engine.describe()["outputs"]["boxes"] == "float32 [1,32,4]"
    for name, expected in expected_answer(plan, image).items():
        np.testing.assert_allclose(outputs[name], expected, atol=1e-4)
        assert outputs[name].dtype == expected.dtype


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_outputs_are_the_callers_own(plan: Path, image: np.ndarray, runtime: str) -> None:
    with open_engine(plan, LoadOptions(runtime=runtime)) as engine:
        first = engine.infer({"image": image})["boxes"]
        kept = first.copy()
        engine.infer({"image": image + 1})
        np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize(
    ("inputs", "said", "cure"),
    [
        ({"picture": np.zeros((1, 3, 64, 64), np.float32)}, "expected ['image'], got ['picture']", ""),
        ({}, "expected ['image'], got []", ""),
        ({"image": np.zeros((2, 3, 64, 64), np.float32)}, "got float32 [2,3,64,64]", "--batch 2"),
        ({"image": np.zeros((1, 3, 64, 96), np.float32)}, "got float32 [1,3,64,96]", "--size 64x96"),
        ({"image": np.zeros((1, 3, 64, 64), np.float64)}, "expected float32 [1,3,64,64], got float64", ""),
        ({"image": np.zeros((3, 64, 64), np.float32)}, "got float32 [3,64,64]", ""),
    ],
)
def test_wrong_input_is_said(plan: Path, inputs: dict[str, Any], said: str, cure: str) -> None:
    with open_engine(plan) as engine, pytest.raises(UsageError) as caught:
        engine.infer(inputs)
    assert said in caught.value.cause
    assert cure in caught.value.cure


def test_closed_engine_says_so(plan: Path, image: np.ndarray) -> None:
    engine = open_engine(plan)
    engine.close()
    engine.close()
    with pytest.raises(UsageError, match="closed"):
        engine.infer({"image": image})


def test_not_contiguous_input_is_taken(plan: Path, image: np.ndarray) -> None:
    turned = np.ascontiguousarray(image.transpose(0, 1, 3, 2)).transpose(0, 1, 3, 2)
    with open_engine(plan) as engine:
        np.testing.assert_array_equal(engine.infer({"image": turned})["boxes"], engine.infer({"image": image})["boxes"])


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_plan_of_another_size_than_its_manifest(plan: Path, make_manifest: Any, runtime: str) -> None:
    write_manifest(manifest_path(plan), make_manifest(plan, size=(32, 32), runtime=runtime))
    with pytest.raises(SimpleTrtError, match=r"expected \[1, 3, 32, 32\], got \[1, 3, 64, 64\]"):
        open_engine(plan)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_plan_that_is_no_graph(tmp_path: Path, make_manifest: Any, runtime: str) -> None:
    path = tmp_path / "bad.plan"
    path.write_bytes(b"not a plan at all")
    write_manifest(manifest_path(path), make_manifest(path, runtime=runtime))
    with pytest.raises(SimpleTrtError, match="cannot load") as caught:
        open_engine(path)
    assert "simple-trt build" in caught.value.cure


def test_onnx_file_runs_as_it_is(tmp_path: Path, image: np.ndarray) -> None:
    path = save_tiny(tmp_path / "tiny.onnx")
    with open_engine(path) as engine:
        assert engine.manifest.size == (64, 64)
        assert engine.runtime == "onnxruntime"
        np.testing.assert_array_equal(engine.infer({"image": image})["num"], [3])


def test_onnx_file_that_is_not_ours(tmp_path: Path) -> None:
    model = tiny_model()
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "foreign.onnx")
    with pytest.raises(SimpleTrtError, match="not a graph made by simple-trt"):
        open_engine(tmp_path / "foreign.onnx")


@pytest.mark.parametrize("cut", [0, 1, 7, 1000, -1])
def test_truncated_onnx_file(tmp_path: Path, cut: int) -> None:
    path = save_tiny(tmp_path / "tiny.onnx")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(SimpleTrtError):
        open_engine(path)


def test_random_bytes_are_no_onnx_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "noise.onnx"
    for _ in range(200):
        path.write_bytes(rng.bytes(64))
        with pytest.raises(SimpleTrtError):
            open_engine(path)


def test_metadata_is_checked(tmp_path: Path) -> None:
    path = save_tiny(tmp_path / "tiny.onnx", precision="fp7")
    with pytest.raises(SimpleTrtError, match="'precision'"):
        open_engine(path)


def test_nothing_of_that_name() -> None:
    with pytest.raises(SimpleTrtError, match=r"no engine, model or bundled model 'nowhere\.plan'") as caught:
        open_engine("nowhere.plan")
    assert "simple-trt models" in caught.value.cure


def test_missing_openvino_falls_back_to_onnxruntime(plan: Path, make_manifest: Any, monkeypatch: Any) -> None:
    write_manifest(manifest_path(plan), make_manifest(plan, runtime="openvino"))
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    with open_engine(plan) as engine:
        assert engine.runtime == "onnxruntime"
    with pytest.raises(UsageError, match="'openvino' is not installed"):
        open_engine(plan, LoadOptions(runtime="openvino"))


def test_no_runtime_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in RUNTIMES:
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(SimpleTrtError, match="no CPU runtime is installed"):
        pick_runtime("openvino", strict=False)


def test_unknown_runtime(plan: Path) -> None:
    with pytest.raises(UsageError, match="no CPU runtime 'abacus'"):
        open_engine(plan, LoadOptions(runtime="abacus"))


def test_fp32_is_computed_in_fp32(plan: Path, make_manifest: Any) -> None:
    write_manifest(manifest_path(plan), make_manifest(plan, runtime="openvino"))
    with open_engine(plan) as engine:
        assert engine.describe()["arithmetic"] in ("f32", "float32")


def test_bf16_on_a_cpu_without_it_is_said(plan: Path, make_manifest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    openvino = pytest.importorskip("openvino")
    write_manifest(manifest_path(plan), make_manifest(plan, runtime="openvino", precision="bf16"))
    real = openvino.Core

    class OldCpu(real):
        def get_property(self, device: str, name: str) -> Any:
            found = super().get_property(device, name)
            return [each for each in found if each != "BF16"] if name == "OPTIMIZATION_CAPABILITIES" else found

    monkeypatch.setattr(openvino, "Core", OldCpu)
    with open_engine(plan) as engine:
        facts = engine.describe()
    assert "no bf16" in facts["note"]
    assert facts["arithmetic"] in ("f32", "float32")


def test_cache_folder_is_used(plan: Path, make_manifest: Any, tmp_path: Path) -> None:
    write_manifest(manifest_path(plan), make_manifest(plan, runtime="openvino"))
    with open_engine(plan, LoadOptions(cache_dir=tmp_path / "cache")):
        assert list((tmp_path / "cache").iterdir())


def test_times_by_node_name_the_graphs_nodes(plan: Path, image: np.ndarray) -> None:
    pytest.importorskip("openvino")
    with CpuEngine(plan, read_manifest(manifest_path(plan)), LoadOptions(runtime="openvino", profile=True)) as engine:
        assert isinstance(engine, CpuEngine)
        engine.infer({"image": image})
        times = engine.node_seconds()
    assert {"stem", "middle", "head"} <= {node for nodes in times for node in nodes}
    assert all(seconds >= 0 for seconds in times.values())
    assert 0 < sum(times.values()) < 10


@pytest.mark.parametrize("options", [LoadOptions(runtime="openvino"), LoadOptions(runtime="onnxruntime", profile=True)])
def test_no_times_by_node_where_none_are_kept(plan: Path, image: np.ndarray, options: LoadOptions) -> None:
    with CpuEngine(plan, read_manifest(manifest_path(plan)), options) as engine:
        assert isinstance(engine, CpuEngine)
        engine.infer({"image": image})
        with pytest.raises(UsageError, match="keeps no times by node"):
            engine.node_seconds()
