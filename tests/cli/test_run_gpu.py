"""`simple-trt run` on a real GPU that another process uses too."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import ROOT, Child, lines_of

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("target", ["tensorrt-rtx", "tensorrt"])
def test_two_processes_on_one_gpu(tmp_path: Path, target: str) -> None:
    pytest.importorskip(target.replace("-", "_"))
    engine = tmp_path / "edge.engine"
    words = ["build", "edge-512", "--target", target, "--size", "256", "-o", str(engine)]
    built = subprocess.run([sys.executable, "-m", "simple_trt", *words], capture_output=True, text=True, cwd=ROOT)
    assert built.returncode == 0, built.stderr[-2000:]
    outputs = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    children = [Child(path, engine, "synthetic://20fps?size=320x240", "--json", path) for path in outputs]
    try:
        for child in children:
            child.wait(child.count + 20)
        for child, other in ((children[0], children[1]), (children[1], None)):
            code, err = child.end(signal.SIGTERM)
            assert code == 0, err
            assert f": {len(lines_of(child.output))} frames in" in err
            if other:
                other.wait(other.count + 20)
    finally:
        for child in children:
            child.process.kill()
