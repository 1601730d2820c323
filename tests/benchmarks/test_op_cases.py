import pytest
import torch

from benchmarks import torch_operators
from benchmarks.op_cases import CASES, OpContender, largest_difference, tensors_of
from simple_trt import ops
from simple_trt.ops import Direction, reference

EVERY_OP = {"letterbox", "center_pool", "corner_pool", "find_peaks", "group_boxes", "crop_heatmaps", "read_keypoints"}


def test_the_cases_cover_every_op_at_both_presets():
    assert {case.op for case in CASES.values()} == EVERY_OP
    for preset in ("deploy-w18", "edge"):
        assert {case.op for name, case in CASES.items() if name.startswith(preset)} == EVERY_OP - {"letterbox"}


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("edge") or "640" in name])
def test_the_kernel_equals_its_twin_on_the_inputs_that_are_timed(name):
    case = CASES[name]
    arguments = case.arguments(0, torch.float32)
    expected = case.implementation("twin")(*arguments)
    assert largest_difference(case, case.implementation("kernel")(*arguments), expected) <= max(case.tolerances)
    assert all(result.float().abs().max() > 0 for result in tensors_of(expected)[:1])


def test_a_wrong_result_is_not_let_through():
    case = CASES["edge center_pool"]
    expected = case.implementation("twin")(*case.arguments(0, torch.float32))
    wrong = expected.clone()
    wrong[0, 0, 5, 5] += 1e-6
    with pytest.raises(ValueError, match=r"'edge center_pool': differs from its twin by"):
        largest_difference(case, wrong, expected)
    wrong[0, 0, 5, 5] = float("nan")
    with pytest.raises(ValueError, match="nan"):
        largest_difference(case, wrong, expected)


def test_padding_of_minus_infinity_counts_as_equal():
    case = CASES["edge find_peaks"]
    expected = case.implementation("twin")(*case.arguments(0, torch.float32))
    assert expected[0].isinf().any()
    assert largest_difference(case, expected, expected) == 0


def test_the_inputs_follow_the_seed_and_the_type():
    make = CASES["edge corner_pool top + left"].arguments
    assert torch.equal(make(3, torch.float32)[0], make(3, torch.float32)[0])
    assert not torch.equal(make(3, torch.float32)[0], make(4, torch.float32)[0])
    assert make(3, torch.float16)[2].dtype == torch.float16


@pytest.mark.parametrize("direction", list(Direction))
def test_torchs_own_running_maximum_is_the_same_function(direction):
    x, other = torch.randn(2, 1, 3, 9, 7, generator=torch.Generator().manual_seed(0))
    for rest in ((), (other,), (other, Direction.TOP)):
        expected = reference.corner_pool(x, direction, *rest)
        assert torch.equal(torch_operators.corner_pool(x, direction, *rest), expected)


def test_torchs_own_crops_are_the_same_inside_the_map():
    heatmaps = torch.randn(1, 4, 32, 40, generator=torch.Generator().manual_seed(1))
    boxes = torch.tensor([[[30.0, 30, 70, 90], [60, 40, 120, 70]]])
    for samples in (1, 2):
        settings = (4, 16, 12, 1.25, samples)
        ours = ops.crop_heatmaps(heatmaps, boxes, *settings)[0]
        assert (torch_operators.crop_heatmaps(heatmaps, boxes, *settings) - ours).abs().max() < 1e-5


def test_a_case_without_that_implementation_says_so():
    with pytest.raises(ValueError, match="no implementation 'native'"):
        CASES["edge group_boxes"].implementation("native")


def test_the_contender_runs_what_the_task_names():
    contender = OpContender("edge find_peaks", seed=0, threads=1)
    kernel, twin = contender.outputs("kernel"), contender.outputs("twin")
    assert (kernel["1"] == twin["1"]).all()
