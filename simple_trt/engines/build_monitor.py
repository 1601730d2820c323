"""Watching and stopping a build: TensorRT's nested phases as one number, and Ctrl-C that reaches a builder at work."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import Any

__all__ = ["Phases", "Progress", "build_monitor", "run_stoppable"]

Progress = Callable[[str, float], None]
"""Told the outermost phase's name and how much of it is done, 0..1, from any thread."""

_LOOK = 0.1  # seconds from one look for a signal to the next


@dataclass
class _Phase:
    parent: str | None
    steps: int
    done: int = 0
    shown: float = 0.0


class Phases:
    """The phases that are under way, each inside its parent; any thread may report.

    Nearly all of a build's time goes into the innermost phases, so a phase counts what its children have done as a
    part of its own current step.
    """

    def __init__(self) -> None:
        self._phases: dict[str, _Phase] = {}
        self._lock = Lock()

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """A phase of `steps` steps begins inside `parent`, or by itself when that is None or unknown."""
        with self._lock:
            self._remove(name)
            self._phases[name] = _Phase(parent if parent in self._phases else None, max(1, steps))

    def finish(self, name: str) -> None:
        """A phase is over; unknown names are let pass."""
        with self._lock:
            self._remove(name)

    def step(self, name: str, step: int) -> tuple[str, float] | None:
        """Step number `step`, from 0, of a phase is done.

        Returns:
            the outermost phase around it and how much of that is done, 0..1, never less than before; None for a phase
            that was not started.
        """
        with self._lock:
            if name not in self._phases:
                return None
            self._phases[name].done = step + 1
            root = self._root(name)
            phase = self._phases[root]
            phase.shown = max(phase.shown, self._fraction(root))
            return root, phase.shown

    def _remove(self, name: str) -> None:
        """Its children become roots: a parent that is gone must not come back as one of their descendants."""
        self._phases.pop(name, None)
        for phase in self._phases.values():
            phase.parent = None if phase.parent == name else phase.parent

    def _root(self, name: str) -> str:
        parent = self._phases[name].parent
        return name if parent is None else self._root(parent)

    def _fraction(self, name: str) -> float:
        phase = self._phases[name]
        inside = (self._fraction(other) for other, child in self._phases.items() if child.parent == name)
        return min(1.0, (phase.done + max(inside, default=0.0)) / phase.steps)


def build_monitor(trt: Any, progress: Progress | None) -> Any:
    """An `IProgressMonitor` that tells `progress`, and that ends the build once `stop` was called.

    Nothing may be raised through the library's threads: what `progress` raises stops the build and is kept in the
    attribute `error`.
    """

    class Monitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.error: BaseException | None = None
            self._stopped = False
            self._phases = Phases()

        def stop(self) -> None:
            self._stopped = True

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self._phases.start(phase_name, parent_phase, num_steps)

        def phase_finish(self, phase_name: str) -> None:
            self._phases.finish(phase_name)

        def step_complete(self, phase_name: str, step: int) -> bool:
            try:
                done = self._phases.step(phase_name, step)
                if progress is not None and done is not None and not self._stopped:
                    progress(*done)
            except BaseException as error:
                self.error = error
                self.stop()
            return not self._stopped

    return Monitor()


def run_stoppable(monitor: Any, work: Callable[[], Any]) -> Any:
    """What `work()` returns, computed in a thread of its own; Ctrl-C stops it through `monitor`.

    Python delivers signals to the main thread, between two of its own instructions. With that thread inside the
    library it would deliver none until the build is over, or one inside the monitor, where nothing may be raised.

    Raises:
        KeyboardInterrupt: the user stopped it; the work has ended.
    """
    outcome: Future[Any] = Future()
    go, over = Event(), Event()

    def body() -> None:
        go.wait()
        if outcome.set_running_or_notify_cancel():
            try:
                outcome.set_result(work())
            except BaseException as error:
                outcome.set_exception(error)
        over.set()

    # An executor forgets a thread in whose start it was interrupted. This one waits: nothing is lost if it never goes.
    Thread(target=body, name="build", daemon=True).start()
    try:
        go.set()
        while not over.wait(_LOOK):  # a signal that comes just as a wait begins does not end it
            pass
        return outcome.result()
    except BaseException:
        monitor.stop()
        outcome.cancel()  # if it has not begun
        go.set()
        over.wait()
        raise
