"""How large a picture meets the network: letterboxed as engines take it, or at full aspect, at any scale.

A frame is the rectangle that a picture is letterboxed into. Its sides are whole pixels; for the network it is padded
with black on the right and at the bottom to multiples of 32, and what the network says of the padding is cut off.
"""

from __future__ import annotations

from math import ceil, floor

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from simple_trt import ops
from simple_trt.engines.manifest import Preprocessing
from simple_trt.errors import SimpleTrtError
from simple_trt.models.hrnet import DIVISOR
from simple_trt.pictures import Picture
from simple_trt.types import Letterbox

__all__ = ["frame_of", "map_size", "prepare"]

LONGEST_SIDE = 8192


def frame_of(image_size: tuple[int, int], network_size: tuple[int, int], scale: float, sizing: str) -> Letterbox:
    """The frame of a picture at one scale.

    Args:
        image_size: (height, width) of the picture, pixels.
        network_size: (height, width) that the network is meant for, pixels.
        scale: 1 is the size that the network is meant for.
        sizing: "fixed" letterboxes into the network's size times the scale; "accuracy" brings the picture's shorter
            side to the network's shorter side times the scale and keeps the whole of the longer one.

    Raises:
        SimpleTrtError: the longer side would exceed 8192 pixels.
    """
    if sizing == "fixed":
        height, width = (_rounded(side * scale) for side in network_size)
    else:
        short = _rounded(min(network_size) * scale)
        height, width = (_rounded(side * short / min(image_size)) for side in image_size)
    if max(height, width) > LONGEST_SIDE:
        cause = f"a picture of {image_size[1]}x{image_size[0]} becomes {width}x{height} at scale {scale:g}"
        raise SimpleTrtError(cause, f"choose the sizing 'fixed' or smaller scales: sides up to {LONGEST_SIDE} are run")
    return Letterbox(image_size, (height, width))


def prepare(picture: Picture, frame: Letterbox, rules: Preprocessing) -> Tensor:
    """RGB uint8 [H,W,3] -> the network's input [1,3,h,w] float32: letterboxed, normalised, black up to the padding."""
    height, width = frame.network_size
    pixels = torch.from_numpy(np.ascontiguousarray(picture))
    image = ops.letterbox(pixels, height, width, rules.mean, rules.std)
    padding = (0, -width % DIVISOR, 0, -height % DIVISOR)
    channels = [functional.pad(x, padding, value=black) for x, black in zip(image, _black(rules), strict=True)]
    return torch.stack(channels)[None]


def map_size(frame: Letterbox, stride: int) -> tuple[int, int]:
    """(rows, columns) of a map with `stride` pixels a cell that covers the frame."""
    height, width = frame.network_size
    return ceil(height / stride), ceil(width / stride)


def _rounded(side: float) -> int:
    return max(floor(side + 0.5), 1)


def _black(rules: Preprocessing) -> list[float]:
    """What a black pixel becomes, channel by channel."""
    return [-mean / std for mean, std in zip(rules.mean, rules.std, strict=True)]
