"""`simple-trt run` on a disk that fills up: what was written before is whole."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.running import COMMAND, ROOT, lines_of, tiny_engine
from tests.runtime.clips import read_clip

SYNTHETIC = "synthetic://40fps?size=64x48"


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    return tiny_engine(tmp_path)


def test_a_disk_that_fills_up_under_json_lines(engine: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    limit = f"import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (40_000, 40_000)); {COMMAND[2]}"
    words = [COMMAND[0], "-c", limit, "run", str(engine), SYNTHETIC, "--json", str(out)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 1
    assert f"error: disk full: cannot write '{out}'" in done.stderr
    assert "cure: free some space or choose another folder" in done.stderr
    lines = lines_of(out)  # each of them whole
    assert len(lines) > 3 and out.read_text().endswith("}\n")
    assert 40_000 - out.stat().st_size < len(json.dumps(lines[-1])) + 100


SMALL_DISK = """
mount -t tmpfs -o size=12m none "$1" || exit 77
"$2" -c "$3" run "$4" "$5" --json "$1/a.jsonl" --save-video "$1/$6"
code=$?
cp "$1"/* "$7"
exit $code
"""


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.mkv"])
def test_a_disk_that_fills_up_while_recording(engine: Path, tmp_path: Path, name: str) -> None:
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    kept.mkdir()
    if not shutil.which("unshare"):
        pytest.skip("no unshare (util-linux)")
    photo = tmp_path / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)).save(photo)
    source = f"synthetic://40fps?size=640x480&photo={photo}"
    words = [disk, COMMAND[0], COMMAND[2], engine, source, name, kept]
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", SMALL_DISK, "sh", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"no disk of its own can be mounted here: {done.stderr.strip()}")
    assert done.returncode == 1, done.stderr
    assert f"error: disk full: the video '{disk / name}' ends after " in done.stderr
    assert "cure: free some space" in done.stderr
    frames = int(done.stderr.split(" ends after ")[1].split()[0])
    assert frames > 5
    assert len(read_clip(kept / name)[0]) == frames
    assert len(lines_of(kept / "a.jsonl")) >= 5
    assert {path.name for path in kept.iterdir()} == {"a.jsonl", name}
