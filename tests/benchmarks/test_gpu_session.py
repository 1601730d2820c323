"""The session benchmark on a machine made of fakes: what it does is real work, its numbers mean nothing."""

import pytest

from benchmarks.gpu_session import THREADS, measure
from simple_trt.errors import SimpleTrtError
from tests.runtime.devices import KINDS, FakeCuda, Machine

WAYS = ["arrays", "plain launches", "graphs", *["stream"] * len(THREADS)]


@pytest.fixture
def machine(monkeypatch, tmp_path):
    made = Machine(FakeCuda("eager"), monkeypatch, tmp_path)
    yield made
    assert made.cuda.violations == []
    assert made.cuda.left() == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_way_is_measured(machine, kind):
    rows = list(measure(kind, lambda graphs: machine.open(kind, graphs=graphs), (48, 64), 3))
    assert [row["way"] for row in rows] == WAYS
    assert {(row["engine"], row["frame"]) for row in rows} == {(kind, "64x48")}
    assert all(row["ms"]["median"] > 0 for row in rows[:3])
    assert [row["threads"] for row in rows[3:]] == list(THREADS)
    assert all(row["frames_per_s"] > 0 for row in rows[3:])
    assert not any("warnings" in row for row in rows)


@pytest.mark.parametrize("kind", KINDS)
def test_an_engine_that_cannot_be_captured_is_said(machine, kind):
    machine.refuse_capture()
    with pytest.warns(RuntimeWarning, match="cannot be captured"):
        rows = list(measure(kind, lambda graphs: machine.open(kind, graphs=graphs), (48, 64), 3))
    assert "cannot be captured" in rows[2]["warnings"][0]


def test_graphs_that_answer_otherwise_are_not_timed(machine):
    opened = iter([machine.open("torch"), machine.open("tensorrt")])
    with pytest.raises(SimpleTrtError, match="graphs and plain launches differ"):
        list(measure("mixed", lambda graphs: next(opened), (48, 64), 3))
