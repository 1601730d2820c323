"""`simple-trt doctor`: what this machine has, what it lacks, and what to do about it."""

from __future__ import annotations

import argparse
import json
import platform
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from simple_trt import zoo
from simple_trt.engines.cuda_packages import installed_package
from simple_trt.engines.gpu import driver_version, find_gpus
from simple_trt.engines.tensorrt import plugin_library
from simple_trt.errors import EXIT_FAILURE

PACKAGE = Path(__file__).resolve().parents[1]
FINE = "nothing to do"
CPU_FLAGS = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx_vnni",
    "avx512_bf16",
    "amx_bf16",
    "amx_int8",
    "asimd",
    "bf16",
    "i8mm",
)
FRAMEWORKS = {
    "openvino": "pip install openvino: the faster CPU engine",
    "onnxruntime": "pip install onnxruntime: the other CPU engine, and what builds are compared on",
    "onnx": "pip install onnx: needed to build engines",
    "torch": "pip install 'simple-trt[export]': only needed to export other sizes, and to train",
    "tensorrt_rtx": "pip install tensorrt-rtx: only needed for --target tensorrt-rtx",
    "tensorrt": "comes with JetPack, elsewhere pip install tensorrt: only needed for --target tensorrt",
}
LIBRARIES = {
    "_core*.so": "reinstall with a C++ compiler (in a checkout: make build): 'simple-trt run' cannot work without it",
    "libsimple_trt_kernels.so": "reinstall with a C++ compiler (in a checkout: make build)",
    "libsimple_trt_torch.so": "reinstall with PyTorch already there: only needed to train",
}
REQUIRED = ("_core*.so", "libsimple_trt_kernels.so")


@dataclass(frozen=True)
class Finding:
    """One line: what was looked for, what was found (empty when missing), what to do, and whether all else needs it."""

    name: str
    found: str
    advice: str = FINE
    required: bool = False


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb and its flags."""
    parser = subparsers.add_parser("doctor", help="check this machine, and say what to do")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(args: argparse.Namespace) -> int:
    """Print the findings; 1 when something that every engine needs is missing."""
    findings = examine()
    if args.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        _print_table(findings)
    return EXIT_FAILURE if any(finding.required and not finding.found for finding in findings) else 0


def _print_table(findings: list[Finding]) -> None:
    name_width = max(len(finding.name) for finding in findings) + 2
    found_width = max(len(finding.found) for finding in findings) + 2
    for finding in findings:
        print(f"{finding.name:<{name_width}}{finding.found or 'missing':<{found_width}}{finding.advice}")


def examine() -> list[Finding]:
    """Everything there is to say about this machine."""
    parts: tuple[Callable[[], list[Finding]], ...] = (_system, _frameworks, _libraries, _cuda, _engines)
    return [finding for part in parts for finding in part()]


def _system() -> list[Finding]:
    flags = _cpu_flags()
    fast = [flag for flag in CPU_FLAGS if flag in flags]
    bf16 = {"avx512_bf16", "amx_bf16", "bf16"} & flags
    int8 = {"avx512_vnni", "avx_vnni", "amx_int8", "i8mm"} & flags
    advice = "use --precision " + (
        "bf16 or int8" if bf16 and int8 else "int8" if int8 else "fp32: the others gain little"
    )
    models = ", ".join(zoo.names())
    return [
        Finding("simple-trt", _version("simple-trt") or "source tree"),
        Finding("python", f"{platform.python_version()} on {platform.machine()}"),
        Finding("cpu", _cpu_name(), FINE),
        Finding("cpu instructions", " ".join(fast) or "none of note", advice),
        Finding("bundled models", models, FINE if models else "install simple-trt again, or give your own checkpoint"),
    ]


def _frameworks() -> list[Finding]:
    return [
        Finding(name, found, FINE if found else advice)
        for name, advice in FRAMEWORKS.items()
        for found in [_importable(name)]
    ]


def _libraries() -> list[Finding]:
    findings = []
    for pattern, advice in LIBRARIES.items():
        found = next((path.name for path in PACKAGE.glob(pattern)), "")
        findings.append(Finding(pattern, found, FINE if found else advice, pattern in REQUIRED))
    plugins = plugin_library()
    advice = FINE if plugins else "only needed for --lowering plugin; the plain lowering works without"
    return [*findings, Finding("TensorRT plugins", str(plugins or ""), advice)]


def _cuda() -> list[Finding]:
    gpus = ", ".join(f"{gpu.name} ({gpu.sm}, {gpu.memory / 2**30:.0f} GiB)" for gpu in find_gpus())
    driver, nvcc, memory = driver_version(), _nvcc_version(), installed_package()
    needed = "only needed for engines on an NVIDIA GPU"
    return [
        Finding("NVIDIA driver", f"CUDA {driver}" if driver else "", FINE if driver else f"install it: {needed}"),
        Finding("GPU", gpus, FINE if gpus else needed),
        Finding(
            "nvcc", nvcc or "", FINE if nvcc else "install the CUDA toolkit: only needed to compile the GPU kernels"
        ),
        Finding(
            "CUDA from Python",
            memory.package if memory else "",
            FINE if memory else f"pip install 'simple-trt[gpu]': {needed}",
        ),
    ]


def _engines() -> list[Finding]:
    """Which targets can be built and run here."""
    gpu = bool(find_gpus())
    cpu = [name for name in ("openvino", "onnxruntime") if _importable(name)]
    rtx, tensorrt = bool(_importable("tensorrt_rtx")), bool(_importable("tensorrt"))
    no_gpu = "engines are built here and run on a machine with an RTX GPU"
    return [
        Finding(
            "target cpu",
            f"build and run ({', '.join(cpu)})" if cpu else "",
            FINE if cpu else "pip install openvino",
            True,
        ),
        Finding(
            "target tensorrt-rtx",
            ("build and run" if gpu else "build") if rtx else "",
            (FINE if gpu else no_gpu) if rtx else FRAMEWORKS["tensorrt_rtx"],
        ),
        Finding(
            "target tensorrt",
            "build and run" if tensorrt and gpu else "",
            FINE if tensorrt and gpu else "needs TensorRT and its GPU on the machine that builds",
        ),
    ]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _importable(module: str) -> str:
    """The version of a module that can really be loaded, else an empty text."""
    try:
        return str(import_module(module).__version__)
    except Exception:  # whatever a broken installation raises
        return ""


def _cpu_flags() -> set[str]:
    found = re.search(r"^(?:flags|Features)\s*:\s*(.*)$", _cpuinfo(), re.MULTILINE)
    return set(found[1].split()) if found else set()


def _cpu_name() -> str:
    found = re.search(r"^(?:model name|Model)\s*:\s*(.*)$", _cpuinfo(), re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()


def _cpuinfo() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _nvcc_version() -> str | None:
    nvcc = shutil.which("nvcc") or shutil.which("nvcc", path="/usr/local/cuda/bin")
    if nvcc is None:
        return None
    try:
        text = subprocess.run([nvcc, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"release ([\d.]+)", text)
    return found[1] if found else None
