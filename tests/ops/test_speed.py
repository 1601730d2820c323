"""How long the ops take beside their twins: printed (pytest -s), never judged, for machines are busy."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import torch

from simple_trt import ops
from simple_trt.ops import reference

ROUNDS = 5


def best_ms(function: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        function()
        times.append((time.perf_counter() - start) * 1e3)
    return min(times)


def pools() -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    x, y = torch.randn(1, 64, 128, 128), torch.randn(1, 64, 128, 128)
    op = torch.ops.simple_trt
    return {
        "center_pool": (lambda: op.center_pool(x, y), lambda: reference.center_pool(x, y)),
        "corner_pool top": (lambda: op.corner_pool(x, 0), lambda: reference.corner_pool(x, 0)),
        "corner_pool top + left": (lambda: op.corner_pool(x, 0, y, 2), lambda: reference.corner_pool(x, 0, y, 2)),
        "center_pool_backward": (
            lambda: op.center_pool_backward(y, x, x),
            lambda: reference.center_pool_backward(y, x, x),
        ),
        "corner_pool_backward": (
            lambda: op.corner_pool_backward(y, x, 2),
            lambda: reference.corner_pool_backward(y, x, 2),
        ),
    }


@pytest.mark.parametrize("name", pools())
def test_pools_at_the_size_of_a_512_pixel_input(name: str) -> None:
    run_op, run_twin = pools()[name]
    torch.testing.assert_close(run_op(), run_twin(), rtol=1e-5, atol=1e-4)
    op_ms, twin_ms = best_ms(run_op), best_ms(run_twin)
    print(f"\n{name} [1, 64, 128, 128]: {ops.backend()} {op_ms:.2f} ms, twin {twin_ms:.2f} ms, {twin_ms / op_ms:.1f}x")
