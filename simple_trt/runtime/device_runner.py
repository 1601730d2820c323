"""From pictures to an engine's outputs without arrays: raw frames go to the GPU, and all else happens there.

Copy-in, letterbox, engine and copy-out of one frame size are one CUDA graph. Two slots of buffers take turns, so that
the host reads, copies and post-processes frames while the GPU is at another.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any

import numpy as np

from simple_trt.engines import Arrays, Engine
from simple_trt.engines.on_device import OnDevice
from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.pictures import Picture
from simple_trt.runtime.host_runner import Run, ms_since
from simple_trt.runtime.preprocess import DeviceArray, check_picture
from simple_trt.runtime.slot import Slot
from simple_trt.types import Letterbox

__all__ = ["DeviceRunner"]

SLOTS = 2


class DeviceRunner:
    """An engine whose tensors lie on a GPU.

    A frame size is run by plain launches when a slot sees it first, which warms everything up; the next time it is
    captured, and from then on replayed. Where it cannot be captured, a warning says so and plain launches go on.

    Args:
        engine: with `on_device`.
        on_device: the engine's.
        letterbox: `letterbox_cuda` of the compiled part.
    """

    ahead = SLOTS - 1

    def __init__(self, engine: Engine, on_device: OnDevice, letterbox: Any) -> None:
        self._engine, self._on_device, self._letterbox = engine, on_device, letterbox
        self._stream = on_device.stream
        self._graphs = engine.options.graphs
        self._one_thread = Lock()
        self._closed = False
        with self._stream.active():
            self._slots = [Slot(self._stream, _people_outputs(engine)) for _ in range(SLOTS)]

    def submit(self, pictures: Sequence[Picture]) -> Run:
        """As `Runner` says; returns as soon as the work is on the stream."""
        for picture in pictures:
            check_picture(picture)
        with self._turn():
            slot = self._idle_slot()
            run = Run([self._way_back(picture) for picture in pictures], held=slot)
            slot.make_room(pictures)
            for i, picture in enumerate(pictures):
                start = time.perf_counter()
                slot.put(i, picture)
                run.preprocess.append(ms_since(start))
            start = time.perf_counter()
            self._start(slot)
            run.inference = ms_since(start)
            slot.busy = True
            return run

    def collect(self, run: Run) -> Arrays:
        """As `Runner` says."""
        slot: Slot = run.held
        with self._turn():
            start = time.perf_counter()
            try:
                with self._settled():
                    self._stream.wait(slot.done)
            finally:
                slot.busy = False
            outputs = slot.read()
            run.inference += ms_since(start)
            return outputs

    def discard(self, run: Run) -> None:
        """As `Runner` says; what the GPU has to say of it will be said at the next run."""
        if not self._closed:
            with suppress(SimpleTrtError):
                self.collect(run)

    def close(self) -> None:
        """Wait for what is under way, then give back graphs and frames; the stream gives back the rest."""
        if self._closed:
            return
        with self._turn():
            self._closed = True
            try:
                self._stream.synchronize()
            finally:
                for slot in self._slots:
                    slot.free_frames()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._one_thread.acquire(blocking=False):
            raise UsageError("a session is used by two threads at once", "open a session in each thread")
        try:
            if self._closed:
                name = self._engine.manifest.name
                raise UsageError(f"the session on engine '{name}' is closed", "open it again")
            with self._stream.active():
                yield
        finally:
            self._one_thread.release()

    def _idle_slot(self) -> Slot:
        slot = next((slot for slot in self._slots if not slot.busy), None)
        if slot is None:
            raise UsageError(
                f"this session has {SLOTS} batches under way",
                "end one stream before another begins, or open two sessions",
            )
        return slot

    def _start(self, slot: Slot) -> None:
        with self._settled():
            graph = self._find_graph(slot)
            if graph is None:
                self._enqueue(slot)
            else:
                graph.launch()
            self._stream.record(slot.done)

    @contextmanager
    def _settled(self) -> Iterator[None]:
        """When this fails, nothing is under way any more in the memory of the slot that it is about."""
        try:
            yield
        except BaseException:
            with suppress(SimpleTrtError):
                self._stream.synchronize()
            raise

    def _find_graph(self, slot: Slot) -> Any:
        """A graph for the frames in the slot; None where they are to be run by plain launches."""
        if not self._graphs:
            return None
        graph, seen = slot.find_graph()
        if graph is None and seen:
            graph = self._capture(slot)
        return graph

    def _capture(self, slot: Slot) -> Any:
        try:
            graph = self._on_device.capture(lambda: self._enqueue(slot))
        except SimpleTrtError as error:
            self._graphs = False
            name = self._engine.manifest.name
            said = f"engine '{name}' cannot be captured as a CUDA graph and runs by plain launches, which is slower"
            warnings.warn(f"{said}: {error.cause}", RuntimeWarning, stacklevel=2)
            return None
        if graph is not None:
            slot.keep_graph(graph)
        return graph

    def _enqueue(self, slot: Slot) -> None:
        """Put one run on the stream. Places of the batch that are left over show its last picture."""
        slot.copy_in()
        for place in range(self._engine.manifest.batch):
            self._letterbox_frame(slot, min(place, len(slot.sizes) - 1), place)
        self._on_device.enqueue()
        slot.copy_out(self._on_device.addresses)

    def _letterbox_frame(self, slot: Slot, index: int, place: int) -> None:
        spec = self._engine.inputs["image"]
        rules = self._engine.manifest.preprocessing
        step = int(np.prod(spec.shape[1:])) * spec.dtype.itemsize
        frame = DeviceArray(slot.frame(index), (*slot.sizes[index], 3), np.dtype(np.uint8))
        image = DeviceArray(self._on_device.addresses["image"] + place * step, spec.shape[1:], spec.dtype)
        try:
            self._letterbox(frame, image, rules.mean, rules.std, self._stream.handle)
        except (RuntimeError, ValueError) as error:
            raise SimpleTrtError(f"the letterbox kernel failed: {error}", "see 'simple-trt doctor'") from error

    def _way_back(self, picture: Picture) -> Letterbox:
        return Letterbox((picture.shape[0], picture.shape[1]), self._engine.manifest.size)


def _people_outputs(engine: Engine) -> dict[str, Any]:
    return {name: engine.outputs[name] for name in ("boxes", "scores", "keypoints", "num")}
