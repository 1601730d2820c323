"""The container recipes copy what a build needs, name what there is, and do not run as root. No image is built here."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import pybind11
import pytest

from tests.examples.program import ROOT, tool

FOLDER = ROOT / "examples" / "docker"
RECIPES = sorted(path for path in FOLDER.glob("Dockerfile.*") if path.suffix != ".dockerignore")
INSTRUCTIONS = {"ARG", "FROM", "RUN", "WORKDIR", "COPY", "ENV", "USER", "STOPSIGNAL", "ENTRYPOINT", "CMD"}


@pytest.fixture(params=RECIPES, ids=lambda path: path.suffix)
def recipe(request: pytest.FixtureRequest) -> Path:
    return request.param


def structure(recipe: Path) -> list[dict[str, Any]]:
    """Instructions and their values, in order."""
    parser = pytest.importorskip("dockerfile_parse", reason="pip install dockerfile-parse")
    parsed = parser.DockerfileParser(fileobj=BytesIO(recipe.read_bytes())).structure
    return [line for line in parsed if line["instruction"] != "COMMENT"]


def values(recipe: Path, instruction: str) -> list[str]:
    return [line["value"] for line in structure(recipe) if line["instruction"] == instruction]


def copied(recipe: Path) -> list[tuple[list[str], str]]:
    """(sources, destination) of every COPY from the repository."""
    found = [value.split() for value in values(recipe, "COPY") if not value.startswith("--from")]
    return [(sources, destination) for *sources, destination in found]


def test_both_recipes_are_there() -> None:
    assert [path.suffix for path in RECIPES] == [".desktop", ".jetson"]


def test_instructions(recipe: Path) -> None:
    lines = structure(recipe)
    assert {line["instruction"] for line in lines} <= INSTRUCTIONS
    assert len([line for line in lines if line["instruction"] == "FROM"]) == 2
    stages = re.findall(r"--from=(\S+)", "\n".join(values(recipe, "COPY")))
    assert stages == ["build"] and values(recipe, "FROM")[0].endswith(" AS build")


def test_arguments_are_declared_before_they_are_used(recipe: Path) -> None:
    declared: set[str] = {"PATH"}
    for line in structure(recipe):
        used = set(re.findall(r"\$\{?([A-Z_]+)\}?", line["value"]))
        assert used <= declared, line
        if line["instruction"] == "ARG":
            declared.add(line["value"].partition("=")[0])


def test_it_runs_the_program_and_not_as_root(recipe: Path) -> None:
    names = [line["instruction"] for line in structure(recipe)]
    assert json.loads(values(recipe, "ENTRYPOINT")[0]) == ["simple-trt"]
    assert json.loads(values(recipe, "CMD")[0]) == ["doctor"]
    assert values(recipe, "USER") == ["simple"]
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert "simple-trt" in (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("[project.scripts]")[2]


def test_extras_that_are_installed_exist(recipe: Path) -> None:
    text = recipe.read_text(encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for extras in re.findall(r"EXTRAS=\[(.*?)\]", text):
        assert all(f"\n{extra} = [" in project for extra in extras.split(","))


def test_what_is_copied_is_enough_to_build(recipe: Path, tmp_path: Path) -> None:
    """CMake stops at a source that is missing; setuptools reads the metadata and the files that these name."""
    for sources, destination in copied(recipe):
        for source in sources:
            path = ROOT / source
            assert path.exists(), source
            target = tmp_path / destination / ("" if path.is_dir() else path.name)
            if path.is_dir():
                shutil.copytree(path, target, ignore=shutil.ignore_patterns("*.so", "__pycache__", "zoo"))
            else:
                shutil.copyfile(path, target)
    options = [f"-DPython_EXECUTABLE={sys.executable}", f"-Dpybind11_DIR={pybind11.get_cmake_dir()}"]
    words = [tool("cmake"), "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={tool('ninja')}", "-DSIMPLE_TRT_CUDA=0", *options]
    run([*words, "-S", str(tmp_path), "-B", str(tmp_path / "build")], tmp_path)
    run([sys.executable, "setup.py", "-q", "egg_info"], tmp_path)
    assert "Name: simple-trt" in next(tmp_path.glob("*.egg-info/PKG-INFO")).read_text()


def run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]


def test_libraries_of_this_machine_stay_out(recipe: Path) -> None:
    ignored = recipe.with_name(f"{recipe.name}.dockerignore").read_text(encoding="utf-8").splitlines()
    assert {"**/*.so", ".git", ".venv", "build"} <= set(ignored)
