"""Times on the GPU, by CUDA events. Nothing here is run without one."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

import torch

__all__ = ["copy_bandwidth", "device_ms", "eager_ms", "launch_ms"]

WARMUP = 10
REPEATS = 50
CALLS = 20  # in one captured graph
COPY_BYTES = 1 << 29


def eager_ms(run: Callable[[], Any], warmup: int = WARMUP, repeats: int = REPEATS) -> float:
    """Median milliseconds between two events around one call on an idle GPU: what a caller waits, launches included."""
    for _ in range(warmup):
        run()
    times = []
    for _ in range(repeats):
        torch.cuda.synchronize()
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        run()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end))
    return median(times)


def device_ms(*runs: Callable[[], Any]) -> float | None:
    """Median milliseconds of one of the calls inside a captured CUDA graph, without gaps between launches.

    One call finds its inputs in the caches, as maps are that a convolution has just written; several calls, each with
    its own inputs, that together exceed the caches, find them in memory. What they return is kept until the end, so
    that no call writes where another one has written. None when the calls cannot be captured.
    """
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    graph = torch.cuda.CUDAGraph()
    rounds = max(1, CALLS // len(runs))
    kept: list[Any] = []
    try:
        with torch.cuda.stream(stream):
            runs[0]()
        stream.synchronize()
        with torch.cuda.graph(graph, stream=stream):
            for _ in range(rounds):
                kept[:] = [run() for run in runs]
    except RuntimeError:
        torch.cuda.synchronize()
        return None
    return eager_ms(graph.replay, warmup=3, repeats=20) / (rounds * len(runs))


def launch_ms() -> float | None:
    """Milliseconds from one kernel of a graph to the next, where neither has anything to do: a launch's own cost."""
    one = torch.zeros(1, device="cuda")
    return device_ms(lambda: one.add_(1))


def copy_bandwidth() -> float:
    """Bytes read plus bytes written a second by a large device-to-device copy: what memory can do, measured."""
    source = torch.empty(COPY_BYTES, dtype=torch.uint8, device="cuda").random_(0, 255)
    target = torch.empty_like(source)
    return 2 * COPY_BYTES / (eager_ms(lambda: target.copy_(source), repeats=20) / 1000)
