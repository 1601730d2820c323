"""Reader for MPII Human Pose: the released .mat and the single-person json that the field derives from it."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from simple_trt.data.keypoints import arrange, columns, enclosing_box
from simple_trt.data.labels import MALFORMED, PersonLabel, Sample
from simple_trt.data.regions import box_region
from simple_trt.data.sizes import picture_size
from simple_trt.errors import SimpleTrtError
from simple_trt.skeletons import MPII, Skeleton

# Both files count pixels from 1, Matlab's way: the middle of the first pixel is 1 there and 0.5 here.
TO_CENTRES = -0.5
BODY = 200.0  # pixels of a person's height at scale 1


def read_mpii(annotations: str | Path, images: str | Path, skeleton: Skeleton = MPII) -> list[Sample]:
    """All training pictures with people.

    MPII has no person boxes: a box is the extent of the keypoints, 15 % larger, united with the head's rectangle where
    that is known (.mat). People without keypoints become ignored regions of their size.

    Args:
        annotations: `mpii_human_pose_v1_u12_1.mat`, or a json list of people (`image`, `joints`, `joints_vis`,
            `center`, `scale`).
        images: folder of the pictures.
        skeleton: whose keypoints the labels shall have.

    Raises:
        SimpleTrtError: the file is missing or of another kind, or a person is broken (its picture is named).
    """
    file, folder = Path(annotations), Path(images)
    people = listed_people(file)
    order = columns(MPII.keypoints, skeleton)
    samples = []
    for number, (name, entries) in enumerate(people.items(), 1):
        width, height = picture_size(folder / name)
        stem = Path(name).stem
        sample = Sample(folder / name, int(stem) if stem.isdigit() else number, width, height, [])
        for place, entry in enumerate(entries):
            try:
                _add_person(sample, entry, order)
            except MALFORMED as error:
                raise SimpleTrtError(
                    f"{file}: person {place} of picture {name} is broken ({error!r})", "Repair or remove it."
                ) from None
        samples.append(sample)
    return samples


def listed_people(file: Path) -> dict[str, list[dict[str, Any]]]:
    """Name of picture -> its people as the file has them, pixels counted from 1.

    Each has `points` [16,2], `visible` [16] (above 0: annotated), `center`, `scale`; from the .mat also `head` (xyxy or
    None), `place` (picture's and person's number in the release, from 0) and `single` (apart from everybody else).

    Raises:
        SimpleTrtError: the file is missing or of another kind.
    """
    return _mat_people(file) if file.suffix == ".mat" else _json_people(file)


def _add_person(sample: Sample, entry: dict[str, Any], order: np.ndarray) -> None:
    points, visible = labelled_points(entry)
    if not (visible > 0).any():
        x, y = (float(v) + TO_CENTRES for v in entry["center"])
        reach = float(entry["scale"]) * BODY / 2
        sample.crowds.append(box_region(x - reach, y - reach, x + reach, y + reach))
        return
    head = entry.get("head")
    box = enclosing_box(points, visible, None if head is None else np.asarray(head) + TO_CENTRES)
    sample.people.append(PersonLabel(box, *arrange(points, visible, order), float((box[2:] - box[:2]).prod())))


def labelled_points(entry: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """A listed person's points [16,2], pixel centres at +0.5, and visibility [16].

    Raises ValueError, KeyError, TypeError when they are broken.
    """
    points = np.asarray(entry["points"], np.float32).reshape(16, 2) + TO_CENTRES
    visible = np.asarray(entry["visible"], np.int64).reshape(16)
    if not np.isfinite(points[visible > 0]).all():
        raise ValueError("a coordinate is not finite")
    return points, visible


def load_mat(file: Path, **options: Any) -> dict[str, Any]:
    """The variables of a Matlab file; options are those of `scipy.io.loadmat`.

    Raises:
        SimpleTrtError: the file is missing or no Matlab file, or SciPy is not installed.
    """
    try:
        from scipy.io import loadmat
        from scipy.io.matlab import MatReadError
    except ImportError as error:
        raise SimpleTrtError(f"SciPy cannot be imported ({error})", "pip install scipy") from error
    try:
        variables: dict[str, Any] = loadmat(str(file), **options)
    except FileNotFoundError:
        raise SimpleTrtError(f"{file} does not exist", "Check the path.") from None
    except (MatReadError, ValueError, NotImplementedError, OSError) as error:
        raise SimpleTrtError(f"{file} is no Matlab file ({error!r})", "Name a .mat.") from None
    return variables


def _json_people(file: Path) -> dict[str, list[dict[str, Any]]]:
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SimpleTrtError(f"{file} does not exist", "Name MPII's annotations with --data.") from None
    except (ValueError, RecursionError) as error:
        raise SimpleTrtError(f"{file} is not json ({error})", "Name MPII's json or .mat.") from None
    if not isinstance(entries, list) or not all(isinstance(e, dict) and "image" in e for e in entries):
        raise SimpleTrtError(f"{file} is no list of people with an 'image'", "Name MPII's json or .mat.")
    people = defaultdict(list)
    for entry in entries:
        people[str(entry["image"])].append(entry | {"points": entry.get("joints"), "visible": entry.get("joints_vis")})
    return people


def _mat_people(file: Path) -> dict[str, list[dict[str, Any]]]:
    """The annotated people of the release's training pictures."""
    try:
        release = load_mat(file, squeeze_me=True, struct_as_record=False)["RELEASE"]
        annolist = np.atleast_1d(release.annolist)
        alone = np.atleast_1d(getattr(release, "single_person", np.empty(len(annolist), object)))
        pictures = list(zip(annolist, np.atleast_1d(release.img_train), alone, strict=True))
    except (KeyError, AttributeError, ValueError) as error:
        raise SimpleTrtError(f"{file} is not MPII's release ({error!r})", "Name its .mat.") from None
    people = {}
    for number, (picture, train, single) in enumerate(pictures):
        rects = np.atleast_1d(getattr(picture, "annorect", ()))
        found = [
            _mat_person(rect) | {"place": (number, i), "single": i + 1 in np.atleast_1d(single)}
            for i, rect in enumerate(rects)
            if hasattr(rect, "objpos") and hasattr(rect.objpos, "x")
        ]
        if train and found:
            people[str(picture.image.name)] = found
    return people


def _mat_person(rect: Any) -> dict[str, Any]:
    """One `annorect`: its points come as a list with ids, some of them without visibility."""
    points, visible = np.zeros((16, 2), np.float32), np.zeros(16, np.int64)
    for point in np.atleast_1d(getattr(getattr(rect, "annopoints", None), "point", ())):
        shown = getattr(point, "is_visible", 1)
        points[int(point.id)] = point.x, point.y
        visible[int(point.id)] = 1 if np.size(shown) and str(shown) == "0" else 2
    head = (rect.x1, rect.y1, rect.x2, rect.y2) if hasattr(rect, "x1") else None
    return {
        "points": points,
        "visible": visible,
        "head": head,
        "center": (rect.objpos.x, rect.objpos.y),
        "scale": rect.scale,
    }
