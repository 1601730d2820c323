"""ENGINE on the command line: what it must be, and what to do when it is a model."""

from __future__ import annotations

import shlex
from pathlib import Path

from simple_trt import zoo
from simple_trt.engines import manifest_path
from simple_trt.errors import UsageError

__all__ = ["check_engine"]

MODEL_SUFFIXES = {".onnx", ".safetensors"}


def check_engine(engine: str) -> None:
    """Raises UsageError when `engine` is a model, which must be built first; opening finds out all else."""
    path = Path(engine)
    if manifest_path(path).exists():
        return
    if path.suffix in MODEL_SUFFIXES or (not path.exists() and engine in zoo.names()):
        command = f"simple-trt build {shlex.quote(engine)} --target cpu -o {shlex.quote(path.stem + '.engine')}"
        raise UsageError(f"'{engine}' is a model, not an engine", f"build an engine first: {command}")
