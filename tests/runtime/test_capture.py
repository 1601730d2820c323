"""What OpenCV's reader says when a grab fails: nothing. So it is asked again."""

from __future__ import annotations

import os
import time
from pathlib import Path

import cv2
import pytest

from simple_trt.errors import SimpleTrtError
from simple_trt.runtime import capture
from simple_trt.runtime.capture import MOST_DAMAGED, Capture, opened, prepare
from tests.runtime.clips import write_clip


class Reader:
    """Grabs as it is told: True is a frame, False is none; at the end there is none for ever."""

    def __init__(self, *grabs: bool, seconds: float = 0.0) -> None:
        self.grabs = list(grabs)
        self.seconds = seconds
        self.calls = 0

    def grab(self) -> bool:
        self.calls += 1
        time.sleep(self.seconds)
        return self.grabs.pop(0) if self.grabs else False

    def get(self, what: int) -> float:
        assert what == cv2.CAP_PROP_POS_MSEC
        return 1500.0


def test_a_frame() -> None:
    opened = Capture(Reader(True), 0.0, 0)
    assert (opened.grab(), opened.damaged) == (1.5, 0)


def test_what_fails_before_a_frame_is_damaged() -> None:
    opened = Capture(Reader(False, False, True, False, True), 0.0, 0)
    assert (opened.grab(), opened.damaged) == (1.5, 2)
    assert (opened.grab(), opened.damaged) == (1.5, 3)


def test_what_fails_before_nothing_is_the_end() -> None:
    reader = Reader(*[False] * (MOST_DAMAGED - 1), True)
    assert Capture(reader, 0.0, 0).grab() == 1.5
    reader = Reader(*[False] * MOST_DAMAGED, True)
    opened = Capture(reader, 0.0, 0)
    assert (opened.grab(), opened.damaged) == (None, 0)


def test_silence_is_not_waited_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "DAMAGED_SECONDS", 0.05)
    reader = Reader(seconds=0.06)
    assert Capture(reader, 0.0, 0).grab() is None
    assert reader.calls == 1


def test_a_frame_that_comes_with_the_time_limit_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "TIMEOUT_MS", 50)
    late = [Reader(True, True, seconds=0.06) for _ in range(2)]
    assert [Capture(reader, 0.0, 0, live).grab() for reader, live in zip(late, (True, False), strict=True)] == [
        None,
        1.5,
    ]
    assert [reader.calls for reader in late] == [1, 1]


@pytest.mark.parametrize(("live", "variable", "threads"), [(True, "", 1), (True, "3", 3), (False, "3", 3)])
def test_one_thread_holds_no_frame_of_a_live_stream_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, live: bool, variable: str, threads: int
) -> None:
    monkeypatch.delenv(capture.THREADS_VARIABLE, raising=False)
    if variable:
        monkeypatch.setenv(capture.THREADS_VARIABLE, variable)
    clip = write_clip(tmp_path / "a.mp4", 3)
    with opened(str(clip), cv2.CAP_FFMPEG, SimpleTrtError("none"), live) as reader:
        assert reader.reader.get(cv2.CAP_PROP_N_THREADS) == threads


def test_options_that_the_user_has_set_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;udp")
    monkeypatch.delenv("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", raising=False)
    prepare()
    assert os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] == "rtsp_transport;udp"
    assert os.environ["OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"] == "5"
