"""MoveNet MultiPose 512, the peer: pictures for it, people out of it. At most six people, COCO keypoints.

It gets the same letterbox as our networks (centring the picture instead changes its AP by less than these pictures can
tell) and half a pixel is added to its positions: it counts from pixel centres, and does best so. Its own person score
ranks the people.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from simple_trt import ops
from simple_trt.errors import SimpleTrtError
from simple_trt.pictures import Picture
from simple_trt.types import Letterbox, People

__all__ = [
    "INPUT",
    "KEYPOINTS",
    "OUTPUT",
    "PIXEL_CENTRE",
    "SIZE",
    "movenet_file",
    "people_of",
    "prepare",
    "thunder_file",
]

SIZE = 512
INPUT, OUTPUT = "input:0", "Identity:0"
KEYPOINTS = 17
PIXEL_CENTRE = 0.5
BOX, SCORE = [52, 51, 54, 53], 55  # left, top, right, bottom


def movenet_file(data: Path) -> Path:
    """The ONNX file in the data folder. Raises SimpleTrtError when it is not there."""
    return _peer(data, "movenet-multipose-512.onnx")


def thunder_file(data: Path) -> Path:
    """The ONNX file of MoveNet Thunder, for one person. Raises SimpleTrtError when it is not there."""
    return _peer(data, "movenet-thunder.onnx")


def _peer(data: Path, name: str) -> Path:
    path = data / "peers" / name
    if not path.is_file():
        raise SimpleTrtError(f"no file '{path}'", "set SIMPLE_TRT_DATA to a folder that has it")
    return path


def prepare(picture: Picture) -> NDArray[np.int32]:
    """RGB uint8 [H,W,3] -> int32 [1,512,512,3], 0..255, the picture at the top left, the rest black."""
    square = ops.letterbox(torch.from_numpy(np.ascontiguousarray(picture)), SIZE, SIZE, (0, 0, 0), (1, 1, 1))
    pixels = (square.permute(1, 2, 0).numpy() * 255).round().astype(np.int32)
    return np.ascontiguousarray(pixels[None])


def people_of(output: NDArray[Any], picture: Picture) -> People:
    """The rows [1,6,56] as people in pixels of the picture: 17 x (y, x, score), box (y, x, y, x), score."""
    letterbox = Letterbox((picture.shape[0], picture.shape[1]), (SIZE, SIZE))
    rows = output[0].astype(np.float32)
    points = rows[:, : 3 * KEYPOINTS].reshape(-1, KEYPOINTS, 3)
    xy = letterbox.to_image(points[..., 1::-1] * SIZE + PIXEL_CENTRE)
    boxes = letterbox.to_image(rows[:, BOX] * SIZE + PIXEL_CENTRE)
    keypoints = np.concatenate([xy, points[..., 2:]], axis=2)
    return People(boxes, rows[:, SCORE], keypoints, letterbox.image_size)
