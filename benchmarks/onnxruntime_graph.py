"""A bare ONNX graph in ONNX Runtime on the CPU, opened as our CPU engine opens its plan."""

from __future__ import annotations

from typing import Any

from benchmarks.contenders import Arrays

__all__ = ["OnnxRuntimeGraph"]


class OnnxRuntimeGraph:
    """Arrays in, arrays out, in the precision that the graph is written in."""

    def __init__(self, path: str, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._names = [port.name for port in self._session.get_outputs()]
        self._threads = threads

    def infer(self, inputs: Arrays) -> Arrays:
        """Run the graph."""
        return dict(zip(self._names, self._session.run(self._names, inputs), strict=True))

    def describe(self) -> dict[str, Any]:
        """Threads as they were asked for; the arithmetic is the graph's own."""
        return {"runtime": "onnxruntime", "threads": self._threads, "arithmetic": "as typed in the graph"}
