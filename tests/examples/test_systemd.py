"""The unit is one that systemd takes, keeps its promises of hardening, and starts a command that exists."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
from importlib import import_module
from pathlib import Path

import pytest

from tests.examples.program import ROOT

UNIT = ROOT / "examples" / "systemd" / "simple-trt@.service"
PROGRAM = "/opt/simple-trt/bin/simple-trt"
EXPOSURE = "22"  # what docs/embedding.md says, in tenths


def settings(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture
def analyze(tmp_path: Path):
    """Runs systemd-analyze on the unit, whose program is not installed here: another one stands for it."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze")
    unit = tmp_path / UNIT.name

    def run(*words: str, change: tuple[str, str] = ("", "")) -> subprocess.CompletedProcess[str]:
        unit.write_text(UNIT.read_text(encoding="utf-8").replace(PROGRAM, "/bin/true").replace(*change))
        command = ["systemd-analyze", *words, str(unit)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


def test_systemd_takes_the_unit(analyze) -> None:
    done = analyze("verify")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Restrat" in analyze("verify", change=("Restart=", "Restrat=")).stderr  # it would have said so


def test_hardening_is_what_the_documents_say(analyze) -> None:
    assert analyze("security", "--offline=true", f"--threshold={EXPOSURE}").returncode == 0
    below = str(int(EXPOSURE) - 1)
    assert analyze("security", "--offline=true", f"--threshold={below}").returncode != 0
    document = (ROOT / "docs" / "embedding.md").read_text(encoding="utf-8")
    assert f"rates it {int(EXPOSURE) / 10:.1f} " in document


def test_it_is_started_again_for_ever_and_not_in_a_hurry() -> None:
    assert settings("Restart") == ["always"]
    assert settings("StartLimitIntervalSec") == ["0"]
    assert int(settings("RestartSec")[0]) >= 1
    assert settings("WatchdogSec") == []


def test_nothing_that_closes_cameras_and_gpus() -> None:
    assert not any(settings(name) for name in ("PrivateDevices", "ProtectClock", "DevicePolicy", "DeviceAllow"))
    assert not settings("MemoryDenyWriteExecute")


def test_it_starts_a_command_line_that_is_understood() -> None:
    (line,) = settings("ExecStart")
    words = line.replace("${ENGINE}", "a.engine").replace("${SOURCE}", "rtsp://camera/1").replace("${PORT}", "8080")
    program, *arguments = words.split()
    assert program == PROGRAM
    parser = argparse.ArgumentParser()
    import_module("simple_trt.cli.run").add_parser(parser.add_subparsers(dest="verb"))
    args = parser.parse_args(arguments)
    assert (args.engine, str(args.web), args.track, args.wait) == ("a.engine", "8080", True, True)
