"""Our model files: safetensors whose metadata says which preset and skeleton the tensors belong to.

Tensors: `simple.*` (the network: SIMPLE, or one that it is compared with), `grouping.*` (the gate, when there is one),
`scoring.*` (what ranks people, when there is one) and `prior` [K,2].
Metadata `simple_trt`: JSON {format, preset, network, skeleton, size, training, metrics, licence, grouping, scoring},
and `quantisation` where ranges of int8 have been learnt.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.files import whole_file
from simple_trt.models.associative import Associative, AssociativePredictor
from simple_trt.models.grouping import Grouping
from simple_trt.models.predictor import Predictor
from simple_trt.models.presets import check_network, find_preset
from simple_trt.models.quantisation import Quantisation
from simple_trt.models.regression import Regression, RegressionPredictor
from simple_trt.models.scoring import Scoring
from simple_trt.models.simple import Simple
from simple_trt.skeletons import find_skeleton

FORMAT = 1
METADATA_KEY = "simple_trt"
LONGEST_HEADER = 100_000_000  # bytes; the limit of the safetensors format


@dataclass(frozen=True)
class CheckpointMeta:
    """What a checkpoint says about itself.

    Args:
        preset: name of the network's shape.
        skeleton: "coco", "mpii" or "posetrack".
        size: height and width the network is meant for, multiples of 32.
        training: data and settings, as the trainer wrote them.
        metrics: results, with the data set each was measured on.
        licence: of the weights.
        network: what is learnt, one of presets.NETWORKS.
        quantisation: the ranges of int8 that were learnt with the weights, or None.
    """

    preset: str
    skeleton: str
    size: tuple[int, int]
    training: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    licence: str = ""
    network: str = "points"
    quantisation: Quantisation | None = None


class Checkpoint(NamedTuple):
    """A loaded model, in evaluation mode: the network, its gate (or None), the keypoint prior [K,2], its metadata, and
    its scoring (or None).
    """

    simple: Simple | Associative | Regression
    grouping: Grouping | None
    prior: Tensor
    meta: CheckpointMeta
    scoring: Scoring | None = None

    def predictor(self) -> Predictor | AssociativePredictor | RegressionPredictor:
        """Image -> people, with the preset's decode settings."""
        preset = find_preset(self.meta.preset)
        if isinstance(self.simple, Simple):
            return preset.build_predictor(self.simple, self.grouping, self.prior, self.scoring).eval()
        skeleton = find_skeleton(self.meta.skeleton)
        return preset.build_comparison(self.simple, self.grouping, self.prior, skeleton).eval()


def save(
    path: str | Path,
    simple: nn.Module,
    grouping: nn.Module | None,
    prior: Tensor,
    meta: CheckpointMeta,
    scoring: nn.Module | None = None,
) -> None:
    """Write a checkpoint, whole or not at all; the same model always gives the same bytes.

    Raises:
        SimpleTrtError: the folder cannot be written to, or the disk is full.
    """
    tensors = {f"simple.{key}": value for key, value in simple.state_dict().items()} | {"prior": prior.float()}
    parts = {"grouping": grouping, "scoring": scoring}
    for name, part in parts.items():
        if part is not None:
            tensors |= {f"{name}.{key}": value for key, value in part.state_dict().items()}
    description = {"format": FORMAT, **dataclasses.asdict(meta)} | {n: part is not None for n, part in parts.items()}
    if meta.quantisation is None:
        del description["quantisation"]
    plain = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    data = to_bytes(plain, {METADATA_KEY: json.dumps(description, sort_keys=True)})
    with whole_file(path) as temporary:
        temporary.write_bytes(data)


def load(path: str | Path, skeleton: str | None = None) -> Checkpoint:
    """Read a checkpoint onto the CPU.

    Args:
        path: of the safetensors file.
        skeleton: the one it must have; None takes any.

    Raises:
        SimpleTrtError: no such file, cut short, not a checkpoint, another skeleton, an unknown preset, or tensors that
            do not fit the preset.
    """
    tensors, description = _read(Path(path))
    meta = _parse(path, description)
    keypoints = _check_skeleton(path, meta, tensors, skeleton)
    preset = find_preset(meta.preset)
    with torch.device("meta"):  # every value comes from the file: nothing to initialise
        simple = cast("Simple | Associative | Regression", preset.build_network(meta.network, keypoints))
        grouping = preset.build_grouping(keypoints) if description.get("grouping") else None
        scoring = preset.build_scoring(keypoints) if description.get("scoring") else None
    prior = tensors["prior"].clone()
    _fill(path, Predictor(simple, grouping, prior, scoring=scoring), tensors)
    return Checkpoint(simple, grouping, prior, meta, scoring)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and our metadata of a safetensors file."""
    if not path.is_file():
        raise SimpleTrtError(
            f"there is no file '{path}'", "check the path, or list the bundled models: simple-trt models"
        )
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, error) from error
    try:
        description = json.loads(metadata[METADATA_KEY])
    except (KeyError, ValueError, RecursionError):
        description = None
    if not isinstance(description, dict):
        raise SimpleTrtError(
            f"'{path}' is no simple-trt checkpoint: its metadata '{METADATA_KEY}' is missing or damaged",
            "weights made elsewhere can start a training: simple-trt train --init",
        )
    return tensors, description


def _unreadable(path: Path, error: Exception) -> SimpleTrtError:
    if isinstance(error, OSError):
        return SimpleTrtError(f"cannot read '{path}' ({error.strerror or error})", "check its permissions")
    if _begins_as_safetensors(path):
        return SimpleTrtError(f"'{path}' is cut short or damaged ({error})", "fetch or copy the checkpoint again")
    return SimpleTrtError(f"'{path}' is no safetensors file ({error})", "name a checkpoint that simple-trt has written")


def _begins_as_safetensors(path: Path) -> bool:
    """Does the file start with the length of a JSON header and its brace, as far as it goes?"""
    with path.open("rb") as file:
        start = file.read(9)
    length = int.from_bytes(start[:8], "little")
    return len(start) < 9 or (0 < length < LONGEST_HEADER and start[8:] == b"{")


def _parse(path: str | Path, description: dict[str, Any]) -> CheckpointMeta:
    if description.get("format") != FORMAT:
        raise SimpleTrtError(
            f"'{path}' has checkpoint format {description.get('format')!r}, expected {FORMAT}",
            "it comes from another version of simple-trt: install that one, or make the checkpoint anew",
        )
    try:
        names = [f.name for f in dataclasses.fields(CheckpointMeta) if f.name not in ("network", "quantisation")]
        values = {name: description[name] for name in names}
        values["network"] = description.get("network", "points")  # older files know no other
        if wrong := [key for key in ("preset", "network", "skeleton", "licence") if not isinstance(values[key], str)]:
            cause = f"'{path}': its {wrong[0]} is {str(values[wrong[0]])[:40]!r}, expected a text"
            raise SimpleTrtError(cause, "fetch or copy the checkpoint again")
        height, width = (int(side) for side in values.pop("size"))
        find_preset(values["preset"])
        check_network(values["network"])
        return CheckpointMeta(size=(height, width), quantisation=_quantisation(path, description), **values)
    except KeyError as error:
        raise SimpleTrtError(f"'{path}': its metadata lacks {error}", "fetch or copy the checkpoint again") from None
    except (TypeError, ValueError, OverflowError):
        raise SimpleTrtError(
            f"'{path}': its size is {description['size']!r}, expected [height, width]",
            "fetch or copy the checkpoint again",
        ) from None
    except UsageError as error:
        raise SimpleTrtError(f"'{path}': {error.cause}", error.cure) from None


def _quantisation(path: str | Path, description: dict[str, Any]) -> Quantisation | None:
    if "quantisation" not in description:
        return None
    try:
        return Quantisation.from_json(description["quantisation"])
    except ValueError as error:
        raise SimpleTrtError(f"'{path}': {error}", "fetch or copy the checkpoint again") from None


def _check_skeleton(path: str | Path, meta: CheckpointMeta, tensors: dict[str, Tensor], wanted: str | None) -> int:
    """K, the number of keypoint classes."""
    try:
        keypoints = len(find_skeleton(meta.skeleton))
    except UsageError as error:
        raise SimpleTrtError(f"'{path}': {error.cause}", error.cure) from None
    if wanted is not None and meta.skeleton != wanted:
        raise SimpleTrtError(
            f"'{path}' has skeleton '{meta.skeleton}', expected '{wanted}'",
            f"choose a checkpoint trained on '{wanted}', or ask for '{meta.skeleton}'",
        )
    shape = tuple(tensors["prior"].shape) if "prior" in tensors else None
    if shape != (keypoints, 2):
        raise SimpleTrtError(
            f"'{path}': 'prior' has shape {shape}, expected ({keypoints}, 2) for skeleton '{meta.skeleton}'",
            "the skeleton does not belong to these weights: fetch or copy the checkpoint again",
        )
    return keypoints


def _fill(path: str | Path, model: Predictor, tensors: dict[str, Tensor]) -> None:
    """Give the still empty `model` the values of `tensors`, which must be exactly its own."""
    wanted = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in tensors.items()}
    wrong = sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))
    if wrong:
        key = wrong[0]
        raise SimpleTrtError(
            f"'{path}' does not fit its preset: {len(wrong)} tensors differ, the first '{key}': "
            f"expected {wanted.get(key, 'none')}, got {found.get(key, 'none')}",
            "it comes from another version of simple-trt: install that one, or make the checkpoint anew",
        )
    model.to_empty(device="cpu").load_state_dict(tensors)
    model.eval()
