"""A checkpoint in PyTorch's eager mode, as it is or with the two tricks that a careful user knows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from benchmarks.contenders import Arrays, Contender
from simple_trt.models import checkpoints

__all__ = ["TorchModel", "fold", "fold_batch_norm"]


class TorchModel(Contender):
    """See `contenders.torch_model`."""

    def __init__(self, path: str, inputs: dict[str, Arrays], threads: int, folded: bool) -> None:
        torch.set_num_threads(threads)
        self._model = checkpoints.load(path).predictor()
        self._inputs = {task: torch.from_numpy(arrays["image"]) for task, arrays in inputs.items()}
        self._folded = folded
        if folded:
            fold(self._model, next(iter(self._inputs.values())))

    def run(self, task: str) -> Arrays:
        """Once; channels last costs its conversion of the input, too."""
        image = self._inputs[task]
        with torch.inference_mode():
            if self._folded:
                image = image.contiguous(memory_format=torch.channels_last)
            people = self._model(image)
        return {name: value.numpy() for name, value in people._asdict().items()}

    def outputs(self, task: str) -> Arrays:
        """What `run` gives."""
        return self.run(task)

    def describe(self) -> dict[str, Any]:
        """The tricks, and which code serves the ops."""
        from simple_trt import ops

        tricks = "batch norm folded, channels last" if self._folded else "none"
        return {"runtime": "torch", "precision": "fp32", "threads": torch.get_num_threads(), "tricks": tricks} | {
            "ops": ops.backend()
        }


def fold(model: nn.Module, image: Tensor) -> None:
    """The two tricks, in place: batch norm folded as it is seen when the model runs on `image`, then channels last."""
    fold_batch_norm(model, image)
    _to_channels_last(model)


def _to_channels_last(model: nn.Module) -> None:
    """Every 4-D weight, in place: what `Module.to(memory_format=...)` does, which type checkers do not know."""
    for weight in model.parameters():
        if weight.ndim == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)


def fold_batch_norm(model: nn.Module, image: Tensor) -> int:
    """Fold every batch norm that follows a convolution directly into it, in place; returns how many.

    Which follows which is seen by running the model once on `image`: a batch norm's input is a convolution's output.
    """
    names = {module: name for name, module in model.named_modules()}
    made: dict[int, tuple[nn.Conv2d, Tensor]] = {}
    pairs: list[tuple[nn.Conv2d, nn.BatchNorm2d]] = []

    def after_conv(conv: nn.Conv2d, _: Any, output: Tensor) -> None:
        made[id(output)] = (conv, output)  # kept alive, so that its id stays its own

    def before_norm(norm: nn.BatchNorm2d, arguments: tuple[Tensor, ...]) -> None:
        if id(arguments[0]) in made:
            pairs.append((made[id(arguments[0])][0], norm))

    hooks: list[Any] = [m.register_forward_hook(after_conv) for m in names if isinstance(m, nn.Conv2d)]
    hooks += [m.register_forward_pre_hook(before_norm) for m in names if isinstance(m, nn.BatchNorm2d)]
    with torch.inference_mode():
        model(image)
    for hook in hooks:
        hook.remove()
    for conv, norm in pairs:
        model.set_submodule(names[conv], fuse_conv_bn_eval(conv, norm))
        model.set_submodule(names[norm], nn.Identity())
    return len(pairs)
