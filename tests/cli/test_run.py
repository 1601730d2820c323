"""`simple-trt run`: what is found, what is written, and what is said when something is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simple_trt.cli import main
from simple_trt.engines.manifest import Plan, manifest_path, write_manifest
from simple_trt.errors import SimpleTrtError
from simple_trt.files import sha256_of
from simple_trt.pictures import read_picture, write_picture
from simple_trt.runtime import Session
from tests.runtime.planted import PlantedEngine, planted_manifest
from tests.tiny_graph import save_tiny

Run = Callable[..., int]
ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-c", "import sys; from simple_trt.cli import main; sys.exit(main())", "run")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures of 64 x 96 pixels and a text file."""
    path = tmp_path / "pictures"
    path.mkdir()
    for name, value in (("000000000010.png", 200), ("2.png", 40)):
        write_picture(path / name, np.full((64, 96, 3), value, np.uint8))
    (path / "notes.txt").write_text("x")
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the verb on an engine that finds two people, scores 0.9 and 0.05, in every picture."""
    boxes, keypoints = [[10, 4, 40, 60], [50, 5, 80, 60]], np.full((2, 17, 3), (30, 20, 0.7))

    def open_planted(path: str, options: Any = None) -> Session:
        return Session(PlantedEngine(boxes, [0.9, 0.05], keypoints))

    monkeypatch.setattr(Session, "open", staticmethod(open_planted))
    return lambda *words: main(["run", "planted.engine", *map(str, words)])


def test_one_line_a_picture_on_standard_error(run: Run, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder) == 0
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert lines[0].startswith("2.png: 1 person, ")
    assert lines[1].startswith("000000000010.png: 1 person, ")
    assert all(stage in lines[0] for stage in ("preprocess", "inference", "postprocess", "ms"))
    assert lines[2] == f"1 other files in '{folder}' are no pictures"


def test_json_lines_on_standard_output(run: Run, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "--json", "-") == 0
    results = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [result["image"] for result in results] == ["2.png", "000000000010.png"]
    assert [[person["score"] for person in result["people"]] for result in results] == [[0.9], [0.9]]


def test_the_threshold_is_for_json_and_pictures_not_for_coco(run: Run, folder: Path, tmp_path: Path) -> None:
    outputs = ("--json", tmp_path / "a.jsonl", "--save-coco", tmp_path / "a.json")
    assert run(folder, *outputs, "--threshold", "0.95") == 0
    assert [json.loads(line)["people"] for line in (tmp_path / "a.jsonl").read_text().splitlines()] == [[], []]
    results = json.loads((tmp_path / "a.json").read_text())
    assert [(entry["image_id"], entry["score"]) for entry in results] == [(2, 0.9), (2, 0.05), (10, 0.9), (10, 0.05)]


def test_all_outputs_of_one_picture(run: Run, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(folder / "2.png", "--json", tmp_path / "a.jsonl", "--save", out, "--threshold", 0) == 0
    assert len(json.loads((tmp_path / "a.jsonl").read_text())["people"]) == 2
    assert (read_picture(out / "2.png") != 40).any()
    assert (read_picture(folder / "2.png") == 40).all()


def test_time(run: Run, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "--time") == 0
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("time in ms, median of 1 pictures after the first: read ")
    assert all(f"{stage} " in last for stage in ("preprocess", "inference", "postprocess", "write", "all"))


def test_a_broken_picture_in_a_folder_is_reported_and_the_rest_done(
    run: Run, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "5.jpg").write_bytes(b"no picture")
    assert run(folder, "--json", tmp_path / "a.jsonl") == 1
    err = capsys.readouterr().err
    assert "5.jpg' is not a picture" in err
    assert "1 of 3 pictures could not be read" in err
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.jpg", None, "no file or folder"),
        ("a.jpg", b"", "is empty"),
        ("a.jpg", b"text", "is not a picture"),
        ("a.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "damaged or truncated"),
    ],
)
def test_a_source_that_cannot_be_read(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert run(tmp_path / name, "--json", tmp_path / "out.jsonl") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert "cure: " in err
    assert "Traceback" not in err
    assert not (tmp_path / "out.jsonl").exists()


def test_coco_needs_integer_names_and_says_so_before_running(
    run: Run, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_picture(folder / "beach.png", np.zeros((4, 4, 3), np.uint8))
    assert run(folder, "--save-coco", tmp_path / "a.json") == 1
    err = capsys.readouterr().err
    assert "'beach.png' has no image_id" in err
    assert "2.png: " not in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pictures"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--save", "{folder}"), "is the folder of the pictures themselves"),
        (("--json", "{folder}/2.png"), "over what is read"),
        (("--json", "{folder}/../a", "--save-coco", "{folder}/../a"), "written twice"),
    ],
)
def test_nothing_is_overwritten(
    run: Run, folder: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    assert run(folder, *(word.format(folder=folder) for word in words)) == 2
    assert message in capsys.readouterr().err
    assert (read_picture(folder / "2.png") == 40).all()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--json", "{folder}/none/out.jsonl"), "there is no folder"),
        (("--save-coco", "{folder}/notes.txt/out.json"), "is a file, not a folder"),
        (("--save", "{folder}/notes.txt"), "cannot write"),
        (("--json", "{folder}"), "it is a folder or a device"),
    ],
)
def test_outputs_that_cannot_be_written(
    run: Run, folder: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    before = sorted(folder.iterdir())
    assert run(folder, *(word.format(folder=folder) for word in words)) == 1
    err = capsys.readouterr().err
    assert message in err
    assert "cure: " in err
    assert "2.png: " not in err
    assert sorted(folder.iterdir()) == before


def test_an_engine_that_fails_half_way_leaves_no_file(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail_at_the_second(engine: PlantedEngine, inputs: Any) -> Any:
        engine.seen.append(inputs["image"])
        if len(engine.seen) == 2:
            raise SimpleTrtError("the device is gone", "plug it in")
        return engine.arrays

    monkeypatch.setattr(PlantedEngine, "_infer", fail_at_the_second)
    assert run(folder, "--json", tmp_path / "a.jsonl", "--save-coco", tmp_path / "a.json") == 1
    err = capsys.readouterr().err
    assert "2.png: 1 person" in err
    assert "error: the device is gone" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pictures"]


@pytest.mark.parametrize("threshold", ["-0.1", "1.5", "high", "nan"])
def test_thresholds_that_are_no_score(
    run: Run, folder: Path, capsys: pytest.CaptureFixture[str], threshold: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        run(folder, f"--threshold={threshold}")
    assert caught.value.code == 2
    assert "expected a score from 0 to 1" in capsys.readouterr().err


@pytest.mark.parametrize("model", ["model.onnx", "model.safetensors", "bundled"])
def test_a_model_is_no_engine(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    monkeypatch.setattr("simple_trt.zoo.names", lambda: ["bundled"])
    assert main(["run", model, str(folder)]) == 2
    err = capsys.readouterr().err
    assert f"'{model}' is a model, not an engine" in err
    assert f"simple-trt build {model} --target cpu -o {Path(model).stem}.engine" in err


def test_no_engine(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "none.engine", str(folder)]) == 1
    assert "none.engine" in capsys.readouterr().err


@pytest.fixture
def tiny_engine(tmp_path: Path) -> Path:
    pytest.importorskip("onnxruntime")
    path = save_tiny(tmp_path / "tiny.engine")
    plan = Plan(path.name, sha256_of(path), path.stat().st_size)
    write_manifest(manifest_path(path), planted_manifest(name="tiny", size=(64, 64), plan=plan))
    return path


def test_a_real_engine_in_a_process_of_its_own(tiny_engine: Path, folder: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, tiny_engine, folder, "--json", "-"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [len(result["people"]) for result in results] == [3, 3]
    assert (results[0]["width"], results[0]["height"]) == (96, 64)


def test_the_reader_of_standard_output_may_leave(tiny_engine: Path, folder: Path) -> None:
    words = [*COMMAND, tiny_engine, folder, "--json", "-"]
    child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert child.stdout is not None
    child.stdout.close()
    _, err = child.communicate(timeout=60)
    assert "Traceback" not in err
    assert "BrokenPipeError" not in err
    assert child.returncode == 141


def test_a_tampered_engine_is_refused(tiny_engine: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_engine.write_bytes(tiny_engine.read_bytes()[:-1] + b"x")
    assert main(["run", str(tiny_engine), str(folder)]) == 1
    assert "plan.sha256" in capsys.readouterr().err
