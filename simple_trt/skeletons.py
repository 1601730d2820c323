"""Which keypoints a person has, how they are joined, mirrored, scored and coloured. Coordinates are nowhere in here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from simple_trt.errors import UsageError

__all__ = ["COCO", "MPII", "POSETRACK", "SKELETONS", "Colour", "Skeleton", "find_skeleton"]

Colour = tuple[int, int, int]
"""Red, green, blue, 0..255."""

LEFT_COLOUR: Colour = (255, 138, 31)
RIGHT_COLOUR: Colour = (38, 166, 255)
MIDDLE_COLOUR: Colour = (92, 219, 128)

_COCO_HEAD_AND_ARMS = {"nose": 0.026, "eye": 0.025, "ear": 0.035, "shoulder": 0.079, "elbow": 0.072, "wrist": 0.062}
_COCO_LEGS = {"hip": 0.107, "knee": 0.087, "ankle": 0.089}
# MPII and PoseTrack publish none: what COCO does not know takes the value of the joint beside it.
_ELSEWHERE = {"pelvis": 0.107, "thorax": 0.079, "upper_neck": 0.079, "head_bottom": 0.079, "head_top": 0.079}
_SIGMAS = _COCO_HEAD_AND_ARMS | _COCO_LEGS | _ELSEWHERE


@dataclass(frozen=True)
class Skeleton:
    """The keypoints of one annotation scheme; K is their number.

    Args:
        name: short name, as it stands in checkpoints and manifests.
        keypoints: K names in the order of the data set; `left_`/`right_` name the person's own sides.
        limbs: pairs of keypoint indices joined by a line.
    """

    name: str
    keypoints: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return len(self.keypoints)

    @cached_property
    def flip_pairs(self) -> tuple[tuple[int, int], ...]:
        """(left, right) keypoint indices that change places when a picture is mirrored."""
        index = {name: i for i, name in enumerate(self.keypoints)}
        lefts = (name for name in self.keypoints if name.startswith("left_"))
        return tuple((index[name], index["right_" + name.removeprefix("left_")]) for name in lefts)

    @cached_property
    def flip_order(self) -> tuple[int, ...]:
        """Permutation p of length K: keypoint k of the mirrored picture is keypoint p[k] of the picture."""
        order = list(range(len(self)))
        for left, right in self.flip_pairs:
            order[left], order[right] = right, left
        return tuple(order)

    @cached_property
    def sigmas(self) -> tuple[float, ...]:
        """K standard deviations of the human annotation, per square root of the person's area (COCO's OKS)."""
        return tuple(_SIGMAS[name.removeprefix("left_").removeprefix("right_")] for name in self.keypoints)

    @cached_property
    def keypoint_colours(self) -> tuple[Colour, ...]:
        """K colours: one for each side of the body and one for the middle."""
        return tuple(_side_colour(name) for name in self.keypoints)

    @cached_property
    def limb_colours(self) -> tuple[Colour, ...]:
        """One colour for each limb: its side's, or the middle's when it joins two sides."""
        colours = self.keypoint_colours
        return tuple(_join_colours(colours[a], colours[b]) for a, b in self.limbs)


def find_skeleton(name: str) -> Skeleton:
    """The skeleton called `name` ("coco", "mpii", "posetrack").

    Raises:
        UsageError: there is none of that name.
    """
    if name not in SKELETONS:
        raise UsageError(f"no skeleton is called '{name}'", f"choose one of: {', '.join(SKELETONS)}")
    return SKELETONS[name]


def _side_colour(keypoint: str) -> Colour:
    if keypoint.startswith("left_"):
        return LEFT_COLOUR
    return RIGHT_COLOUR if keypoint.startswith("right_") else MIDDLE_COLOUR


def _join_colours(a: Colour, b: Colour) -> Colour:
    """The colour of a line: a side's colour wins over the middle's, two different sides give the middle's."""
    sides = {a, b} - {MIDDLE_COLOUR}
    return sides.pop() if len(sides) == 1 else MIDDLE_COLOUR


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _pairs(text: str) -> tuple[tuple[int, int], ...]:
    """Keypoint pairs of a text: ((15, 13), (13, 11)) of "15-13 13-11"."""
    return tuple((int(a), int(b)) for a, b in (pair.split("-") for pair in text.split()))


COCO = Skeleton(
    name="coco",
    keypoints=_words(
        "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist "
        "right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle"
    ),
    limbs=_pairs("15-13 13-11 16-14 14-12 11-12 5-11 6-12 5-6 5-7 7-9 6-8 8-10 3-5 4-6 1-2 0-1 0-2 1-3 2-4"),
)

MPII = Skeleton(
    name="mpii",
    keypoints=_words(
        "right_ankle right_knee right_hip left_hip left_knee left_ankle pelvis thorax upper_neck head_top right_wrist "
        "right_elbow right_shoulder left_shoulder left_elbow left_wrist"
    ),
    limbs=_pairs("0-1 1-2 2-6 5-4 4-3 3-6 6-7 7-8 8-9 10-11 11-12 12-7 15-14 14-13 13-7"),
)

POSETRACK = Skeleton(
    name="posetrack",
    keypoints=_words(
        "right_ankle right_knee right_hip left_hip left_knee left_ankle right_wrist right_elbow right_shoulder "
        "left_shoulder left_elbow left_wrist head_bottom nose head_top"
    ),
    limbs=_pairs("0-1 1-2 5-4 4-3 2-3 2-8 3-9 6-7 7-8 11-10 10-9 8-12 9-12 12-13 13-14"),
)

SKELETONS = {skeleton.name: skeleton for skeleton in (COCO, MPII, POSETRACK)}
