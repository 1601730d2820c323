"""COCO's keypoint average precision: object keypoint similarity, ten thresholds, the best 20 people a picture."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.evaluate.annotations import Annotations, PictureEntry, read_annotations
from simple_trt.pictures import Picture, read_picture
from simple_trt.skeletons import COCO, Skeleton
from simple_trt.types import People

__all__ = ["METRICS", "Found", "Metrics", "Predict", "Watch", "average_precision", "evaluate", "find_people"]

Predict = Callable[[Picture], People]
Watch = Callable[[PictureEntry, Picture, People], None]
Metrics = dict[str, float | int | None]

METRICS = ("AP", "AP50", "AP75", "APM", "APL", "AR")
_NAMES_MISSING = 3


@dataclass(frozen=True)
class Found:
    """What a network found in the pictures of an annotation file.

    Args:
        results: COCO's list of results, entries as `People.to_coco` makes them; as a JSON file, what COCO's server
            takes.
        image_ids: of the pictures it was run on.
        skeleton: what the keypoints are.
    """

    results: list[dict[str, Any]]
    image_ids: list[int]
    skeleton: Skeleton


def evaluate(
    predict: Predict,
    coco_json: str | os.PathLike[str],
    images_dir: str | os.PathLike[str],
    *,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Metrics:
    """Run a network on annotated pictures and measure what it found.

    Args:
        predict: RGB uint8 [H,W,3] -> every person, unfiltered; the threshold is part of the measure.
        coco_json: COCO keypoint annotations.
        images_dir: folder of the pictures.
        limit: measure on the first so many pictures of the file only.
        progress: called with (pictures done, pictures in all).

    Returns:
        `AP, AP50, AP75, APM, APL, AR` in 0..1, None where the pictures show nobody of that size; `images`, `people`
        (annotated, with keypoints) and `detections`.

    Raises:
        SimpleTrtError: annotations are broken, pictures are missing, broken or of another size than annotated, or the
            network's keypoints are not those of the annotations.
        UsageError: `limit` is below 1.
    """
    annotations = read_annotations(coco_json)
    found = find_people(predict, annotations, images_dir, limit=limit, progress=progress)
    return average_precision(annotations, found.results, found.image_ids, found.skeleton)


def find_people(
    predict: Predict,
    annotations: Annotations,
    images_dir: str | os.PathLike[str],
    *,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    watch: Watch | None = None,
) -> Found:
    """Run a network on the pictures of an annotation file; the people in it are not looked at.

    Args:
        predict: as in `evaluate`.
        annotations: what lists the pictures.
        images_dir: folder of the pictures.
        limit: the first so many pictures of the file only.
        progress: called with (pictures done, pictures in all).
        watch: called with each entry, its picture and the people found in it.

    Raises:
        SimpleTrtError, UsageError: as `evaluate`.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"a limit of {limit} pictures leaves nothing to measure", "give 1 or more")
    entries = annotations.pictures[:limit]
    paths = _picture_files(entries, Path(images_dir))
    results: list[dict[str, Any]] = []
    skeleton = COCO
    for done, (entry, path) in enumerate(zip(entries, paths, strict=True), 1):
        picture = _read_annotated(entry, path)
        people = predict(picture)
        skeleton = people.skeleton
        check_skeleton(annotations, skeleton)
        results += people.to_coco(entry.id)
        if watch:
            watch(entry, picture, people)
        if progress:
            progress(done, len(entries))
    return Found(results, [entry.id for entry in entries], skeleton)


def average_precision(
    annotations: Annotations,
    results: Sequence[dict[str, Any]],
    image_ids: Sequence[int],
    skeleton: Skeleton = COCO,
) -> Metrics:
    """COCO's metrics of a results list on some of the annotated pictures; see `evaluate` for what is returned.

    Args:
        annotations: what is true.
        results: entries as `People.to_coco` makes them.
        image_ids: the pictures to measure on.
        skeleton: gives the tolerance of each keypoint.
    """
    chosen = set(image_ids)
    truth = [entry for entry in annotations.people if entry["image_id"] in chosen]
    numbers = _cocoeval_stats(truth, completed(results), sorted(chosen), skeleton)
    metrics: Metrics = {name: None if v < 0 else float(v) for name, v in zip(METRICS, numbers, strict=False)}
    marked = sum(entry["num_keypoints"] > 0 and not entry["iscrowd"] for entry in truth)
    return metrics | {"images": len(chosen), "people": marked, "detections": len(results)}


def check_skeleton(annotations: Annotations, skeleton: Skeleton) -> None:
    """Raises SimpleTrtError unless the annotations have as many keypoints, in this order if they use these names."""
    names = tuple(name.lower().replace(" ", "_").replace("-", "_") for name in annotations.names)
    reordered = sorted(names) == sorted(skeleton.keypoints) and names != skeleton.keypoints
    if annotations.keypoints == len(skeleton) and not reordered:
        return
    got = "the same keypoints in another order" if reordered else f"{annotations.keypoints} keypoints"
    cause = f"the network finds the {len(skeleton)} keypoints of '{skeleton.name}', but '{annotations.path}' has {got}"
    raise SimpleTrtError(cause, "evaluate with annotations of the skeleton that the network was trained for")


def _picture_files(entries: Sequence[PictureEntry], folder: Path) -> list[Path]:
    """All there are to read, before any is read."""
    paths = [folder / entry.file_name for entry in entries]
    missing = [entry.file_name for entry, path in zip(entries, paths, strict=True) if not path.is_file()]
    if missing:
        names = ", ".join(missing[:_NAMES_MISSING]) + (" and others" if len(missing) > _NAMES_MISSING else "")
        cause = f"{len(missing)} of {len(entries)} annotated pictures are not in '{folder}': {names}"
        raise SimpleTrtError(cause, "give the folder of the pictures with --images")
    return paths


def _read_annotated(entry: PictureEntry, path: Path) -> Picture:
    picture = read_picture(path)
    if entry.size and picture.shape[:2] != entry.size:
        got, stated = ("{1}x{0}".format(*size[:2]) for size in (picture.shape, entry.size))
        cause = f"the picture '{path}' is {got}, but its annotations are for {stated}"
        raise SimpleTrtError(cause, "give the pictures that were annotated")
    return picture


def completed(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What pycocotools adds when it loads a keypoint results file: a person's area is that of its keypoints' extent."""
    completed = []
    for number, entry in enumerate(results, 1):
        xy = np.array(entry["keypoints"], float).reshape(-1, 3)[:, :2]
        corner, size = xy.min(axis=0), np.ptp(xy, axis=0)
        extent = {"area": float(size.prod()), "bbox": [*corner.tolist(), *size.tolist()]}
        completed.append(entry | extent | {"id": number, "iscrowd": 0})
    return completed


def _cocoeval_stats(
    truth: list[dict[str, Any]], found: list[dict[str, Any]], image_ids: list[int], skeleton: Skeleton
) -> Sequence[float]:
    """pycocotools' ten numbers (its printing kept quiet): AP, AP50, AP75, APM, APL, then the recalls; -1 for nobody."""
    measure = cocoeval(truth, found, image_ids, skeleton)
    with redirect_stdout(io.StringIO()):
        measure.evaluate()
        measure.accumulate()
        measure.summarize()
    stats: Sequence[float] = measure.stats
    return stats


def cocoeval(
    truth: Sequence[dict[str, Any]], found: Sequence[dict[str, Any]], image_ids: Sequence[int], skeleton: Skeleton
) -> Any:
    """pycocotools' COCOeval of keypoints, nothing computed yet; `found` as `completed` makes it."""
    from pycocotools import coco as cocoapi
    from pycocotools.cocoeval import COCOeval

    def index(entries: Sequence[dict[str, Any]]) -> Any:
        coco = cocoapi.COCO()
        images = [{"id": image_id} for image_id in image_ids]
        # Copies: pycocotools writes into the entries.
        people = [dict(entry) for entry in entries]
        coco.dataset = {"images": images, "annotations": people, "categories": [{"id": 1, "name": "person"}]}
        coco.createIndex()
        return coco

    with redirect_stdout(io.StringIO()):
        measure = COCOeval(index(truth), index(found), "keypoints")
    measure.params.kpt_oks_sigmas = np.array(skeleton.sigmas)
    return measure
