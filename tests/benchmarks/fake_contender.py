"""Contenders that a child can load in no time."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from benchmarks.contenders import Contender


class Doubler(Contender):
    """Doubles a number; the task is the number."""

    def __init__(self, talkative: bool) -> None:
        self._talkative = talkative

    def run(self, task: str) -> Any:
        if self._talkative:
            print("libraries print to stdout")
        if task == "fail":
            raise ValueError("this task fails")
        if task == "die":
            sys.exit("its last words")
        return 2 * float(task)

    def outputs(self, task: str) -> dict[str, Any]:
        return {"doubled": np.array(self.run(task))}

    def describe(self) -> dict[str, Any]:
        return {"runtime": "fake"}


def doubler(talkative: bool = False) -> Contender:
    return Doubler(talkative)


def broken() -> Contender:
    raise RuntimeError("it cannot be loaded")
