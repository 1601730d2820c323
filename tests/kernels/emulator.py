"""Builds what tests/cpp describes, and runs kernels under the sanitizers in a process of their own.

The CUDA kernels are compiled by the C++ compiler against the grid emulator of csrc/emulator. The build folder is kept,
so only what has changed is compiled again.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pybind11

ROOT = Path(__file__).resolve().parents[2]
CHILD = Path(__file__).with_name("sanitized_child.py")

#: A call of a module function: its name and its positional arguments.
Call = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True)
class Outcome:
    """What a sanitized process left: exit status, what it said, and for each call (arguments afterwards, result)."""

    returncode: int
    said: str
    results: list[tuple[tuple[Any, ...], Any]]


@cache
def build(variant: str = "plain") -> Path:
    """Folder of the freshly built test libraries and programs, ``plain`` or ``sanitized``."""
    folder = ROOT / "build" / "emulator"
    folder.mkdir(parents=True, exist_ok=True)
    with _only_one_process(folder / "lock"):
        definitions = [
            f"-DCMAKE_MAKE_PROGRAM={_tool('ninja')}",
            f"-DPython_EXECUTABLE={sys.executable}",
            f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
        ]
        _run([_tool("cmake"), "-G", "Ninja", "-S", str(ROOT / "tests" / "cpp"), "-B", str(folder), *definitions])
        _run([_tool("cmake"), "--build", str(folder), "--target", variant])
    return folder / variant


def load(name: str, folder: Path) -> ModuleType:
    """The extension module ``name`` of a build folder."""
    (path,) = folder.glob(f"{name}.*.so")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_sanitized(calls: Sequence[Call], tmp_path: Path, module: str = "_core_emulated") -> Outcome:
    """Make the calls, in order, in a process whose kernels are sanitized. A finding ends it with a non-zero status."""
    request, reply = tmp_path / "calls.pickle", tmp_path / "results.pickle"
    request.write_bytes(pickle.dumps(list(calls)))
    reply.unlink(missing_ok=True)
    environment = {
        **os.environ,
        "LD_PRELOAD": f"{_runtime('libasan.so')} {_runtime('libstdc++.so')}",
        "ASAN_OPTIONS": "detect_leaks=0",  # Python keeps what it allocates
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, str(CHILD), module, str(build("sanitized")), str(request), str(reply)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    results = pickle.loads(reply.read_bytes()) if reply.exists() else []
    return Outcome(done.returncode, done.stdout + done.stderr, results)


def _tool(name: str) -> str:
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    assert found, f"{name} was not found: pip install {name}"
    return found


def _runtime(library: str) -> str:
    """Path of a run-time library of the compiler."""
    answer = subprocess.run(["g++", f"-print-file-name={library}"], capture_output=True, text=True, check=True)
    return answer.stdout.strip()


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


@contextmanager
def _only_one_process(path: Path) -> Iterator[None]:
    """Holds a lock file: with pytest-xdist several processes come here at once."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
