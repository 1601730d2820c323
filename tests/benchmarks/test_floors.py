import math
from dataclasses import replace

import pytest
import torch

from benchmarks.floors import H100, Device, Work, letterbox_work, main, preset_work
from benchmarks.op_cases import GPU_CASES, tensors_of
from benchmarks.results import RESULTS, read_result
from simple_trt.models.presets import find_preset

W32 = find_preset("deploy-w32")
MAP = 64 * 128 * 128 * 2  # bytes of a deploy feature map in fp16


def test_a_pool_moves_its_maps_once():
    work = preset_work(W32, "fp16", 8)
    assert work["corner_pool left"] == Work(8 * MAP, 8 * MAP, 8 * MAP // 2)
    assert work["center_pool"] == Work(16 * MAP, 8 * MAP, 3 * 8 * MAP // 2)
    assert preset_work(W32, "fp32", 8)["center_pool"].read == 32 * MAP


def test_the_floor_is_the_larger_of_memory_and_arithmetic():
    device = Device("slow", bandwidth=100.0, rate=10.0)
    assert device.floor(Work(150, 50, 5)) == 2.0
    assert device.floor(Work(150, 50, 40)) == 4.0
    assert replace(device, rate=math.inf).floor(Work(150, 50, 10**9)) == 2.0
    assert H100.memory_floor(preset_work(W32, "fp16", 8)["center_pool"]) == pytest.approx(15.02e-6, rel=1e-3)


@pytest.mark.parametrize("kind", ["corner_pool top + left", "center_pool", "find_peaks", "crop_heatmaps"])
@pytest.mark.parametrize("batch", [1, 8])
def test_the_bytes_are_those_of_the_tensors_of_the_case(kind, batch):
    case = GPU_CASES[f"deploy-w32 {kind}" + (", batch 8" if batch == 8 else "")]
    arguments = case.arguments(0, torch.float16)
    work = case.work("fp16")
    assert work == preset_work(W32, "fp16", batch)[kind]
    assert work.read == size_of(arguments)
    assert work.written == size_of(tensors_of(case.implementation("kernel")(*arguments)))


def size_of(values):
    return sum(value.numel() * value.element_size() for value in values if isinstance(value, torch.Tensor))


def test_the_gated_crops_are_nearly_all_that_read_keypoints_reads():
    work = preset_work(W32, "fp16", 1)["read_keypoints"]
    crops = 32 * 17 * 32 * 24 * 2
    assert crops < work.read < 1.02 * crops


def test_only_the_suppression_has_steps_that_wait_for_each_other():
    steps = {name: work.steps for name, work in preset_work(W32, "fp16", 1).items()}
    assert steps.pop("group_boxes") == 32
    assert not any(steps.values())


def test_a_larger_photo_is_more_work():
    small, large = letterbox_work(480, 640, "fp16"), letterbox_work(1080, 1920, "fp16")
    assert (small.read, small.written) == (3 * 480 * 640, 3 * 512 * 512 * 2)
    assert large.operations > small.operations


def test_the_committed_table_is_what_the_code_counts(tmp_path):
    out = tmp_path / "floors.json"
    assert main(["--out", str(out)]) == 0
    assert read_result(out)["rows"] == read_result(RESULTS / "floors.json")["rows"]
