"""An engine whose tensors lie on a GPU: arrays through pinned memory, and what a session needs to go without arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simple_trt.engines.base import Arrays, TensorSpec
from simple_trt.engines.cuda_graphs import SETTING_UP, Graph
from simple_trt.engines.cuda_stream import CudaStream, HostBlock
from simple_trt.errors import SimpleTrtError

__all__ = ["OnDevice", "as_array", "byte_count"]

Work = Callable[[], None]


class OnDevice:
    """Tensors of fixed addresses on one GPU, and one run from inputs to outputs as work for a stream.

    Args:
        stream: on which everything of this engine runs; closed by the engine.
        inputs, outputs: their specs by name.
        addresses: where each of them lies on the device.
        enqueue: puts one run on the stream and does not wait; it can be captured once it has run.
        capture: records work as a CUDA graph in the framework's own way, where it has one.
    """

    def __init__(
        self,
        stream: CudaStream,
        inputs: Mapping[str, TensorSpec],
        outputs: Mapping[str, TensorSpec],
        addresses: Mapping[str, int],
        enqueue: Work,
        capture: Callable[[Work], Graph] | None = None,
    ) -> None:
        self.stream, self.addresses, self.enqueue = stream, addresses, enqueue
        self._inputs, self._outputs = inputs, outputs
        self._capture = capture or stream.capture
        self._blocks: dict[str, HostBlock] = {}

    def capture(self, work: Work) -> Graph | None:
        """Record what `work` puts on the stream as a CUDA graph; nothing of it runs.

        Returns:
            None while another thread loads an engine or allocates memory, which would spoil a capture: try again later.

        Raises:
            SimpleTrtError: the work cannot be captured. The stream can be used afterwards.
        """
        if not SETTING_UP.acquire(blocking=False):
            return None
        try:
            return self._capture(work)
        finally:
            SETTING_UP.release()

    def infer(self, inputs: Arrays) -> Arrays:
        """Run once on arrays that fit the specs; waits for the result. Raises SimpleTrtError where CUDA fails."""
        with self.stream.active():
            try:
                self._enqueue_arrays(inputs)
            except BaseException:
                with suppress(SimpleTrtError):
                    self.stream.synchronize()  # the copies under way read memory that the next call writes to
                raise
            self.stream.synchronize()
        return {name: as_array(self._block(name, spec), spec).copy() for name, spec in self._outputs.items()}

    def _enqueue_arrays(self, inputs: Arrays) -> None:
        for name, spec in self._inputs.items():
            block = self._block(name, spec)
            as_array(block, spec)[...] = inputs[name]
            self.stream.copy_in(self.addresses[name], block)
        self.enqueue()
        for name, spec in self._outputs.items():
            self.stream.copy_out(self._block(name, spec), self.addresses[name])

    def _block(self, name: str, spec: TensorSpec) -> HostBlock:
        """Made when it is first needed: a session that goes without arrays never does."""
        if name not in self._blocks:
            self._blocks[name] = self.stream.pin(byte_count(spec))
        return self._blocks[name]


def byte_count(spec: TensorSpec) -> int:
    """Bytes of a tensor; at least 1, as nothing cannot be allocated."""
    return max(1, int(np.prod(spec.shape)) * spec.dtype.itemsize)


def as_array(block: HostBlock, spec: TensorSpec) -> NDArray[Any]:
    """The tensor that lies in a block."""
    return block[: int(np.prod(spec.shape)) * spec.dtype.itemsize].view(spec.dtype).reshape(spec.shape)
