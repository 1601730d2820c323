"""Who waits, who drops, and whose turn it is."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from simple_trt.runtime.queues import FILE_DEPTH, Queues


def test_a_live_source_keeps_its_newest_frame() -> None:
    queues: Queues[int] = Queues([True])
    assert [queues.put(0, i) for i in range(4)] == [0, 1, 1, 1]
    assert queues.take(9) == [(0, 3)]


def test_a_file_drops_nothing_and_waits_for_room() -> None:
    queues: Queues[int] = Queues([False])
    producer = threading.Thread(target=lambda: [queues.put(0, i) for i in range(20)] and queues.close(0))
    producer.start()
    producer.join(0.2)
    assert producer.is_alive()  # there is room for FILE_DEPTH alone
    assert len(queues.take(99)) == FILE_DEPTH
    taken = list(range(FILE_DEPTH))
    while items := queues.take(3):
        taken += [item for _, item in items]
    assert taken == list(range(20))
    producer.join(5)


def test_all_sources_have_their_turn() -> None:
    queues: Queues[str] = Queues([False, False, True])
    for item in "abcd":
        queues.put(0, item)
    queues.put(1, "x")
    queues.put(2, "y")
    assert [queues.take(1)[0] for _ in range(6)] == [(0, "a"), (1, "x"), (2, "y"), (0, "b"), (0, "c"), (0, "d")]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=4), st.integers(1, 5))
def test_a_batch_is_shared_fairly(waiting: list[int], most: int) -> None:
    """Nobody gets a second frame while another waits for a first."""
    queues: Queues[int] = Queues([False] * len(waiting))
    for which, count in enumerate(waiting):
        for i in range(count):
            queues.put(which, i)
        queues.close(which)
    batch = queues.take(most)
    assert len(batch) == min(most, sum(waiting))
    got = [sum(which == i for which, _ in batch) for i in range(len(waiting))]
    for i, count in enumerate(got):
        assert all(count <= other + 1 for j, other in enumerate(got) if other < waiting[j]), (i, got)


def test_closed_and_empty_is_the_end() -> None:
    queues: Queues[int] = Queues([False, True])
    queues.put(0, 7)
    queues.close(0)
    assert queues.take(1) == [(0, 7)]
    threading.Timer(0.1, queues.close, (1,)).start()
    assert queues.take(1) == []


def test_aborting_wakes_everybody() -> None:
    queues: Queues[int] = Queues([False])
    other: Queues[int] = Queues([False])
    threads = [
        threading.Thread(target=lambda: [queues.put(0, i) for i in range(FILE_DEPTH + 1)]),
        threading.Thread(target=lambda: other.take(1)),
    ]
    for thread in threads:
        thread.start()
    queues.abort()
    other.abort()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    assert queues.take(1) == []
