import numpy as np
import pytest

from benchmarks.answers import compare_answers, people_of, require_equal
from simple_trt.errors import SimpleTrtError


def outputs(shift=0.0, num=2, **changes):
    boxes = np.zeros((1, 32, 4), np.float32)
    scores = np.zeros((1, 32), np.float32)
    keypoints = np.zeros((1, 32, 17, 3), np.float32)
    for i in range(num):
        boxes[0, i] = np.array([10, 20, 60, 120]) + 100 * i + shift
        scores[0, i] = 0.9 - 0.2 * i
        keypoints[0, i] = (*(boxes[0, i, :2] + 20), 0.8)
    return {"boxes": boxes, "scores": scores, "keypoints": keypoints, "num": np.array([num], np.int32)} | changes


def test_only_the_rows_that_are_used_are_people():
    people = people_of(outputs(), 512)
    assert len(people) == 2
    assert people.boxes.xyxy[1].tolist() == [110, 120, 160, 220]


def test_equal_answers_differ_by_nothing():
    answers = compare_answers({"torch": outputs(), "cpu": outputs()}, "torch", 512)
    assert answers["cpu"]["rows_px"] == 0
    assert answers["cpu"]["matched"] == answers["cpu"]["reference"] == answers["cpu"]["num"] == 2
    require_equal(answers, ["cpu"])


@pytest.mark.parametrize("wrong", [outputs(shift=1.0), outputs(num=1), outputs(num=3), outputs(num=0)])
def test_another_answer_in_full_precision_is_not_timed(wrong):
    answers = compare_answers({"torch": outputs(), "cpu": wrong}, "torch", 512)
    with pytest.raises(SimpleTrtError, match="'cpu' answers otherwise"):
        require_equal(answers, ["cpu"])


def test_other_row_counts_have_no_distance():
    assert compare_answers({"torch": outputs(), "cpu": outputs(num=1)}, "torch", 512)["cpu"]["rows_px"] is None


def test_numbers_that_are_none_are_refused_by_name():
    bad = outputs()
    bad["keypoints"][0, 1, 3, 0] = np.nan
    with pytest.raises(SimpleTrtError, match="'cpu' answers numbers that are not finite"):
        compare_answers({"torch": outputs(), "cpu": bad}, "torch", 512)


def test_outputs_of_another_shape_are_refused():
    with pytest.raises(SimpleTrtError, match="'cpu' has outputs of other shapes"):
        compare_answers({"torch": outputs(), "cpu": outputs(scores=np.zeros((1, 16), np.float32))}, "torch", 512)
