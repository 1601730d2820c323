from __future__ import annotations

from pathlib import Path

import pytest

from simple_trt.cli.doctor.agreement import Agreement, judge_agreement, read_toolkit
from tests.cli.doctor.planted import by_name, planted

NVCC = "nvcc: NVIDIA (R) Cuda compiler driver\nCuda compilation tools, release 12.6, V12.6.68\n"


def test_toolkit(tmp_path: Path) -> None:
    assert read_toolkit(planted(tmp_path, {}, {"nvcc": NVCC})) == "12.6"
    assert read_toolkit(planted(tmp_path, {})) is None


def test_machine_without_a_gpu() -> None:
    findings = by_name(judge_agreement(Agreement()))
    assert set(findings) == {"nvcc", "CUDA from Python"}
    assert "fits the driver" not in findings["nvcc"].advice
    assert "CUDA 12 fits the driver" in by_name(judge_agreement(Agreement(driver_cuda="12.4")))["nvcc"].advice


@pytest.mark.parametrize(
    ("driver", "packages", "advice"),
    [
        ("13.0", ["cupy-cuda13x", "tensorrt-cu13"], "nothing to do"),
        ("13.0", ["cupy-cuda12x"], "nothing to do"),  # drivers run older versions, too
        ("12.4", ["cupy-cuda13x"], "update it to 580 or newer, or install these packages for CUDA 12"),
        ("13.1", ["cupy-cuda12x", "tensorrt-cu13"], "keep those for 13, pip uninstall the others"),
        (None, ["tensorrt-rtx-cu13"], "nothing to do"),
    ],
)
def test_packages_for_a_cuda(driver: str | None, packages: list[str], advice: str) -> None:
    facts = Agreement(driver_cuda=driver, packages=dict.fromkeys([*packages, "cuda-python", "numpy"], "1.0"))
    finding = by_name(judge_agreement(facts))["packages for CUDA"]
    assert advice in finding.advice
    assert finding.slows == (advice != "nothing to do")
    assert all(name in finding.found for name in packages)
    assert "numpy" not in finding.found


def test_many_packages_are_counted() -> None:
    packages = dict.fromkeys((f"nvidia-part{i}-cu12" for i in range(9)), "1")
    assert by_name(judge_agreement(Agreement(packages=packages)))["packages for CUDA"].found.endswith("and 6 more")


@pytest.mark.parametrize(("plugins", "advice"), [("10.13", "nothing to do"), ("11.1", "headers of TensorRT 10")])
def test_plugins_and_tensorrt(plugins: str, advice: str) -> None:
    facts = Agreement(tensorrt="10.3.0", plugins_for=plugins)
    assert advice in by_name(judge_agreement(facts))["plugins and TensorRT"].advice
    assert "plugins and TensorRT" not in by_name(judge_agreement(Agreement(tensorrt="10.3.0")))


@pytest.mark.parametrize(
    ("archs", "advice"),
    [
        ("75-real,87-real,90", "nothing to do"),
        ("75-real,80", "the driver compiles them at every first start: reinstall with SIMPLE_TRT_CUDA_ARCHS=87"),
        ("90-real", "they do not run here: reinstall with SIMPLE_TRT_CUDA_ARCHS=87"),
        ("", "reinstall where nvcc is"),
    ],
)
def test_kernels_for_this_gpu(archs: str, advice: str) -> None:
    finding = by_name(judge_agreement(Agreement(compute_capability="87", kernel_archs=archs)))["GPU kernels"]
    assert advice in finding.advice
    assert ("SM87" in finding.found) == bool(archs)
