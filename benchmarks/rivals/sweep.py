"""SIMPLE and its rivals against the number of people, in interleaved rounds on the same frames and terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from benchmarks.children import Child
from benchmarks.options import say
from benchmarks.rivals.field import Entry
from benchmarks.rounds import Amount, Plan, interleave
from benchmarks.statistics import Rounds, estimate, ratio, round_medians, summary
from simple_trt.cli.flags import DEFAULT_THRESHOLD

__all__ = ["amount_of", "sweep"]

TURN_MS = 250.0  # what a turn is filled to
SLOW_MS = 1000.0  # from here on a run warms itself up: it lasts much longer than what is cold at its beginning


@dataclass(frozen=True)
class _Task:
    """One point of one series: its child's task, and how long it took in the trial run."""

    entry: Entry
    detector: str
    people: int
    way: str
    trial_ms: float
    found: int

    @property
    def name(self) -> str:
        return f"{self.entry.name} | {self.words}"

    @property
    def words(self) -> str:
        return self.entry.task(self.people, self.way, self.detector)


def sweep(entries: Sequence[Entry], plan: Plan, threads: int, seconds: float) -> dict[str, Any]:
    """Measure all entries.

    Args:
        entries: who takes part.
        plan: most rounds, and most runs a turn.
        threads: of every child.
        seconds: no round is begun that would not end within them.

    Returns:
        `rounds` made, `references`, and `series`: for each entry and each place of a detector its `points`, one a
        number of people.
    """
    with ExitStack() as stack:
        children = {}
        for entry in entries:
            say(f"loading {entry.name}")
            children[entry.name] = stack.enter_context(Child(entry.name, entry.spec, threads))
        tasks = [task for entry in entries for task in _tried(entry, children[entry.name])]
        turns = {task.name: children[task.entry.name].turn(task.words) for task in tasks}
        amounts = {task.name: amount_of(task.trial_ms, plan) for task in tasks}
        times = interleave(turns, plan, lambda text: say(f"rivals: {text}"), amounts, seconds)
    base = {(task.entry.name, task.people): times[task.name] for task in tasks if task.entry.reference}
    return {
        "rounds": len(next(iter(times.values()))),
        "references": [entry.name for entry in entries if entry.reference],
        "series": [
            _head(entry, detector, children[entry.name])
            | {
                "points": [
                    _point(task, times[task.name], base, plan.seed)
                    for task in tasks
                    if task.entry is entry and task.detector == detector
                ]
            }
            for entry in entries
            for detector in entry.detectors
        ],
    }


def amount_of(trial_ms: float, plan: Plan) -> Amount:
    """Runs in a turn of a contender that took so long when it was tried: at least one is timed, at most the plan's."""
    iterations = min(max(int(TURN_MS / max(trial_ms, 1e-3)), 1), plan.iterations)
    warmup = plan.warmup if trial_ms < TURN_MS else min(plan.warmup, 1)
    return Amount(warmup if trial_ms < SLOW_MS else 0, iterations)


def _tried(entry: Entry, child: Child) -> list[_Task]:
    """Each point once: which way is the fastest, and how many people are found."""
    tasks = []
    for people in entry.counts:
        trials = {way: child.turn(entry.task(people, way, "none"))(1, 1)[0] for way in entry.ways}
        way = min(trials, key=lambda name: trials[name])
        scores = child.outputs(entry.task(people, way, "none"))["scores"]
        found = int((scores >= DEFAULT_THRESHOLD).sum())
        tasks += [_Task(entry, detector, people, way, trials[way], found) for detector in entry.detectors]
    return tasks


def _head(entry: Entry, detector: str, child: Child) -> dict[str, Any]:
    about = {"about": child.about, "load_seconds": child.load_seconds, "peak_mb": child.peak_mb}
    return {"name": entry.name, "kind": entry.kind, "weights": entry.weights, "detector": detector} | about


def _point(task: _Task, times: Rounds, base: Mapping[tuple[str, int], Rounds], seed: int) -> dict[str, Any]:
    over = {
        name: ratio(times, rounds, seed).to_json()
        for (name, people), rounds in base.items()
        if people == task.people and name != task.entry.name
    }
    # Known boxes are not found, and people whom random weights find are none.
    found = {"found": task.found} if task.entry.weights == "trained" and task.entry.kind != "top-down" else {}
    middle = estimate(round_medians(times), seed).to_json()
    way = {"way": task.way} if task.way else {}
    return {"people": task.people, "ms": summary(times).to_json(), "median": middle, "over": over} | way | found
