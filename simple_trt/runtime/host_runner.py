"""From pictures to an engine's outputs through arrays: the CPU letterboxes, `Engine.infer` does the rest."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from simple_trt.engines import Arrays, Engine
from simple_trt.pictures import Picture
from simple_trt.runtime.preprocess import prepare
from simple_trt.types import Letterbox

__all__ = ["HostRunner", "Run", "Runner", "ms_since"]


@dataclass
class Run:
    """A batch of pictures on its way through the engine.

    Args:
        letterboxes: the way back to each picture's pixels.
        preprocess: milliseconds that the host took for each picture.
        inference: milliseconds that the host took for all of them since, waiting included.
        held: what the runner keeps of it.
    """

    letterboxes: list[Letterbox] = field(default_factory=list)
    preprocess: list[float] = field(default_factory=list)
    inference: float = 0.0
    held: Any = None


class Runner(Protocol):
    """Takes batches of pictures and gives the engine's outputs for them, in the order in which they were taken.

    Attributes:
        ahead: how many runs may be under way while the next is submitted.
    """

    ahead: int

    def submit(self, pictures: Sequence[Picture]) -> Run:
        """Begin with 1 to B pictures. Raises UsageError or SimpleTrtError; nothing is under way then."""

    def collect(self, run: Run) -> Arrays:
        """The outputs, of which the first rows are about the pictures. Ends the run, also where it raises."""

    def discard(self, run: Run) -> None:
        """End a run whose outputs nobody wants."""

    def close(self) -> None:
        """Give back what the runner took; the engine stays open."""


class HostRunner:
    """Any engine; a run is over when it has been submitted."""

    ahead = 0

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def submit(self, pictures: Sequence[Picture]) -> Run:
        """As the protocol says. Places of the batch that are left over stay zero."""
        run = Run()
        images = np.zeros(self._engine.inputs["image"].shape, np.float32)
        for i, picture in enumerate(pictures):
            start = time.perf_counter()
            images[i], letterbox = prepare(picture, self._engine.manifest)
            run.letterboxes.append(letterbox)
            run.preprocess.append(ms_since(start))
        start = time.perf_counter()
        run.held = self._engine.infer({"image": images})
        run.inference = ms_since(start)
        return run

    def collect(self, run: Run) -> Arrays:
        """As the protocol says."""
        outputs: Arrays = run.held
        return outputs

    def discard(self, run: Run) -> None:
        """Nothing is under way."""

    def close(self) -> None:
        """Nothing is held."""


def ms_since(start: float) -> float:
    """Milliseconds since a time of `time.perf_counter`."""
    return (time.perf_counter() - start) * 1000
