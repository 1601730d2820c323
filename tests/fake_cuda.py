"""A CUDA runtime made of host memory, which holds its users to the rules of the real one.

Work is queued and runs later: at the next wait ("late"), at once ("eager"), or whenever a seeded chance says so. What
the real one would answer with an error raises CudaError; what it would take in silence and then do wrong is written
down in `violations`:

- memory used after it was freed, freed twice, or freed while work under way uses it;
- memory that the host wrote to between an asynchronous copy's start and its end;
- pageable memory in an asynchronous copy, which makes it wait;
- a stream of one GPU used while another is current;
- a graph destroyed while a launch of it is under way, or launched when memory that it names is gone.
"""

from __future__ import annotations

import ctypes
import random
import threading
from collections import Counter

from fake_cuda_parts import (
    FREED,
    FRESH,
    GUARD,
    STATUS,
    UNDER_WAY,
    Block,
    Call,
    Capture,
    CudaError,
    Mark,
    Span,
    Stream,
    Work,
)

__all__ = ["STATUS", "CudaError", "FakeCuda", "Work"]


class FakeCuda:
    """`schedule` is "late", "eager" or a seed. `failing` names calls that fail from the n-th on, from 0: {name: n}."""

    def __init__(self, schedule: str | int = "late", failing: dict[str, int] | None = None) -> None:
        self.schedule = schedule
        self.chance = random.Random(schedule if isinstance(schedule, int) else 0)
        self.failing = failing or {}
        self.calls: Counter[str] = Counter()
        self.violations: list[str] = []
        self.blocks: list[Block] = []
        self.streams: dict[int, Stream] = {}
        self.events: dict[int, Mark | None] = {}
        self.graphs: dict[int, list[Work]] = {}
        self.executables: dict[int, list[Work]] = {}
        self.error = 0  # of work, told at the next wait
        self.here = threading.local()
        self.lock = threading.RLock()
        self._next = 7

    # The calling thread's GPU.

    @property
    def device(self) -> int:
        return getattr(self.here, "device", 0)

    def set_device(self, index: int) -> None:
        self.here.device = index

    # Memory.

    def allocate(self, kind: str, count: int) -> int:
        with self._call(f"allocate {kind}", unsafe=True):
            backing = ctypes.create_string_buffer(count + 2 * GUARD)
            block = Block(kind, ctypes.addressof(backing) + GUARD, count, backing)
            block.fill(FRESH)
            self.blocks.append(block)
            return block.address

    def free(self, kind: str, address: int) -> None:
        with self._call(f"free {kind}", unsafe=True):
            block = next((b for b in self.blocks if b.alive and b.kind == kind and b.address == address), None)
            if block is None:
                self.violations.append(f"{kind} memory freed that is not there (any more)")
                raise CudaError(1)
            for stream in self.streams.values():
                if any(
                    block.holds(span) for w in stream.queue if isinstance(w, Work) for span in (*w.reads, *w.writes)
                ):
                    self.violations.append(f"{kind} memory freed that work under way uses")
            block.alive = False
            block.fill(FREED)

    def adopt(self, address: int, count: int) -> None:
        """Take memory that somebody else allocated for device memory."""
        self.blocks.append(Block("device", address, count, None))

    # Streams and events.

    def new_stream(self, flags: int) -> int:
        with self._call("new_stream"):
            stream = Stream(self._number(), self.device, flags == 1)
            self.streams[stream.handle] = stream
            return stream.handle

    def destroy_stream(self, handle: int) -> None:
        with self._call("destroy_stream"):
            if self._stream(handle).queue:
                self.violations.append("a stream destroyed with work under way")
            del self.streams[handle]

    def synchronize(self, handle: int) -> None:
        with self._call("synchronize", unsafe=True):
            stream = self._stream(handle)
            if stream.capture is not None:
                stream.capture.valid = False
                raise CudaError(900)
            self._run(stream, len(stream.queue))
            self._tell_error()

    def new_event(self) -> int:
        with self._call("new_event"):
            number = self._number()
            self.events[number] = None
            return number

    def record(self, event: int, handle: int) -> None:
        with self._call("record"):
            mark = self.events[event] = Mark()
            self._stream(handle).queue.append(mark)
            self._maybe_run()

    def wait(self, event: int) -> None:
        with self._call("wait", unsafe=True):
            mark = self.events[event]
            stream = next((s for s in self.streams.values() if mark in s.queue), None)
            if stream is not None:
                self._run(stream, stream.queue.index(mark) + 1)
            self._tell_error()

    def destroy_event(self, event: int) -> None:
        with self._call("destroy_event"):
            del self.events[event]

    # Work.

    def copy(self, target: int, source: int, count: int, handle: int, to_device: bool) -> None:
        host = source if to_device else target
        with self._call("copy"):
            if not any(b.kind == "pinned" and b.holds((host, count)) for b in self.blocks):
                self.violations.append("pageable memory in an asynchronous copy")
                raise CudaError(1)
        name = "copy in" if to_device else "copy out"
        run = lambda: ctypes.memmove(target, source, count)  # noqa: E731
        self.launch(handle, Work(name, [(source, count)], [(target, count)], run))

    def launch(self, handle: int, work: Work) -> None:
        """Queue work, or record it where the stream is being captured."""
        with self._call("launch"):
            stream = self._stream(handle)
            if stream.device != self.device:
                self.violations.append(f"work for GPU {stream.device} while {self.device} is current")
            self._check_alive(work)
            if stream.capture is not None:
                if stream.capture.thread != threading.get_ident():
                    self.violations.append("work of another thread in a capture")
                stream.capture.work.append(work)
                return
            self._queue(stream, work)

    # Graphs.

    def begin_capture(self, handle: int, mode: int) -> None:
        with self._call("begin_capture"):
            stream = self._stream(handle)
            if stream.capture is not None or mode != 1:
                raise CudaError(900)
            if not stream.non_blocking:
                self.violations.append("capture of a stream that waits for the default one")
            stream.capture = Capture(threading.get_ident())

    def end_capture(self, handle: int) -> int:
        with self.lock:
            stream = self._stream(handle)
            capture = stream.capture
            if capture is None:
                raise CudaError(1)
            if capture.thread != threading.get_ident():
                raise CudaError(908)
            stream.capture = None
            if self.counted("end_capture") or not capture.valid:
                raise CudaError(901)
            number = self._number()
            self.graphs[number] = capture.work
            return number

    def instantiate(self, graph: int) -> int:
        with self._call("instantiate"):
            number = self._number()
            self.executables[number] = list(self.graphs[graph])
            return number

    def destroy_graph(self, graph: int) -> None:
        with self._call("destroy_graph"):
            del self.graphs[graph]

    def launch_graph(self, executable: int, handle: int) -> None:
        with self._call("launch_graph"):
            stream = self._stream(handle)
            if executable not in self.executables:
                self.violations.append("a graph launched that is destroyed")
                raise CudaError(400)
            for work in self.executables[executable]:
                self._check_alive(work)
                self._queue(stream, Work(work.name, work.reads, work.writes, work.run, executable))

    def destroy_executable(self, executable: int) -> None:
        with self._call("destroy_executable"):
            if any(isinstance(w, Work) and w.of == executable for s in self.streams.values() for w in s.queue):
                self.violations.append("a graph destroyed while a launch of it is under way")
            del self.executables[executable]

    # What is left.

    def left(self) -> list[str]:
        """What was not given back."""
        found = [f"{b.count} bytes of {b.kind} memory" for b in self.blocks if b.alive and b.backing is not None]
        names = ("streams", "events", "graphs", "executables")
        return found + [f"{len(held)} {name}" for name in names if (held := getattr(self, name))]

    # The inside.

    def _call(self, name: str, unsafe: bool = False) -> Call:
        return Call(self, name, unsafe)

    def _number(self) -> int:
        self._next += 1
        return self._next - 1

    def _stream(self, handle: int) -> Stream:
        if handle not in self.streams:
            self.violations.append("a stream used that is not there (any more)")
            raise CudaError(400)
        return self.streams[handle]

    def _check_alive(self, work: Work) -> None:
        for span in (*work.reads, *work.writes):
            if not any(b.alive and b.holds(span) for b in self.blocks):
                self.violations.append(f"'{work.name}' uses memory that is not there (any more)")
                raise CudaError(700)

    def _queue(self, stream: Stream, work: Work) -> None:
        work.seen = {span: ctypes.string_at(*span) for span in work.reads if self._is_pinned(span)}
        for span in filter(self._is_pinned, work.writes):
            ctypes.memset(span[0], UNDER_WAY, span[1])
        stream.queue.append(work)
        self._maybe_run()

    def _is_pinned(self, span: Span) -> bool:
        return any(b.kind == "pinned" and b.holds(span) for b in self.blocks)

    def _maybe_run(self) -> None:
        for stream in self.streams.values():
            if self.schedule == "eager":
                self._run(stream, len(stream.queue))
            elif self.schedule != "late":
                self._run(stream, self.chance.randint(0, len(stream.queue)))

    def _run(self, stream: Stream, count: int) -> None:
        for _ in range(count):
            item = stream.queue.popleft()
            if isinstance(item, Mark):
                item.passed = True
                continue
            for span, bytes_then in item.seen.items():
                if ctypes.string_at(*span) != bytes_then:
                    self.violations.append(f"the host wrote to memory that '{item.name}' had still to read")
            if self.counted(f"run {item.name}"):
                self.error = 700
            else:
                item.run()

    def counted(self, name: str) -> bool:
        """Whether this call is to fail."""
        self.calls[name] += 1
        return name in self.failing and self.calls[name] > self.failing[name]

    def _tell_error(self) -> None:
        status, self.error = self.error, 0
        if status:
            raise CudaError(status)
