"""Networks with what they are trained towards: a batch in, the terms of the loss out."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from simple_trt.models.predictor import DecodeSettings
from simple_trt.models.simple import Simple
from simple_trt.train.associative import associative_losses
from simple_trt.train.losses import stage1_losses
from simple_trt.train.mimicking import Mimicking
from simple_trt.train.parallel import Processes, Total
from simple_trt.train.regression import regression_losses


class Learner(nn.Module):
    """`network` and all that is trained along with it and dropped afterwards.

    One module, so that several processes can average all of its gradients. Subclasses give the losses.

    Args:
        network: image [B,3,H,W] -> maps, of which `pose` [B,K,H/4,W/4] are the heatmaps.
        pose_background: see pose_loss.
        amp: run the network in bfloat16 where that is safe (autocast).
        processes: whose counts the losses are divided by.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        pose_background: float = 1.0,
        amp: bool = False,
        processes: Processes | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.pose_background = pose_background
        self.amp = amp
        self.total: Total = (processes or Processes()).total

    def forward(self, batch: dict[str, Tensor], epoch: int) -> dict[str, Tensor]:
        """The terms of the loss by name; their sum is the loss. `epoch` counts from 1."""
        raise NotImplementedError

    def predict(self, batch: dict[str, Tensor]) -> Any:
        """The network's maps of a batch."""
        image = batch["image"].contiguous(memory_format=torch.channels_last)
        with torch.autocast(image.device.type, torch.bfloat16, enabled=self.amp):
            return self.network(image)


class PointLearner(Learner):
    """SIMPLE: point learning of boxes and poses (stage 1), with mimicking from some epoch on (stage 2).

    Args:
        network: whose corners, centers and heatmaps are learnt.
        mimicking: the losses of stage 2, or None.
        mimic_from: first epoch of stage 2, from 1.
        decode: how the network's maps become the boxes that are mimicked in.
        options: see Learner.
    """

    def __init__(
        self,
        network: nn.Module,
        mimicking: Mimicking | None = None,
        mimic_from: int = 1,
        decode: DecodeSettings | None = None,
        **options: Any,
    ) -> None:
        super().__init__(network, **options)
        self.mimicking = mimicking
        self.mimic_from = mimic_from
        self.decode = decode or DecodeSettings()

    def forward(self, batch: dict[str, Tensor], epoch: int) -> dict[str, Tensor]:
        """See Learner."""
        if self.mimicking is None or epoch < self.mimic_from:
            return stage1_losses(self.predict(batch), batch, self.pose_background, self.total)
        network = cast("Simple", self.network)
        image = batch["image"].contiguous(memory_format=torch.channels_last)
        with torch.autocast(image.device.type, torch.bfloat16, enabled=self.amp):
            shared, maps = network.shared_and_maps(image)
        losses = stage1_losses(maps, batch, self.pose_background, self.total)
        return losses | self.mimicking(image, shared, maps, batch, self.decode, self.total)


class AssociativeLearner(Learner):
    """Heatmaps and tags of an Associative (SIMPLE, table 2 a)."""

    def forward(self, batch: dict[str, Tensor], epoch: int) -> dict[str, Tensor]:  # noqa: ARG002 - as in every epoch
        """See Learner."""
        return associative_losses(self.predict(batch), batch, self.pose_background)


class RegressionLearner(Learner):
    """Heatmaps, and boxes by regression, of a Regression (SIMPLE, table 2 b)."""

    def forward(self, batch: dict[str, Tensor], epoch: int) -> dict[str, Tensor]:  # noqa: ARG002 - as in every epoch
        """See Learner."""
        return regression_losses(self.predict(batch), batch, self.pose_background, self.total)


class TopDownLearner(Learner):
    """A top-down network: half the mean squared error of the heatmaps, over labelled keypoints (arXiv 1804.06208)."""

    def forward(self, batch: dict[str, Tensor], epoch: int) -> dict[str, Tensor]:  # noqa: ARG002 - as in every epoch
        """See Learner; `batch` is PersonDataset's."""
        errors = (self.predict(batch).float() - batch["pose"]).square().mean((2, 3))
        return {"pose": 0.5 * (batch["weight"] * errors).mean()}
