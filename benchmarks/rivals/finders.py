"""What the sweep times, SIMPLE and its rivals alike: a frame in memory -> people in pixels of the frame.

A task is a number of people and, for networks that look at people one at a time, how: "30 batched detector" has all
crops in one run of the network, after a run of the person detector. The boxes are always the known ones, also after the
detector: its time counts, its answer does not, because its weights are random.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks import movenet
from benchmarks.contenders import Arrays, Contender, load_inputs
from benchmarks.onnxruntime_graph import OnnxRuntimeGraph
from benchmarks.openvino_graph import OpenVinoGraph
from benchmarks.rivals.crops import crop, grown, normalised, read_heatmaps
from benchmarks.rivals.graphs import CROP
from benchmarks.rivals.ssdlite import SIZE as DETECTOR_SIZE
from simple_trt import Session
from simple_trt.engines import LoadOptions
from simple_trt.pictures import Picture
from simple_trt.types import People

__all__ = [
    "BATCHED",
    "DETECTOR",
    "ONE_BY_ONE",
    "detector",
    "keypoint_rcnn",
    "multipose",
    "simple",
    "thunder",
    "topdown",
]

BATCHED, ONE_BY_ONE, DETECTOR = "batched", "one-by-one", "detector"
HINTS = {"fp32": "f32", "bf16": "bf16"}
THUNDER_SIZE = 256
Floats = NDArray[np.float32]


class Graph(Protocol):
    """A bare graph in a runtime."""

    def infer(self, inputs: Arrays) -> Arrays:
        """Run it."""

    def describe(self) -> dict[str, Any]:
        """Runtime, threads, arithmetic."""


def open_graph(path: str, threads: int, runtime: str, precision: str, batch: int | None = None) -> Graph:
    """A graph in `openvino` or `onnxruntime`. The latter has no bf16 on CPUs, and needs no fixed batch."""
    if runtime == "onnxruntime":
        return OnnxRuntimeGraph(path, threads)
    return OpenVinoGraph(path, {}, threads, HINTS[precision], batch)


class _Finder(Contender):
    """Frames with known boxes, by their number of people."""

    def __init__(self, frames: Mapping[str, str], threads: int) -> None:
        cv2.setNumThreads(threads)
        self._frames = load_inputs(frames)

    def run(self, task: str) -> People:
        count, *how = task.split()
        frame = self._frames[count]
        return self.find(frame["frame"], frame["boxes"], how)

    def outputs(self, task: str) -> Arrays:
        people = self.run(task)
        keypoints = np.concatenate((people.keypoints.xy, people.keypoints.conf[..., None]), 2)
        return {"boxes": people.boxes.xyxy, "scores": people.scores, "keypoints": keypoints}

    @abstractmethod
    def find(self, picture: Picture, boxes: Floats, how: Sequence[str]) -> People:
        """The people of a picture; their boxes are known to whom they help."""


class _Simple(_Finder):
    def __init__(self, path: str, frames: Mapping[str, str], threads: int, runtime: str) -> None:
        super().__init__(frames, threads)
        self._session = Session.open(path, LoadOptions(runtime=runtime, threads=threads))

    def find(self, picture: Picture, boxes: Floats, how: Sequence[str]) -> People:  # noqa: ARG002
        return self._session.predict(picture)

    def describe(self) -> dict[str, Any]:
        facts = self._session.engine.describe()
        return {key: facts[key] for key in ("runtime", "threads", "arithmetic", "note") if key in facts}


class _MultiPose(_Finder):
    def __init__(self, path: str, frames: Mapping[str, str], threads: int, runtime: str, precision: str) -> None:
        super().__init__(frames, threads)
        self._graph = open_graph(path, threads, runtime, precision)

    def find(self, picture: Picture, boxes: Floats, how: Sequence[str]) -> People:  # noqa: ARG002
        found = self._graph.infer({movenet.INPUT: movenet.prepare(picture)})
        return movenet.people_of(found[movenet.OUTPUT], picture)

    def describe(self) -> dict[str, Any]:
        return self._graph.describe()


class _Detector:
    """SSDLite320: a picture, stretched to the network's square, -> boxes."""

    def __init__(self, path: str, threads: int, runtime: str, precision: str) -> None:
        self._graph = open_graph(path, threads, runtime, precision)
        self.describe = self._graph.describe

    def __call__(self, picture: Picture) -> Arrays:
        small = cv2.resize(picture, (DETECTOR_SIZE, DETECTOR_SIZE), interpolation=cv2.INTER_LINEAR)
        return self._graph.infer({"image": normalised(np.asarray(small))[None]})


class _TopDown(_Finder):
    """A detector where it is asked for, then a pose network on crops; how crops become keypoints is the subclass's."""

    def __init__(self, detect: _Detector, frames: Mapping[str, str], threads: int) -> None:
        super().__init__(frames, threads)
        self._detect = detect

    def find(self, picture: Picture, boxes: Floats, how: Sequence[str]) -> People:
        if DETECTOR in how:
            self._detect(picture)
        keypoints = self.poses(picture, boxes, BATCHED in how)
        return People(boxes, keypoints[..., 2].mean(1), keypoints, picture.shape[:2])

    @abstractmethod
    def poses(self, picture: Picture, boxes: Floats, batched: bool) -> Floats:
        """Keypoints [n,17,3] of the people in `boxes` [n,4]."""


class _DetectorAlone(_TopDown):
    def poses(self, picture: Picture, boxes: Floats, batched: bool) -> Floats:  # noqa: ARG002
        return np.zeros((len(boxes), movenet.KEYPOINTS, 3), np.float32)

    def describe(self) -> dict[str, Any]:
        return self._detect.describe()


class _Crops(_TopDown):
    """A network of heatmaps, loaded twice: for one crop, and for any number of them."""

    def __init__(
        self, path: str, frames: Mapping[str, str], threads: int, runtime: str, precision: str, **rest: Any
    ) -> None:
        super().__init__(frames=frames, threads=threads, **rest)
        self._one = open_graph(path, threads, runtime, precision, batch=1)
        self._many = open_graph(path, threads, runtime, precision)

    def poses(self, picture: Picture, boxes: Floats, batched: bool) -> Floats:
        regions = grown(boxes, *CROP)
        crops = np.stack([normalised(crop(picture, region, *CROP)) for region in regions])
        if batched:
            heatmaps = self._many.infer({"crops": crops})["heatmaps"]
        else:
            heatmaps = np.concatenate([self._one.infer({"crops": one[None]})["heatmaps"] for one in crops])
        return read_heatmaps(heatmaps, regions)

    def describe(self) -> dict[str, Any]:
        return self._one.describe()


class _Thunder(_TopDown):
    """MoveNet Thunder, which takes one crop at a time and reads its own heatmaps."""

    def __init__(
        self, path: str, frames: Mapping[str, str], threads: int, runtime: str, precision: str, **rest: Any
    ) -> None:
        super().__init__(frames=frames, threads=threads, **rest)
        self._graph = open_graph(path, threads, runtime, precision)

    def poses(self, picture: Picture, boxes: Floats, batched: bool) -> Floats:  # noqa: ARG002
        return np.stack([self._pose(picture, region) for region in grown(boxes, THUNDER_SIZE, THUNDER_SIZE)])

    def _pose(self, picture: Picture, region: Floats) -> Floats:
        square = crop(picture, region, THUNDER_SIZE, THUNDER_SIZE).astype(np.int32)
        found = self._graph.infer({movenet.INPUT: square[None]})[movenet.OUTPUT].reshape(movenet.KEYPOINTS, 3)
        xy = region[:2] + (found[:, 1::-1] + movenet.PIXEL_CENTRE / THUNDER_SIZE) * (region[2:] - region[:2])
        return np.concatenate((xy, found[:, 2:]), 1).astype(np.float32)

    def describe(self) -> dict[str, Any]:
        return self._graph.describe()


class _KeypointRcnn(_Finder):
    def __init__(self, path: str, frames: Mapping[str, str], threads: int, runtime: str, precision: str) -> None:
        super().__init__(frames, threads)
        self._graph = open_graph(path, threads, runtime, precision)

    def find(self, picture: Picture, boxes: Floats, how: Sequence[str]) -> People:  # noqa: ARG002
        found = self._graph.infer({"image": normalised(picture)[None], "people": boxes})
        keypoints = read_heatmaps(found["heatmaps"], boxes)
        return People(boxes, keypoints[..., 2].mean(1), keypoints, picture.shape[:2])

    def describe(self) -> dict[str, Any]:
        return self._graph.describe()


def simple(path: str, frames: Mapping[str, str], threads: int, runtime: str) -> Contender:
    """SIMPLE: what a user calls, `Session.predict`."""
    return _Simple(path, frames, threads, runtime)


def multipose(path: str, **common: Any) -> Contender:
    """MoveNet MultiPose. `common` of this and the next ones: frames, threads, runtime, precision."""
    return _MultiPose(path, **common)


def thunder(path: str, detector: str, **common: Any) -> Contender:
    """MoveNet Thunder on a crop of each person, alone or after the detector in file `detector`."""
    return _Thunder(path, detect=_open_detector(detector, **common), **common)


def topdown(path: str, detector: str, **common: Any) -> Contender:
    """A network of heatmaps on a crop of each person, alone or after the detector in file `detector`."""
    return _Crops(path, detect=_open_detector(detector, **common), **common)


def detector(path: str, **common: Any) -> Contender:
    """The person detector alone."""
    return _DetectorAlone(_open_detector(path, **common), common["frames"], common["threads"])


def keypoint_rcnn(path: str, **common: Any) -> Contender:
    """Keypoint R-CNN: its detector is part of it."""
    return _KeypointRcnn(path, **common)


def _open_detector(path: str, threads: int, runtime: str, precision: str, **_: Any) -> _Detector:
    return _Detector(path, threads, runtime, precision)
