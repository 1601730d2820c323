"""Our own parts, the frameworks that engines run on, and the targets that follow from both."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from simple_trt.cli.doctor.finding import FINE, Finding

__all__ = ["FRAMEWORKS", "Software", "judge_software", "judge_targets", "missing_libraries"]

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
OPENVINO_CURE = "pip install --upgrade openvino, or reinstall simple-trt with pip install --no-build-isolation"
REQUIRED = ("_core*.so", "libsimple_trt_kernels.so")


@dataclass(frozen=True)
class Software:
    """What is installed.

    Args:
        version: of simple-trt; empty for a source tree.
        models: names of the bundled models.
        frameworks: module -> version; empty where it cannot be loaded.
        libraries: pattern of LIBRARIES -> name of the file; empty where there is none.
        plugins: path of the TensorRT plugin library; empty without.
        openvino_fault: why OpenVINO does without our kernels; empty where it has them.
    """

    version: str
    models: tuple[str, ...]
    frameworks: Mapping[str, str]
    libraries: Mapping[str, str]
    plugins: str
    openvino_fault: str


def missing_libraries(package: Path) -> dict[str, str]:
    """Each pattern of LIBRARIES with the file of the package that fits it, or an empty text."""
    return {pattern: next((path.name for path in package.glob(pattern)), "") for pattern in LIBRARIES}


def judge_software(software: Software) -> list[Finding]:
    """Our package, its models and libraries, and the frameworks."""
    models = ", ".join(software.models)
    plugins = FINE if software.plugins else "only needed for --lowering plugin; the plain lowering works without"
    return [
        Finding("simple-trt", software.version or "source tree"),
        Finding("python", f"{platform.python_version()} on {platform.machine()}"),
        Finding("bundled models", models, FINE if models else "install simple-trt again, or give your own checkpoint"),
        *(
            Finding(pattern, found, FINE if found else LIBRARIES[pattern], pattern in REQUIRED)
            for pattern, found in software.libraries.items()
        ),
        Finding("TensorRT plugins", software.plugins, plugins),
        _judge_openvino_ops(software),
        *(
            Finding(name, found, FINE if found else FRAMEWORKS[name], slows=name == "openvino" and not found)
            for name, found in software.frameworks.items()
        ),
    ]


def _judge_openvino_ops(software: Software) -> Finding:
    if not software.frameworks.get("openvino"):
        return Finding("OpenVINO ops", "", FRAMEWORKS["openvino"])
    if software.openvino_fault:
        advice = f"{software.openvino_fault}: CPU engines decode more slowly; {OPENVINO_CURE}"
        return Finding("OpenVINO ops", "", advice, slows=True)
    return Finding("OpenVINO ops", "the decode on our CPU kernels")


def judge_targets(software: Software, has_gpu: bool) -> list[Finding]:
    """Which targets can be built and run here."""
    frameworks = software.frameworks
    cpu = ", ".join(name for name in ("openvino", "onnxruntime") if frameworks.get(name))
    rtx, tensorrt = bool(frameworks.get("tensorrt_rtx")), bool(frameworks.get("tensorrt"))
    rtx_advice = FINE if has_gpu else "engines are built here and run on a machine with an RTX GPU"
    return [
        Finding("target cpu", f"build and run ({cpu})" if cpu else "", FINE if cpu else "pip install openvino", True),
        Finding(
            "target tensorrt-rtx",
            ("build and run" if has_gpu else "build") if rtx else "",
            rtx_advice if rtx else FRAMEWORKS["tensorrt_rtx"],
        ),
        Finding(
            "target tensorrt",
            "build and run" if tensorrt and has_gpu else "",
            FINE if tensorrt and has_gpu else "needs TensorRT and its GPU on the machine that builds",
        ),
    ]
