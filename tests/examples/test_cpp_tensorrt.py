"""The GPU part of the C++ example: compiled with the headers of every TensorRT at hand, linked and started.

No library of TensorRT can be had without a GPU's machine, but that of TensorRT-RTX has the same entry points: linked
with it, the program runs as far as a machine without a GPU lets it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from simple_trt.engines.manifest import manifest_path, read_manifest, write_manifest
from simple_trt.files import sha256_of
from tests.examples.program import ROOT, build, package_folder, refused
from tests.plugins.test_headers import FOLDERS, VARIABLE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SOURCE = ROOT / "examples" / "cpp" / "tensorrt_network.cpp"
PLUGINS = "libsimple_trt_plugins.so"


def cuda_headers() -> Path:
    """Beside nvcc."""
    nvcc = shutil.which("nvcc") or shutil.which("nvcc", path="/usr/local/cuda/bin")
    if nvcc is None:
        pytest.skip("no nvcc")
    places = [Path(nvcc).resolve().parents[1] / "include", Path("/usr/local/cuda/include")]
    found = next((place for place in places if (place / "cuda_runtime_api.h").is_file()), None)
    assert found is not None, f"no cuda_runtime_api.h in {places}"
    return found


@pytest.mark.skipif(not FOLDERS, reason=f"{VARIABLE} is not set: folders with headers of TensorRT, one a version")
@pytest.mark.parametrize("compiler", ["g++", "aarch64-linux-gnu-g++"])
@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_compiles_without_warnings(folder: Path, compiler: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler} on PATH")
    flags = ["-std=c++17", "-fsyntax-only", "-Wall", "-Wextra", "-Werror"]
    command = [compiler, *flags, "-isystem", str(folder), "-isystem", str(cuda_headers()), str(SOURCE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="module")
def gpu_program() -> Path:
    """The program with the GPU part, linked with the library of TensorRT-RTX."""
    cuda_headers()
    headers = os.environ.get("TensorRT_ROOT") or (  # noqa: SIM112  CMake's own name
        FOLDERS and str(FOLDERS[0])
    )
    if not headers:
        pytest.skip("set TensorRT_ROOT to a folder with the headers of TensorRT")
    library = package_folder("tensorrt_rtx_libs") / "libtensorrt_rtx.so.1"
    definitions = ("-DSIMPLE_TRT_CUDA=1", "-DSIMPLE_TRT_CUDA_ARCHS=87", f"-DTensorRT_ROOT={headers}")
    program, said = build(
        "gpu", *definitions, f"-DTensorRT_LIBRARY={library}", "-DCMAKE_DISABLE_FIND_PACKAGE_OpenVINO=1"
    )
    assert "runs engines for an NVIDIA GPU by TensorRT" in said
    return program


def retarget(engine: Path, version: str, **changes: object) -> Path:
    path = manifest_path(engine)
    changes = {"target": "tensorrt", "runtime": "tensorrt", "versions": {"tensorrt": version}} | changes
    write_manifest(path, replace(read_manifest(path), **changes))
    return engine


def library_version(gpu_program: Path, engine: Path) -> str:
    said = refused(gpu_program, retarget(engine, "9.9.9"), "photo.ppm")
    assert "field 'versions.tensorrt' of its manifest is 9.9.9" in said
    return said.partition("this machine has ")[2].split()[0]


def test_engine_of_another_version(gpu_program: Path, engine: Path) -> None:
    rtx = pytest.importorskip("tensorrt_rtx").__version__
    assert rtx.startswith(library_version(gpu_program, engine))  # the real library was asked


def test_engine_that_fits_the_library_needs_a_gpu(gpu_program: Path, engine: Path) -> None:
    version = library_version(gpu_program, engine)
    said = refused(gpu_program, retarget(engine, version), "photo.ppm")
    assert "versions.tensorrt" not in said
    assert "TensorRT" in said or "GPU" in said


def test_plugins_are_hashed_before_anything_is_loaded(gpu_program: Path, engine: Path, tmp_path: Path) -> None:
    version = library_version(gpu_program, engine)
    plugins = tmp_path / PLUGINS
    plugins.write_bytes(b"not the library that the engine was built with")
    retarget(engine, version, lowering="plugin")
    assert "needs our plugins" in refused(gpu_program, engine, "photo.ppm")
    assert "is nothing, this machine has sha256:" in refused(gpu_program, engine, "photo.ppm", "--plugins", plugins)
    versions = {"tensorrt": version, PLUGINS: "sha256:" + "0" * 64}
    retarget(engine, version, lowering="plugin", versions=versions)
    said = refused(gpu_program, engine, "photo.ppm", "--plugins", plugins)
    assert f"versions.{PLUGINS}" in said
    assert sha256_of(plugins) in said
    retarget(engine, version, lowering="plugin", versions=versions | {PLUGINS: f"sha256:{sha256_of(plugins)}"})
    assert PLUGINS not in refused(gpu_program, engine, "photo.ppm", "--plugins", plugins)


def test_version_compatible_engine_is_refused(gpu_program: Path, engine: Path) -> None:
    version = library_version(gpu_program, engine)
    retarget(engine, version, device={"version_compatible": True})
    assert "carries a runtime" in refused(gpu_program, engine, "photo.ppm")


def test_engine_for_a_part_that_is_not_built_in(gpu_program: Path, tiny_engine: Path) -> None:
    assert "was built without it" in refused(gpu_program, tiny_engine, "photo.ppm")
