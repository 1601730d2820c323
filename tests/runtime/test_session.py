"""From network-input pixels back to the picture, in batches, with engines that misbehave."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.runtime import Session
from simple_trt.runtime.preprocess import prepare
from tests.runtime.planted import SLOTS, PlantedEngine, planted_manifest


def one_person(score: float = 0.8) -> PlantedEngine:
    """In the 64x96 input: a box from (10, 4) to (40, 60), all keypoints at its centre (25, 32)."""
    return PlantedEngine([[10, 4, 40, 60]], [score], [[[25, 32, 0.7]] * 17])


def picture(height: int, width: int, value: int = 128) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def test_same_size_needs_no_mapping() -> None:
    people = Session(one_person()).predict(picture(64, 96))
    assert people.boxes.xyxy.tolist() == [[10, 4, 40, 60]]
    assert people.keypoints.xy[0].tolist() == [[25, 32]] * 17
    assert people.keypoints.conf[0].tolist() == pytest.approx([0.7] * 17)
    assert people.image_size == (64, 96)
    assert people.skeleton.name == "coco"


def test_positions_come_back_in_picture_pixels() -> None:
    people = Session(one_person()).predict(picture(640, 480))  # a tenth: the content is 64 x 48 of the input's 64 x 96
    assert people.boxes.xyxy.tolist() == [[100, 40, 400, 600]]
    assert people.keypoints.xy[0, 0].tolist() == [250, 320]


def test_the_two_axes_have_their_own_scale() -> None:
    """97 x 100 in 64 x 96: the content is 64 x round(100 * 64 / 97 = 65.98) = 66."""
    people = Session(one_person()).predict(picture(97, 100))
    assert people.keypoints.xy[0, 0].tolist() == pytest.approx([25 * 100 / 66, 32 * 97 / 64])


def test_a_mark_in_the_picture_is_found_where_it_is() -> None:
    """Input and output mapping belong together: the brightest input pixel leads back to the mark."""
    image = picture(300, 200, 0)
    image[201:204, 99:102] = 255
    network_input, letterbox = prepare(image, planted_manifest())
    y, x = np.unravel_index(network_input.sum(0).argmax(), network_input.shape[1:])
    assert np.abs(letterbox.to_image([[x + 0.5, y + 0.5]]) - [[100.5, 202.5]]).max() <= 300 / 64 / 2 + 0.01


def test_boxes_are_clipped_and_keypoints_are_not() -> None:
    engine = PlantedEngine([[-5, -6, 30, 90]], [0.9], [[[-3, 70, 0.5]] * 17])
    people = Session(engine).predict(picture(64, 96))
    assert people.boxes.xyxy.tolist() == [[0, 0, 30, 64]]
    assert people.keypoints.xy[0, 0].tolist() == [-3, 70]


def test_a_person_in_the_black_border_is_dropped() -> None:
    """A 64 x 32 picture fills the left third of the input."""
    engine = PlantedEngine([[40, 5, 60, 50], [5, 5, 25, 50]], [0.9, 0.8], np.zeros((2, 17, 3)))
    people = Session(engine).predict(picture(64, 32))
    assert people.scores.tolist() == pytest.approx([0.8])


def test_best_score_first_whatever_the_engine_says() -> None:
    engine = PlantedEngine([[i, 0, i + 20, 20] for i in range(3)], [0.3, 0.9, 0.6], np.zeros((3, 17, 3)))
    people = Session(engine).predict(picture(64, 96))
    assert people.boxes.xyxy[:, 0].tolist() == [1, 2, 0]


def test_nobody() -> None:
    people = Session(PlantedEngine()).predict(picture(50, 50))
    assert len(people) == 0


def test_rows_beyond_num_do_not_count() -> None:
    engine = one_person()
    engine.arrays["scores"][:] = 0.9
    engine.arrays["boxes"][:, 1:] = np.nan
    assert len(Session(engine).predict(picture(64, 96))) == 1


def test_speed_has_the_three_stages() -> None:
    speed = Session(one_person()).predict(picture(64, 96)).speed
    assert list(speed) == ["preprocess", "inference", "postprocess"]
    assert all(ms >= 0 for ms in speed.values())


@pytest.mark.parametrize("count", [0, 1, 3, 4, 9])
def test_batches_of_any_number_of_pictures(count: int) -> None:
    engine = PlantedEngine([[10, 4, 40, 60]], [0.8], [[[25, 32, 0.7]] * 17], batch=4)
    pictures = [picture(64 * (i + 1), 96 * (i + 1), 10 * i) for i in range(count)]
    results = Session(engine).predict_batch(pictures)
    assert [people.image_size for people in results] == [image.shape[:2] for image in pictures]
    assert [people.keypoints.xy[0, 0, 0] for people in results] == pytest.approx([25 * (i + 1) for i in range(count)])
    assert len(engine.seen) == -(-count // 4)
    shown = np.concatenate(engine.seen)[:, 0, 0, 0] if count else np.zeros(0)
    expected = [(10 * i / 255 - 0.485) / 0.229 for i in range(count)]
    assert shown[:count].tolist() == pytest.approx(expected, abs=1e-4)
    assert not shown[count:].any()


def test_the_input_is_letterboxed_and_normalised() -> None:
    engine = one_person()
    Session(engine).predict(picture(64, 48, 255))
    image = engine.seen[0][0]
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    assert np.allclose(image[:, :, :48], ((1 - mean) / std)[:, None, None], atol=1e-5)
    assert np.allclose(image[:, :, 48:], (-mean / std)[:, None, None], atol=1e-5)


def test_rows_of_another_array_work() -> None:
    whole = np.random.default_rng(0).integers(0, 256, (64, 200, 3), dtype=np.uint8)
    by_view, by_copy = one_person(), one_person()
    Session(by_view).predict(whole[:, 7:103])
    Session(by_copy).predict(whole[:, 7:103].copy())
    assert np.array_equal(by_view.seen[0], by_copy.seen[0])


@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (2000, 1), (3000, 4000)])
def test_pictures_of_any_shape(size: tuple[int, int]) -> None:
    people = Session(PlantedEngine([[0, 0, 96, 64]], [0.8], np.zeros((1, 17, 3)))).predict(picture(*size))
    assert people.boxes.xyxy.tolist() == [[0, 0, size[1], size[0]]]


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        [[[0, 0, 0]]],
    ],
)
def test_what_is_no_picture_is_refused(image: np.ndarray) -> None:
    with pytest.raises(UsageError, match="picture: expected"):
        Session(one_person()).predict(image)


@pytest.mark.parametrize("name", ["boxes", "scores", "keypoints"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_an_error(name: str, value: float) -> None:
    engine = one_person()
    engine.arrays[name][0, 0] = value
    with pytest.raises(
        SimpleTrtError, match=r"'planted' returned numbers that are not finite.*higher precision than fp32"
    ):
        Session(engine).predict(picture(64, 96))


@pytest.mark.parametrize("count", [-1, SLOTS + 1])
def test_an_impossible_count_is_an_error(count: int) -> None:
    engine = PlantedEngine(outputs={"num": np.array([count], np.int32)})
    with pytest.raises(SimpleTrtError, match=f"returned num {count}, expected 0 to {SLOTS}"):
        Session(engine).predict(picture(64, 96))


def test_the_wrong_skeleton_is_an_error() -> None:
    with pytest.raises(
        SimpleTrtError, match=r"skeleton 'mpii'.*'keypoints' expected \[1, 32, 16, 3\], got \[1, 32, 17, 3\]"
    ):
        Session(PlantedEngine(skeleton="mpii"))
    with pytest.raises(UsageError, match="no skeleton is called 'hand'"):
        Session(PlantedEngine(skeleton="hand"))


def test_missing_outputs_are_an_error() -> None:
    engine = one_person()
    del engine.outputs["num"]
    with pytest.raises(SimpleTrtError, match=r"'num' expected \[1\], got no such output"):
        Session(engine)


def test_a_session_closes_its_engine() -> None:
    engine = one_person()
    with Session(engine) as session:
        session.predict(picture(64, 96))
    assert engine.closed == 1
    with pytest.raises(UsageError, match="closed"):
        session.predict(picture(64, 96))


def test_open_closes_what_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = PlantedEngine(skeleton="mpii")
    monkeypatch.setattr("simple_trt.runtime.session.open_engine", lambda path, options: engine)
    with pytest.raises(SimpleTrtError):
        Session.open("planted.onnx")
    assert engine.closed == 1


def test_without_the_compiled_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "simple_trt._core", None)
    with pytest.raises(SimpleTrtError, match="the compiled part of simple-trt cannot be loaded"):
        Session(one_person()).predict(picture(64, 96))
