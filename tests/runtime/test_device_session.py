"""Sessions on a GPU without arrays, on a fake CUDA runtime that holds them to the rules of the real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simple_trt.errors import UsageError
from simple_trt.runtime import Session
from simple_trt.runtime.slot import KEPT_SIZES
from tests.runtime.devices import HD, TALL, VGA, FakeCuda, Machine, check_same, expected, frames, launches

SCHEDULES = ("late", "eager", 0, 1, 2)


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


def test_speed_has_the_three_stages(machine: Machine, kind: str) -> None:
    with Session(machine.open(kind)) as session:
        speed = session.predict(frames(VGA)[0]).speed
    assert list(speed) == ["preprocess", "inference", "postprocess"]
    assert all(ms >= 0 for ms in speed.values())
