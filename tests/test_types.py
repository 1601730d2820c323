"""The result object: order, selection, the three exports, and the letterbox that maps it back to the picture."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simple_trt.errors import SimpleTrtError
from simple_trt.skeletons import MPII
from simple_trt.types import Letterbox, People

SIZE = (48, 64)
sizes = st.tuples(st.integers(1, 5000), st.integers(1, 5000))


def three_people() -> People:
    """Scores 0.5, 0.9, 0.7 in this order; person i has its box at 10i and all its keypoints at (10i + 0.5, 1.25)."""
    boxes = [[10 * i, 0, 10 * i + 8, 20] for i in range(3)]
    keypoints = np.zeros((3, 17, 3))
    keypoints[..., 0] = 10 * np.arange(3)[:, None] + 0.5
    keypoints[..., 1:] = (1.25, 0.75)
    return People(boxes, [0.5, 0.9, 0.7], keypoints, SIZE, track_ids=[5, 6, 7], speed={"network": 12.34567})


def test_best_score_comes_first_and_everything_moves_with_it() -> None:
    people = three_people()
    assert people.scores.tolist() == pytest.approx([0.9, 0.7, 0.5])
    assert people.boxes.xyxy[:, 0].tolist() == [10, 20, 0]
    assert people.keypoints.xy[:, 0, 0].tolist() == [10.5, 20.5, 0.5]
    assert people.track_ids is not None
    assert people.track_ids.tolist() == [6, 7, 5]


def test_equal_scores_keep_their_order() -> None:
    n = 100  # enough for a sort that is not stable to show it
    people = People([[i, 0, 9, 9] for i in range(n)], [0.5, 0.7] * (n // 2), np.zeros((n, 17, 3)), SIZE)
    assert people.boxes.xyxy[:, 0].tolist() == [*range(1, n, 2), *range(0, n, 2)]


def test_selection() -> None:
    people = three_people()
    assert len(people.above(0.7)) == 2
    assert people[:1].scores.tolist() == pytest.approx([0.9])
    assert people[[2, 0]].scores.tolist() == pytest.approx([0.9, 0.5])
    assert people[people.scores < 0.6].track_ids.tolist() == [5]
    assert people[1:].speed == people.speed
    assert len(people.above(2.0)) == 0


def test_iteration_gives_persons() -> None:
    best = next(iter(three_people()))
    assert (best.score, best.track_id) == (pytest.approx(0.9), 6)
    assert best.xy.shape == (17, 2)
    assert best.conf.shape == (17,)


def test_nobody() -> None:
    people = People([], [], [], SIZE)
    assert len(people) == 0
    assert people.keypoints.xy.shape == (0, 17, 2)
    assert people.to_coco(1) == []
    assert json.loads(people.to_json())["people"] == []
    assert len(people.above(0.5)) == 0


@pytest.mark.parametrize(
    ("boxes", "keypoints", "message"),
    [
        (np.zeros((2, 4)), np.zeros((1, 17, 3)), r"boxes: expected shape \(1, 4\), got \(2, 4\)"),
        (np.zeros((1, 4)), np.zeros((1, 16, 3)), r"keypoints: expected shape \(1, 17, 3\), got \(1, 16, 3\)"),
        (np.full((1, 4), np.nan), np.zeros((1, 17, 3)), "boxes: expected finite numbers"),
        (np.zeros((1, 4)), np.full((1, 17, 3), np.inf), "keypoints: expected finite numbers"),
    ],
)
def test_wrong_arrays_are_refused(boxes: np.ndarray, keypoints: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        People(boxes, [0.5], keypoints, SIZE)


def test_json_schema() -> None:
    text = three_people().to_json()
    assert "\n" not in text
    result = json.loads(text)
    assert list(result) == ["width", "height", "skeleton", "people", "speed"]
    assert (result["width"], result["height"], result["skeleton"]) == (64, 48, "coco")
    assert result["speed"] == {"network": 12.346}
    person = result["people"][0]
    assert list(person) == ["score", "box", "keypoints", "track_id"]
    assert person["score"] == 0.9
    assert person["box"] == [10, 0, 18, 20]
    assert person["keypoints"] == [[10.5, 1.25, 0.75]] * 17
    assert person["track_id"] == 6


def test_json_without_tracks_says_null() -> None:
    people = People(np.zeros((1, 4)), [0.5], np.zeros((1, 17, 3)), SIZE)
    assert json.loads(people.to_json())["people"][0]["track_id"] is None


def test_coco_results_count_from_the_pixel_centre() -> None:
    first = three_people().to_coco(139)[0]
    assert list(first) == ["image_id", "category_id", "keypoints", "score"]
    assert (first["image_id"], first["category_id"], first["score"]) == (139, 1, pytest.approx(0.9))
    assert len(first["keypoints"]) == 51
    assert first["keypoints"][:3] == [10.0, 0.75, 0.75]


def test_coco_results_with_box_use_left_top_width_height() -> None:
    assert three_people().to_coco(1, with_box=True)[0]["bbox"] == [10, 0, 8, 20]


def test_another_skeleton() -> None:
    people = People(np.zeros((1, 4)), [0.5], np.zeros((1, 16, 3)), SIZE, MPII)
    assert len(people.to_coco(1)[0]["keypoints"]) == 48
    assert json.loads(people.to_json())["skeleton"] == "mpii"


def test_supervision() -> None:
    pytest.importorskip("supervision", reason="supervision is not installed")
    people = three_people()
    result = people.to_supervision()
    assert np.array_equal(result.xy, people.keypoints.xy)
    assert np.array_equal(result.data["box"], people.boxes.xyxy)
    assert len(People([], [], [], SIZE).to_supervision()) == 0


def test_supervision_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(SimpleTrtError, match="pip install supervision"):
        three_people().to_supervision()


def test_import_does_no_work() -> None:
    """`import simple_trt` and the result types bring in NumPy at most."""
    code = (
        "import sys; before = set(sys.modules); import simple_trt, simple_trt.types, simple_trt.skeletons; "
        "new = {name.split('.')[0] for name in set(sys.modules) - before}; "
        "print(*sorted(new - set(sys.stdlib_module_names)))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert set(output.split()) <= {"numpy", "simple_trt", "_distutils_hack"}


def test_public_names_are_found_lazily() -> None:
    import simple_trt

    assert simple_trt.People is People
    assert simple_trt.SimpleTrtError is SimpleTrtError
    assert {"People", "Session", "open_engine"} <= set(dir(simple_trt))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        simple_trt.nothing  # noqa: B018


@pytest.mark.parametrize(
    ("image_size", "content"),
    [
        ((480, 640), (384, 512)),
        ((640, 480), (512, 384)),
        ((512, 512), (512, 512)),
        ((1, 4000), (1, 512)),
        ((4000, 1), (512, 1)),
        ((1, 1), (512, 512)),
        ((5, 1024), (3, 512)),  # 2.5 rounds up
    ],
)
def test_letterbox_content(image_size: tuple[int, int], content: tuple[int, int]) -> None:
    assert Letterbox(image_size, (512, 512)).content_size == content


@given(sizes, sizes)
def test_letterbox_content_is_the_nearest_whole_number(
    image_size: tuple[int, int], network_size: tuple[int, int]
) -> None:
    scale = min(Fraction(out, size) for out, size in zip(network_size, image_size, strict=True))
    content = Letterbox(image_size, network_size).content_size
    assert any(c == out for c, out in zip(content, network_size, strict=True))
    for size, found in zip(image_size, content, strict=True):
        assert abs(found - max(size * scale, 1)) <= Fraction(1, 2) + Fraction(1, 10**9)


@given(sizes, st.lists(st.floats(0, 5000, width=32), min_size=4, max_size=4))
def test_letterbox_there_and_back(image_size: tuple[int, int], box: list[float]) -> None:
    letterbox = Letterbox(image_size, (512, 384))
    assert np.allclose(letterbox.to_image(letterbox.to_network([box])), [box], rtol=1e-5, atol=1e-3)


def test_letterbox_maps_the_content_corner_to_the_picture_corner() -> None:
    letterbox = Letterbox((300, 450), (512, 512))
    height, width = letterbox.content_size
    assert np.allclose(letterbox.to_image([[0, 0], [width, height]]), [[0, 0], [450, 300]])


def test_the_lazy_names_are_the_real_ones() -> None:
    import simple_trt
    from simple_trt.engines import open_engine
    from simple_trt.runtime import Session

    assert simple_trt.Session is Session
    assert simple_trt.open_engine is open_engine
