"""The ablation: rows share their first stage, a stopped run goes on, and the table is written."""

import json

import cv2
import numpy as np
import pytest
import torch

from benchmarks import ablation
from benchmarks.results import read_result
from simple_trt.models.topdown import build_topdown, save_topdown

BASE = """preset = "edge"
epochs = 4
batch = 2
lr = 1e-3
workers = 0
tensorboard = false
mimic_from = 4
[augmentation]
size = 64
"""


@pytest.fixture
def data(tmp_path):
    """Two pictures of one person each, as training and as validation photos."""
    rng = np.random.default_rng(0)
    for folder, name in (("coco/train", "train"), ("coco/val", "val"), ("coco_small/images", "small")):
        (tmp_path / folder).mkdir(parents=True)
        images, people = [], []
        for i in range(2):
            picture = rng.integers(0, 80, (64, 64, 3), np.uint8)
            cv2.rectangle(picture, (20, 10), (44, 54), (200, 180, 160), -1)
            cv2.imwrite(str(tmp_path / folder / f"{i}.png"), picture)
            images.append({"id": i, "file_name": f"{i}.png", "width": 64, "height": 64})
            points = [v for k in range(17) for v in (22.0 + k, 12.0 + 2 * k, 2)]
            box = {"bbox": [20, 10, 24, 44], "area": 1000, "iscrowd": 0, "num_keypoints": 17}
            people.append({"id": i + 1, "image_id": i, "category_id": 1, "keypoints": points} | box)
        content = {"images": images, "annotations": people, "categories": [{"id": 1, "name": "person"}]}
        file = tmp_path / folder.split("/")[0] / f"person_keypoints_{name}.json"
        file.write_text(json.dumps(content))
    return tmp_path


@pytest.fixture
def run(data, tmp_path, monkeypatch):
    monkeypatch.setattr(ablation, "data_folder", lambda: data)
    monkeypatch.setattr(ablation, "GATE_EPOCHS", 1)
    base = tmp_path / "base.toml"
    base.write_text(BASE)
    torch.manual_seed(0)
    save_topdown(tmp_path / "teacher.safetensors", build_topdown("topdown-edge"), "topdown-edge", {})
    out = tmp_path / "result.json"

    def call(*rows):
        words = [
            "--out",
            out,
            "--work",
            tmp_path / "work",
            "--base",
            base,
            "--teacher",
            tmp_path / "teacher.safetensors",
        ]
        assert ablation.main([str(w) for w in (*words, "--rows", *rows)]) == 0
        return read_result(out)

    return call


def test_rows_are_added_and_share_the_first_stage(run, tmp_path, monkeypatch):
    trained = []
    real = ablation.make_trainer

    def counted(config, samples, out, device):
        trainer = real(config, samples, out, device)
        trained.append((out.name, trainer))
        return trainer

    monkeypatch.setattr(ablation, "make_trainer", counted)
    first = run("table3-points")
    assert [(r["name"], r["seed"], r["paper"]) for r in first["rows"]] == [("table3-points", 0, 67.1)]
    assert 0 <= first["rows"][0]["metrics"]["AP"] <= 1 and first["rows"][0]["metrics"]["images"] == 2
    assert [c["step"] for c in first["rows"][0]["curve"]] == [6, 8]  # of the first stage, then of the row
    second = run("table3-points", "table3-both")
    assert [r["name"] for r in second["rows"]] == ["table3-points", "table3-both"]
    assert second["rows"][0] == first["rows"][0]
    # The second call neither trained the first row again nor its first stage.
    assert [name for name, _ in trained] == ["table3-points-0", "stage1-0", "table3-both-0", "stage1-0"]
    assert second["settings"]["teacher"] == "teacher.safetensors"
    run("table3-heatmaps")  # which mimics something else afterwards
    assert [name for name, _ in trained[4:]] == ["table3-heatmaps-0", "stage1-0"]


def test_mimicking_keeps_its_share_of_the_epochs(run, tmp_path):
    args = ablation.argparse.Namespace(
        base=str(tmp_path / "base.toml"), epochs=8, init="", teacher="t", feature_teacher="f"
    )
    assert ablation._config("table3-both", 1, args).mimic_from == 7
    assert ablation._config("table3-points", 1, args).mimic_from == 0
    assert ablation._config("table3-truth", 1, args).mimic.heatmaps is False
    assert [ablation._config(f"table3-{row}", 1, args).teacher for row in ("heatmaps", "features")] == ["t", "f"]
