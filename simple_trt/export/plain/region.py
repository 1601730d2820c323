"""The padded region that a box's crop covers, and which map cells its crop cells fall on.

Comparisons with a bound are made before the division, on numbers that are exact for coordinates with few binary digits.
So a runtime that multiplies by a reciprocal or fuses a multiply-add decides them like one that does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simple_trt.export.plain.subgraph import Subgraph, Value

LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Axis:
    """One axis of the regions of M boxes: where they begin and how long they are, ``[B,M,1]``, network-input pixels."""

    corner: Value
    size: Value


@dataclass(frozen=True)
class Region:
    """The regions of M boxes: their two axes, and ``exists [B,M,1]``, false for an empty or non-finite box."""

    x: Axis
    y: Axis
    exists: Value


def padded_region(graph: Subgraph, boxes: Value, crop_h: int, crop_w: int, padding: float) -> Region:
    """Grow ``boxes [B,M,4]`` on the shorter side to the crop's aspect, then both by ``padding``, about the centre."""
    x1, y1, x2, y2 = graph.node_with_outputs(4, "Split", boxes, axis=2, num_outputs=4)
    width, height = x2 - x1, y2 - y1
    grown_width = width.at_least(height * float(crop_w) / float(crop_h)) * padding
    grown_height = height.at_least(width * float(crop_h) / float(crop_w)) * padding
    left = (x1 + x2) * 0.5 - grown_width * 0.5
    top = (y1 + y2) * 0.5 - grown_height * 0.5
    exists = (width > 0.0) & (height > 0.0)
    for extent in (left, top, grown_width, grown_height):
        exists = exists & is_finite(graph, extent)
    nothing = [graph.where(exists, value, 0.0) for value in (left, grown_width, top, grown_height)]
    return Region(Axis(nothing[0], nothing[1]), Axis(nothing[2], nothing[3]), exists)


def is_finite(graph: Subgraph, values: Value) -> Value:
    """False for NaN and infinities."""
    return graph.node("Abs", values) <= LARGEST


def scaled_position(axis: Axis, place: Value | np.ndarray, cells: int) -> Value:
    """The position of ``place``, in crop cells of ``cells``, times ``cells``: network-input pixels times ``cells``."""
    return axis.corner * float(cells) + axis.size * place
