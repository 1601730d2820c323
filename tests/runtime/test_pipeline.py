"""capture -> infer -> write: what is dropped, what never is, and how a run ends."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from simple_trt.errors import SimpleTrtError
from simple_trt.runtime import Finder, Found, Frame, Pipeline, Session, Source, SourceMeter, open_sources, tracked
from simple_trt.runtime.frames import OnError
from tests.runtime.clips import number_of, write_clip
from tests.runtime.moving_people import MovingEngine
from tests.runtime.planted import PlantedEngine


class Run:
    """A pipeline whose results are kept."""

    def __init__(
        self, sources: list[Source], engine: PlantedEngine, write: Callable[[Found], None] | None = None
    ) -> None:
        self.meters = [SourceMeter(source.name, source.live) for source in sources]
        self.found: list[Found] = []
        self.errors: list[SimpleTrtError] = []
        self.write = write
        self.engine = engine
        finder = Finder(Session(engine), 0.2, [[] for _ in sources])
        self.pipeline = Pipeline(sources, self.meters, finder, self._keep, lambda _, error: self.errors.append(error))

    def _keep(self, found: Found) -> None:
        if self.write:
            self.write(found)
        self.found.append(found)

    def numbers(self, source: str) -> list[int]:
        return [found.frame.number for found in self.found if found.frame.source == source]


def test_files_drop_nothing_however_slow_the_sink(tmp_path: Path) -> None:
    path = str(write_clip(tmp_path / "a.avi", 20))
    run = Run(open_sources([path]), MovingEngine(), write=lambda _: time.sleep(0.005))
    assert run.pipeline.run() is None
    assert run.numbers(path) == list(range(20))
    assert [number_of(found.frame.image) for found in run.found] == list(range(20))
    totals = run.meters[0].totals()
    assert (totals.captured, totals.dropped, totals.found) == (20, 0, 20)
    assert run.meters[0].status == "ended"


def test_live_sources_drop_the_oldest_and_count_it() -> None:
    run = Run(open_sources(["synthetic://200fps?size=64x48&frames=100"]), MovingEngine(0.02))
    run.pipeline.run()
    totals = run.meters[0].totals()
    assert totals.captured == 100
    assert totals.found < 60
    assert totals.captured == totals.found + totals.dropped
    numbers = [found.frame.number for found in run.found]
    assert numbers == sorted(numbers)
    assert numbers[-1] == 99  # the newest is the one that is kept
    assert totals.drop_rate == totals.dropped / 100


def test_latency_is_from_capture_to_people() -> None:
    run = Run(open_sources(["synthetic://10fps?size=64x48&frames=5"]), MovingEngine(0.05))
    run.pipeline.run()
    for found in run.found:
        assert found.frame.latency is not None
        assert found.frame.latency >= 50
        assert found.frame.latency >= sum(found.stages.values()) - 1
        assert list(found.stages) == ["read", "queue", "preprocess", "inference", "postprocess"]
        assert found.shown.speed == found.stages
    assert run.meters[0].totals().latency.quantile(0.5) >= 50


def test_several_sources_share_one_engine_in_batches(tmp_path: Path) -> None:
    paths = [str(write_clip(tmp_path / f"{name}.avi", 12)) for name in "abc"]
    engine = MovingEngine(0.02, batch=4)
    runs = []
    infer = engine._infer
    engine._infer = lambda inputs: runs.append(1) or infer(inputs)
    run = Run(open_sources(paths), engine)
    run.pipeline.run()
    for path in paths:
        assert run.numbers(path) == list(range(12))
    assert len(runs) <= 18  # 36 frames, 9 full batches


def test_a_fast_source_does_not_push_a_slow_one_out() -> None:
    words = ["synthetic://200fps?size=64x48&frames=120", "synthetic://20fps?size=64x48&people=1&frames=12"]
    run = Run(open_sources(words), MovingEngine(0.01))
    run.pipeline.run()
    assert len(run.numbers(words[1])) >= 8  # its share of the captured frames is a tenth


def test_each_source_has_its_own_tracks(tmp_path: Path) -> None:
    paths = [str(write_clip(tmp_path / f"{name}.avi", 6)) for name in "ab"]
    sources = open_sources(paths)
    found: list[Found] = []
    engine = PlantedEngine([[10, 4, 40, 60]], [0.8], [[[i, 2 * i, 0.9] for i in range(17)]])
    finder = Finder(Session(engine), 0.2, [[tracked(0.2)] for _ in sources])
    meters = [SourceMeter(source.name, False) for source in sources]
    Pipeline(sources, meters, finder, found.append, lambda _source, _error: None).run()
    assert {int(item.shown.track_ids[0]) for item in found} == {0}
    assert all("tracking" in item.stages for item in found)


def test_an_engine_that_fails_ends_the_run_after_what_was_found(tmp_path: Path) -> None:
    engine = MovingEngine()
    infer, calls = engine._infer, []

    def fail_at_the_fourth(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        calls.append(1)
        if len(calls) == 4:
            raise SimpleTrtError("the device is gone", "plug it in")
        return infer(inputs)

    engine._infer = fail_at_the_fourth
    run = Run(open_sources([str(write_clip(tmp_path / "a.avi", 20))]), engine)
    with pytest.raises(SimpleTrtError, match="the device is gone"):
        run.pipeline.run()
    assert [found.frame.number for found in run.found] == [0, 1, 2]


def test_a_sink_that_fails_ends_the_run(tmp_path: Path) -> None:
    def fail(found: Found) -> None:
        if found.frame.number == 2:
            raise SimpleTrtError("disk full", "")

    words = [str(write_clip(tmp_path / "a.avi", 20)), "synthetic://50fps?size=64x48"]
    run = Run(open_sources(words), MovingEngine(0.005), write=fail)
    with pytest.raises(SimpleTrtError, match="disk full"):
        run.pipeline.run()
    assert not [thread for thread in threading.enumerate() if thread.name in {"infer", "write"}]


def test_a_source_that_cannot_be_opened_ends_the_run() -> None:
    run = Run(open_sources(["http://127.0.0.1:9/", "synthetic://50fps?size=64x48"]), MovingEngine())
    with pytest.raises(SimpleTrtError, match="cannot open"):
        run.pipeline.run()


def test_what_was_captured_before_the_stop_is_written() -> None:
    run = Run(open_sources(["synthetic://100fps?size=64x48"]), MovingEngine(0.01))
    run.pipeline.run(seconds=0.4)
    totals = run.meters[0].totals()
    assert totals.captured > 5
    assert totals.captured == totals.found + totals.dropped == len(run.found) + totals.dropped


class Interrupted:
    """A live source in whose third frame the user presses Ctrl-C.

    Args:
        times: how often.
        in_main: whether the signal reaches the main thread, or this source's.
    """

    name, live, goes_on = "interrupted", True, True

    def __init__(self, times: int, in_main: bool = True) -> None:
        self.times = times
        self.in_main = in_main
        self.stopped = threading.Event()

    def frames(self, on_error: OnError | None = None) -> Iterator[Frame]:
        for number in range(3):
            yield Frame(f"{number}", np.zeros((8, 8, 3), np.uint8), source=self.name, number=number, time=0.0)
            time.sleep(0.05)
        for _ in range(self.times):
            reached = threading.main_thread() if self.in_main else threading.current_thread()
            signal.pthread_kill(reached.ident or 0, signal.SIGINT)
            time.sleep(0.2)
        self.stopped.wait(10)

    def stop(self) -> None:
        self.stopped.set()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt, also in a process that a shell started in the background to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_it_with_everything_written() -> None:
    run = Run([Interrupted(1)], MovingEngine())
    assert isinstance(run.pipeline.run(), KeyboardInterrupt)
    assert [found.frame.number for found in run.found] == [0, 1, 2]


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_that_does_not_wake_the_main_thread() -> None:
    start = time.monotonic()
    assert isinstance(Run([Interrupted(1, in_main=False)], MovingEngine()).pipeline.run(), KeyboardInterrupt)
    assert time.monotonic() - start < 5  # the source would go on for 10 s


@pytest.mark.usefixtures("interruptible")
def test_a_second_interrupt_does_not_wait_for_the_queue() -> None:
    run = Run([Interrupted(2)], MovingEngine(), write=lambda found: time.sleep(0.6))
    with pytest.raises(KeyboardInterrupt):
        run.pipeline.run()
    assert len(run.found) < 3
