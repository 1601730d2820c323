"""Child processes, one a contender, held open; whoever holds them sees to it that one at a time is told to run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.rounds import Turn
from simple_trt.errors import SimpleTrtError

__all__ = ["Child", "opened"]

ROOT = Path(__file__).resolve().parents[1]
# Every library that the contenders use takes its number of threads from one of these, unless it is told otherwise.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "SIMPLE_TRT_THREADS")


class Child:
    """One contender in a process of its own.

    Args:
        name: for messages.
        spec: as `contenders.spec` makes it.
        threads: what the thread variables of the process say.
        environment: further variables.

    Attributes:
        about: what the contender says of itself.
        load_seconds: how long it took to load.
        peak_mb: the most memory it has held so far; known after its first turn.

    Raises:
        SimpleTrtError: the contender cannot be loaded.
    """

    def __init__(
        self, name: str, spec: dict[str, Any], threads: int, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.peak_mb = 0.0
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - lives as long as the child
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            cwd=ROOT,
            env=os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads)) | dict(environment or {}),
        )
        try:
            ready = self._ask(spec)
        except SimpleTrtError:
            self.close()
            raise
        self.about: dict[str, Any] = ready["about"]
        self.load_seconds: float = ready["load_seconds"]

    def turn(self, task: str, warm_seconds: float = 0.0) -> Turn:
        """The turns of one task, for `rounds.interleave`; each begins with so many seconds that are not timed."""

        def run(warmup: int, iterations: int) -> list[float]:
            amount = {"warmup": warmup, "iterations": iterations, "warm_seconds": warm_seconds}
            reply = self._ask({"verb": "run", "task": task} | amount)
            times: list[float] = reply["milliseconds"]
            return times

        return run

    def outputs(self, task: str) -> dict[str, NDArray[Any]]:
        """What the contender computes for a task."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "outputs.npz"
            self._ask({"verb": "outputs", "task": task, "path": str(path)})
            with np.load(path) as arrays:
                return {name: arrays[name] for name in arrays.files}

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        reply: dict[str, Any] = json.loads(line) if line else {"error": "its process ended"}
        if "error" in reply:
            raise SimpleTrtError(f"contender '{self.name}' failed: {reply['error']}", self._last_words())
        self.peak_mb = reply.get("peak_mb", self.peak_mb)
        return reply

    def _last_words(self) -> str:
        """The end of what the process wrote to stderr."""
        self._log.seek(0)
        return "it wrote: " + (self._log.read()[-600:].strip() or "nothing")


@contextmanager
def opened(specs: Mapping[str, dict[str, Any]], threads: int) -> Iterator[dict[str, Child]]:
    """A child for each spec, loaded one after the other, all ended when the block ends."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(Child(name, spec, threads)) for name, spec in specs.items()}
