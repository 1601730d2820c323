"""Picture in, people out: an engine with its preprocessing before it and the way back to picture pixels behind it."""

from __future__ import annotations

import os
import time
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from types import TracebackType

import numpy as np

from simple_trt.engines import Arrays, Engine, LoadOptions, open_engine
from simple_trt.errors import SimpleTrtError
from simple_trt.pictures import Picture
from simple_trt.runtime.device_runner import DeviceRunner
from simple_trt.runtime.host_runner import HostRunner, Run, Runner, ms_since
from simple_trt.runtime.preprocess import device_letterbox
from simple_trt.skeletons import Skeleton, find_skeleton
from simple_trt.types import Letterbox, People

__all__ = ["Session"]


class Session:
    """Runs one engine on pictures of any size; one thread at a time, several threads have a session each.

    On a GPU (TensorRT, TensorRT-RTX, or a checkpoint with `LoadOptions(device=0)`) the raw frames go there and are
    letterboxed there, and the work for each frame size is replayed as one CUDA graph; see docs/gpu-sessions.md.

    Args:
        engine: closed with the session.

    Raises:
        SimpleTrtError: the engine's outputs are not those of a pose network with the manifest's skeleton.

    Example:
        >>> with Session.open("edge-512.engine") as session:  # doctest: +SKIP
        ...     people = session.predict(image)
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.skeleton = find_skeleton(engine.manifest.skeleton)
        _check_outputs(engine, self.skeleton)
        self._runner = _runner(engine)

    @classmethod
    def open(cls, path: str | os.PathLike[str], options: LoadOptions | None = None) -> Session:
        """A session on what `engines.open_engine` opens."""
        engine = open_engine(path, options)
        try:
            return cls(engine)
        except SimpleTrtError:
            engine.close()
            raise

    def predict(self, picture: Picture) -> People:
        """The people of one picture, every one the network reports; filter with `people.above(score)`.

        Args:
            picture: RGB uint8 [H,W,3].

        Returns:
            people in pixels of the picture: boxes clipped to it, keypoints as found, `speed` in milliseconds by stage
            (`preprocess`, `inference`, `postprocess`).

        Raises:
            UsageError: the picture is not RGB uint8.
            SimpleTrtError: the engine fails or returns numbers that make no sense.
        """
        return self.predict_batch([picture])[0]

    def predict_batch(self, pictures: Sequence[Picture]) -> list[People]:
        """The people of each picture, as `predict`; the engine is run on as many at a time as its batch holds."""
        return list(self.stream(pictures))

    def stream(self, pictures: Iterable[Picture]) -> Iterator[People]:
        """The people of each picture, as `predict`, in order, while the pictures come: from a video, say.

        On a GPU a batch is handed over before the people of the one before are waited for: results come a batch late,
        and the host's work costs no time of the GPU's. An error comes after the people of the pictures before it.

        Args:
            pictures: RGB uint8 [H,W,3] each; sizes may change.
        """
        waiting: deque[Run] = deque()
        try:
            for chunk in _chunks(pictures, self.engine.manifest.batch):
                try:
                    waiting.append(self._runner.submit(chunk))
                except SimpleTrtError:
                    while waiting:
                        yield from self._collect(waiting.popleft())
                    raise
                while len(waiting) > self._runner.ahead:
                    yield from self._collect(waiting.popleft())
            while waiting:
                yield from self._collect(waiting.popleft())
        finally:
            for run in waiting:
                self._runner.discard(run)

    def close(self) -> None:
        """Give back buffers and graphs, then close the engine."""
        try:
            self._runner.close()
        finally:
            self.engine.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _collect(self, run: Run) -> Iterator[People]:
        outputs = self._runner.collect(run)
        inference = run.inference / len(run.letterboxes)
        for i, letterbox in enumerate(run.letterboxes):
            start = time.perf_counter()
            people = self._people(outputs, i, letterbox)
            people.speed = {"preprocess": run.preprocess[i], "inference": inference, "postprocess": ms_since(start)}
            yield people

    def _people(self, outputs: Arrays, i: int, letterbox: Letterbox) -> People:
        count = int(outputs["num"][i])
        if not 0 <= count <= outputs["scores"].shape[1]:
            raise self._senseless(f"num {count}, expected 0 to {outputs['scores'].shape[1]}")
        boxes, scores, keypoints = (np.asarray(outputs[name][i, :count]) for name in ("boxes", "scores", "keypoints"))
        if not all(np.isfinite(values).all() for values in (boxes, scores, keypoints)):
            raise self._senseless("numbers that are not finite")
        return People.from_network(boxes, scores, keypoints, letterbox, self.skeleton)

    def _senseless(self, what: str) -> SimpleTrtError:
        manifest = self.engine.manifest
        cure = f"build it again, in a higher precision than {manifest.precision}: {manifest.rebuild_command}"
        return SimpleTrtError(f"the engine '{manifest.name}' returned {what}", cure)


def _check_outputs(engine: Engine, skeleton: Skeleton) -> None:
    """The outputs are there, and the number of keypoints is the skeleton's."""
    batch = engine.manifest.batch
    slots = engine.outputs["scores"].shape[1] if "scores" in engine.outputs else 0
    expected = {
        "boxes": (batch, slots, 4),
        "scores": (batch, slots),
        "keypoints": (batch, slots, len(skeleton), 3),
        "num": (batch,),
    }
    got = {name: spec.shape for name, spec in engine.outputs.items() if name in expected}
    if got != expected:
        name = next(name for name in expected if got.get(name) != expected[name])
        shape = list(got[name]) if name in got else "no such output"
        raise SimpleTrtError(
            f"the engine '{engine.manifest.name}' does not fit the skeleton '{skeleton.name}' of its manifest: "
            f"output '{name}' expected {list(expected[name])}, got {shape}",
            f"rebuild it: {engine.manifest.rebuild_command}",
        )


def _runner(engine: Engine) -> Runner:
    if engine.on_device is None:
        return HostRunner(engine)
    letterbox = device_letterbox()
    if letterbox is None:
        said = "the compiled part of simple-trt has no CUDA code: pictures are letterboxed on the CPU, which is slower"
        warnings.warn(f"{said}; install it again where nvcc is", RuntimeWarning, stacklevel=3)
        return HostRunner(engine)
    return DeviceRunner(engine, engine.on_device, letterbox)


def _chunks(pictures: Iterable[Picture], size: int) -> Iterator[list[Picture]]:
    rest = iter(pictures)
    while chunk := list(islice(rest, size)):
        yield chunk
