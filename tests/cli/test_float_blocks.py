"""`simple-trt build --float-blocks`: what int8 would harm stays in floating point, by the bundled model's advice."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from simple_trt import zoo
from simple_trt.engines.manifest import manifest_path, read_manifest
from simple_trt.export.precision.int8 import quantised_convolutions

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def int8(photos: Path, tmp_path: Path) -> list[Any]:
    return ["--precision", "int8", "--calib", photos, "-o", tmp_path / "model.engine"]


def test_a_bundled_model_says_what_int8_would_harm(run_cli: Run, int8: list[Any]) -> None:
    entry = zoo.find("edge-384")
    code, _, said = run_cli("build", "edge-384", *int8)
    assert code == 0, said
    manifest = read_manifest(manifest_path(int8[-1]))
    assert manifest.assignment is not None and manifest.assignment["blocks"]["simple.center"] == "int8"
    kept = {name for name, kind in manifest.assignment["blocks"].items() if kind == "fp32"}
    assert set(entry.float_blocks) <= kept
    assert f"fp32 heads and {len(entry.float_blocks)} blocks" in said
    quantised = quantised_convolutions(onnx.load(entry.onnx).graph, entry.float_blocks)
    assert manifest.layers["Conv"]["int8"] == len(quantised)
    assert (
        f"fp32 ({next(name for name in manifest.assignment['blocks'] if name in kept)}"
        in run_cli("inspect", int8[-1])[1]
    )


@pytest.mark.parametrize("name", zoo.names())
def test_the_advice_fits_the_model(name: str) -> None:
    entry = zoo.find(name)
    graph = onnx.load(entry.onnx).graph
    assert 0 < len(quantised_convolutions(graph, entry.float_blocks)) < len(quantised_convolutions(graph))


def test_named_blocks_are_in_the_recorded_command(run_cli: Run, int8: list[Any], tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text('model = "edge-384"\nfloat-blocks = ["simple.reduce", "simple.center"]\n')
    code, _, said = run_cli("build", "--recipe", recipe, *int8)
    assert code == 0, said
    manifest = read_manifest(manifest_path(int8[-1]))
    words = shlex.split(manifest.build_command)
    assert words[words.index("--float-blocks") + 1] == "simple.reduce,simple.center"
    assert manifest.assignment is not None and manifest.assignment["blocks"]["simple.center"] == "fp32"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--float-blocks", "simple.nothing"], "has no block 'simple.nothing'"),
        (["--float-blocks", "a b"], "expected names such as"),
        (["--float-blocks", "simple.reduce", "--precision", "fp32"], "--float-blocks is for int8"),
        (["--float-blocks", "simple", "--float-blocks", "simple,grouping"], "nothing is left for int8"),
    ],
)
def test_mistakes_are_told(run_cli: Run, int8: list[Any], flags: list[str], message: str) -> None:
    code, _, said = run_cli("build", "edge-384", *int8, *flags)
    assert code == 2 and message in said
    assert not int8[-1].exists()


def test_a_search_is_not_told_its_result(run_cli: Run, int8: list[Any], photos: Path, tmp_path: Path) -> None:
    truth = tmp_path / "truth.json"
    truth.write_text("{}")
    flags = ["--search", "--verify", truth, "--images", photos, "--float-blocks", "simple.reduce"]
    code, _, said = run_cli("build", "edge-384", *int8, *flags)
    assert code == 2 and "--search finds the blocks itself" in said
