"""Training of the scoring: what similarity with the truth do people have who look like this?

The network and its gate are run on the training photos as they are run for a user, and everybody they find is compared
with the annotations. That is the target, the network stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from simple_trt.data.dataset import PoseDataset
from simple_trt.errors import SimpleTrtError
from simple_trt.models.boxes import box_iou
from simple_trt.models.predictor import Predictor, find_boxes, read_people
from simple_trt.models.scoring import Scoring, describe
from simple_trt.train.ownership import AREA

UNLABELLED = 0.3  # a box that overlaps somebody without keypoints this much cannot be judged by them
ALIKE = 0.3  # unless it is this similar to somebody with keypoints


@torch.no_grad()
def harvest_people(
    predictor: Predictor, dataset: PoseDataset, batch: int = 4, workers: int = 0
) -> Iterator[list[Tensor]]:
    """Everybody whom the predictor finds in the pictures and who can be judged, batch by batch: boxes [n,4], their
    scores [n], keypoints [n,K,3] and similarity with the truth [n].
    """
    predictor.eval()
    sigmas = torch.tensor(dataset.skeleton.sigmas)
    for items in DataLoader(dataset, batch, num_workers=workers):
        maps, shared = predictor.look(items["image"])
        boxes = find_boxes(maps, predictor.settings)
        found = read_people(maps.pose, boxes, predictor.grouping, predictor.prior, predictor.settings, shared)
        target, known = similarity_with_truth(found.boxes, found.keypoints, items, sigmas)
        known &= torch.arange(found.boxes.shape[1]) < found.num[:, None]
        yield [part[known] for part in (found.boxes, boxes.scores, found.keypoints, target)]


def similarity_with_truth(
    boxes: Tensor, keypoints: Tensor, items: dict[str, Tensor], sigmas: Tensor
) -> tuple[Tensor, Tensor]:
    """The best object keypoint similarity of found people [B,M,...] with annotated ones, and whether it says anything.

    It says nothing of somebody who is alike to nobody with keypoints but stands where somebody without is annotated.
    """
    people, points = items["boxes"], items["keypoints"]
    labelled = points[..., 2] > 0  # [B,P,K]
    area = AREA * (people[..., 2:] - people[..., :2]).prod(2)
    squares = (keypoints[:, :, None, :, :2] - points[:, None, ..., :2]).square().sum(4)  # [B,M,P,K]
    tolerance = 2 * area[:, None, :, None] * (2 * sigmas) ** 2
    alike = torch.exp(-squares / tolerance.clamp(min=1e-6)) * labelled[:, None]
    best = (alike.sum(3) / labelled.sum(2).clamp(min=1)[:, None]).amax(2)
    exists = (people[..., 2:] > people[..., :2]).all(2)
    silent = exists & ~labelled.any(2)
    overlap = torch.where(silent[:, None], box_iou(boxes, people), 0.0).amax(2)
    return best, (best > ALIKE) | (overlap < UNLABELLED)


def train_scoring(
    scoring: Scoring,
    parts: Sequence[Sequence[Tensor]],
    flip_order: Sequence[int],
    epochs: int = 20,
    batch: int = 1024,
    lr: float = 2e-3,
    seed: int = 0,
    progress: bool = True,
) -> list[float]:
    """Train `scoring` on harvested people and their mirror images: AdamW, one cycle of the rate. Returns the loss of
    each epoch.

    Raises:
        SimpleTrtError: there is nobody to learn from.
    """
    if not sum(len(part[0]) for part in parts):
        raise SimpleTrtError("the network finds nobody in the training pictures", "Train the network further.")
    boxes, scores, keypoints, target = (torch.cat(column) for column in zip(*parts, strict=True))
    seen = torch.cat([describe(boxes, scores, k) for k in (keypoints, mirrored(boxes, keypoints, flip_order))])
    mean, spread = seen.mean(0), seen.std(0, correction=0) + 1e-3
    data = TensorDataset((seen - mean) / spread, target.repeat(2))
    loader = DataLoader(data, batch, shuffle=True, generator=torch.Generator().manual_seed(seed))
    losses = _learn(scoring.layers, loader, epochs, lr, progress)
    fold(cast("nn.Linear", scoring.layers[0]), mean, spread)
    return losses


def _learn(
    layers: nn.Module, loader: DataLoader[tuple[Tensor, ...]], epochs: int, lr: float, progress: bool
) -> list[float]:
    from tqdm import trange

    optimizer = torch.optim.AdamW(layers.parameters(), lr=lr, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=epochs * len(loader))
    losses = []
    for _ in (bar := trange(epochs, unit="epoch", disable=not progress or None)):
        total = 0.0
        for seen, target in loader:
            loss = F.binary_cross_entropy_with_logits(layers(seen).squeeze(-1), target)
            optimizer.zero_grad()
            cast("Any", loss).backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        losses.append(total / len(loader))
        bar.set_postfix(loss=f"{losses[-1]:.4f}")
    return losses


def mirrored(boxes: Tensor, keypoints: Tensor, flip_order: Sequence[int]) -> Tensor:
    """Keypoints [n,K,3] of the mirror images of people whose boxes [n,4] stay where they are."""
    flipped = keypoints[:, list(flip_order)].clone()
    flipped[..., 0] = (boxes[:, 0] + boxes[:, 2])[:, None] - flipped[..., 0]
    return flipped


@torch.no_grad()
def fold(layer: nn.Linear, mean: Tensor, spread: Tensor) -> None:
    """Let a layer that has learnt on (x - mean) / spread take x."""
    layer.weight.div_(spread)
    layer.bias.sub_(layer.weight @ mean)
