import pytest

from benchmarks.rivals import sweep as module
from benchmarks.rivals.field import Entry
from benchmarks.rivals.sweep import amount_of, sweep
from benchmarks.rounds import Amount, Plan

PLAN = Plan(rounds=4, iterations=3, warmup=2, seed=0, pause=0)
COSTS = {"SIMPLE a": (10.0, 0.0), "Crops": (0.0, 4.0)}
DETECTOR_MS = 5.0


class FakeChild:
    """A child whose times follow from its task; a batch of more than two is cheaper."""

    def __init__(self, name, spec, threads):
        self.name, self.asked = name, []
        self.about, self.load_seconds, self.peak_mb = {"runtime": "fake"}, 0.5, 100.0

    def turn(self, task):
        def run(warmup, iterations):
            self.asked.append((task, warmup, iterations))
            return [self._ms(task)] * iterations

        return run

    def outputs(self, task):
        import numpy as np

        return {"scores": np.full(int(task.split()[0]), 0.9)}

    def _ms(self, task):
        count, *how = task.split()
        fixed, each = COSTS[self.name]
        saved = 0.5 if "batched" in how and int(count) > 2 else 1.0
        return fixed + each * int(count) * saved + DETECTOR_MS * ("detector" in how) + 1.0 * ("batched" in how)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


@pytest.fixture
def result(monkeypatch):
    monkeypatch.setattr(module, "Child", FakeChild)
    ours = Entry("SIMPLE a", "SIMPLE", "trained", {}, [1, 5], reference=True)
    crops = Entry("Crops", "top-down", "random", {}, [1, 5], ("batched", "one-by-one"), ("none", "before"))
    return sweep([ours, crops], PLAN, threads=1, seconds=60)


def test_each_place_of_the_detector_is_a_series_and_each_count_a_point(result):
    heads = [(s["name"], s["detector"], [p["people"] for p in s["points"]]) for s in result["series"]]
    assert heads == [("SIMPLE a", "none", [1, 5]), ("Crops", "none", [1, 5]), ("Crops", "before", [1, 5])]
    assert result["rounds"] == 4
    assert result["references"] == ["SIMPLE a"]


def test_the_faster_way_is_timed_and_told(result):
    given, before = result["series"][1:]
    assert [(p["way"], p["ms"]["median"]) for p in given["points"]] == [("one-by-one", 4.0), ("batched", 11.0)]
    assert [(p["way"], p["ms"]["median"]) for p in before["points"]] == [("one-by-one", 9.0), ("batched", 16.0)]


def test_times_are_set_beside_the_references(result):
    ours, given, _ = result["series"]
    assert [p["over"] for p in ours["points"]] == [{}, {}]
    assert [p["over"]["SIMPLE a"]["value"] for p in given["points"]] == [0.4, 1.1]


def test_only_trained_networks_that_look_for_people_find_any(result):
    ours, given, _ = result["series"]
    assert [p["found"] for p in ours["points"]] == [1, 5]
    assert all("found" not in p for p in given["points"])


def test_a_turn_is_filled_but_a_slow_run_stands_alone():
    plan = Plan(iterations=10, warmup=2)
    assert amount_of(1.0, plan) == Amount(2, 10)
    assert amount_of(100.0, plan) == Amount(2, 2)
    assert amount_of(900.0, plan) == Amount(1, 1)
    assert amount_of(3000.0, plan) == Amount(0, 1)
