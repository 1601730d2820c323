"""TensorRT's nested phases as one number; stopping a builder that works in a thread of its own."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_graph import save_tiny

from simple_trt.engines.build_monitor import Phases, run_stoppable


def test_a_child_counts_as_a_part_of_its_parents_step() -> None:
    phases = Phases()
    phases.start("build", None, 2)
    phases.start("time", "build", 4)
    phases.start("one kernel", "time", 2)
    assert phases.step("one kernel", 0) == ("build", 1 / 16)
    assert phases.step("one kernel", 1) == ("build", 1 / 8)
    phases.finish("one kernel")
    assert phases.step("time", 0) == ("build", 1 / 8)
    assert phases.step("time", 3) == ("build", 1 / 2)
    phases.finish("time")
    assert phases.step("build", 0) == ("build", 1 / 2)
    assert phases.step("build", 1) == ("build", 1.0)


def test_phases_that_end_early_never_go_back() -> None:
    phases = Phases()
    phases.start("build", None, 4)
    phases.start("time", "build", 2)
    assert phases.step("time", 1) == ("build", 0.25)
    phases.finish("time")
    phases.start("time", "build", 2)
    assert phases.step("time", 0) == ("build", 0.25)
    assert phases.step("build", 1) == ("build", 0.625)


def test_unknown_phases_are_let_pass() -> None:
    phases = Phases()
    phases.finish("never begun")
    assert phases.step("never begun", 0) is None
    phases.start("orphan", "a parent that is over", 0)
    assert phases.step("orphan", 0) == ("orphan", 1.0)


def test_no_phase_is_its_own_ancestor() -> None:
    phases = Phases()
    phases.start("a", None, 2)
    phases.start("b", "a", 2)
    phases.start("a", "b", 2)
    phases.start("b", "b", 2)
    assert phases.step("a", 0) == ("a", 0.5)
    assert phases.step("b", 1) == ("b", 1.0)


NAMES = st.sampled_from("abcde")
EVENTS = st.one_of(
    st.tuples(st.just("start"), NAMES, st.none() | NAMES, st.integers(0, 5)),
    st.tuples(st.just("step"), NAMES, st.integers(0, 9)),
    st.tuples(st.just("finish"), NAMES),
)


@given(st.lists(EVENTS, max_size=60))
def test_any_sequence_gives_a_share_that_only_grows(events: list[tuple]) -> None:
    phases = Phases()
    shown: dict[str, float] = {}
    for what, name, *rest in events:
        if what in ("start", "finish"):
            shown.pop(name, None)
        found = getattr(phases, what)(name, *rest)
        if what == "step" and found is not None:
            root, share = found
            assert shown.get(root, 0.0) <= share <= 1.0
            shown[root] = share


class _Monitor:
    def __init__(self) -> None:
        self.stopped = threading.Event()

    def stop(self) -> None:
        self.stopped.set()


def test_the_work_has_ended_when_its_error_arrives() -> None:
    def work() -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        run_stoppable(_Monitor(), work)
    assert run_stoppable(_Monitor(), lambda: 3) == 3


def test_interrupt_stops_the_work_and_waits_for_it() -> None:
    """Ctrl-C arrives while the main thread waits, and does not wake it: another thread took the signal."""
    monitor, ended = _Monitor(), []

    def work() -> None:
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        assert monitor.stopped.wait(10)
        time.sleep(0.05)
        ended.append(True)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_stoppable(monitor, work)
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended == [True]


def test_interrupt_before_the_work_begins_leaves_it_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C arrives while the thread is being started."""
    real, worked = threading.Thread.start, []

    def interrupted(self: threading.Thread) -> None:
        real(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_stoppable(_Monitor(), lambda: worked.append(True))
    time.sleep(0.05)
    assert worked == []


def test_real_builder_is_stopped_through_its_monitor(tmp_path: Path) -> None:
    """TensorRT-RTX has the same monitor, for real."""
    pytest.importorskip("tensorrt_rtx")
    from simple_trt.engines.builder import CompileOptions
    from simple_trt.engines.tensorrt_rtx import compile_plan

    seen: list[tuple[str, float]] = []

    def stop_at_once(phase: str, done: float) -> None:
        seen.append((phase, done))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compile_plan(save_tiny(tmp_path / "tiny.onnx"), tmp_path / "plan", CompileOptions(), stop_at_once)
    assert len(seen) == 1
    assert not (tmp_path / "plan").exists()
