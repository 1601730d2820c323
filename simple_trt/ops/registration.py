"""Which code serves ``torch.ops.simple_trt``: the compiled library, the NumPy core or the twins.

The environment variable ``SIMPLE_TRT_OPS`` (``compiled``, ``core`` or ``reference``) asks for one of them. Devices that
the chosen code does not know, such as a GPU where no CUDA code was built, are served by the twins.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import torch

from simple_trt.ops import checks, reference
from simple_trt.ops.core_kernels import device_kernel, host_kernel
from simple_trt.ops.fakes import register_fakes
from simple_trt.ops.gradients import register_gradients
from simple_trt.ops.schemas import NAMESPACE, SCHEMAS

BACKENDS = ("compiled", "core", "reference")
_LIBRARY = Path(__file__).parents[1] / "libsimple_trt_torch.so"
_CORE = "simple_trt._core"


def is_available(backend: str) -> bool:
    """Whether this installation has what ``backend`` needs."""
    if backend == "compiled":
        return _LIBRARY.exists()
    return backend == "reference" or importlib.util.find_spec(_CORE) is not None


def register() -> tuple[str, torch.library.Library]:
    """Register all ops with the first backend that is there.

    Returns:
        the backend's name, and the Python library that must stay alive for it.

    Raises:
        RuntimeError: ``SIMPLE_TRT_OPS`` names no backend, or one that is not there.
    """
    wanted = os.environ.get("SIMPLE_TRT_OPS", "")
    if wanted and wanted not in BACKENDS:
        raise RuntimeError(f"SIMPLE_TRT_OPS: expected {', '.join(BACKENDS)} or nothing, got {wanted!r}")
    if wanted and not is_available(wanted):
        raise RuntimeError(f"SIMPLE_TRT_OPS={wanted}: it is not built here; build it or unset the variable")
    backend, library = _start((wanted,) if wanted else tuple(filter(is_available, BACKENDS)))
    for name in SCHEMAS:
        library.impl(name, _checked(name, getattr(reference, name)), "CompositeExplicitAutograd")
    register_fakes()
    register_gradients()
    return backend, library


def _start(backends: tuple[str, ...]) -> tuple[str, torch.library.Library]:
    """The first backend that loads, with its own kernels registered; the last one must."""
    for backend in backends[:-1]:
        try:
            return backend, _STARTS[backend]()
        except (OSError, ImportError) as error:
            warnings.warn(
                f"the {backend} ops of simple-trt do not load ({error}); slower code serves them", stacklevel=3
            )
    return backends[-1], _STARTS[backends[-1]]()


def _start_compiled() -> torch.library.Library:
    torch.ops.load_library(str(_LIBRARY))
    return torch.library.Library(NAMESPACE, "IMPL")


def _start_core() -> torch.library.Library:
    core = importlib.import_module(_CORE)
    library = _start_reference()
    for name in SCHEMAS:
        library.impl(name, _checked(name, host_kernel(core, name)), "CPU")
        if core.cuda_built:
            library.impl(name, _checked(name, device_kernel(core, name)), "CUDA")
    return library


def _start_reference() -> torch.library.Library:
    library = torch.library.Library(NAMESPACE, "DEF")
    for name, schema in SCHEMAS.items():
        library.define(name + schema)
    return library


_STARTS = {"compiled": _start_compiled, "core": _start_core, "reference": _start_reference}


def _checked(name: str, kernel: Callable[..., object]) -> Callable[..., object]:
    check = getattr(checks, f"check_{name}")

    def checked_kernel(*arguments: object) -> object:
        check(*arguments)
        return kernel(*arguments)

    return checked_kernel
