"""The machine that `make gpu` finds: its GPU, the tools and their versions, the packages carried to it."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from shutil import which
from typing import Any

from benchmarks.processes import Outcome, run_limited
from simple_trt.engines.gpu import Gpu, driver_version
from simple_trt.errors import UsageError

__all__ = ["WHEELS_VARIABLE", "add_tool_folders", "describe_gpu", "install_wheels", "tool_versions", "wheels_in"]

WHEELS_VARIABLE = "SIMPLE_TRT_WHEELS"
TOOL_FOLDERS = ("/usr/local/cuda/bin", "/opt/cuda/bin")
TOOLS = {
    "nvcc": ("nvcc", "--version"),
    "compute-sanitizer": ("compute-sanitizer", "--version"),
    "driver": ("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"),
}
SECONDS = 20


def describe_gpu(gpu: Gpu) -> dict[str, Any]:
    """For the report's conditions."""
    return {"name": gpu.name, "sm": gpu.sm, "memory_gib": round(gpu.memory / 2**30, 1), "driver_cuda": driver_version()}


def add_tool_folders() -> None:
    """Make CUDA's tools found where the toolkit is installed but not on the PATH."""
    home = os.environ.get("CUDA_HOME")
    folders = ([f"{home}/bin"] if home else []) + list(TOOL_FOLDERS)
    known = os.environ.get("PATH", os.defpath).split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join(known + [folder for folder in folders if folder not in known])


def tool_versions() -> dict[str, str]:
    """The last line that each tool says of its version; those that are missing or say nothing are left out."""
    return {name: line for name, words in TOOLS.items() if which(words[0]) and (line := _last_line(words))}


def wheels_in(folder: str | None) -> list[Path]:
    """The wheels that were carried along; none when no folder is named. Raises UsageError when it has none."""
    if not folder:
        return []
    wheels = sorted(Path(folder).glob("*.whl"))
    if not wheels:
        raise UsageError(
            f"no wheels in '{folder}', where {WHEELS_VARIABLE} points", f"unset {WHEELS_VARIABLE}, or fill it"
        )
    return [wheel.resolve() for wheel in wheels]


def install_wheels(wheels: Sequence[Path], site: Path, seconds: float) -> Outcome:
    """Install wheels alone into a folder of their own, which this process and its children then look in first.

    The environment is left as it is, and nothing is fetched: what a wheel needs must be carried, too, or be there.
    """
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--upgrade"]
    outcome = run_limited([*words, "--target", str(site), *map(str, wheels)], seconds, site.parent, {})
    if not outcome.reason:
        paths = [str(site), os.environ.get("PYTHONPATH", "")]
        os.environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
        sys.path.insert(0, str(site))
        importlib.invalidate_caches()
    return outcome


def _last_line(words: Sequence[str]) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    return lines[-1] if lines and not done.returncode else ""
