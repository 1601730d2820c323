"""How the ops are registered: schemas, fakes and gradients (opcheck), tracing, and the choice of who serves them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from simple_trt import ops
from simple_trt.ops import registration
from simple_trt.ops.registration import BACKENDS, is_available
from simple_trt.ops.schemas import SCHEMAS
from tests.ops.cases import assert_same, example

ROOT = Path(__file__).resolve().parents[2]
DIFFERENTIABLE = ("center_pool", "corner_pool", "crop_heatmaps")


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_is_the_written_one(name: str) -> None:
    registered = getattr(torch.ops.simple_trt, name).default._schema
    written = torch._C.parse_schema(f"simple_trt::{name}{SCHEMAS[name]}")
    assert str(registered) == str(written)


@pytest.mark.parametrize("name", SCHEMAS)
def test_opcheck(name: str) -> None:
    arguments = example(name)
    if name in DIFFERENTIABLE:
        maps = [value.clone().requires_grad_() if is_map(value) else value for value in arguments]
        arguments = tuple(maps)
    torch.library.opcheck(getattr(torch.ops.simple_trt, name).default, arguments)


@pytest.mark.parametrize("other_direction", [-1, 3])
def test_opcheck_of_corner_pool_with_and_without_a_second_map(other_direction: int) -> None:
    x, _, other, _ = example("corner_pool")
    op = torch.ops.simple_trt.corner_pool.default
    torch.library.opcheck(op, (x.clone().requires_grad_(), 1))
    torch.library.opcheck(op, (x.clone().requires_grad_(), 1, other.clone().requires_grad_(), other_direction))


def is_map(value: Any) -> bool:
    return isinstance(value, Tensor) and value.ndim == 4


class Decode(nn.Module):
    """Every op but letterbox, from maps to keypoints."""

    def forward(self, features: Tensor, logits: Tensor, offsets: Tensor, heatmaps: Tensor) -> tuple[Tensor, ...]:
        pooled = ops.center_pool(features, ops.corner_pool(features, ops.Direction.TOP, features, ops.Direction.LEFT))
        peaks = ops.find_peaks(logits + pooled.mean() * 0, -1.0, 16)
        found = ops.group_boxes(peaks.scores, peaks.indices, offsets, stride=4)
        crops = ops.crop_heatmaps(heatmaps, found.boxes, 4, 8, 6)
        prior = torch.full((heatmaps.shape[1], 2), 0.5)
        return pooled, found.boxes, found.num, ops.read_keypoints(heatmaps, crops, found.boxes, prior, 4)


def decode_inputs(batch: int) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(batch)
    return tuple(torch.randn(batch, c, 16, 16, generator=generator) for c in (4, 3, 6, 2))


@pytest.mark.parametrize("dynamic", [False, True])
def test_exported_programs_keep_the_ops_whole(dynamic: bool) -> None:
    shapes = ({0: torch.export.Dim("batch", min=1, max=8)},) * 4 if dynamic else None
    program = torch.export.export(Decode(), decode_inputs(2), dynamic_shapes=shapes).run_decompositions({})
    targets = [str(node.target) for node in program.graph.nodes if "simple_trt" in str(node.target)]
    assert targets == [
        f"simple_trt.{name}.default"
        for name in ("corner_pool", "center_pool", "find_peaks", "group_boxes", "crop_heatmaps", "read_keypoints")
    ]
    inputs = decode_inputs(3 if dynamic else 2)
    assert_same(program.module()(*inputs), Decode()(*inputs))


def test_compiled_functions_keep_values_and_gradients() -> None:
    def loss(features: Tensor, other: Tensor, people: Tensor) -> Tensor:
        pooled = ops.corner_pool(features, ops.Direction.TOP, other, ops.Direction.RIGHT)
        crops = ops.crop_heatmaps(ops.center_pool(pooled, other), people, 4, 6, 4)
        return crops.square().mean()

    inputs = tuple(torch.randn(2, 3, 9, 8).requires_grad_() for _ in range(2))
    people = torch.tensor([[[3.0, 2.0, 20.0, 30.0]]]).expand(2, 1, 4)
    expected = torch.autograd.grad(loss(*inputs, people), inputs)
    compiled = torch.compile(loss, backend="aot_eager", fullgraph=True)
    assert_same(torch.autograd.grad(compiled(*inputs, people), inputs), expected, tolerance=1e-6)


def test_decode_ops_pass_no_gradient() -> None:
    logits = example("find_peaks")[0].requires_grad_()
    assert not torch.ops.simple_trt.find_peaks(logits, -1.0, 4)[1].requires_grad


def run_python(code: str, backend: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SIMPLE_TRT_OPS": backend, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_backend_serves_the_ops_when_asked(backend: str) -> None:
    if not is_available(backend):
        pytest.skip(f"{backend} is not built")
    if backend == ops.backend():
        return  # served all tests of this run
    matches = "tests/ops/test_matches_twin.py"
    against_twin = f"{matches}::test_ordinary_arguments" if backend == "reference" else matches
    tests = [against_twin, "tests/ops/test_errors.py", "tests/ops/test_gradients.py"]
    code = f"import pytest, sys; sys.exit(pytest.main(['-q', '-m', 'not gpu', '-p', 'no:cacheprovider', *{tests}]))"
    result = run_python(f"from simple_trt import ops; assert ops.backend() == {backend!r}; {code}", backend)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]


def test_an_unknown_backend_is_refused() -> None:
    result = run_python("import simple_trt.ops", "fastest")
    assert result.returncode == 1
    assert "SIMPLE_TRT_OPS: expected compiled, core, reference or nothing, got 'fastest'" in result.stderr


def test_a_backend_that_is_not_built_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SIMPLE_TRT_OPS", "compiled")
    monkeypatch.setattr(registration, "_LIBRARY", tmp_path / "libsimple_trt_torch.so")
    with pytest.raises(RuntimeError, match="SIMPLE_TRT_OPS=compiled: it is not built here; build it or unset"):
        registration.register()


def test_a_library_that_does_not_load_gives_way_to_the_next_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> torch.library.Library:
        raise OSError("undefined symbol")

    library = torch.library.Library("simple_trt", "FRAGMENT")
    monkeypatch.setattr(registration, "_STARTS", {"compiled": broken, "reference": lambda: library})
    with pytest.warns(UserWarning, match=r"the compiled ops of simple-trt do not load \(undefined symbol\)"):
        assert registration._start(("compiled", "reference")) == ("reference", library)
    with pytest.raises(OSError, match="undefined symbol"):
        registration._start(("compiled",))
