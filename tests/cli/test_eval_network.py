"""`simple-trt eval` of one small network in all its forms: the same numbers, and more from its checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("pycocotools")

from simple_trt.cli import main
from simple_trt.evaluate import METRICS
from simple_trt.export.to_onnx import export_onnx
from simple_trt.pictures import read_picture, write_picture
from simple_trt.runtime import Session
from simple_trt.skeletons import COCO
from tests.evaluate.networks import photo_like, save_tiny_checkpoint

PICTURES = 4
Evaluate = Any


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return save_tiny_checkpoint(tmp_path / "tiny.safetensors", monkeypatch)


@pytest.fixture
def data(tmp_path: Path, checkpoint: Path) -> tuple[Path, Path]:
    """Pictures in which those are annotated whom the network itself finds first, more or less where it finds them."""
    rng = np.random.default_rng(0)
    images, people = [], []
    (tmp_path / "photos").mkdir()
    with Session.open(checkpoint) as session:
        for number in range(1, PICTURES + 1):
            picture = photo_like(number)
            write_picture(tmp_path / "photos" / f"{number}.png", picture)
            images.append({"id": number, "file_name": f"{number}.png"})
            people += [marked(entry, rng) for entry in session.predict(picture)[:6].to_coco(number, with_box=True)]
    for number, entry in enumerate(people, 1):
        entry["id"] = number
    categories = [{"id": 1, "name": "person", "keypoints": list(COCO.keypoints)}]
    path = tmp_path / "people.json"
    path.write_text(json.dumps({"images": images, "annotations": people, "categories": categories}))
    return path, tmp_path / "photos"


def marked(entry: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """A result as an annotation, off by an error of its own."""
    keypoints = np.array(entry["keypoints"]).reshape(17, 3)
    keypoints[:, :2] += rng.normal(0, rng.uniform(0, 8), (17, 2))
    keypoints[:, 2] = 2
    return entry | {"keypoints": keypoints.ravel().tolist(), "area": 64.0**2, "iscrowd": 0, "num_keypoints": 17}


@pytest.fixture
def evaluate(data: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> Evaluate:
    """Evaluates a model and returns what is printed as JSON."""

    def run(model: Path, *words: str) -> dict[str, Any]:
        assert main(["eval", str(model), "--data", str(data[0]), "--images", str(data[1]), "--json", *words]) == 0
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    return run


def test_a_checkpoint_and_its_graph_score_the_same(evaluate: Evaluate, checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    of_checkpoint = evaluate(checkpoint)
    of_graph = evaluate(export_onnx(checkpoint, tmp_path / "tiny.onnx"))
    assert 0.05 < of_checkpoint["AP"] < 0.95
    for name in (*METRICS, "images", "people", "detections"):
        assert of_graph[name] == pytest.approx(of_checkpoint[name], abs=1e-3), name


def test_views_of_a_checkpoint(evaluate: Evaluate, checkpoint: Path) -> None:
    plain = evaluate(checkpoint)
    assert plain["augmentation"] == {
        "flip": False,
        "scales": [1.0],
        "det_scales": [1.0],
        "sizing": "fixed",
        "project2image": False,
    }
    every = ("--flip", "--scales", "0.6,1.0,1.2", "--det-scales", "1,1.2", "--sizing", "accuracy", "--project2image")
    seen = evaluate(checkpoint, *every)
    assert seen["augmentation"] == {
        "flip": True,
        "scales": [0.6, 1.0, 1.2],
        "det_scales": [1.0, 1.2],
        "sizing": "accuracy",
        "project2image": True,
    }
    assert seen["people"] == plain["people"] == 6 * PICTURES
    assert seen["AP"] != plain["AP"]  # the annotations are what this network finds in the plain view


def test_heatmaps_change_no_number(evaluate: Evaluate, checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "heat"
    results = tmp_path / "results.json"
    drawn = evaluate(checkpoint, "--heatmaps", str(folder), "--limit", "2", "--results", str(results))
    assert drawn == evaluate(checkpoint, "--limit", "2")
    assert len(json.loads(results.read_text())) == drawn["detections"]
    assert sorted(path.name for path in folder.iterdir()) == ["1.jpg", "2.jpg"]
    for path in folder.iterdir():
        picture = read_picture(path)
        assert picture.shape[1] == 3 * 120 and 90 < picture.shape[0] < 130
        assert picture[-90:].std() > 20


def test_the_checkpoint_of_a_bundled_model(
    data: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--data", str(data[0]), "--images", str(data[1]), "--limit", "1", "--heatmaps", str(tmp_path / "heat"))
    assert main(["eval", "edge-512", *words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "edge-512"
    assert (tmp_path / "heat" / "1.jpg").is_file()
