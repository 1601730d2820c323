"""Start a network from MoveNet, Google's single-stage pose network (Apache-2.0), as ONNX files of it are published.

MoveNet is CenterNet (arXiv 1904.07850) on MobileNetV2 with a feature pyramid. Its trunk, its pyramid and the head of
its keypoint heatmaps have a place in a network of the `edge` preset; its other heads have none.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from simple_trt.errors import SimpleTrtError
from simple_trt.models.inverted_residual import InvertedResidual
from simple_trt.models.mobilenet_v2 import MobileNetV2

if TYPE_CHECKING:
    import onnx

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of this project's normalisation
PYRAMID = ("conv2d_3/", "conv2d_2/", "conv2d_1/", "conv2d/")  # its lateral convolutions, finest first
SMOOTH = ("re_lu_2/", "re_lu_1/", "re_lu/")  # and of what follows each separable convolution
POSE = "kpt_heatmap_0/"


class Convolution(NamedTuple):
    """One of MoveNet's convolutions, batch norm folded in: weight [O,I,k,k], bias [O]; the name of its output."""

    weight: Tensor
    bias: Tensor
    output: str
    source: str


def load_movenet(network: nn.Module, path: str | Path, pose: bool = True) -> None:
    """Fill backbone and pose head of `network` from an ONNX file of MoveNet MultiPose, so that the features are
    MoveNet's. Without `pose` its heads stay as they are, and it may be any network that has a `backbone`.

    Where the network is wider, MoveNet's channels come first, and read nothing from the others, which keep their random
    start. Batch norms become a scale of one and MoveNet's bias: training must keep their statistics
    (`fixed_statistics`), and `balance` comes first.

    Raises:
        SimpleTrtError: no ONNX file, not MoveNet, of another width, or a network whose backbone is another.
    """
    if not isinstance(network.backbone, MobileNetV2):
        raise SimpleTrtError(f"'{path}' is for the backbone mobilenet-v2", "choose the preset edge")
    try:
        convolutions = list(_convolutions(_read(Path(path))))
        with torch.no_grad():
            _fill_trunk(network.backbone, convolutions)
            _fill_pyramid(network.backbone, convolutions)
            if pose:
                layers = _pose_layers(network)
                _fill_separable(layers, f"{POSE}re_lu", convolutions)
                _fill_last(layers[4], _find(convolutions, f"{POSE}conv2d"))
    except (StopIteration, RuntimeError, LookupError, TypeError) as error:
        raise SimpleTrtError(
            f"'{path}' is not MoveNet MultiPose ({str(error) or 'it has too few convolutions'})",
            "name an ONNX file of movenet-multipose",
        ) from error


def hold_movenet(network: nn.Module, path: str | Path, pose: bool = True) -> None:
    """Keep what `load_movenet` filled as it is while the rest of the network learns: its gradients become zero.

    Weight decay would still move it. Called before or after `balance`, and before training.

    Raises:
        SimpleTrtError: as load_movenet.
    """
    filled = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in filled.parameters():
            parameter.fill_(torch.nan)
    load_movenet(filled, path, pose)
    for own, other in zip(network.parameters(), filled.parameters(), strict=True):
        held = ~other.detach().isnan()
        if held.any():
            own.register_hook(lambda gradient, held=held: gradient.masked_fill(held.to(gradient.device), 0))


@torch.no_grad()
def balance(network: nn.Module, images: Tensor, pose: bool = True) -> None:
    """Scale every channel of pyramid and pose head to a root mean square of one over `images` [B,3,H,W], without a
    change of what the network computes from MoveNet's channels. Without `pose`, where fresh heads read F_shared, this
    is scaled and nothing makes up for it.

    MoveNet's features reach several hundreds. A step of Adam, which moves every weight alike, would throw them about.
    """
    backbone = cast("MobileNetV2", network.backbone)
    lateral, smooth = (cast("list[nn.Sequential]", list(part)) for part in (backbone.lateral, backbone.smooth))
    separables: dict[nn.Sequential, tuple[nn.Module, ...]] = {  # each with the batch norms whose sum it reads
        smooth[2]: (lateral[3][1], lateral[2][1]),
        smooth[1]: (smooth[2][2], lateral[1][1]),
        smooth[0]: (smooth[1][2], lateral[0][1]),
    }
    end, norm = cast("nn.Module", smooth[0]), smooth[0][2]
    if pose:
        head = _pose_layers(network)
        separables[head] = (norm,)
        end, norm = head[3], head[2]
    # A network for comparison may read the levels: only the backbone by itself is sure to be called as a whole.
    sizes = _measure(network if pose else backbone, images, [*separables, *(s[0] for s in separables), end])
    for layers, norms in separables.items():
        before, between = sizes[layers][0], sizes[layers[0]][1]
        _divide(norms, before)
        _scale(layers[0], (before / between).view(-1, 1, 1, 1))
        _scale(layers[1], between.view(1, -1, 1, 1))
    last = sizes[end][1]
    _divide((norm,), last)
    if pose:
        _scale(head[4], last.view(1, -1, 1, 1))


def _measure(network: nn.Module, images: Tensor, modules: list[nn.Module]) -> dict[nn.Module, tuple[Tensor, Tensor]]:
    """Root mean square of every channel of what each module reads and gives; one for channels that are always zero."""
    sizes: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        squares = (x.float().square().mean((0, 2, 3)) for x in (inputs[0], output))
        before, after = (torch.where(s > 0, s.sqrt(), 1.0) for s in squares)
        sizes[module] = before, after

    handles = [module.register_forward_hook(note) for module in modules]
    training = network.training
    network.eval()(images)
    network.train(training)
    for handle in handles:
        handle.remove()
    return sizes


def _pose_layers(network: nn.Module) -> nn.Sequential:
    return cast("nn.Sequential", cast("nn.Module", network.pose).layers)


def _divide(norms: Iterable[nn.Module], sizes: Tensor) -> None:
    for norm in norms:
        cast("Tensor", norm.weight).div_(sizes)
        cast("Tensor", norm.bias).div_(sizes)


def _scale(layer: nn.Module, factor: Tensor) -> None:
    cast("Tensor", layer.weight).mul_(factor)


def _read(path: Path) -> onnx.ModelProto:
    try:
        import onnx
    except ImportError as error:
        raise SimpleTrtError("reading an ONNX file needs the package onnx", "pip install onnx") from error
    if not path.is_file():
        raise SimpleTrtError(f"there is no file '{path}'", "check the path of the MoveNet file")
    try:
        return onnx.load(path)
    except Exception as error:  # protobuf's own kinds of error
        raise SimpleTrtError(f"'{path}' is no ONNX file ({error})", "fetch or copy the file again") from error


def _convolutions(model: onnx.ModelProto) -> Iterator[Convolution]:
    from onnx import numpy_helper

    values: Mapping[str, Any] = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Conv":
            weight, *bias = (torch.from_numpy(numpy_helper.to_array(values[name]).copy()) for name in node.input[1:])
            yield Convolution(weight, bias[0] if bias else torch.zeros(len(weight)), node.output[0], node.input[0])


def _fill_trunk(backbone: MobileNetV2, convolutions: list[Convolution]) -> None:
    """The trunk's convolutions come first in the file, in order. The stem takes this project's normalisation."""
    rest = iter(convolutions)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    stem = next(rest)  # expects 2 v - 1 for v in 0..1
    shift = (stem.weight * (2 * mean - 1)).sum((1, 2, 3))
    _fill(backbone.stem, stem._replace(weight=stem.weight * 2 * std, bias=stem.bias + shift))
    for block in (cast("InvertedResidual", b) for stage in backbone.stages for b in cast("nn.Sequential", stage)):
        for part in (block.expand, block.depthwise, block.project):
            if isinstance(part, nn.Sequential):
                _fill(part, next(rest))
    _fill(backbone.top, next(rest))


def _fill_pyramid(backbone: MobileNetV2, convolutions: list[Convolution]) -> None:
    for lateral, name in zip(backbone.lateral, PYRAMID, strict=True):
        _fill(cast("nn.Sequential", lateral), _find(convolutions, f"/model_1/{name}"))
    for smooth, name in zip(backbone.smooth, SMOOTH, strict=True):
        _fill_separable(cast("nn.Sequential", smooth), f"/model_1/{name}", convolutions)


def _fill_separable(layers: nn.Sequential, name: str, convolutions: list[Convolution]) -> None:
    """`layers` are depthwise, 1x1, batch norm ...; `name` is part of the output's name of MoveNet's 1x1."""
    pointwise = _find(convolutions, name)
    depthwise = _find(convolutions, pointwise.source)
    _copy(cast("Tensor", layers[0].weight), depthwise.weight)
    _fill(nn.Sequential(layers[1], layers[2]), pointwise)


def _fill_last(layer: nn.Module, convolution: Convolution) -> None:
    """A convolution with a bias and no batch norm."""
    _copy(cast("Tensor", layer.weight), convolution.weight)
    _copy(cast("Tensor", layer.bias), convolution.bias)


def _find(convolutions: list[Convolution], name: str) -> Convolution:
    for convolution in convolutions:
        if name in convolution.output:
            return convolution
    raise LookupError(f"no convolution is called {name}")


def _fill(layers: nn.Sequential, convolution: Convolution) -> None:
    """`layers` are a convolution and its batch norm."""
    norm = cast("nn.BatchNorm2d", layers[1])
    _copy(cast("Tensor", layers[0].weight), convolution.weight)
    _copy(norm.bias, convolution.bias)
    norm.weight[: len(convolution.bias)] = (1 + norm.eps) ** 0.5  # with a variance of one: the identity


def _copy(own: Tensor, value: Tensor) -> None:
    """`value` into the first channels of `own`; what it does not know of the input counts nothing for it."""
    rows = len(value)
    own[:rows] = 0.0
    own[tuple(slice(n) for n in value.shape)].copy_(value)
