"""Builds a network with any set of its blocks in int8 and measures it: AP lost against the fp32 graph, and time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from simple_trt.engines import Engine, LoadOptions
from simple_trt.engines.cpu import CpuEngine
from simple_trt.engines.onnx_metadata import graph_manifest
from simple_trt.engines.processor import ALL_LEVELS
from simple_trt.evaluate.annotations import Annotations
from simple_trt.evaluate.coco import Found, Predict, find_people
from simple_trt.evaluate.paired import Drop, Matches, ap_drop, match_found
from simple_trt.export.lowering import plugin_nodes, to_plain
from simple_trt.export.precision.biases import Means
from simple_trt.export.precision.blocks import Block
from simple_trt.export.precision.int8 import quantise
from simple_trt.export.search.greedy import Int8
from simple_trt.export.search.times import BlockTimes, measured_times, predicted_times, whole_seconds

__all__ = ["Bench"]

Ranges = Mapping[str, float]
Tell = Callable[[str, float], None]
"""Told what is being done, and how much of it is."""


@dataclass
class Bench:
    """What a search measures with.

    An engine for the CPU is measured as it will run. For a GPU target the same graph runs on ONNX Runtime with its
    quantisation computed as written: that is what the GPU computes but for the rounding of the half-precision rest,
    which the build's last stage sees. Its times are predicted.

    Args:
        model: the fp32 graph.
        blocks: of it.
        runtime: of CPU engines, `openvino` or `onnxruntime`; None for a GPU target.
        annotations: of the photos.
        images: their folder.
        photos: how many of them a block is measured on, drawn with `seed`; sets of blocks are measured on all.
        seed: of the drawing and of the bootstrap.
        open_session: makes of an engine what finds people.
        folder: for graphs that are made on the way.
        tell: told how far a measurement is.
        weight_levels: as in precision.int8.quantise.
        means: of the tensors that blocks read, for their biases.
        ranges: of every tensor that a block reads, as choose_ranges gives them.
    """

    model: onnx.ModelProto
    blocks: Sequence[Block]
    runtime: str | None
    annotations: Annotations
    images: Path
    photos: int
    seed: int
    open_session: Callable[[Engine], Predict]
    folder: Path
    tell: Tell
    weight_levels: int = ALL_LEVELS
    means: Means = field(default_factory=dict)
    ranges: Ranges = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=count, repr=False)

    def lost_on_some(self, what: str, int8: Int8, ranges: Ranges | None = None) -> Drop:
        """AP lost on the search photos."""
        found = self._people(what, self._graph(int8, ranges or self.ranges), self._some)
        matches = match_found(self.annotations, found)
        return ap_drop(self._reference_on_some, matches, self.seed)

    def lost_on_all(self, what: str, int8: Int8) -> Drop:
        """AP lost on all photos."""
        found = self._people(what, self._graph(int8, self.ranges), self.annotations)
        return ap_drop(self._reference_on_all, match_found(self.annotations, found), self.seed)

    @cached_property
    def reference_ap(self) -> float:
        """AP of the fp32 graph on all photos."""
        return self._reference_on_all.ap()

    def times(self, image: NDArray[np.float32]) -> BlockTimes:
        """Times of the blocks: measured on OpenVINO, else predicted."""
        if self.runtime != "openvino":
            return predicted_times(self.blocks)
        everything = frozenset(block.name for block in self.blocks)
        self.tell("timing the blocks", 0.0)
        with ExitStack() as stack:
            engines = [
                stack.enter_context(self._engine(self._graph(int8, self.ranges), profile=True))
                for int8 in (frozenset[str](), everything)
            ]
            return measured_times(self.blocks, engines[0], engines[1], image)

    def seconds(self, sets: Iterable[Int8], image: NDArray[np.float32]) -> dict[Int8, float]:
        """The measured time of the whole network; empty for a GPU target, whose engine does not run here."""
        if self.runtime is None:
            return {}
        self.tell("timing the best", 0.0)
        with ExitStack() as stack:
            opened = {int8: stack.enter_context(self._engine(self._graph(int8, self.ranges))) for int8 in sets}
            return whole_seconds(opened, image)

    @cached_property
    def _some(self) -> Annotations:
        """The annotations of the search photos: those with people in them come before empty ones."""
        marked = {entry["image_id"] for entry in self.annotations.people if entry["num_keypoints"] > 0}
        order = np.random.default_rng(self.seed).permutation(len(self.annotations.pictures))
        pictures = [self.annotations.pictures[i] for i in order]
        pictures.sort(key=lambda entry: entry.id not in marked)
        return replace(self.annotations, pictures=pictures[: self.photos])

    @cached_property
    def _reference(self) -> Found:
        """What the fp32 graph finds in all photos."""
        with self._engine(self._saved(self.model, "reference"), reference=True) as engine:
            return self._found("the fp32 graph", engine, self.annotations)

    @cached_property
    def _reference_on_all(self) -> Matches:
        return match_found(self.annotations, self._reference)

    @cached_property
    def _reference_on_some(self) -> Matches:
        ids = [entry.id for entry in self._some.pictures]
        chosen = set(ids)
        results = [entry for entry in self._reference.results if entry["image_id"] in chosen]
        return match_found(self.annotations, Found(results, ids, self._reference.skeleton))

    def _people(self, what: str, graph: Path, annotations: Annotations) -> Found:
        with self._engine(graph) as engine:
            return self._found(what, engine, annotations)

    def _found(self, what: str, engine: Engine, annotations: Annotations) -> Found:
        def show(done: int, total: int) -> None:
            self.tell(f"AP of {what}", done / total)

        return find_people(self.open_session(engine), annotations, self.images, progress=show)

    def _graph(self, int8: Int8, ranges: Ranges) -> Path:
        names = [name for block in self.blocks if block.name in int8 for name in block.convolutions]
        return self._saved(quantise(self.model, names, ranges, self.weight_levels, self.means), "candidate")

    def _saved(self, model: onnx.ModelProto, name: str) -> Path:
        """A file of its own for each: an engine that is open may still read the last one."""
        path = self.folder / f"{name}-{next(self._numbers)}.onnx"
        onnx.save(to_plain(model) if plugin_nodes(model) else model, path)
        return path

    @contextmanager
    def _engine(self, graph: Path, reference: bool = False, profile: bool = False) -> Iterator[CpuEngine]:
        runtime = "onnxruntime" if reference or self.runtime is None else self.runtime
        options = LoadOptions(runtime=runtime, fuse_quantised=self.runtime is not None, profile=profile)
        try:
            with CpuEngine(graph, graph_manifest(graph), options) as engine:
                assert isinstance(engine, CpuEngine)
                yield engine
        finally:
            graph.unlink()
