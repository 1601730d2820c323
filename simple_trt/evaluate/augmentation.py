"""What test-time augmentation does: in which views a picture is looked at, and what is taken from which."""

from __future__ import annotations

from dataclasses import dataclass

from simple_trt.errors import UsageError

__all__ = ["HOME", "PAPER_SCALES", "SIZINGS", "Augmentation"]

PAPER_SCALES = (0.6, 1.0, 1.2, 1.5, 1.8)
"""Of SIMPLE's multi-scale test."""

LARGEST_SCALE = 8.0
HOME = 1.0  # the scale of the size that the network is meant for
SIZINGS = ("fixed", "accuracy")


@dataclass(frozen=True)
class Augmentation:
    """In which views a picture is looked at.

    Args:
        flip: add the mirror image of every view.
        scales: whose heatmaps are averaged; 1 is the size that the network is meant for.
        det_scales: whose boxes are pooled.
        sizing: "fixed" letterboxes as engines do, "accuracy" keeps the whole aspect; see `frames.frame_of`.
        project2image: read keypoints from heatmaps enlarged to the size of the picture at scale 1.

    Raises:
        UsageError: there are no scales, one is there twice or not in 0..8, or the sizing is unknown.
    """

    flip: bool = False
    scales: tuple[float, ...] = (HOME,)
    det_scales: tuple[float, ...] = (HOME,)
    sizing: str = SIZINGS[0]
    project2image: bool = False

    def __post_init__(self) -> None:
        for name in ("scales", "det_scales"):
            scales = getattr(self, name)
            if not scales or len(set(scales)) < len(scales) or not all(0 < scale <= LARGEST_SCALE for scale in scales):
                cause = f"{name} are {', '.join(f'{scale:g}' for scale in scales) or 'none'}"
                raise UsageError(cause, f"give numbers above 0 and up to {LARGEST_SCALE:g}, each once")
        if self.sizing not in SIZINGS:
            raise UsageError(f"no sizing is called '{self.sizing}'", f"choose one of: {', '.join(SIZINGS)}")
