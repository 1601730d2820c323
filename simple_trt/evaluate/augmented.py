"""Test-time augmentation: one picture seen at several scales and mirrored, and one answer from all of it.

Heatmaps are averaged (as in HigherHRNet, arXiv 1908.10357). Point maps are not: the top left corner of a mirrored
person is the top right one of the person. Boxes are found view by view, brought home and pooled (as in CenterNet,
arXiv 1904.08189).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from simple_trt.engines.manifest import Preprocessing
from simple_trt.errors import UsageError
from simple_trt.evaluate.augmentation import HOME, Augmentation
from simple_trt.evaluate.frames import frame_of, map_size, prepare
from simple_trt.evaluate.resampling import refine, resample
from simple_trt.models import checkpoints
from simple_trt.models.predictor import FoundBoxes, PeopleTensors, Predictor
from simple_trt.models.simple import STRIDE, Maps
from simple_trt.pictures import Picture
from simple_trt.skeletons import Skeleton, find_skeleton
from simple_trt.types import Floats, Letterbox, People

__all__ = ["AugmentedPredictor", "Seen"]

REACH = 6  # pixels: one and a half cells, the 3x3 window that a keypoint was found in and its own half cell


class View(NamedTuple):
    """One way to look at a picture: at a scale, mirrored or not, the maps [1,...] of it, padding cut off, and F_shared
    where the gate looks at it, which is read in the plain view only: mirrored features are none of a mirrored picture.
    """

    scale: float
    mirrored: bool
    frame: Letterbox
    maps: Maps
    shared: Tensor | None


@dataclass(frozen=True)
class Seen:
    """What the network makes of one picture.

    Args:
        people: in pixels of the picture.
        pose: averaged heatmaps [K,h,w].
        points: probabilities of top left corner, bottom right corner and center [3,h,w], of the view nearest to scale 1
            that is not mirrored.
        frame: what the maps cover, at `stride` pixels a cell.
        stride: pixels of the frame a cell.
    """

    people: People
    pose: Floats
    points: Floats
    frame: Letterbox
    stride: int = STRIDE


class AugmentedPredictor:
    """Finds people in pictures of any size, in several views of each.

    Without flip, at scale 1 and in fixed sizing it finds what `Session` finds with the same checkpoint.

    Args:
        predictor: in evaluation mode, on the device that it is to run on.
        skeleton: what its keypoints are.
        size: (height, width) that the network is meant for, pixels.
        augmentation: the views; one plain view by default.

    Example:
        >>> network = AugmentedPredictor.open("edge.safetensors", Augmentation(flip=True))  # doctest: +SKIP
        >>> people = network.predict(picture)  # doctest: +SKIP
    """

    def __init__(
        self,
        predictor: Predictor,
        skeleton: Skeleton,
        size: tuple[int, int],
        augmentation: Augmentation | None = None,
    ) -> None:
        self.predictor = predictor
        self.skeleton = skeleton
        self.size = size
        self.augmentation = augmentation or Augmentation()

    @classmethod
    def open(cls, path: str | os.PathLike[str], augmentation: Augmentation | None = None) -> AugmentedPredictor:
        """Load a checkpoint.

        Raises:
            UsageError: it is no checkpoint; the graph of an ONNX file or an engine ends in people and gives no maps.
            SimpleTrtError: it cannot be read.
        """
        if Path(path).is_file() and Path(path).suffix != ".safetensors":
            cause = f"'{path}' gives people only, but flip, scales, sizing and heatmaps work on the network's maps"
            raise UsageError(cause, "give the .safetensors checkpoint that it was made from")
        checkpoint = checkpoints.load(Path(path))
        predictor = checkpoint.predictor()
        if not isinstance(predictor, Predictor):
            cause = f"'{path}' is a network of kind '{checkpoint.meta.network}', which has no test-time augmentation"
            raise UsageError(cause, "leave flip, scales and sizing out")
        return cls(predictor, find_skeleton(checkpoint.meta.skeleton), checkpoint.meta.size, augmentation)

    def predict(self, picture: Picture) -> People:
        """The people of one picture, RGB uint8 [H,W,3], every one that is found."""
        return self.look(picture).people

    @torch.inference_mode()
    def look(self, picture: Picture) -> Seen:
        """The people of one picture, RGB uint8 [H,W,3], and the maps they were read from.

        Raises:
            SimpleTrtError: the picture is too long and narrow for the sizing "accuracy".
        """
        home = self._frame(picture, HOME)
        views = list(self._views(picture))
        averaged = [view for view in views if view.scale in self.augmentation.scales]
        pose = self._mean_pose(averaged, home, STRIDE)
        boxes = self._pooled_boxes(views, home)
        plain = min((view for view in views if not view.mirrored), key=lambda view: abs(view.scale - HOME))
        shared = None if plain.shared is None else _brought_home(plain.shared, plain, home, STRIDE)
        found = self.predictor.read(pose, boxes, shared)
        if self.augmentation.project2image:
            found = self._refined(found, boxes.scores, self._mean_pose(averaged, home, 1))
        points = _brought_home(plain.maps.points.sigmoid(), plain, home, STRIDE)
        return Seen(self._people(found, home), pose[0].cpu().numpy(), points[0].cpu().numpy(), home)

    def _frame(self, picture: Picture, scale: float) -> Letterbox:
        image_size = picture.shape[0], picture.shape[1]
        return frame_of(image_size, self.size, scale, self.augmentation.sizing)

    def _views(self, picture: Picture) -> Iterable[View]:
        """Every view that is averaged or searched for boxes."""
        for scale in dict.fromkeys(self.augmentation.scales + self.augmentation.det_scales):
            frame = self._frame(picture, scale)
            image = prepare(picture, frame, Preprocessing()).to(self.predictor.prior.device)
            for mirrored in (False, True)[: 1 + self.augmentation.flip]:
                maps, shared = self.predictor.look(image.flip(3) if mirrored else image)
                cut = None if shared is None else _visible(shared, frame, mirrored)
                yield View(scale, mirrored, frame, _without_padding(maps, frame, mirrored), cut)

    def _mean_pose(self, views: list[View], home: Letterbox, stride: int) -> Tensor:
        """Heatmaps [1,K,h,w] over the home frame, `stride` of its pixels a cell."""
        order = list(self.skeleton.flip_order)
        poses = (view.maps.pose.flip(3)[:, order] if view.mirrored else view.maps.pose for view in views)
        at_home = [_brought_home(pose, view, home, stride) for pose, view in zip(poses, views, strict=True)]
        return torch.stack(at_home).mean(0)

    def _pooled_boxes(self, views: list[View], home: Letterbox) -> FoundBoxes:
        """Boxes in pixels of the home frame, of all views that are searched."""
        searched = [view for view in views if view.scale in self.augmentation.det_scales]
        boxes, scores = zip(*(self._boxes_at_home(view, home) for view in searched), strict=True)
        return self.predictor.suppress(torch.cat(boxes, 1), torch.cat(scores, 1))

    def _boxes_at_home(self, view: View, home: Letterbox) -> tuple[Tensor, Tensor]:
        boxes, scores = self.predictor.candidates(view.maps)
        if view.mirrored:
            width = STRIDE * view.maps.points.shape[3]
            left, top, right, bottom = boxes.unbind(2)
            boxes = torch.stack((width - right, top, width - left, bottom), 2)
        down, across = _enlargement(view.frame, home)
        return boxes * boxes.new_tensor([across, down, across, down]), scores

    def _refined(self, found: PeopleTensors, box_scores: Tensor, pose: Tensor) -> PeopleTensors:
        """The same people, their keypoints read once more from heatmaps with one pixel a cell."""
        keypoints = refine(found.keypoints, pose, REACH, self.predictor.settings.present)
        scores = self.predictor.score_people(found.boxes, box_scores, keypoints)
        return found._replace(keypoints=keypoints, scores=scores)

    def _people(self, found: PeopleTensors, home: Letterbox) -> People:
        count = int(found.num[0])
        boxes, scores, keypoints = (part[0, :count].cpu().numpy() for part in found[:3])
        return People.from_network(boxes, scores, keypoints, home, self.skeleton)


def _without_padding(maps: Maps, frame: Letterbox, mirrored: bool) -> Maps:
    return Maps(*(_visible(part, frame, mirrored) for part in maps))


def _visible(part: Tensor, frame: Letterbox, mirrored: bool) -> Tensor:
    """The cells that see the frame; in a mirrored view the padding is on the left."""
    rows, columns = map_size(frame, STRIDE)
    kept = slice(-columns, None) if mirrored else slice(columns)
    return part[..., :rows, kept]


def _brought_home(maps: Tensor, view: View, home: Letterbox, stride: int) -> Tensor:
    """Maps of a view as maps of the home frame with `stride` pixels a cell."""
    down, across = (factor * STRIDE / stride for factor in _enlargement(view.frame, home))
    return resample(maps, (down, across), map_size(home, stride))


def _enlargement(frame: Letterbox, home: Letterbox) -> tuple[float, float]:
    """(down, across): pixels of the home frame for one pixel of `frame`, where both show the same picture."""
    down, across = (at_home / here for at_home, here in zip(home.content_size, frame.content_size, strict=True))
    return down, across
