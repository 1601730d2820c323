"""A machine with two GPUs, made of fakes, for the tests of sessions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.devices import KINDS, FakeCuda, Machine


@pytest.fixture
def cuda() -> FakeCuda:
    return FakeCuda()


@pytest.fixture
def machine(cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Machine]:
    """Nothing may be done to it that the real one would not stand, and every test leaves it empty."""
    yield Machine(cuda, monkeypatch, tmp_path)
    assert cuda.violations == []
    assert cuda.left() == []


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param
