"""How large a network's tensors get on real photos: one histogram of magnitudes a tensor, kept while images pass by,
and the mean of each of its channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper

from simple_trt.errors import SimpleTrtError

BINS = 2048
# Tensors are fetched from the runtime in groups that stay below this.
GROUP_BYTES = 256 << 20
SMALLEST_LIMIT = 2.0**-20
SAMPLES = 1 << 18


class Histogram:
    """Magnitudes in equal bins from 0 to a power of two, which doubles when a greater value comes.

    Doubling merges pairs of bins, so the result does not depend on the order of the images.

    Attributes:
        counts: how many magnitudes lie in each bin [2048].
        limit: where the last bin ends.
        largest: the greatest magnitude.
        means: of the channels of the tensors ``[B,C,...]`` [C]; None where all had but one dimension.
    """

    def __init__(self) -> None:
        self.counts: NDArray[np.int64] = np.zeros(BINS, np.int64)
        self.limit = SMALLEST_LIMIT
        self.largest = 0.0
        self._sums: NDArray[np.float64] | float = 0.0
        self._cells = 0  # that each of these sums is of

    @property
    def means(self) -> NDArray[np.float64] | None:
        """As above."""
        return np.asarray(self._sums / self._cells) if self._cells else None

    def add(self, values: NDArray[np.float32]) -> None:
        """Count the magnitudes of a finite tensor; of a large one, evenly spread samples and the largest."""
        if values.ndim > 1:
            self._sums = self._sums + values.sum((0, *range(2, values.ndim)), dtype=np.float64)
            self._cells += values.size // values.shape[1]
        magnitudes = np.abs(values.ravel())
        largest = float(magnitudes.max(initial=0.0))
        self.largest = max(self.largest, largest)
        while largest >= self.limit:
            self.counts = np.concatenate([self.counts.reshape(-1, 2).sum(1), np.zeros(BINS // 2, np.int64)])
            self.limit *= 2
        # An odd step walks through all columns of a map.
        magnitudes = magnitudes[:: max(1, len(magnitudes) // SAMPLES) | 1]
        bins = (magnitudes * (BINS / self.limit)).astype(np.int32)
        self.counts += np.bincount(bins, minlength=BINS)


def collect_histograms(
    model: onnx.ModelProto, names: Sequence[str], images: Iterable[NDArray[np.float32]]
) -> dict[str, Histogram]:
    """Run images through a graph of standard operators and count the magnitudes of the named tensors.

    Args:
        model: with one input of fixed size.
        names: of float32 tensors inside it.
        images: inputs ``[B,3,H,W]``.

    Raises:
        SimpleTrtError: a tensor is not finite.
    """
    probed = onnx.ModelProto()
    probed.CopyFrom(model)
    known = {output.name for output in probed.graph.output}
    probed.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names if name not in known)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(probed.SerializeToString(), options, providers=["CPUExecutionProvider"])
    histograms = {name: Histogram() for name in names}
    groups = list(_groups(names, _bytes_of(probed.graph)))
    for image in images:
        for group in groups:
            for name, values in zip(group, session.run(group, {probed.graph.input[0].name: image}), strict=True):
                if not np.isfinite(values).all():
                    raise SimpleTrtError(
                        f"the tensor '{name}' is not finite on an image", "train again: the weights are damaged"
                    )
                histograms[name].add(values)
    return histograms


def channel_means(histograms: Mapping[str, Histogram]) -> dict[str, NDArray[np.float64]]:
    """Tensor -> the mean of each of its channels [C], of those that have channels."""
    return {name: histogram.means for name, histogram in histograms.items() if histogram.means is not None}


def _bytes_of(graph: onnx.GraphProto) -> dict[str, int]:
    sizes = {}
    for value in graph.value_info:
        sizes[value.name] = 4 * int(np.prod([max(1, dim.dim_value) for dim in value.type.tensor_type.shape.dim]))
    return sizes


def _groups(names: Sequence[str], sizes: dict[str, int]) -> Iterator[list[str]]:
    """Names in order, as many together as fit."""
    group: list[str] = []
    total = 0
    for name in names:
        if group and total + sizes.get(name, 0) > GROUP_BYTES:
            yield group
            group, total = [], 0
        group.append(name)
        total += sizes.get(name, 0)
    if group:
        yield group
