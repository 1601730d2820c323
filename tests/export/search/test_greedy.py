"""The search on made-up losses and times: the limit and the budget are kept, sensitive blocks stay out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simple_trt.export.search.greedy import pareto, ranked, search_sets
from simple_trt.export.search.times import BlockTimes


def times_of(saved):
    return BlockTimes(dict.fromkeys(saved, 10.0), {name: 10.0 - s for name, s in saved.items()}, 5.0, "seconds")


class Additive:
    """Losses that add up; remembers what it was asked."""

    def __init__(self, alone, together=None):
        self.alone, self.together, self.asked = alone, together or {}, []

    def __call__(self, int8):
        self.asked.append(int8)
        extra = sum(loss for pair, loss in self.together.items() if pair <= int8)
        return sum(self.alone[name] for name in int8) + extra


def test_least_loss_for_the_time_comes_first():
    alone = {"cheap": 0.001, "dear": 0.1, "slower": 0.0, "gain": -0.2, "free": 0.0}
    times = times_of({"cheap": 1.0, "dear": 1.0, "slower": -0.5, "gain": 1.0, "free": 2.0})
    assert ranked(times, alone) == ["free", "gain", "cheap", "dear"]


def test_a_sensitive_block_is_left_out_and_all_others_are_taken():
    alone = {f"b{i}": 0.0002 for i in range(9)} | {"sensitive": 0.3}
    order = ranked(times_of(dict.fromkeys(alone, 1.0) | {"sensitive": 4.0}), alone)
    good = search_sets(order, alone, Additive(alone), 0.005, 16)
    assert good[-1] == frozenset(alone) - {"sensitive"}


def test_everything_is_one_measurement_where_it_fits():
    alone = dict.fromkeys("abc", 0.001)
    lost = Additive(alone)
    assert search_sets(list("abc"), alone, lost, 0.005, 16) == [frozenset("abc")]
    assert len(lost.asked) == 1


def test_a_block_that_hurts_only_together_with_another_is_left_out():
    alone = dict.fromkeys("abcd", 0.0)
    lost = Additive(alone, {frozenset("ab"): 0.1})
    assert search_sets(list("abcd"), alone, lost, 0.005, 16)[-1] == frozenset("acd")


def test_nothing_fits():
    alone = dict.fromkeys("abc", 0.1)
    assert search_sets(list("abc"), alone, Additive(alone), 0.005, 16) == []
    assert search_sets([], {}, Additive({}), 0.005, 16) == [], "no block saves time"


BLOCKS = st.dictionaries(
    st.integers(0, 30).map(str), st.tuples(st.floats(-0.01, 0.05), st.floats(-1, 5)), min_size=1, max_size=12
)


@given(BLOCKS, st.floats(0, 0.1), st.integers(1, 20), st.randoms(use_true_random=False))
def test_limit_and_budget_are_kept_and_nothing_is_left_to_chance(blocks, limit, steps, random):
    alone = {name: loss for name, (loss, _) in blocks.items()}
    pairs = {frozenset(random.sample(sorted(alone), 2)): random.uniform(0, 0.02)} if len(alone) > 1 else {}
    order = ranked(times_of({name: saved for name, (_, saved) in blocks.items()}), alone)
    lost, again = Additive(alone, pairs), Additive(alone, pairs)
    good = search_sets(order, alone, lost, limit, steps)
    assert len(lost.asked) <= steps
    assert all(lost(int8) <= limit for int8 in good)
    assert all(blocks[name][1] > 0 for int8 in good for name in int8)
    assert search_sets(order, alone, again, limit, steps) == good


@given(st.dictionaries(st.frozensets(st.integers(0, 9).map(str)), st.tuples(st.floats(0, 9), st.floats(-1, 1))))
def test_the_pareto_list_has_what_nothing_else_beats(points):
    best = pareto(points)
    for name, (time, lost) in points.items():
        beaten = any(t <= time and v <= lost and (t, v) != (time, lost) for t, v in points.values())
        listed = points[name] in [points[other] for other in best]
        assert listed != beaten
    assert [points[name] for name in best] == sorted(points[name] for name in best)


def test_times_add_up():
    times = BlockTimes({"a": 3.0, "b": 2.0}, {"a": 1.0, "b": 2.5}, 4.0, "seconds")
    assert [times.of(int8) for int8 in ((), ("a",), ("b",), ("a", "b"))] == [9.0, 7.0, 9.5, 7.5]
    assert [times.saved(name) for name in "ab"] == [2.0, -0.5]
