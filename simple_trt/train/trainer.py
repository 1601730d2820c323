"""The training loop: resumable at any step, on one device or in several processes."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset

from simple_trt.data.dataset import PoseDataset
from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.train.average import AveragedModel
from simple_trt.train.config import TrainConfig
from simple_trt.train.learners import Learner
from simple_trt.train.parallel import Processes, synchronise_batch_norms
from simple_trt.train.quantising import QuantisedNetwork, Rounding
from simple_trt.train.record import Record, write_samples
from simple_trt.train.state import flatten_optimizer, load_state, prefixed, restore_optimizer, save_state, unprefixed

STATE = "state.safetensors"
LOG_EVERY = 10  # steps
NETWORK = "network."


class EpochDataset(Protocol):
    """Pictures whose augmentation depends on the epoch."""

    epoch: int

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, index: int, /) -> dict[str, Tensor]:
        """One of them, as the present epoch shows it."""


class Trainer:
    """Trains the network of `learner` on `dataset`; keeps state, log and sample pictures in `out`.

    Two runs with the same configuration give the same weights, whether or not one of them was killed and resumed.

    Args:
        learner: a network with its losses.
        dataset: of one picture or person an item.
        config: how it is trained.
        out: folder of the run.
        device: "cpu" or "cuda".
        processes: which of several processes this is; each takes `config.batch` items a step.

    Raises:
        SimpleTrtError: too few pictures for a step.
        UsageError: the configuration freezes what the network does not have.
    """

    def __init__(
        self,
        learner: Learner,
        dataset: EpochDataset,
        config: TrainConfig,
        out: Path,
        device: str = "cpu",
        processes: Processes | None = None,
    ) -> None:
        self.config, self.dataset, self.out, self.device = config, dataset, out, device
        self.processes = processes or Processes()
        self.items = self.processes.count * config.batch
        self.size = len(dataset)
        if self.size < self.items:
            raise SimpleTrtError(
                f"{self.size} pictures do not fill a batch of {self.items}", "Lower --batch or add pictures."
            )
        if config.sync_bn and self.processes.count > 1:
            synchronise_batch_norms(learner.network, device)
        self.learner = learner.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.frozen = self._freeze()
        self.fixed = [*self.frozen, *self._named("fixed_statistics")]
        self.shared = self.processes.share(self.learner, unused=config.mimic_from > 1)
        self.average = AveragedModel(self.network, config.ema)
        self.optimizer = torch.optim.AdamW(self._parameter_groups(), lr=config.lr)
        self.steps_per_epoch = self.size // self.items
        self.step = 0
        out.mkdir(parents=True, exist_ok=True)

    @property
    def network(self) -> nn.Module:
        """What is trained and kept."""
        return self.learner.network

    @property
    def epoch(self) -> int:
        """The present epoch, from 1."""
        return self.step // self.steps_per_epoch + 1

    def resume(self) -> bool:
        """Take up the state in `out`, if there is one. Raises SimpleTrtError when it belongs to another
        configuration.
        """
        path = self.out / STATE
        if not path.exists():
            return False
        tensors, progress = load_state(path)
        if progress["config"] != self._fingerprint():
            raise SimpleTrtError(f"{path} was made with other settings", "Use the same settings, or another --out.")
        self._restore(tensors, progress["step"])
        return True

    def fork(self, path: Path) -> None:
        """Go on from the state of another run of the same network and data, as if its steps had been this run's.

        What is trained along (adapters) starts afresh if the other run had none. Raises SimpleTrtError when the network
        or the number of pictures a step is another.
        """
        tensors, progress = load_state(path)
        for key in ("preset", "skeleton", "batch", "pictures", "processes", "seed"):
            if progress["config"].get(key) != self._fingerprint().get(key):
                raise SimpleTrtError(f"{path} was made with another {key}", "Fork runs that differ in mimicking only.")
        fresh = prefixed("learner", self.learner.state_dict())
        along = {key: value for key, value in fresh.items() if not key.startswith(f"learner.{NETWORK}")}
        self._restore(along | tensors, progress["step"])

    def _restore(self, tensors: dict[str, Tensor], step: int) -> None:
        self.learner.load_state_dict(unprefixed("learner", tensors))
        self.average.module.load_state_dict(unprefixed("average", tensors))
        self.average.updates = self.step = step
        restore_optimizer(self.optimizer, tensors)

    def run(self, progress: bool = True, until: int | None = None) -> nn.Module:
        """Train to the end, or to that of epoch `until`, and return the network to keep: the average if there is one,
        else the last.
        """
        from tqdm import tqdm

        first = self.processes.first
        record = Record(self.out, self.step, self.config.tensorboard) if first else None
        total = self.steps_per_epoch * (until or self.config.epochs)
        started, before = time.monotonic(), self.step
        with tqdm(total=total, initial=self.step, unit="step", disable=not (progress and first) or None) as bar:
            while self.step < total:
                for batch in self.batches():
                    losses = self.train_step(batch)
                    bar.update()
                    if record and (self.step % LOG_EVERY == 0 or self.step == total):
                        speed = (self.step - before) * self.items / (time.monotonic() - started)
                        numbers = {name: value.item() for name, value in losses.items()}
                        bar.set_postfix(
                            epoch=self.epoch, loss=f"{sum(numbers.values()):.2f}", pictures=f"{speed:.1f}/s"
                        )
                        record.add(self.step, {"lr": self.learning_rate()} | numbers | {"pictures_per_second": speed})
                    if self.step % self.config.save_every == 0:
                        self.save()
                self._show()
        self.save()
        if record:
            record.close()
        return self.average.module if self.config.ema else self.network

    def train_step(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """One optimizer step on one batch; returns the loss terms. Raises SimpleTrtError when the loss is not
        finite.
        """
        self.shared.train()
        for module in self.fixed:
            module.eval()
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate() * group.get("rate", 1.0)
        losses = self.shared({k: v.to(self.device, non_blocking=True) for k, v in batch.items()}, self.epoch)
        loss = torch.stack(list(losses.values())).sum()
        if not torch.isfinite(loss):
            terms = ", ".join(f"{name} {value.item():.3g}" for name, value in losses.items())
            raise SimpleTrtError(
                f"the loss is {loss.item()} at step {self.step}, pictures {batch['image_id'].tolist()} ({terms})",
                "Look at these pictures' annotations, or lower the learning rate; the last saved state is intact.",
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.config.clip:
            nn.utils.clip_grad_norm_(self.learner.parameters(), self.config.clip)
        self.optimizer.step()
        self.step += 1
        if self.config.ema:
            self.average.update(self.network)
        return {name: value.detach() for name, value in losses.items()}

    def learning_rate(self) -> float:
        """Rate of the present step: warm-up, then steps at the milestones or a cosine to zero."""
        config = self.config
        rate = config.lr * min(1.0, (self.step + 1) / max(config.warmup, 1))
        if config.milestones:
            return rate * 0.1 ** sum(self.epoch > m for m in config.milestones)
        return rate * 0.5 * (1 + math.cos(math.pi * self.step / (self.steps_per_epoch * config.epochs)))

    def save(self) -> None:
        """Write the state from which `resume` goes on; one process does."""
        if self.processes.first:
            tensors = prefixed("learner", self.learner.state_dict())
            tensors |= prefixed("average", self.average.module.state_dict())
            save_state(
                self.out / STATE,
                tensors | flatten_optimizer(self.optimizer),
                {"step": self.step, "config": self._fingerprint()},
            )
        self.processes.wait()

    def _freeze(self) -> list[nn.Module]:
        frozen = self._named("freeze")
        for module in frozen:
            module.requires_grad_(False)
        return frozen

    def _named(self, setting: str) -> list[nn.Module]:
        """The network's modules that a setting names. Raises UsageError when it has not all of them."""
        names = getattr(self.config, setting)
        modules = [module for name, module in self.network.named_modules() if name in names]
        if len(modules) < len(names):
            raise UsageError(
                f"{setting} names {', '.join(names)}, not all of which the network has", "Correct the setting."
            )
        return modules

    def _parameter_groups(self) -> list[dict[str, Any]]:
        """The network's weights decay; those of adapters, which start as the identity, must not, nor ranges of int8.
        `slow` modules have a group of their own, and so have the ranges.
        """
        named = {name: p for name, p in self.learner.named_parameters() if p.requires_grad}
        slow = {id(p) for module in self._named("slow") for p in module.parameters()}
        roundings = [module for module in self.network.modules() if isinstance(module, Rounding)]
        ranges = [module.growth for module in roundings if module.growth.requires_grad]
        known = {id(p) for p in ranges}
        own = [p for name, p in named.items() if name.startswith(NETWORK) and id(p) not in known]
        groups = [
            {"params": [p for p in own if id(p) not in slow], "weight_decay": self.config.weight_decay},
            {
                "params": [p for p in own if id(p) in slow],
                "weight_decay": self.config.weight_decay,
                "rate": self.config.slow_rate,
            },
            {"params": ranges, "weight_decay": 0.0, "rate": self.config.quantise.rate},
            {"params": [p for name, p in named.items() if not name.startswith(NETWORK)], "weight_decay": 0.0},
        ]
        return [group for group in groups if group["params"]]

    def batches(self) -> Iterator[dict[str, Tensor]]:
        """What is left of the present epoch, for this process."""
        epoch, done = divmod(self.step, self.steps_per_epoch)
        self.dataset.epoch = epoch
        generator = torch.Generator().manual_seed(self.config.seed * 100_003 + epoch)
        order = torch.randperm(self.size, generator=generator)[: self.steps_per_epoch * self.items]
        batch = self.config.batch
        own = order.view(self.steps_per_epoch, self.processes.count, batch)[done:, self.processes.rank].flatten()
        yield from DataLoader(
            Subset(cast("Dataset[dict[str, Tensor]]", self.dataset), own.tolist()),
            batch,
            num_workers=self.config.workers,
            pin_memory=self.device != "cpu",
        )

    def _show(self) -> None:
        """Sample pictures at the end of every so many epochs."""
        epoch, every = self.epoch - 1, self.config.samples_every
        if self.processes.first and every and epoch % every == 0 and isinstance(self.dataset, PoseDataset):
            network = self.average.module if self.config.ema else self.network
            self.dataset.epoch = 0
            write_samples(network, self.dataset, self.out / "samples" / f"epoch-{epoch:03}.jpg", self.device)

    def _fingerprint(self) -> dict[str, Any]:
        """What must not change between a run and its resumption."""
        settings = dataclasses.asdict(self.config)
        for harmless in ("workers", "save_every", "samples_every", "tensorboard"):
            settings.pop(harmless)
        if not isinstance(self.network, QuantisedNetwork):
            settings.pop("quantise")  # runs of earlier versions have none
        if not self.config.backbone_only:
            settings.pop("backbone_only")  # nor this
        return json.loads(json.dumps(settings | {"pictures": self.size, "processes": self.processes.count}))
