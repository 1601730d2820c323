"""Every committed input through its reader, and some thousands of new ones: the short form of `make fuzz`."""

from __future__ import annotations

import importlib.util
import json
import random

import pytest

from benchmarks.fuzz_tables import fuzz_tables
from simple_trt.errors import SimpleTrtError
from tests.fuzz.run import fuzz
from tests.fuzz.targets import CORPUS, TARGETS, seeds

SHORT = {name: 50 if target.memory >= 512 else 400 for name, target in TARGETS.items()}
LARGEST = 10_000  # bytes of a committed input


@pytest.fixture(scope="module", params=TARGETS)
def target(request):
    return request.param


def test_every_committed_input_is_read_or_refused_with_cause_and_cure(target, tmp_path):
    read = TARGETS[target].load()
    outcomes = {}
    for seed in seeds(target):
        path = tmp_path / f"input{TARGETS[target].suffix}"
        path.write_bytes(seed.read_bytes())
        try:
            read(path)
            outcomes[seed.name] = "accepted"
        except SimpleTrtError as error:
            outcomes[seed.name] = "refused" if error.cause and error.cure else "refused without a cure"
    assert set(outcomes.values()) <= {"accepted", "refused"}, outcomes
    assert "accepted" in outcomes.values() or target == "checkpoint"  # whose whole files are too large to commit


def test_corpus_is_small_and_belongs_to_the_targets():
    assert {folder.name for folder in CORPUS.iterdir()} == set(TARGETS)
    assert all(seed.stat().st_size <= LARGEST for name in TARGETS for seed in seeds(name))


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="Atheris is not installed")
def test_some_thousand_new_inputs_find_nothing(target, tmp_path):
    row = fuzz(target, SHORT[target], seed=1, work=tmp_path)
    assert row["findings"] == {}
    assert row["inputs"] == row["accepted"] + row["refused"] == SHORT[target]


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="Atheris is not installed")
@pytest.mark.parametrize(
    ("ill", "told"),
    [
        ("raises", "KeyError at ill.py"),
        ("mute", "SimpleTrtError at ill.py"),
        ("crashes", "deadly signal"),
        ("hangs", "libFuzzer: timeout"),
        ("grows", "MemoryError at ill.py"),
    ],
)
def test_what_a_reader_does_wrong_is_found_told_and_kept(ill, told, tmp_path):
    row = fuzz(ill, 60, seed=0, work=tmp_path, tries=1)
    ((name, what),) = row["findings"].items()
    assert told in what
    assert list(tmp_path.glob(f"{ill}/0/*{name}"))


def test_mutations_are_the_same_for_the_same_seed_and_mostly_change_something(target):
    mutate, good = TARGETS[target].mutate, seeds(target)[-1].read_bytes()
    made = [[mutate(good, random.Random(k), lambda data: data[::-1]) for k in range(50)] for _ in range(2)]
    assert made[0] == made[1]
    assert sum(data != good for data in made[0]) > 30


def test_json_stays_json_but_where_it_is_meant_not_to():
    good = (CORPUS / "coco" / "people").read_bytes()
    whole = 0
    for k in range(200):
        try:
            json.loads(TARGETS["coco"].mutate(good, random.Random(k), lambda data: data[:-1]))
            whole += 1
        except (ValueError, RecursionError):
            continue
    assert 100 < whole < 200


def test_the_table_has_a_line_a_reader_and_sums():
    row = {"name": "a", "inputs": 3, "accepted": 1, "refused": 2, "slowest_ms": 1.25, "peak_mib": 2.0, "findings": {}}
    assert fuzz_tables({"rows": [row, row]}).splitlines()[-1] == "| all | 6 | 2 | 4 | 0 |  |  |"
