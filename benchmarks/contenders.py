"""What a child process can load and run: one engine, one bare graph, one model in PyTorch, one op.

Each is made by a factory from plain JSON, so that it can be named across a process border. A task is one of the inputs
that the contender was given, by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simple_trt.engines import LoadOptions, open_engine

__all__ = ["Contender", "engine", "graph", "load_inputs", "op", "spec", "torch_model"]

Arrays = dict[str, NDArray[Any]]


class Contender(ABC):
    """Loaded, and ready to be timed."""

    @abstractmethod
    def run(self, task: str) -> Any:
        """Once: what is timed. Inputs lie in memory as NumPy arrays, outputs are complete when it returns."""

    @abstractmethod
    def outputs(self, task: str) -> Arrays:
        """What `run` computes, by name."""

    def describe(self) -> dict[str, Any]:
        """What it says of itself, for the result file."""
        return {}


def spec(factory: Any, **arguments: Any) -> dict[str, Any]:
    """How a child is told to make a contender: the factory's name and its arguments, plain JSON."""
    return {"factory": f"{factory.__module__}:{factory.__qualname__}", "arguments": arguments}


def load_inputs(files: Mapping[str, str]) -> dict[str, Arrays]:
    """Task -> arrays by name, from `.npz` files."""
    loaded = {}
    for task, path in files.items():
        with np.load(Path(path)) as arrays:
            loaded[task] = {name: arrays[name] for name in arrays.files}
    return loaded


class _Engine(Contender):
    def __init__(self, path: str, inputs: Mapping[str, str], threads: int, runtime: str | None) -> None:
        self._engine = open_engine(path, LoadOptions(runtime=runtime, threads=threads))
        self._inputs = load_inputs(inputs)

    def run(self, task: str) -> Arrays:
        return self._engine.infer(self._inputs[task])

    def outputs(self, task: str) -> Arrays:
        return self.run(task)

    def describe(self) -> dict[str, Any]:
        facts = self._engine.describe()
        return {
            key: facts[key]
            for key in ("runtime", "precision", "threads", "arithmetic", "decode", "note")
            if key in facts
        }


def engine(path: str, inputs: Mapping[str, str], threads: int, runtime: str | None = None) -> Contender:
    """What `simple_trt.open_engine` opens: a built engine, an ONNX file, a checkpoint (which PyTorch runs)."""
    return _Engine(path, inputs, threads, runtime)


def graph(path: str, inputs: Mapping[str, str], threads: int, precision: str = "f32") -> Contender:
    """A bare ONNX graph in OpenVINO, compiled with the settings of our CPU engine: a peer, or a piece of a network."""
    from benchmarks.openvino_graph import OpenVinoGraph

    return OpenVinoGraph(path, load_inputs(inputs), threads, precision)


def torch_model(path: str, inputs: Mapping[str, str], threads: int, folded: bool = False) -> Contender:
    """A checkpoint in PyTorch's eager mode: as it is loaded, or `folded` (batch norm folded, channels last)."""
    from benchmarks.torch_model import TorchModel

    return TorchModel(path, load_inputs(inputs), threads, folded)


def op(case: str, seed: int, threads: int) -> Contender:
    """One op on its inputs; the task is the implementation: `kernel`, `twin` or `native`."""
    from benchmarks.op_cases import OpContender

    return OpContender(case, seed, threads)
