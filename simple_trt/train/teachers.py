"""Teachers of mimicking: whatever knows one person's pose, behind one interface."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from simple_trt.data.dataset import MEAN, STD
from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.models.topdown import TopDown, load_topdown
from simple_trt.ops.reference.crops import padded_region
from simple_trt.skeletons import Skeleton
from simple_trt.train.regions import PADDING, crop_pictures, draw_maps, place_in_maps

if TYPE_CHECKING:
    import onnxruntime

MAPS = (64, 48)  # rows and columns of a person's maps (SIMPLE: a 256x192 teacher)
# A published HRNet's cell u stands for crop pixel 4 (u + 0.125), not for the cell's centre 4 (u + 0.5).
OFFICIAL_SHIFT = 4 * (0.5 - 0.125)
SIGMA = 2.0


class Teacher(Protocol):
    """Tells how one person's heatmaps should look."""

    def __call__(self, images: Tensor, boxes: Tensor, owner: Tensor) -> Tensor:
        """Heatmaps [n,K,64,48] of the padded regions of `boxes` [n,4] in pictures `owner` [n] of `images` [B,3,H,W]."""


@runtime_checkable
class FeatureTeacher(Teacher, Protocol):
    """A teacher whose features can be mimicked too (SIMPLE, table 3c)."""

    @property
    def channels(self) -> int:
        """Of the features."""

    def features(self, images: Tensor, boxes: Tensor, owner: Tensor) -> Tensor:
        """Features [n,channels,64,48] from which the heatmaps of the same arguments are made."""


class KeypointTeacher(Protocol):
    """A teacher that says where it thinks the keypoints are."""

    def find(self, images: Tensor, boxes: Tensor, owner: Tensor) -> tuple[Tensor, Tensor]:
        """Keypoints [n,K,2] in network-input pixels and their scores [n,K], 0..1."""


def feature_channels(teacher: Teacher | None) -> int:
    """Channels of a teacher's features. Raises UsageError when it has none to show."""
    if isinstance(teacher, FeatureTeacher):
        return teacher.channels
    raise UsageError("this teacher shows no features", "Name a top-down network with --teacher.")


@dataclass(frozen=True)
class HeatmapTeacher:
    """A top-down network; it looks at the very region that its maps cover.

    Args:
        model: crops -> heatmaps; its weights are never changed.
        shift: see `crop_pictures`; OFFICIAL_SHIFT for published weights, whose heatmap cells lie elsewhere.
        amp: run it in bfloat16.
    """

    model: TopDown
    shift: float = 0.0
    amp: bool = False

    @torch.no_grad()
    def __call__(self, images: Tensor, boxes: Tensor, owner: Tensor) -> Tensor:
        """See Teacher."""
        return self._see(self.model, images, boxes, owner)

    @property
    def channels(self) -> int:
        """See FeatureTeacher."""
        return self.model.final_layer.in_channels

    @torch.no_grad()
    def features(self, images: Tensor, boxes: Tensor, owner: Tensor) -> Tensor:
        """See FeatureTeacher."""
        return self._see(self.model.backbone, images, boxes, owner)

    def find(self, images: Tensor, boxes: Tensor, owner: Tensor) -> tuple[Tensor, Tensor]:
        """See KeypointTeacher: the highest cells, moved a quarter towards their higher neighbours."""
        maps = self(images, boxes, owner)
        scores, cell = maps.flatten(2).max(2)
        rows, cols = MAPS
        u, v = cell % cols, torch.div(cell, cols, rounding_mode="floor")
        padded = F.pad(maps, (1, 1, 1, 1), "replicate").flatten(2)

        def near(du: int, dv: int) -> Tensor:
            return padded.gather(2, ((v + 1 + dv) * (cols + 2) + u + 1 + du)[..., None])[..., 0]

        slope = torch.stack((near(1, 0) - near(-1, 0), near(0, 1) - near(0, -1)), 2).sign()
        places = torch.stack((u, v), 2) + 0.25 * slope
        region = padded_region(boxes[None], rows, cols, PADDING)
        share = (places + 0.5) / places.new_tensor([cols, rows])
        return region.corner[0][:, None] + share * region.size[0][:, None], scores

    def _see(self, network: nn.Module, images: Tensor, boxes: Tensor, owner: Tensor) -> Tensor:
        rows, cols = MAPS
        crops = crop_pictures(images, boxes, owner, (4 * rows, 4 * cols), self.shift)
        self.model.eval()
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.amp):
            answer: Tensor = network(crops)
        return answer.float()


class OnnxTeacher:
    """Any single-person ONNX model: square or oblong crops in, keypoints (y, x, score in 0..1) or heatmaps out.

    Its answers are drawn as Gaussians of the height of their scores (sigma of two cells), because a keypoint has no
    extent, and because heatmaps of another shape would be another measure. Its features are what its last convolution
    to K channels looks at, which a model that answers keypoints has inside, too.
    """

    def __init__(self, path: str | Path, skeleton: Skeleton) -> None:
        """Raises SimpleTrtError: no such file, no readable model, or not of one picture in and K keypoints out."""
        self.path, self.keypoints = Path(path), len(skeleton)
        self.session = self._open(str(path))
        entry = self.session.get_inputs()[0]
        shape = [d if isinstance(d, int) else 1 for d in entry.shape]
        if len(shape) != 4 or 3 not in (shape[1], shape[3]):
            raise SimpleTrtError(f"the teacher '{path}' takes {entry.shape}, no picture", "name a single-person model")
        self.name, self.kind = entry.name, entry.type
        self.channels_last = shape[3] == 3
        self.size = (shape[1], shape[2]) if self.channels_last else (shape[2], shape[3])

    def _open(self, model: str | bytes) -> onnxruntime.InferenceSession:
        import onnxruntime

        try:
            return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has an exception of its own for every kind of damage
            raise SimpleTrtError(f"the teacher '{self.path}' cannot be opened ({error})", "name an ONNX file") from None

    @torch.no_grad()
    def __call__(self, images: Tensor, boxes: Tensor, owner: Tensor) -> Tensor:
        """See Teacher."""
        points, scores = self.find(images, boxes, owner)
        return draw_maps(place_in_maps(points, boxes, MAPS), scores, MAPS, SIGMA)

    def find(self, images: Tensor, boxes: Tensor, owner: Tensor) -> tuple[Tensor, Tensor]:
        """See KeypointTeacher."""
        if not len(boxes):
            return boxes.new_zeros(0, self.keypoints, 2), boxes.new_zeros(0, self.keypoints)
        crops = crop_pictures(images, boxes, owner, self.size)
        found = np.stack([self._keypoints(self.session.run(None, {self.name: x})[0]) for x in self._inputs(crops)])
        answers = torch.from_numpy(found).to(images)
        return self._to_pictures(answers[..., :2], boxes), answers[..., 2]

    @property
    def channels(self) -> int:
        """See FeatureTeacher. Raises UsageError where no convolution to K channels is in the model."""
        return self._inside[1]

    @torch.no_grad()
    def features(self, images: Tensor, boxes: Tensor, owner: Tensor) -> Tensor:
        """See FeatureTeacher. Raises UsageError as `channels`, and where the model's crops are narrower than 3:4."""
        rows, cols = MAPS
        height, width = self.size
        share = cols * height / (rows * width)  # of the crop's width; its height is that of the region of the maps
        if share > 1:
            raise UsageError(f"the teacher '{self.path}' takes crops of {width}x{height}", "name one for 3:4 or wider")
        if not len(boxes):
            return boxes.new_zeros(0, self.channels, *MAPS)
        region = padded_region(boxes[None], rows, cols, PADDING)
        # Without its padding, which cropping adds again: the crop then holds the whole region of the maps.
        bare = torch.cat((region.corner, region.corner + region.size), 2)[0]
        inset = 0.5 * (1 - 1 / PADDING) * (bare[:, 2:] - bare[:, :2])
        crops = crop_pictures(images, bare + torch.cat((inset, -inset), 1), owner, self.size)
        session = self._inside[0]
        seen = torch.from_numpy(np.concatenate([session.run(None, {self.name: x})[0] for x in self._inputs(crops)]))
        middle = seen.new_tensor([[share, 0, 0], [0, 1, 0]]).expand(len(seen), -1, -1)
        grid = F.affine_grid(middle, [*seen.shape[:2], rows, cols], align_corners=False)
        return F.grid_sample(seen, grid, padding_mode="border", align_corners=False).to(images)

    @cached_property
    def _inside(self) -> tuple[onnxruntime.InferenceSession, int]:
        """The same model up to its features, and how many channels these have."""
        import onnx

        model = onnx.load(self.path)
        shapes = {entry.name: entry.dims for entry in model.graph.initializer}
        heads = [node for node in model.graph.node if node.op_type == "Conv"]
        heads = [node for node in heads if list(shapes.get(node.input[1], ()))[:1] == [self.keypoints]]
        if not heads:
            cause = f"the teacher '{self.path}' shows no features: no convolution makes {self.keypoints} heatmaps"
            raise UsageError(cause, "name a model that finds keypoints by heatmaps")
        name, channels = heads[-1].input[0], shapes[heads[-1].input[1]][1]
        del model.graph.output[:]
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
        return self._open(model.SerializeToString()), channels

    def _inputs(self, crops: Tensor) -> list[Any]:
        """Each crop as the model wants it: whole numbers are pixels 0..255, floats our normalised values."""
        if "float" in self.kind:
            values = crops.numpy()
        else:
            pixels = crops.permute(0, 2, 3, 1).numpy() * STD + MEAN
            kind = np.uint8 if "uint8" in self.kind else np.int32
            values = np.rint(pixels * 255).clip(0, 255).astype(kind).transpose(0, 3, 1, 2)
        values = values.transpose(0, 2, 3, 1) if self.channels_last else values
        return [np.ascontiguousarray(value[None]) for value in values]

    def _keypoints(self, answer: np.ndarray) -> np.ndarray:
        """(x, y, score) [K,3], x and y in 0..1 of the crop."""
        if answer.size == 3 * self.keypoints:
            rows = answer.reshape(self.keypoints, 3)
            return rows[:, [1, 0, 2]].astype(np.float32)
        maps = answer[0] if answer.ndim == 4 else np.empty((0, 0, 0))
        maps = maps.transpose(2, 0, 1) if maps.shape[-1] == self.keypoints else maps
        if maps.shape[0] != self.keypoints:
            raise SimpleTrtError(
                f"the teacher '{self.path}' answers {list(answer.shape)}, no {self.keypoints} keypoints or heatmaps",
                "name a single-person model of the same skeleton",
            )
        height, width = maps.shape[1:]
        cell = maps.reshape(self.keypoints, -1).argmax(1)
        u, v = cell % width, cell // width
        return np.stack(((u + 0.5) / width, (v + 0.5) / height, maps[np.arange(len(maps)), v, u]), 1).astype(np.float32)

    def _to_pictures(self, places: Tensor, boxes: Tensor) -> Tensor:
        """Places [n,K,2] in 0..1 of the crops -> network-input pixels."""
        region = padded_region(boxes[None], *self.size, PADDING)
        return region.corner[0][:, None] + places * region.size[0][:, None]


def load_teacher(
    path: str | Path, skeleton: Skeleton, official: bool = False, amp: bool = False
) -> HeatmapTeacher | OnnxTeacher:
    """The teacher in a file: an ONNX model, or a checkpoint of a top-down HRNet.

    Args:
        path: `.onnx`, or weights in the official, mmpose or our own layout.
        skeleton: whose keypoints it must know.
        official: the weights were trained with the published code, whose heatmap cells lie elsewhere.
        amp: run a network in bfloat16.

    Raises:
        SimpleTrtError: the file is missing, damaged, or of another kind or skeleton.
    """
    if Path(path).suffix == ".onnx":
        return OnnxTeacher(path, skeleton)
    return HeatmapTeacher(load_topdown(path, len(skeleton)), OFFICIAL_SHIFT if official else 0.0, amp)
