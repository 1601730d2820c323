"""`simple-trt eval`: the table, the JSON, and the model as it is given."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pycocotools")

from simple_trt.cli import main
from simple_trt.runtime import Session
from tests.evaluate.made_up import HEIGHT, WIDTH, annotation_file, person, write_data
from tests.runtime.planted import PlantedEngine
from tests.tiny_graph import save_tiny

Evaluate = Callable[..., int]


@pytest.fixture
def evaluate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Evaluate:
    """Evaluates an engine that finds, in each of two pictures, the large person that is really only in the first."""
    truth = person(1, 1, 50, 150)
    data, images = write_data(tmp_path, annotation_file([truth]))
    keypoints = np.array(truth["keypoints"], float).reshape(1, 17, 3) + np.array([0.5, 0.5, 0])
    engine = PlantedEngine([[50, 20, 200, 170]], [0.9], keypoints, size=(HEIGHT, WIDTH))

    def open_planted(path: str, options: Any = None) -> Session:
        return Session(engine)

    monkeypatch.setattr(Session, "open", staticmethod(open_planted))
    return lambda *words: main(["eval", "planted", "--data", str(data), "--images", str(images), *words])


def test_table(evaluate: Evaluate, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate() == 0
    out, err = capsys.readouterr()
    heads, row, counts = out.splitlines()
    assert heads.split() == ["AP", "AP50", "AP75", "APM", "APL", "AR"]
    assert row.split() == ["1.0000", "1.0000", "1.0000", "-", "1.0000", "1.0000"]
    assert counts == "2 pictures, 1 people with keypoints, 2 detections"
    assert err == ""


def test_json(evaluate: Evaluate, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate("--json", "--limit", "1") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["model"] == "planted"
    assert result["AP"] == pytest.approx(1.0)
    assert result["APM"] is None
    assert (result["images"], result["people"], result["detections"]) == (1, 1, 1)


def test_limit_must_be_positive(evaluate: Evaluate, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate("--limit", "0") == 2
    assert "limit of 0" in capsys.readouterr().err


def test_an_onnx_file_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxruntime")
    data, images = write_data(tmp_path, annotation_file([person(1, 1, 50, 150)]))
    model = save_tiny(tmp_path / "tiny.onnx")
    assert main(["eval", str(model), "--data", str(data), "--images", str(images), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["detections"] == 6


def test_results_file(evaluate: Evaluate, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What COCO's server and pycocotools take, entry by entry."""
    from pycocotools.coco import COCO

    path = tmp_path / "person_keypoints_val2017_tiny_results.json"
    assert evaluate("--results", str(path)) == 0
    results = json.loads(path.read_text())
    assert [entry["image_id"] for entry in results] == [1, 2]
    for entry in results:
        assert set(entry) == {"image_id", "category_id", "keypoints", "score"}
        assert [type(entry[key]) for key in ("image_id", "category_id", "score")] == [int, int, float]
        assert entry["category_id"] == 1
        assert 0 < entry["score"] <= 1
        assert len(entry["keypoints"]) == 51
        assert all(type(value) in (int, float) for value in entry["keypoints"])
    assert results[0]["keypoints"][:2] == [50, 20]  # of COCO's first pixel centre, not of the picture's corner
    truth = COCO(str(tmp_path / "people.json"))
    assert len(truth.loadRes(str(path)).getAnnIds()) == 2
    assert "1.0000" in capsys.readouterr().out


def list_of_pictures(folder: Path) -> Path:
    """The same pictures as COCO lists test-dev's: nobody is annotated."""
    data = json.loads((folder / "people.json").read_text())
    del data["annotations"]
    data["categories"] = [{"id": 1, "name": "person"}]
    path = folder / "image_info.json"
    path.write_text(json.dumps(data))
    return path


def test_a_submission(evaluate: Evaluate, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--data", str(list_of_pictures(tmp_path)), "--results", str(tmp_path / "results.json"))
    assert evaluate(*words) == 0
    out = capsys.readouterr().out
    assert out == "2 pictures, 2 detections; nobody is annotated: nothing is measured\n"
    assert len(json.loads((tmp_path / "results.json").read_text())) == 2


def test_a_submission_in_json(evaluate: Evaluate, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--data", str(list_of_pictures(tmp_path)), "--results", str(tmp_path / "results.json"))
    assert evaluate(*words, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["images"], result["detections"]) == (2, 2)
    assert "AP" not in result


def test_a_list_of_pictures_cannot_be_measured(
    evaluate: Evaluate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate("--data", str(list_of_pictures(tmp_path))) == 1
    assert "it has no lists 'images' and 'annotations'" in capsys.readouterr().err


def test_failed_work_leaves_no_results(evaluate: Evaluate, tmp_path: Path) -> None:
    (tmp_path / "images" / "000000000002.png").write_bytes(b"damaged")
    before = set(tmp_path.iterdir())
    assert evaluate("--results", str(tmp_path / "results.json")) == 1
    assert set(tmp_path.iterdir()) == before


def test_results_that_cannot_be_written_are_refused_first(
    evaluate: Evaluate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Session, "predict", lambda *_: pytest.fail("ran"))
    assert evaluate("--results", str(tmp_path / "none" / "results.json")) == 1
    assert "there is no folder" in capsys.readouterr().err
    assert evaluate("--results", str(tmp_path / "images")) == 1
    assert "it is a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [("--flip",), ("--scales", "0.6,1"), ("--det-scales", "1,2"), ("--sizing", "accuracy"), ("--project2image",)],
)
def test_augmentation_needs_the_maps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    pytest.importorskip("torch")
    data, images = write_data(tmp_path, annotation_file([person(1, 1, 50, 150)]))
    model = save_tiny(tmp_path / "tiny.onnx")
    common = ("eval", str(model), "--data", str(data), "--images", str(images))
    assert main([*common, *words]) == 2
    assert main([*common, "--heatmaps", str(tmp_path / "heat")]) == 2
    err = capsys.readouterr().err
    assert err.count("tiny.onnx' gives people only") == 2
    assert err.count("cure: give the .safetensors checkpoint that it was made from") == 2
    assert not (tmp_path / "heat").exists()


@pytest.mark.parametrize(
    ("words", "message"), [(("--scales", "1,big"), "'1,big'"), (("--scales", "0"), "scales are 0")]
)
def test_scales_that_make_no_sense(
    evaluate: Evaluate, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    try:
        code: Any = evaluate(*words)
    except SystemExit as stop:  # argparse's own
        code = stop.code
    assert code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("none.onnx", "{data}", "{images}"), "none.onnx"),
        (("{tiny}", "none.json", "{images}"), "cannot read the annotations"),
        (("{tiny}", "{data}", "none"), "2 of 2 annotated pictures are not in 'none'"),
        (("{tiny}", "{broken}", "{images}"), "annotation 1: 'bbox' is not four numbers"),
    ],
)
def test_what_cannot_be_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, str, str], message: str
) -> None:
    pytest.importorskip("onnxruntime")
    good = annotation_file([person(1, 1, 50, 150)])
    data, images = write_data(tmp_path, good)
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(good | {"annotations": [good["annotations"][0] | {"bbox": None}]}))
    names = {"tiny": save_tiny(tmp_path / "tiny.onnx"), "data": data, "images": images, "broken": broken}
    model, annotations, folder = (word.format(**names) for word in words)
    assert main(["eval", model, "--data", annotations, "--images", folder]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert "cure: " in err
    assert "Traceback" not in err
