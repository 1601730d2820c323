"""The fake CUDA runtime notices each thing that it is there to notice: each test breaks one rule."""

from __future__ import annotations

import ctypes
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_cuda import CudaError, FakeCuda, Work


@pytest.fixture
def cuda() -> FakeCuda:
    return FakeCuda()


@pytest.fixture
def stream(cuda: FakeCuda) -> int:
    return cuda.new_stream(1)


def blocks(cuda: FakeCuda) -> tuple[int, int]:
    return cuda.allocate("pinned", 8), cuda.allocate("device", 8)


def captured_copy(cuda: FakeCuda, stream: int) -> tuple[int, int, int]:
    host, device = blocks(cuda)
    cuda.begin_capture(stream, 1)
    cuda.copy(device, host, 8, stream, to_device=True)
    return cuda.instantiate(cuda.end_capture(stream)), host, device


def test_late_work_waits_and_eager_work_does_not() -> None:
    for schedule, now in (("late", 0xCB), ("eager", 5)):
        cuda = FakeCuda(schedule)
        stream, (host, device) = cuda.new_stream(1), blocks(cuda)
        ctypes.memset(host, 5, 8)
        cuda.copy(device, host, 8, stream, to_device=True)
        assert ctypes.string_at(device, 1)[0] == now
        cuda.synchronize(stream)
        assert ctypes.string_at(device, 8) == bytes([5] * 8)
        assert cuda.violations == []


def test_the_host_writes_where_a_copy_still_reads(cuda: FakeCuda, stream: int) -> None:
    host, device = blocks(cuda)
    cuda.copy(device, host, 8, stream, to_device=True)
    ctypes.memset(host, 1, 8)
    cuda.synchronize(stream)
    assert cuda.violations == ["the host wrote to memory that 'copy in' had still to read"]


def test_the_host_writes_where_a_launched_graph_still_reads(cuda: FakeCuda, stream: int) -> None:
    executable, host, _ = captured_copy(cuda, stream)
    ctypes.memset(host, 1, 8)  # between capture and launch it may
    cuda.launch_graph(executable, stream)
    ctypes.memset(host, 2, 8)
    cuda.synchronize(stream)
    assert cuda.violations == ["the host wrote to memory that 'copy in' had still to read"]


def test_what_a_copy_is_to_fill_cannot_be_read_early(cuda: FakeCuda, stream: int) -> None:
    host, device = blocks(cuda)
    ctypes.memset(host, 1, 8)
    cuda.copy(host, device, 8, stream, to_device=False)
    assert ctypes.string_at(host, 8) == bytes([0xCD] * 8)


def test_pageable_memory(cuda: FakeCuda, stream: int) -> None:
    mine = ctypes.create_string_buffer(8)
    with pytest.raises(CudaError):
        cuda.copy(cuda.allocate("device", 8), ctypes.addressof(mine), 8, stream, to_device=True)
    assert cuda.violations == ["pageable memory in an asynchronous copy"]


def test_past_the_end_of_a_block(cuda: FakeCuda, stream: int) -> None:
    host, device = cuda.allocate("pinned", 9), cuda.allocate("device", 8)
    with pytest.raises(CudaError, match="ILLEGAL_ADDRESS"):
        cuda.copy(device, host, 9, stream, to_device=True)


def test_memory_after_its_end(cuda: FakeCuda, stream: int) -> None:
    executable, _, device = captured_copy(cuda, stream)
    cuda.free("device", device)
    with pytest.raises(CudaError):
        cuda.launch_graph(executable, stream)
    with pytest.raises(CudaError):
        cuda.free("device", device)
    assert len(cuda.violations) == 2


def test_memory_freed_under_work(cuda: FakeCuda, stream: int) -> None:
    host, device = blocks(cuda)
    cuda.copy(device, host, 8, stream, to_device=True)
    cuda.free("pinned", host)
    assert cuda.violations == ["pinned memory freed that work under way uses"]


def test_graph_destroyed_under_its_launch(cuda: FakeCuda, stream: int) -> None:
    executable, _, _ = captured_copy(cuda, stream)
    cuda.launch_graph(executable, stream)
    cuda.destroy_executable(executable)
    with pytest.raises(CudaError):
        cuda.launch_graph(executable, stream)
    assert cuda.violations == [
        "a graph destroyed while a launch of it is under way",
        "a graph launched that is destroyed",
    ]


@pytest.mark.parametrize("unsafe", ["allocate", "free", "synchronize", "wait"])
def test_a_capture_neither_allocates_nor_waits(cuda: FakeCuda, stream: int, unsafe: str) -> None:
    host, event = cuda.allocate("pinned", 8), cuda.new_event()
    calls = {
        "allocate": lambda: cuda.allocate("device", 8),
        "free": lambda: cuda.free("pinned", host),
        "synchronize": lambda: cuda.synchronize(stream),
        "wait": lambda: cuda.wait(event),
    }
    cuda.begin_capture(stream, 1)
    with pytest.raises(CudaError, match="CAPTURE_UNSUPPORTED"):
        calls[unsafe]()
    with pytest.raises(CudaError, match="CAPTURE_INVALIDATED"):
        cuda.end_capture(stream)
    calls[unsafe]()  # now it may


def test_other_threads_allocate_during_a_capture_but_do_not_end_it(cuda: FakeCuda, stream: int) -> None:
    said: list[str] = []

    def elsewhere() -> None:
        cuda.allocate("device", 8)
        try:
            cuda.end_capture(stream)
        except CudaError as error:
            said.append(str(error))

    cuda.begin_capture(stream, 1)
    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert said == ["CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD"]
    cuda.end_capture(stream)


def test_the_wrong_gpu(cuda: FakeCuda, stream: int) -> None:
    _, device = blocks(cuda)
    cuda.set_device(1)
    cuda.launch(stream, Work("kernel", [], [(device, 8)], lambda: None))
    assert cuda.violations == ["work for GPU 0 while 1 is current"]


def test_a_stream_that_waits_for_the_default_one(cuda: FakeCuda) -> None:
    cuda.begin_capture(cuda.new_stream(0), 1)
    assert cuda.violations == ["capture of a stream that waits for the default one"]


def test_a_stream_destroyed_under_work(cuda: FakeCuda, stream: int) -> None:
    host, device = blocks(cuda)
    cuda.copy(device, host, 8, stream, to_device=True)
    cuda.destroy_stream(stream)
    with pytest.raises(CudaError):
        cuda.synchronize(stream)
    assert cuda.violations == ["a stream destroyed with work under way", "a stream used that is not there (any more)"]


def test_what_is_left(cuda: FakeCuda, stream: int) -> None:
    blocks(cuda)
    cuda.new_event()
    assert cuda.left() == ["8 bytes of pinned memory", "8 bytes of device memory", "1 streams", "1 events"]
