"""The manifest beside every engine: what it was built from, with what, for what, and how right it was found to be.

A manifest is read before the plan is, and it is untrusted: its size, its JSON types and its hashes are checked, and no
path or command in it is ever followed. `manifest_sha256` seals the other fields, so that a changed mean or size is seen
as well as a changed plan.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simple_trt.engines.fields import checked_fields
from simple_trt.errors import SimpleTrtError
from simple_trt.files import sha256_of, whole_file

__all__ = [
    "FORMAT",
    "Manifest",
    "Plan",
    "Preprocessing",
    "manifest_path",
    "read_manifest",
    "verified_manifest",
    "write_manifest",
]

FORMAT = 1
MAX_BYTES = 1 << 20
SEAL = "manifest_sha256"
REBUILD = "simple-trt build MODEL -o ENGINE"


@dataclass(frozen=True)
class Plan:
    """The engine file: its name when it was built, its hash, its length in bytes."""

    file: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes the input: letterbox at `letterbox`, channels in the order `color`, (v/255 - mean)/std."""

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    color: str = "RGB"
    letterbox: str = "top-left"

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Preprocessing:
        """From the checked JSON field: its lists become tuples."""
        mean, std = (tuple(values[key]) for key in ("mean", "std"))
        return cls(mean, std, values["color"], values["letterbox"])


@dataclass(frozen=True)
class Manifest:
    """Everything that must be known of an engine before it is loaded.

    Args:
        name: the model's name.
        target: `cpu`, `tensorrt-rtx`, `tensorrt` or `torch`.
        runtime: the library that runs the plan: `openvino`, `onnxruntime`, `tensorrt_rtx`, `tensorrt` or `torch`.
        precision: `fp32`, `fp16`, `bf16` or `int8`.
        lowering: `plain` or `plugin`.
        batch: pictures a run.
        size: (height, width) of the network's input, pixels.
        skeleton: name of the keypoint set.
        plan: the engine file.
        onnx: {"sha256"} of the graph that was compiled.
        checkpoint: {"sha256"} of the weights, or None when they are not known.
        calibration: {"sha256", "count", "method"} of the photos that set the INT8 ranges, or that ranges learnt in
            training started from (the method says which), or None.
        assignment: {"blocks", "max_ap_drop", "seed", "report"} of a search for the INT8 blocks, or None: each block's
            precision, the limit and seed of the search, and the name of its report beside the plan.
        versions: library name -> version at build time.
        device: what the plan was compiled for.
        layers: operator -> precision -> number of nodes in the compiled graph.
        preprocessing: how a picture becomes the input.
        accuracy: the report of the build's last stage.
        build_command: the command that made it.
    """

    name: str
    target: str
    runtime: str
    precision: str
    lowering: str
    batch: int
    size: tuple[int, int]
    skeleton: str
    plan: Plan
    onnx: dict[str, str]
    checkpoint: dict[str, str] | None = None
    calibration: dict[str, Any] | None = None
    assignment: dict[str, Any] | None = None
    versions: dict[str, str] = field(default_factory=dict)
    device: dict[str, Any] = field(default_factory=dict)
    layers: dict[str, dict[str, int]] = field(default_factory=dict)
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    accuracy: dict[str, Any] = field(default_factory=dict)
    build_command: str = ""

    @property
    def rebuild_command(self) -> str:
        """The build command, re-quoted word by word; a general one when the recorded one is no `simple-trt build`."""
        return _plain_command(self.build_command)

    def to_json(self) -> dict[str, Any]:
        """The manifest as it stands in the file, sealed."""
        values: dict[str, Any] = {"format": FORMAT}
        values |= {name: getattr(self, name) for name in self.__dataclass_fields__}
        values["size"] = list(self.size)
        values["plan"] = dict(vars(self.plan))
        values["preprocessing"] = {
            key: list(v) if isinstance(v, tuple) else v for key, v in vars(self.preprocessing).items()
        }
        values[SEAL] = _seal(values)
        return values


def manifest_path(plan: str | os.PathLike[str]) -> Path:
    """Where the manifest of `plan` is: beside it, with `.json` added to its name."""
    return Path(f"{os.fspath(plan)}.json")


def write_manifest(path: str | os.PathLike[str], manifest: Manifest) -> None:
    """Write `manifest` to `path`, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(manifest.to_json(), indent=2) + "\n", encoding="utf-8")


def read_manifest(path: str | os.PathLike[str]) -> Manifest:
    """Read and check a manifest file; the plan is not looked at.

    Raises:
        SimpleTrtError: it is missing, too large, not JSON, of another format, has a field of a wrong type, or was
            changed after the build. The message names the field and ends in the command that rebuilds.
    """
    values = _parse(Path(path))
    cure = f"rebuild it: {_plain_command(values.get('build_command'))}"
    if values.get("format") != FORMAT:
        got = str(values.get("format"))[:40]
        raise SimpleTrtError(f"'{path}': field 'format': this version reads format {FORMAT}, got {got!r}", cure)
    fields = checked_fields(values, str(path), cure)
    if values.get(SEAL) != _seal(values):
        raise SimpleTrtError(
            f"'{path}': field '{SEAL}' does not fit the other fields: the manifest was changed after the build", cure
        )
    fields["plan"] = Plan(**fields["plan"])
    fields["preprocessing"] = Preprocessing.from_json(fields["preprocessing"])
    return Manifest(**{**fields, "size": tuple(fields["size"])})


def verified_manifest(plan: str | os.PathLike[str]) -> Manifest:
    """The manifest of `plan`, after the plan's length and hash were found to be those that it states.

    Raises:
        SimpleTrtError: as `read_manifest`, or field `plan.bytes` or `plan.sha256` does not fit the file.
    """
    manifest = read_manifest(manifest_path(plan))
    cure = f"copy both files again, or rebuild: {manifest.rebuild_command}"
    size = Path(plan).stat().st_size
    if size != manifest.plan.bytes:
        raise SimpleTrtError(
            f"'{plan}' is not the plan of its manifest: field 'plan.bytes' expected {manifest.plan.bytes}, got {size}",
            cure,
        )
    digest = sha256_of(plan)
    if digest != manifest.plan.sha256:
        expected, got = manifest.plan.sha256[:16], digest[:16]
        raise SimpleTrtError(
            f"'{plan}' is not the plan of its manifest: field 'plan.sha256' expected {expected}..., got {got}...", cure
        )
    return manifest


def _parse(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise SimpleTrtError(f"no manifest '{path}'", f"copy it beside the plan, or rebuild: {REBUILD}")
    if path.stat().st_size > MAX_BYTES:
        raise SimpleTrtError(
            f"manifest '{path}' is larger than {MAX_BYTES} bytes", f"it is not one of ours; rebuild: {REBUILD}"
        )
    try:
        values = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise SimpleTrtError(
            f"manifest '{path}' is not valid JSON ({str(error)[:120]})", f"rebuild: {REBUILD}"
        ) from error
    if not isinstance(values, dict):
        raise SimpleTrtError(
            f"manifest '{path}': expected a JSON object, got {type(values).__name__}", f"rebuild: {REBUILD}"
        )
    return values


def _seal(values: dict[str, Any]) -> str:
    """SHA-256 over the canonical JSON of every field but the seal."""
    text = json.dumps({k: v for k, v in values.items() if k != SEAL}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain_command(text: Any) -> str:
    """`text` as one safe `simple-trt build` command line: it comes from an untrusted file and a person may copy it."""
    try:
        words = shlex.split(text) if isinstance(text, str) and text.isprintable() and len(text) < 4096 else []
    except ValueError:
        words = []
    return shlex.join(words) if words[:2] == ["simple-trt", "build"] else REBUILD
