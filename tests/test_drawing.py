"""What is drawn, where, in whose colour and how wide; how it looks was judged by eye."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("cv2")

from simple_trt.drawing import draw_caption, draw_heatmap, draw_people, draw_points
from simple_trt.skeletons import COCO, MIDDLE_COLOUR
from simple_trt.types import People

GREY = 120
LEFT, RIGHT = COCO.keypoint_colours[5], COCO.keypoint_colours[6]


def standing(height: int, width: int, conf: float = 0.9) -> People:
    """One person over the middle half: shoulders at 1/4 of the height, hips at 1/2, ankles at 3/4."""
    keypoints = np.zeros((1, 17, 3))
    keypoints[0, :, 2] = conf
    keypoints[0, :5, :2] = (0.5 * width, 0.1 * height)
    for row, (left, right) in enumerate(COCO.flip_pairs[2:]):
        y = (0.25, 0.35, 0.45, 0.5, 0.65, 0.75)[row] * height
        keypoints[0, left, :2] = (0.6 * width, y)
        keypoints[0, right, :2] = (0.4 * width, y)
    box = [0.25 * width, 0.05 * height, 0.75 * width, 0.8 * height]
    return People([box], [0.8], keypoints, (height, width))


def grey(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), GREY, np.uint8)


def drawn_on(height: int, width: int, **options: object) -> np.ndarray:
    return draw_people(grey(height, width), standing(height, width), **options)


def columns_painted(image: np.ndarray, y: int, x: int) -> int:
    """How many pixels of the row, around the column, differ from grey."""
    painted = (image[y, : image.shape[1] // 2] != GREY).any(axis=1)
    left = right = x
    while painted[left - 1]:
        left -= 1
    while right + 1 < len(painted) and painted[right + 1]:
        right += 1
    return right - left + 1


def test_the_picture_given_is_left_alone() -> None:
    image = grey(200, 100)
    result = draw_people(image, standing(200, 100))
    assert (image == GREY).all()
    assert result.shape == image.shape
    assert (result != GREY).any()


def test_nobody_draws_nothing() -> None:
    assert (draw_people(grey(60, 80), People([], [], [], (60, 80))) == GREY).all()


@pytest.mark.parametrize(("height", "width"), [(100, 80), (480, 640), (3000, 4000)])
def test_sides_have_their_colours(height: int, width: int) -> None:
    image = drawn_on(height, width, boxes=False, scores=False).astype(int)
    for k, colour in ((9, LEFT), (10, RIGHT)):
        x, y = standing(height, width).keypoints.xy[0, k]
        assert np.abs(image[int(y), int(x)] - colour).max() < 30
    assert np.abs(image[height // 2 - 1, width // 2] - MIDDLE_COLOUR).max() < 90


def test_unsure_keypoints_are_not_drawn() -> None:
    people = standing(400, 300, conf=0.1)
    assert (draw_people(grey(400, 300), people, boxes=False, scores=False) == GREY).all()
    assert (draw_people(grey(400, 300), people, boxes=False, scores=False, keypoint_threshold=0.1) != GREY).any()


def test_a_limb_needs_both_its_ends() -> None:
    people = standing(400, 300)
    people.keypoints.conf[0, [13, 14]] = 0
    image = draw_people(grey(400, 300), people, boxes=False, scores=False)
    assert (image[int(0.58 * 400)] == GREY).all()
    assert (image[int(0.75 * 400)] != GREY).any()


def test_lines_grow_with_the_picture_and_with_the_person() -> None:
    widths = {}
    for size in (100, 400, 4000):
        image = drawn_on(size, size, boxes=False, scores=False)
        widths[size] = columns_painted(image, int(0.6 * size), int(0.4 * size))
    assert 1 <= widths[100] <= 3
    assert widths[100] < widths[400] < widths[4000]
    assert 25 <= widths[4000] <= 100
    far = standing(400, 400)
    shrunk = np.concatenate([far.keypoints.xy / 8, far.keypoints.conf[..., None]], axis=2)
    small = People(far.boxes.xyxy / 8, [0.8], shrunk, (400, 400))
    image = draw_people(grey(400, 400), small, boxes=False, scores=False)
    assert columns_painted(image, 30, 20) < widths[400]


def test_boxes_and_scores_are_optional() -> None:
    with_box = drawn_on(400, 300, scores=False)
    without = drawn_on(400, 300, boxes=False, scores=False)
    corner = (slice(15, 25), slice(70, 80))
    assert (with_box[corner] != GREY).any()
    assert (without[corner] == GREY).all()
    assert (drawn_on(400, 300, boxes=False)[:20] != without[:20]).any()


def tracked(track_id: int, height: int = 400, width: int = 300) -> People:
    people = standing(height, width)
    people.track_ids = np.array([track_id])
    return people


def thigh(image: np.ndarray) -> np.ndarray:
    """Colour in the middle of the left thigh of who stands in a 400x300 picture."""
    return image[int(0.57 * 400), int(0.6 * 300)].astype(int)


def test_a_track_keeps_its_colour_and_differs_from_others() -> None:
    first, again, *others = (thigh(draw_people(grey(400, 300), tracked(i))) for i in (7, 7, 0, 1, 2, 8))
    assert np.array_equal(first, again)
    assert min(np.abs(first - other).max() for other in others) > 60
    assert np.abs(first - LEFT).max() > 60


def test_the_keypoints_of_a_track_still_tell_left_from_right() -> None:
    image = draw_people(grey(400, 300), tracked(7), boxes=False).astype(int)
    for k, colour in ((13, LEFT), (14, RIGHT)):
        x, y = tracked(7).keypoints.xy[0, k]
        assert np.abs(image[int(y), int(x)] - colour).max() < 30


def test_box_and_label_have_the_colour_of_the_track() -> None:
    image = draw_people(grey(400, 300), tracked(0))  # 0 is red
    box = image[200, 73:77].astype(int)
    assert (box[:, 0] - box[:, 1]).max() > 60
    label = image[5:20, 75:110].astype(int)
    assert (label[..., 0] - label[..., 1]).max() > 100


def test_ids_are_written_without_the_scores_and_scores_without_the_ids() -> None:
    image, people = grey(400, 300), tracked(3)
    assert np.array_equal(draw_people(image, people, scores=False), draw_people(image, people))
    assert np.array_equal(draw_people(image, people, tracks=False), draw_people(image, standing(400, 300)))
    assert people.track_ids.tolist() == [3]


def labels_of(*boxes: list[float], size: tuple[int, int] = (200, 300)) -> np.ndarray:
    """Where labels are on a picture of people in these boxes, the best first: bool [H,W]."""
    scores = np.linspace(0.9, 0.5, len(boxes))
    people = People(boxes, scores, np.zeros((len(boxes), 17, 3)), size, track_ids=range(len(boxes)))
    return (draw_people(grey(*size), people, boxes=False) != GREY).any(axis=2)


def test_labels_do_not_cover_each_other() -> None:
    box, one = [100, 60, 200, 120], labels_of([100, 60, 200, 120]).sum()
    assert one > 100
    for number in (2, 3, 4):
        assert labels_of(*[box] * number).sum() == number * one  # ids of one digit are equally wide
    assert labels_of(*[box] * 5).sum() == 4 * one
    assert labels_of(box, [101, 61, 201, 121])[:60, 150:].any()


@pytest.mark.parametrize("box", [[-50, -50, 40, 40], [280, 180, 340, 240], [0, 0, 300, 200], [-9, 20, 400, 190]])
def test_labels_are_inside_the_picture(box: list[float]) -> None:
    assert labels_of(box).sum() == labels_of([100, 60, 200, 120]).sum()


def test_a_score_wider_than_its_box_is_left_out() -> None:
    people = People([[10, 30, 18, 50]], [0.8], np.zeros((1, 17, 3)), (100, 100))
    assert (draw_people(grey(100, 100), people, boxes=False) == GREY).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1)])
def test_tiny_pictures(size: tuple[int, int]) -> None:
    assert draw_people(grey(*size), standing(*size)).shape == (*size, 3)


def test_far_away_positions_do_no_harm() -> None:
    people = People([[-1e9, -1e9, 1e9, 1e9]], [0.8], np.full((1, 17, 3), 1e9), (50, 50))
    assert draw_people(grey(50, 50), people).shape == (50, 50, 3)


def test_a_view_of_another_picture_can_be_drawn_on() -> None:
    whole = np.full((100, 400, 3), GREY, np.uint8)
    assert (draw_people(whole[:, ::2], standing(100, 200)) != GREY).any()


def test_plot_is_draw_people() -> None:
    image = grey(200, 150)
    people = standing(200, 150)
    assert np.array_equal(people.plot(image, boxes=False), draw_people(image, people, boxes=False))


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8)])
def test_other_arrays_are_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected an RGB uint8 picture"):
        draw_people(image, People([], [], [], (4, 4)))


def test_heat_goes_from_the_dimmed_photo_over_blue_to_red() -> None:
    image = grey(1, 5)
    heat = np.array([[-1.0, 0.0, 0.25, 1.0, 7.0]], np.float32)
    none, zero, weak, strong, beyond = draw_heatmap(image, heat)[0].astype(int)
    assert none.tolist() == zero.tolist() == [round(0.55 * GREY)] * 3
    assert weak[2] > weak[0] + 10
    assert strong[0] > strong[2] + 50
    assert strong.tolist() == beyond.tolist()
    assert (image == GREY).all()


def test_points_take_their_own_colours_and_mix_where_they_meet() -> None:
    maps = np.array([[[1.0, 0.0, 1.0, 0.0, 0.01]], [[0.0, 1.0, 1.0, 0.0, 0.0]]], np.float32)
    red, blue, both, none, faint = draw_points(grey(1, 5), maps, [(255, 0, 0), (0, 0, 255)])[0].astype(int)
    assert red[0] > 200 > 50 > red[2]
    assert blue[2] > 200 > 50 > blue[0]
    assert both[0] == both[2] > 100
    assert none.tolist() == [round(0.55 * GREY)] * 3
    assert faint[0] > none[0] + 10  # a hundredth is seen as a tenth


def test_a_caption_stands_above_the_picture() -> None:
    image = grey(200, 300)
    drawn = draw_caption(image, [("red", (255, 0, 0)), ("blue", (0, 0, 255))])
    bar = drawn[:-200].astype(int)
    assert (drawn[-200:] == GREY).all()
    assert 10 < len(bar) < 40
    red, blue = (np.flatnonzero((bar[..., i] - bar[..., j] > 100).any(axis=0)) for i, j in ((0, 2), (2, 0)))
    assert 0 < red.min() < red.max() < blue.min() < blue.max() < 150
