"""Bytes to a GPU and back, through each of the CUDA packages, made of fakes."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from fake_gpu import HostMemory, fake_cuda_python, fake_cupy, fake_pycuda

from simple_trt.engines.cuda_memory import open_cuda
from simple_trt.errors import SimpleTrtError


@pytest.mark.parametrize("package", ["cupy", "cuda.bindings", "pycuda"])
def test_cuda_packages_move_bytes(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    memory = HostMemory()
    fakes = {"cupy": fake_cupy, "cuda.bindings": fake_cuda_python, "pycuda": fake_pycuda}
    for name in ("cupy", "cuda", "pycuda"):
        monkeypatch.setitem(sys.modules, name, None)
    for name, module in fakes[package](memory).items():
        monkeypatch.setitem(sys.modules, name, module)
    cuda = open_cuda(0)
    assert (cuda.package, cuda.stream) == (package, 7)
    sent, received = np.arange(10, dtype=np.float32), np.empty(10, np.float32)
    with cuda.active():
        address = cuda.allocate(sent.nbytes)
        cuda.copy_in(address, sent)
        cuda.copy_out(received, address)
        cuda.synchronize()
    np.testing.assert_array_equal(sent, received)
    cuda.close()
    assert not memory.buffers


def test_out_of_gpu_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    for name, module in fake_cuda_python(HostMemory(), failing="cudaMalloc").items():
        monkeypatch.setitem(sys.modules, name, module)
    with pytest.raises(SimpleTrtError, match="cudaMalloc failed with cudaErrorMemoryAllocation"):
        open_cuda(0).allocate(100)


def test_no_cuda_package(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cupy", "cuda", "pycuda"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SimpleTrtError, match="no CUDA package") as caught:
        open_cuda(0)
    assert "simple-trt[gpu]" in caught.value.cure
