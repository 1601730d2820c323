"""What is fuzzed: every reader of bytes that may come from anywhere. A reader returns, or raises SimpleTrtError."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from simple_trt.errors import SimpleTrtError
from tests.fuzz.mutators import (
    Mutator,
    mutate_checkpoint,
    mutate_json,
    mutate_manifest,
    mutate_onnx,
    mutate_picture,
    mutate_toml,
)

__all__ = ["CORPUS", "MOST_FINDINGS", "TARGETS", "Target", "seeds"]

MOST_FINDINGS = 20  # different ones after which a reader is given up
MOST_FRAMES = 50  # that are read of one video
CORPUS = Path(__file__).parent / "corpus"


class Target(NamedTuple):
    """One reader.

    Args:
        load: imports what the reader needs and returns it: file -> anything.
        suffix: of the files that it reads.
        mutate: makes an input from another one.
        share: inputs of the long form.
        memory: MiB that reading one file may take.
        instrument: modules in which new paths are looked for.
        seconds: that one input may take, wall clock; more is a hang.
    """

    load: Callable[[], Callable[[Path], object]]
    suffix: str
    mutate: Mutator
    share: int
    memory: int
    instrument: tuple[str, ...]
    seconds: int = 20


def _manifest() -> Callable[[Path], object]:
    from simple_trt.engines.manifest import read_manifest

    def read(path: Path) -> object:
        manifest = read_manifest(path)
        return manifest.rebuild_command, manifest.to_json()

    return read


def _onnx() -> Callable[[Path], object]:
    from simple_trt.engines.onnx_metadata import graph_manifest
    from simple_trt.engines.onnx_origins import read_origins

    def read(path: Path) -> object:
        with suppress(SimpleTrtError):
            read_origins(path)
        return graph_manifest(path)

    return read


def _recipe() -> Callable[[Path], object]:
    from simple_trt.cli.build import RECIPE_FLAGS
    from simple_trt.cli.recipe import apply_recipe

    names = {name.lstrip("-").replace("-", "_") for name in RECIPE_FLAGS} | {"model"}
    return lambda path: apply_recipe(path, argparse.Namespace(**dict.fromkeys(names)), RECIPE_FLAGS)


def _config() -> Callable[[Path], object]:
    from simple_trt.train.config import load_config

    return load_config


def _coco() -> Callable[[Path], object]:
    from simple_trt.data.coco import read_coco

    def read(path: Path) -> None:
        for sample in read_coco(path, path.parent):
            mask = np.zeros((64, 64), np.uint8)
            for paint in sample.crowds:
                paint(mask)

    return read


def _annotations() -> Callable[[Path], object]:
    from simple_trt.evaluate.annotations import read_annotations

    return read_annotations


def _posetrack() -> Callable[[Path], object]:
    from simple_trt.data.posetrack17 import read_posetrack17
    from simple_trt.evaluate import read_posetrack_truth

    def read(path: Path) -> None:
        read_posetrack_truth(path)
        if b'"annolist"' in path.read_bytes():
            read_posetrack17(path, CORPUS / "picture")

    return read


def _mpii() -> Callable[[Path], object]:
    from simple_trt.data.mpii import read_mpii

    return lambda path: read_mpii(path, CORPUS / "picture")


def _checkpoint() -> Callable[[Path], object]:
    from simple_trt.models.checkpoints import load

    return load


def _header() -> Callable[[Path], object]:
    from simple_trt.cli.inspect import describe

    return lambda path: describe(str(path))


def _picture() -> Callable[[Path], object]:
    from simple_trt.data.sizes import picture_size
    from simple_trt.pictures import read_picture

    return lambda path: (read_picture(path), picture_size(path))


def _video() -> Callable[[Path], object]:
    from itertools import islice

    from simple_trt.runtime.videos import VideoSource

    def read(path: Path) -> None:
        for frame in islice(VideoSource(str(path)).frames(), MOST_FRAMES):
            assert frame.image.dtype == np.uint8 and frame.image.shape[2] == 3

    return read


_SETTINGS = ("tomllib", "simple_trt.cli", "simple_trt.train.config")
_LABELS = ("simple_trt.data", "simple_trt.evaluate")
TARGETS = {
    "manifest": Target(_manifest, ".json", mutate_manifest, 16_000, 128, ("simple_trt.engines", "shlex")),
    "recipe": Target(_recipe, ".toml", mutate_toml, 16_000, 128, _SETTINGS),
    "config": Target(_config, ".toml", mutate_toml, 4_000, 128, _SETTINGS),
    "onnx": Target(_onnx, ".onnx", mutate_onnx, 14_000, 128, ("simple_trt.engines",)),
    "coco": Target(_coco, ".json", mutate_json, 10_000, 256, _LABELS),
    "annotations": Target(_annotations, ".json", mutate_json, 6_000, 256, _LABELS),
    "posetrack": Target(_posetrack, ".json", mutate_json, 6_000, 256, _LABELS),
    "mpii": Target(_mpii, ".json", mutate_json, 4_000, 256, _LABELS),
    "checkpoint": Target(
        _checkpoint, ".safetensors", mutate_checkpoint, 2_000, 512, ("simple_trt.models.checkpoints",)
    ),
    "header": Target(_header, ".safetensors", mutate_checkpoint, 2_000, 128, ("simple_trt.cli.inspect",)),
    "video": Target(_video, ".video", mutate_picture, 8_000, 2048, ("simple_trt.runtime.videos",)),
    "picture": Target(
        _picture, ".img", mutate_picture, 12_000, 2048, ("PIL", "simple_trt.pictures", "simple_trt.data")
    ),
}


def seeds(name: str) -> list[Path]:
    """The committed inputs of a target: good files, and what was once found."""
    return sorted(CORPUS.joinpath(name if name in TARGETS else "manifest").iterdir())
