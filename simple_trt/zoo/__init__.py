"""The models that come with the package: weights, the graph exported from them, and a card with their hashes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.files import sha256_of

__all__ = ["ZooEntry", "find", "names"]

FOLDER = Path(__file__).resolve().parent
CARD, CHECKPOINT, GRAPH = "card.json", "model.safetensors", "model.onnx"
REINSTALL = "install simple-trt again: its files are damaged"


@dataclass(frozen=True)
class ZooEntry:
    """A bundled model.

    Args:
        name: as it is given on the command line.
        checkpoint: the weights, safetensors.
        onnx: the plain fp32 graph at batch 1.
        card: what `card.json` holds: sha256 of both, preset, size, licence, data, metrics, float_blocks.
    """

    name: str
    checkpoint: Path
    onnx: Path
    card: dict[str, Any]

    @property
    def float_blocks(self) -> tuple[str, ...]:
        """Blocks of the network that int8 engines keep in floating point, because int8 costs accuracy there."""
        return tuple(map(str, self.card.get("float_blocks", ())))


def names() -> list[str]:
    """Names of the bundled models, in alphabetical order."""
    return sorted(card.parent.name for card in FOLDER.glob(f"*/{CARD}"))


def find(name: str) -> ZooEntry:
    """The bundled model `name`, its two files checked against the hashes of its card.

    Raises:
        UsageError: there is no such model.
        SimpleTrtError: a file is missing, or is not the one that the card describes.
    """
    entry = describe(name)
    for key, path in (("checkpoint", entry.checkpoint), ("onnx", entry.onnx)):
        if not path.is_file():
            raise SimpleTrtError(f"the bundled model '{name}' has no file '{path.name}'", REINSTALL)
        expected, got = _stated_hash(entry, path.name), sha256_of(path)
        if got != expected:
            raise SimpleTrtError(
                f"the bundled model '{name}' is damaged: sha256 of its {key} expected {expected[:16]}, got {got[:16]}",
                REINSTALL,
            )
    return entry


def describe(name: str) -> ZooEntry:
    """The bundled model `name` as its card describes it; its files are not looked at.

    Raises:
        UsageError: there is no such model.
        SimpleTrtError: its card cannot be read.
    """
    if name not in names():
        raise UsageError(f"no bundled model '{name}'", f"choose one of: {', '.join(names()) or 'none is bundled'}")
    folder = FOLDER / name
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SimpleTrtError(f"the card of the bundled model '{name}' cannot be read ({error})", REINSTALL) from error
    if not isinstance(card, dict):
        raise SimpleTrtError(f"the card of the bundled model '{name}' is no JSON object", REINSTALL)
    return ZooEntry(name, folder / CHECKPOINT, folder / GRAPH, card)


def _stated_hash(entry: ZooEntry, file: str) -> str:
    """card.json: {"sha256": {"model.safetensors": ..., "model.onnx": ...}, ...}."""
    stated = entry.card.get("sha256", {}).get(file) if isinstance(entry.card.get("sha256"), dict) else None
    if not isinstance(stated, str):
        raise SimpleTrtError(f"the card of the bundled model '{entry.name}' states no sha256 of '{file}'", REINSTALL)
    return stated
