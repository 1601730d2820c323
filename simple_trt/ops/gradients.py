"""Gradients of the two pools and of the crops, and their registration with autograd."""

# ruff: noqa: ARG001 - torch.library calls the functions with `output`, which none of them needs

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from simple_trt.ops import reference
from simple_trt.ops.schemas import NAMESPACE


def register_gradients() -> None:
    """Tell autograd how to go back through the ops that training uses."""
    for name, backward, setup in (
        ("center_pool", _center_pool_backward, _save_center_pool),
        ("corner_pool", _corner_pool_backward, _save_corner_pool),
        ("crop_heatmaps", _crop_heatmaps_backward, _save_crop_heatmaps),
    ):
        torch.library.register_autograd(f"{NAMESPACE}::{name}", backward, setup_context=setup)


def _save_center_pool(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _center_pool_backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
    grad_column, grad_row = torch.ops.simple_trt.center_pool_backward(grad, *ctx.saved_tensors)
    return grad_column, grad_row


def _save_corner_pool(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, ctx.direction, other, ctx.other_direction = inputs
    ctx.other_is_given = other is not None
    # A map that was added as it is passes its gradient on: only what was pooled is needed again.
    ctx.save_for_backward(x, other if ctx.other_direction >= 0 else None)


def _corner_pool_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, Tensor | None, None]:
    x, other = ctx.saved_tensors
    grad_x = grad_other = None
    if ctx.needs_input_grad[0]:
        grad_x = torch.ops.simple_trt.corner_pool_backward(grad, x, ctx.direction)
    if ctx.other_is_given and ctx.needs_input_grad[2]:
        pooled = other is not None
        grad_other = torch.ops.simple_trt.corner_pool_backward(grad, other, ctx.other_direction) if pooled else grad
    return grad_x, None, grad_other, None


def _save_crop_heatmaps(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    heatmaps, boxes, ctx.stride, _, _, ctx.padding, ctx.samples = inputs
    ctx.size = heatmaps.shape[2:]
    ctx.save_for_backward(boxes)


def _crop_heatmaps_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    """The heatmaps' gradient; boxes get none."""
    (boxes,) = ctx.saved_tensors
    grad_heatmaps = reference.crop_heatmaps_backward(grad, boxes, ctx.stride, ctx.padding, ctx.samples, *ctx.size)
    return grad_heatmaps, *(None for _ in range(6))
