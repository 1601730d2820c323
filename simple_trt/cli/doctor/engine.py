"""Whether an engine was made for this machine, and whether another one would be faster."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from simple_trt.cli.doctor.finding import FINE, Finding
from simple_trt.cli.doctor.processor import AMX, BF16, INT8
from simple_trt.engines import Manifest
from simple_trt.engines.gpu import Gpu

__all__ = ["judge_engine"]

MODULES = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}


def judge_engine(
    manifest: Manifest, frameworks: Mapping[str, str], devices: Sequence[Gpu], flags: frozenset[str]
) -> list[Finding]:
    """What its manifest says against what is here.

    Args:
        manifest: of an engine whose hashes fit.
        frameworks: module -> version of what can be loaded here, empty where it cannot.
        devices: the GPUs.
        flags: instructions of the processor, as /proc/cpuinfo names them.
    """
    name = f"{manifest.name}: {manifest.target}, {manifest.precision}, {'x'.join(map(str, manifest.size))}"
    judge = _cpu if manifest.target == "cpu" else _gpu
    return [Finding("engine", name), *judge(manifest, frameworks, devices, flags)]


def _cpu(
    manifest: Manifest, frameworks: Mapping[str, str], _devices: Sequence[Gpu], flags: frozenset[str]
) -> list[Finding]:
    runtime = frameworks.get(manifest.runtime, "")
    advice = FINE if runtime else f"pip install {manifest.runtime}: another runtime is used in its place"
    return [
        Finding("engine runtime", f"{manifest.runtime} {runtime}" if runtime else "", advice, slows=not runtime),
        _precision(manifest, flags),
    ]


def _precision(manifest: Manifest, flags: frozenset[str]) -> Finding:
    found, command = manifest.precision, manifest.rebuild_command
    if found == "fp32" and flags & INT8 and not flags >= AMX:
        return Finding("engine precision", found, "int8 is faster here: build with --precision int8", slows=True)
    if found == "fp32" and flags & BF16:
        return Finding("engine precision", found, "bf16 is faster here: build with --precision bf16", slows=True)
    if found == "bf16" and not flags & BF16:
        advice = f"this processor has no bf16, so it runs in fp32: build with another --precision than {command}"
        return Finding("engine precision", found, advice, slows=True)
    if found == "int8" and not flags & INT8:
        return Finding("engine precision", found, "it gains little here: compare it with one of fp32", slows=True)
    return Finding("engine precision", found)


def _gpu(
    manifest: Manifest, frameworks: Mapping[str, str], devices: Sequence[Gpu], _flags: frozenset[str]
) -> list[Finding]:
    return [_version(manifest, frameworks), _device(manifest, devices)]


def _version(manifest: Manifest, frameworks: Mapping[str, str]) -> Finding:
    """A plan belongs to the very version that built it, unless it was built to be compatible with newer ones."""
    module = MODULES.get(manifest.target, manifest.runtime)
    built, here = manifest.versions.get(module, "an unknown version"), frameworks.get(module, "")
    compatible = manifest.device.get("version_compatible") is True and _numbers(here) >= _numbers(built)
    if not here:
        return Finding("engine version", "", f"install {module} {built}, which built it", required=True)
    if here == built or compatible:
        return Finding("engine version", f"{module} {here}")
    advice = f"built by {built}, here is {here}: install {built}, or rebuild: {manifest.rebuild_command}"
    return Finding("engine version", "", advice, required=True)


def _numbers(version: str) -> tuple[int, ...]:
    """`10.13.0` -> (10, 13, 0)."""
    return tuple(map(int, re.findall(r"\d+", version)))


def _device(manifest: Manifest, devices: Sequence[Gpu]) -> Finding:
    if not devices:
        return Finding("engine device", "", "it needs an NVIDIA GPU, and this process sees none", required=True)
    gpu, built = devices[0], manifest.device
    level = built.get("hardware_compatibility_level", "none")
    listed = built.get("compute_capabilities") or []
    if manifest.target == "tensorrt-rtx":
        fits = gpu.sm in listed if listed else gpu.compute_capability >= (8, 0)
    elif level == "ampere+":
        fits = gpu.compute_capability >= (8, 0)
    else:
        same_gpu = level == "same-compute-capability" or built.get("gpu") == gpu.name
        fits = built.get("compute_capability") == gpu.sm and same_gpu
    if fits:
        return Finding("engine device", f"{gpu.name} ({gpu.sm})")
    wanted = ", ".join(map(str, listed)) or f"{built.get('gpu')} ({built.get('compute_capability')})"
    advice = f"built for {wanted}, here is {gpu.name} ({gpu.sm}): rebuild here: {manifest.rebuild_command}"
    return Finding("engine device", "", advice, required=True)
