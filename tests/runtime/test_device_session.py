"""Sessions on a GPU without arrays, on a fake CUDA runtime that holds them to the rules of the real one."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simple_trt.engines import Engine
from simple_trt.engines.cuda_graphs import SETTING_UP
from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.runtime import Session
from simple_trt.runtime.slot import KEPT_SIZES
from simple_trt.types import People
from tests.runtime.devices import KINDS, FakeCuda, Machine

SCHEDULES = ("late", "eager", 0, 1, 2)
VGA, HD, TALL = (48, 64), (72, 128), (90, 30)


@pytest.fixture
def cuda() -> FakeCuda:
    return FakeCuda()


@pytest.fixture
def machine(cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Machine]:
    """Nothing may be done to it that the real one would not stand, and every test leaves it empty."""
    yield Machine(cuda, monkeypatch, tmp_path)
    assert cuda.violations == []
    assert cuda.left() == []


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def frames(*sizes: tuple[int, int], seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) // (1 + i % 5) for i, size in enumerate(sizes)]


def expected(engine: Engine, pictures: list[np.ndarray]) -> list[People]:
    with Session(engine) as session:
        return session.predict_batch(pictures)


def check_same(got: list[People], wanted: list[People]) -> None:
    assert [people.image_size for people in got] == [people.image_size for people in wanted]
    for mine, other in zip(got, wanted, strict=True):
        np.testing.assert_allclose(mine.boxes.xyxy, other.boxes.xyxy, atol=1e-4)
        np.testing.assert_allclose(mine.keypoints.xy, other.keypoints.xy, atol=1e-4)
        np.testing.assert_allclose(mine.scores, other.scores, atol=1e-6)


def launches(cuda: FakeCuda) -> tuple[int, int]:
    """(graphs captured, graphs launched)."""
    return cuda.calls["instantiate"], cuda.calls["launch_graph"]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("batch", [1, 3])
def test_a_stream_of_changing_sizes_gives_what_the_cpu_gives(
    machine: Machine, kind: str, batch: int, schedule: str | int
) -> None:
    machine.cuda.schedule = schedule
    pictures = frames(*[VGA] * 7, *[HD] * 6, *[VGA] * 5, TALL, (1, 1), *[HD] * 4)
    with Session(machine.open(kind, batch)) as session:
        got = list(session.stream(iter(pictures)))
    check_same(got, expected(machine.reference(kind, batch), pictures))
    assert machine.cuda.calls["launch_graph"] > 0


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([VGA, HD, TALL, (33, 65), (64, 64), (20, 10), (5, 90)]), max_size=25), st.data())
def test_any_order_of_sizes_and_calls_keeps_the_rules(sizes: list[tuple[int, int]], data: st.DataObject) -> None:
    """One at a time and as streams that are given up half-way, whenever the GPU happens to run."""
    with pytest.MonkeyPatch.context() as patch:
        folder = Path(__file__).parent  # nothing is written: torch's stand-in has no file
        machine = Machine(FakeCuda(data.draw(st.integers(0, 1000))), patch, folder)
        pictures, batch = frames(*sizes), data.draw(st.sampled_from([1, 2, 4]))
        wanted = expected(machine.reference("torch", batch), pictures)
        with Session(machine.open("torch", batch)) as session:
            start = 0
            while start < len(pictures):
                stop = data.draw(st.integers(start + 1, len(pictures)))
                stream = session.stream(pictures[start:])
                check_same([next(stream) for _ in range(stop - start)], wanted[start:stop])
                stream.close()
                check_same([session.predict(pictures[start])], [wanted[start]])
                start = stop
        assert machine.cuda.violations == []
        assert machine.cuda.left() == []


def test_a_size_is_captured_the_second_time_and_replayed_from_then_on(machine: Machine, kind: str) -> None:
    with Session(machine.open(kind)) as session:
        seen = []
        for picture in frames(VGA, VGA, VGA, HD, HD, VGA):
            session.predict(picture)
            seen.append(launches(machine.cuda))
        # HD needs more room, so VGA's graph goes with the memory that it named.
        assert seen == [(0, 0), (1, 1), (1, 2), (1, 2), (2, 3), (2, 3)]
        before = machine.cuda.calls["allocate device"] + machine.cuda.calls["allocate pinned"]
        for picture in frames(VGA, HD, VGA, HD):
            session.predict(picture)
        assert launches(machine.cuda) == (3, 7)
        assert before == machine.cuda.calls["allocate device"] + machine.cuda.calls["allocate pinned"]


def test_only_so_many_graphs_are_kept(machine: Machine, kind: str) -> None:
    sizes = [(100 - i, 100) for i in range(KEPT_SIZES + 3)]
    with Session(machine.open(kind)) as session:
        for size in sizes:
            session.predict_batch(frames(size, size, size, size))
        assert machine.cuda.calls["instantiate"] == 2 * len(sizes)
        assert len(machine.cuda.executables) == 2 * KEPT_SIZES
        session.predict(frames(sizes[-1])[0])
        assert machine.cuda.calls["instantiate"] == 2 * len(sizes)  # the last ones are kept


def test_photos_of_ever_new_sizes_are_never_captured(machine: Machine, kind: str) -> None:
    with Session(machine.open(kind)) as session:
        session.predict_batch(frames(*[(40 + i, 60) for i in range(20)]))
    assert launches(machine.cuda) == (0, 0)


def test_the_next_frame_is_handed_over_before_the_last_is_waited_for(machine: Machine, kind: str) -> None:
    taken = []

    def source() -> Iterator[np.ndarray]:
        for picture in frames(VGA, VGA, VGA, VGA):
            taken.append(machine.cuda.calls["run copy out"])
            yield picture

    with Session(machine.open(kind)) as session:
        results = [len(taken) for _ in session.stream(source())]
    assert results == [2, 3, 4, 4]
    assert taken == [0, 0, 4, 8]  # copies out: four a frame, a frame late


def test_graphs_can_be_turned_off(machine: Machine, kind: str) -> None:
    pictures = frames(VGA, VGA, VGA)
    with Session(machine.open(kind, graphs=False)) as session:
        got = session.predict_batch(pictures)
    check_same(got, expected(machine.reference(kind), pictures))
    assert machine.cuda.calls["begin_capture"] == 0


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


def test_rows_of_another_array_and_other_strides_work(machine: Machine, kind: str) -> None:
    whole = frames((64, 200))[0]
    views = [whole[:, 7:103], whole[::-1], whole[:, ::2], whole[:, :, ::-1]]
    with Session(machine.open(kind)) as session:
        check_same(session.predict_batch(views), expected(machine.reference(kind), [view.copy() for view in views]))


def test_a_frame_may_be_overwritten_as_soon_as_the_next_is_asked_for(machine: Machine, kind: str) -> None:
    """As a camera does that reads into one buffer."""
    pictures, buffer = frames(*[VGA] * 6), np.zeros((*VGA, 3), np.uint8)

    def camera() -> Iterator[np.ndarray]:
        for picture in pictures:
            buffer[:] = picture
            yield buffer

    with Session(machine.open(kind)) as session:
        check_same(list(session.stream(camera())), expected(machine.reference(kind), pictures))


def test_results_stay_what_they_are(machine: Machine, kind: str) -> None:
    pictures = frames(*[VGA] * 5)
    with Session(machine.open(kind)) as session:
        got = [session.predict(picture) for picture in pictures]
    check_same(got, expected(machine.reference(kind), pictures))


def test_a_batch_that_is_being_read_is_not_overwritten(machine: Machine, kind: str) -> None:
    pictures = frames(VGA, HD, TALL)
    with Session(machine.open(kind, batch=3)) as session:
        stream = session.stream(pictures)
        got = [next(stream)]
        session.predict_batch(frames(TALL, TALL, HD, VGA, VGA, VGA))
        got.extend(stream)
    check_same(got, expected(machine.reference(kind, 3), pictures))


def test_arrays_and_frames_by_turns(machine: Machine, kind: str) -> None:
    """`engine.infer` and the session share the stream and the engine's tensors."""
    pictures = frames(VGA, VGA, VGA)
    wanted = expected(machine.reference(kind), pictures)
    image = np.random.default_rng(3).normal(size=(1, 3, 64, 64)).astype(np.float32)
    with machine.reference(kind) as reference:
        answers = reference.infer({"image": image})
    with Session(machine.open(kind)) as session:
        stream = session.stream(pictures)
        for people in wanted:
            check_same([next(stream)], [people])
            for name, array in session.engine.infer({"image": image}).items():
                np.testing.assert_allclose(array, answers[name], atol=1e-5)


def test_a_given_up_stream_leaves_room_for_the_next(machine: Machine, kind: str) -> None:
    pictures = frames(VGA, VGA, VGA)
    with Session(machine.open(kind)) as session:
        first, second = session.stream(pictures), session.stream(pictures)
        next(first), next(second)  # three batches are more than there are buffers for
        with pytest.raises(UsageError, match="2 batches under way"):
            next(second)
        assert len(list(first)) == 2
        third = session.stream(pictures)
        next(third)
        third.close()
        assert len(session.predict_batch(pictures)) == 3


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


def test_speed_has_the_three_stages(machine: Machine, kind: str) -> None:
    with Session(machine.open(kind)) as session:
        speed = session.predict(frames(VGA)[0]).speed
    assert list(speed) == ["preprocess", "inference", "postprocess"]
    assert all(ms >= 0 for ms in speed.values())
