"""Sessions on a GPU when something fails, is refused, or is done by several threads; on a fake CUDA runtime."""

from __future__ import annotations

import threading
import warnings

import numpy as np
import pytest

from simple_trt.engines.cuda_graphs import SETTING_UP
from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.runtime import Session
from simple_trt.types import People
from tests.runtime.devices import HD, TALL, VGA, Machine, check_same, expected, frames, launches


def test_an_engine_that_cannot_be_captured_runs_by_plain_launches_and_says_so(machine: Machine, kind: str) -> None:
    machine.refuse_capture()
    pictures = frames(VGA, VGA, VGA, HD, HD, VGA)
    with (
        Session(machine.open(kind)) as session,
        pytest.warns(RuntimeWarning, match="cannot be captured as a CUDA graph and runs by plain launches") as said,
    ):
        got = session.predict_batch(pictures)
    check_same(got, expected(machine.reference(kind), pictures))
    assert len(said) == 1
    assert launches(machine.cuda) == (0, 0)
    assert machine.cuda.calls["begin_capture"] == 1


@pytest.mark.parametrize("call", ["begin_capture", "end_capture", "instantiate"])
def test_a_capture_that_fails_anywhere_costs_no_frame(machine: Machine, kind: str, call: str) -> None:
    machine.cuda.failing = {call: 0}
    pictures = frames(VGA, VGA, VGA, VGA)
    session = Session(machine.open(kind))
    with pytest.warns(RuntimeWarning, match="cannot be captured as a CUDA graph"):
        got = session.predict_batch(pictures)
    check_same(got, expected(machine.reference(kind), pictures))
    session.close()


@pytest.mark.parametrize("call", ["run engine", "run copy in", "copy", "launch", "record", "wait", "launch_graph"])
def test_a_frame_that_fails_takes_no_other_with_it(machine: Machine, kind: str, call: str) -> None:
    pictures = frames(VGA, VGA, VGA, VGA)
    wanted = expected(machine.reference(kind), pictures)
    with Session(machine.open(kind)) as session:
        check_same([session.predict(picture) for picture in pictures[:3]], wanted[:3])
        machine.cuda.failing = {call: machine.cuda.calls[call]}
        plain = call in ("copy", "launch")  # a replayed graph makes no such call: show a new size
        with pytest.raises(SimpleTrtError) as caught:
            session.predict(frames(TALL)[0] if plain else pictures[3])
        assert caught.value.cure
        machine.cuda.failing = {}
        check_same(session.predict_batch(pictures), wanted)


@pytest.mark.parametrize("call", ["allocate device", "allocate pinned"])
def test_a_frame_too_large_for_the_memory_leaves_room_for_smaller_ones(machine: Machine, kind: str, call: str) -> None:
    pictures = frames(VGA, VGA, VGA)
    wanted = expected(machine.reference(kind), pictures)
    with Session(machine.open(kind)) as session:
        check_same(session.predict_batch(pictures), wanted)
        machine.cuda.failing = {call: machine.cuda.calls[call]}
        left = []
        for _ in range(2):
            with pytest.raises(SimpleTrtError, match="OUT_OF_MEMORY"):
                session.predict(frames((400, 400))[0])
            left.append(machine.cuda.left())
        assert left[0] == left[1]
        machine.cuda.failing = {}
        check_same(session.predict_batch(pictures), wanted)


def test_a_bad_picture_comes_after_the_people_of_those_before_it(machine: Machine, kind: str) -> None:
    pictures = frames(VGA, VGA, VGA)
    with Session(machine.open(kind)) as session:
        got: list[People] = []
        with pytest.raises(UsageError, match="picture: expected"):
            got.extend(session.stream([*pictures, np.zeros((3, 3), np.uint8)]))
        check_same(got, expected(machine.reference(kind), pictures))
        check_same(session.predict_batch(pictures), got)


def test_sessions_in_threads_do_not_hinder_each_other(machine: Machine, kind: str) -> None:
    pictures = [frames(*[VGA] * 6, *[HD] * 6, seed=seed) for seed in range(4)]
    wanted = [expected(machine.reference(kind), mine) for mine in pictures]
    machine.cuda.schedule = 5
    failures: list[BaseException] = []

    def work(index: int) -> None:
        try:
            with Session(machine.open(kind, device=index % 2)) as session:
                for _ in range(3):
                    check_same(list(session.stream(pictures[index])), wanted[index])
        except BaseException as error:
            failures.append(error)

    if kind != "torch":
        machine.open(kind).close()  # writes the plan, which the threads only read
    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert failures == []
    assert machine.cuda.calls["launch_graph"] > 0


def test_while_another_thread_allocates_there_is_no_capture_but_a_result(machine: Machine, kind: str) -> None:
    pictures = frames(VGA, VGA, VGA)
    wanted = expected(machine.reference(kind), pictures)
    with Session(machine.open(kind)) as session:
        session.predict(pictures[0])
        held, done = threading.Event(), threading.Event()

        def load() -> None:
            with SETTING_UP:
                held.set()
                done.wait(60)

        thread = threading.Thread(target=load)
        thread.start()
        held.wait(60)
        check_same([session.predict(pictures[1])], [wanted[1]])
        assert machine.cuda.calls["begin_capture"] == 0
        done.set()
        thread.join()
        check_same([session.predict(pictures[2])], [wanted[2]])
        assert launches(machine.cuda) == (1, 1)


def test_a_session_made_in_one_thread_is_used_in_another(machine: Machine, kind: str) -> None:
    pictures, got = frames(VGA, VGA, VGA), []
    with Session(machine.open(kind, device=1)) as session:
        thread = threading.Thread(target=lambda: got.extend(session.predict_batch(pictures)))
        thread.start()
        thread.join()
    check_same(got, expected(machine.reference(kind), pictures))


def test_two_threads_in_one_session_are_told(machine: Machine, kind: str) -> None:
    said = []
    with Session(machine.open(kind)) as session:
        session._runner._one_thread.acquire()
        try:
            session.predict(frames(VGA)[0])
        except UsageError as error:
            said.append(error.cause)
        session._runner._one_thread.release()
    assert said == ["a session is used by two threads at once"]


def test_closing_in_mid_stream_and_twice(machine: Machine, kind: str) -> None:
    session = Session(machine.open(kind))
    stream = session.stream(frames(VGA, VGA, VGA))
    next(stream)
    session.close()
    session.close()
    for use in (lambda: next(stream), lambda: session.predict(frames(VGA)[0])):
        with pytest.raises(UsageError, match="closed"):
            use()


def test_a_session_that_cannot_begin_gives_all_back(
    machine: Machine, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = machine.open(kind)
    monkeypatch.setattr("simple_trt.runtime.session.open_engine", lambda path, options: engine)
    machine.cuda.failing = {"allocate pinned": 2}
    with pytest.raises(SimpleTrtError, match="OUT_OF_MEMORY"):
        Session.open("tiny.engine")
    machine.cuda.failing = {}


def test_without_cuda_code_the_cpu_letterboxes_and_that_is_said(
    machine: Machine, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("simple_trt._core.letterbox_cuda")
    pictures = frames(VGA, VGA)
    with pytest.warns(RuntimeWarning, match="has no CUDA code: pictures are letterboxed on the CPU"):
        session = Session(machine.open(kind))
    with session:
        check_same(session.predict_batch(pictures), expected(machine.reference(kind), pictures))
