"""The thread pool of the CPU kernels: any number of threads and callers, and across fork."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import numpy as np
import pytest

MAP = np.random.default_rng(0).standard_normal((1, 8, 96, 96)).astype(np.float32)
EXPECTED = np.maximum.accumulate(MAP, axis=3)


@pytest.fixture
def four_workers(core: ModuleType):
    core.set_workers(4)
    yield core
    core.set_workers(0)


def test_several_callers_at_once(four_workers: ModuleType) -> None:
    with ThreadPoolExecutor(4) as callers:
        for result in callers.map(lambda _: four_workers.corner_pool(MAP, 3), range(40)):
            assert np.array_equal(result, EXPECTED)


def test_a_forked_child_has_its_own_threads(four_workers: ModuleType) -> None:
    assert np.array_equal(four_workers.corner_pool(MAP, 3), EXPECTED)  # the parent's threads exist
    child = os.fork()
    if child == 0:
        right = all(np.array_equal(four_workers.corner_pool(MAP, 3), EXPECTED) for _ in range(5))
        os._exit(0 if right else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert np.array_equal(four_workers.corner_pool(MAP, 3), EXPECTED)


@pytest.mark.parametrize(("asked", "workers"), [("3", 3), ("1", 1), ("0", None), ("many", None), ("-2", None)])
def test_the_environment_sets_the_number(asked: str, workers: int | None) -> None:
    command = [sys.executable, "-c", "from simple_trt import _core; print(_core.workers())"]
    environment = {**os.environ, "SIMPLE_TRT_THREADS": asked}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert int(done.stdout) == (workers or len(os.sched_getaffinity(0)))
