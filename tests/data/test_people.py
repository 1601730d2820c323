"""Crops of one person each, as a top-down teacher learns from them."""

import cv2
import numpy as np
import pytest

from simple_trt.data.labels import PersonLabel, Sample
from simple_trt.data.people import PersonAugmentation, PersonDataset, draw_targets
from simple_trt.skeletons import COCO

STILL = PersonAugmentation(scale=0, rotate=0, flip=0, half=0)
BOX = np.array([60.0, 40.0, 120.0, 200.0], np.float32)


@pytest.fixture
def sample(tmp_path):
    """A dark picture with a bright dot at every keypoint of one person, and a second person without keypoints."""
    points = np.stack([np.linspace(65, 115, 17), np.linspace(45, 195, 17)], 1).astype(np.float32)
    picture = np.zeros((256, 200, 3), np.uint8)
    for x, y in points:
        cv2.circle(picture, (int(x), int(y)), 3, (255, 255, 255), -1)
    cv2.imwrite(str(tmp_path / "p.png"), picture)
    people = [PersonLabel(BOX, points, np.full(17, 2), 5000.0)]
    people.append(PersonLabel(BOX + 20, points * 0, np.zeros(17, np.int64), 5000.0))
    return Sample(tmp_path / "p.png", 7, 200, 256, people)


def test_people_without_keypoints_are_no_items(sample):
    assert len(PersonDataset([sample], STILL, COCO)) == 1


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_keypoints_lie_on_what_they_mark(sample, flip):
    aug = PersonAugmentation(scale=0.35, rotate=45, rotated=1.0, flip=flip, half=0)
    dataset = PersonDataset([sample], aug, COCO)
    for dataset.epoch in range(5):
        item = dataset[0]
        assert item["image"].shape == (3, 256, 192) and item["pose"].shape == (17, 64, 48)
        bright = item["image"][0]
        for k in np.flatnonzero((item["pose"].amax((1, 2)) > 0.85).numpy()):  # the others lie outside
            v, u = divmod(int(item["pose"][k].argmax()), 48)
            window = bright[max(4 * v - 3, 0) : 4 * v + 7, max(4 * u - 3, 0) : 4 * u + 7]
            assert window.max() > 1, f"nothing at keypoint {k} of epoch {dataset.epoch}"


def test_the_box_is_widened_to_the_aspect_and_padded(sample):
    item = PersonDataset([sample], STILL, COCO)[0]
    # 60 x 160 grows to 120 x 160, then by 1.25: 256 rows show 200 pixels, and the box's middle is the crop's.
    v, u = divmod(int(item["pose"][8].argmax()), 48)
    x, y = sample.people[0].keypoints[8]
    assert abs(4 * u + 2 - (96 + (x - 90) * 256 / 200)) <= 2.01
    assert abs(4 * v + 2 - (128 + (y - 120) * 256 / 200)) <= 2.01


def test_a_mirrored_person_changes_sides(sample):
    plain = PersonDataset([sample], STILL, COCO)[0]["pose"]
    mirrored = PersonDataset([sample], PersonAugmentation(scale=0, rotate=0, flip=1, half=0), COCO)[0]["pose"]
    np.testing.assert_allclose(
        mirrored[5], plain[6].flip(1), atol=0.006
    )  # the rim of the Gaussian is cut at whole cells


def test_half_a_body_is_shown_larger(sample):
    halves = PersonDataset([sample], PersonAugmentation(scale=0, rotate=0, flip=0, half=1), COCO)
    seen = set()
    for halves.epoch in range(8):
        weight = halves[0]["weight"].numpy() > 0
        assert weight.sum() < 17
        seen.add("upper" if weight[0] else "lower")
    assert seen == {"upper", "lower"}


def test_weights_at_the_rim():
    points = np.array([[0.0, 100.0], [-23.0, 100.0], [-27.0, 100.0], [50.0, 100.0]], np.float32)
    pose, weight = draw_targets(points, np.array([2, 2, 2, 0]), 64, 48)
    assert weight.tolist() == [1, 1, 0, 0]
    assert pose[1].max() > 0 == pose[2].max() == pose[3].max()


def test_items_depend_on_seed_epoch_and_index_only(sample):
    a, b = (PersonDataset([sample], PersonAugmentation(), COCO, seed=3) for _ in range(2))
    assert (a[0]["image"] == b[0]["image"]).all()
    b.epoch = 1
    assert not (a[0]["image"] == b[0]["image"]).all()
