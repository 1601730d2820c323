"""Training in several processes (torchrun): who we are, and numbers that all of them must agree on."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, distributed, nn
from torch.distributed.nn.functional import all_reduce as differentiable_all_reduce

from simple_trt.errors import SimpleTrtError

Total = Callable[[Tensor], Tensor]
"""What a loss is divided by, for a count over one process' batch: the count over all processes, at least 1, for each.

The sum of losses over all processes divided by the sum of counts is what one process with all the pictures would
compute; as gradients are averaged over processes, each divides its own sum by the mean count.
"""


def alone(count: Tensor) -> Tensor:
    """The Total of a single process."""
    return count.clamp(min=1)


@dataclass(frozen=True)
class Processes:
    """This process' number and how many there are. Each takes `batch` pictures a step, and gradients are averaged."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and speaks."""
        return self.rank == 0

    def total(self, count: Tensor) -> Tensor:
        """See Total; no gradient flows."""
        if self.count == 1:
            return alone(count)
        everywhere = count.detach().float()
        distributed.all_reduce(everywhere)
        return alone(everywhere) / self.count

    def wait(self) -> None:
        """Return when all processes are here."""
        if self.count > 1:
            distributed.barrier()

    def share(self, learner: nn.Module, *, unused: bool) -> nn.Module:
        """The same module with its gradients averaged over all processes; `unused`: some may take no part in a step."""
        if self.count == 1:
            return learner
        return nn.parallel.DistributedDataParallel(learner, find_unused_parameters=unused)


def join_processes(device: str) -> Processes:
    """Join the processes that torchrun has started; alone where it has not.

    Raises SimpleTrtError when the others cannot be reached.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return Processes()
    if not distributed.is_initialized():
        if device == "cuda":
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        try:
            distributed.init_process_group("nccl" if device == "cuda" else "gloo")
        except (RuntimeError, ValueError) as error:
            raise SimpleTrtError(
                f"the {count} processes cannot reach each other ({error})", "Check torchrun."
            ) from None
    return Processes(distributed.get_rank(), count)


class GlobalBatchNorm(nn.BatchNorm2d):
    """Batch norm whose statistics are those of all processes' pictures, on any device (torch's own is for GPUs)."""

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,H,W] -> [B,C,H,W]."""
        if not self.training:
            return super().forward(x)
        values = x.float()
        sums = torch.stack((values.sum((0, 2, 3)), values.square().sum((0, 2, 3))))
        sums = differentiable_all_reduce(sums)
        count = values.new_tensor(float(values[:, 0].numel()))
        distributed.all_reduce(count)
        mean = sums[0] / count
        variance = (sums[1] / count - mean.square()).clamp(min=0)
        self._follow(mean.detach(), (variance * count / (count - 1)).detach())
        scale = self.weight * (variance + self.eps).rsqrt()
        return (values * _wide(scale) + _wide(self.bias - mean * scale)).to(x.dtype)

    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        momentum = cast("float", self.momentum)
        cast("Tensor", self.running_mean).lerp_(mean, momentum)
        cast("Tensor", self.running_var).lerp_(variance, momentum)
        cast("Tensor", self.num_batches_tracked).add_(1)


def _wide(x: Tensor) -> Tensor:
    return x.view(1, -1, 1, 1)


def synchronise_batch_norms(model: nn.Module, device: str) -> nn.Module:
    """The same model, weights shared, with batch statistics over all processes; its state_dict keeps its keys."""
    if device == "cuda":
        return cast("nn.Module", nn.SyncBatchNorm.convert_sync_batchnorm(model))
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = GlobalBatchNorm
    return model
