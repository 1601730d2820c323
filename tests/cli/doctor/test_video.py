from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from simple_trt.cli.doctor.video import Video, judge_video, read_video
from tests.cli.doctor.planted import by_name, planted

JETSON_BUILD = """
  GUI:                           GTK3
    GTK+:                        YES (ver 3.24.33)

  Video I/O:
    DC1394:                      NO
    FFMPEG:                      YES
      avcodec:                   YES (58.134.100)
    GStreamer:                   YES (1.20.3)
    v4l/v4l2:                    YES (linux/videodev2.h)

  Parallel framework:            TBB (ver 2021.5 interface 12050)
    GStreamer:                   NO, but that is another part
"""
WHEEL = {"FFMPEG": "YES", "GStreamer": "NO"}
WITH_GSTREAMER = {"FFMPEG": "YES", "GStreamer": "YES (1.20.3)"}
NVDEC = ("NVDEC of the Jetson",)


def test_everything_is_read(tmp_path: Path) -> None:
    files = {"/dev/v4l2-nvdec": "", "/dev/nvhost-nvdec": "", "/dev/video0": "", "/dev/video1": ""}
    machine = planted(tmp_path, files, {"gst-inspect-1.0": "Factory Details:\n  Rank primary"})
    video = read_video(machine, "4.8.0", JETSON_BUILD)
    assert video.libraries == {
        "DC1394": "NO",
        "FFMPEG": "YES",
        "GStreamer": "YES (1.20.3)",
        "v4l/v4l2": "YES (linux/videodev2.h)",
    }
    assert (video.decoders, video.plugins) == (NVDEC, ("nvv4l2decoder",))
    assert video.cameras == {"/dev/video0": True, "/dev/video1": True}


def test_element_that_gstreamer_lacks(tmp_path: Path) -> None:
    machine = planted(tmp_path, {"/dev/v4l2-nvdec": ""}, {"gst-inspect-1.0": "No such element or plugin"})
    assert read_video(machine, "4.8.0", JETSON_BUILD).plugins == ()


def test_this_opencv_says_what_it_has(tmp_path: Path) -> None:
    """The report's layout is OpenCV's own: this is the version that is installed."""
    libraries = read_video(planted(tmp_path, {}), cv2.__version__, cv2.getBuildInformation()).libraries
    assert libraries["FFMPEG"] == "YES"
    assert "GStreamer" in libraries


def test_without_opencv_nothing_can_be_read() -> None:
    (finding,) = judge_video(Video("", {}, (), (), {}))
    assert finding.required and not finding.found


@pytest.mark.parametrize(
    ("libraries", "decoders", "plugins", "slows", "advice"),
    [
        (WHEEL, (), (), False, "decoded by the CPU"),
        (WHEEL, NVDEC, (), True, "apt install python3-opencv"),
        (WITH_GSTREAMER, NVDEC, (), True, "GStreamer lacks nvv4l2decoder"),
        (WITH_GSTREAMER, NVDEC, ("nvv4l2decoder",), False, "as a pipeline"),
    ],
)
def test_hardware_decoding(
    libraries: dict[str, str], decoders: tuple[str, ...], plugins: tuple[str, ...], slows: bool, advice: str
) -> None:
    finding = by_name(judge_video(Video("4.10", libraries, decoders, plugins, {})))["hardware decoding"]
    assert finding.slows == slows
    assert advice in finding.advice


def test_libraries_that_are_missing() -> None:
    findings = by_name(judge_video(Video("4.10", {}, (), (), {})))
    assert not findings["FFMPEG, for files and rtsp://"].found
    assert not findings["GStreamer, for csi:// and pipelines"].found
    assert (
        by_name(judge_video(Video("4.10", WITH_GSTREAMER, (), (), {})))["GStreamer, for csi:// and pipelines"].found
        == "1.20.3"
    )


def test_camera_of_another_group() -> None:
    cameras = {"/dev/video0": True, "/dev/video1": False}
    finding = by_name(judge_video(Video("4.10", WHEEL, (), (), cameras)))["cameras"]
    assert finding.advice.startswith("/dev/video1 may not be opened: sudo usermod -aG video")
