"""Recipes: defaults of the build flags; the command line wins, and a wrong key is named."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from simple_trt.cli import build
from simple_trt.cli.recipe import apply_recipe
from simple_trt.engines.manifest import manifest_path, read_manifest
from simple_trt.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RECIPES = sorted((Path(__file__).resolve().parents[2] / "export").glob("*.toml"))
Run = Callable[..., tuple[int, str, str]]


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    build.add_parser(parser.add_subparsers())
    return parser.parse_args(["build", *words, "-o", "out.engine"])


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "recipe.toml"
        path.write_text(text)
        return path

    return write


def test_recipe_fills_what_is_not_given(recipe: Callable[[str], Path]) -> None:
    args = parsed("--precision", "fp32")
    path = recipe(
        'model = "edge-512"\nprecision = "int8"\nsize = "384x640"\nbatch = 2\n'
        'max-ap-drop = 0.01\ncompute-capability = [8.6, "8.9"]'
    )
    apply_recipe(path, args, build.RECIPE_FLAGS)
    assert (args.model, args.precision, args.size, args.batch) == ("edge-512", "fp32", (384, 640), 2)
    assert (args.max_ap_drop, args.compute_capability) == (0.01, "8.6,8.9")
    assert args.calib is None


def test_size_may_be_a_number(recipe: Callable[[str], Path]) -> None:
    args = parsed()
    apply_recipe(recipe("size = 256"), args, build.RECIPE_FLAGS)
    assert args.size == (256, 256)


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("version-compatible = true", (), True),
        ("version-compatible = false", (), False),
        ("version-compatible = true", ("--no-version-compatible",), False),
        ("batch = 1", (), None),
    ],
)
def test_switch_in_a_recipe(
    recipe: Callable[[str], Path], text: str, words: tuple[str, ...], expected: bool | None
) -> None:
    args = parsed(*words)
    apply_recipe(recipe(text), args, build.RECIPE_FLAGS)
    assert args.version_compatible is expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('version-compatible = "yes"', "key 'version-compatible' takes true or false"),
        ("builder-optimization-level = 6", "--builder-optimization-level"),
        ('hardware-compatibility-level = "all"', "--hardware-compatibility-level"),
        ('precission = "int8"', "unknown key 'precission'"),
        ("force = true", "unknown key 'force'"),
        ("[build]\nsize = 512", "unknown key 'build'"),
        ('target = "abacus"', "--target"),
        ("size = 100", "--size"),
        ("size = true", "key 'size' takes a text or a number"),
        ("max-ap-drop = 7", "--max-ap-drop"),
        ('max-ap-drop = "-1"', "--max-ap-drop"),
        ("size = ", "is not TOML"),
        ("\x00", "is not TOML"),
        ("a" * 70_000, "larger than"),
    ],
)
def test_wrong_recipe(recipe: Callable[[str], Path], text: str, said: str) -> None:
    path = recipe(text)
    with pytest.raises(UsageError) as caught:
        apply_recipe(path, parsed(), build.RECIPE_FLAGS)
    assert str(path) in caught.value.cause
    assert said in caught.value.cause


def test_missing_recipe(run_cli: Run, model: Path, tmp_path: Path) -> None:
    code, _, err = run_cli("build", model, "--recipe", tmp_path / "none.toml", "-o", tmp_path / "out.engine")
    assert code == 2
    assert "cannot read the recipe" in err


def test_build_with_a_recipe(run_cli: Run, model: Path, tmp_path: Path, recipe: Callable[[str], Path]) -> None:
    out = tmp_path / "out.engine"
    path = recipe(f'model = "{model}"\nruntime = "onnxruntime"\nmax-ap-drop = 0.01')
    code, _, err = run_cli("build", "--recipe", path, "-o", out)
    assert code == 0, err
    manifest = read_manifest(manifest_path(out))
    assert manifest.runtime == "onnxruntime"
    assert "--recipe" not in manifest.build_command
    assert "--runtime onnxruntime" in manifest.build_command


def test_no_model_anywhere(run_cli: Run, tmp_path: Path, recipe: Callable[[str], Path]) -> None:
    code, _, err = run_cli("build", "--recipe", recipe("batch = 1"), "-o", tmp_path / "out.engine")
    assert code == 2
    assert "no MODEL is given" in err


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_recipes_that_we_ship_are_valid(path: Path) -> None:
    args = parsed()
    apply_recipe(path, args, build.RECIPE_FLAGS)
    assert args.target == path.stem.split("-")[0].replace("rtx", "tensorrt-rtx") or args.target == "tensorrt"
    assert args.precision == path.stem.split("-")[-1]
    assert tomllib.loads(path.read_text())


def test_readme_lists_every_key_and_every_recipe() -> None:
    text = (RECIPES[0].parent / "README.md").read_text()
    listed = set(re.findall(r"`([a-z.0-9-]+)`", "\n".join(re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE))))
    keys = {"model", *(flag.strip("-") for flag in build.RECIPE_FLAGS)}
    assert listed == keys | {path.name for path in RECIPES}


def test_there_are_recipes() -> None:
    assert len(RECIPES) >= 4
