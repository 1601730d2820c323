"""Quantisation-aware training: the network learns as its int8 graph will compute it.

What is rounded, and how, is what `simple_trt.export.precision.int8` writes into the graph: the same convolutions, the
tensors that they read and that residual sums read beside them, weights by output channel, all symmetric. Weights are
rounded before their batch norm is folded in, which is the same: the norm scales a whole output channel, and the grid of
that channel with it. Batch norms keep their statistics, since those are what the exporter folds.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from simple_trt.errors import SimpleTrtError
from simple_trt.models.simple import Maps, Simple

LEVELS = 127  # steps on each side of 0; what is read has one more below, as in ONNX
MODEL = "simple."  # in front of a convolution's name in the whole model
SUMS = (operator.add, operator.iadd)


@dataclass(frozen=True)
class QuantiseSettings:
    """How int8 is learnt.

    method: calibration method that the ranges start from; photos: how many training photos it sees. learn: whether the
    ranges are learnt too, or stay; rate: at how many times lr.
    """

    method: str = "mse"
    photos: int = 64
    learn: bool = True
    rate: float = 50.0


class Rounding(nn.Module):
    """Round a tensor to int8 and back, with the straight-through gradient.

    The range is learnt as the logarithm of its growth, so that a step changes ranges of any size alike (arXiv
    1903.08066), by the gradient of LSQ (arXiv 1902.08153, equation 3), scaled as in its section 2.2.

    Args:
        largest: the magnitude that becomes 127, at first.
        learn: whether it is learnt.
    """

    start: Tensor

    def __init__(self, largest: float, learn: bool = True) -> None:
        super().__init__()
        self.register_buffer("start", torch.tensor(largest))
        self.growth = nn.Parameter(torch.tensor(0.0), requires_grad=learn)

    @property
    def range(self) -> Tensor:
        """The magnitude that becomes 127, a float32 scalar."""
        return self.start.float() * self.growth.float().exp2()

    def forward(self, x: Tensor) -> Tensor:
        """Any shape and floating dtype, kept; the rounding itself is done in float32, autocast or not."""
        with torch.autocast(x.device.type, enabled=False):
            rounded = _Rounded.apply(x.float(), self.range / LEVELS)
        return cast("Tensor", rounded).to(x.dtype)


class _Rounded(torch.autograd.Function):
    """(x, scale of one step) -> x at the nearest of 256 levels, ties to even, what lies beyond at the last."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor) -> Tensor:
        ctx.save_for_backward(x, scale)
        return (x / scale).round_().clamp_(-LEVELS - 1, LEVELS).mul_(scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None]:
        gradient = gradients[0]
        x, scale = ctx.saved_tensors
        steps = x / scale
        kept = steps.clamp(-LEVELS - 1, LEVELS)
        inside = kept == steps
        by_scale = None
        if ctx.needs_input_grad[1]:
            slope = kept.round() - torch.where(inside, steps, 0.0)
            by_scale = (gradient * slope).sum() / (LEVELS * x.numel()) ** 0.5
        return gradient * inside, by_scale


def round_weight(weight: Tensor) -> Tensor:
    """Weights [C_out,C_in,h,w] at the nearest of 255 levels of their output channel; the gradient passes straight."""
    with torch.autocast(weight.device.type, enabled=False):
        largest = weight.detach().float().abs().amax((1, 2, 3))
        scale = torch.where(largest > 0, largest, 1.0) / LEVELS
        zeros = torch.zeros_like(scale, dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(weight.float(), scale, zeros, 0, -LEVELS, LEVELS)


class QuantisedNetwork(nn.Module):
    """A network that computes as its int8 graph does, and learns. It takes the modules of `network` over.

    Args:
        network: with float32 weights.
        ranges: of what each quantised convolution reads, by the convolution's name in the whole model
            (`simple.backbone.top.0`); what is of other parts of the model is left out.
        learn: whether they are learnt.

    Raises:
        SimpleTrtError: a range of no convolution of this network, or different ones of one tensor.
    """

    def __init__(self, network: Simple, ranges: Mapping[str, float], learn: bool = True) -> None:
        super().__init__()
        own = {name.removeprefix(MODEL): value for name, value in ranges.items() if name.startswith(MODEL)}
        self.graph = _traced(network)
        readers = _readers(self.graph, network, own)
        self.readers = [[str(node.target) for node in nodes] for nodes in readers.values()]
        for name, child in network.named_children():
            self.add_module(name, child)
        self.rounding = nn.ModuleList(Rounding(_shared_range(names, own), learn) for names in self.readers)
        _round_tensors(self.graph, readers)
        _round_weights(self.graph, network, [node for nodes in readers.values() for node in nodes])
        self.graph.lint()

    def forward(self, image: Tensor) -> Maps:
        """Normalised image [B,3,H,W] -> Maps."""
        return self.shared_and_maps(image)[1]

    def shared_and_maps(self, image: Tensor) -> tuple[Tensor, Maps]:
        """See Simple."""
        return cast("tuple[Tensor, Maps]", fx.Interpreter(self, graph=self.graph).run(image))

    def train(self, mode: bool = True) -> QuantisedNetwork:
        """As of any module, but batch norms keep their statistics."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def ranges(self) -> dict[str, float]:
        """What they are now, by the same names as those it was made with."""
        found = zip(self.readers, cast("Iterable[Rounding]", self.rounding), strict=True)
        return {f"{MODEL}{name}": rounding.range.detach().item() for names, rounding in found for name in names}

    def plain_state(self) -> dict[str, Tensor]:
        """The state of the network that this one was made of."""
        return {key: value for key, value in self.state_dict().items() if not key.startswith("rounding.")}


class _Tracer(fx.Tracer):
    """One node for each layer, convolutions of our own kinds too."""

    traced_func_name = "shared_and_maps"

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, nn.Conv2d) or super().is_leaf_module(m, module_qualified_name)


def _traced(network: Simple) -> fx.Graph:
    """What the network computes, without the modules that do nothing."""
    graph = _Tracer().trace(network)
    for node in graph.nodes:
        if node.op == "call_module" and isinstance(network.get_submodule(node.target), nn.Identity):
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    return graph


def _readers(graph: fx.Graph, network: nn.Module, names: Iterable[str]) -> dict[fx.Node, list[fx.Node]]:
    """The named convolutions by the tensor that they read."""
    nodes = {node.target: node for node in graph.nodes if node.op == "call_module"}
    readers: dict[fx.Node, list[fx.Node]] = {}
    for name in names:
        if name not in nodes or type(network.get_submodule(name)) is not nn.Conv2d:
            raise SimpleTrtError(
                f"the int8 graph rounds what '{MODEL}{name}' reads, which is no convolution of the network",
                "train a network whose convolutions the export does not join: a wider one",
            )
        readers.setdefault(nodes[name].args[0], []).append(nodes[name])
    return readers


def _shared_range(names: Sequence[str], ranges: Mapping[str, float]) -> float:
    found = {ranges[name] for name in names}
    if len(found) > 1:
        raise SimpleTrtError(
            f"'{names[0]}' and '{names[-1]}' read one tensor and have different ranges of it",
            "calibrate again: leave the ranges as the calibration gives them",
        )
    return found.pop()


def _round_tensors(graph: fx.Graph, readers: Mapping[fx.Node, Sequence[fx.Node]]) -> None:
    """Convolutions and residual sums read the rounded tensor, all else the tensor itself."""
    for index, (tensor, nodes) in enumerate(readers.items()):
        users = [user for user in tensor.users if user in nodes or user.target in SUMS]
        with graph.inserting_after(tensor):
            rounded = graph.call_module(f"rounding.{index}", (tensor,))
        for user in users:
            user.replace_input_with(tensor, rounded)


def _round_weights(graph: fx.Graph, network: nn.Module, nodes: Iterable[fx.Node]) -> None:
    for node in nodes:
        name, layer = str(node.target), cast("nn.Conv2d", network.get_submodule(str(node.target)))
        with graph.inserting_before(node):
            weight = graph.call_function(round_weight, (graph.get_attr(f"{name}.weight"),))
            bias = None if layer.bias is None else graph.get_attr(f"{name}.bias")
            how = (layer.stride, layer.padding, layer.dilation)
            node.replace_all_uses_with(graph.call_function(F.conv2d, (node.args[0], weight, bias, *how)))
        graph.erase_node(node)
