"""What of the GPU benchmarks can be shown without a GPU: their cases, their answers' check, their arithmetic."""

import math

import pytest
import torch

from benchmarks import gpu_decode, gpu_kernels
from benchmarks.floors import Device
from benchmarks.gpu_kernels import Machine, shares
from benchmarks.op_cases import CASES, GPU_CASES, largest_difference
from simple_trt import ops
from simple_trt.errors import SimpleTrtError
from simple_trt.models.presets import find_preset
from simple_trt.ops import reference

SETTINGS = find_preset("deploy-w32").settings
KINDS = {name.partition(" ")[2] for name in CASES if name.startswith("edge")}


def test_every_kernel_is_timed_at_batch_1_and_8():
    for suffix in ("", ", batch 8"):
        assert {k.removeprefix("deploy-w32 ").removesuffix(", batch 8") for k in names(suffix)} == KINDS
    assert all(case.work is not None and case.work("fp16").read > 0 for case in GPU_CASES.values())


def names(suffix):
    return [n for n in GPU_CASES if n.startswith("deploy-w32") and n.endswith(", batch 8") == bool(suffix)]


@pytest.mark.parametrize("kind", ["find_peaks", "group_boxes", "crop_heatmaps", "read_keypoints"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_the_kernel_equals_its_twin_on_a_batch(kind, dtype):
    case = GPU_CASES[f"deploy-w32 {kind}, batch 8"]
    arguments = case.arguments(0, dtype)
    expected = case.implementation("twin")(*arguments)
    largest_difference(case, case.implementation("kernel")(*arguments), expected)


def test_shares_are_of_the_copy_and_of_the_floor_with_its_launches():
    case = GPU_CASES["deploy-w32 center_pool, batch 8"]
    work = case.work("fp16")
    device = Device("test", bandwidth=(work.read + work.written) / 10e-6, rate=math.inf)  # its bytes take 10 us
    found = shares(case, "fp16", Machine(device, launch=2e-6, serial=None), cold_ms=0.016)
    assert found["share_of_copy"] == pytest.approx(10 / 16, abs=1e-4)
    assert found["share_of_floor"] == pytest.approx(12 / 16, abs=1e-4)
    assert found["floor_ms"] == pytest.approx(0.012)
    assert shares(case, "fp16", Machine(device, 2e-6, None), cold_ms=None)["share_of_floor"] is None


@pytest.mark.parametrize("people", [0, 5])
def test_the_decode_finds_what_the_twins_find(people):
    maps = gpu_decode.planted_batch(people, 2, torch.float32)
    got, expected = (gpu_decode.decode(kernels, maps, SETTINGS) for kernels in (ops, reference))
    assert gpu_decode.agree(got, expected)
    assert (expected[2] >= people).all()


def test_a_wrong_answer_is_noticed():
    boxes, keypoints, num = gpu_decode.decode(ops, gpu_decode.planted_batch(5, 1, torch.float32), SETTINGS)
    good = boxes, keypoints, num
    assert not gpu_decode.agree((boxes + 1, keypoints, num), good)
    assert not gpu_decode.agree((boxes, keypoints + 1, num), good)
    assert not gpu_decode.agree((boxes, keypoints, num + 1), good)


def test_copies_of_arguments_lie_apart_and_exceed_the_caches():
    x = torch.zeros(8, 64, 128, 128, dtype=torch.float16)
    made = gpu_kernels.copies((x, 3))
    assert len(made) * x.numel() * 2 >= gpu_kernels.BEYOND_CACHES
    assert len({c[0].data_ptr() for c in made}) == len(made)
    assert all(c[1] == 3 for c in made)
    assert len(gpu_kernels.copies((torch.zeros(1),))) == gpu_kernels.MOST_COPIES


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize("benchmark", [gpu_kernels, gpu_decode])
def test_without_a_gpu_it_says_so(tmp_path, benchmark):
    with pytest.raises(SimpleTrtError, match="torch sees no GPU"):
        benchmark.main(["--out", str(tmp_path / "x.json")])
