"""What a number depends on besides the code that it is about: machine, versions, commit, date, and what else ran."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["Load", "commit", "conditions", "cpu", "versions"]

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (
    "simple-trt",
    "numpy",
    "torch",
    "onnx",
    "onnxruntime",
    "openvino",
    "opencv-python-headless",
    "pillow",
    "pycocotools",
    "tensorrt-rtx",
    "tensorrt",
    "cupy-cuda13x",
    "cuda-bindings",
    "pycuda",
)
# The instructions that decide how fast a convolution runs in one of our precisions.
X86 = "avx2 fma f16c avx_vnni avx512f avx512bw avx512_vnni avx512_bf16 avx512_fp16 amx_tile amx_int8 amx_bf16"
ARM = "asimd asimddp asimdhp i8mm bf16 sve"


class Load:
    """What else the machine did between `start` and `to_json`: numbers that say how far to trust the times."""

    def __init__(self) -> None:
        self._before = os.getloadavg()[0]
        self._steal = _steal()

    def to_json(self) -> dict[str, float]:
        """Load average before and after (the benchmark itself counts), and the share of time the host took away."""
        steal, total = (now - then for now, then in zip(_steal(), self._steal, strict=True))
        return {
            "load_before": round(self._before, 2),
            "load_after": round(os.getloadavg()[0], 2),
            "stolen_share": round(steal / total, 5) if total else 0.0,
        }


def conditions(seed: int, threads: int | None) -> dict[str, Any]:
    """Date, commit, command, machine, versions, seed and threads, as they stand in every result file."""
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(),
        "command": _command(),
        "cpu": cpu(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions(),
        "threads": threads,
        "seed": seed,
    }


def versions() -> dict[str, str]:
    """Installed version of each package that takes part; those that are not installed are left out."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def commit() -> dict[str, Any]:
    """The checkout's commit, and whether files of it were changed (result files do not count)."""
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!benchmarks/results")
    return {"hash": _git("rev-parse", "HEAD") or "unknown", "changed": bool(changed)}


def cpu() -> dict[str, Any]:
    """Model, cores that this process may use, instruction sets, memory in GiB."""
    facts = _cpuinfo()
    flags = (facts.get("flags") or facts.get("Features") or "").split()
    return {
        "model": facts.get("model name") or platform.processor() or platform.machine(),
        "family": "-".join(facts[key] for key in ("vendor_id", "cpu family", "model") if key in facts),
        "cores": len(os.sched_getaffinity(0)),
        "features": [feature for feature in f"{X86} {ARM}".split() if feature in flags],
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
    }


def _cpuinfo() -> dict[str, str]:
    """The first processor of /proc/cpuinfo."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return {}
    lines = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in lines}


def _steal() -> tuple[int, int]:
    """(stolen, all) ticks of all cores since the start of the machine."""
    try:
        ticks = [int(part) for part in Path("/proc/stat").read_text(encoding="utf-8").splitlines()[0].split()[1:9]]
    except (OSError, ValueError, IndexError):
        return 0, 0
    return ticks[7], sum(ticks)


def _command() -> str:
    """The command line without the folders of this machine."""
    module = getattr(sys.modules.get("__main__"), "__spec__", None)
    program = f"python -m {module.name}" if module is not None else Path(sys.argv[0]).name
    return " ".join([program, *(Path(word).name if "/" in word else word for word in sys.argv[1:])])


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
