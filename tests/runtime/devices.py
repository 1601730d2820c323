"""Engines on a machine with a GPU that is made of fakes: one of each kind that a session runs on a device."""

from __future__ import annotations

import sys
import threading
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from fake_cuda import FakeCuda, Work
from fake_gpu import take_over
from fake_tensorrt import FakeTensorRt
from tiny_graph import save_tiny

from simple_trt.engines import Engine, LoadOptions, open_engine
from simple_trt.engines.gpu import Gpu
from simple_trt.engines.manifest import Plan, manifest_path, write_manifest
from simple_trt.engines.torch import TorchEngine
from simple_trt.files import sha256_of
from simple_trt.runtime import Session
from simple_trt.types import People
from tests.runtime.planted import SLOTS, planted_manifest

KINDS = ("tensorrt", "tensorrt-rtx", "torch")
SIZE = 64
VGA, HD, TALL = (48, 64), (72, 128), (90, 30)  # frames, small ones
GPU = Gpu("Orin", (8, 7), 8 << 30)
DEVICES = {"tensorrt": {"gpu": GPU.name, "compute_capability": GPU.sm}, "tensorrt-rtx": {"compute_capabilities": []}}


class Machine:
    """Two GPUs. `open` opens an engine on them, `reference` the same network on the CPU."""

    def __init__(self, cuda: FakeCuda, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.cuda, self._patch, self._folder = cuda, patch, folder
        self.trt = FakeTensorRt()
        self.trt.cuda = cuda
        take_over(cuda, patch)
        patch.setattr("simple_trt.engines.gpu.find_gpus", lambda: [GPU, GPU])
        for module in ("tensorrt", "tensorrt_rtx"):
            patch.setitem(sys.modules, module, self.trt.module)
        _fake_torch(cuda, patch)

    def open(self, kind: str, batch: int = 1, device: int = 0, graphs: bool = True) -> Engine:
        options = LoadOptions(device=device, graphs=graphs)
        if kind == "torch":
            return TorchEngine(Path("tiny.safetensors"), _manifest("torch", batch), options)
        plan = self._folder / f"{kind}-{batch}.plan"
        if not plan.exists():
            self._build(kind, batch, plan)
        return open_engine(plan, options)

    def _build(self, kind: str, batch: int, plan: Path) -> None:
        save_tiny(plan, size=SIZE, batch=batch)
        module = kind.replace("-", "_")
        fields = {"device": DEVICES[kind], "versions": {module: self.trt.version}, "runtime": module}
        sealed = Plan(plan.name, sha256_of(plan), plan.stat().st_size)
        write_manifest(manifest_path(plan), _manifest(kind, batch, plan=sealed, **fields))

    def reference(self, kind: str, batch: int = 1) -> Engine:
        if kind == "torch":
            return TorchEngine(Path("tiny.safetensors"), _manifest("torch", batch))
        return open_engine(save_tiny(self._folder / f"{batch}.onnx", size=SIZE, batch=batch))

    def refuse_capture(self) -> None:
        """Engines that wait in the middle of their work."""
        self.trt.capturable = False
        self._patch.setattr(_Tiny, "waits", True)


def _manifest(target: str, batch: int, **fields: Any) -> Any:
    return planted_manifest(**({"target": target, "runtime": "torch", "batch": batch, "size": (SIZE, SIZE)} | fields))


class _Tiny(torch.nn.Module):
    """Three people whom the picture moves, as those of `tiny_graph`."""

    settings = SimpleNamespace(people=SLOTS)
    waits = False

    def forward(self, image: torch.Tensor) -> Any:
        batch, level = len(image), image.mean((1, 2, 3))
        boxes = torch.tensor([10.0, 10, 30, 30]).repeat(batch, SLOTS, 1) + level[:, None, None]
        scores = torch.full((batch, SLOTS), 0.5)
        keypoints = torch.full((batch, SLOTS, 17, 3), 0.5) + level[:, None, None, None] * torch.tensor([1.0, 1, 0])
        return _Found(boxes, scores, keypoints, torch.full((batch,), 3, dtype=torch.int32))


_Found = namedtuple("_Found", "boxes scores keypoints num")


def _fake_torch(cuda: FakeCuda, patch: pytest.MonkeyPatch) -> None:
    """torch.cuda on the fake. The model's work is queued as a whole; its tensors lie in memory that the fake adopts."""
    from simple_trt.engines import torch_device

    current = threading.local()

    @contextmanager
    def stream(queue: Any) -> Iterator[None]:
        before = getattr(current, "stream", None)
        current.stream = queue.handle
        try:
            yield
        finally:
            current.stream = before

    class Graph:
        executable: int | None = None

        def capture_begin(self, pool: Any, capture_error_mode: str) -> None:
            assert pool == "pool"
            cuda.begin_capture(current.stream, {"thread_local": 1}[capture_error_mode])

        def capture_end(self) -> None:
            graph = cuda.end_capture(current.stream)
            try:
                self.executable = cuda.instantiate(graph)
            finally:
                cuda.destroy_graph(graph)

        def replay(self) -> None:
            cuda.launch_graph(self.executable, current.stream)

        def reset(self) -> None:
            cuda.destroy_executable(self.executable)

    def zeros(spec: Any, device: str) -> torch.Tensor:
        assert device.startswith("cuda:")
        tensor = torch.zeros(spec.shape, dtype=getattr(torch, spec.dtype.name))
        cuda.adopt(tensor.data_ptr(), tensor.nbytes)
        return tensor

    run = torch_device.TorchOnDevice._run

    def queued(self: Any) -> None:
        spans = {name: (tensor.data_ptr(), tensor.nbytes) for name, tensor in self._tensors.items()}
        with torch_device._reported():
            if self._model.waits:
                cuda.synchronize(self.stream.handle)
            reads = [spans.pop("image")]
            cuda.launch(self.stream.handle, Work("engine", reads, list(spans.values()), lambda: run(self)))

    patch.setattr(torch_device.TorchOnDevice, "_run", queued)
    patch.setattr(torch_device, "_zeros", zeros)
    patch.setattr(torch.nn.Module, "to", lambda self, device: self)
    patch.setattr(torch.cuda, "is_available", lambda: True)
    patch.setattr(torch.cuda, "ExternalStream", lambda handle, device: SimpleNamespace(handle=handle))
    patch.setattr(torch.cuda, "stream", stream)
    patch.setattr(torch.cuda, "current_stream", lambda device: SimpleNamespace(synchronize=lambda: None))
    patch.setattr(torch.cuda, "CUDAGraph", Graph)
    patch.setattr(torch.cuda, "graph_pool_handle", lambda: "pool")
    checkpoint = SimpleNamespace(predictor=_Tiny, prior=torch.zeros(17, 2))
    patch.setattr("simple_trt.models.checkpoints.load", lambda path: checkpoint)


def frames(*sizes: tuple[int, int], seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) // (1 + i % 5) for i, size in enumerate(sizes)]


def expected(engine: Engine, pictures: list[np.ndarray]) -> list[People]:
    with Session(engine) as session:
        return session.predict_batch(pictures)


def check_same(got: list[People], wanted: list[People]) -> None:
    assert [people.image_size for people in got] == [people.image_size for people in wanted]
    for mine, other in zip(got, wanted, strict=True):
        np.testing.assert_allclose(mine.boxes.xyxy, other.boxes.xyxy, atol=1e-4)
        np.testing.assert_allclose(mine.keypoints.xy, other.keypoints.xy, atol=1e-4)
        np.testing.assert_allclose(mine.scores, other.scores, atol=1e-6)


def launches(cuda: FakeCuda) -> tuple[int, int]:
    """(graphs captured, graphs launched)."""
    return cuda.calls["instantiate"], cuda.calls["launch_graph"]
