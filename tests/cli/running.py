"""`simple-trt run` in a process of its own, on a tiny engine."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from simple_trt.engines.manifest import Plan, manifest_path, write_manifest
from simple_trt.files import sha256_of
from tests.runtime.planted import planted_manifest
from tests.tiny_graph import save_tiny

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-c", "import sys; from simple_trt.cli import main; sys.exit(main())", "run")


def tiny_engine(folder: Path, runtime: str = "onnxruntime") -> Path:
    """An engine that always finds three people."""
    pytest.importorskip(runtime)
    path = save_tiny(folder / "tiny.engine")
    plan = Plan(path.name, sha256_of(path), path.stat().st_size)
    write_manifest(manifest_path(path), planted_manifest(name="tiny", size=(64, 64), plan=plan, runtime=runtime))
    return path


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


class Child:
    """`simple-trt run` in a process of its own, once it has written its first lines.

    Args:
        output: the file of its JSON lines.
        words: its arguments.
    """

    def __init__(self, output: Path, *words: object) -> None:
        self.output = output
        self.process = subprocess.Popen([*COMMAND, *map(str, words)], stderr=subprocess.PIPE, text=True, cwd=ROOT)
        self.wait(3)

    @property
    def count(self) -> int:
        """Lines so far."""
        return self.output.read_text().count("\n") if self.output.exists() else 0

    def wait(self, lines: int, seconds: float = 60) -> None:
        """Until it has written so many."""
        end = time.monotonic() + seconds
        while self.count < lines:
            if self.process.poll() is not None or time.monotonic() > end:
                self.process.kill()
                pytest.fail(f"{self.count} lines of {lines}: {self.process.communicate()[1]}")
            time.sleep(0.05)

    def page(self) -> str:
        """The address of its web page, which is the first thing it says."""
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        assert line.startswith("web page: http://127.0.0.1:")
        return line.split()[-1]

    def end(self, *signals: int) -> tuple[int, str]:
        """Its exit code and what it said."""
        for number in signals:
            self.process.send_signal(number)
        err = self.process.communicate(timeout=30)[1]
        return self.process.returncode, err


def stats(page: str) -> dict[str, Any]:
    """The numbers of a web page."""
    with urllib.request.urlopen(f"{page}stats.json", timeout=10) as answer:
        numbers: dict[str, Any] = json.load(answer)
        return numbers


def run(*words: object, **options: object) -> subprocess.CompletedProcess[str]:
    """A run to its end."""
    command = [*COMMAND, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False, **options)


def ended_well(child: Child, number: int = signal.SIGTERM) -> str:
    """What it said, which is no traceback; all that it counted was written."""
    code, err = child.end(number)
    assert code == 0, err
    assert "Traceback" not in err
    frames = [line.rsplit(": ", 1)[1].split()[0] for line in err.splitlines() if " frames in " in line]
    assert sum(map(int, frames)) == len(lines_of(child.output))
    return err


def wait_for_status(page: str, status: str, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while (found := stats(page)["sources"][0])["status"] != status:
        assert time.monotonic() < end, found
        time.sleep(0.05)
