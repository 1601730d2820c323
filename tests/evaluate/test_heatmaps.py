"""Pictures of what a network sees: colours where something is, the dimmed photo where nothing is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from simple_trt.errors import SimpleTrtError
from simple_trt.evaluate.annotations import PictureEntry
from simple_trt.evaluate.augmented import AugmentedPredictor, Seen
from simple_trt.evaluate.heatmaps import HeatmapFolder, draw_seen
from simple_trt.pictures import read_picture
from simple_trt.types import Letterbox, People
from tests.evaluate.networks import FACE, BrightBox, bright_box, predictor_of

HEIGHT, WIDTH = 120, 160
GREY = 100


def seen(people: People | None = None) -> Seen:
    """A 120x160 picture letterboxed into 64x64 (48x64 of it are filled): one keypoint, one corner of each kind."""
    pose, points = np.zeros((3, 16, 16), np.float32), np.zeros((3, 16, 16), np.float32)
    pose[1, 2, 5] = 1.0
    for i, (row, column) in enumerate([(1, 2), (9, 13), (6, 8)]):
        points[i, row, column] = 1.0
    people = people or People([], [], [], (HEIGHT, WIDTH), FACE)
    return Seen(people, pose, points, Letterbox((HEIGHT, WIDTH), (64, 64)))


def panels(picture: np.ndarray, what: Seen) -> list[np.ndarray]:
    """The three panels without their captions."""
    drawn = draw_seen(picture, what)
    assert drawn.dtype == np.uint8 and drawn.shape[1:] == (3 * WIDTH, 3)
    assert HEIGHT < drawn.shape[0] < 1.5 * HEIGHT
    return np.split(drawn[-HEIGHT:], 3, axis=1)


def centre_of(row: int, column: int) -> tuple[int, int]:
    """(y, x) in the picture of the centre of a cell: 4 pixels of the input, 2.5 picture pixels each."""
    return int(10 * (row + 0.5)), int(10 * (column + 0.5))


def test_each_thing_is_where_it_belongs():
    picture = np.full((HEIGHT, WIDTH, 3), GREY, np.uint8)
    heat, people, points = panels(picture, seen())
    y, x = centre_of(2, 5)
    assert heat[y, x, 0] > heat[y, x, 2] + 50  # strong is red
    assert (people == GREY).all()
    strongest = [int(points[centre_of(*cell)].argmax()) for cell in [(1, 2), (9, 13), (6, 8)]]
    assert strongest == [0, 2, 1]  # top left red, bottom right blue, center green


def test_nothing_leaves_the_dimmed_photo():
    picture = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    heat, people, points = panels(picture, seen())
    far = np.s_[60:, :40]
    for panel in (heat, points):
        np.testing.assert_allclose(panel[far], 0.55 * picture[far], atol=0.51)
    assert (people == picture).all()


def test_weak_heat_is_blue_and_lets_the_photo_through():
    picture = np.full((HEIGHT, WIDTH, 3), GREY, np.uint8)
    weak = seen()
    weak.pose[1, 2, 5] = 0.2
    red, _, blue = (int(v) for v in panels(picture, weak)[0][centre_of(2, 5)])
    assert blue > red


def test_the_largest_of_all_keypoint_classes_is_drawn():
    picture = np.full((HEIGHT, WIDTH, 3), GREY, np.uint8)
    both = seen()
    both.pose[2, 9, 9] = 1.0
    both.pose[0, 9, 9] = -5.0
    heat = panels(picture, both)[0]
    assert all(heat[centre_of(*cell)][0] > GREY for cell in [(2, 5), (9, 9)])


def test_people_are_drawn_from_a_tenth_on():
    picture = np.full((HEIGHT, WIDTH, 3), GREY, np.uint8)
    keypoints = np.zeros((2, 3, 3))
    found = People([[20, 20, 60, 90], [100, 20, 140, 90]], [0.5, 0.09], keypoints, (HEIGHT, WIDTH), FACE)
    people = panels(picture, seen(found))[1]
    assert (people[:, :80] != GREY).any()
    assert (people[:, 90:] == GREY).all()


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (300, 2)])
def test_pictures_of_any_size_can_be_drawn(size):
    network = AugmentedPredictor(predictor_of(BrightBox()), FACE, (64, 64))
    picture = np.full((*size, 3), GREY, np.uint8)
    assert draw_seen(picture, network.look(picture)).shape[1] == 3 * size[1]


def test_a_folder_of_pictures(tmp_path: Path):
    network = AugmentedPredictor(predictor_of(BrightBox()), FACE, (96, 128))
    folder = HeatmapFolder(network, tmp_path / "new" / "heat")
    picture = bright_box((96, 128), (16, 20, 80, 84))
    people = folder.predict(picture)
    assert len(people) == 1
    folder.write(PictureEntry(1, "some/where.png", None), picture, people)
    drawn = read_picture(tmp_path / "new" / "heat" / "some_where.jpg")[-96:]
    assert drawn.shape == (96, 3 * 128, 3)
    left_eye, dark = drawn[52, 64].astype(int), drawn[10, 10]
    assert left_eye[0] > left_eye[2] + 50
    assert dark.max() < 10


def test_a_folder_that_cannot_be(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SimpleTrtError, match="cannot write"):
        HeatmapFolder(AugmentedPredictor(predictor_of(BrightBox()), FACE, (96, 128)), tmp_path / "file")
