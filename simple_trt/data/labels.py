"""One annotated picture, whatever data set it came from. NumPy only; coordinates follow the half-pixel convention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

MALFORMED = (LookupError, TypeError, ValueError, AttributeError, OverflowError)
"""What reading an entry raises when it is not of the shape that its format has: files come from anywhere."""

Paint = Callable[[np.ndarray], None]


@dataclass
class PersonLabel:
    """One annotated person in image pixels.

    box: xyxy [4], continuous. keypoints: [K,2], pixel centres at +0.5; visible: [K] with 0 unlabelled, 1 hidden, 2
    visible. area: square pixels. region: polygons [n,2] that cover the person (empty: only the box is known).
    """

    box: np.ndarray
    keypoints: np.ndarray
    visible: np.ndarray
    area: float
    region: list[np.ndarray] = field(default_factory=list)

    @property
    def labelled(self) -> bool:
        """Whether any keypoint is annotated."""
        return bool((self.visible > 0).any())


@dataclass
class Sample:
    """One picture: its file, its people, and regions (crowds) in which nothing may be learnt.

    crowds: functions that paint their region on a uint8 mask [height,width] with 1; painting is put off until it is
    needed because a crowd's run-length code can be as large as the picture.
    """

    image: Path
    image_id: int
    width: int
    height: int
    people: list[PersonLabel]
    crowds: list[Paint] = field(default_factory=list)
