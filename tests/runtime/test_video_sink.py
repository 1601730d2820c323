"""Annotated videos: as fast as what they show, whole or not there."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.runtime import Frame
from simple_trt.runtime.video_sink import RESERVE, VideoSink
from simple_trt.types import People
from tests.runtime.clips import read_clip, shade
from tests.runtime.test_sinks import full_disk

NOBODY = np.zeros((0, 4)), np.zeros(0), np.zeros((0, 17, 3))


def write(
    path: Path,
    times: list[float],
    rate: float = 10.0,
    source: str = "cam",
    sizes: tuple[tuple[int, int], ...] = ((48, 64),),
    live: bool = False,
) -> None:
    with VideoSink(path, live) as sink:
        for number, time in enumerate(times):
            size = sizes[min(number, len(sizes) - 1)]
            image = np.full((*size, 3), shade(number), np.uint8)
            sink.write(Frame("f", image, source=source, number=number, time=time, rate=rate), People(*NOBODY, size))


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
def test_frame_by_frame(tmp_path: Path, suffix: str) -> None:
    write(tmp_path / f"a{suffix}", [i / 10 for i in range(8)])
    assert read_clip(tmp_path / f"a{suffix}") == (list(range(8)), 10.0)
    assert len(list(tmp_path.iterdir())) == 1


def test_dropped_frames_are_filled_with_the_one_before(tmp_path: Path) -> None:
    write(tmp_path / "a.avi", [0.0, 0.1, 0.4, 0.5])
    assert read_clip(tmp_path / "a.avi")[0] == [0, 1, 1, 1, 2, 3]


def test_frames_that_come_too_fast_are_left_out(tmp_path: Path) -> None:
    write(tmp_path / "a.avi", [0.0, 0.01, 0.02, 0.1, 0.2])
    assert read_clip(tmp_path / "a.avi")[0] == [0, 3, 4]


def test_the_hours_without_a_camera_are_cut_out(tmp_path: Path) -> None:
    write(tmp_path / "a.avi", [0.0, 0.1, 7200.0, 7200.1])
    assert read_clip(tmp_path / "a.avi")[0] == [0, 1, 2, 3]


def test_a_clock_that_is_set_back(tmp_path: Path) -> None:
    write(tmp_path / "a.avi", [5.0, 5.1, 1.0, 1.1])
    assert read_clip(tmp_path / "a.avi")[0] == [0, 1, 2, 3]


def test_a_size_that_changes_on_the_way(tmp_path: Path) -> None:
    write(tmp_path / "a.avi", [0.0, 0.1, 0.2], sizes=((48, 64), (96, 128), (1, 1)))
    numbers, _ = read_clip(tmp_path / "a.avi")
    assert numbers[:2] == [0, 1]
    assert len(numbers) == 3


def test_each_source_has_its_file(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "a.avi") as sink:
        for number in range(4):
            image = np.full((48, 64, 3), shade(number), np.uint8)
            for source in ("one", "two"):
                frame = Frame("f", image, source=source, number=number, time=number / 10, rate=10.0)
                sink.write(frame, People(*NOBODY, (48, 64)))
    assert read_clip(tmp_path / "a.avi")[0] == read_clip(tmp_path / "a-2.avi")[0] == [0, 1, 2, 3]


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    def fill() -> None:
        with VideoSink(tmp_path / "a.avi") as sink:
            image = np.zeros((48, 64, 3), np.uint8)
            sink.write(Frame("f", image, source="cam", time=0.0), People(*NOBODY, (48, 64)))
            raise OSError(errno.EIO, "elsewhere")

    with pytest.raises(OSError, match="elsewhere"):
        fill()
    assert not list(tmp_path.iterdir())


def test_disk_full(tmp_path: Path) -> None:
    (tmp_path / "a.avi").write_text("old")
    with full_disk(20_000), pytest.raises(SimpleTrtError, match="is not whole, the disk is most likely full"):
        write(tmp_path / "a.avi", [i / 10 for i in range(20)], sizes=((480, 640),))
    assert (tmp_path / "a.avi").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def begin(path: Path, live: bool, then: BaseException) -> None:
    """Three frames, and an error."""
    with VideoSink(path, live) as sink:
        for number in range(3):
            image = np.full((48, 64, 3), shade(number), np.uint8)
            frame = Frame("f", image, source="cam", number=number, time=number / 10, rate=10.0)
            sink.write(frame, People(*NOBODY, (48, 64)))
        raise then


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
def test_an_error_ends_a_recording_of_a_live_source_whole(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(SimpleTrtError, match="the device is gone"):
        begin(tmp_path / f"a{suffix}", True, SimpleTrtError("the device is gone"))
    assert read_clip(tmp_path / f"a{suffix}")[0] == [0, 1, 2]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_recording_of_a_live_source_replaces_none(tmp_path: Path) -> None:
    for first in (0.0, 5.0):
        write(tmp_path / "a.avi", [first, first + 0.1], live=True)
    write(tmp_path / "a.avi", [0.0], live=False)  # of a file, which can be read again
    assert [len(read_clip(tmp_path / name)[0]) for name in ("a.avi", "a-2.avi")] == [1, 2]


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
def test_a_disk_that_is_nearly_full_ends_a_recording_whole(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = iter([RESERVE + 10_000] * 4 + [RESERVE - 1] * 9)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=next(room)))
    with pytest.raises(SimpleTrtError, match=r"disk full: the video '.*' ends after 4 frames \(7 MiB are free\)"):
        write(tmp_path / f"a{suffix}", [i / 10 for i in range(9)], live=True)
    assert read_clip(tmp_path / f"a{suffix}")[0] == [0, 1, 2, 3]


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
def test_a_quota_that_nobody_could_foresee(tmp_path: Path, suffix: str) -> None:
    """What plays of a live source is kept; an .mp4 without its index does not."""
    with full_disk(100_000), pytest.raises(SimpleTrtError, match="the video is not whole"):
        write(tmp_path / f"a{suffix}", [i / 10 for i in range(20)], sizes=((960, 1280),), live=True)
    files = list(tmp_path.iterdir())
    assert files == ([] if suffix == ".mp4" else [tmp_path / f"a{suffix}"])
    assert all(len(read_clip(path)[0]) >= 3 for path in files)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 5), (15, 17)])
def test_sizes_that_no_codec_takes(tmp_path: Path, size: tuple[int, int]) -> None:
    write(tmp_path / "a.mp4", [0.0, 0.1], sizes=(size,))
    assert len(read_clip(tmp_path / "a.mp4")[0]) == 2


def test_names_that_are_no_videos(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"use one of: \.mp4, \.avi, \.mkv"):
        VideoSink(tmp_path / "a.gif")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SimpleTrtError, match="there is no folder"):
        write(tmp_path / "none" / "a.avi", [0.0])
