"""The kernel library holds machine code for every device it was built for, and PTX for later ones. No GPU is needed."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.kernels.emulator import ROOT

PTX, MACHINE_CODE = 1, 2
CONTAINER = struct.pack("<I", 0xBA55ED50)  # how a container of device code begins


@pytest.fixture(scope="module")
def device_code(core: ModuleType) -> set[tuple[int, int]]:
    """(kind, architecture) of all device code in the library."""
    if not core.cuda_built:
        pytest.skip("this build has no CUDA code")
    library = Path(core.__file__).with_name("libsimple_trt_kernels.so")
    return set(entries(section(library.read_bytes(), ".nv_fatbin")))


def section(elf: bytes, wanted: str) -> bytes:
    """The contents of a section of a 64-bit little-endian ELF file."""
    (table,) = struct.unpack_from("<Q", elf, 40)
    size, count, names_index = struct.unpack_from("<HHH", elf, 58)
    headers = [struct.unpack_from("<IIQQQQ", elf, table + i * size) for i in range(count)]
    names = headers[names_index][4]
    for name, _, _, _, offset, length in headers:
        start = names + name
        if elf[start : elf.index(b"\0", start)].decode() == wanted:
            return elf[offset : offset + length]
    raise AssertionError(f"no section {wanted}")


def entries(fatbin: bytes) -> Iterator[tuple[int, int]]:
    """(kind, architecture) of each piece of code in the containers of a fat binary."""
    at = fatbin.find(CONTAINER)
    while at >= 0:
        header, length = struct.unpack_from("<HQ", fatbin, at + 6)
        entry, end = at + header, at + header + length
        while entry < end:
            kind, _, entry_header, entry_length = struct.unpack_from("<HHIQ", fatbin, entry)
            yield kind, struct.unpack_from("<I", fatbin, entry + 28)[0]
            entry += entry_header + entry_length
        at = fatbin.find(CONTAINER, end)


def test_the_library_has_code_for_what_it_was_built_for(core: ModuleType, device_code: set[tuple[int, int]]) -> None:
    wanted = [int(re.match(r"\d+", arch)[0]) for arch in core.cuda_archs.split(",")]
    assert {arch for kind, arch in device_code if kind == MACHINE_CODE} == set(wanted)


def test_ptx_of_the_newest_alone_is_there(core: ModuleType, device_code: set[tuple[int, int]]) -> None:
    if os.environ.get("SIMPLE_TRT_CUDA_ARCHS"):
        pytest.skip("SIMPLE_TRT_CUDA_ARCHS chooses the code")
    newest = int(core.cuda_archs.split(",")[-1])
    assert {arch for kind, arch in device_code if kind == PTX} == {newest}


def test_by_default_that_is_all_this_nvcc_takes_from_turing_up(device_code: set[tuple[int, int]]) -> None:
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("no nvcc on PATH")
    if os.environ.get("SIMPLE_TRT_CUDA_ARCHS"):
        pytest.skip("SIMPLE_TRT_CUDA_ARCHS chooses the code")
    listed = subprocess.run([nvcc, "--list-gpu-arch"], capture_output=True, text=True, check=True).stdout
    taken = {int(name) for name in re.findall(r"compute_(\d+)", listed)}
    assert {arch for kind, arch in device_code if kind == MACHINE_CODE} == {arch for arch in taken if arch >= 75}


@pytest.mark.slow
@pytest.mark.parametrize("source", ["corner_pool.cu", "center_pool.cu", "find_peaks.cu", "read_keypoints.cu"])
def test_aligned_maps_are_read_16_bytes_at_a_time(tmp_path: Path, source: str) -> None:
    """In the kernels for aligned maps, and in these alone. The pools touch no map in any other way."""
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("no nvcc on PATH")
    ptx = tmp_path / "code.ptx"
    flags = ["-std=c++17", "-O3", "--fmad=false", "-arch=compute_87", "-ptx", "-o", str(ptx)]
    subprocess.run([nvcc, *flags, str(ROOT / "csrc" / "kernels" / source)], check=True)
    kernels = dict(re.findall(r"\.entry (\w+)\((.*?)\n}", ptx.read_text(), re.DOTALL))
    aligned = [code for name, code in kernels.items() if "Lb1E" in name]
    others = [code for name, code in kernels.items() if "Lb0E" in name]
    assert len(aligned) == len(others) > 0
    assert not any(".global.v4" in code for code in others)
    for code in aligned:
        accesses = re.findall(r"(?:ld|st)\.global\S*", code)
        wide = [access for access in accesses if ".v4." in access]
        assert wide == accesses if "pool" in source else wide
