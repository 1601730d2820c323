"""Runs the C++ tests of what host and device share: conversions, orders, filters, and the thread pool."""

from __future__ import annotations

import subprocess

import pytest

from tests.kernels import emulator


@pytest.mark.parametrize("variant", ["plain", "sanitized"])
def test_all_checks_hold(variant: str) -> None:
    program = emulator.build(variant) / "host_device_maths"
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "0 checks failed\n"
