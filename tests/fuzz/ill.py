"""Readers that do wrong, each in one way: what finds nothing in them would find nothing anywhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from simple_trt.errors import SimpleTrtError
from tests.fuzz.mutators import mutate_manifest
from tests.fuzz.targets import Target

__all__ = ["ILL"]


def _raises(path: Path) -> None:
    raise KeyError(path.name)


def _is_mute(_: Path) -> None:
    raise SimpleTrtError("it is broken", "")


def _crashes(_: Path) -> None:
    os.abort()


def _hangs(_: Path) -> None:
    while True:
        pass


def _grows(_: Path) -> int:
    return len(bytearray(1 << 30))


def _target(read: Callable[[Path], object]) -> Target:
    return Target(lambda: read, ".json", mutate_manifest, 0, 128, (), seconds=1)


ILL = {
    name: _target(read)
    for name, read in {
        "raises": _raises,
        "mute": _is_mute,
        "crashes": _crashes,
        "hangs": _hangs,
        "grows": _grows,
    }.items()
}
