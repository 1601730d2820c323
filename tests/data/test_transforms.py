"""Geometry: picture, points and boxes move together."""

import numpy as np
import pytest

from simple_trt.data.labels import PersonLabel, Sample
from simple_trt.data.transforms import (
    Augmentation,
    compose_affine,
    jitter_color,
    move_box,
    move_person,
    move_points,
    random_affine,
    warp_image,
)
from simple_trt.skeletons import COCO


def label(box, region=()):
    return PersonLabel(
        np.array(box, np.float32), np.zeros((17, 2), np.float32), np.zeros(17, np.int64), 100.0, list(region)
    )


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("angle", [0.0, 0.4, np.pi / 2])
def test_a_bright_spot_lands_where_its_point_does(mirror, angle):
    image = np.zeros((64, 80, 3), np.uint8)
    image[30:34, 40:44] = 255  # centre of mass at (42, 32) in continuous coordinates
    affine = compose_affine(np.array([38.0, 30.0]), 1.5, angle, mirror, 96)
    warped = warp_image(image, affine, 96)[..., 0].astype(float)
    ys, xs = np.mgrid[:96, :96] + 0.5
    found = np.array([(warped * xs).sum(), (warped * ys).sum()]) / warped.sum()
    np.testing.assert_allclose(found, move_points(np.array([42.0, 32.0], np.float32), affine), atol=0.05)


def test_mirror_is_x_to_size_minus_x():
    plain = compose_affine(np.array([10.0, 10.0]), 1.0, 0.0, False, 64)
    mirrored = compose_affine(np.array([10.0, 10.0]), 1.0, 0.0, True, 64)
    point = np.array([3.0, 7.0], np.float32)
    x, y = move_points(point, plain)
    assert move_points(point, mirrored).tolist() == [64 - x, y]


def test_identity_leaves_the_picture_alone():
    image = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    assert (warp_image(image, compose_affine(np.array([16.0, 16.0]), 1.0, 0.0, False, 32), 32) == image).all()


def test_rotated_box_follows_the_ellipse_not_the_rectangle():
    affine = compose_affine(np.array([50.0, 100.0]), 1.0, np.deg2rad(30), False, 256)
    box = move_box(label((0, 0, 100, 200)), affine)
    w, h = box[2:] - box[:2]
    assert w * h / (100 * 200) == pytest.approx(1.19, abs=0.01)  # the enclosing rectangle would be 2.08
    c, s = np.cos(np.pi / 6), np.sin(np.pi / 6)
    assert w / 2 == pytest.approx(np.hypot(50 * c, 100 * s)) and h / 2 == pytest.approx(np.hypot(50 * s, 100 * c))


def test_polygon_gives_the_exact_extent():
    square = np.array([[0, 0], [10, 0], [10, 10], [0, 10]], np.float32)
    affine = compose_affine(np.array([5.0, 5.0]), 1.0, np.pi / 4, False, 40)
    box = move_box(label((0, 0, 10, 10), [square]), affine)
    np.testing.assert_allclose(box[2:] - box[:2], 10 * np.sqrt(2), rtol=1e-5)


def test_flip_swaps_left_and_right():
    person = label((0, 0, 40, 40))
    person.keypoints[5], person.visible[5] = (10, 12), 2  # left shoulder
    affine = compose_affine(np.array([20.0, 20.0]), 1.0, 0.0, True, 40)
    moved, _ = move_person(person, affine, 40, np.asarray(COCO.flip_order))
    assert moved.visible[6] == 2 and moved.visible[5] == 0
    assert moved.keypoints[6].tolist() == [30, 12]


def test_what_leaves_the_crop_is_dropped():
    affine = compose_affine(np.array([20.0, 20.0]), 1.0, 0.0, False, 40)
    person = label((36, 0, 136, 40))
    person.keypoints[0], person.visible[0] = (50, 20), 2
    moved, kept = move_person(person, affine, 40, None)
    assert not kept and moved.visible[0] == 0
    assert move_person(label((20, 0, 60, 40)), affine, 40, None)[1]


def test_random_affine_stays_in_its_ranges():
    sample = Sample(None, 1, 400, 200, [label((100, 50, 200, 150))])
    aug = Augmentation(size=256, rotate=0.0, shift=0.0, flip=0.0)
    zooms = [np.linalg.norm(random_affine(sample, aug, np.random.default_rng(i))[0][:, 0]) for i in range(200)]
    assert min(zooms) >= 256 / 200 / 1.5 and max(zooms) <= 256 / 200 / 0.75
    assert max(zooms) / min(zooms) > 1.8


def test_focus_centres_a_person():
    sample = Sample(None, 1, 400, 200, [label((300, 20, 340, 60))])
    aug = Augmentation(size=256, rotate=0.0, shift=0.0, flip=0.0, focus=1.0)
    affine, _ = random_affine(sample, aug, np.random.default_rng(0))
    np.testing.assert_allclose(move_points(np.array([320.0, 40.0], np.float32), affine), [128, 128], atol=1e-3)


def test_color_jitter_changes_values_not_shape():
    image = np.random.default_rng(1).integers(0, 255, (8, 8, 3), np.uint8)
    out = jitter_color(image, 0.4, np.random.default_rng(3))
    assert out.shape == image.shape and out.dtype == np.uint8 and (out != image).any()
    assert jitter_color(image, 0.0, np.random.default_rng(3)) is image


def test_a_crop_about_a_person_shows_it_at_the_asked_length():
    people = [label((10, 20, 30, 80)), label((50, 50, 250, 150))]
    for person in people:
        person.visible[:3] = 2
    people.append(label((0, 0, 5, 5)))  # nobody's keypoints are known: never the centre of a crop
    sample = Sample("photo.jpg", 1, 300, 200, people)
    aug = Augmentation(size=192, rotate=0, shift=0, focus=1, person=(64.0, 128.0))
    centred = set()
    for seed in range(40):
        affine, _ = random_affine(sample, aug, np.random.default_rng(seed))
        boxes = [move_box(p, affine) for p in people]
        middle = [bool(np.allclose((b[:2] + b[2:]) / 2, 96, atol=1e-3)) for b in boxes]
        chosen = middle.index(True)
        assert 64 - 1e-3 <= (boxes[chosen][2:] - boxes[chosen][:2]).max() <= 128 + 1e-3
        centred.add(chosen)
    assert centred == {0, 1}
