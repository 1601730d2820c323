"""How long each block takes in floating point and in int8: measured by the engine where it can, else predicted.

Of several runs the shortest counts: whatever else a machine does can only add to it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simple_trt.engines import Engine
from simple_trt.engines.cpu import CpuEngine
from simple_trt.export.precision.blocks import Block

__all__ = ["BlockTimes", "measured_times", "predicted_times", "whole_seconds"]

ROUNDS = 10
RUNS = 8
INT8_SPEED = 2  # multiplications in int8 for one in half precision, on GPUs and on CPUs with VNNI

Step = tuple[str, ...]  # what a runtime does at once, by the names of the graph's nodes in it


@dataclass(frozen=True)
class BlockTimes:
    """What blocks cost; seconds of one run, or shares of the multiplications of the whole network.

    Args:
        floating: block -> its time when it is not quantised.
        int8: block -> its time when it is.
        other: everything that is in no block.
        unit: `seconds` or `multiplications`.
    """

    floating: dict[str, float]
    int8: dict[str, float]
    other: float
    unit: str

    def saved(self, block: str) -> float:
        """How much faster the block is in int8."""
        return self.floating[block] - self.int8[block]

    def of(self, int8: Collection[str]) -> float:
        """The whole network's time with these blocks in int8, as a sum of its blocks' times."""
        return self.other + sum((self.int8 if name in int8 else self.floating)[name] for name in self.floating)


def predicted_times(blocks: Iterable[Block]) -> BlockTimes:
    """Times by multiplications alone, for an engine that cannot be run here."""
    blocks = list(blocks)
    total = sum(block.multiplications for block in blocks)
    floating = {block.name: block.multiplications / total for block in blocks}
    return BlockTimes(floating, {name: time / INT8_SPEED for name, time in floating.items()}, 0.0, "multiplications")


def measured_times(
    blocks: Sequence[Block], floating: CpuEngine, int8: CpuEngine, image: NDArray[np.float32]
) -> BlockTimes:
    """Times of the blocks' convolutions, with all that is fused into them; of each the shortest of interleaved runs.

    Args:
        blocks: of the network.
        floating: engine with no block quantised, opened with LoadOptions(profile=True).
        int8: one with all blocks quantised, opened likewise.
        image: input of the network [B,3,H,W].
    """
    block_of = {name: block.name for block in blocks for name in block.convolutions}
    engines = {"floating": floating, "int8": int8}
    shortest: dict[str, dict[Step, float]] = {name: {} for name in engines}
    for _ in range(ROUNDS):
        for name, engine in engines.items():
            for run in range(RUNS):
                engine.infer({"image": image})
                if run:  # the first after the other engine's turn finds cold caches
                    for step, seconds in engine.node_seconds().items():
                        shortest[name][step] = min(seconds, shortest[name].get(step, seconds))
    names = [block.name for block in blocks]
    found = {name: _by_block(steps, block_of) for name, steps in shortest.items()}
    floats, ints = ({name: found[kind].get(name, 0.0) for name in names} for kind in engines)
    return BlockTimes(floats, ints, sum(times[""] for times in found.values()) / len(found), "seconds")


def whole_seconds(engines: Mapping[Any, Engine], image: NDArray[np.float32]) -> dict[Any, float]:
    """The time of a run of each engine, in interleaved rounds."""
    seconds: dict[Any, list[float]] = {name: [] for name in engines}
    for _ in range(ROUNDS):
        for name, engine in engines.items():
            for run in range(RUNS):
                engine.infer({"image": image})
                if run:
                    seconds[name].append(engine.seconds)
    return {name: min(times) for name, times in seconds.items()}


def _by_block(steps: Mapping[Step, float], block_of: Mapping[str, str]) -> dict[str, float]:
    """Seconds of each block; under the empty name what belongs to none."""
    found: dict[str, float] = {"": 0.0}
    for nodes, seconds in steps.items():
        name = next((block_of[node] for node in nodes if node in block_of), "")
        found[name] = found.get(name, 0.0) + seconds
    return found
