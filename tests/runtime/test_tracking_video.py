"""A real video whose people are known: 41 frames, four paddlers who pass one another before a moving camera."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simple_trt.pictures import Picture, read_picture
from simple_trt.runtime.tracking import Tracker
from simple_trt.similarity import box_iou
from simple_trt.skeletons import MPII
from simple_trt.types import People

FRAMES, PERSONS = 41, 4
Shown = Callable[[int, int], bool]


class Video:
    """The frames, and in each the true people with their true ids."""

    def __init__(self, folder: Path) -> None:
        data = json.loads((folder / "annotations.json").read_text())
        self.pictures = [read_picture(folder / image["file_name"]) for image in data["images"]]
        self.entries: list[list[dict[str, Any]]] = [
            [entry for entry in data["annotations"] if entry["image_id"] == image["id"]] for image in data["images"]
        ]

    def people(self, k: int, shown: Shown = lambda k, person: True) -> tuple[People, list[int]]:
        """Those of frame k who are shown, without their ids; and their ids."""
        entries = [entry for entry in self.entries[k] if shown(k, entry["track_id"])]
        keypoints = np.array([entry["keypoints"] for entry in entries], float).reshape(-1, 16, 3)
        keypoints[..., :2] += 0.5  # annotated are the pixels' numbers
        keypoints[..., 2] = keypoints[..., 2] > 0
        boxes = np.array([entry["bbox"] for entry in entries], float).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        scores = np.full(len(entries), 0.9)
        size = self.pictures[k].shape[:2]
        return People(boxes, scores, keypoints, size, MPII), [entry["track_id"] for entry in entries]


@pytest.fixture(scope="module")
def video(data_dir: Path) -> Video:
    folder = data_dir / "video" / "paddleboarders"
    if not folder.is_dir():
        pytest.skip(f"no video at {folder}")
    return Video(folder)


def switches(video: Video, every: int = 1, shown: Shown = lambda k, person: True, moving: bool = True) -> int:
    """How often a person has another id than the last time she was shown."""
    tracker, last, count = Tracker(), dict[int, int](), 0
    for k in range(0, FRAMES, every):
        people, persons = video.people(k, shown)
        tracked = tracker.update(video.pictures[k if moving else 0], people)
        assert tracked.track_ids is not None and len(tracked) == len(persons)
        for person, track_id in zip(persons, tracked.track_ids.tolist(), strict=True):
            count += last.get(person, track_id) != track_id
            last[person] = track_id
    return count


def missing(share: float, seed: int) -> Shown:
    kept = np.random.default_rng(seed).random((FRAMES, PERSONS)) >= share
    return lambda k, person: bool(kept[k, person])


def test_true_poses_get_their_true_ids(video: Video) -> None:
    assert switches(video) == 0


def test_true_ids_even_from_every_fourth_frame_thanks_to_the_flow(video: Video) -> None:
    assert switches(video, every=4) <= 1
    assert switches(video, every=4, moving=False) >= 5


def test_true_ids_though_a_fifth_of_the_poses_is_missing(video: Video) -> None:
    assert sum(switches(video, shown=missing(0.2, seed)) for seed in range(3)) <= 2


def test_propagated_boxes_find_the_people_who_were_missed(video: Video) -> None:
    shown = missing(0.4, seed=0)
    k, persons, count = 0, set[int](), 0

    def look(frame: Picture, boxes: np.ndarray) -> People:
        """All true people who fill one of the boxes."""
        truth, _ = video.people(k)
        return truth[np.flatnonzero(box_iou(boxes, truth.boxes.xyxy).max(axis=0) > 0.5)]

    tracker = Tracker(poses_for_boxes=look)
    for k in range(FRAMES):
        given, _ = video.people(k, shown)
        tracked = tracker.update(video.pictures[k], given)
        assert tracked.track_ids is not None
        persons |= set(tracked.track_ids.tolist())
        count += len(tracked)
    # who is not shown in the first frames is nowhere to be propagated from
    assert count >= FRAMES * PERSONS - 8
    assert len(persons) <= PERSONS + 1
