import numpy as np
import pytest

from benchmarks.crowds import GREY, compose, cutouts, found_alone, places
from simple_trt.types import People

RED = np.full((60, 30, 3), (250, 0, 0), np.uint8)


def patches(picture):
    """How many separate patches that are not grey a picture holds."""
    import cv2

    return cv2.connectedComponents((np.abs(picture.astype(int) - GREY).max(2) > 60).astype(np.uint8))[0] - 1


@pytest.mark.parametrize("people", [0, 1, 5, 15, 30])
def test_every_person_has_a_place_of_its_own(people):
    picture = compose([RED] * people, 512)
    assert picture.shape == (512, 512, 3)
    assert patches(picture) == people


@pytest.mark.parametrize("people", [0, 1, 7, 30])
def test_people_stand_where_they_are_said_to(people):
    picture, boxes = compose([RED] * people, 512), places([RED] * people, 512)
    assert boxes.shape == (people, 4)
    red = np.zeros((512, 512), bool)
    for left, top, right, bottom in boxes:
        red[top:bottom, left:right] = True
    assert ((picture[..., 0] > 240) == red).all()


def test_the_same_people_are_smaller_the_more_there_are():
    red = [(compose([RED] * n, 512)[..., 0] > 200).sum() / n for n in (1, 5, 30)]
    assert red[0] > red[1] > red[2] > 50 * 25


def test_only_people_who_are_found_alone_are_kept_best_first():
    people = [np.full((60, 30, 3), (value, 0, 0), np.uint8) for value in (200, 250, 160)]

    def predict(picture):
        brightest = int(picture[..., 0].max())
        score = {200: 0.6, 250: 0.9, 160: 0.1}[brightest]
        return People([[0, 0, 5, 9]], [score], np.zeros((1, 17, 3)), (512, 512))

    kept = found_alone(people, 30, 512, predict, score=0.25)
    assert [int(person.max()) for person in kept] == [250, 200]


def test_cutouts_of_the_photos_are_upright_people(data_dir):
    people = cutouts(data_dir, 3)
    assert len(people) == 3
    assert all(person.shape[0] > person.shape[1] and person.shape[0] > 200 for person in people)
