"""Exponential moving average of a network's weights."""

from __future__ import annotations

import copy

import torch
from torch import nn


class AveragedModel:
    """`average.module` follows `model`: w <- d w + (1 - d) w_model with d = min(decay, (1 + n) / (10 + n)) after n
    updates.

    The growing decay lets the first steps, which are far from the goal, be forgotten quickly. Buffers are copied.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.module = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in one step of `model`."""
        self.updates += 1
        keep = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(list(self.module.parameters()), [p.detach() for p in model.parameters()], 1 - keep)
        for own, other in zip(self.module.buffers(), model.buffers(), strict=True):
            own.copy_(other)
