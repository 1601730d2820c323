"""Small videos made on the spot: frame i is all grey level `shade(i)`, which survives any codec."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

CODECS = {".avi": "MJPG", ".mp4": "mp4v", ".mkv": "mp4v"}


def shade(number: int) -> int:
    return 20 + 10 * number


def number_of(picture: np.ndarray) -> int:
    return round((float(picture.mean()) - 20) / 10)


def write_clip(path: Path, frames: int, rate: float = 10.0, size: tuple[int, int] = (48, 64)) -> Path:
    """`frames` frames (at most 23) of size (height, width)."""
    codec = cv2.VideoWriter.fourcc(*CODECS[path.suffix])
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, rate, size[::-1])
    assert writer.isOpened()
    for i in range(frames):
        writer.write(np.full((*size, 3), shade(i), np.uint8))
    writer.release()
    return path


def read_clip(path: Path) -> tuple[list[int], float]:
    """The frames' numbers, and the rate."""
    reader = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    rate = reader.get(cv2.CAP_PROP_FPS)
    numbers = []
    while True:
        there, image = reader.read()
        if not there:
            return numbers, rate
        numbers.append(number_of(image))
