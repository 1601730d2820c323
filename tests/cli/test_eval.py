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
