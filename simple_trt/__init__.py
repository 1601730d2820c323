"""People in pictures, at the edge: build an engine from a SIMPLE pose network, run it, get boxes and keypoints.

    from simple_trt import Session
    with Session.open("edge-512.engine") as session:
        people = session.predict(image)  # RGB uint8 [H,W,3]

Importing this package does no work: each public name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = [
    "People",
    "Session",
    "SimpleTrtError",
    "SmoothSettings",
    "Smoother",
    "TrackSettings",
    "Tracker",
    "__version__",
    "open_engine",
]

_HOMES = {
    "People": "simple_trt.types",
    "Session": "simple_trt.runtime",
    "SimpleTrtError": "simple_trt.errors",
    "SmoothSettings": "simple_trt.runtime.smoothing",
    "Smoother": "simple_trt.runtime.smoothing",
    "TrackSettings": "simple_trt.runtime.tracking",
    "Tracker": "simple_trt.runtime.tracking",
    "open_engine": "simple_trt.engines",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("simple-trt")
    if name not in _HOMES:
        raise AttributeError(f"module 'simple_trt' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
