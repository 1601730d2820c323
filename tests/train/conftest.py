"""Six little pictures with one box-shaped person each, and a preset that finds somebody in them early."""

import dataclasses
import json

import cv2
import numpy as np
import pytest

from simple_trt.data.coco import read_coco
from simple_trt.models.presets import PRESETS


@pytest.fixture
def coco_files(tmp_path):
    """(annotations, folder of pictures)."""
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for i in range(6):
        picture = rng.integers(0, 80, (64, 64, 3), np.uint8)
        cv2.rectangle(picture, (20, 10), (44, 54), (200, 180, 160), -1)
        cv2.imwrite(str(tmp_path / f"{i}.png"), picture)
        images.append({"id": i, "file_name": f"{i}.png", "width": 64, "height": 64})
        points = [v for k in range(17) for v in (22.0 + k, 12.0 + 2 * k, 2)]
        annotations.append({"id": i, "image_id": i, "category_id": 1, "bbox": [20, 10, 24, 44], "keypoints": points})
    (tmp_path / "a.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    return tmp_path / "a.json", tmp_path


@pytest.fixture
def samples(coco_files):
    return read_coco(*coco_files)


@pytest.fixture
def bold(monkeypatch):
    """The edge preset with a threshold at which a network that has hardly learnt finds somebody too."""
    set_threshold(monkeypatch, 0.01)


@pytest.fixture
def timid(monkeypatch):
    """The edge preset with a threshold at which a network that has hardly learnt finds nobody."""
    set_threshold(monkeypatch, 0.9999)


def set_threshold(monkeypatch, value):
    edge = PRESETS["edge"]
    settings = dataclasses.replace(edge.settings, point_threshold=value)
    monkeypatch.setitem(PRESETS, "edge", dataclasses.replace(edge, settings=settings))
