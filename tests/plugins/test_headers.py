"""The plugins and their harness compile without warnings against every TensorRT whose headers are at hand.

``SIMPLE_TRT_TENSORRT_HEADERS`` names folders with headers, separated by colons, one for each version to try. Where
there is a cross compiler, for aarch64 as well.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.kernels.emulator import ROOT
from tests.plugins.conftest import emulated_folder

VARIABLE = "SIMPLE_TRT_TENSORRT_HEADERS"
FOLDERS = [Path(name) for name in os.environ.get(VARIABLE, "").split(":") if name]
FLAGS = ["-std=c++17", "-fsyntax-only", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
SOURCES = [*sorted((ROOT / "plugins").glob("*.cpp")), *sorted((ROOT / "tests" / "cpp" / "plugins").glob("*.cpp"))]


def cuda_headers() -> str:
    """The folder that the harness was built with."""
    cache = (emulated_folder("plain").parent / "CMakeCache.txt").read_text()
    return next(line.partition("=")[2] for line in cache.splitlines() if line.startswith("cuda_include:"))


@pytest.mark.slow
@pytest.mark.skipif(not FOLDERS, reason=f"{VARIABLE} is not set: folders with headers of TensorRT, one a version")
@pytest.mark.parametrize("compiler", ["g++", "aarch64-linux-gnu-g++"])
@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_compiles_without_warnings(folder: Path, compiler: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler} on PATH")
    assert (folder / "NvInferRuntime.h").is_file()
    command = [compiler, *FLAGS, "-isystem", str(folder), "-isystem", cuda_headers(), *map(str, SOURCES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
