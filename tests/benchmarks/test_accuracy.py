import argparse
import dataclasses
import json
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from benchmarks import accuracy
from benchmarks.report import section
from benchmarks.subjects import Subject
from simple_trt.models.presets import PRESETS
from simple_trt.types import People

PHOTOS = 8


@pytest.fixture
def data(tmp_path):
    """Eight photos of one person each, who stands further right in every photo; grey tells the photos apart."""
    folder = tmp_path / "coco" / "val"
    folder.mkdir(parents=True)
    images, people = [], []
    for i in range(PHOTOS):
        Image.new("RGB", (200, 100), (10 * i, 0, 0)).save(folder / f"{i}.png")
        images.append({"id": i, "file_name": f"{i}.png", "width": 200, "height": 100})
        points = np.stack([keypoints(i)[:, 0], keypoints(i)[:, 1], np.full(17, 2)], axis=1)
        box = {"bbox": [10 + 10 * i, 10, 40, 80], "area": 3200, "iscrowd": 0, "num_keypoints": 17}
        people.append({"id": i + 1, "image_id": i, "category_id": 1, "keypoints": points.ravel().tolist()} | box)
    file = tmp_path / "coco" / "person_keypoints_val.json"
    file.write_text(json.dumps({"images": images, "annotations": people, "categories": [{"id": 1, "name": "person"}]}))
    return tmp_path


def keypoints(i):
    """COCO counts from pixel centres."""
    return np.stack([15 + 10 * i + np.linspace(0, 30, 17), 15 + np.linspace(0, 70, 17)], axis=1)


@contextmanager
def predictor(shift):
    def predict(picture):
        i = int(picture[0, 0, 0]) // 10
        points = np.concatenate([keypoints(i) + 0.5 + shift, np.ones((17, 1))], axis=1)
        return People([[10 + 10 * i, 10, 50 + 10 * i, 90]], [0.9], points[None], picture.shape[:2])

    yield predict


def test_the_right_answer_loses_nothing_and_a_shifted_one_does(data, tmp_path, monkeypatch):
    made = {accuracy.REFERENCE: predictor(0), "cpu int8": predictor(2), "movenet": predictor(40)}
    monkeypatch.setattr(accuracy, "data_folder", lambda: data)
    monkeypatch.setattr(accuracy, "find_subject", lambda name, *_: Subject(name, tmp_path, "trained"))
    monkeypatch.setattr(accuracy, "_contenders", lambda *_: made)
    out = tmp_path / "accuracy.json"
    assert accuracy.main(["--out", str(out), "--work", str(tmp_path)]) == 0
    rows = {row["name"]: row for row in json.loads(out.read_text())["rows"]}
    assert rows["torch"]["AP"] == pytest.approx(1)
    assert (rows["torch"]["drop"], rows["torch"]["standard_error"]) == (0, 0)
    assert rows["torch"]["images"] == rows["torch"]["people"] == rows["torch"]["detections"] == PHOTOS
    assert 0 < rows["cpu int8"]["drop"] < rows["movenet"]["drop"]
    assert "| cpu int8 |" in section("accuracy", tmp_path)


def test_folding_does_not_change_what_an_augmented_model_says(data, monkeypatch):
    from simple_trt import zoo
    from simple_trt.evaluate.augmentation import Augmentation
    from simple_trt.evaluate.augmented import AugmentedPredictor

    edge = PRESETS["edge"]  # with a threshold at which it sees people in noise
    bold = dataclasses.replace(edge.settings, point_threshold=1e-4)
    monkeypatch.setitem(PRESETS, "edge", dataclasses.replace(edge, settings=bold))
    picture = np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)
    path, flip = zoo.find("edge-384").checkpoint, Augmentation(flip=True)
    want = AugmentedPredictor.open(path, flip).predict(picture)
    with accuracy._augmented(path, flip) as predict:
        found = predict(picture)
    assert len(want) > 0 and len(found) == len(want)
    np.testing.assert_allclose(found.scores, want.scores, atol=1e-4)


@pytest.mark.parametrize(("single", "augmented"), [(True, []), (False, ["torch, flip", "torch, flip, 5 scales"])])
def test_without_engines_the_checkpoint_stands_beside_movenet(data, tmp_path, single, augmented):
    args = argparse.Namespace(without_engines=True, single=single, threads=1)
    contenders = accuracy._contenders(Subject("edge-384", tmp_path, "trained"), data, args)
    assert list(contenders) == ["torch", *augmented, "movenet fp32"]
