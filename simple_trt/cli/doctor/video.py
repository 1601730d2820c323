"""How frames get here: what OpenCV decodes with, which hardware could, and which cameras there are."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from simple_trt.cli.doctor.finding import FINE, Finding
from simple_trt.cli.doctor.machine import Machine

__all__ = ["Video", "judge_video", "read_video"]

# device files of hardware decoders, and what decodes with them
DECODERS = {
    "/dev/nvhost-nvdec": "NVDEC of the Jetson",
    "/dev/v4l2-nvdec": "NVDEC of the Jetson",
    "/dev/nvidia0": "NVDEC of the NVIDIA GPU",
    "/dev/dri/renderD128": "VA-API of the graphics chip",
}
GSTREAMER_PLUGINS = {
    "NVDEC of the Jetson": "nvv4l2decoder",
    "NVDEC of the NVIDIA GPU": "nvh264dec",
    "VA-API of the graphics chip": "vah264dec",
}
NO_OPENCV = "pip install opencv-python-headless: nothing can be read without it"
OTHER_OPENCV = "use an OpenCV built with GStreamer (apt install python3-opencv; pip uninstall opencv-python-headless)"


@dataclass(frozen=True)
class Video:
    """What can be read, and by what.

    Args:
        opencv: its version; empty without.
        libraries: of its video input, as its build information names them (`FFMPEG`, `GStreamer`, `v4l/v4l2`) -> what
            it says of each, such as `YES (1.22.0)`.
        decoders: hardware that decodes video.
        plugins: GStreamer elements for that hardware which are installed.
        cameras: device file -> whether this process may open it.
    """

    opencv: str
    libraries: Mapping[str, str]
    decoders: tuple[str, ...]
    plugins: tuple[str, ...]
    cameras: Mapping[str, bool]


def read_video(machine: Machine, opencv: str, build_information: str) -> Video:
    """From OpenCV's own report, /dev and GStreamer's inspector."""
    decoders = tuple(dict.fromkeys(name for path, name in DECODERS.items() if machine.exists(path)))
    inspected = {element: machine.command(["gst-inspect-1.0", element]) or "" for element in _wanted(decoders)}
    return Video(
        opencv=opencv,
        libraries=_video_libraries(build_information),
        decoders=decoders,
        plugins=tuple(element for element, said in inspected.items() if "Factory Details" in said),
        cameras={
            path: os.access(machine.root / path[1:], os.R_OK | os.W_OK) for path in machine.matches("/dev/video*")
        },
    )


def _wanted(decoders: tuple[str, ...]) -> list[str]:
    return [GSTREAMER_PLUGINS[name] for name in decoders]


def _video_libraries(text: str) -> dict[str, str]:
    """The part `Video I/O` of OpenCV's build information."""
    part = re.search(r"^ *Video I/O:\n(.*?)(?:\n\s*\n|\Z)", text, re.MULTILINE | re.DOTALL)
    lines = (re.match(r"^ {4}(\S[^:]*):\s+(\S.*)$", line) for line in (part[1].splitlines() if part else []))
    return {found[1]: found[2].strip() for found in lines if found}


def judge_video(video: Video) -> list[Finding]:
    """Files and streams, pipelines, hardware decoding, cameras."""
    if not video.opencv:
        return [Finding("OpenCV", "", NO_OPENCV, required=True)]
    return [
        Finding("OpenCV", video.opencv),
        _library(
            video, "FFMPEG", "files and rtsp://", "pip install opencv-python-headless: the wheel has FFmpeg inside"
        ),
        _library(video, "GStreamer", "csi:// and pipelines", f"only needed for those: {OTHER_OPENCV}"),
        _hardware(video),
        _cameras(video),
    ]


def _library(video: Video, name: str, purpose: str, cure: str) -> Finding:
    said = video.libraries.get(name, "NO")
    has = said.startswith("YES")
    version = said.removeprefix("YES").strip(" ()")
    return Finding(f"{name}, for {purpose}", (version or "yes") if has else "", FINE if has else cure)


def _hardware(video: Video) -> Finding:
    """Hardware decodes only through GStreamer: the FFmpeg inside OpenCV's wheels has no hardware of its own."""
    name = "hardware decoding"
    if not video.decoders:
        return Finding(name, "", "video is decoded by the CPU: keep streams small (720p and below), or H.264 not H.265")
    found = ", ".join(video.decoders)
    if not video.libraries.get("GStreamer", "NO").startswith("YES"):
        return Finding(
            name, f"{found}, out of OpenCV's reach", f"video is decoded by the CPU: {OTHER_OPENCV}", slows=True
        )
    if not video.plugins:
        wanted = " or ".join(_wanted(video.decoders))
        advice = f"GStreamer lacks {wanted}: install gstreamer1.0-plugins-bad (Jetson: nvidia-l4t-gstreamer)"
        return Finding(name, found, advice, slows=True)
    return Finding(name, f"{found} by {', '.join(video.plugins)}", "give rtsp:// as a pipeline with that element")


def _cameras(video: Video) -> Finding:
    if not video.cameras:
        return Finding("cameras", "none at /dev/video*", "for a container: --device /dev/video0; else nothing to do")
    closed = [path for path, open_to_us in video.cameras.items() if not open_to_us]
    advice = (
        f"{', '.join(closed)} may not be opened: sudo usermod -aG video $USER, then log in again" if closed else FINE
    )
    return Finding("cameras", ", ".join(video.cameras), advice)
