"""What `make gpu` finds out, each part a command with a time limit of its own."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.options import ROOT

__all__ = ["DATA", "PARTS", "Part", "gpu_test_files"]

DATA = "{data}"  # in a command: the file that the part writes its numbers to
SANITIZER = ("compute-sanitizer", "--error-exitcode", "9", "--tool")
ONCE = ("python", "-m", "benchmarks.gpu_kernels", "--once", "--out", DATA)


@dataclass(frozen=True)
class Part:
    """One thing to find out.

    Args:
        name: in the report.
        proves: what a success shows.
        words: the command; `python` is this interpreter, DATA the file for its numbers.
        limit: seconds it may take.
        needs: a Python module or a program without which it is left out.
        environment: further variables; `{sm}` is the GPU's compute capability without its dot.
    """

    name: str
    proves: str
    words: tuple[str, ...]
    limit: int
    needs: str = ""
    environment: dict[str, str] = field(default_factory=dict)


def gpu_test_files() -> tuple[str, ...]:
    """The files with tests marked gpu: the others need not be importable on the machine."""
    marks = ("mark.gpu", "marks=gpu")
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return tuple(
        str(f.relative_to(ROOT)) for f in files if any(mark in f.read_text(encoding="utf-8") for mark in marks)
    )


PYTEST = ("python", "-m", "pytest", "-m", "gpu", "-q", "--continue-on-collection-errors", f"--junitxml={DATA}")

PARTS = (
    Part(
        "build",
        "nvcc here compiles the kernels for this GPU; the libraries load",
        ("python", "setup.py", "build_ext", "--inplace"),
        180,
        environment={"SIMPLE_TRT_CUDA": "1", "SIMPLE_TRT_CUDA_ARCHS": "{sm}"},
    ),
    Part(
        "kernels",
        "each CUDA kernel equals its twin; its time beside its floor, a copy, torch's operators and a serial scan",
        ("python", "-m", "benchmarks.gpu_kernels", "--out", DATA),
        150,
        needs="torch",
    ),
    Part(
        "decode",
        "the four decode kernels in a row find what their twins find; their time at batch 1 and 8, by number of people",
        ("python", "-m", "benchmarks.gpu_decode", "--out", DATA),
        90,
        needs="torch",
    ),
    Part(
        "session",
        "frames to people: CUDA graphs give what plain launches give; times of both, of arrays, and of several threads",
        ("python", "-m", "benchmarks.gpu_session", "--out", DATA),
        120,
        needs="torch",
    ),
    Part(
        "tests",
        "the tests marked gpu: odd sizes, degenerate cases, gradients, streams, graphs, sessions, engines",
        (*PYTEST, *gpu_test_files()),
        180,
        needs="pytest",
    ),
    Part(
        "pipeline",
        "the predictor on the GPU finds what it finds on the CPU; its time at batch 1 and 8",
        ("python", "-m", "benchmarks.gpu_pipeline", "--out", DATA),
        120,
        needs="torch",
    ),
    Part(
        "tensorrt_rtx",
        "TensorRT-RTX builds the plain graph here, runs it, and answers as the model does; its time",
        ("python", "-m", "benchmarks.gpu_engine", "--out", DATA),
        120,
        needs="tensorrt_rtx",
    ),
    Part(
        "memory",
        "compute-sanitizer sees no kernel access memory out of bounds or misaligned (with the allocator's cache off)",
        (*SANITIZER, "memcheck", *ONCE),
        120,
        needs="compute-sanitizer",
        environment={"PYTORCH_NO_CUDA_MEMORY_CACHING": "1"},
    ),
    Part(
        "races",
        "compute-sanitizer sees no race in shared memory",
        (*SANITIZER, "racecheck", *ONCE),
        120,
        needs="compute-sanitizer",
    ),
)
