"""Backbone weights made elsewhere: HRNet files in the official, timm and mmpose layouts, EfficientNet-Lite trunks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from simple_trt.errors import SimpleTrtError
from simple_trt.models.efficientnet_lite import STAGES, EfficientNetLite, load_imagenet

WRAPPERS = ("state_dict", "model", "model_ema")
PREFIXES = ("module.", "model.", "backbone.")
# mmpose keeps the last convolution of a pose network in a head of its own (releases 0.x and 1.x).
HEADS = ("keypoint_head.final_layer.", "head.final_layer.")
# A single-output network (pose, teacher) has no use for the last exchange towards the lower branches.
SINGLE_OUTPUT_LACKS = tuple(f"stage4.2.fuse_layers.{branch}." for branch in (1, 2, 3))
COUNTER = ".num_batches_tracked"  # of batch norm; old files lack it and inference does not need it


class LoadReport(NamedTuple):
    """What a foreign file gave.

    loaded: how many tensors were taken.
    missing: convolutions that kept their random start, by name (each with its batch norm).
    dropped: names in the file that the network has no place for.
    """

    loaded: int
    missing: tuple[str, ...]
    dropped: tuple[str, ...]


def load_backbone(backbone: nn.Module, path: str | Path) -> LoadReport:
    """Fill `backbone` from a file made elsewhere; classifier, head and other extra tensors are dropped.

    A file of a single-output HRNet lacks 13 convolutions of the four-output one: they keep their random start and are
    reported. Anything else that is missing is an error.

    Raises:
        SimpleTrtError: no such file, not readable as plain tensors, another width, or tensors missing.
    """
    state = canonical_names(read_tensors(path))
    if isinstance(backbone, EfficientNetLite):
        return _load_lite(backbone, state, path)
    own = backbone.state_dict()
    _check_shapes(own, state, path)
    missing = _check_missing(own, state, path)
    taken = {key: value for key, value in state.items() if key in own}
    backbone.load_state_dict(taken, strict=False)
    return LoadReport(len(taken), missing, tuple(sorted(state.keys() - own.keys())))


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a safetensors or torch file, unwrapped. A torch file is read as plain data: no code in it can run.

    Raises SimpleTrtError: no such file, damaged, more than plain data in it, or no tensors in it.
    """
    path = Path(path)
    if not path.is_file():
        raise SimpleTrtError(f"there is no file '{path}'", "check the path of the backbone weights")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    while isinstance(content, Mapping) and (inner := next((content[key] for key in WRAPPERS if key in content), None)):
        content = inner
    tensors = {k: v for k, v in content.items() if isinstance(v, Tensor)} if isinstance(content, Mapping) else {}
    if not tensors:
        raise SimpleTrtError(f"'{path}' holds no named tensors", "name a file that holds a network's state_dict")
    return tensors


def canonical_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under the names of the official HRNet files: prefixes stripped, mmpose's head renamed."""
    return {_canonical(key): value for key, value in state.items()}


def _canonical(key: str) -> str:
    while prefix := next((p for p in PREFIXES if key.startswith(p)), ""):
        key = key.removeprefix(prefix)
    head = next((h for h in HEADS if key.startswith(h)), None)
    return f"final_layer.{key.removeprefix(head)}" if head else key


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise SimpleTrtError(f"cannot read '{path}' ({error})", "fetch or copy the file again") from error


def _read_torch(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises whatever a damaged stream makes it stumble over
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise SimpleTrtError(
            f"cannot read '{path}' as plain tensors ({reason})",
            "if the file is whole, it holds Python objects too: save its state_dict as safetensors where it was made",
        ) from error


def _check_shapes(own: Mapping[str, Tensor], state: Mapping[str, Tensor], path: str | Path) -> None:
    for key, value in own.items():
        if key in state and state[key].shape != value.shape:
            raise SimpleTrtError(
                f"'{path}': '{key}' has shape {tuple(state[key].shape)}, expected {tuple(value.shape)}",
                "the file belongs to a network of another width: choose the preset of the same width",
            )


def _check_missing(own: Mapping[str, Tensor], state: Mapping[str, Tensor], path: str | Path) -> tuple[str, ...]:
    """Names of the convolutions that may be missing and are."""
    missing = [key for key in own if key not in state and not key.endswith(COUNTER)]
    allowed = [key for key in own if key.startswith(SINGLE_OUTPUT_LACKS) and not key.endswith(COUNTER)]
    if missing and missing != allowed:
        unforeseen = [key for key in missing if key not in allowed] or missing
        shown = ", ".join(f"'{key}'" for key in unforeseen[:3])
        raise SimpleTrtError(
            f"'{path}' lacks {len(unforeseen)} tensors of the backbone, among them {shown}",
            "name an HRNet file in the official, timm or mmpose layout",
        )
    return tuple(key.removesuffix(".weight") for key in missing if own[key].ndim == 4)


def _load_lite(backbone: EfficientNetLite, state: dict[str, Tensor], path: str | Path) -> LoadReport:
    try:
        load_imagenet(backbone, state)
    except (KeyError, RuntimeError) as error:
        raise SimpleTrtError(
            f"'{path}' is no EfficientNet-Lite0 trunk ({error})", "name a file of the efficientnet_lite_pytorch layout"
        ) from error
    trunk = ("_conv_stem.", "_bn0.", *(f"_blocks.{i}." for i in range(sum(repeats for *_, repeats in STAGES))))
    dropped = tuple(sorted(key for key in state if not key.startswith(trunk)))
    return LoadReport(len(state) - len(dropped), (), dropped)
