"""Optical flow on pictures whose motion is known, and how points are moved by it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from simple_trt.errors import UsageError
from simple_trt.runtime.flow import FLOW_PRESETS, Flow, FrameFlow
from tests.runtime.moving import HEIGHT, WIDTH, Scene, Walker, keypoints_at, texture, walk

SIZE = (HEIGHT, WIDTH)


def flow_between(before: np.ndarray, after: np.ndarray, *settings: object) -> Flow:
    flow = FrameFlow(*settings)
    assert flow.advance(before) is None
    result = flow.advance(after)
    assert result is not None
    return result


def shifted(picture: np.ndarray, dx: float, dy: float) -> np.ndarray:
    matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    return cv2.warpAffine(picture, matrix, picture.shape[1::-1], borderMode=cv2.BORDER_REFLECT)


def ramp(height: int, width: int) -> np.ndarray:
    """Vectors [h,w,2] that are linear in their place: (column + 10 row, row / 2)."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    return np.stack([columns + 10 * rows, rows / 2], axis=-1)


@pytest.mark.parametrize("preset", FLOW_PRESETS)
@pytest.mark.parametrize("longest_side", [640, 200])
def test_a_shift_is_found_in_frame_pixels(preset: str, longest_side: int) -> None:
    picture = texture(HEIGHT, WIDTH, seed=3)
    points = np.array([[60.5, 50.5], [200.2, 120.9], [150, 90]], np.float32)
    moved, inside = flow_between(picture, shifted(picture, 5.5, -3.25), preset, longest_side).move(points)
    assert moved - points == pytest.approx(np.tile([5.5, -3.25], (3, 1)), abs=0.25)
    assert inside.all()


def test_people_and_background_move_each_their_way() -> None:
    scene = Scene(Walker(walk(60, 40, 6, 2)), Walker(walk(220, 40, -7)))
    flow = flow_between(scene.frame(0), scene.frame(1))
    for walker, step in zip(scene.walkers, [(6, 2), (-7, 0)], strict=True):
        points = keypoints_at(walker.place(0))
        # 45 pixels are 11 where DIS ends: its smoothness takes some of the motion of so small a body
        assert np.median(flow.move(points)[0] - points, axis=0) == pytest.approx(step, abs=1.5)
    still = np.array([[20, 20], [160, 160], [300, 20]], np.float32)
    assert flow.move(still)[0] == pytest.approx(still, abs=0.3)


def test_flows_of_several_frames_are_chained() -> None:
    picture = texture(HEIGHT, WIDTH, seed=5)
    centre = (WIDTH / 2, HEIGHT / 2)
    points = np.array([[120, 60], [160, 90], [220, 110]], np.float32)
    chain, moved = FrameFlow(), points
    for k in range(9):
        turn = cv2.getRotationMatrix2D((centre[0] - 0.5, centre[1] - 0.5), 2.0 * k, 1.0)
        flow = chain.advance(cv2.warpAffine(picture, turn, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT))
        if flow is not None:
            moved, _ = flow.move(moved)
    truth = points @ cv2.getRotationMatrix2D(centre, 16.0, 1.0)[:, :2].T
    truth += cv2.getRotationMatrix2D(centre, 16.0, 1.0)[:, 2]
    assert np.abs(truth - points).max() > 15
    assert np.abs(moved - truth).max() < 1


def test_vectors_are_read_between_their_pixels_centres() -> None:
    flow = Flow(ramp(6, 8), (12, 16))  # half the size: vector (row, column) lies at frame pixel 2 * (column, row) + 1
    points = np.array([[[1, 1], [3, 5]], [[4, 2], [7.5, 6]]], np.float32)
    column, row = (points[..., 0] - 1) / 2, (points[..., 1] - 1) / 2
    expected = points + 2 * np.stack([column + 10 * row, row / 2], axis=-1)
    assert flow.move(points)[0] == pytest.approx(expected, abs=1e-4)


def test_beyond_the_outermost_vectors_their_value_holds() -> None:
    flow = Flow(ramp(6, 8), (6, 8))
    corners = np.array([[0, 0], [7.9, 5.9], [-1e9, 1e9]], np.float32)
    steps = [[0, 0], [57, 2.5], [50, 2.5]]
    assert flow.move(corners)[0] == pytest.approx(corners + np.array(steps, np.float32), abs=1e-3)


def test_points_that_leave_or_were_outside_are_told() -> None:
    flow = Flow(np.full((10, 20, 2), (4, 0), np.float32), (10, 20))
    points = np.array([[2, 5], [16.5, 5], [-2, 5], [15.9, 9.99], [5, 10]], np.float32)
    assert flow.move(points)[1].tolist() == [True, False, False, True, False]


def test_another_size_begins_anew() -> None:
    flow = FrameFlow()
    small, large = texture(64, 80, 0), texture(80, 64, 0)
    assert flow.advance(small) is None
    assert flow.advance(large) is None
    assert flow.advance(large) is not None
    flow.reset()
    assert flow.advance(large) is None


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (8, 301), (31, 64), (31, 301), (400, 2), (12, 2000)])
def test_in_tiny_pictures_nothing_moves(size: tuple[int, int]) -> None:
    points = np.array([[0.5, 0.5]], np.float32)
    flow = flow_between(texture(*size, 0), texture(*size, 1))
    assert flow.move(points)[0].tolist() == points.tolist()


@pytest.mark.parametrize("size", [(32, 32), (32, 640), (640, 33)])
def test_the_smallest_pictures_that_have_flow(size: tuple[int, int]) -> None:
    picture = texture(*size, 2)
    flow = flow_between(picture, shifted(picture, 2, 0))
    assert np.isfinite(flow.vectors).all()
    assert np.median(flow.vectors[8:-8, 8:-8, 0]) == pytest.approx(2, abs=0.3)


def test_views_of_other_arrays_are_taken_and_left_alone() -> None:
    whole = texture(HEIGHT, 2 * WIDTH, 0)
    view = whole[::-1, ::2]
    kept = view.copy()
    flow = flow_between(view, shifted(kept, 4, 0))
    assert np.array_equal(view, kept)
    assert np.median(flow.vectors[..., 0]) == pytest.approx(4, abs=0.3)


def test_the_same_frames_give_the_same_flow_with_any_number_of_threads() -> None:
    frames = texture(HEIGHT, WIDTH, 0), shifted(texture(HEIGHT, WIDTH, 0), 3, 1)
    threads = cv2.getNumThreads()
    try:
        results = []
        for number in (1, 2, 4):
            cv2.setNumThreads(number)
            results.append(flow_between(*frames).vectors)
    finally:
        cv2.setNumThreads(threads)
    assert np.array_equal(results[0], results[1]) and np.array_equal(results[0], results[2])


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(UsageError, match=r"called 'slow'.*ultrafast, fast, medium"):
        FrameFlow("slow")
    with pytest.raises(UsageError, match="give 32 or more"):
        FrameFlow(longest_side=31)
