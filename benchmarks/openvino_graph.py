"""A bare ONNX graph in OpenVINO's CPU plugin, compiled as our CPU engine compiles its plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contenders import Arrays, Contender
from simple_trt.engines.openvino_ops import use_kernels

__all__ = ["OpenVinoGraph"]


class OpenVinoGraph(Contender):
    """See `contenders.graph`; `precision` is OpenVINO's own name: `f32` or `bf16`.

    `batch` makes the first dimension of a graph's only input a fixed one; None leaves it as the graph has it.
    """

    def __init__(
        self, path: str, inputs: dict[str, Arrays], threads: int, precision: str, batch: int | None = None
    ) -> None:
        import openvino

        properties = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": threads,
        }
        core = openvino.Core()
        model = core.read_model(path)
        if batch is not None:
            model.reshape([batch, *model.input(0).partial_shape[1:]])
        use_kernels(core, model, Path(path))  # a peer's graph stays as it is
        self._compiled = core.compile_model(model, "CPU", properties)
        self._request = self._compiled.create_infer_request()
        self._names = [port.get_any_name() for port in self._compiled.outputs]
        self._inputs = inputs

    def infer(self, inputs: Arrays) -> Arrays:
        """Run the graph; the outputs are copied out of OpenVINO, as the engine does."""
        results = self._request.infer(inputs, share_inputs=True)
        return {name: np.array(results[name]) for name in self._names}

    def run(self, task: str) -> Arrays:
        """Once, on the task's inputs."""
        return self.infer(self._inputs[task])

    def outputs(self, task: str) -> Arrays:
        """What `run` gives."""
        return self.run(task)

    def describe(self) -> dict[str, Any]:
        """Threads and arithmetic as OpenVINO reports them."""
        get = self._compiled.get_property
        return {
            "runtime": "openvino",
            "threads": int(get("INFERENCE_NUM_THREADS")),
            "arithmetic": get("INFERENCE_PRECISION_HINT").to_string(),
        }
