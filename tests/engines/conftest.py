"""Shared by the tests of engines: a tiny model built for the CPU, and ways to spoil its manifest."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from fake_gpu import take_over
from fake_tensorrt import FakeTensorRt
from tensorrt_api import VERSIONS
from tiny_graph import save_tiny

from simple_trt.engines.builder import CompileOptions
from simple_trt.engines.gpu import Gpu
from simple_trt.engines.manifest import Manifest, Plan, manifest_path, write_manifest
from simple_trt.engines.tensorrt import compile_plan
from simple_trt.files import sha256_of

ORIN = Gpu("Orin", (8, 7), 8 << 30)
COMMAND = "simple-trt build tiny.onnx --target cpu -o tiny.plan"


def fitting_manifest(plan: Path, **changes: Any) -> Manifest:
    """A manifest that fits `plan`, but for `changes`."""
    fields: dict[str, Any] = {
        "name": "tiny",
        "target": "cpu",
        "runtime": "onnxruntime",
        "precision": "fp32",
        "lowering": "plain",
        "batch": 1,
        "size": (64, 64),
        "skeleton": "coco",
        "plan": Plan(plan.name, sha256_of(plan), plan.stat().st_size),
        "onnx": {"sha256": "1" * 64},
        "versions": {"onnxruntime": "1.0"},
        "build_command": COMMAND,
    }
    return Manifest(**(fields | changes))


@pytest.fixture
def make_manifest() -> Callable[..., Manifest]:
    """Makes a manifest that fits a plan, but for the fields given."""
    return fitting_manifest


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A CPU plan of the tiny model with its manifest beside it."""
    path = save_tiny(tmp_path / "tiny.plan")
    write_manifest(manifest_path(path), fitting_manifest(path))
    return path


@pytest.fixture
def edit_manifest(plan: Path) -> Callable[[Callable[[dict[str, Any]], Any]], Path]:
    """Change the JSON of the plan's manifest as someone with an editor would."""

    def edit(change: Callable[[dict[str, Any]], Any]) -> Path:
        path = manifest_path(plan)
        values = json.loads(path.read_text())
        change(values)
        path.write_text(json.dumps(values))
        return plan

    return edit


@pytest.fixture
def image() -> np.ndarray:
    """A picture as the tiny network wants it, [1,3,64,64]."""
    return np.random.default_rng(1).normal(size=(1, 3, 64, 64)).astype(np.float32)


@pytest.fixture(params=VERSIONS)
def trt(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[FakeTensorRt]:
    """A Jetson with CUDA Python and TensorRT in each version whose API is known: all tests hold for all of them."""
    fake = FakeTensorRt(request.param)
    for name, module in fake.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    take_over(fake.cuda, monkeypatch)
    monkeypatch.setattr("simple_trt.engines.gpu.find_gpus", lambda: [ORIN])
    yield fake
    assert fake.cuda.violations == []


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
