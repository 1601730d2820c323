import numpy as np
import pytest

from benchmarks.photos import save_arrays
from benchmarks.rivals import finders
from tests.benchmarks.rivals.tiny import save_detector, save_heatmaps, save_rcnn, save_thunder
from tests.tiny_graph import save_tiny

SIZE = 320
# Two people, three times as high as wide, each with a red spot.
BOXES = np.array([[20, 20, 100, 260], [200, 40, 260, 220]], np.float32)
SPOTS = np.array([[60, 100], [236, 180]])


@pytest.fixture
def frames(tmp_path):
    frame = np.zeros((SIZE, SIZE, 3), np.uint8)
    for x, y in SPOTS:
        frame[y - 2 : y + 3, x - 2 : x + 3, 0] = 255
    return {"2": save_arrays(tmp_path / "frame.npz", {"frame": frame, "boxes": BOXES})}


def common(frames, runtime="openvino"):
    return {"frames": frames, "threads": 1, "runtime": runtime, "precision": "fp32"}


@pytest.fixture
def detector(tmp_path):
    return str(save_detector(tmp_path / "detector.onnx"))


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
@pytest.mark.parametrize("task", ["2 batched", "2 one-by-one", "2 batched detector", "2 one-by-one detector"])
def test_crops_become_keypoints_in_the_picture(runtime, task, frames, detector, tmp_path):
    contender = finders.topdown(str(save_heatmaps(tmp_path / "h.onnx")), detector, **common(frames, runtime))
    found = contender.outputs(task)
    order = np.argsort(found["boxes"][:, 0])  # people come best first
    assert found["boxes"][order].tolist() == BOXES.tolist()
    places = found["keypoints"][order][:, :, :2]
    assert np.abs(places - SPOTS[:, None] - 0.5).max() < 4  # a cell is 2.8 to 3.9 pixels of the picture
    assert contender.describe()["runtime"] == runtime
    assert contender.describe()["threads"] == 1


def test_the_detector_runs_when_it_is_asked_for(frames, detector, tmp_path, monkeypatch):
    runs = []
    monkeypatch.setattr(finders._Detector, "__call__", lambda _, picture: runs.append(picture.shape))
    contender = finders.topdown(str(save_heatmaps(tmp_path / "h.onnx")), detector, **common(frames))
    contender.run("2 batched")
    assert runs == []
    contender.run("2 batched detector")
    assert runs == [(SIZE, SIZE, 3)]


def test_a_batch_is_one_run_of_the_network(frames, detector, tmp_path):
    contender = finders.topdown(str(save_heatmaps(tmp_path / "h.onnx")), detector, **common(frames))
    runs = []
    for graph in (contender._one, contender._many):
        graph.infer = lambda inputs, infer=graph.infer: runs.append(len(inputs["crops"])) or infer(inputs)
    contender.run("2 batched")
    contender.run("2 one-by-one")
    assert runs == [2, 1, 1]


def test_thunder_reads_its_own_keypoints(frames, detector, tmp_path):
    contender = finders.thunder(str(save_thunder(tmp_path / "t.onnx")), detector, **common(frames))
    found = contender.outputs("2 detector")
    # A square around the box, as high as the box: a quarter of its width, half of its height, half a pixel of 256.
    order = np.argsort(found["boxes"][:, 0])
    half = 0.5 / 256
    wanted = [
        [-60 + (0.25 + half) * 240, 20 + (0.5 + half) * 240],
        [140 + (0.25 + half) * 180, 40 + (0.5 + half) * 180],
    ]
    assert np.allclose(found["keypoints"][order][:, 4, :2], wanted, atol=1e-3)
    assert np.allclose(found["keypoints"][..., 2], 0.75)


def test_keypoint_rcnn_is_told_the_boxes(frames, tmp_path):
    contender = finders.keypoint_rcnn(str(save_rcnn(tmp_path / "r.onnx", SIZE)), **common(frames))
    found = contender.outputs("2")
    # Of the first box the last number is the largest, of the second the third, which leans towards the fourth.
    order = np.argsort(found["boxes"][:, 0])
    assert found["keypoints"][order][:, 0, 0].tolist() == [20 + 80 * 3.5 / 4, 200 + 60 * 2.75 / 4]


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_simple_is_timed_from_frame_to_people(runtime, frames, tmp_path):
    graph = save_tiny(tmp_path / "tiny.onnx", size=64)
    contender = finders.simple(str(graph), frames, 1, runtime)
    found = contender.outputs("2")
    assert found["keypoints"].shape == (3, 17, 3)
    assert found["boxes"].max() > 64  # pixels of the frame, not of the input
    assert contender.describe()["runtime"] == runtime


def test_the_detector_alone(frames, detector):
    contender = finders.detector(detector, **common(frames))
    assert contender.outputs("2 detector")["boxes"].shape == (2, 4)
    assert contender.describe()["runtime"] == "openvino"
