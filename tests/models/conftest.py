"""Shared by the tests of the network: what a module costs, counted while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn


class Cost(NamedTuple):
    """Parameters in millions, multiply-accumulates of all convolutions in units of 10^9."""

    params: float
    gmacs: float


def count_cost(module: nn.Module, *shape: int) -> Cost:
    """Cost of one forward pass on an input of `shape`; on the meta device, so nothing is computed."""
    macs = 0

    def count(layer: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal macs
        macs += output.numel() * layer.weight[0].numel()

    module = module.to("meta").eval()
    hooks = [m.register_forward_hook(count) for m in module.modules() if isinstance(m, nn.Conv2d)]
    module(torch.empty(shape, device="meta"))
    for hook in hooks:
        hook.remove()
    return Cost(sum(p.numel() for p in module.parameters()) / 1e6, macs / 1e9)


@pytest.fixture
def cost() -> Callable[..., Cost]:
    return count_cost
