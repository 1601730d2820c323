"""One stream on one GPU and the memory that its work uses: the small class behind which the CUDA packages stand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from simple_trt.engines.cuda_graphs import SETTING_UP, DriverGraph, capture_graph
from simple_trt.errors import SimpleTrtError

__all__ = ["CudaStream", "HostBlock"]

HostBlock = NDArray[np.uint8]
"""Pinned host memory [bytes]: what the device reads and writes by itself, so copies do not hold up the host."""


class CudaStream(ABC):
    """A stream that does not wait for the default one, with device memory, pinned memory, events and graphs.

    Addresses and `handle` are integers, as TensorRT takes them. What is put on the stream runs later, in order: the
    host must leave pinned memory alone until an event that was recorded behind the copy has been waited for. Every call
    is made inside `active`, by one thread at a time. Any failure of CUDA is raised as a SimpleTrtError.

    A package fills the methods with an underscore.
    """

    package: ClassVar[str]
    handle: int

    def __init__(self, index: int) -> None:
        self.index = index
        self._device: dict[int, Any] = {}  # what a package needs to free it, by address
        self._pinned: dict[int, Any] = {}
        self._graphs: WeakSet[DriverGraph] = WeakSet()
        self._open()

    @contextmanager
    def active(self) -> Iterator[None]:
        """Make this GPU the calling thread's current one."""
        with self._reported("choosing the GPU"):
            self._enter()
        try:
            yield
        finally:
            self._leave()

    def allocate(self, count: int) -> int:
        """Address of `count` fresh bytes on the device; they live until `free` or `close`."""
        with SETTING_UP, self._reported(f"allocating {count} bytes of GPU memory"):
            address, owner = self._allocate(count)
        self._device[address] = owner
        return address

    def free(self, address: int) -> None:
        """Give back device memory that no work uses any more."""
        with SETTING_UP, self._reported("freeing GPU memory"):
            self._free(address, self._device.pop(address))

    def pin(self, count: int) -> HostBlock:
        """`count` fresh bytes of pinned memory; they live until `unpin` or `close`, the array notwithstanding."""
        with SETTING_UP, self._reported(f"allocating {count} bytes of pinned memory"):
            block, owner = self._pin(count)
        self._pinned[block.ctypes.data] = owner
        return block

    def unpin(self, block: HostBlock) -> None:
        """Give back pinned memory that no work uses any more."""
        with SETTING_UP, self._reported("freeing pinned memory"):
            self._unpin(block.ctypes.data, self._pinned.pop(block.ctypes.data))

    def copy_in(self, address: int, block: HostBlock) -> None:
        """Pinned memory -> device."""
        with self._reported("copying to the GPU"):
            self._copy_in(address, block)

    def copy_out(self, block: HostBlock, address: int) -> None:
        """Device -> pinned memory."""
        with self._reported("copying from the GPU"):
            self._copy_out(block, address)

    def new_event(self) -> Any:
        """An event, to be recorded and waited for any number of times."""
        with self._reported("making an event"):
            return self._new_event()

    def record(self, event: Any) -> None:
        """Mark the end of what is on the stream now."""
        with self._reported("recording an event"):
            self._record(event)

    def wait(self, event: Any) -> None:
        """Wait until the stream has passed the event's mark."""
        with self._reported("running on the GPU"):
            self._wait(event)

    def synchronize(self) -> None:
        """Wait until everything on the stream is done."""
        with self._reported("running on the GPU"):
            self._synchronize()

    def capture(self, work: Callable[[], None]) -> DriverGraph:
        """Record what `work` puts on the stream as a CUDA graph, in place of running it; see `capture_graph`."""
        graph = capture_graph(self.handle, work)
        self._graphs.add(graph)
        return graph

    def close(self) -> None:
        """Wait, then give back graphs, memory, and last the stream. One failure does not stop the others."""
        with self.active(), SETTING_UP, self._reported("giving back what the GPU held"), ExitStack() as last_first:
            last_first.callback(self._destroy)
            for address, owner in self._pinned.items():
                last_first.callback(self._unpin, address, owner)
            for address, owner in self._device.items():
                last_first.callback(self._free, address, owner)
            for graph in self._graphs:
                last_first.callback(graph.free)
            last_first.callback(self._synchronize)
        self._pinned, self._device, self._graphs = {}, {}, WeakSet()

    @contextmanager
    def _reported(self, doing: str) -> Iterator[None]:
        try:
            yield
        except SimpleTrtError:
            raise
        except Exception as error:
            raise SimpleTrtError(
                f"{doing} failed ({self.package}, GPU {self.index}): {error}",
                "free GPU memory if that is short; else see 'simple-trt doctor'",
            ) from error

    @abstractmethod
    def _open(self) -> None:
        """Fill `handle`."""

    @abstractmethod
    def _enter(self) -> None: ...

    def _leave(self) -> None:
        return None

    @abstractmethod
    def _allocate(self, count: int) -> tuple[int, Any]: ...

    @abstractmethod
    def _free(self, address: int, owner: Any) -> None: ...

    @abstractmethod
    def _pin(self, count: int) -> tuple[HostBlock, Any]: ...

    @abstractmethod
    def _unpin(self, address: int, owner: Any) -> None: ...

    @abstractmethod
    def _copy_in(self, address: int, block: HostBlock) -> None: ...

    @abstractmethod
    def _copy_out(self, block: HostBlock, address: int) -> None: ...

    @abstractmethod
    def _new_event(self) -> Any: ...

    @abstractmethod
    def _record(self, event: Any) -> None: ...

    @abstractmethod
    def _wait(self, event: Any) -> None: ...

    @abstractmethod
    def _synchronize(self) -> None: ...

    @abstractmethod
    def _destroy(self) -> None:
        """Give back the stream and its events."""
