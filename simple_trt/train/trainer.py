"""The trainer of stage 1: one loop, resumable at any step."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset

from simple_trt.data.dataset import PoseDataset
from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.train.average import AveragedModel
from simple_trt.train.config import TrainConfig
from simple_trt.train.losses import stage1_losses
from simple_trt.train.state import flatten_optimizer, load_state, prefixed, restore_optimizer, save_state, unprefixed

STATE = "state.safetensors"


class Trainer:
    """Trains `model` (image -> Maps) on `dataset`; keeps state.safetensors and log.csv in `out`.

    Two runs with the same configuration give the same weights, whether or not one of them was killed and resumed.
    """

    def __init__(
        self, model: nn.Module, dataset: PoseDataset, config: TrainConfig, out: Path, device: str = "cpu"
    ) -> None:
        if len(dataset) < config.batch:
            raise SimpleTrtError(
                f"{len(dataset)} pictures do not fill a batch of {config.batch}", "Lower --batch or add pictures."
            )
        self.config, self.dataset, self.out, self.device = config, dataset, out, device
        self.model = model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.frozen = [module for name, module in model.named_modules() if name in config.freeze]
        for module in self.frozen:
            module.requires_grad_(False)
        if len(self.frozen) < len(config.freeze):
            raise UsageError(f"freeze names {config.freeze}, not all of which the network has", "Correct the setting.")
        self.average = AveragedModel(self.model, config.ema)
        self.optimizer = torch.optim.AdamW(
            (p for p in self.model.parameters() if p.requires_grad), lr=config.lr, weight_decay=config.weight_decay
        )
        self.steps_per_epoch = len(dataset) // config.batch
        self.step = 0
        out.mkdir(parents=True, exist_ok=True)

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
        self.model.load_state_dict(unprefixed("model", tensors))
        self.average.module.load_state_dict(unprefixed("average", tensors))
        self.average.updates = progress["step"]
        restore_optimizer(self.optimizer, tensors)
        self.step = progress["step"]
        return True

    def run(self, progress: bool = True) -> nn.Module:
        """Train to the end and return the weights to keep: the average if there is one, else the last."""
        from tqdm import tqdm

        total = self.steps_per_epoch * self.config.epochs
        with tqdm(total=total, initial=self.step, unit="step", disable=not progress or None) as bar:
            while self.step < total:
                for batch in self._batches():
                    losses = self.train_step(batch)
                    bar.update()
                    if self.step % 10 == 0:
                        bar.set_postfix(
                            {"epoch": self.step // self.steps_per_epoch, "loss": f"{sum(losses.values()):.2f}"}
                        )
                        self._log(losses)
                    if self.step % self.config.save_every == 0:
                        self.save()
        self.save()
        return self.average.module if self.config.ema else self.model

    def train_step(self, batch: dict[str, Tensor]) -> dict[str, float]:
        """One optimizer step on one batch; returns the loss terms. Raises SimpleTrtError when the loss is not
        finite.
        """
        self.model.train()
        for module in self.frozen:
            module.eval()
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        batch = {k: v.to(self.device, non_blocking=True) for k, v in batch.items()}
        image = batch["image"].contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.config.amp == "bf16"):
            maps = self.model(image)
        losses = stage1_losses(maps, batch, self.config.pose_background)
        loss = torch.stack(list(losses.values())).sum()
        if not torch.isfinite(loss):
            raise SimpleTrtError(
                f"the loss is {loss.item()} at step {self.step}, pictures {batch['image_id'].tolist()}",
                "Look at these pictures' annotations, or lower the learning rate; the last saved state is intact.",
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.config.clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.optimizer.step()
        self.step += 1
        if self.config.ema:
            self.average.update(self.model)
        return {name: value.item() for name, value in losses.items()}

    def learning_rate(self) -> float:
        """Rate of the present step: warm-up, then steps at the milestones or a cosine to zero."""
        config = self.config
        rate = config.lr * min(1.0, (self.step + 1) / max(config.warmup, 1))
        if config.milestones:
            epoch = self.step // self.steps_per_epoch + 1
            return rate * 0.1 ** sum(epoch > m for m in config.milestones)
        return rate * 0.5 * (1 + math.cos(math.pi * self.step / (self.steps_per_epoch * config.epochs)))

    def save(self) -> None:
        """Write the state from which `resume` goes on."""
        tensors = prefixed("model", self.model.state_dict()) | prefixed("average", self.average.module.state_dict())
        save_state(
            self.out / STATE,
            tensors | flatten_optimizer(self.optimizer),
            {"step": self.step, "config": self._fingerprint()},
        )

    def _batches(self) -> Iterator[dict[str, Tensor]]:
        """What is left of the present epoch."""
        epoch, done = divmod(self.step, self.steps_per_epoch)
        self.dataset.epoch = epoch
        order = torch.randperm(
            len(self.dataset), generator=torch.Generator().manual_seed(self.config.seed * 100_003 + epoch)
        )
        batch = self.config.batch
        left = Subset(self.dataset, order[done * batch : self.steps_per_epoch * batch].tolist())
        yield from DataLoader(
            left, batch, num_workers=self.config.workers, drop_last=True, pin_memory=self.device != "cpu"
        )

    def _fingerprint(self) -> dict[str, Any]:
        """What must not change between a run and its resumption."""
        settings = dataclasses.asdict(self.config)
        for harmless in ("workers", "save_every"):
            settings.pop(harmless)
        return json.loads(json.dumps(settings | {"pictures": len(self.dataset)}))

    def _log(self, losses: dict[str, float]) -> None:
        path = self.out / "log.csv"
        new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(["step", "lr", *losses])
            writer.writerow([self.step, f"{self.learning_rate():.3g}", *(f"{v:.4f}" for v in losses.values())])
