"""`simple-trt doctor`: what this machine has, what slows it down, and what to do about it.

Each file here is about one thing: small functions read its facts from a `Machine`, others judge them, and know nothing
of where they came from. This file gathers and prints.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from typing import Any

from simple_trt import zoo
from simple_trt.cli.doctor.agreement import Agreement, judge_agreement, read_toolkit
from simple_trt.cli.doctor.engine import judge_engine
from simple_trt.cli.doctor.finding import FINE, Finding
from simple_trt.cli.doctor.graphics import judge_graphics, read_graphics
from simple_trt.cli.doctor.machine import Machine
from simple_trt.cli.doctor.memory import judge_memory, read_memory
from simple_trt.cli.doctor.power import judge_clocks, judge_jetson, read_clocks, read_jetson
from simple_trt.cli.doctor.processor import judge_processor, judge_threads, read_processor, read_threads
from simple_trt.cli.doctor.software import FRAMEWORKS, Software, judge_software, judge_targets, missing_libraries
from simple_trt.cli.doctor.video import judge_video, read_video
from simple_trt.engines.cuda_packages import installed_package
from simple_trt.engines.gpu import driver_version, find_gpus
from simple_trt.engines.manifest import verified_manifest
from simple_trt.engines.openvino_ops import library_fault
from simple_trt.engines.tensorrt import plugin_library, plugins_made_for
from simple_trt.errors import EXIT_FAILURE, SimpleTrtError

__all__ = ["FINE", "Finding", "add_parser", "examine", "run"]

PACKAGE = Path(__file__).resolve().parents[2]
MAX_COLUMN = 48
DESCRIPTION = """Look at everything that decides how fast engines run here. Every line ends in what to do; lines
marked ! cost speed now. With ENGINE, also whether that engine fits this machine. Exit code 1 when something needed is
missing."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb and its flags."""
    parser = subparsers.add_parser(
        "doctor", help="check this machine, and say what makes it slow", description=DESCRIPTION
    )
    parser.add_argument("engine", nargs="?", metavar="ENGINE", help="an engine that is to run here")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(args: argparse.Namespace) -> int:
    """Print the findings; 1 when something is missing that every engine, or the one given, needs.

    Raises:
        SimpleTrtError: the engine's files do not fit each other.
    """
    findings = examine(args.engine)
    if args.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        _print_table(findings)
    return EXIT_FAILURE if any(finding.required and not finding.found for finding in findings) else 0


def _print_table(findings: list[Finding]) -> None:
    """Columns of name, what was found and what to do; long findings push their advice to the right."""
    names = max(len(finding.name) for finding in findings) + 2
    column = min(MAX_COLUMN, max(len(finding.found) for finding in findings)) + 2
    part = ""
    for finding in findings:
        if finding.part != part:
            part = finding.part
            print(f"\n{part}")
        mark = "!" if finding.slows else " "
        print(f"{mark} {finding.name:<{names}}{finding.found or 'missing':<{column - 1}} {finding.advice}")
    slow = sum(finding.slows for finding in findings)
    print(f"\n{slow or 'no'} line{'' if slow == 1 else 's'} marked !: what costs speed now")


def examine(engine: str | None = None, machine: Machine | None = None) -> list[Finding]:
    """Everything there is to say about this machine, and about an engine on it.

    Args:
        engine: path of an engine, or None.
        machine: where to look; this machine by default.

    Raises:
        SimpleTrtError: the engine or its manifest is missing, or they do not fit each other.
    """
    parts = _parts(engine, machine or Machine())
    return [replace(finding, part=part) for part, findings in parts for finding in findings]


def _parts(engine: str | None, machine: Machine) -> Iterator[tuple[str, list[Finding]]]:
    software, devices, cuda = _software(), find_gpus(), driver_version()
    processor = read_processor(machine)
    if engine is not None:
        if not Path(engine).is_file():
            raise SimpleTrtError(
                f"no engine '{engine}'", "check the path; without ENGINE the machine alone is examined"
            )
        manifest = verified_manifest(engine)
        yield "Engine", judge_engine(manifest, software.frameworks, devices, processor.flags)
    yield "Processor", [*judge_processor(processor), *judge_threads(read_threads(machine, os.environ))]
    yield "Memory", judge_memory(read_memory(machine))
    yield "Power", [*judge_jetson(read_jetson(machine)), *judge_clocks(read_clocks(machine))]
    yield "GPU", judge_graphics(read_graphics(machine, devices, cuda))
    capability = "{}{}".format(*devices[0].compute_capability) if devices else ""
    yield "CUDA and TensorRT", judge_agreement(_agreement(machine, software, capability, cuda))
    yield "Video", judge_video(read_video(machine, *_opencv()))
    yield "Software", judge_software(software)
    yield "Targets", judge_targets(software, bool(devices))


def _software() -> Software:
    return Software(
        version=_version("simple-trt"),
        models=tuple(zoo.names()),
        frameworks={name: getattr(_module(name), "__version__", "") for name in FRAMEWORKS},
        libraries=missing_libraries(PACKAGE),
        plugins=str(plugin_library() or ""),
        openvino_fault=library_fault() if _module("openvino") else "",
    )


def _agreement(machine: Machine, software: Software, capability: str, cuda: str | None) -> Agreement:
    memory = installed_package()
    return Agreement(
        driver_cuda=cuda,
        toolkit=read_toolkit(machine),
        packages={_normal(found.metadata["Name"]): found.version for found in distributions()},
        tensorrt=software.frameworks["tensorrt"],
        plugins_for=plugins_made_for(Path(software.plugins)) if software.plugins else "",
        compute_capability=capability,
        kernel_archs=getattr(_module("simple_trt._core"), "cuda_archs", ""),
        memory_package=memory.package if memory else "",
    )


def _opencv() -> tuple[str, str]:
    """Version and build information; empty texts without it."""
    cv2 = _module("cv2")
    return (str(cv2.__version__), str(cv2.getBuildInformation())) if cv2 is not None else ("", "")


def _normal(name: str | None) -> str:
    """A package's name as registries write it: wheels may have `_` where their index has `-`."""
    return re.sub(r"[-_.]+", "-", name or "").lower()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _module(name: str) -> Any:
    """A module that can really be loaded, else None."""
    try:
        return import_module(name)
    except Exception:  # whatever a broken installation raises
        return None
