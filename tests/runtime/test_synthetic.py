"""A camera of known rate: frames come when they are due, and count as captured when they were due."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from simple_trt.pictures import write_picture
from simple_trt.runtime import open_sources
from simple_trt.runtime.synthetic import Scene


def test_the_rate_is_exact() -> None:
    (source,) = open_sources(["synthetic://50fps?size=64x48&frames=20"])
    frames = list(source.frames())
    steps = np.diff([frame.captured for frame in frames])
    assert steps == pytest.approx([0.02] * 19, abs=1e-9)
    assert np.diff([frame.time or 0 for frame in frames]) == pytest.approx([0.02] * 19, abs=1e-5)
    assert [frame.number for frame in frames] == list(range(20))


def test_frames_do_not_come_before_they_are_due() -> None:
    (source,) = open_sources(["synthetic://100fps?size=64x48&frames=20"])
    late = [time.perf_counter() - frame.captured for frame in source.frames()]
    assert min(late) >= 0


def test_who_is_late_cannot_hide_it() -> None:
    """A consumer who sleeps through five frames gets them all, each as old as it is."""
    (source,) = open_sources(["synthetic://100fps?size=64x48&frames=12"])
    frames = source.frames()
    next(frames)
    time.sleep(0.06)
    late = [time.perf_counter() - frame.captured for frame in frames]
    assert late[0] >= 0.045
    assert late[0] > late[3]


def test_what_is_seen_moves_and_has_the_size() -> None:
    loop = Scene((48, 64), people=2).loop()
    assert {picture.shape for picture in loop} == {(48, 64, 3)}
    assert (loop[0] != loop[len(loop) // 4]).any()
    assert len(np.unique(loop[0].reshape(-1, 3), axis=0)) > 20  # somebody is there
    empty = Scene((48, 64), people=0).loop()[0]
    assert (empty == empty[:, :1]).all()


def test_a_photo_is_shown_whole_and_moves(tmp_path: Path) -> None:
    photo = np.full((60, 200, 3), 255, np.uint8)
    write_picture(tmp_path / "p.png", photo)
    (source,) = open_sources([f"synthetic://100fps?size=64x48&photo={tmp_path / 'p.png'}&frames=9"])
    frames = list(source.frames())
    assert frames[0].image.shape == (48, 64, 3)
    places = [np.argwhere(frame.image[..., 0] == 255) for frame in frames]
    assert {tuple(np.ptp(place, axis=0) + 1) for place in places} == {(16, 54)}  # 0.85 * 64 pixels wide
    assert (places[0].min(0) != places[8].min(0)).any()


def test_large_frames_take_little_memory() -> None:
    loop = Scene((4320, 7680), people=1).loop()
    assert len(loop) == 2


def test_stopping() -> None:
    (source,) = open_sources(["synthetic://0.1fps?size=64x48"])
    frames = source.frames()
    next(frames)
    source.stop()
    assert list(frames) == []
