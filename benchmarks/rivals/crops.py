"""What a top-down method does around its network: people cut out of a picture, keypoints read off their heatmaps."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from simple_trt import ops
from simple_trt.engines.manifest import Preprocessing
from simple_trt.pictures import Picture

__all__ = ["crop", "grown", "normalised", "read_heatmaps"]

Floats = NDArray[np.float32]


def grown(boxes: Floats, rows: int, columns: int) -> Floats:
    """Boxes xyxy [n,4] grown about their centres on one side, to the aspect of a crop of `rows` x `columns` pixels."""
    centers, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    width = np.maximum(sides[:, 0], sides[:, 1] * columns / rows)
    half = np.stack((width, width * rows / columns), 1) / 2
    return np.concatenate((centers - half, centers + half), 1).astype(np.float32)


def crop(picture: Picture, region: Floats, rows: int, columns: int) -> Picture:
    """The region xyxy [4] of a picture as uint8 [rows,columns,3], bilinear; black outside."""
    scale = (region[2:] - region[:2]) / (columns, rows)
    shift = region[:2] + 0.5 * scale - 0.5
    inverse = np.array([[scale[0], 0, shift[0]], [0, scale[1], shift[1]]], np.float32)
    return np.asarray(cv2.warpAffine(picture, inverse, (columns, rows), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP))


def normalised(picture: Picture) -> Floats:
    """uint8 [h,w,3] -> [3,h,w] as our networks and the rivals want it, by the kernel that letterboxes."""
    rules = Preprocessing()
    rows, columns = picture.shape[:2]
    image: Floats = ops.letterbox(torch.from_numpy(picture), rows, columns, rules.mean, rules.std).numpy()
    return image


def read_heatmaps(heatmaps: Floats, regions: Floats) -> Floats:
    """Keypoints (x, y, score) [n,K,3] in pixels of the picture from heatmaps [n,K,h,w] that cover `regions` [n,4].

    The highest cell, moved a quarter of a cell towards its higher neighbours, as the published code does.
    """
    people, keypoints, rows, columns = heatmaps.shape
    flat = heatmaps.reshape(people, keypoints, -1)
    cell = flat.argmax(2)
    v, u = np.divmod(cell, columns)

    def at(du: int, dv: int) -> Floats:
        index = (v + dv).clip(0, rows - 1) * columns + (u + du).clip(0, columns - 1)
        return np.take_along_axis(flat, index[..., None], 2)[..., 0]

    places = np.stack((u, v), 2)
    lean = np.sign(np.stack((at(1, 0) - at(-1, 0), at(0, 1) - at(0, -1)), 2))
    lean[(places == 0) | (places == (columns - 1, rows - 1))] = 0  # there is no neighbour to lean away from
    share = (places + 0.5 + 0.25 * lean) / (columns, rows)
    xy = regions[:, None, :2] + share * (regions[:, 2:] - regions[:, :2])[:, None]
    return np.concatenate((xy, at(0, 0)[..., None]), 2).astype(np.float32)
