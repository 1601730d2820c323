"""Moving pictures made up for the tests: textured people walk before a textured background, where is known exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from simple_trt.skeletons import COCO
from simple_trt.types import People

HEIGHT, WIDTH = 180, 320
BODY = (90, 45)  # height and width of a person, pixels
Point = tuple[float, float]


def texture(height: int, width: int, seed: int) -> np.ndarray:
    """RGB uint8 [height,width,3], blotches of all sizes from some pixels up, as photos have them."""
    rng = np.random.default_rng(seed)
    octaves = (cv2.GaussianBlur(rng.normal(size=(height, width, 3)), (0, 0), grain) for grain in (2, 4, 8, 16))
    smooth = sum(octave / octave.std() for octave in octaves)
    return np.clip(128 + 27 * smooth, 0, 255).astype(np.uint8)


def keypoints_at(corner: Point, body: tuple[int, int] = BODY) -> np.ndarray:
    """17 keypoints [17,2] spread over a body whose top left corner is given, well inside of it."""
    rows, columns = np.divmod(np.arange(17), 3)
    within = np.stack([0.2 + 0.3 * columns, 0.1 + 0.16 * rows], axis=1)
    return (np.array(corner) + within * np.array(body[::-1])).astype(np.float32)


@dataclass
class Walker:
    """A textured rectangle.

    Args:
        place: frame number -> top left corner, pixels.
        score: of the person.
        seen: frame number -> whether the network reports her.
    """

    place: Callable[[int], Point]
    score: float = 0.9
    seen: Callable[[int], bool] = lambda _: True


def walk(x: float, y: float, dx: float, dy: float = 0.0) -> Callable[[int], Point]:
    """Steady motion: start and step, pixels."""
    return lambda k: (x + k * dx, y + k * dy)


class Scene:
    """Walkers, later ones in front, before a background that stands still; `pillars` (x0, x1) hide what is behind."""

    def __init__(self, *walkers: Walker, pillars: tuple[tuple[int, int], ...] = (), seed: int = 0) -> None:
        self.walkers, self.pillars = walkers, pillars
        self.background = texture(HEIGHT, WIDTH, seed)
        self.bodies = [texture(*BODY, seed + 1 + i) for i in range(len(walkers))]

    def frame(self, k: int) -> np.ndarray:
        picture = self.background.copy()
        for walker, body in zip(self.walkers, self.bodies, strict=True):
            paste(picture, body, walker.place(k))
        for left, right in self.pillars:
            picture[:, left:right] = self.background[:, left:right]
        return picture

    def people(self, k: int, order: list[int] | None = None) -> People:
        """Those who are seen in frame k, given in the order of the walkers' numbers in `order`."""
        shown = [i for i in (order or range(len(self.walkers))) if self.walkers[i].seen(k)]
        return people_at([self.walkers[i].place(k) for i in shown], [self.walkers[i].score for i in shown])

    def walker_of(self, k: int, people: People) -> list[int]:
        """Which walkers these people of frame k are."""
        corners = np.array([walker.place(k) for walker in self.walkers])
        return [int(np.abs(corners - box[:2]).sum(axis=1).argmin()) for box in people.boxes.xyxy]


def people_at(corners: list[Point], scores: list[float], size: tuple[int, int] = (HEIGHT, WIDTH)) -> People:
    boxes = [[x, y, x + BODY[1], y + BODY[0]] for x, y in corners]
    keypoints = np.ones((len(corners), len(COCO), 3))
    for i, corner in enumerate(corners):
        keypoints[i, :, :2] = keypoints_at(corner)
    return People(np.reshape(boxes, (-1, 4)), scores, keypoints, size)


def paste(picture: np.ndarray, body: np.ndarray, corner: Point) -> None:
    """Draw the body where its corner is, to a fraction of a pixel; what lies outside is cut off."""
    (height, width), (rows, columns) = picture.shape[:2], body.shape[:2]
    to_place = np.array([[1, 0, corner[0]], [0, 1, corner[1]]], np.float32)
    shifted = cv2.warpAffine(body, to_place, (width, height), flags=cv2.INTER_LINEAR)
    cover = cv2.warpAffine(np.ones((rows, columns), np.float32), to_place, (width, height), flags=cv2.INTER_LINEAR)
    picture[:] = np.where(cover[..., None] > 0.99, shifted, picture)
