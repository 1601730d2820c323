"""Annotations of any known kind -> samples."""

from __future__ import annotations

from pathlib import Path

from simple_trt.data.coco import read_coco
from simple_trt.data.labels import Sample
from simple_trt.data.mpii import read_mpii
from simple_trt.data.posetrack17 import read_posetrack17
from simple_trt.errors import SimpleTrtError
from simple_trt.skeletons import Skeleton

PEEK = 4096  # characters in which a json shows what it is


def read_annotations(
    annotations: str | Path, images: str | Path, skeleton: Skeleton, partial: bool = False
) -> list[Sample]:
    """The samples of a file, or of all json files of a folder (PoseTrack: one a sequence).

    The kind is told by the content: MPII (.mat, or a json list), PoseTrack17 (`annolist`), else COCO's layout.

    Args:
        annotations: file or folder.
        images: folder of the pictures.
        skeleton: whose keypoints the labels shall have.
        partial: see `read_coco`; MPII and PoseTrack mark themselves what is not annotated.

    Raises:
        SimpleTrtError: missing, unknown or broken annotations; a folder without any.
        UsageError: the annotated keypoints are none of the skeleton's.
    """
    path = Path(annotations)
    if path.is_dir():
        files = sorted(path.glob("*.json"))
        if not files:
            raise SimpleTrtError(f"{path} holds no json files", "Name a file of annotations, or a folder of them.")
        return [sample for file in files for sample in read_annotations(file, images, skeleton, partial)]
    if path.suffix == ".mat":
        return read_mpii(path, images, skeleton)
    start = start_of(path)
    if start.startswith("["):
        return read_mpii(path, images, skeleton)
    if '"annolist"' in start:
        return read_posetrack17(path, images, skeleton)
    return read_coco(path, images, skeleton, partial)


def start_of(path: Path) -> str:
    """The beginning of a json, in which it shows what kind it is.

    Raises:
        SimpleTrtError: it is missing or cannot be read.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(PEEK).lstrip()
    except FileNotFoundError:
        raise SimpleTrtError(f"{path} does not exist", "Name the annotations with --data.") from None
    except OSError as error:
        raise SimpleTrtError(f"{path} cannot be read ({error})", "Check its permissions.") from None
