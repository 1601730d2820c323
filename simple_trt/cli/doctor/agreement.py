"""Whether driver, CUDA, TensorRT, their Python packages and our libraries are made for each other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from simple_trt.cli.doctor.finding import FINE, Finding
from simple_trt.cli.doctor.machine import Machine

__all__ = ["Agreement", "judge_agreement", "read_toolkit"]

# The oldest driver of each CUDA version, by NVIDIA's table of minor-version compatibility.
OLDEST_DRIVER = {11: "450", 12: "525", 13: "580"}
CUDA_OF_PACKAGE = re.compile(r"(?:-cu|-cuda)(\d\d)x?\b")
NEEDS_GPU = "only needed for engines on an NVIDIA GPU"


@dataclass(frozen=True)
class Agreement:
    """Versions, each empty or None where the thing is not there.

    Args:
        driver_cuda: newest CUDA version that the driver runs, `13.0`.
        toolkit: of nvcc.
        packages: installed Python packages, normalised name -> version.
        tensorrt: of the module that can be imported.
        plugins_for: the TensorRT whose headers our plugin library was compiled with, `10.3`.
        compute_capability: of GPU 0, `87`.
        kernel_archs: the architectures that our kernels were compiled for, as CMake names them; empty without CUDA.
        memory_package: the CUDA package that engines will use.
    """

    driver_cuda: str | None = None
    toolkit: str | None = None
    packages: Mapping[str, str] | None = None
    tensorrt: str = ""
    plugins_for: str = ""
    compute_capability: str = ""
    kernel_archs: str = ""
    memory_package: str = ""


def read_toolkit(machine: Machine) -> str | None:
    """The version of nvcc."""
    found = re.search(r"release ([\d.]+)", machine.command(["nvcc", "--version"]) or "")
    return found[1] if found else None


def judge_agreement(facts: Agreement) -> list[Finding]:
    """One line for each pair that must fit."""
    needed = f"install the CUDA toolkit: only needed to compile the GPU kernels{_toolkit_hint(facts)}"
    return [
        Finding("nvcc", facts.toolkit or "", FINE if facts.toolkit else needed),
        Finding(
            "CUDA from Python",
            facts.memory_package,
            FINE if facts.memory_package else f"pip install 'simple-trt[gpu]': {NEEDS_GPU}",
        ),
        *_packages(facts),
        *_plugins(facts),
        *_kernels(facts),
    ]


def _toolkit_hint(facts: Agreement) -> str:
    return f"; one of CUDA {_major(facts.driver_cuda)} fits the driver" if facts.driver_cuda else ""


def _packages(facts: Agreement) -> list[Finding]:
    """Python packages are made for one major version of CUDA; a driver runs its own and older ones."""
    made_for = {name: int(found[1]) for name in sorted(facts.packages or {}) if (found := CUDA_OF_PACKAGE.search(name))}
    if not made_for:
        return []
    shown = ", ".join(f"CUDA {cuda}: {_names(made_for, cuda)}" for cuda in sorted(set(made_for.values())))
    newest, advice = max(made_for.values()), FINE
    if facts.driver_cuda and newest > _major(facts.driver_cuda):
        advice = (
            f"the driver runs CUDA up to {facts.driver_cuda}: update it to {OLDEST_DRIVER.get(newest, 'a newer one')} "
            f"or newer, or install these packages for CUDA {_major(facts.driver_cuda)}"
        )
    elif len(set(made_for.values())) > 1:
        advice = f"they are for different versions of CUDA: keep those for {newest}, pip uninstall the others"
    return [Finding("packages for CUDA", shown, advice, slows=advice != FINE and bool(facts.driver_cuda))]


def _names(made_for: Mapping[str, int], cuda: int) -> str:
    names = [name for name, made in made_for.items() if made == cuda]
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + rest


def _plugins(facts: Agreement) -> list[Finding]:
    """A plugin library serves one major version of TensorRT."""
    if not facts.plugins_for or not facts.tensorrt:
        return []
    fits = _major(facts.plugins_for) == _major(facts.tensorrt)
    advice = FINE if fits else f"build it with TensorRT_ROOT at the headers of TensorRT {_major(facts.tensorrt)}"
    return [Finding("plugins and TensorRT", f"for {facts.plugins_for}, with {facts.tensorrt}", advice)]


def _kernels(facts: Agreement) -> list[Finding]:
    """The kernels hold code for some GPUs, and for the newest also a form that drivers compile for later ones."""
    if not facts.compute_capability:
        return []
    gpu = f"SM{facts.compute_capability}"
    if not facts.kernel_archs:
        return [Finding("GPU kernels", "", "only needed by the plugins and to train: reinstall where nvcc is")]
    archs = [(int(found[1]), text) for text in facts.kernel_archs.split(",") if (found := re.match(r"(\d+)", text))]
    exact = any(arch == int(facts.compute_capability) for arch, _ in archs)
    later = any(arch < int(facts.compute_capability) and not text.endswith("-real") for arch, text in archs)
    advice = FINE if exact else "the driver compiles them at every first start" if later else ""
    cure = f"reinstall with SIMPLE_TRT_CUDA_ARCHS={facts.compute_capability}"
    built = f"for {', '.join(str(arch) for arch, _ in archs)}; this GPU is {gpu}"
    return [Finding("GPU kernels", built, advice if exact else f"{advice or 'they do not run here'}: {cure}")]


def _major(version: str | None) -> int:
    found = re.match(r"\d+", version or "")
    return int(found[0]) if found else 0
