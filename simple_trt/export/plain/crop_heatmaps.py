"""CropHeatmaps by GridSample, with RoIAlign's rule for samples outside the map."""

from __future__ import annotations

import numpy as np

from simple_trt.export.plain.region import Axis, padded_region, scaled_position
from simple_trt.export.plain.subgraph import Input, Subgraph, Value

# In GridSample's normalised coordinates the map spans -1..1; here all four corners of the bilinear cell are outside.
FAR_OUTSIDE = -5.0


def crop_heatmaps(
    graph: Subgraph,
    heatmaps: Input,
    boxes: Input,
    *,
    stride: int,
    crop_h: int,
    crop_w: int,
    padding: float,
    samples: int,
) -> tuple[Value, ...]:
    """Crops ``[B,M,K,h,w]`` of ``heatmaps [B,K,H,W]`` (RoIAlign of Mask R-CNN, aligned; ``samples`` squared a cell).

    GridSample keeps what is local local: a NaN in a heatmap reaches only the samples beside it, which the two dense
    interpolation matrices of a separable RoIAlign would not do. Boxes that are not there sample the first cell and are
    blanked afterwards: OpenVINO is quicker with samples outside the map, and time would then grow with the people.
    """
    keypoints, height, width = (heatmaps.size(axis) for axis in (1, 2, 3))
    count = boxes.size(1)
    region = padded_region(graph, boxes, crop_h, crop_w, padding)
    columns = _coordinates(graph, region.x, crop_w, samples, width, stride)
    rows = _coordinates(graph, region.y, crop_h, samples, height, stride)
    grids = [_grid(graph, x, y, (count, crop_h, crop_w)) for y in rows for x in columns]
    crops, *more = [_sample(graph, heatmaps, grid) for grid in grids]
    for other in more:
        crops = crops + other
    crops = crops * (1.0 / len(grids)) if more else crops
    crops = graph.node("Transpose", crops.reshape(0, keypoints, count, crop_h, crop_w), perm=[0, 2, 1, 3, 4])
    crops = graph.where(region.exists.reshape(0, count, 1, 1, 1), crops, 0.0)
    return (crops if heatmaps.dtype == 1 else crops.cast(heatmaps.dtype),)


def _coordinates(graph: Subgraph, axis: Axis, cells: int, samples: int, size: int, stride: int) -> list[Value]:
    """Normalised map coordinates ``[B,M,cells]`` along one axis, of the first, second... sample in each crop cell."""
    unit = float(stride * cells)
    coordinates = []
    for sample in range(samples):
        place = np.arange(cells, dtype=np.float32) + np.float32((sample + 0.5) / samples)
        scaled = scaled_position(axis, place, cells)
        counts = (scaled >= -0.5 * unit) & (scaled <= (size + 0.5) * unit)
        cell = (scaled / unit - 0.5).at_least(0.0).at_most(float(size - 1))
        coordinates.append(graph.where(counts, cell * (2.0 / size) + (1.0 / size - 1.0), FAR_OUTSIDE))
    return coordinates


def _grid(graph: Subgraph, x: Value, y: Value, shape: tuple[int, int, int]) -> Value:
    """The points ``[B,M*h,w,2]`` at columns ``x [B,M,w]`` and rows ``y [B,M,h]`` of each box."""
    count, crop_h, crop_w = shape
    is_x = graph.constant(np.array([True, False]))
    points = graph.where(is_x, x.reshape(0, count, 1, crop_w, 1), y.reshape(0, count, crop_h, 1, 1))
    return points.reshape(0, count * crop_h, crop_w, 2)


def _sample(graph: Subgraph, heatmaps: Input, grid: Value) -> Value:
    """Bilinear samples ``[B,K,M*h,w]``."""
    return graph.node("GridSample", heatmaps.as_float(), grid, mode="linear", padding_mode="zeros", align_corners=0)
