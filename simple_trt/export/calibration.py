"""The photos that set the ranges of an int8 graph."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.export.metadata import MEAN, STD
from simple_trt.pictures import SUFFIXES, read_picture

# More photos move the ranges no further.
ENOUGH = 128


@dataclass(frozen=True)
class CalibrationPhotos:
    """Photos to calibrate on, in the order of their names, and the SHA-256 over all their bytes in that order."""

    paths: tuple[Path, ...]
    sha256: str

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.paths)

    def inputs(self, size: tuple[int, int]) -> Iterator[NDArray[np.float32]]:
        """Each photo as the network's input ``[3,H,W]``, letterboxed and normalised.

        Raises:
            SimpleTrtError: a photo cannot be read, or the compiled kernels are missing.
        """
        letterbox = _kernels().letterbox
        for path in self.paths:
            yield letterbox(read_picture(path), *size, MEAN, STD)


def find_photos(folder: str | Path, limit: int = ENOUGH) -> CalibrationPhotos:
    """The photos of a folder (not of those in it); of more than ``limit``, evenly many from first to last name.

    Raises:
        UsageError: there is no such folder, or no photo in it.
    """
    root = Path(folder)
    if not root.is_dir():
        raise UsageError(f"no folder '{folder}'", "name a folder of photos to calibrate on")
    found = sorted(path for path in root.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise UsageError(
            f"the folder '{folder}' has no photos to calibrate on",
            f"put some dozens there that look like what the model will see ({', '.join(sorted(SUFFIXES))})",
        )
    return pick_photos(found, limit)


def pick_photos(paths: Sequence[Path], limit: int = ENOUGH) -> CalibrationPhotos:
    """Of more than ``limit`` photos, evenly many from first to last. Raises SimpleTrtError for one that is not read."""
    picked = [paths[i * len(paths) // limit] for i in range(limit)] if len(paths) > limit else paths
    return CalibrationPhotos(tuple(picked), _digest(tuple(picked)))


def _digest(paths: tuple[Path, ...]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        try:
            digest.update(path.read_bytes())
        except OSError as error:
            raise SimpleTrtError(f"cannot read '{path}' ({error.strerror})", "check its permissions") from error
    return digest.hexdigest()


def _kernels() -> Any:
    try:
        return import_module("simple_trt._core")
    except ImportError as error:
        raise SimpleTrtError(
            f"the compiled part of simple-trt cannot be loaded ({error})",
            "install again with a C++ compiler: pip install . (in a checkout: make build)",
        ) from error
