"""SSDLite on MobileNetV3-Large at 320 x 320 (arXiv 1905.02244), as torchvision configures it: a light detector."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.rivals.detection_ops import decode_boxes, keep_boxes

__all__ = ["SIZE", "SsdLite"]

SIZE = 320
STEM = 16
ANCHORS, ASPECTS = 6, (2, 3)
SCALES = (0.2, 0.95)  # of the first and the last level's boxes
CLASSES, PERSON = 91, 1
EXTRAS = (512, 256, 256, 128)
OVERLAP, CANDIDATES = 0.55, 300
BOX_WEIGHTS = (10.0, 10.0, 5.0, 5.0)


class _Row(NamedTuple):
    """One line of MobileNetV3's table 1: kernel, expanded width, width, squeeze-and-excite, hard swish, stride."""

    kernel: int
    wide: int
    cout: int
    excite: bool
    swish: bool
    stride: int


ROWS = (
    _Row(3, 16, 16, False, False, 1),
    _Row(3, 64, 24, False, False, 2),
    _Row(3, 72, 24, False, False, 1),
    _Row(5, 72, 40, True, False, 2),
    _Row(5, 120, 40, True, False, 1),
    _Row(5, 120, 40, True, False, 1),
    _Row(3, 240, 80, False, True, 2),
    _Row(3, 200, 80, False, True, 1),
    _Row(3, 184, 80, False, True, 1),
    _Row(3, 184, 80, False, True, 1),
    _Row(3, 480, 112, True, True, 1),
    _Row(3, 672, 112, True, True, 1),
    _Row(5, 672, 80, True, True, 2),  # this row and the next two at half width: table 6's detector
    _Row(5, 480, 80, True, True, 1),
    _Row(5, 480, 80, True, True, 1),
)
TAPPED = 12  # the row whose expanded features are the first level
LAST = 480


class SsdLite(nn.Module):
    """A detector of COCO's classes, of which only people are kept."""

    def __init__(self) -> None:
        super().__init__()
        widths = [STEM, *(row.cout for row in ROWS)]
        blocks = [_Inverted(cin, row) for cin, row in zip(widths[:-1], ROWS, strict=True)]
        self.stem = _conv(3, STEM, 3, 2, act=nn.Hardswish())
        self.blocks = nn.ModuleList(blocks)
        self.last = _conv(widths[-1], LAST, act=nn.Hardswish())
        self.extras = nn.ModuleList(_extra(cin, cout) for cin, cout in pairwise((LAST, *EXTRAS)))
        levels = (ROWS[TAPPED].wide, LAST, *EXTRAS)
        self.scores = nn.ModuleList(_head(width, ANCHORS * CLASSES) for width in levels)
        self.deltas = nn.ModuleList(_head(width, ANCHORS * 4) for width in levels)
        self.register_buffer("anchors", _anchors(len(levels)), persistent=False)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised picture [1,3,320,320] -> boxes xyxy [300,4] of people, pixels of the input; scores [300]."""
        levels = self.levels(image)
        logits = [_by_anchor(head(x), CLASSES) for head, x in zip(self.scores, levels, strict=True)]
        deltas = [_by_anchor(head(x), 4) for head, x in zip(self.deltas, levels, strict=True)]
        people, where = torch.cat(logits).softmax(1)[:, PERSON].topk(CANDIDATES)
        boxes = decode_boxes(torch.cat(deltas)[where], self.anchors[where], BOX_WEIGHTS).clamp(0, SIZE)
        kept = keep_boxes(boxes, people, OVERLAP, CANDIDATES)
        return boxes[kept], people[kept]

    def levels(self, image: Tensor) -> list[Tensor]:
        """Features at 1/16, 1/32, ... of the size, down to one cell."""
        x = self.stem(image)
        levels = []
        for i, block in enumerate(self.blocks):
            wide = block.expand(x)
            if i == TAPPED:
                levels.append(wide)
            x = block.finish(wide, x)
        levels.append(self.last(x))
        for extra in self.extras:
            levels.append(extra(levels[-1]))
        return levels


class _Inverted(nn.Module):
    """Expand (1x1), depthwise, squeeze-and-excite, project (1x1); the input is added where the shapes allow."""

    def __init__(self, cin: int, row: _Row) -> None:
        super().__init__()
        act = nn.Hardswish() if row.swish else nn.ReLU()
        self.expand = _conv(cin, row.wide, act=act) if row.wide != cin else nn.Identity()
        self.depthwise = _conv(row.wide, row.wide, row.kernel, row.stride, groups=row.wide, act=act)
        self.excite = _Excite(row.wide) if row.excite else nn.Identity()
        self.project = _conv(row.wide, row.cout)
        self.residual = row.stride == 1 and cin == row.cout

    def finish(self, wide: Tensor, x: Tensor) -> Tensor:
        """All after the expansion, whose result is `wide`."""
        y: Tensor = self.project(self.excite(self.depthwise(wide)))
        return x + y if self.residual else y


class _Excite(nn.Module):
    """Channels weighed by what their means say."""

    def __init__(self, width: int) -> None:
        super().__init__()
        narrow = _round_to_eight(width // 4)
        self.squeeze, self.widen = nn.Conv2d(width, narrow, 1), nn.Conv2d(narrow, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * F.hardsigmoid(self.widen(F.relu(self.squeeze(x.mean((2, 3), keepdim=True)))))


def _conv(
    cin: int, cout: int, kernel: int = 1, stride: int = 1, groups: int = 1, act: nn.Module | None = None
) -> nn.Sequential:
    conv = nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(cout, eps=0.001), *([act] if act else []))


def _extra(cin: int, cout: int) -> nn.Sequential:
    """One level further down."""
    mid = cout // 2
    return nn.Sequential(
        _conv(cin, mid, act=nn.ReLU6()),
        _conv(mid, mid, 3, 2, groups=mid, act=nn.ReLU6()),
        _conv(mid, cout, act=nn.ReLU6()),
    )


def _head(width: int, cout: int) -> nn.Sequential:
    return nn.Sequential(_conv(width, width, 3, groups=width, act=nn.ReLU6()), nn.Conv2d(width, cout, 1))


def _by_anchor(x: Tensor, values: int) -> Tensor:
    """[1,A*values,h,w] -> [h*w*A,values]."""
    return x.view(ANCHORS, values, *x.shape[2:]).permute(2, 3, 0, 1).reshape(-1, values)


def _anchors(levels: int) -> Tensor:
    """Boxes xyxy [3234,4] in pixels: on each level two squares, and two upright and two lying boxes."""
    scales = [SCALES[0] + (SCALES[1] - SCALES[0]) * i / (levels - 1) for i in range(levels)] + [1.0]
    boxes = []
    for level in range(levels):
        cells = math.ceil(SIZE / 16 / 2**level)
        places = (torch.arange(cells) + 0.5) / cells
        y, x = torch.meshgrid(places, places, indexing="ij")
        shapes = torch.tensor(_shapes(scales[level], scales[level + 1]))
        around = torch.cat((-shapes / 2, shapes / 2), 1)
        boxes.append((torch.stack((x, y, x, y), 2)[:, :, None] + around).reshape(-1, 4))
    return torch.cat(boxes).clamp(0, 1) * SIZE


def _shapes(scale: float, following: float) -> list[tuple[float, float]]:
    between = math.sqrt(scale * following)
    roots = [math.sqrt(aspect) for aspect in ASPECTS]
    oblong = [shape for r in roots for shape in ((scale * r, scale / r), (scale / r, scale * r))]
    return [(scale, scale), (between, between), *oblong]


def _round_to_eight(width: float) -> int:
    """The nearest multiple of 8, never less than nine tenths of `width`."""
    rounded = max(8, int(width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * width else rounded
