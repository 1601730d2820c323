"""Likeness of poses and boxes: COCO's own computation on random cases, and what can be said without computing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simple_trt.similarity import box_iou, oks
from simple_trt.skeletons import COCO, MPII


def cocoeval_oks(found: np.ndarray, truth: np.ndarray, visible: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """[n,m] by pycocotools; a person of the truth needs a visible keypoint."""
    cocoapi = pytest.importorskip("pycocotools.coco")
    from pycocotools.cocoeval import COCOeval

    def entry(number: int, xy: np.ndarray, v: np.ndarray, area: float) -> dict[str, object]:
        keypoints = np.concatenate([xy, v[:, None]], axis=1).ravel().tolist()
        box = {"bbox": [0, 0, 1, 1], "area": float(area), "iscrowd": 0, "ignore": 0}
        # pycocotools orders what was found by its score
        return box | {"id": number + 1, "image_id": 1, "category_id": 1, "keypoints": keypoints, "score": -number}

    def dataset(entries: list[dict[str, object]]) -> object:
        coco = cocoapi.COCO()
        coco.dataset = {"images": [{"id": 1}], "annotations": entries, "categories": [{"id": 1}]}
        coco.createIndex()
        return coco

    ones = np.ones(len(COCO))
    truth_entries = [
        entry(j, xy, 2.0 * v, area) | {"num_keypoints": int(v.sum())}
        for j, (xy, v, area) in enumerate(zip(truth, visible, areas, strict=True))
    ]
    measure = COCOeval(
        dataset(truth_entries), dataset([entry(i, xy, ones, 1) for i, xy in enumerate(found)]), "keypoints"
    )
    measure._prepare()
    return np.array(measure.computeOks(1, 1))


def random_people(seed: int, n: int, m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Poses found [n,17,2], close to the true ones [m,17,2], visibilities [m,17] and areas [m]."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0, 200, (m, 17, 2))
    found = truth[rng.integers(m, size=n)] + rng.normal(scale=rng.uniform(0.5, 30), size=(n, 17, 2))
    visible = rng.random((m, 17)) < rng.uniform(0.1, 1)
    visible[np.arange(m), rng.integers(17, size=m)] = True
    return found, truth, visible, rng.uniform(1, 4e4, m)


@pytest.mark.parametrize("seed", range(20))
def test_oks_is_that_of_pycocotools(seed: int) -> None:
    found, truth, visible, areas = random_people(seed, n=1 + seed % 6, m=1 + seed % 4)
    expected = cocoeval_oks(found, truth, visible, areas)
    assert expected.max() > 0.01
    assert oks(found, truth, areas, COCO.sigmas, visible) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(st.integers(0, 10_000))
def test_oks_does_not_depend_on_the_direction(seed: int) -> None:
    found, truth, _, _ = random_people(seed, 3, 2)
    rng = np.random.default_rng(seed)
    areas, common = rng.uniform(1, 1e4, (3, 2)), rng.random((3, 2, 17)) < 0.5
    there = oks(found, truth, areas, COCO.sigmas, common)
    back = oks(truth, found, areas.T, COCO.sigmas, common.swapaxes(0, 1))
    assert there == pytest.approx(back.T)
    assert (there >= 0).all() and (there <= 1).all()


def test_only_common_keypoints_count() -> None:
    pose = np.zeros((1, 16, 2))
    other = pose + np.where(np.arange(16) < 4, 0.0, 1e6)[:, None]
    first_four = np.arange(16) < 4
    assert oks(pose, other, 100, MPII.sigmas, first_four) == pytest.approx(1)
    assert oks(pose, other, 100, MPII.sigmas, True) == pytest.approx(4 / 16)
    assert oks(pose, other, 100, MPII.sigmas, False).tolist() == [[0]]


def test_too_few_common_keypoints_are_no_likeness() -> None:
    pose = np.zeros((1, 17, 2))
    for number, expected in ((2, 0.0), (3, 1.0)):
        assert oks(pose, pose, 100, COCO.sigmas, np.arange(17) < number, min_common=3).item() == expected


def test_a_person_without_area_is_only_like_herself() -> None:
    poses = np.zeros((2, 17, 2))
    poses[1] += 1e-3
    assert oks(poses, poses, 0, COCO.sigmas, True).tolist() == [[1, 0], [0, 1]]


def test_nobody_is_like_nobody() -> None:
    nobody, three = np.zeros((0, 17, 2)), np.zeros((3, 17, 2))
    assert oks(nobody, three, 1, COCO.sigmas, True).shape == (0, 3)
    assert oks(three, nobody, 1, COCO.sigmas, True).shape == (3, 0)
    assert box_iou(np.zeros((0, 4)), np.zeros((3, 4))).shape == (0, 3)


def test_box_iou_of_boxes_worked_out_by_hand() -> None:
    boxes = [[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [4, 4, 4, 9]]
    expected = [[1, 1 / 3, 0, 0], [1 / 3, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert box_iou(boxes, boxes) == pytest.approx(np.array(expected))


@given(st.integers(0, 10_000))
def test_box_iou_is_that_of_pycocotools(seed: int) -> None:
    mask = pytest.importorskip("pycocotools.mask")
    corners = np.random.default_rng(seed).uniform(0, 50, (2, 4, 2, 2))
    a, b = (np.concatenate([c.min(axis=1), c.max(axis=1)], axis=1) for c in corners)
    as_xywh = [np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1) for boxes in (a, b)]
    assert box_iou(a, b) == pytest.approx(mask.iou(*as_xywh, [0] * 4), abs=1e-9)
