"""capture -> infer -> write, each in threads of its own, with short queues between them.

    source 1 --capture--> queue --+
    source 2 --capture--> queue --+--infer--> queue --write--> sinks
    source 3 --capture--> queue --+

Live sources drop their oldest frame where the network is busy; files wait, and drop none. What the network has found is
never dropped: where a sink is slow, the network waits, and so the live sources drop more.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from math import inf

from simple_trt.errors import SimpleTrtError
from simple_trt.runtime.finding import Finder, Found, Waiting
from simple_trt.runtime.frames import Source
from simple_trt.runtime.meters import SourceMeter
from simple_trt.runtime.queues import Queues

__all__ = ["Pipeline", "Write"]

Write = Callable[[Found], None]
CAPTURE = "capture"
PATIENCE = 8.0  # seconds that a stopped source gets, more than a server's silence and damaged frames may last
LOOK = 0.1  # seconds from one look for a signal to the next: one that comes just as a wait begins does not end it


class Pipeline:
    """Runs sources through a finder into `write`.

    Args:
        sources: each is read in a thread of its own.
        meters: count what happens, one for each source.
        finder: used in one thread.
        write: called in one thread, with one frame after the other; those of one source in their order.
        on_error: told what was wrong with a source that goes on all the same.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        meters: Sequence[SourceMeter],
        finder: Finder,
        write: Write,
        on_error: Callable[[Source, SimpleTrtError], None],
    ) -> None:
        self.sources, self.meters = sources, meters
        self.finder, self.write, self.on_error = finder, write, on_error
        self._waiting: Queues[Waiting] = Queues([source.live for source in sources])
        self._found: Queues[Found] = Queues([False])
        self._error: BaseException | None = None
        self._ended = threading.Event()

    def run(self, seconds: float | None = None) -> BaseException | None:
        """Until all sources have ended, or have been stopped.

        Args:
            seconds: after how long they are stopped; None is never.

        Returns:
            the interrupt (Ctrl-C, SIGTERM) that stopped them, if one did: all that was captured by then is written. At
            a second interrupt what waits is dropped, and the interrupt is raised.

        Raises:
            SimpleTrtError: a source, the engine or a sink failed.
        """
        threads = self._start()
        interrupt = None
        try:
            try:
                self._wait(seconds)
            except BaseException as error:
                interrupt = error
            self.stop()
            self._wait()
        except BaseException:
            self._abort()
            raise
        finally:
            for thread in threads:  # the engine may be closed only when nobody is in it
                _join(thread, PATIENCE if thread.name.startswith(CAPTURE) else inf)
        if self._error:
            raise self._error
        return interrupt

    def stop(self) -> None:
        """Read no more; what was captured is still written. May be called from any thread."""
        for source in self.sources:
            source.stop()

    def _wait(self, seconds: float | None = None) -> None:
        """Until the run has ended, but so long at most."""
        end = inf if seconds is None else time.perf_counter() + seconds
        while not self._ended.wait(max(min(LOOK, end - time.perf_counter()), 0.0)):
            if time.perf_counter() >= end:
                return

    def _start(self) -> list[threading.Thread]:
        jobs: list[tuple[str, Callable[..., None], tuple[int, ...]]] = [
            (f"{CAPTURE} {i}", self._capture, (i,)) for i in range(len(self.sources))
        ]
        jobs += [("infer", self._infer, ()), ("write", self._write, ())]
        # A driver may hang for ever; a daemon thread does not keep the process.
        threads = [
            threading.Thread(target=self._guarded, args=(job, arguments), name=name, daemon=True)
            for name, job, arguments in jobs
        ]
        for thread in threads:
            thread.start()
        return threads

    def _capture(self, which: int) -> None:
        source, meter = self.sources[which], self.meters[which]

        def report(error: SimpleTrtError) -> None:
            meter.lost(error)
            self.on_error(source, error)

        try:
            for frame in source.frames(report if source.goes_on else None):
                ready = time.perf_counter()
                meter.captured(frame)
                meter.dropped(self._waiting.put(which, Waiting(frame, ready)))
        finally:
            meter.ended()
            self._waiting.close(which)

    def _infer(self) -> None:
        try:
            while waiting := self._waiting.take(self.finder.batch):
                for which, found in self.finder.find(waiting):
                    self.meters[which].found(found)
                    self._found.put(0, found)
        finally:
            self._waiting.abort()
            self._found.close(0)

    def _write(self) -> None:
        try:
            while found := self._found.take(1):
                self.write(found[0][1])
        finally:
            self._abort()
            self._ended.set()

    def _guarded(self, job: Callable[..., None], arguments: tuple[int, ...]) -> None:
        """Whatever fails ends the run, which raises it; what was found before is still written."""
        try:
            job(*arguments)
        except BaseException as error:
            self._error = self._error or error
            self.stop()

    def _abort(self) -> None:
        self.stop()
        self._waiting.abort()
        self._found.abort()


def _join(thread: threading.Thread, seconds: float) -> None:
    """Until the thread has ended, but so long at most."""
    end = time.perf_counter() + seconds
    while thread.is_alive() and time.perf_counter() < end:
        thread.join(LOOK)
