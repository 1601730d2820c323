"""Training of the grouping gate, after the network and with the network frozen.

SIMPLE (section 3.4) supervises the gate with the person's own *predicted* activations, so the crops are harvested from
the trained network's heatmaps first; the gate, which is tiny, is then trained on them for many epochs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from simple_trt.data.dataset import PoseDataset
from simple_trt.data.labels import Sample
from simple_trt.errors import SimpleTrtError
from simple_trt.models.boxes import box_iou
from simple_trt.models.grouping import Grouping
from simple_trt.models.predictor import DecodeSettings, FoundBoxes, crop_context, find_boxes, look
from simple_trt.train.ownership import own_masks

FindBoxes = Callable[[Any, DecodeSettings], FoundBoxes]
"""Maps of a network, which have a field `pose`, -> the boxes that they hold."""

MIN_POINT = 0.1  # probability of the points of the boxes that are learnt from: what a user's boxes have at least
BOXES = 3  # of one person, the best, at most: more would be much the same
MIN_IOU = 0.5  # a predicted box stands for the person it overlaps this much
JITTER = 0.1  # of a box's size: how far annotated boxes are moved and stretched
MIN_KEYPOINTS = 3  # labelled keypoints that make a person worth learning from


def keypoint_prior(samples: Iterable[Sample]) -> Tensor:
    """Mean place of each keypoint in its person's box [K,2], (x, y) in 0..1, over all labelled keypoints.

    Raises SimpleTrtError when a class is never labelled.
    """
    total, count = torch.zeros(()), torch.zeros(())
    for sample in samples:
        for person in sample.people:
            box, points = torch.from_numpy(person.box), torch.from_numpy(person.keypoints)
            known = torch.from_numpy(person.visible > 0).float()[:, None]
            total = total + known * ((points - box[:2]) / (box[2:] - box[:2]).clamp(min=1)).clamp(0, 1)
            count = count + known
    if not count.ndim or not bool((count > 0).all()):
        raise SimpleTrtError(
            "some keypoint is labelled nowhere in the training data", "Check the annotations' keypoints."
        )
    return total / count


@torch.no_grad()
def harvest(
    model: nn.Module,
    dataset: PoseDataset,
    settings: DecodeSettings,
    batch: int = 4,
    workers: int = 0,
    find: FindBoxes = find_boxes,
    gate: nn.Module | None = None,
) -> Iterator[list[Tensor]]:
    """Crops to learn from, batch by batch: [crops [n,K,h,w] float16 in 0..1, keep [n,K,h,w] bool, weight [n,K] bool,
    shared [n,C,h/2,w/2] float16].

    keep marks the person's own activation of each class; weight is 0 for unlabelled classes; shared are crops of the
    shared features where `gate` has a context (C is 0 otherwise). Boxes are the network's own, as `find` reads them
    from its maps, where they match a person, and jittered annotated ones.
    """
    model.eval()
    certain = dataclasses.replace(settings, point_threshold=MIN_POINT)
    generator = torch.Generator().manual_seed(dataset.seed)
    for items in DataLoader(dataset, batch, num_workers=workers):
        maps, shared = look(model, gate, items["image"])
        boxes, owner = _candidates(find(maps, certain).boxes, items, generator)
        around = crop_context(maps.pose[:, :0] if shared is None else shared, boxes, settings)
        crops = own_masks(maps.pose, (boxes, owner), items, settings, dataset.skeleton.sigmas)
        yield [*crops, around[owner >= 0].half()]


def _candidates(predicted: Tensor, items: dict[str, Tensor], generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Predicted [B,M,4] and jittered annotated boxes, and the person each stands for (-1: none)."""
    people = items["boxes"]
    learnable = (items["keypoints"][..., 2] > 0).sum(2) >= MIN_KEYPOINTS
    iou, owner = box_iou(predicted, people).max(2)
    owner = torch.where((iou >= MIN_IOU) & learnable.gather(1, owner), owner, -1)
    earlier = (owner[:, :, None] == owner[:, None]).tril(-1).sum(2)
    owner = torch.where(earlier < BOXES, owner, -1)
    size = (people[..., 2:] - people[..., :2]).repeat(1, 1, 2)
    moved = people + size * JITTER * (2 * torch.rand(people.shape, generator=generator) - 1)
    index = torch.arange(people.shape[1]).expand(people.shape[:2])
    return torch.cat([predicted, moved], 1), torch.cat([owner, torch.where(learnable, index, -1)], 1)


def grouping_loss(logits: Tensor, crops: Tensor, keep: Tensor, weight: Tensor) -> Tensor:
    """Cross entropy between the gate and the keep mask, weighted by the activation it decides about.

    logits, crops, keep: [n,K,h,w]; weight: [n,K].
    """
    importance = weight[..., None, None] * crops
    errors = F.binary_cross_entropy_with_logits(logits, keep.float(), reduction="none")
    return (importance * errors).sum() / (importance.sum() + 1e-3)


def train_grouping(
    gate: Grouping,
    parts: Sequence[Sequence[Tensor]],
    epochs: int = 20,
    batch: int = 256,
    lr: float = 1e-3,
    seed: int = 0,
    progress: bool = True,
) -> list[float]:
    """Train `gate` on harvested crops: Adam, rate divided by 10 at 60 % and 80 % of the epochs. Returns the loss of
    each epoch.
    """
    from tqdm import trange

    if not parts or not sum(len(p[0]) for p in parts):
        raise SimpleTrtError(
            "the network finds nobody in the training pictures", "Train the network further before its grouping gate."
        )
    data = TensorDataset(*(torch.cat(column) for column in zip(*parts, strict=True)))
    optimizer = torch.optim.Adam(gate.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [int(epochs * 0.6), int(epochs * 0.8)])
    generator = torch.Generator().manual_seed(seed)
    losses = []
    for _ in (bar := trange(epochs, unit="epoch", disable=not progress or None)):
        losses.append(_epoch(gate, DataLoader(data, batch, shuffle=True, generator=generator), optimizer))
        bar.set_postfix(loss=f"{losses[-1]:.4f}")
        schedule.step()
    gate.eval()
    return losses


def _epoch(gate: Grouping, loader: DataLoader[tuple[Tensor, ...]], optimizer: torch.optim.Optimizer) -> float:
    gate.train()
    total = 0.0
    for crops, keep, weight, shared in loader:
        values = crops.float()
        loss = grouping_loss(gate.logits(values, shared.float()), values, keep, weight.float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(loader)
