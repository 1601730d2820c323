from __future__ import annotations

from typing import Any

import pytest

from simple_trt.cli.doctor.engine import judge_engine
from simple_trt.engines.gpu import Gpu
from simple_trt.engines.manifest import Manifest, Plan
from tests.cli.doctor.planted import by_name

ORIN = Gpu("Orin", (8, 7), 8 << 30)
RTX = Gpu("NVIDIA GeForce RTX 4090", (8, 9), 24 << 30)
BUILT_ON_ORIN = {"gpu": "Orin", "compute_capability": "SM87"}


def manifest(**changes: Any) -> Manifest:
    values: dict[str, Any] = {
        "name": "edge",
        "target": "tensorrt",
        "runtime": "tensorrt",
        "precision": "fp16",
        "lowering": "plain",
        "batch": 1,
        "size": (512, 384),
        "skeleton": "coco",
        "plan": Plan("edge.plan", "0" * 64, 1),
        "onnx": {"sha256": "0" * 64},
        "versions": {"tensorrt": "10.3.0"},
        "device": BUILT_ON_ORIN,
        "build_command": "simple-trt build edge-512 --target tensorrt -o edge.plan",
    }
    return Manifest(**values | changes)


def judged(given: Manifest, here: str = "10.3.0", gpus: tuple[Gpu, ...] = (ORIN,), flags: str = ""):
    frameworks = {"tensorrt": here, "tensorrt_rtx": here, "openvino": here, "onnxruntime": ""}
    return by_name(judge_engine(given, frameworks, gpus, frozenset(flags.split())))


def test_engine_that_fits() -> None:
    findings = judged(manifest())
    assert findings["engine"].found == "edge: tensorrt, fp16, 512x384"
    assert all(finding.found and finding.advice == "nothing to do" for finding in findings.values())


@pytest.mark.parametrize(
    ("device", "here", "runs"),
    [
        (BUILT_ON_ORIN, "10.13.0", False),
        (BUILT_ON_ORIN | {"version_compatible": True}, "10.13.0", True),
        (BUILT_ON_ORIN | {"version_compatible": True}, "10.2.0", False),
        (BUILT_ON_ORIN, "", False),
    ],
)
def test_engine_of_another_version(device: dict[str, Any], here: str, runs: bool) -> None:
    finding = judged(manifest(device=device), here)["engine version"]
    assert bool(finding.found) == runs
    assert finding.required != runs
    if here and not runs:
        assert f"built by 10.3.0, here is {here}" in finding.advice
        assert "simple-trt build edge-512" in finding.advice


@pytest.mark.parametrize(
    ("target", "device", "gpus", "runs"),
    [
        ("tensorrt", BUILT_ON_ORIN, (RTX,), False),
        ("tensorrt", BUILT_ON_ORIN, (), False),
        ("tensorrt", BUILT_ON_ORIN | {"hardware_compatibility_level": "ampere+"}, (RTX,), True),
        ("tensorrt", BUILT_ON_ORIN | {"hardware_compatibility_level": "same-compute-capability"}, (RTX,), False),
        ("tensorrt", {"gpu": "Orin NX", "compute_capability": "SM87"}, (ORIN,), False),
        ("tensorrt-rtx", {"compute_capabilities": ["SM86", "SM89"]}, (RTX,), True),
        ("tensorrt-rtx", {"compute_capabilities": ["SM86"]}, (RTX,), False),
        ("tensorrt-rtx", {"compute_capabilities": []}, (RTX,), True),
    ],
)
def test_engine_for_a_gpu(target: str, device: dict[str, Any], gpus: tuple[Gpu, ...], runs: bool) -> None:
    versions = {"tensorrt": "10.3.0", "tensorrt_rtx": "10.3.0"}
    finding = judged(manifest(target=target, device=device, versions=versions), gpus=gpus)["engine device"]
    assert bool(finding.found) == runs
    assert finding.required != runs


@pytest.mark.parametrize(
    ("precision", "flags", "advice"),
    [
        ("fp32", "avx2", "nothing to do"),
        ("fp32", "avx2 avx512_vnni avx512_bf16", "int8 is faster here"),
        ("fp32", "avx2 avx512_bf16", "bf16 is faster here"),
        ("fp32", "avx2 avx512_vnni amx_int8 amx_bf16", "bf16 is faster here"),
        ("bf16", "avx2", "no bf16"),
        ("bf16", "avx2 amx_bf16", "nothing to do"),
        ("int8", "avx2", "gains little"),
        ("int8", "asimd asimddp", "nothing to do"),
    ],
)
def test_precision_of_a_cpu_engine(precision: str, flags: str, advice: str) -> None:
    given = manifest(target="cpu", runtime="openvino", precision=precision)
    finding = judged(given, flags=flags)["engine precision"]
    assert advice in finding.advice
    assert finding.slows == (advice != "nothing to do")


def test_runtime_that_is_not_installed() -> None:
    finding = judged(manifest(target="cpu", runtime="onnxruntime", precision="fp32"))["engine runtime"]
    assert not finding.found and finding.slows
    assert finding.advice.startswith("pip install onnxruntime")
