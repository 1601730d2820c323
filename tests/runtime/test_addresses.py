"""Which word means which source, and what is said of words that mean none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.pictures import write_picture
from simple_trt.runtime import PictureSource, open_sources
from simple_trt.runtime.cameras import CameraSource
from simple_trt.runtime.synthetic import SyntheticCamera
from simple_trt.runtime.videos import VideoSource
from tests.runtime.clips import write_clip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("1.png", "2.png", "10.png"):
        write_picture(tmp_path / name, np.zeros((4, 4, 3), np.uint8))
    write_clip(tmp_path / "a.avi", 2)
    write_clip(tmp_path / "b.avi", 2)
    return tmp_path


def test_kinds(folder: Path) -> None:
    words = ["rtsp://cam/1", "synthetic://5fps", "/dev/video9", str(folder / "a.avi"), str(folder / "1.png")]
    kinds = [type(source) for source in open_sources(words)]
    assert kinds == [PictureSource, CameraSource, SyntheticCamera, CameraSource, VideoSource]
    assert [source.live for source in open_sources(words)] == [False, True, True, True, False]


def test_pictures_are_one_source(folder: Path) -> None:
    (source,) = open_sources([str(folder / "2.png"), str(folder), str(folder / "1.png")])
    assert isinstance(source, PictureSource)
    assert source.names == ["2.png", "1.png", "2.png", "10.png", "1.png"]
    assert source.skipped == 2


def test_patterns(folder: Path) -> None:
    (source,) = open_sources([str(folder / "*.png")])
    assert isinstance(source, PictureSource)
    assert source.names == ["1.png", "2.png", "10.png"]
    assert [source.name for source in open_sources([str(folder / "*.avi")])] == [
        str(folder / "a.avi"),
        str(folder / "b.avi"),
    ]
    with pytest.raises(SimpleTrtError, match="no file is named like"):
        open_sources([str(folder / "*.mp4")])


def test_a_file_whose_name_looks_like_a_pattern(folder: Path) -> None:
    write_picture(folder / "[1].png", np.zeros((4, 4, 3), np.uint8))
    (source,) = open_sources([str(folder / "[1].png")])
    assert isinstance(source, PictureSource)
    assert source.names == ["[1].png"]


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("rtsp://admin:s3cret@10.0.0.1:554/live", "rtsp://10.0.0.1:554/live"),
        ("http://cam/v?user=admin&Password=s3cret&channel=2", "http://cam/v?user=...&Password=...&channel=2"),
        ("rtsps://token:s3cret@cam/1?token=s3cret", "rtsps://cam/1?token=..."),
    ],
)
def test_names_hold_no_passwords(address: str, name: str) -> None:
    (source,) = open_sources([address])
    assert source.name == name
    assert isinstance(source, CameraSource)
    assert source.device.address == address


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ftp://a/b"], "'ftp://a/b' is no source"),
        (["rtsp://a:b@cam/1", "rtsp://c:d@cam/1"], "'rtsp://cam/1' is named twice"),
        (["synthetic://fast"], "expected a number from 0.1 to 1000, got 'fast'"),
        (["synthetic://0fps"], "expected a number from 0.1 to 1000, got '0'"),
        (["synthetic://30fps?size=big"], "cannot be understood"),
        (["synthetic://30fps?size=0x480"], "cannot be understood"),
        (["synthetic://30fps?people=-1"], "expected a number from 0 to 100"),
        (["synthetic://30fps?colour=red"], "unknown option 'colour'"),
        (["csi://left"], "cannot be understood"),
    ],
)
def test_words_that_mean_nothing(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        open_sources(words)


def test_standard_input_needs_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(UsageError, match="nothing is piped"):
        open_sources(["-"])


@pytest.mark.parametrize("word", ["csi://0", "videotestsrc ! appsink"])
def test_without_gstreamer(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simple_trt.runtime.addresses.has_gstreamer", lambda: False)
    with pytest.raises(SimpleTrtError, match=r"was built without it.*system-site-packages"):
        open_sources([word])


def test_with_gstreamer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simple_trt.runtime.addresses.has_gstreamer", lambda: True)
    csi, raw = open_sources(["csi://1?size=1920x1080&fps=60", "rtspsrc location=rtsp://u:p@cam ! decodebin ! appsink"])
    assert isinstance(csi, CameraSource) and isinstance(raw, CameraSource)
    assert csi.name == "csi://1?size=1920x1080&fps=60"
    assert "sensor-id=1 " in csi.device.address
    assert "width=1920, height=1080, framerate=60/1" in csi.device.address
    assert csi.device.address.endswith("appsink drop=true max-buffers=1")
    assert raw.name == "rtspsrc location=rtsp://cam ! decodebin ! appsink"
    with pytest.raises(UsageError, match="has no end that can be read"):
        open_sources(["videotestsrc ! fakesink"])
