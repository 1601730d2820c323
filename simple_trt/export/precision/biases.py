"""Biases that make up for what rounding does to weights.

Rounding adds an error to each weight, and inputs that are not 0 on average turn it into a shift of the output channel,
the same everywhere in the picture. What it is on average is known in advance, and taken off the bias (bias correction:
M. Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction, arXiv 1906.04721, section 4.2;
here with the means of real photos). It costs nothing when the engine runs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from simple_trt.export.lowering import decode_op
from simple_trt.export.precision.regions import CROP_OP, downstream

Means = Mapping[str, NDArray[np.float64]]
"""Tensor -> mean of each of its channels [C] on photos."""


def rounded_weight(values: NDArray[np.float32], levels: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """A weight ``[C_out,C_in,h,w]`` in steps of its output channel, and the size of these steps ``[C_out]``; the
    largest weight of a channel becomes `levels`.
    """
    largest = np.abs(values).reshape(len(values), -1).max(axis=1)
    scale = (np.where(largest > 0, largest, 1.0) / levels).astype(np.float32)
    return np.rint(values / scale[:, None, None, None]).clip(-levels, levels).astype(np.int8), scale


def correct_biases(graph: onnx.GraphProto, convolutions: Collection[str], means: Means, levels: int) -> None:
    """Change the biases of these convolutions so that rounding their weights shifts nothing on average; in place.

    Those behind the crops keep theirs: most rows of crops hold nobody, and their means say nothing of people. That
    the outermost cells see zeros beside the picture is left out of account.
    """
    weights = {item.name: item for item in graph.initializer}
    crops = [name for node in graph.node if decode_op(node) == CROP_OP for name in node.output]
    behind = {node.name for node in downstream(graph, crops, "")}
    for node in graph.node:
        if node.name in convolutions and node.name not in behind and node.input[0] in means:
            values = numpy_helper.to_array(weights[node.input[1]])
            bias = numpy_helper.to_array(weights[node.input[2]]) if len(node.input) > 2 else np.float32(0)
            corrected = bias + _shift(values, levels, means[node.input[0]])
            node.input[2:] = [f"{node.input[1]}_bias_corrected"]
            graph.initializer.append(numpy_helper.from_array(corrected.astype(np.float32), node.input[2]))


def _shift(values: NDArray[np.float32], levels: int, means: NDArray[np.float64]) -> NDArray[np.float64]:
    """What rounding the weight takes from the mean of each output channel ``[C_out]``."""
    rounded, scale = rounded_weight(values, levels)
    error = values - rounded * scale[:, None, None, None].astype(np.float64)
    shift: NDArray[np.float64] = error.sum((2, 3)) @ means
    return shift
