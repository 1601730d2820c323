"""Saved training state: everything a run needs to go on as if it had never stopped. Safetensors, not pickles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from simple_trt.errors import SimpleTrtError
from simple_trt.files import whole_file


def flatten_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's tensors by `optimizer.<parameter>.<name>`."""
    state = optimizer.state_dict()["state"]
    return {
        f"optimizer.{i}.{name}": torch.as_tensor(value) for i, slots in state.items() for name, value in slots.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Inverse of flatten_optimizer; the parameter groups keep their present settings."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".", 2)
            state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def save_state(path: Path, tensors: dict[str, Tensor], progress: dict[str, Any]) -> None:
    """Write atomically: a run killed at any moment leaves the old file or the new one.

    Raises SimpleTrtError when the disk is full or the folder cannot be written to.
    """
    from safetensors.torch import save_file

    with whole_file(path) as temporary:
        save_file(
            {k: v.detach().contiguous() for k, v in tensors.items()}, temporary, {"progress": json.dumps(progress)}
        )


def load_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and progress of save_state. Raises SimpleTrtError when the file is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, json.loads((file.metadata() or {})["progress"])  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError, RecursionError) as error:
        raise SimpleTrtError(f"{path} is damaged ({error})", "Remove it to start the run anew.") from None


def prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Keys with `prefix.` in front."""
    return {f"{prefix}.{key}": value for key, value in tensors.items()}


def unprefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The entries under `prefix.`, without it."""
    return {key.removeprefix(f"{prefix}."): value for key, value in tensors.items() if key.startswith(f"{prefix}.")}
