"""What the documents show is run as it stands there."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simple_trt.cli import main
from simple_trt.engines.manifest import manifest_path
from tests.tiny_graph import save_tiny

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    assert main(["build", str(save_tiny(folder / "tiny.onnx")), "-o", str(folder / "tiny.engine")]) == 0
    return folder / "tiny.engine"


def python_block(document: str) -> str:
    """The only block of Python in a document."""
    (block,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / document).read_text(encoding="utf-8"), re.M | re.S)
    return block


def put(engine: Path, name: str) -> None:
    """The engine, under the name that a document gives it, in the working folder."""
    shutil.copy(engine, name)
    shutil.copy(manifest_path(engine), manifest_path(name))


def test_five_lines_of_python(
    engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    block = python_block("docs/embedding.md")
    assert len([line for line in block.splitlines() if line]) == 5
    monkeypatch.chdir(tmp_path)
    put(engine, "edge.engine")
    Image.fromarray(np.full((48, 64, 3), 120, np.uint8)).save("photo.jpg")
    exec(compile(block, "docs/embedding.md", "exec"), {})
    found = json.loads(capsys.readouterr().out)
    assert (found["width"], found["height"], len(found["people"])) == (64, 48, 3)


def test_python_of_the_readme(engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    put(engine, "edge.onnx")
    names = {"picture": np.full((48, 64, 3), 120, np.uint8)}
    exec(compile(python_block("README.md"), "README.md", "exec"), names)
    assert names["drawn"].shape == (48, 64, 3)
    assert len(names["people"]) == 3  # type: ignore[arg-type]


@pytest.mark.parametrize("document", ["README.md", "docs/embedding.md", "examples/cpp/README.md"])
def test_files_that_are_named_exist(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![\w/.$-])((?:examples|docs|export|benchmarks|csrc|plugins)/[\w./@-]*\w)", text))
    assert named
    assert not [name for name in named if not (ROOT / name).exists()]


def test_every_fault_has_a_test() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    tests = set(re.findall(r"^def (test_\w+)\(", text, re.M))
    lines = (ROOT / "docs/faults.md").read_text(encoding="utf-8").partition("## Endurance")[0].splitlines()
    faults = [line for line in lines if line.startswith("| ") and not line.startswith(("| fault |", "| --- |"))]
    assert len(faults) > 25
    for line in faults:
        named = set(re.findall(r"`(test_\w+)`", line.rstrip("| ").rpartition("|")[2]))
        assert named, f"no test behind: {line}"
        assert not named - tests, f"no such tests: {named - tests}"
