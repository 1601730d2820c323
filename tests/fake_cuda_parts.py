"""What a FakeCuda is made of: memory, streams, the work and captures on them, and what is around each call."""

from __future__ import annotations

import ctypes
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

STATUS = {
    1: "CUDA_ERROR_INVALID_VALUE",
    2: "CUDA_ERROR_OUT_OF_MEMORY",
    400: "CUDA_ERROR_INVALID_HANDLE",
    700: "CUDA_ERROR_ILLEGAL_ADDRESS",
    900: "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
    901: "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
    908: "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD",
}
FRESH, FREED, UNDER_WAY = 0xCB, 0xDD, 0xCD  # what memory holds that nobody may read
GUARD = 64  # bytes around each block, so that no address past one is another's

Span = tuple[int, int]  # address, bytes


class CudaError(RuntimeError):
    def __init__(self, status: int) -> None:
        super().__init__(STATUS[status])
        self.status = status


@dataclass
class Block:
    kind: str  # "device" or "pinned"
    address: int
    count: int
    backing: Any
    alive: bool = True

    def holds(self, span: Span) -> bool:
        return self.address <= span[0] and span[0] + span[1] <= self.address + self.count

    def fill(self, value: int) -> None:
        ctypes.memset(self.address, value, self.count)


@dataclass
class Work:
    """Something for a stream: what it reads and writes, and how to do it."""

    name: str
    reads: Sequence[Span]
    writes: Sequence[Span]
    run: Callable[[], None]
    of: Any = None  # the executable graph that it was launched with
    seen: dict[Span, bytes] = field(default_factory=dict)  # pinned memory as it was when the work was queued


@dataclass(eq=False)
class Mark:
    """An event's place in a stream."""

    passed: bool = False


@dataclass(eq=False)
class Capture:
    thread: int
    work: list[Work] = field(default_factory=list)
    valid: bool = True


@dataclass(eq=False)
class Stream:
    handle: int
    device: int
    non_blocking: bool
    queue: deque[Any] = field(default_factory=deque)
    capture: Capture | None = None


class Call:
    """Around each call: one at a time, counted, failing where told, and refused in a capture where unsafe."""

    def __init__(self, cuda: Any, name: str, unsafe: bool) -> None:
        self.cuda, self.name, self.unsafe = cuda, name, unsafe

    def __enter__(self) -> None:
        self.cuda.lock.acquire()
        try:
            self._check()
        except BaseException:
            self.cuda.lock.release()
            raise

    def __exit__(self, *_: Any) -> None:
        self.cuda.lock.release()

    def _check(self) -> None:
        if self.unsafe:
            for stream in self.cuda.streams.values():
                if stream.capture is not None and stream.capture.thread == threading.get_ident():
                    stream.capture.valid = False
                    raise CudaError(900)
        if self.cuda.counted(self.name):
            raise CudaError(2 if self.name.startswith("allocate") else 1)
