"""CUDA graphs through the driver itself, by ctypes: so every CUDA package has them, PyCUDA too."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from threading import RLock
from typing import Any, Protocol

from simple_trt.engines.gpu import load_driver
from simple_trt.errors import SimpleTrtError

__all__ = ["SETTING_UP", "DriverGraph", "Graph", "capture_graph"]

THREAD_LOCAL = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: other threads may allocate while this one captures

# Held while a session captures, and by whoever loads an engine or allocates or frees memory: some of that waits for the
# whole device, which spoils a capture that another thread is at.
SETTING_UP = RLock()


class Graph(Protocol):
    """Captured work, to be put on its stream any number of times."""

    def launch(self) -> None:
        """Put the work on the stream; does not wait."""

    def free(self) -> None:
        """Give back what it holds; none of its launches may still be under way."""


class DriverGraph:
    """An instantiated graph of the driver API.

    Args:
        driver: libcuda.
        graph: a CUgraph, which this takes over.
        stream: handle of the stream that it is launched on.
    """

    def __init__(self, driver: Any, graph: ctypes.c_void_p, stream: int) -> None:
        self._driver, self._stream = driver, ctypes.c_void_p(stream)
        self._executable = ctypes.c_void_p()
        try:
            _call(driver, "cuGraphInstantiateWithFlags", ctypes.byref(self._executable), graph, ctypes.c_uint64(0))
        finally:
            _call(driver, "cuGraphDestroy", graph)

    def launch(self) -> None:
        """As the protocol says. Raises SimpleTrtError."""
        _call(self._driver, "cuGraphLaunch", self._executable, self._stream)

    def free(self) -> None:
        """As the protocol says; twice is fine."""
        executable, self._executable = self._executable, ctypes.c_void_p()
        if executable:
            _call(self._driver, "cuGraphExecDestroy", executable)


def capture_graph(stream: int, work: Callable[[], None]) -> DriverGraph:
    """Record what `work` puts on a stream, in place of running it.

    Args:
        stream: handle of a stream that is not the default one; its context is current.
        work: neither allocates nor waits: CUDA then refuses, and so does this.

    Raises:
        SimpleTrtError: CUDA refuses. Whatever `work` raises is passed on. The stream can be used afterwards.
    """
    driver = load_driver()
    if driver is None:
        raise SimpleTrtError("no NVIDIA driver library can be loaded", "see 'simple-trt doctor'")
    _call(driver, "cuStreamBeginCapture_v2", ctypes.c_void_p(stream), ctypes.c_int(THREAD_LOCAL))
    graph = ctypes.c_void_p()
    try:
        work()
    except BaseException:
        driver.cuStreamEndCapture(ctypes.c_void_p(stream), ctypes.byref(graph))  # most likely it refuses, too
        if graph:
            driver.cuGraphDestroy(graph)
        raise
    _call(driver, "cuStreamEndCapture", ctypes.c_void_p(stream), ctypes.byref(graph))
    return DriverGraph(driver, graph, stream)


def _call(driver: Any, name: str, *arguments: Any) -> None:
    status = getattr(driver, name)(*arguments)
    if status != 0:
        said = ctypes.c_char_p()
        driver.cuGetErrorName(status, ctypes.byref(said))
        known = said.value.decode() if said.value else f"error {status}"
        raise SimpleTrtError(f"CUDA: {name} failed with {known}", "see 'simple-trt doctor'")
