"""Reader for PoseTrack17's json, one file a sequence, as poseval exports it from the released .mat."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from simple_trt.data.keypoints import arrange, columns, enclosing_box
from simple_trt.data.labels import MALFORMED, PersonLabel, Sample
from simple_trt.data.regions import polygon_region
from simple_trt.data.sizes import picture_size
from simple_trt.errors import SimpleTrtError
from simple_trt.skeletons import POSETRACK, Skeleton

Entry = dict[str, Any]


def read_posetrack17(annotations: str | Path, images: str | Path, skeleton: Skeleton = POSETRACK) -> list[Sample]:
    """All labelled frames with people of one sequence; `image_id` is the frame's place in the file, from 1.

    There are no person boxes: a box is the extent of the keypoints, 15 % larger, united with the head's rectangle.

    Raises:
        SimpleTrtError: the file is missing or of another kind, or a person is broken (frame and place are named).
    """
    file, folder = Path(annotations), Path(images)
    order = columns(POSETRACK.keypoints, skeleton)
    samples = []
    for number, frame in enumerate(labelled_frames(file), 1):
        name = frame["image"][0]["name"]
        sample = Sample(folder / name, number, 0, 0, [])
        try:
            sample.crowds += [polygon_region(corners(region)) for region in frame.get("ignore_regions") or []]
            sample.people += [p for rect in frame.get("annorect") or [] if (p := _person(rect, order)) is not None]
        except MALFORMED as error:
            raise SimpleTrtError(f"{file}: frame {name} is broken ({error!r})", "Repair or remove it.") from None
        if sample.people:
            sample.width, sample.height = picture_size(sample.image)
            samples.append(sample)
    return samples


def labelled_frames(file: Path) -> list[Entry]:
    """The labelled frames of a sequence, as the file has them.

    Raises:
        SimpleTrtError: the file is missing or of another kind.
    """
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        frames = data["annolist"]
        return [frame for frame in frames if _name(frame) and frame.get("is_labeled", [1])[0]]
    except FileNotFoundError:
        raise SimpleTrtError(f"{file} does not exist", "Name a sequence's json with --data.") from None
    except (ValueError, RecursionError) as error:
        raise SimpleTrtError(f"{file} is not json ({error})", "Name a sequence's json.") from None
    except MALFORMED as error:
        raise SimpleTrtError(f"{file} is not PoseTrack17's json ({error!r})", "Name a sequence's json.") from None


def _name(frame: Entry) -> str:
    name = frame["image"][0]["name"]
    if not isinstance(name, str):
        raise TypeError(f"a frame's name is {name!r}"[:80])
    return name


def corners(region: Entry) -> np.ndarray:
    """Corners [n,2] of an ignore region, at pixel centres."""
    return np.array([(_number(p["x"]), _number(p["y"])) for p in region["point"]], np.float32) + 0.5


def labelled_points(rect: Entry) -> tuple[np.ndarray, np.ndarray]:
    """A person's points [15,2], pixel centres at +0.5, and visibility [15].

    Raises ValueError, KeyError, TypeError, IndexError when they are broken.
    """
    points, visible = np.zeros((15, 2), np.float32), np.zeros(15, np.int64)
    for point in _first(rect.get("annopoints"), {}).get("point", []):
        place = int(_number(point["id"]))
        points[place] = _number(point["x"]) + 0.5, _number(point["y"]) + 0.5
        visible[place] = 2 if _first(point.get("is_visible"), 1) else 1
    if not np.isfinite(points).all():
        raise ValueError("a coordinate is not finite")
    return points, visible


def head_box(rect: Entry) -> np.ndarray | None:
    """The head's rectangle xyxy [4], None where there is none."""
    return np.array([_number(rect[k]) for k in ("x1", "y1", "x2", "y2")]) if "x1" in rect else None


def track_id(rect: Entry) -> int | None:
    """The number of a person's track, None where there is none."""
    return int(_number(rect["track_id"])) if "track_id" in rect else None


def _person(rect: Entry, order: np.ndarray) -> PersonLabel | None:
    """A person; None where no keypoint is annotated."""
    points, visible = labelled_points(rect)
    if not (visible > 0).any():
        return None
    box = enclosing_box(points, visible, head_box(rect))
    return PersonLabel(box, *arrange(points, visible, order), float((box[2:] - box[:2]).prod()))


def _first(value: Any, default: Any) -> Any:
    """poseval wraps everything in lists, also what is missing."""
    return (value[0] if value else default) if isinstance(value, list) else default if value is None else value


def _number(value: Any) -> float:
    return float(_first(value, None))
