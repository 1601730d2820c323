"""Registers, shared memory and spills of every CUDA kernel, as ptxas reports them. Needs nvcc, no GPU.

The kernels are compiled with the product's flags for one device of each family that the project is for: Turing (sm_75),
Orin (sm_87), Hopper (sm_90) and Thor (sm_110, which nvcc before 13.0 called sm_101), as far as this nvcc takes them.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from shutil import which
from typing import Any

from benchmarks.conditions import conditions
from benchmarks.options import ROOT, run_main, say
from benchmarks.results import write_result
from simple_trt.errors import SimpleTrtError

__all__ = ["ARCHS", "compile_sources", "main", "read_report", "sources"]

ARCHS = (75, 87, 90, 101, 110)
FLAGS = ("-std=c++17", "-O3", "--fmad=false", "-Xcompiler=-ffp-contract=off")  # those of csrc/flags.cmake
ENTRY = re.compile(r"Compiling entry function '(\w+)' for 'sm_(\d+)'")
FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers(?:.*?(\d+) bytes smem)?")
TYPES = {"simple_trt::BFloat16": "bf16", "simple_trt::Half": "fp16", "float": "fp32"}


def main(argv: Sequence[str] | None = None) -> int:
    """Write a row a kernel and device; 1 when a kernel spills.

    Raises:
        SimpleTrtError: there is no nvcc, it takes none of the devices, or a source does not compile.
    """
    p = argparse.ArgumentParser(prog="python -m benchmarks.registers", description=__doc__)
    p.add_argument("--out", type=Path, required=True, metavar="FILE")
    p.add_argument("--archs", default=",".join(map(str, ARCHS)), help="compute capabilities without their dot")
    args = p.parse_args(argv)
    nvcc = _find_nvcc()
    archs = _taken(nvcc, [int(arch) for arch in args.archs.split(",")])
    rows = [row for source in sources() for row in read_report(compile_sources(nvcc, source, archs), source.name)]
    about = conditions(seed=0, threads=None)
    write_result(
        args.out, "registers", about, made="Compiled", nvcc=_version(nvcc), flags=list(FLAGS), archs=archs, rows=rows
    )
    spilling = [row for row in rows if row["spill_stores"] or row["spill_loads"]]
    for row in spilling:
        say(f"{row['kernel']} spills on sm_{row['arch']}")
    return int(bool(spilling))


def sources() -> list[Path]:
    """Every CUDA source of the kernels that defines one."""
    folder = ROOT / "csrc" / "kernels"
    return [path for path in sorted(folder.glob("*.cu")) if "__global__" in path.read_text(encoding="utf-8")]


def compile_sources(nvcc: str, source: Path, archs: Sequence[int]) -> str:
    """What ptxas says when `source` is compiled for these devices. Raises SimpleTrtError when it does not compile."""
    codes = [f"-gencode=arch=compute_{arch},code=sm_{arch}" for arch in archs]
    with tempfile.TemporaryDirectory() as folder:
        words = [nvcc, *FLAGS, *codes, "-Xptxas=-v", "-c", "-o", f"{folder}/code.o", str(source)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SimpleTrtError(f"{source.name} does not compile: {done.stderr.strip()[-600:]}", "mend the source")
    return done.stdout + done.stderr


def read_report(report: str, source: str) -> Iterator[dict[str, Any]]:
    """A row for each kernel and device of ptxas's report on one source.

    Raises:
        SimpleTrtError: the report is not as expected, as from another nvcc.
    """
    parts = ENTRY.split(report)[1:]
    names = _readable(parts[::3])
    for name, arch, text in zip(names, parts[1::3], parts[2::3], strict=True):
        frame, used = FRAME.search(text), USED.search(text)
        if frame is None or used is None:
            raise SimpleTrtError(f"ptxas says nothing of {name}", "look at nvcc -Xptxas=-v: its form has changed")
        yield {
            "source": source,
            "kernel": name,
            "arch": int(arch),
            "registers": int(used[1]),
            "shared_bytes": int(used[2] or 0),
            "stack_bytes": int(frame[1]),
            "spill_stores": int(frame[2]),
            "spill_loads": int(frame[3]),
        }


def _readable(mangled: Sequence[str]) -> list[str]:
    """C++ names without scopes and parameters, types by their short names."""
    demangler = which("c++filt") or which("cu++filt")
    if demangler is None:
        raise SimpleTrtError("no c++filt on PATH", "install binutils")
    done = subprocess.run([demangler, *mangled], capture_output=True, text=True, check=True)
    return [_short(name) for name in done.stdout.splitlines()]


def _short(name: str) -> str:
    for long, short in TYPES.items():
        name = name.replace(long, short)
    found = re.search(r"(\w+(?:<[^()]*>)?)\([^()]*\)$", name.replace("(anonymous namespace)::", ""))
    return found[1] if found else name


def _find_nvcc() -> str:
    found = which("nvcc") or which("nvcc", path="/usr/local/cuda/bin")
    if found is None:
        raise SimpleTrtError("no nvcc on PATH or in /usr/local/cuda/bin", "install the CUDA toolkit; no GPU is needed")
    return found


def _taken(nvcc: str, archs: Sequence[int]) -> list[int]:
    listed = subprocess.run([nvcc, "--list-gpu-arch"], capture_output=True, text=True, check=True).stdout
    taken = [arch for arch in archs if f"compute_{arch}\n" in listed + "\n"]
    if not taken:
        raise SimpleTrtError(f"this nvcc takes none of {list(archs)}", "name others with --archs")
    return taken


def _version(nvcc: str) -> str:
    said = subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"V(\d+\.\d+\.\d+)", said)
    return found[1] if found else said.strip().splitlines()[-1]


if __name__ == "__main__":
    run_main(main)
