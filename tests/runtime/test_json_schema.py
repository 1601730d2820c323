"""docs/json.md says what is written, key by key: the two cannot drift apart."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from simple_trt.pictures import write_picture
from simple_trt.runtime import Finder, JsonLinesSink, Pipeline, Session, SourceMeter, open_sources, smoothed, tracked
from tests.runtime.moving_people import MovingEngine

DOCUMENT = Path(__file__).parents[2] / "docs/json.md"
TYPES = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: type(value) is int,
    "number": lambda value: type(value) in (int, float),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "integer or null": lambda value: value is None or type(value) is int,
}


def tables() -> list[dict[str, str]]:
    """The documented keys with their types: of pictures, of streams besides, of people, of stages."""
    blocks = re.findall(r"\| key \| type .*?\n\| ---.*?\n((?:\|.*\n)+)", DOCUMENT.read_text(encoding="utf-8"))
    rows = [re.findall(r"^\| `(\w+)` \| ([a-z ]+) \|", block, re.M) for block in blocks]
    return [dict(row) for row in rows]


def written(tmp_path: Path, source: str) -> list[dict[str, Any]]:
    sources = open_sources([source])
    meters = [SourceMeter(source.name, source.live) for source in sources]
    with JsonLinesSink(tmp_path / "out.jsonl") as sink:
        finder = Finder(Session(MovingEngine()), 0.2, [[tracked(0.2), smoothed()]])
        Pipeline(sources, meters, finder, lambda f: sink.write(f.frame, f.shown), lambda _source, error: None).run()
    return [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]


def check(values: dict[str, Any], documented: dict[str, str]) -> None:
    assert list(values) == list(documented) or set(values) == set(documented)
    for key, kind in documented.items():
        assert TYPES[kind](values[key]), f"{key}: {values[key]!r} is no {kind}"


def test_pictures(tmp_path: Path) -> None:
    picture, _, person, stages = tables()
    write_picture(tmp_path / "a.png", np.zeros((30, 40, 3), np.uint8))
    (values,) = written(tmp_path, str(tmp_path / "a.png"))
    check(values, picture)
    check(values["people"][0], person)
    assert set(values["speed"]) <= set(stages)


def test_streams(tmp_path: Path) -> None:
    picture, stream, person, stages = tables()
    for values in written(tmp_path, "synthetic://50fps?size=96x64&frames=5"):
        check(values, picture | stream)
        check(values["people"][0], person)
        check(values["speed"], stages)
        assert values["people"][0]["track_id"] == 0
        assert np.shape(values["people"][0]["keypoints"]) == (17, 3)
        assert values["latency"] >= values["speed"]["inference"]
