"""Builds the C++ and CUDA parts with CMake; everything else about the package is in pyproject.toml."""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent.resolve()


def find_tool(name: str) -> str:
    """Path of a build tool: beside this Python first, so that a virtual environment need not be active."""
    beside_python = str(Path(sys.executable).parent)
    found = shutil.which(name, path=os.pathsep.join([beside_python, os.environ.get("PATH", os.defpath)]))
    if found is None:
        raise SystemExit(f"simple-trt: error: {name} was not found\n  cure: pip install {name}")
    return found


def run(command: list[str]) -> None:
    """Run a command; it has said itself why when it fails."""
    done = subprocess.run(command, check=False)
    if done.returncode:
        raise SystemExit(f"simple-trt: error: '{' '.join(command)}' failed, see above")


class CMakeBuild(build_ext):
    """Configures, builds and installs into setuptools' folder; the CMake folder is kept, so a second build is quick."""

    def build_extension(self, ext: Extension) -> None:
        """Build all libraries: they come from one CMake project, and ``ext`` names the folder they go to."""
        import pybind11

        package = Path(self.get_ext_fullpath(ext.name)).resolve().parent
        for stale in package.glob("*.so"):
            stale.unlink()
        build = ROOT / "build" / f"cmake-{sys.implementation.cache_tag}"
        cmake = find_tool("cmake")
        options = {
            "CMAKE_BUILD_TYPE": "Release",
            "CMAKE_MAKE_PROGRAM": find_tool("ninja"),
            "CMAKE_INSTALL_PREFIX": str(package),
            "Python_EXECUTABLE": sys.executable,
            "pybind11_DIR": pybind11.get_cmake_dir(),
            "SIMPLE_TRT_CUDA": os.environ.get("SIMPLE_TRT_CUDA", "AUTO"),
            "SIMPLE_TRT_OPENVINO": os.environ.get("SIMPLE_TRT_OPENVINO", ""),
            "SIMPLE_TRT_CUDA_ARCHS": os.environ.get("SIMPLE_TRT_CUDA_ARCHS", ""),
        }
        definitions = [f"-D{name}={value}" for name, value in options.items()]
        run([cmake, "-G", "Ninja", "-S", str(ROOT), "-B", str(build), *definitions])
        run([cmake, "--build", str(build), "--target", "install", "--parallel", str(os.cpu_count() or 1)])

    def copy_extensions_to_source(self) -> None:
        """For ``--inplace``: put all libraries into the source tree, whole: a program may be using the old ones."""
        for built in (Path(self.build_lib) / "simple_trt").glob("*.so"):
            target = ROOT / "simple_trt" / built.name
            if target.exists() and filecmp.cmp(built, target, shallow=False):
                continue
            partial = target.with_suffix(".partial")
            shutil.copy2(built, partial)
            partial.replace(target)


setup(ext_modules=[Extension("simple_trt._core", sources=[])], cmdclass={"build_ext": CMakeBuild})
