"""The CUDA stream through each of the packages, on a fake runtime that holds it to CUDA's rules."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import pytest
from fake_cuda import FakeCuda
from fake_gpu import FACES, take_over

from simple_trt.engines.cuda_packages import installed_package, open_stream
from simple_trt.engines.cuda_stream import CudaStream
from simple_trt.errors import SimpleTrtError


@pytest.fixture
def cuda() -> Iterator[FakeCuda]:
    fake = FakeCuda()
    yield fake
    assert fake.violations == []


@pytest.fixture(params=FACES)
def stream(cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[CudaStream]:
    """On GPU 1, through each package alone."""
    take_over(cuda, monkeypatch, request.param)
    opened = open_stream(1)
    assert opened.package == request.param
    yield opened
    opened.close()
    assert cuda.left() == []


def filled(stream: CudaStream, values: range) -> np.ndarray:
    block = stream.pin(len(values))
    block[:] = values
    return block


def test_bytes_come_back_once_the_event_has_passed(stream: CudaStream) -> None:
    with stream.active():
        sent, received = filled(stream, range(10)), stream.pin(10)
        address, event = stream.allocate(10), stream.new_event()
        stream.copy_in(address, sent)
        stream.copy_out(received, address)
        assert received.tolist() != sent.tolist()
        stream.record(event)
        stream.wait(event)
    assert received.tolist() == list(range(10))


def test_an_event_that_was_never_recorded_is_not_waited_for(stream: CudaStream) -> None:
    with stream.active():
        stream.wait(stream.new_event())


def test_a_captured_copy_runs_when_it_is_launched_and_not_before(stream: CudaStream, cuda: FakeCuda) -> None:
    with stream.active():
        sent, received, address = filled(stream, range(10)), stream.pin(10), stream.allocate(10)
        received[:] = 0

        def work() -> None:
            stream.copy_in(address, sent)
            stream.copy_out(received, address)

        graph = stream.capture(work)
        stream.synchronize()
        assert received.tolist() == [0] * 10
        for value in (3, 7):
            sent[:] = value
            graph.launch()
            stream.synchronize()
            assert received.tolist() == [value] * 10
        assert not cuda.graphs  # what was captured is given back once it is instantiated
        graph.free()
        graph.free()


@pytest.mark.parametrize("what", ["allocate", "pin", "synchronize", "ValueError"])
def test_what_may_not_be_in_a_capture_ends_it_and_the_stream_goes_on(stream: CudaStream, what: str) -> None:
    def work() -> None:
        if what == "ValueError":
            raise ValueError("lost")
        getattr(stream, what)(*([] if what == "synchronize" else [8]))

    with stream.active():
        with pytest.raises(ValueError if what == "ValueError" else SimpleTrtError, match=r"lost|CAPTURE_UNSUPPORTED"):
            stream.capture(work)
        test_bytes_come_back_once_the_event_has_passed(stream)


def test_an_error_that_work_swallows_ends_the_capture_all_the_same(stream: CudaStream) -> None:
    def work() -> None:
        with pytest.raises(SimpleTrtError):
            stream.synchronize()

    with stream.active(), pytest.raises(SimpleTrtError, match=r"cuStreamEndCapture failed with .*INVALIDATED"):
        stream.capture(work)


def test_memory_is_given_back_before_the_end(stream: CudaStream, cuda: FakeCuda) -> None:
    with stream.active():
        address, block = stream.allocate(100), stream.pin(200)
        stream.free(address)
        stream.unpin(block)
        assert not any("memory" in thing for thing in cuda.left())


def test_out_of_gpu_memory_is_said(stream: CudaStream, cuda: FakeCuda) -> None:
    cuda.failing = {"allocate device": 0, "allocate pinned": 0}
    with stream.active():
        for allocate in (stream.allocate, stream.pin):
            with pytest.raises(SimpleTrtError, match="OUT_OF_MEMORY"):
                allocate(100)


def test_work_that_fails_is_told_by_the_wait(stream: CudaStream, cuda: FakeCuda) -> None:
    cuda.failing = {"run copy in": 0}
    with stream.active():
        stream.copy_in(stream.allocate(4), filled(stream, range(4)))
        with pytest.raises(SimpleTrtError, match="ILLEGAL_ADDRESS"):
            stream.synchronize()


def test_closing_gives_back_the_rest_although_a_step_fails(cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch) -> None:
    take_over(cuda, monkeypatch)
    stream = open_stream(0)
    with stream.active():
        for count in (10, 20):
            stream.allocate(count)
    cuda.failing = {"synchronize": 0}
    with pytest.raises(SimpleTrtError, match="INVALID_VALUE"):
        stream.close()
    assert cuda.left() == []


def test_no_driver_no_graphs(stream: CudaStream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simple_trt.engines.cuda_graphs.load_driver", lambda: None)
    with pytest.raises(SimpleTrtError, match="no NVIDIA driver"):
        stream.capture(lambda: None)


def test_no_cuda_package(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cupy", "cuda", "pycuda"):
        monkeypatch.setitem(sys.modules, name, None)
    assert installed_package() is None
    with pytest.raises(SimpleTrtError, match="no CUDA package") as caught:
        open_stream(0)
    assert "simple-trt[gpu]" in caught.value.cure


@pytest.mark.parametrize("package", ["cupy", "cuda.bindings.runtime"])
def test_the_real_packages_have_what_is_called(package: str) -> None:
    """Their names, where they are installed: they can be imported without a GPU."""
    runtime = pytest.importorskip(package)
    wanted = FACES["cupy"](FakeCuda())["cupy"].cuda.runtime
    if package == "cupy":
        assert [name for name in vars(wanted) if not hasattr(runtime.cuda.runtime, name)] == []
        return
    names = ["cuda" + name[0].upper() + name[1:] for name in vars(wanted)]
    assert [name for name in names if not hasattr(runtime, name)] == []
    assert [int(runtime.cudaMemcpyKind(kind)) for kind in (1, 2)] == [1, 2]
    assert runtime.cudaMemcpyKind(1).name == "cudaMemcpyHostToDevice"
