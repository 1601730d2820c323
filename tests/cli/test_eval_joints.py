"""`simple-trt eval --metric`: MPII's and PoseTrack's measures of an engine that finds what was planted."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from simple_trt.cli import main
from simple_trt.cli.flags import DEFAULT_THRESHOLD
from simple_trt.runtime import Session
from simple_trt.skeletons import COCO, MPII
from tests.runtime.planted import PlantedEngine

HEIGHT, WIDTH, FRAMES = 96, 128, 4
PERSON = np.stack([40 + 2.0 * np.arange(17), 20 + 3.0 * np.arange(17)], 1)  # COCO's keypoints, pixels


@pytest.fixture
def frames(tmp_path):
    """Four pictures of one textured scene that does not move."""
    picture = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    for i in range(FRAMES):
        cv2.imwrite(str(tmp_path / f"{i}.png"), cv2.GaussianBlur(picture, (0, 0), 2))
    return tmp_path


@pytest.fixture
def planted(monkeypatch):
    """Opens, whatever is asked for, an engine that always finds this person, moved by so many pixels."""

    def plant(shift=0.0):
        keypoints = np.concatenate([PERSON + shift, np.ones((17, 1))], 1)[None]
        box = [[30 + shift, 10, 80 + shift, 80]]

        def open_planted(*_):
            return Session(PlantedEngine(box, [0.9], keypoints, size=(HEIGHT, WIDTH)))

        monkeypatch.setattr(Session, "open", staticmethod(open_planted))

    return plant


def posetrack_file(folder):
    """The person in every frame, with a head of 10 x 10 pixels (size 0.6 x 14.1) and COCO's names for the joints."""
    images = [{"id": i, "file_name": f"{i}.png", "frame_id": i, "is_labeled": True} for i in range(FRAMES)]
    points = [v for x, y in PERSON for v in (x - 0.5, y - 0.5, 1)]
    people = [
        {"id": i, "image_id": i, "category_id": 1, "track_id": 0, "keypoints": points, "bbox_head": [40, 15, 10, 10]}
        for i in range(FRAMES)
    ]
    categories = [{"id": 1, "name": "person", "keypoints": list(COCO.keypoints)}]
    file = folder / "posetrack.json"
    file.write_text(json.dumps({"images": images, "annotations": people, "categories": categories}))
    return file


def mpii_file(folder):
    index = {name: k for k, name in enumerate(COCO.keypoints)}
    known = [index.get(name) for name in MPII.keypoints]
    joints = [[1, 1] if k is None else (PERSON[k] + 0.5).tolist() for k in known]
    entry = {"image": "0.png", "joints": joints, "joints_vis": [int(k is not None) for k in known]}
    file = folder / "mpii.json"
    file.write_text(json.dumps([entry | {"center": [56, 45], "scale": 0.4}]))
    return file


def evaluate(frames, file, metric, *words):
    return main(["eval", "planted", "--data", str(file), "--images", str(frames), "--metric", metric, *words])


def numbers(capsys):
    return json.loads(capsys.readouterr().out)


def test_posetrack_of_perfect_and_of_shifted_people(frames, planted, capsys):
    planted()
    assert evaluate(frames, posetrack_file(frames), "posetrack", "--json") == 0
    result = numbers(capsys)
    assert (result["mAP"]["knee"], result["MOTA"]["knee"], result["threshold"]) == (100.0, 100.0, DEFAULT_THRESHOLD)
    planted(shift=5.0)  # 7 pixels away, where half a head is 4.2
    assert evaluate(frames, posetrack_file(frames), "posetrack", "--json") == 0
    result = numbers(capsys)
    assert result["mAP"]["knee"] == 0.0 and result["MOTA"]["knee"] == -100.0  # all missed, all wrong


def test_mpii(frames, planted, capsys):
    planted()
    assert evaluate(frames, mpii_file(frames), "mpii", "--json") == 0
    assert numbers(capsys)["mAP"]["ankle"] == 100.0
    assert evaluate(frames, mpii_file(frames), "mpii", "--threshold", "0.95", "--json") == 0
    assert numbers(capsys)["mAP"]["ankle"] == 0.0  # the person scores 0.9


def test_the_table_has_a_row_a_measure(frames, planted, capsys):
    planted()
    assert evaluate(frames, posetrack_file(frames), "posetrack") == 0
    heads, *rows = capsys.readouterr().out.splitlines()
    assert heads.split() == ["head", "shoulder", "elbow", "wrist", "hip", "knee", "ankle", "total"]
    assert [row.split()[0] for row in rows] == ["mAP", "MOTA", "MOTP", "precision", "recall"]


def test_what_does_not_go_together_is_refused(frames, planted, capsys):
    planted()
    file = posetrack_file(frames)
    assert evaluate(frames, file, "posetrack", "--limit", "2") == 2
    assert evaluate(frames, file, "coco", "--threshold", "0.5") == 2
    (frames / "2.png").unlink()
    assert evaluate(frames, file, "posetrack") == 1
    assert "1 of 4 annotated pictures are not in" in capsys.readouterr().err
