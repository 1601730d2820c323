import time

import pytest

from benchmarks.child import timed
from benchmarks.children import Child, opened
from benchmarks.rounds import Plan, interleave
from simple_trt.errors import SimpleTrtError
from tests.benchmarks import fake_contender

DOUBLER = {"factory": "tests.benchmarks.fake_contender:doubler", "arguments": {"talkative": True}}


def test_a_child_runs_as_often_as_it_is_told_and_says_what_it_is():
    with Child("doubler", DOUBLER, threads=1) as child:
        assert child.about == {"runtime": "fake"}
        assert child.load_seconds >= 0
        times = child.turn("21")(1, 4)
        assert len(times) == 4
        assert all(time >= 0 for time in times)
        assert child.outputs("21")["doubled"] == 42
        assert child.peak_mb > 1


def test_children_are_interleaved():
    with opened({"a": DOUBLER, "b": DOUBLER}, threads=1) as children:
        turns = {name: child.turn("1") for name, child in children.items()}
        times = interleave(turns, Plan(2, 3, 1, 0, 0))
    assert {name: [len(r) for r in rounds] for name, rounds in times.items()} == {"a": [3, 3], "b": [3, 3]}


def test_a_contender_that_cannot_be_loaded_is_named_with_its_reason():
    spec = {"factory": "tests.benchmarks.fake_contender:broken", "arguments": {}}
    with pytest.raises(SimpleTrtError, match=r"contender 'bad' failed: RuntimeError: it cannot be loaded"):
        Child("bad", spec, threads=1)


@pytest.mark.parametrize(("task", "reason"), [("fail", "ValueError: this task fails"), ("die", "its process ended")])
def test_a_contender_that_fails_while_it_runs_is_named(task, reason):
    with Child("doubler", DOUBLER, threads=1) as child, pytest.raises(SimpleTrtError, match=reason):
        child.turn(task)(0, 1)


def test_warm_up_runs_are_made_and_not_timed():
    runs = []
    assert len(timed(lambda: runs.append(1), warmup=2, iterations=3)) == 3
    assert len(runs) == 5


def test_warming_up_takes_the_seconds_that_are_asked_for():
    runs = []
    assert len(timed(lambda: runs.append(time.perf_counter()), warmup=2, iterations=1, warm_seconds=0.05)) == 1
    assert runs[-1] - runs[0] >= 0.045
    assert len(runs) > 100


def test_the_fake_names_its_factory_as_children_look_it_up():
    from benchmarks.contenders import spec

    assert spec(fake_contender.doubler, talkative=True) == DOUBLER
