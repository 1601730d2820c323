"""What is measured: models, the engines built from them by `simple-trt build`, and the pictures that they are shown."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.options import say
from simple_trt import zoo
from simple_trt.engines import manifest_path
from simple_trt.engines.manifest import read_manifest
from simple_trt.errors import EXIT_ACCURACY, SimpleTrtError, UsageError
from simple_trt.files import sha256_of
from simple_trt.models import checkpoints
from simple_trt.models.presets import PRESETS, find_preset
from simple_trt.skeletons import COCO

__all__ = [
    "BUNDLED",
    "SIZE",
    "Subject",
    "build_engine",
    "build_engines",
    "calibration_folder",
    "engines_folder",
    "find_subject",
    "run_build",
    "settle_norms",
]

ROOT = Path(__file__).resolve().parents[1]
SIZE = 512
BUNDLED = "edge-512"
CALIBRATION_PHOTOS = 64
# The parts of the package that decide what an engine is.
BUILDERS = ("ops", "models", "export", "engines")


@dataclass(frozen=True)
class Subject:
    """A model to be measured.

    Args:
        name: in the result file.
        checkpoint: its weights.
        weights: "random" or "trained": what is said of people and accuracy hangs on it.
        sha256: of the checkpoint.
        size: of its square input, pixels.
    """

    name: str
    checkpoint: Path
    weights: str
    sha256: str = field(default="", compare=False)
    size: int = SIZE

    def to_json(self) -> dict[str, Any]:
        """For the result file."""
        return {"name": self.name, "weights": self.weights, "checkpoint_sha256": self.sha256, "size": self.size}


def find_subject(name: str, work: Path, seed: int) -> Subject:
    """A bundled model or a checkpoint file at its own size, or a preset, which gets random weights, at 512 x 512.

    Raises:
        UsageError: there is nothing of that name.
    """
    path = Path(name)
    if name in zoo.names():
        path, weights = zoo.find(name).checkpoint, "trained"
    elif path.is_file():
        name, weights = path.stem, "trained"
    elif name in PRESETS:
        path, weights = _random_checkpoint(name, work, seed), "random"
    else:
        raise UsageError(f"no model '{name}'", f"bundled: {', '.join(zoo.names())}; presets: {', '.join(PRESETS)}")
    return Subject(name, path, weights, sha256_of(path), checkpoints.load(path).meta.size[0])


def _random_checkpoint(preset_name: str, work: Path, seed: int) -> Path:
    """Seeded random weights. Batch-norm statistics come from noise, so that activations neither vanish nor explode."""
    torch.manual_seed(seed)
    preset = find_preset(preset_name)
    simple, grouping = preset.build_simple(len(COCO)), preset.build_grouping(len(COCO))
    settle_norms(simple, torch.randn(2, 3, 128, 128))
    meta = checkpoints.CheckpointMeta(preset_name, COCO.name, (SIZE, SIZE), training={"none": "random weights"})
    work.mkdir(parents=True, exist_ok=True)
    path = work / f"{preset_name}.safetensors"
    checkpoints.save(path, simple, grouping, torch.full((len(COCO), 2), 0.5), meta)
    return path


def settle_norms(network: torch.nn.Module, *noise: torch.Tensor) -> None:
    """Set the statistics of a network's batch norms to those of one run on `noise`, and leave it in evaluation mode."""
    for norm in (m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)):
        norm.momentum = None  # the statistics of what is seen now, not a running mean
    with torch.no_grad():
        network.train()(*noise)
    network.eval()


def build_engines(subject: Subject, precisions: list[str], work: Path, data: Path) -> dict[str, Path]:
    """CPU engines at the subject's size, batch 1, by precision."""
    return {precision: build_engine(subject, precision, work, data) for precision in precisions}


def build_engine(subject: Subject, precision: str, work: Path, data: Path, photos: bool = True) -> Path:
    """An engine made by `simple-trt build`; one that the same code made from the same weights before is used again.

    Without `photos` the build compares engine and model on noise alone, which is enough where only time is asked for
    and takes a fraction of it; int8 needs them.

    Raises:
        SimpleTrtError: the build fails, or the weights changed while it ran.
    """
    folder = engines_folder(subject, work)
    engine = folder / f"{subject.name}-{precision}.engine"
    if engine.is_file() and manifest_path(engine).is_file():
        return _checked(engine, subject)
    say(f"building {engine.name}")
    calib = ["--calib", str(calibration_folder(work, data))] if photos else []
    return run_build(subject, engine, ["--precision", precision, "--size", str(subject.size), *calib])


def engines_folder(subject: Subject, work: Path) -> Path:
    """Where engines of these weights made by this code are kept."""
    return work / f"engines-{_fingerprint(subject)}"


def run_build(subject: Subject, engine: Path, flags: list[str]) -> Path:
    """Make an engine with `simple-trt build`; one that misses a limit counts as made where `flags` keep it.

    Raises:
        SimpleTrtError: there is none, or the weights changed while it was built.
    """
    engine.parent.mkdir(parents=True, exist_ok=True)
    # By its name where it has one: a bundled model knows which of its blocks int8 harms.
    bundled = subject.name in zoo.names() and zoo.describe(subject.name).checkpoint == subject.checkpoint
    words = ["build", subject.name if bundled else str(subject.checkpoint), *flags, "-o", str(engine)]
    done = subprocess.run([sys.executable, "-m", "simple_trt", *words], cwd=ROOT, capture_output=True, text=True)
    missed = done.returncode == EXIT_ACCURACY and "--keep-failing" in flags and "was put in place" in done.stderr
    if done.returncode and not missed:
        raise SimpleTrtError(f"'{engine.name}' could not be built: {done.stderr.strip()[-600:]}", "see its message")
    return _checked(engine, subject)


def _checked(engine: Path, subject: Subject) -> Path:
    """The engine, if it was built from the subject's weights and not from others that stood there for a while.

    Raises:
        SimpleTrtError: it was not.
    """
    built_from = (read_manifest(manifest_path(engine)).checkpoint or {}).get("sha256")
    if built_from != subject.sha256:
        raise SimpleTrtError(
            f"'{engine.name}' was built from other weights than '{subject.name}' has: they changed meanwhile",
            f"remove '{engine.parent.name}' from the work folder and measure again",
        )
    return engine


def calibration_folder(work: Path, data: Path) -> Path:
    """A folder of links to training photos, spread evenly over their names: never a photo that AP is measured on."""
    photos = sorted((data / "coco" / "train").iterdir())
    folder = work / f"calibration-{CALIBRATION_PHOTOS}"
    folder.mkdir(parents=True, exist_ok=True)
    for index in sorted({round(i) for i in np.linspace(0, len(photos) - 1, CALIBRATION_PHOTOS)}):
        link = folder / photos[index].name
        if not link.exists():
            link.symlink_to(photos[index])
    return folder


def _fingerprint(subject: Subject) -> str:
    """Changes with the weights, what a bundled model's card says of int8, and the code that builds."""
    blocks = zoo.describe(subject.name).float_blocks if subject.name in zoo.names() else ()
    digest = hashlib.sha256(" ".join((subject.sha256, *blocks)).encode())
    for room in BUILDERS:
        for path in sorted((ROOT / "simple_trt" / room).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
