"""Picture in, people out: an engine with its preprocessing before it and the way back to picture pixels behind it."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from types import TracebackType

import numpy as np

from simple_trt.engines import Arrays, Engine, LoadOptions, open_engine
from simple_trt.errors import SimpleTrtError
from simple_trt.pictures import Picture
from simple_trt.runtime.preprocess import prepare
from simple_trt.skeletons import Skeleton, find_skeleton
from simple_trt.types import Letterbox, People

__all__ = ["Session"]


class Session:
    """Runs one engine on pictures of any size.

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
        batch = self.engine.manifest.batch
        return [
            people
            for start in range(0, len(pictures), batch)
            for people in self._predict_chunk(pictures[start : start + batch])
        ]

    def close(self) -> None:
        """Close the engine."""
        self.engine.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _predict_chunk(self, pictures: Sequence[Picture]) -> list[People]:
        """At most a batch of pictures; places left over stay zero."""
        images = np.zeros(self.engine.inputs["image"].shape, np.float32)
        letterboxes, speeds = [], []
        for i, picture in enumerate(pictures):
            start = time.perf_counter()
            images[i], letterbox = prepare(picture, self.engine.manifest)
            letterboxes.append(letterbox)
            speeds.append({"preprocess": _ms_since(start)})
        start = time.perf_counter()
        outputs = self.engine.infer({"image": images})
        inference = _ms_since(start) / len(pictures)
        results = []
        for i, letterbox in enumerate(letterboxes):
            start = time.perf_counter()
            people = self._people(outputs, i, letterbox)
            people.speed = {**speeds[i], "inference": inference, "postprocess": _ms_since(start)}
            results.append(people)
        return results

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


def _ms_since(start: float) -> float:
    return (time.perf_counter() - start) * 1000
