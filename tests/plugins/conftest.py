"""The plugin library in both forms: as users have it, and with its kernels on the grid emulator.

Both need the headers of TensorRT: the environment variable ``TensorRT_ROOT``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from simple_trt.engines.tensorrt import plugin_library
from tests.kernels import emulator

HEADERS = "set TensorRT_ROOT to a folder with the headers of TensorRT"


def built_library() -> Path:
    """The library that users have."""
    library = plugin_library()
    if library is None:
        pytest.skip(f"the TensorRT plugin library is not built: {HEADERS} and build again")
    return library


def emulated_folder(variant: str) -> Path:
    """Where the library with emulated kernels and the harness are, ``plain`` or ``sanitized``."""
    folder = emulator.build(variant)
    if not (folder / "plugin_harness").exists():
        pytest.skip(f"the plugin harness is not built, for want of headers of TensorRT or CUDA: {HEADERS}")
    return folder


@pytest.fixture(scope="session", params=["built", "emulated"])
def library(request: pytest.FixtureRequest) -> Path:
    """Either form of the library."""
    return built_library() if request.param == "built" else emulated_folder("plain") / "libsimple_trt_plugins.so"
