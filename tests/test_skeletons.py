"""The tables of joints: complete, symmetric, and in the data sets' own order."""

from __future__ import annotations

import pytest

from simple_trt.errors import UsageError
from simple_trt.skeletons import COCO, MPII, POSETRACK, SKELETONS, Skeleton, find_skeleton

each_skeleton = pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=list(SKELETONS))


@pytest.mark.parametrize(("skeleton", "count"), [(COCO, 17), (MPII, 16), (POSETRACK, 15)])
def test_number_of_keypoints(skeleton: Skeleton, count: int) -> None:
    assert len(skeleton) == len(set(skeleton.keypoints)) == len(skeleton.sigmas) == count


@each_skeleton
def test_limbs_join_every_keypoint_into_one_body(skeleton: Skeleton) -> None:
    reached = {0}
    for _ in skeleton.limbs:
        reached |= {k for limb in skeleton.limbs if reached & set(limb) for k in limb}
    assert reached == set(range(len(skeleton)))


@each_skeleton
def test_flip_order_is_its_own_inverse_and_maps_limbs_to_limbs(skeleton: Skeleton) -> None:
    order = skeleton.flip_order
    assert [order[order[k]] for k in range(len(order))] == list(range(len(order)))
    limbs = {frozenset(limb) for limb in skeleton.limbs}
    assert {frozenset((order[a], order[b])) for a, b in limbs} == limbs


@each_skeleton
def test_the_two_sides_have_the_same_sigma_and_different_colours(skeleton: Skeleton) -> None:
    for left, right in skeleton.flip_pairs:
        assert skeleton.sigmas[left] == skeleton.sigmas[right]
        assert skeleton.keypoint_colours[left] != skeleton.keypoint_colours[right]


@each_skeleton
def test_a_limb_takes_the_colour_of_its_side(skeleton: Skeleton) -> None:
    colours = skeleton.keypoint_colours
    for (a, b), colour in zip(skeleton.limbs, skeleton.limb_colours, strict=True):
        assert colour == colours[a] if colours[a] == colours[b] else colour in SIDES_AND_MIDDLE


def test_coco_order_and_constants() -> None:
    assert COCO.flip_pairs == tuple((k, k + 1) for k in range(1, 17, 2))
    assert COCO.sigmas[:2] == (0.026, 0.025)
    assert COCO.sigmas[-6:] == (0.107, 0.107, 0.087, 0.087, 0.089, 0.089)
    assert len(COCO.limbs) == 19


def test_mpii_and_posetrack_order() -> None:
    assert (MPII.keypoints[0], MPII.keypoints[9], MPII.keypoints[15]) == ("right_ankle", "head_top", "left_wrist")
    assert POSETRACK.keypoints[6:8] == ("right_wrist", "right_elbow")
    assert POSETRACK.keypoints[12:] == ("head_bottom", "nose", "head_top")


def test_coco_sigmas_equal_pycocotools() -> None:
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    assert list(COCO.sigmas) == pytest.approx(cocoeval.Params(iouType="keypoints").kpt_oks_sigmas.tolist())


def test_find_skeleton() -> None:
    assert find_skeleton("mpii") is MPII
    with pytest.raises(UsageError, match=r"no skeleton is called 'hand'.*coco, mpii, posetrack"):
        find_skeleton("hand")


SIDES_AND_MIDDLE = set(COCO.keypoint_colours)
