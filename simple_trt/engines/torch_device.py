"""A PyTorch model on a GPU as a session wants it: tensors that stay where they are, runs as work for a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import torch

from simple_trt.engines.base import TensorSpec
from simple_trt.engines.cuda_graphs import Graph
from simple_trt.engines.cuda_stream import CudaStream
from simple_trt.engines.on_device import OnDevice
from simple_trt.errors import SimpleTrtError

__all__ = ["TorchOnDevice"]


class TorchOnDevice(OnDevice):
    """A model whose input and results are tensors that stay where they are.

    Args:
        model: image [B,3,H,W] -> a tuple with a field for each output.
        device: where the model is, as torch names it.
        stream: on which it is to run.
        inputs: the spec of `image`.
        outputs: specs of the model's fields.
    """

    def __init__(
        self,
        model: Callable[[torch.Tensor], Any],
        device: str,
        stream: CudaStream,
        inputs: Mapping[str, TensorSpec],
        outputs: Mapping[str, TensorSpec],
    ) -> None:
        self._model = model
        self._queue = torch.cuda.ExternalStream(stream.handle, device=device)
        self._tensors = {name: _zeros(spec, device) for name, spec in (*inputs.items(), *outputs.items())}
        torch.cuda.current_stream(device).synchronize()  # they are zeroed on a stream that ours does not wait for
        self._outputs_of_model = tuple(outputs)
        self._pool: Any = None
        addresses = {name: tensor.data_ptr() for name, tensor in self._tensors.items()}
        super().__init__(stream, inputs, outputs, addresses, self._run, self._record)

    def _run(self) -> None:
        with torch.inference_mode(), torch.cuda.stream(self._queue), _reported():
            found = self._model(self._tensors["image"])
            for name in self._outputs_of_model:
                self._tensors[name].copy_(getattr(found, name))

    def _record(self, work: Callable[[], None]) -> Graph:
        """As torch captures, so that its allocator takes part; graphs share memory, as they run one after the other."""
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.stream(self._queue), _reported():
            graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
            try:
                work()
            except BaseException:
                with suppress(RuntimeError):
                    graph.capture_end()
                raise
            graph.capture_end()
        return _TorchGraph(graph, self._queue)


class _TorchGraph:
    """As `engines.cuda_graphs.Graph`."""

    def __init__(self, graph: torch.cuda.CUDAGraph, queue: torch.cuda.Stream) -> None:
        self._graph, self._queue = graph, queue

    def launch(self) -> None:
        with torch.cuda.stream(self._queue), _reported():
            self._graph.replay()

    def free(self) -> None:
        self._graph.reset()


@contextmanager
def _reported() -> Iterator[None]:
    """What torch says of CUDA, as an error of ours."""
    try:
        yield
    except RuntimeError as error:
        raise SimpleTrtError(f"PyTorch failed on the GPU: {error}", "see 'simple-trt doctor'") from error


def _zeros(spec: TensorSpec, device: str) -> torch.Tensor:
    return torch.zeros(spec.shape, dtype=getattr(torch, spec.dtype.name), device=device)
