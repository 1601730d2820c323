"""Pictures of what a network sees: its heatmaps over the photo, as in figure 3 of SIMPLE, its points, its people."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch

from simple_trt.drawing import draw_caption, draw_heatmap, draw_points
from simple_trt.evaluate.annotations import PictureEntry
from simple_trt.evaluate.augmented import AugmentedPredictor, Seen
from simple_trt.evaluate.resampling import resample
from simple_trt.files import reported_os_errors
from simple_trt.pictures import Picture, write_picture
from simple_trt.skeletons import Colour
from simple_trt.types import Floats, People

__all__ = ["HeatmapFolder", "draw_seen"]

POINT_COLOURS: tuple[Colour, ...] = ((255, 96, 64), (64, 160, 255), (120, 255, 96))
POINT_NAMES = ("top left", "bottom right", "center")
TEXT_COLOUR: Colour = (255, 255, 255)
LEAST_SCORE = 0.1


class HeatmapFolder:
    """Predicts as its network does, and writes a picture of everything it saw.

    Args:
        network: what predicts.
        folder: made if it is not there.

    Raises:
        SimpleTrtError: the folder cannot be made.
    """

    def __init__(self, network: AugmentedPredictor, folder: str | os.PathLike[str]) -> None:
        self.network = network
        self.folder = Path(folder)
        with reported_os_errors(folder):
            self.folder.mkdir(parents=True, exist_ok=True)

    def predict(self, picture: Picture) -> People:
        """The people of one picture; what was seen is kept for `write`."""
        self._seen = self.network.look(picture)
        return self._seen.people

    def write(self, entry: PictureEntry, picture: Picture, _people: People) -> None:
        """Draw and write what `predict` has just seen, as a JPEG named after the picture's path in the data set.

        Raises:
            SimpleTrtError: it cannot be written.
        """
        name = entry.file_name.replace("/", "_")
        write_picture(self.folder / f"{Path(name).stem}.jpg", draw_seen(picture, self._seen))


def draw_seen(picture: Picture, seen: Seen) -> Picture:
    """Three panels side by side, each the picture under a caption: heatmaps, people, corners and centers.

    Args:
        picture: RGB uint8 [H,W,3].
        seen: what the network made of it. Of the heatmaps the largest over all keypoint classes is drawn.

    Returns:
        RGB uint8 [H and the height of the captions, 3W, 3].
    """
    pose, points = (_over_picture(maps, seen) for maps in (seen.pose.max(axis=0, keepdims=True), seen.points))
    captions = [(name, colour) for name, colour in zip(POINT_NAMES, POINT_COLOURS, strict=True)]
    people = seen.people.above(LEAST_SCORE)
    panels = (
        draw_caption(draw_heatmap(picture, pose[0]), [("heatmaps", TEXT_COLOUR)]),
        draw_caption(people.plot(picture), [(f"{len(people)} people", TEXT_COLOUR)]),
        draw_caption(draw_points(picture, points, POINT_COLOURS), captions),
    )
    return np.concatenate(panels, axis=1)


def _over_picture(maps: Floats, seen: Seen) -> Floats:
    """Maps [C,h,w] as they lie over the picture: [C,H,W]."""
    sizes = zip(seen.frame.image_size, seen.frame.content_size, strict=True)
    down, across = (seen.stride * pixels / content for pixels, content in sizes)
    enlarged: Floats = resample(torch.from_numpy(maps)[None], (down, across), seen.frame.image_size)[0].numpy()
    return enlarged
