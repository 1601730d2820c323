"""The log, the events and the sheets of a run."""

import csv

import cv2
import numpy as np
import torch

from simple_trt.data.dataset import PoseDataset
from simple_trt.data.transforms import Augmentation
from simple_trt.models.simple import Maps
from simple_trt.skeletons import COCO
from simple_trt.train.record import LOG, Record, write_samples


def rows(out):
    with (out / LOG).open(newline="") as file:
        return list(csv.DictReader(file))


def test_rows_and_new_columns(tmp_path):
    record = Record(tmp_path, 0, tensorboard=False)
    record.add(10, {"lr": 0.5, "pose": 2.0})
    record.add(20, {"lr": 0.25, "pose": 1.0, "mimic_truth": 3.0})
    record.add(30, {"lr": 0.25, "pose": 1.0, "mimic_truth": 2.0})
    assert [r["step"] for r in rows(tmp_path)] == ["10", "20", "30"]
    assert rows(tmp_path)[0]["mimic_truth"] == "" and rows(tmp_path)[2]["mimic_truth"] == "2"


def test_what_is_done_anew_is_forgotten(tmp_path):
    record = Record(tmp_path, 0, tensorboard=False)
    for step in (10, 20, 30):
        record.add(step, {"pose": float(step)})
    Record(tmp_path, 20, tensorboard=False).add(30, {"pose": 7.0})
    assert [(r["step"], r["pose"]) for r in rows(tmp_path)] == [("10", "10"), ("20", "20"), ("30", "7")]


def test_tensorboard_events(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    record = Record(tmp_path, 0, tensorboard=True)
    record.add(10, {"pose": 2.0})
    record.close()
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(e.step, e.value) for e in events.Scalars("pose")] == [(10, 2.0)]


def test_sample_sheet_shows_picture_target_and_answer(samples, tmp_path):
    class Everywhere(torch.nn.Module):
        def forward(self, image):
            pose = torch.ones(1, 17, 16, 16)
            return Maps(pose, pose, pose)

    network = Everywhere().train()
    dataset = PoseDataset(samples, Augmentation(size=64, rotate=0, shift=0, flip=0, shrink=(1, 1)), COCO)
    write_samples(network, dataset, tmp_path / "deep" / "sheet.png")
    assert network.training
    sheet = cv2.imread(str(tmp_path / "deep" / "sheet.png"))
    assert sheet.shape == (6 * 64, 3 * 64, 3)
    picture, wanted, found = np.split(sheet[:64].astype(int), 3, 1)
    away = (slice(0, 8), slice(0, 8))  # no keypoint near
    assert wanted[away].mean() < 0.8 * picture[away].mean()
    assert found[away].mean() > 100
    on = (slice(8, 24), slice(20, 40))  # among the keypoints
    assert wanted[on].mean() > 1.5 * wanted[away].mean()
