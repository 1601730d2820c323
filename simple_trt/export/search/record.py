"""What a search has measured, in a file beside the engine that is written after each measurement.

A search that was stopped goes on where it was; one asked for again, be it with another limit, measures what is new.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.evaluate.paired import Drop
from simple_trt.export.search.greedy import Int8
from simple_trt.export.search.times import BlockTimes
from simple_trt.files import whole_file

__all__ = ["Record", "open_record", "record_path"]

FORMAT = 1
MAX_BYTES = 16 << 20


@dataclass
class Record:
    """The measurements of one search.

    Args:
        path: the file.
        subject: what was measured on what; a record of another subject says nothing here.
        ap: of the fp32 graph on all photos.
        methods: calibration method -> AP lost with the usual blocks in int8, on the search photos.
        alone: block -> AP lost when it alone is int8, on the search photos.
        sets: int8 blocks -> AP lost, on all photos.
        times: of the blocks, None while not known.
        seconds: int8 blocks -> measured time of the whole network.
        outcome: what came of it: chosen set, Pareto list, limit.
    """

    path: Path
    subject: dict[str, Any]
    ap: float | None = None
    methods: dict[str, Drop] = field(default_factory=dict)
    alone: dict[str, Drop] = field(default_factory=dict)
    sets: dict[Int8, Drop] = field(default_factory=dict)
    times: BlockTimes | None = None
    seconds: dict[Int8, float] = field(default_factory=dict)
    outcome: dict[str, Any] = field(default_factory=dict)

    def known(self, table: dict[Any, Any], key: Any, measure: Callable[[], Any]) -> Any:
        """The entry of one of this record's tables; measured and written to the file where it is not there yet."""
        if key not in table:
            table[key] = measure()
            self.write()
        return table[key]

    def write(self) -> None:
        """Replace the file."""
        values = {
            "format": FORMAT,
            "subject": self.subject,
            "ap": self.ap,
            "methods": {name: drop._asdict() for name, drop in self.methods.items()},
            "alone": {name: drop._asdict() for name, drop in self.alone.items()},
            "times": vars(self.times) if self.times else None,
            "sets": [{"int8": sorted(int8), **drop._asdict()} for int8, drop in self.sets.items()],
            "seconds": [{"int8": sorted(int8), "seconds": seconds} for int8, seconds in self.seconds.items()],
            "outcome": self.outcome,
        }
        with whole_file(self.path) as temporary:
            temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def record_path(engine: Path) -> Path:
    """Where the record of an engine's search is: beside it, with `.search.json` added to its name."""
    return Path(f"{engine}.search.json")


def open_record(path: Path, subject: dict[str, Any], force: bool) -> Record:
    """The record at `path`, or an empty one where there is none, or where one of another subject may be replaced.

    Raises:
        UsageError: there is one of another subject, and `force` is not given.
        SimpleTrtError: the file is no record.
    """
    if not path.exists():
        return Record(path, subject)
    try:
        record = _parsed(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if force:
            return Record(path, subject)
        cure = "remove it, give --force to replace it, or choose another name with -o"
        raise SimpleTrtError(f"'{path}' is not the record of a search ({str(error)[:120]})", cure) from error
    if record.subject == subject:
        return record
    if force:
        return Record(path, subject)
    other = next(key for key in {**subject, **record.subject} if record.subject.get(key) != subject.get(key))
    raise UsageError(
        f"'{path}' is the record of a search with another {other}",
        "give --force to replace it, or choose another name with -o",
    )


def _parsed(path: Path) -> Record:
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES} bytes")
    values = json.loads(path.read_bytes())
    if values["format"] != FORMAT:
        raise ValueError(f"format {values['format']}, expected {FORMAT}")
    return Record(
        path,
        dict(values["subject"]),
        ap=values["ap"],
        methods=_drops(values["methods"]),
        alone=_drops(values["alone"]),
        sets={frozenset(row["int8"]): _drop(row) for row in values["sets"]},
        times=BlockTimes(**values["times"]) if values["times"] else None,
        seconds={frozenset(row["int8"]): float(row["seconds"]) for row in values["seconds"]},
        outcome=dict(values["outcome"]),
    )


def _drops(values: Mapping[str, Any]) -> dict[str, Drop]:
    return {name: _drop(entry) for name, entry in values.items()}


def _drop(entry: Mapping[str, Any]) -> Drop:
    return Drop(float(entry["ap"]), float(entry["standard_error"]))
