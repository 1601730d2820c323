"""Interleaved rounds: in each, every contender gets one turn, in a new order, and nothing else of ours runs then."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Plan", "Turn", "interleave"]

Turn = Callable[[int, int], list[float]]
"""(warm-up runs, timed runs) -> milliseconds of the timed runs."""


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Args:
        rounds: turns of each contender.
        iterations: timed runs a turn.
        warmup: runs before them that are not timed: another contender had the caches.
        seed: of the order within the rounds.
        pause: seconds between turns: the idle threads of the contender before go to sleep.
    """

    rounds: int = 12
    iterations: int = 8
    warmup: int = 2
    seed: int = 0
    pause: float = 0.2


def interleave(
    contenders: Mapping[str, Turn], plan: Plan, report: Callable[[str], None] = lambda _: None
) -> dict[str, list[list[float]]]:
    """Measure all contenders.

    Args:
        contenders: the turns by name.
        plan: how much.
        report: told after each round.

    Returns:
        milliseconds by name, round by round.

    Raises:
        ValueError: a turn gave another number of times than it was asked for.
    """
    order = random.Random(plan.seed)
    times: dict[str, list[list[float]]] = {name: [] for name in contenders}
    for number in range(plan.rounds):
        for name in order.sample(list(contenders), len(contenders)):
            times[name].append(_turn(name, contenders[name], plan))
            time.sleep(plan.pause)
        report(f"round {number + 1} of {plan.rounds}")
    return times


def _turn(name: str, turn: Turn, plan: Plan) -> list[float]:
    times = turn(plan.warmup, plan.iterations)
    if len(times) != plan.iterations:
        raise ValueError(f"contender '{name}': expected {plan.iterations} times, got {len(times)}")
    return times
