"""Every frame of a video, in order, with its time; what is damaged is said."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simple_trt.errors import SimpleTrtError
from simple_trt.runtime import open_sources
from simple_trt.runtime.videos import VideoSource, frame_name
from tests.runtime.clips import number_of, write_clip


@pytest.mark.parametrize("suffix", [".avi", ".mp4", ".mkv"])
def test_all_frames_in_order(tmp_path: Path, suffix: str) -> None:
    path = write_clip(tmp_path / f"clip{suffix}", 12)
    (source,) = open_sources([str(path)])
    frames = list(source.frames())
    assert [number_of(frame.image) for frame in frames] == list(range(12))
    assert [frame.number for frame in frames] == list(range(12))
    assert [frame.time for frame in frames] == pytest.approx([i / 10 for i in range(12)], abs=0.011)
    assert {frame.source for frame in frames} == {str(path)}
    assert frames[3].name == "clip-000003.jpg"
    assert {frame.rate for frame in frames} == {10.0}
    assert all(frame.of_stream for frame in frames)
    assert not source.live


def test_colours_are_rgb(tmp_path: Path) -> None:
    reds = [Image.new("RGB", (64, 48), (200 + i, 10, 20)) for i in range(3)]
    reds[0].save(tmp_path / "red.gif", save_all=True, append_images=reds[1:], duration=100)
    (source,) = open_sources([str(tmp_path / "red.gif")])
    frames = list(source.frames())
    assert len(frames) == 3
    assert frames[1].image[20, 20] == pytest.approx([201, 10, 20], abs=12)
    assert frames[1].image.dtype == np.uint8


def test_a_gif_that_does_not_move_is_a_picture(tmp_path: Path) -> None:
    Image.new("RGB", (8, 6), (1, 2, 3)).save(tmp_path / "still.gif")
    (source,) = open_sources([str(tmp_path / "still.gif")])
    assert [frame.of_stream for frame in source.frames()] == [False]


def test_a_real_gif(data_dir: Path) -> None:
    (source,) = open_sources([str(data_dir / "video/classroom.gif")])
    frames = list(source.frames())
    assert (len(frames), frames[0].image.shape) == (45, (270, 480, 3))


def test_what_is_cut_off_is_reported_after_what_is_there(tmp_path: Path, data_dir: Path) -> None:
    whole = (data_dir / "video/one-by-one-person-detection.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[:400_000])
    source = VideoSource(str(tmp_path / "cut.mp4"))
    errors: list[SimpleTrtError] = []
    count = sum(1 for _ in source.frames(errors.append))
    assert 0 < count < 1394
    assert f"ended after {count} of 1394 frames" in str(errors[0])
    with pytest.raises(SimpleTrtError, match="ended after"):
        list(VideoSource(str(tmp_path / "cut.mp4")).frames())


def test_damaged_frames_are_left_out_and_said(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 20, size=(480, 640))
    data = bytearray(path.read_bytes())
    starts = [found.start() for found in re.finditer(b"\x00\x00\x01\xb6", data)]  # MPEG-4's frames
    for start in starts[6:9]:
        data[start : start + 4] = b"\xff" * 4
    path.write_bytes(data)
    errors: list[SimpleTrtError] = []
    frames = list(VideoSource(str(path)).frames(errors.append))
    assert [frame.number for frame in frames] == [*range(6), *range(9, 20)]
    assert [frame.time for frame in frames] == pytest.approx([frame.number / 10 for frame in frames], abs=0.011)
    assert [error.cause for error in errors] == [f"3 frames of the video '{path}' are damaged and were left out"]
    with pytest.raises(SimpleTrtError, match="3 frames of the video"):
        list(VideoSource(str(path)).frames())


@pytest.mark.parametrize("content", [b"", b"no video", b"\0" * 5000])
def test_no_video(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(SimpleTrtError, match="is not a video that can be read"):
        list(VideoSource(str(tmp_path / "a.mp4")).frames())


def test_stopping(tmp_path: Path) -> None:
    source = VideoSource(str(write_clip(tmp_path / "a.avi", 12)))
    errors: list[SimpleTrtError] = []
    frames = source.frames(errors.append)
    next(frames)
    source.stop()
    assert list(frames) == []
    assert errors == []


def test_standard_input(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.avi", 7)
    code = "from simple_trt.runtime import open_sources; print(sum(1 for _ in open_sources(['-'])[0].frames()))"
    with path.open("rb") as file:
        cat = subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE)  # a pipe, in which nobody can seek
        done = subprocess.run(
            [sys.executable, "-c", code], stdin=cat.stdout, capture_output=True, text=True, check=False
        )
        cat.wait()
    assert done.stdout.strip() == "7", done.stderr


def test_names_of_frames_are_names_of_files() -> None:
    assert frame_name("a/b/clip.mp4", 7) == "clip-000007.jpg"
    assert frame_name("rtsp://10.0.0.1:554/a/b?x=1", 0) == "10_0_0_1_554_a_b_x_1-000000.jpg"
    assert frame_name("-", 3) == "stdin-000003.jpg"
