"""Streams, graphs and sessions on a real GPU; the rules that need none are in test_device_session."""

from __future__ import annotations

import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from simple_trt.engines import Arrays, Engine, LoadOptions, open_engine
from simple_trt.engines.cuda_packages import PACKAGES, installed_package
from simple_trt.engines.cuda_stream import CudaStream
from simple_trt.engines.on_device import OnDevice, as_array, byte_count
from simple_trt.errors import SimpleTrtError
from simple_trt.models import checkpoints
from simple_trt.models.presets import find_preset
from simple_trt.runtime import Session
from simple_trt.runtime.preprocess import prepare
from simple_trt.skeletons import COCO

pytestmark = pytest.mark.gpu

SIZE = 256
FRAMES = [(240, 320)] * 5 + [(1080, 1920)] * 4 + [(64, 31)] * 3 + [(240, 320)] * 3
Open = Callable[[bool], Engine]


@pytest.fixture(autouse=True)
def same_arithmetic_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights turn a rounding into other people."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


@pytest.fixture(params=PACKAGES, ids=lambda kind: kind.package)
def stream(request: pytest.FixtureRequest) -> Iterator[CudaStream]:
    pytest.importorskip(request.param.package)
    opened = request.param(0)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights: the maps fill all rows. Batch norm's statistics come from noise: activations stay sane."""
    torch.manual_seed(0)
    preset = find_preset("edge")
    simple, grouping = preset.build_simple(len(COCO)), preset.build_grouping(len(COCO))
    for norm in (module for module in simple.modules() if isinstance(module, torch.nn.BatchNorm2d)):
        norm.momentum = None
    with torch.no_grad():
        simple.train()(torch.randn(2, 3, 128, 128))
    meta = checkpoints.CheckpointMeta("edge", COCO.name, (SIZE, SIZE), training={"none": "random weights"})
    path = tmp_path_factory.mktemp("model") / "edge.safetensors"
    checkpoints.save(path, simple, grouping, torch.full((len(COCO), 2), 0.5), meta)
    return path


@pytest.fixture(scope="module", params=["torch", "tensorrt-rtx", "tensorrt"])
def opened(request: pytest.FixtureRequest, checkpoint: Path) -> Open:
    """Opens the model on GPU 0, with CUDA graphs or without."""
    if installed_package() is None:
        pytest.skip("needs a CUDA package for Python: cupy, cuda-bindings or pycuda")
    pytest.importorskip(request.param.replace("-", "_"))
    plan = checkpoint
    if request.param != "torch":
        plan = checkpoint.parent / f"{request.param}.engine"
        words = ["build", str(checkpoint), "--target", request.param, "--size", str(SIZE), "-o", str(plan)]
        done = subprocess.run([sys.executable, "-m", "simple_trt", *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
    return lambda graphs: open_engine(plan, LoadOptions(device=0, graphs=graphs))


def frames(seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in FRAMES]


def on_device(session: Session) -> OnDevice:
    assert session.engine.on_device is not None
    return session.engine.on_device


def answer(session: Session, picture: np.ndarray) -> tuple[np.ndarray, Arrays]:
    """The network's input as the GPU made it of a picture, and the outputs."""
    outputs = session._runner.collect(session._runner.submit([picture]))
    device, spec = on_device(session), session.engine.inputs["image"]
    with device.stream.active():
        block = device.stream.pin(byte_count(spec))
        device.stream.copy_out(block, device.addresses["image"])
        device.stream.synchronize()
        image = as_array(block, spec).copy()
        device.stream.unpin(block)
    return image, outputs


def check_outputs(got: Arrays, expected: Arrays, places: float = 1e-2) -> None:
    assert got["num"].tolist() == expected["num"].tolist()
    assert got["num"].min() > 0, "nobody is found: nothing is compared"
    for name in ("boxes", "scores", "keypoints"):
        np.testing.assert_allclose(got[name], expected[name], atol=places, err_msg=name)


def test_bytes_and_graphs(stream: CudaStream) -> None:
    with stream.active():
        sent, received, address, event = stream.pin(1000), stream.pin(1000), stream.allocate(1000), stream.new_event()

        def work() -> None:
            stream.copy_in(address, sent)
            stream.copy_out(received, address)

        graph = stream.capture(work)
        for value in (3, 7, 9):
            sent[:] = value
            graph.launch()
            stream.record(event)
            stream.wait(event)
            assert set(received.tolist()) == {value}
        graph.free()


def test_what_may_not_be_in_a_capture_is_refused_and_the_stream_goes_on(stream: CudaStream) -> None:
    with stream.active(), pytest.raises(SimpleTrtError):
        stream.capture(stream.synchronize)
    test_bytes_and_graphs(stream)


def test_the_gpu_letterboxes_as_the_cpu_does_and_graphs_change_nothing(opened: Open) -> None:
    with Session(opened(False)) as plain, Session(opened(True)) as graphs:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # an engine that cannot be captured
            for picture in frames():
                image, expected = answer(plain, picture)
                np.testing.assert_allclose(image[0], prepare(picture, plain.engine.manifest)[0], atol=2e-5)
                again, got = answer(graphs, picture)
                np.testing.assert_array_equal(again, image)
                check_outputs(got, expected)
        check_outputs(plain.engine.infer({"image": image}), expected)


def test_streams_give_what_single_frames_give(opened: Open) -> None:
    with Session(opened(True)) as session:
        expected = [session.predict(picture) for picture in frames()]
        for got, people in zip(session.stream(iter(frames())), expected, strict=True):
            np.testing.assert_allclose(got.boxes.xyxy, people.boxes.xyxy, atol=1e-2 * max(people.image_size) / SIZE)


def test_sessions_in_threads(opened: Open) -> None:
    """They open, capture, replay and close while others do."""
    pictures = frames()
    with Session(opened(False)) as session:
        expected = [session.predict(picture) for picture in pictures]
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with Session(opened(True)) as session:
                for _ in range(3):
                    for got, people in zip(session.stream(pictures), expected, strict=True):
                        np.testing.assert_allclose(got.scores, people.scores, atol=1e-3)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_model_that_waits_runs_by_plain_launches_and_others_go_on(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch after a capture that failed: this session, and one that is opened afterwards."""
    if installed_package() is None:
        pytest.skip("needs a CUDA package for Python: cupy, cuda-bindings or pycuda")
    picture = frames()[0]
    with Session(open_engine(checkpoint, LoadOptions(device=0))) as session:
        device: Any = on_device(session)
        model = device._model
        expected = session.predict(picture)
        monkeypatch.setattr(
            device, "_model", lambda image: (torch.cuda.current_stream().synchronize(), model(image))[1]
        )
        with pytest.warns(RuntimeWarning, match="cannot be captured"):
            got = session.predict(picture)
        np.testing.assert_allclose(got.scores, expected.scores, atol=1e-3)
        assert len(session.predict_batch(frames())) == len(FRAMES)
    with Session(open_engine(checkpoint, LoadOptions(device=0))) as session, warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            np.testing.assert_allclose(session.predict(picture).scores, expected.scores, atol=1e-3)
