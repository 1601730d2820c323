"""A network camera on this machine that is unplugged, plugged in again, late or not there."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from simple_trt.errors import SimpleTrtError
from simple_trt.runtime import Frame, Source, open_sources
from simple_trt.runtime.cameras import FIRST_PAUSE
from tests.runtime.camera_server import CameraServer, jpeg_of

NOWHERE = "http://127.0.0.1:9/video"


@pytest.fixture
def camera() -> Iterator[CameraServer]:
    server = CameraServer(rate=50)
    yield server
    server.unplug()


class Reader:
    """Reads a source in a thread of its own, as the pipeline does."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.frames: list[Frame] = []
        self.errors: list[SimpleTrtError] = []
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        for frame in self.source.frames(self.errors.append):
            self.frames.append(frame)

    def wait(self, frames: int, seconds: float = 15) -> None:
        end = time.monotonic() + seconds
        while len(self.frames) < frames:
            assert time.monotonic() < end, f"{len(self.frames)} frames, {self.errors}"
            time.sleep(0.01)

    def stop(self) -> None:
        self.source.stop()
        self.thread.join(8)
        assert not self.thread.is_alive()


def test_frames(camera: CameraServer) -> None:
    (source,) = open_sources([camera.url])
    before, began = time.time(), time.perf_counter()
    reader = Reader(source)
    reader.wait(5)
    reader.stop()
    frames = reader.frames[:5]
    assert [frame.number for frame in frames] == [0, 1, 2, 3, 4]
    assert frames[0].image.shape == (120, 160, 3)
    assert all(before <= (frame.time or 0) <= time.time() for frame in frames)
    assert all(began <= frame.captured <= time.perf_counter() for frame in frames)


def test_a_lost_camera_is_opened_again(camera: CameraServer) -> None:
    (source,) = open_sources([camera.url])
    reader = Reader(source)
    reader.wait(3)
    camera.unplug()
    seen = len(reader.frames)
    while len(reader.errors) < 2:
        time.sleep(0.02)
    camera.plug_in()
    reader.wait(seen + 20)
    reader.stop()
    assert [frame.number for frame in reader.frames] == list(range(len(reader.frames)))
    pauses = [error.cause.rsplit(" in ", 1)[1] for error in reader.errors]
    assert pauses[:2] == [f"{FIRST_PAUSE:g} s", f"{2 * FIRST_PAUSE:g} s"]
    assert "no frame comes any more" in reader.errors[0].cause


def test_a_camera_that_changes_its_size(camera: CameraServer) -> None:
    (source,) = open_sources([camera.url])
    reader = Reader(source)
    reader.wait(3)
    camera.unplug()
    camera.size = (60, 80)
    camera.plug_in()
    reader.wait(len(reader.frames) + 10)
    reader.stop()
    assert reader.frames[-1].image.shape == (60, 80, 3)


def test_damaged_frames_are_left_out_and_the_camera_is_kept(camera: CameraServer) -> None:
    def damaged(number: int) -> bytes:
        whole = camera.grey(number)
        return {3: b"\xff\xd8no picture", 4: whole[: len(whole) // 2]}.get(number % 5, whole)

    camera.jpeg = damaged
    (source,) = open_sources([camera.url])
    reader = Reader(source)
    reader.wait(15)
    reader.stop()
    assert reader.errors == []
    assert {frame.number % 5 for frame in reader.frames} == {0, 1, 2}  # numbers of damaged frames are left out
    assert all(abs(frame.image.mean() - 40 - frame.number % 150) < 2 for frame in reader.frames)


def test_a_camera_that_sends_nothing_but_damage_is_lost(camera: CameraServer) -> None:
    (source,) = open_sources([camera.url])
    reader = Reader(source)
    reader.wait(3)
    camera.jpeg = lambda number: b"\xff\xd8no picture"
    while not reader.errors:
        time.sleep(0.02)
    camera.jpeg = camera.grey
    reader.wait(len(reader.frames) + 3)
    reader.stop()
    assert "no frame comes any more" in reader.errors[0].cause


def test_a_size_that_changes_in_mid_stream_is_scaled_to_the_first(camera: CameraServer) -> None:
    half = np.zeros((90, 80, 3), np.uint8)
    half[:, :40] = 255
    camera.jpeg = lambda number: camera.grey(number) if number < 5 else jpeg_of(half)
    (source,) = open_sources([camera.url])
    reader = Reader(source)
    reader.wait(10)
    reader.stop()
    assert {frame.image.shape for frame in reader.frames} == {(120, 160, 3)}
    last = reader.frames[-1].image
    assert last[:, :70].min() > 200 and last[:, 90:].max() < 50


def test_a_camera_that_turns_grey(camera: CameraServer) -> None:
    camera.jpeg = lambda number: jpeg_of(np.full((120, 160), 40 + number, np.uint8))
    (source,) = open_sources([camera.url])
    reader = Reader(source)
    reader.wait(5)
    reader.stop()
    assert all(frame.image.shape == (120, 160, 3) for frame in reader.frames)
    assert all(np.ptp(frame.image, axis=2).max() <= 2 for frame in reader.frames)


def test_a_camera_that_was_never_there_is_an_error() -> None:
    (source,) = open_sources([NOWHERE])
    with pytest.raises(SimpleTrtError, match=r"cannot open 'http://127.0.0.1:9/video'") as caught:
        next(iter(source.frames([].append)))
    assert caught.value.cure


def test_a_camera_that_was_never_there_can_be_waited_for(camera: CameraServer) -> None:
    camera.unplug()
    (source,) = open_sources([camera.url], wait=True)
    reader = Reader(source)
    while not reader.errors:
        time.sleep(0.02)
    camera.plug_in()
    reader.wait(1)
    reader.stop()


def test_stopping_does_not_wait_for_the_next_try() -> None:
    (source,) = open_sources([NOWHERE], wait=True)
    reader = Reader(source)
    while len(reader.errors) < 3:
        time.sleep(0.02)
    start = time.monotonic()
    reader.stop()
    assert time.monotonic() - start < 1.5  # the pause is 2 s


@pytest.mark.parametrize("word", ["/dev/video93", "rtsp://user:s3cret@127.0.0.1:9/live"])
def test_errors_hold_no_passwords(word: str) -> None:
    (source,) = open_sources([word])
    with pytest.raises(SimpleTrtError, match="cannot open") as caught:
        next(iter(source.frames()))
    assert "s3cret" not in str(caught.value)
