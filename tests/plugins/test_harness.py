"""Every plugin through the life that TensorRT documents, and through injected faults: tests/cpp/plugins.

Without a GPU the kernels that ``enqueue`` launches run on the grid emulator, so results are compared all the same.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.plugins.conftest import built_library, emulated_folder

LIVES = 24  # eight cases, three types of maps


def drive(harness: Path, library: Path, memory: str) -> str:
    """Run the harness; no check may fail. What it said last."""
    done = subprocess.run([harness, library, memory], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"[-6000:]
    *_, last = done.stdout.splitlines()
    return last


@pytest.mark.parametrize("variant", ["plain", "sanitized"])
def test_plugins_with_emulated_kernels(variant: str) -> None:
    folder = emulated_folder(variant)
    said = drive(folder / "plugin_harness", folder / "libsimple_trt_plugins.so", "host")
    assert said == f"{LIVES} lives, enqueued, 0 checks failed"


def test_plugins_as_built_up_to_enqueue() -> None:
    library = built_library()
    said = drive(emulated_folder("plain") / "plugin_harness", library, "none")
    assert said == f"{LIVES} lives, not enqueued, 0 checks failed"


@pytest.mark.gpu
def test_plugins_as_built_on_a_gpu() -> None:
    library = built_library()
    said = drive(emulated_folder("plain") / "plugin_harness", library, "gpu")
    assert said == f"{LIVES} lives, enqueued, 0 checks failed"


def test_a_broken_plugin_is_noticed(tmp_path: Path) -> None:
    folder = emulated_folder("plain")
    library = bytearray((folder / "libsimple_trt_plugins.so").read_bytes())
    place = library.index(b"BMHW\0")  # the shape of the maps of FindPeaks
    library[place : place + 4] = b"BMWH"
    broken = tmp_path / "libsimple_trt_plugins.so"
    broken.write_bytes(library)
    done = subprocess.run([folder / "plugin_harness", broken, "host"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "output 1 of FindPeaks" in done.stdout


def dynamic_section(library: Path, *flags: str) -> str:
    return subprocess.run(["readelf", "-W", *flags, library], capture_output=True, text=True, check=True).stdout


def test_the_library_exports_its_two_entry_points_only() -> None:
    symbols = [line.split() for line in dynamic_section(built_library(), "--dyn-syms").splitlines()]
    exported = {row[7] for row in symbols if len(row) > 7 and row[4] in {"GLOBAL", "WEAK"} and row[6].isdigit()}
    assert exported == {"getCreators", "setLoggerFinder"}


def test_the_library_needs_neither_torch_nor_tensorrt_nor_a_cuda_library() -> None:
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic_section(built_library(), "--dynamic"))
    assert needed
    system = r"lib(c|m|dl|rt|pthread|stdc\+\+|gcc_s)\.so|ld-linux"
    assert not [name for name in needed if not re.match(system, name)]
