"""Who takes part in the sweep: SIMPLE's presets on each engine, and top-down and bottom-up rivals on one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import movenet
from benchmarks.contenders import spec
from benchmarks.rivals import finders
from benchmarks.rivals.finders import BATCHED, DETECTOR, ONE_BY_ONE
from benchmarks.rivals.graphs import rival_graph
from benchmarks.subjects import BUNDLED, build_engine, find_subject

__all__ = ["COUNTS", "MODELS", "PRECISIONS", "RUNTIMES", "Entry", "Terms", "rivals", "simple_entries"]

COUNTS = (1, 2, 5, 10, 15, 20, 30)
MODELS = (BUNDLED, "deploy-w18", "deploy-w32", "paper-w18", "paper-w32", "paper-w48")
REFERENCE = "deploy-w32"  # has the backbone of the top-down HRNet; the first model is a reference, too
PRECISIONS = ("fp32", "bf16")
RUNTIMES = ("openvino", "onnxruntime")


@dataclass(frozen=True)
class Terms:
    """The same for all.

    Args:
        frames: number of people -> file with `frame` and `boxes`.
        runtime: of the rivals, and of the SIMPLE that they are compared with.
        precision, threads, seed: of all.
        work, data: folders.
    """

    frames: Mapping[int, str]
    runtime: str
    precision: str
    threads: int
    seed: int
    work: Path
    data: Path

    @property
    def counts(self) -> list[int]:
        """Numbers of people, the least first."""
        return sorted(self.frames)

    def spec(self, factory: Any, path: Path, **more: Any) -> dict[str, Any]:
        """How a child is told to make a contender on these terms."""
        frames = {str(count): file for count, file in self.frames.items()}
        common = {"frames": frames, "threads": self.threads, "runtime": self.runtime}
        return spec(factory, path=str(path), **(common | more))


@dataclass(frozen=True)
class Entry:
    """A child process and what is timed in it.

    Args:
        name: of the network, and of its engine where it is not the one of all.
        kind: "SIMPLE", "bottom-up" or "top-down".
        weights: "random" or "trained".
        spec: of the child.
        counts: numbers of people.
        ways: of looking at several crops; the fastest one at each number of people is timed.
        detectors: "none", "inside", and "before": the person detector runs first. Each is a series of its own.
        reference: the times of all others are also given as multiples of its times.
    """

    name: str
    kind: str
    weights: str
    spec: dict[str, Any]
    counts: Sequence[int]
    ways: Sequence[str] = ("",)
    detectors: Sequence[str] = ("none",)
    reference: bool = False

    def task(self, count: int, way: str, detector: str) -> str:
        """What the child is asked for."""
        return " ".join(filter(None, [str(count), way, DETECTOR if detector == "before" else ""]))


def simple_entries(models: Sequence[str], terms: Terms) -> list[Entry]:
    """SIMPLE: every model on the runtime of all, and on the other one where that has the precision.

    References are measured at every number of people, the others at the least and the most: what they cost hardly
    depends on it.
    """
    entries = []
    for model in models:
        subject = find_subject(model, terms.work, terms.seed)
        engine = build_engine(subject, terms.precision, terms.work, terms.data, photos=False)
        for runtime in sorted(RUNTIMES, key=lambda name: name != terms.runtime):
            if runtime == "onnxruntime" and terms.precision != "fp32":
                continue
            ours = runtime == terms.runtime
            name = f"SIMPLE {subject.name}" + ("" if ours else f", {runtime}")
            made = terms.spec(finders.simple, engine, runtime=runtime)
            reference = ours and model in (models[0], REFERENCE)
            counts = terms.counts if reference else sorted({terms.counts[0], terms.counts[-1]})
            entries.append(Entry(name, "SIMPLE", subject.weights, made, counts, reference=reference))
    return entries


def rivals(terms: Terms) -> list[Entry]:
    """Everybody else."""
    data, counts = terms.data, terms.counts
    graphs = {
        name: rival_graph(name, terms.work, terms.seed)
        for name in ("hrnet-w32", "simple-baseline", "keypoint-rcnn", "ssdlite")
    }
    precise, before = {"precision": terms.precision}, {"detector": str(graphs["ssdlite"])}

    def crops(name: str, graph: str) -> Entry:
        made = terms.spec(finders.topdown, graphs[graph], **precise, **before)
        return Entry(name, "top-down", "random", made, counts, (BATCHED, ONE_BY_ONE), ("none", "before"))

    thunder = terms.spec(finders.thunder, movenet.thunder_file(data), **precise, **before)
    multipose = terms.spec(finders.multipose, movenet.movenet_file(data), **precise)
    rcnn = terms.spec(finders.keypoint_rcnn, graphs["keypoint-rcnn"], **precise)
    detector = terms.spec(finders.detector, graphs["ssdlite"], **precise)
    return [
        crops("HRNet-W32 256x192", "hrnet-w32"),
        crops("SimpleBaseline R50 256x192", "simple-baseline"),
        Entry("Keypoint R-CNN R50-FPN 512", "top-down", "random", rcnn, counts, detectors=("inside",)),
        Entry("MoveNet Thunder", "top-down", "trained", thunder, counts, detectors=("none", "before")),
        Entry("MoveNet MultiPose, 6 people at most", "bottom-up", "trained", multipose, counts),
        Entry("SSDLite320, the detector alone", "detector", "random", detector, counts[-1:], detectors=("before",)),
    ]
