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
def test_no_kernel_spills_registers_on_orin() -> None:
    """What ptxas says of each kernel on sm_87; the report is kept in build/."""
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("no nvcc on PATH")
    flags = ["-std=c++17", "-O3", "--fmad=false", "-arch=sm_87", "-cubin", "-Xptxas=-v", "-o", os.devnull]
    report = ""
    for source in sorted((ROOT / "csrc" / "kernels").glob("*.cu")):
        report += subprocess.run([nvcc, *flags, str(source)], capture_output=True, text=True, check=True).stderr
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "registers-sm_87.txt").write_text(report)
    frames = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", report)
    assert len(frames) >= report.count("Compiling entry function") > 0
    assert set(frames) == {("0", "0", "0")}
    assert all(int(shared) <= 48 << 10 for shared in re.findall(r"(\d+) bytes smem", report))
