"""Interleaved rounds: in each, every contender gets one turn, in a new order, and nothing else of ours runs then."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["LEAST_ROUNDS", "Amount", "Plan", "Turn", "interleave"]

Turn = Callable[[int, int], list[float]]
"""(warm-up runs, timed runs) -> milliseconds of the timed runs."""

LEAST_ROUNDS = 3  # however little time there is: fewer say nothing of how times vary


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


@dataclass(frozen=True)
class Amount:
    """Untimed and timed runs in a turn of one contender."""

    warmup: int
    iterations: int


def interleave(
    contenders: Mapping[str, Turn],
    plan: Plan,
    report: Callable[[str], None] = lambda _: None,
    amounts: Mapping[str, Amount] | None = None,
    seconds: float | None = None,
) -> dict[str, list[list[float]]]:
    """Measure all contenders.

    Args:
        contenders: the turns by name.
        plan: how much.
        report: told after each round.
        amounts: of those contenders whose turns are others than the plan's.
        seconds: no round is begun that would not end within them, but LEAST_ROUNDS are made in any case, where the
            plan has as many.

    Returns:
        milliseconds by name, round by round.

    Raises:
        ValueError: a turn gave another number of times than it was asked for.
    """
    order = random.Random(plan.seed)
    usual = Amount(plan.warmup, plan.iterations)
    times: dict[str, list[list[float]]] = {name: [] for name in contenders}
    start = time.monotonic()
    for number in range(1, plan.rounds + 1):
        for name in order.sample(list(contenders), len(contenders)):
            times[name].append(_turn(name, contenders[name], (amounts or {}).get(name, usual)))
            time.sleep(plan.pause)
        report(f"round {number} of {plan.rounds}")
        after_next = (time.monotonic() - start) * (number + 1) / number
        if seconds is not None and number >= LEAST_ROUNDS and after_next > seconds:
            break
    return times


def _turn(name: str, turn: Turn, amount: Amount) -> list[float]:
    times = turn(amount.warmup, amount.iterations)
    if len(times) != amount.iterations:
        raise ValueError(f"contender '{name}': expected {amount.iterations} times, got {len(times)}")
    return times
