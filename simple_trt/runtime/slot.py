"""Memory for one batch of frames on its way: pinned on the host, plain on the device, and the graphs that name it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

import numpy as np

from simple_trt.engines import Arrays, TensorSpec
from simple_trt.engines.cuda_graphs import Graph
from simple_trt.engines.cuda_stream import CudaStream, HostBlock
from simple_trt.engines.on_device import as_array, byte_count
from simple_trt.pictures import Picture

__all__ = ["KEPT_SIZES", "Slot"]

KEPT_SIZES = 4  # graphs of a slot; a graph of the bundled model holds some hundred nodes
ALIGNMENT = 256  # bytes, what the device likes its rows to start at

Size = tuple[int, int]


class Slot:
    """One of a session's two sets of buffers. It is `busy` from `fill` until its outputs were read.

    Only an idle slot's memory and graphs are changed, so no work under way ever loses what it uses.

    Args:
        stream: on which its work runs.
        outputs: specs of the engine's outputs.
    """

    def __init__(self, stream: CudaStream, outputs: Mapping[str, TensorSpec]) -> None:
        self.busy = False
        self.sizes: tuple[Size, ...] = ()
        self.done = stream.new_event()
        self._stream, self._specs = stream, outputs
        self.results = {name: stream.pin(byte_count(spec)) for name, spec in outputs.items()}
        self._pinned: HostBlock = np.empty(0, np.uint8)
        self._device = 0
        self._used = 0
        self._graphs: OrderedDict[tuple[Size, ...], Graph | None] = OrderedDict()

    def make_room(self, pictures: Sequence[Picture]) -> None:
        """Enough memory for these pictures; where it has to grow, the graphs go, since they name the old addresses."""
        self.sizes = tuple((picture.shape[0], picture.shape[1]) for picture in pictures)
        self._used = sum(map(_room, self.sizes))
        if self._used > self._pinned.nbytes:
            self.free_frames()
            device = self._stream.allocate(self._used)
            try:
                self._pinned = self._stream.pin(self._used)
            except BaseException:
                self._stream.free(device)
                raise
            self._device = device

    def put(self, index: int, picture: Picture) -> None:
        """Copy a picture, whatever its strides, to its place in pinned memory."""
        height, width = self.sizes[index]
        start = self._start(index)
        self._pinned[start : start + 3 * height * width].reshape(height, width, 3)[...] = picture

    def frame(self, index: int) -> int:
        """Device address of a picture, its rows without gaps."""
        return self._device + self._start(index)

    def copy_in(self) -> None:
        """Put the copy of all frames on the stream."""
        self._stream.copy_in(self._device, self._pinned[: self._used])

    def copy_out(self, addresses: Mapping[str, int]) -> None:
        """Put the copies of all outputs on the stream."""
        for name, block in self.results.items():
            self._stream.copy_out(block, addresses[name])

    def read(self) -> Arrays:
        """The outputs, copied; what made them has been waited for."""
        return {name: as_array(self.results[name], spec).copy() for name, spec in self._specs.items()}

    def find_graph(self) -> tuple[Graph | None, bool]:
        """The graph for these sizes, if there is one, and whether they were seen before: only then is one worth it."""
        seen = self.sizes in self._graphs
        graph = self._graphs.setdefault(self.sizes, None)
        self._graphs.move_to_end(self.sizes)
        while len(self._graphs) > KEPT_SIZES:
            _, oldest = self._graphs.popitem(last=False)
            _free(oldest)
        return graph, seen

    def keep_graph(self, graph: Graph) -> None:
        """Remember it for these sizes."""
        self._graphs[self.sizes] = graph

    def free_graphs(self) -> None:
        """Forget all graphs."""
        while self._graphs:
            _free(self._graphs.popitem()[1])

    def free_frames(self) -> None:
        """Forget the frames' memory and the graphs that name it."""
        self.free_graphs()
        if self._pinned.nbytes:
            pinned, device = self._pinned, self._device
            self._pinned, self._device = np.empty(0, np.uint8), 0
            self._stream.unpin(pinned)
            self._stream.free(device)

    def _start(self, index: int) -> int:
        return sum(map(_room, self.sizes[:index]))


def _room(size: Size) -> int:
    """Bytes of a frame, rounded up."""
    return -(-3 * size[0] * size[1] // ALIGNMENT) * ALIGNMENT


def _free(graph: Graph | None) -> None:
    if graph is not None:
        graph.free()
