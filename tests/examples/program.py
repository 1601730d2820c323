"""Builds examples/cpp as its README says and runs it."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "simple_trt_people"


def package_folder(module: str) -> Path:
    """Where an installed package is; it is not imported. Skips the test when it is not installed."""
    found = importlib.util.find_spec(module)
    if found is None or not found.submodule_search_locations:
        pytest.skip(f"the package {module} is not installed")
    return Path(found.submodule_search_locations[0])


@cache
def build(name: str, *definitions: str) -> tuple[Path, str]:
    """The program, compiled in a folder of its own with these CMake definitions, and what CMake said."""
    folder = ROOT / "build" / "examples" / name
    folder.mkdir(parents=True, exist_ok=True)
    json = package_folder("nlohmann_json") / "include"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        make = f"-DCMAKE_MAKE_PROGRAM={tool('ninja')}"
        words = [tool("cmake"), "-G", "Ninja", "-S", str(ROOT / "examples" / "cpp"), "-B", str(folder), make]
        said = _run([*words, f"-Dnlohmann_json_INCLUDE={json}", *definitions])
        _run([tool("cmake"), "--build", str(folder)])
    return folder / PROGRAM, said


def cpu_program() -> Path:
    """The program with OpenVINO, whose Python package has the C++ library, its headers and its CMake files."""
    openvino = package_folder("openvino") / "cmake"
    return build("cpu", "-DSIMPLE_TRT_CUDA=0", f"-DOpenVINO_DIR={openvino}")[0]


def run(program: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """Run it in an environment without Python."""
    command = [str(program), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "/nowhere"}, timeout=120)


def refused(program: Path, *words: object) -> str:
    """What it says when it refuses: cause and cure, exit code 1, nothing on standard output."""
    done = run(program, *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert "\n  cure: " in done.stderr
    return done.stderr


def tool(name: str) -> str:
    """A build tool: beside this Python first."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    found = shutil.which(name, path=path)
    assert found is not None, f"{name} is needed"
    return found


def _run(command: list[str]) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout[-8000:]
    return done.stdout
