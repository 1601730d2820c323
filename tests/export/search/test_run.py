"""The whole search on a bench of made-up numbers: what it chooses, what it tells, that it goes on where it stopped."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from simple_trt.errors import AccuracyError, SimpleTrtError
from simple_trt.evaluate.paired import Drop
from simple_trt.export.precision.blocks import Block
from simple_trt.export.precision.histograms import Histogram
from simple_trt.export.search.record import Record, open_record
from simple_trt.export.search.run import SearchRequest, search_int8
from simple_trt.export.search.times import BlockTimes

ALONE = {"stem": 0.0001, "stage": 0.001, "neck": 0.2, "corner": 0.0005, "heads": 0.05}
SAVED = {"stem": 1.0, "stage": 4.0, "neck": 3.0, "corner": 2.0, "heads": 1.0}
BEST_METHOD = "percentile"


class MadeUpBench:
    """Losses add up; `percentile` is the best calibration; the clock says what the blocks' times say."""

    def __init__(self, alone=ALONE, floor=0.0, stop_after=10**9):
        self.blocks = [Block(name, (name,), 100, name != "heads") for name in alone]
        self.alone, self.floor, self.left = alone, floor, stop_after
        self.ranges, self.reference_ap, self.measured = {}, 0.6, []
        self.made = BlockTimes(dict.fromkeys(alone, 5.0), {n: 5.0 - s for n, s in SAVED.items()}, 1.0, "seconds")

    def lost_on_some(self, what, int8, ranges=None):
        better = ranges is not None and f"by {BEST_METHOD}" in what
        return self._lost(what, int8, -0.1 if better else 0.0)

    def lost_on_all(self, what, int8):
        return self._lost(what, int8, self.floor)

    def times(self, image):
        return self.made

    def seconds(self, sets, image):
        return {int8: self.made.of(int8) for int8 in sets}

    def _lost(self, what, int8, more):
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        self.measured.append(what)
        return Drop(sum(self.alone[name] for name in int8) + more, 0.001)


@pytest.fixture
def search(tmp_path):
    histogram = Histogram()
    histogram.add(np.append(np.linspace(-2, 2, 99_999), 3.0).astype(np.float32))

    def run(bench, record="record.json", method=None, **changes):
        request = SearchRequest(tmp_path, tmp_path, tmp_path / record, **changes)
        kept = open_record(request.record, {"seed": request.seed}, force=False)
        chosen = search_int8(bench, kept, request, {"x": histogram}, method, np.zeros((1, 3, 8, 8), np.float32))
        return SimpleNamespace(**vars(chosen), record=kept)

    return run


def test_the_sensitive_block_stays_out(search):
    found = search(MadeUpBench())
    assert found.int8 == {"stem", "stage", "corner"}
    assert found.record.sets[found.int8].ap <= 0.005
    assert "not in int8: neck, heads" in found.report[-1]


@pytest.mark.parametrize(
    ("limit", "int8"), [(0.1, set(ALONE) - {"neck"}), (0.3, set(ALONE)), (0.00065, {"stem", "corner"})]
)
def test_the_limit_decides(search, limit, int8):
    assert search(MadeUpBench(), max_ap_drop=limit).int8 == int8


def test_the_best_calibration_is_taken_and_ranges_are_its_own(search):
    found = search(MadeUpBench())
    assert found.method == BEST_METHOD
    assert set(found.record.methods) == {"mse", "entropy", "percentile", "minmax"}
    given = search(MadeUpBench(), "other.json", method="minmax")
    assert (given.method, given.record.methods) == ("minmax", {})
    assert given.ranges == {"x": 3.0} != found.ranges


def test_the_same_search_again_measures_nothing_and_chooses_the_same(search):
    first, bench = search(MadeUpBench()), MadeUpBench()
    again = search(bench)
    assert (again.int8, again.report) == (first.int8, first.report)
    assert bench.measured == []


def test_another_limit_measures_only_new_sets(search):
    search(MadeUpBench())
    bench = MadeUpBench()
    search(bench, max_ap_drop=0.0012)
    assert bench.measured
    assert all("of 5 blocks in int8" in what for what in bench.measured)


@pytest.mark.parametrize("stop_after", [1, 5, 8, 10])
def test_a_search_that_was_stopped_goes_on(search, stop_after):
    whole = MadeUpBench()
    wanted = search(whole)
    first, second = MadeUpBench(stop_after=stop_after), MadeUpBench()
    with pytest.raises(KeyboardInterrupt):
        search(first, "stopped.json")
    found = search(second, "stopped.json")
    assert found.int8 == wanted.int8
    assert first.measured + second.measured == whole.measured


def test_steps_bound_the_sets(search):
    found = search(MadeUpBench(), steps=2)
    assert len(found.record.sets) <= 2 + 2, "besides none and the usual ones"


def test_the_pareto_list(search):
    outcome = search(MadeUpBench()).record.outcome
    rows = outcome["pareto"]
    assert outcome["unit"] == "seconds"
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    assert [row["ap"] for row in rows] == sorted(row["ap"] for row in rows)
    assert all(row["ap"] == pytest.approx(0.6 - row["lost"]) for row in rows)
    assert outcome["chosen"] in [row["int8"] for row in rows]
    assert rows[-1]["int8"] == []


def test_times_by_multiplications_are_the_same_everywhere(search):
    bench = MadeUpBench()
    bench.times = bench.seconds = None
    found = search(bench, predicted=True)
    assert found.record.outcome["unit"] == "multiplications"
    assert found.int8 == {"stem", "stage", "corner"}


def test_not_even_floating_point_keeps_the_limit(search):
    with pytest.raises(AccuracyError, match=r"even with no block in int8 0\.0100 of AP is lost"):
        search(MadeUpBench(floor=0.01))


def test_a_model_that_finds_nobody_has_nothing_to_lose(search):
    bench = MadeUpBench()
    bench.reference_ap = 0.0
    with pytest.raises(SimpleTrtError, match=r"own AP on '.*' is 0"):
        search(bench)


def test_no_block_keeps_the_limit(search):
    with pytest.raises(AccuracyError, match="no set of int8 blocks") as failure:
        search(MadeUpBench(dict.fromkeys(ALONE, 0.3)))
    assert "--max-ap-drop" in failure.value.cure


def test_the_record_can_be_read_by_itself(search):
    found = search(MadeUpBench())
    copy = open_record(found.record.path, found.record.subject, force=False)
    assert dataclasses.asdict(copy) == dataclasses.asdict(found.record)
    assert isinstance(copy, Record)
