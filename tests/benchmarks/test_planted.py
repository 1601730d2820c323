import numpy as np
import pytest
import torch

from benchmarks.planted import grid_boxes, planted_maps
from simple_trt.ops import reference


def iou(a, b):
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    shared = np.clip(high - low, 0, None).prod()
    return shared / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared)


@pytest.mark.parametrize("people", [0, 1, 5, 15, 30])
def test_boxes_are_as_many_as_asked_inside_the_picture_and_apart(people):
    boxes = grid_boxes(people, 512)
    assert boxes.shape == (people, 4)
    assert (boxes >= 0).all()
    assert (boxes <= 512).all()
    assert all(iou(a, b) == 0 for i, a in enumerate(boxes) for b in boxes[:i])


@pytest.mark.parametrize("people", [0, 1, 5, 15, 30])
def test_every_planted_person_is_decoded(people):
    maps = {name: torch.from_numpy(values) for name, values in planted_maps(people, 512, seed=2).items()}
    scores, indices = reference.find_peaks(maps["points"], -2.1972, 32)
    assert (scores > float("-inf")).sum(2).tolist() == [[people] * 3]
    boxes, _, _, num = reference.group_boxes(scores, indices, maps["offsets"], 4, 22500.0, 0.5, 32)
    found = boxes[0, : int(num)].numpy()
    for planted in grid_boxes(people, 512, seed=2)[: len(found)]:
        assert max(iou(planted, box) for box in found) > 0.95 or len(found) == 32


def test_nobody_gives_maps_without_a_peak():
    maps = planted_maps(0, 128)
    assert maps["points"].max() < -4
    assert maps["points"].shape == (1, 3, 32, 32)
    assert maps["offsets"].shape == (1, 6, 32, 32)
    assert maps["pose"].shape == (1, 17, 32, 32)
