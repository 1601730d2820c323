"""The plugin library compiles without warnings against every TensorRT whose headers are at hand.

``SIMPLE_TRT_TENSORRT_HEADERS`` names folders with headers, separated by colons, one for each version to try.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.kernels.emulator import ROOT
from tests.plugins.conftest import HEADERS, emulated_folder

VARIABLE = "SIMPLE_TRT_TENSORRT_HEADERS"
FOLDERS = [Path(name) for name in os.environ.get(VARIABLE, "").split(":") if name]
FLAGS = ["-std=c++17", "-fsyntax-only", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror"]


def cuda_headers() -> str:
    """The folder that the harness was built with."""
    cache = (emulated_folder("plain").parent / "CMakeCache.txt").read_text()
    return next(line.partition("=")[2] for line in cache.splitlines() if line.startswith("cuda_include:"))


@pytest.mark.slow
@pytest.mark.skipif(not FOLDERS, reason=f"{VARIABLE} is not set; {HEADERS} for one version alone")
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_compiles_without_warnings(folder: Path, tmp_path: Path) -> None:
    assert (folder / "NvInferRuntime.h").is_file()
    unit = tmp_path / "all.cpp"
    names = sorted((ROOT / "plugins").glob("*.cpp"))
    for name in names:
        unit.write_text(f'#include "{name}"\n')
        command = ["g++", *FLAGS, "-isystem", str(folder), "-isystem", cuda_headers(), str(unit)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
