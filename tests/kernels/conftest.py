"""The kernels as the tests meet them: the built module, the emulated CUDA kernels, and both under sanitizers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import pytest

from tests.kernels import emulator
from tests.kernels.emulator import Call, Outcome


@pytest.fixture(scope="session")
def core() -> ModuleType:
    """The module that users have: CPU kernels, and CUDA kernels where they are built."""
    try:
        from simple_trt import _core
    except ImportError as error:
        pytest.fail(f"{error}: build it first (python setup.py build_ext --inplace)")
    return _core


@pytest.fixture(scope="session")
def emulated() -> ModuleType:
    """The same module, its CUDA kernels running on NumPy arrays; ``set_schedule_seed`` chooses the order of threads."""
    return emulator.load("_core_emulated", emulator.build())


@pytest.fixture
def run_sanitized(tmp_path: Path) -> Callable[[Sequence[Call]], Outcome]:
    """Makes calls of the emulated module under AddressSanitizer and UndefinedBehaviorSanitizer; no finding allowed."""

    def run(calls: Sequence[Call]) -> Outcome:
        outcome = emulator.run_sanitized(calls, tmp_path)
        assert outcome.returncode == 0, outcome.said[-6000:]
        return outcome

    return run
