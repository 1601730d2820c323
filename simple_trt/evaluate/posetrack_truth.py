"""PoseTrack's annotated people with their tracks: json in the layouts of 2018 (COCO's) and 2017."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from simple_trt.data import posetrack17
from simple_trt.data.coco import KeypointOrder, keypoint_order, load_coco
from simple_trt.data.keypoints import arrange
from simple_trt.data.labels import MALFORMED
from simple_trt.data.sources import start_of
from simple_trt.errors import SimpleTrtError
from simple_trt.evaluate.poses import HEAD_SHARE, NO_TRACK, TruePeople
from simple_trt.skeletons import POSETRACK
from simple_trt.types import Floats

__all__ = ["Frame", "Video", "read_posetrack_truth"]

Entry = dict[str, Any]
_Person = tuple[np.ndarray, np.ndarray, "np.ndarray | None", "int | None"]
"""Points [15,2], which are known [15], the head's rectangle xyxy, the track."""

HEAD_LENGTH = 0.7
"""From the bottom to the top of the head it is this share of the diagonal of the head's rectangle, in PoseTrack18's
files to the last digit: where a person has no rectangle, the two joints tell its size."""


@dataclass(frozen=True)
class Frame:
    """One annotated frame.

    Args:
        name: of its file, as the annotations have it.
        people: the 15 joints of PoseTrack; people without any are among them.
        ignored: polygons [n,2], picture pixels, in which nothing is measured.
    """

    name: str
    people: TruePeople
    ignored: list[Floats] = field(default_factory=list)


@dataclass(frozen=True)
class Video:
    """One sequence: its frames, in time. Track numbers count within it."""

    name: str
    frames: list[Frame]


def read_posetrack_truth(annotations: str | os.PathLike[str]) -> list[Video]:
    """Annotated sequences of PoseTrack.

    Layout of 2018: COCO's, with `bbox_head` (x, y, width, height) or `head_rect_xyxy`, `track_id`, ignore regions; the
    joints are found by the names of the category. Pictures with one `vid_id`, else in one folder, are a sequence, in
    the order of their `frame_id`. A joint is annotated unless x, y and visibility are all 0. Layout of 2017: one
    sequence a file. People without a head rectangle are measured by their head's length, see `HEAD_LENGTH`.

    Args:
        annotations: a json file, or a folder of them.

    Raises:
        SimpleTrtError: a file is missing or of another kind, a person is broken or has no head to measure by (the frame
            is named), or two frames have one name.
        UsageError: the annotated joints are none of PoseTrack's.
    """
    path = Path(annotations)
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise SimpleTrtError(f"{path} holds no json files", "Name PoseTrack's annotations.")
    videos = [video for file in files for video in _read_file(file)]
    names = Counter(frame.name for video in videos for frame in video.frames)
    if twice := [name for name, count in names.items() if count > 1]:
        cause = f"{path}: {len(twice)} frames are there twice, as {twice[0]}"
        raise SimpleTrtError(cause, "Give every frame a name of its own: predictions are found by it.")
    return videos


def _read_file(file: Path) -> Iterator[Video]:
    if '"annolist"' in start_of(file):
        frames = posetrack17.labelled_frames(file)
        yield Video(file.stem, [_frame(file, f["image"][0]["name"], _layout17, f) for f in frames])
        return
    data = load_coco(file)
    order = keypoint_order(data, POSETRACK)
    if not all(isinstance(image.get("frame_id", 0), (int, float)) for image in data["images"]):
        raise SimpleTrtError(f"{file} has a picture whose 'frame_id' is no number", "Repair or remove it.")
    people = defaultdict(list)
    for entry in data["annotations"]:
        people[entry.get("image_id")].append(entry)
    videos = defaultdict(list)
    for image in sorted(data["images"], key=lambda image: image.get("frame_id", 0)):
        frame = _frame(file, image["file_name"], _layout18, image, people.pop(image["id"], []), order)
        videos[str(image.get("vid_id") or PurePosixPath(frame.name).parent.name or file.stem)].append(frame)
    if people:
        cause = f"{file}: annotations belong to no picture of the file, as of {next(iter(people))}"
        raise SimpleTrtError(cause, "Repair or remove them.")
    yield from (Video(name, frames) for name, frames in videos.items())


def _frame(file: Path, name: str, layout: Callable[..., Frame], *entries: Any) -> Frame:
    try:
        return layout(name, *entries)
    except MALFORMED as error:
        raise SimpleTrtError(f"{file}: frame {name} is broken ({error})", "Repair or remove it.") from None


def _layout17(name: str, frame: Entry) -> Frame:
    people: list[_Person] = []
    for rect in frame.get("annorect") or []:
        points, visible = posetrack17.labelled_points(rect)
        people.append((points, visible > 0, posetrack17.head_box(rect), posetrack17.track_id(rect)))
    return Frame(name, _people(people), [posetrack17.corners(r) for r in frame.get("ignore_regions") or []])


def _layout18(name: str, image: Entry, entries: list[Entry], order: KeypointOrder) -> Frame:
    people: list[_Person] = []
    numbers = 3 * order.count
    for entry in entries:
        rows = np.asarray(entry.get("keypoints") or [0] * numbers, np.float32)
        if rows.shape != (numbers,) or not np.isfinite(rows).all():
            raise ValueError(f"'keypoints' of annotation {entry.get('id')} is not {numbers} finite numbers")
        rows = rows.reshape(-1, 3)
        points, known = arrange(rows[:, :2] + 0.5, rows.any(axis=1).astype(int), order.columns)
        people.append((points, known > 0, _head_box18(entry), entry.get("track_id")))
    polygons = zip(image.get("ignore_regions_x") or [], image.get("ignore_regions_y") or [], strict=True)
    return Frame(name, _people(people), [np.array(polygon, np.float32).T + 0.5 for polygon in polygons])


def _head_box18(entry: Entry) -> np.ndarray | None:
    if "head_rect_xyxy" in entry:
        return np.array(entry["head_rect_xyxy"], float)
    if not entry.get("bbox_head"):
        return None
    x, y, width, height = (float(value) for value in entry["bbox_head"])
    return np.array([x, y, x + width, y + height])


def _people(people: list[_Person]) -> TruePeople:
    joints = len(POSETRACK)
    sizes = [_head_size(points, known, head) for points, known, head, _ in people]
    tracks = [NO_TRACK if track is None else track for *_, track in people]
    return TruePeople(
        np.array([points for points, *_ in people], np.float32).reshape(-1, joints, 2),
        np.array([known for _, known, *_ in people], bool).reshape(-1, joints),
        np.array(sizes, float),
        np.array(tracks, np.int64),
    )


def _head_size(points: np.ndarray, known: np.ndarray, head: np.ndarray | None) -> float:
    """From the head's rectangle, else from the joints at its ends; NaN for people without joints."""
    if not known.any():
        return np.nan
    if head is not None and (size := HEAD_SHARE * float(np.hypot(*(head[2:] - head[:2])))) > 0:
        return size
    ends = [POSETRACK.keypoints.index(name) for name in ("head_bottom", "head_top")]
    length = float(np.linalg.norm(np.subtract(*points[ends].astype(float))))
    if not (known[ends].all() and length > 0):
        raise ValueError("a person has neither a head rectangle nor both ends of the head")
    return HEAD_SHARE / HEAD_LENGTH * length
