"""The record of a search: what was measured comes back, what belongs to another search is refused."""

from __future__ import annotations

import json

import pytest

from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.evaluate.paired import Drop
from simple_trt.export.search.record import Record, open_record, record_path
from simple_trt.export.search.times import BlockTimes

SUBJECT = {"model": "abc", "seed": 1}


@pytest.fixture
def path(tmp_path):
    return record_path(tmp_path / "a.engine")


@pytest.fixture
def written(path):
    record = Record(path, SUBJECT, ap=0.5)
    record.known(record.methods, "mse", lambda: Drop(0.01, 0.001))
    record.known(record.alone, "stem", lambda: Drop(-0.02, 0.003))
    record.known(record.sets, frozenset({"b", "a"}), lambda: Drop(0.1, 0.2))
    record.times = BlockTimes({"a": 1.0}, {"a": 0.5}, 0.25, "seconds")
    record.seconds = {frozenset({"a"}): 0.125}
    record.outcome = {"chosen": ["a"]}
    record.write()
    return record


def test_it_lies_beside_the_engine(path):
    assert path.name == "a.engine.search.json"


def test_all_comes_back(path, written):
    assert open_record(path, SUBJECT, force=False) == written
    assert open_record(path, SUBJECT, force=True) == written, "force replaces records of other searches only"


def test_what_is_known_is_not_measured_again(path, written):
    record = open_record(path, SUBJECT, force=False)
    assert record.known(record.alone, "stem", pytest.fail) == Drop(-0.02, 0.003)
    assert record.known(record.sets, frozenset({"a", "b"}), pytest.fail) == Drop(0.1, 0.2)


def test_each_measurement_is_in_the_file_at_once(path):
    record = Record(path, SUBJECT)
    record.known(record.alone, "stem", lambda: Drop(0.25, 0.5))
    assert json.loads(path.read_text())["alone"] == {"stem": {"ap": 0.25, "standard_error": 0.5}}


def test_another_subject(path, written):
    with pytest.raises(UsageError, match="search with another seed"):
        open_record(path, SUBJECT | {"seed": 2}, force=False)
    assert open_record(path, SUBJECT | {"seed": 2}, force=True).alone == {}
    assert path.exists(), "nothing is removed before something is measured"


@pytest.mark.parametrize("text", ["", "{}", "[1]", "null", '{"format": 9}', '{"format": 1, "subject": 3}', "\xff{"])
def test_a_file_that_is_no_record(path, text):
    path.write_text(text)
    with pytest.raises(SimpleTrtError, match="not the record of a search") as failure:
        open_record(path, SUBJECT, force=False)
    assert "--force" in failure.value.cure
    assert open_record(path, SUBJECT, force=True).sets == {}
