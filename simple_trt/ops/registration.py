"""Which code serves ``torch.ops.simple_trt``: the compiled library, the NumPy core behind it, or the twins.

The environment variable ``SIMPLE_TRT_OPS`` (``compiled``, ``core`` or ``reference``) asks for one of them.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path

import torch

from simple_trt.ops import checks, reference
from simple_trt.ops.fakes import register_fakes
from simple_trt.ops.gradients import register_gradients
from simple_trt.ops.schemas import NAMESPACE, SCHEMAS

BACKENDS = ("compiled", "core", "reference")
_LIBRARY = Path(__file__).parents[1] / "libsimple_trt_torch.so"


def register() -> tuple[str, torch.library.Library | None]:
    """Register all ops with the first backend that is there.

    Returns:
        the backend's name, and the Python library that must stay alive for it (None for the compiled one).

    Raises:
        RuntimeError: ``SIMPLE_TRT_OPS`` names no backend, or one that is not there.
    """
    wanted = os.environ.get("SIMPLE_TRT_OPS", "")
    if wanted and wanted not in BACKENDS:
        raise RuntimeError(f"SIMPLE_TRT_OPS: expected {', '.join(BACKENDS)} or nothing, got {wanted!r}")
    backend, library = _first_of((wanted,) if wanted else BACKENDS)
    register_fakes()
    register_gradients()
    return backend, library


def _first_of(names: tuple[str, ...]) -> tuple[str, torch.library.Library | None]:
    for name in names:
        if name == "compiled" and _load_compiled():
            return name, None
        if name == "reference":
            return name, _define(_twins())
    raise RuntimeError(
        f"SIMPLE_TRT_OPS={names[0]}: this installation has no such library; build it or unset the variable"
    )


def _load_compiled() -> bool:
    if not _LIBRARY.exists():
        return False
    try:
        torch.ops.load_library(str(_LIBRARY))
    except OSError as error:
        warnings.warn(f"{_LIBRARY.name} does not load ({error}); slower code serves its ops", stacklevel=2)
        return False
    return True


def _twins() -> dict[str, Callable[..., object]]:
    return {name: getattr(reference, name) for name in SCHEMAS}


def _define(kernels: dict[str, Callable[..., object]]) -> torch.library.Library:
    library = torch.library.Library(NAMESPACE, "DEF")
    for name, schema in SCHEMAS.items():
        library.define(name + schema)
        library.impl(name, _checked(name, kernels[name]), "CompositeExplicitAutograd")
    return library


def _checked(name: str, kernel: Callable[..., object]) -> Callable[..., object]:
    check = getattr(checks, f"check_{name}")

    def checked_kernel(*arguments: object) -> object:
        check(*arguments)
        return kernel(*arguments)

    return checked_kernel
