"""What the word SOURCE may be: pictures, videos, cameras, streams, standard input."""

from __future__ import annotations

import glob
import re
import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import cv2

from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.pictures import is_animated
from simple_trt.runtime.cameras import CameraSource, Device
from simple_trt.runtime.capture import has_gstreamer
from simple_trt.runtime.frames import Source
from simple_trt.runtime.sources import PictureSource, joined, natural_key, open_source
from simple_trt.runtime.synthetic import Scene, SyntheticCamera
from simple_trt.runtime.videos import VideoSource

__all__ = ["open_sources"]

VIDEO_SUFFIXES = frozenset((".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".ts", ".mpg", ".mpeg", ".wmv", ".flv"))
STREAMS = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "tcp", "srt")
SCHEMES = (*STREAMS, "csi", "synthetic")
STDIN = "-"
PIPELINE = " ! "
CSI = (
    "nvarguscamerasrc sensor-id={sensor} ! video/x-raw(memory:NVMM), width={width}, height={height}, "
    "framerate={fps}/1 ! nvvidconv ! video/x-raw, format=BGRx ! videoconvert ! video/x-raw, format=BGR ! "
    "appsink drop=true max-buffers=1"
)
LARGEST_SIDE, HIGHEST_RATE, MOST_PEOPLE = 16384, 1000.0, 100


def open_sources(words: Sequence[str], wait: bool = False) -> list[Source]:
    """The sources that a command line names; picture files and folders become one source together.

    Args:
        words: pictures, folders, patterns (`*.jpg`), videos, GIFs, `/dev/video0`, `rtsp://...`, `http://...`, `csi://0`,
            a GStreamer pipeline, `-` for standard input, `synthetic://30fps?size=640x480`.
        wait: wait for cameras that are not there yet.

    Raises:
        UsageError: a word means nothing, or the same is named twice.
        SimpleTrtError: there is no such file, or this OpenCV cannot read such a source.
    """
    sources: list[Source] = []
    pictures: list[PictureSource] = []
    for word in words:
        for source in _meant(word, wait):
            if isinstance(source, PictureSource):
                pictures.append(source)
            else:
                sources.append(source)
    names = [source.name for source in sources]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UsageError(f"'{min(twice)}' is named twice", "name each source once")
    if not pictures:
        return sources
    return [pictures[0] if len(pictures) == 1 else joined(pictures), *sources]


def _meant(word: str, wait: bool) -> Iterator[Source]:
    if word == STDIN:
        yield _standard_input()
    elif PIPELINE in word:
        yield _pipeline(word, word, wait)
    elif "://" in word:
        yield _url(word, wait)
    elif Path(word).exists() or not glob.has_magic(word):
        yield _file(word, wait)
    else:
        files = sorted(glob.glob(word, recursive=True), key=natural_key)  # noqa: PTH207 - patterns may be absolute
        if not files:
            raise SimpleTrtError(f"no file is named like '{word}'", "check the pattern")
        for file in files:
            yield _file(file, wait)


def _file(word: str, wait: bool) -> Source:
    path = Path(word)
    if word.startswith("/dev/video") or _is_device(path):
        cure = "see which cameras there are (ls /dev/video*), and whether another program has it open"
        return CameraSource(word, Device(word, cv2.CAP_V4L2, cure), wait)
    is_video = path.suffix.lower() in VIDEO_SUFFIXES or (path.suffix.lower() == ".gif" and is_animated(path))
    if is_video and path.is_file():
        return VideoSource(word)
    return open_source(word)


def _is_device(path: Path) -> bool:
    return path.exists() and stat.S_ISCHR(path.stat().st_mode)


def _standard_input() -> Source:
    if sys.stdin is None or sys.stdin.isatty():
        cure = "pipe a video or pictures into it: cat clip.mp4 | simple-trt run ENGINE -"
        raise UsageError("nothing is piped into standard input", cure)
    return VideoSource(STDIN, f"pipe:{sys.stdin.fileno()}")


def _url(word: str, wait: bool) -> Source:
    scheme = word.split("://", 1)[0].lower()
    if scheme in STREAMS:
        cure = "check the address, user and password, and that the camera can be reached (ffprobe URL)"
        return CameraSource(_public(word), Device(word, cv2.CAP_FFMPEG, cure), wait)
    if scheme == "csi":
        return _csi(word, wait)
    if scheme == "synthetic":
        return _synthetic(word)
    raise UsageError(f"'{_public(word)}' is no source", f"addresses begin with: {'://, '.join(SCHEMES)}://")


def _pipeline(name: str, pipeline: str, wait: bool) -> Source:
    if not has_gstreamer():
        cause = f"'{_public(name)}' needs GStreamer, and this OpenCV ({cv2.__version__}) was built without it"
        cure = (
            "on a Jetson use its own OpenCV: make the environment with python3 -m venv --system-site-packages and "
            "pip uninstall opencv-python-headless; elsewhere use rtsp:// or /dev/video0, which need none"
        )
        raise SimpleTrtError(cause, cure)
    if "appsink" not in pipeline:
        raise UsageError(f"the pipeline '{_public(pipeline)}' has no end that can be read", "let it end in ! appsink")
    cure = f"try it alone: gst-launch-1.0 {_public(pipeline).replace('appsink', 'fakesink')}"
    return CameraSource(_public(name), Device(pipeline, cv2.CAP_GSTREAMER, cure), wait)


def _csi(word: str, wait: bool) -> Source:
    sensor, options = _parts(word, {"size", "fps"})
    width, height = _size(options.get("size", "1280x720"), word)
    fps = int(_number(options.get("fps", "30"), word, 1, HIGHEST_RATE))
    if not sensor.isdecimal():
        raise _unclear(word, "csi://0?size=1280x720&fps=30")
    return _pipeline(word, CSI.format(sensor=sensor, width=width, height=height, fps=fps), wait)


def _synthetic(word: str) -> Source:
    rate, options = _parts(word, {"size", "people", "photo", "frames"})
    width, height = _size(options.get("size", "640x480"), word)
    people = int(_number(options.get("people", "3"), word, 0, MOST_PEOPLE))
    photo = Path(options["photo"]) if "photo" in options else None
    frames = int(_number(options.get("frames", "0"), word, 0, 1e9))
    fps = _number(rate.removesuffix("fps"), word, 0.1, HIGHEST_RATE)
    return SyntheticCamera(word, fps, Scene((height, width), people, photo), frames)


def _parts(word: str, known: set[str]) -> tuple[str, dict[str, str]]:
    """What stands between scheme and "?", and the options behind it."""
    parts = urlsplit(word)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := set(options) - known:
        raise UsageError(f"'{word}' has an unknown option '{min(unknown)}'", f"options: {', '.join(sorted(known))}")
    return (parts.netloc + parts.path).strip("/"), options


def _size(text: str, word: str) -> tuple[int, int]:
    """640x480 -> (640, 480), width first, as cameras have it."""
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if not found or not all(0 < int(side) <= LARGEST_SIDE for side in found.groups()):
        raise _unclear(word, "size=640x480")
    return int(found[1]), int(found[2])


def _number(text: str, word: str, low: float, high: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise UsageError(f"'{word}': expected a number from {low:g} to {high:g}, got '{text}'", "correct it")
    return value


def _unclear(word: str, example: str) -> UsageError:
    return UsageError(f"'{word}' cannot be understood", f"write it like this: {example}")


def _public(address: str) -> str:
    """The address without user, password and what else opens doors."""
    address = re.sub(r"://[^/@\s]*@", "://", address)
    return re.sub(r"(?i)([?&](?:user\w*|pass\w*|pwd|token|key|secret|auth)=)[^&\s]*", r"\1...", address)
