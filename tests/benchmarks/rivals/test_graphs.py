import numpy as np
import pytest
import torch

from benchmarks.rivals import graphs
from benchmarks.rivals.graphs import Network, _boxes_agree, export_rival, rival_graph
from simple_trt.errors import SimpleTrtError


class Tiny(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Conv2d(3, 17, 4, 4), torch.nn.BatchNorm2d(17))

    def forward(self, crops):
        return self.layers(crops)


TINY = Network(Tiny, {"crops": (2, 3, 32, 16)}, ("heatmaps",))


@pytest.mark.parametrize("people", [1, 5])
def test_a_graph_takes_any_number_of_crops(people, tmp_path):
    from benchmarks.onnxruntime_graph import OnnxRuntimeGraph
    from benchmarks.openvino_graph import OpenVinoGraph

    export_rival(TINY, tmp_path / "tiny.onnx", seed=0)
    crops = {"crops": np.random.default_rng(0).standard_normal((people, 3, 32, 16)).astype(np.float32)}
    path = str(tmp_path / "tiny.onnx")
    found = OnnxRuntimeGraph(path, 1).infer(crops)["heatmaps"]
    assert found.shape == (people, 17, 8, 4)
    for batch in (None, people):
        same = OpenVinoGraph(path, {}, 1, "f32", batch).infer(crops)["heatmaps"]
        assert np.abs(found - same).max() < 1e-4


def test_a_graph_that_answers_otherwise_than_pytorch_is_not_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(graphs.OnnxRuntimeGraph, "infer", lambda *_: {"heatmaps": np.zeros((2, 17, 8, 4), np.float32)})
    with pytest.raises(SimpleTrtError, match="heatmaps are not PyTorch's"):
        export_rival(TINY, tmp_path / "tiny.onnx", seed=0)
    assert list(tmp_path.iterdir()) == []


def test_a_graph_is_made_once_for_a_seed(tmp_path, monkeypatch):
    monkeypatch.setitem(graphs.NETWORKS, "tiny", TINY)
    first = rival_graph("tiny", tmp_path, seed=0)
    written = first.stat().st_mtime_ns
    assert rival_graph("tiny", tmp_path, seed=0) == first and first.stat().st_mtime_ns == written
    assert rival_graph("tiny", tmp_path, seed=1).read_bytes() != first.read_bytes()


def test_boxes_agree_in_any_order_but_not_elsewhere():
    boxes = np.random.default_rng(0).uniform(0, 300, (50, 4)).astype(np.float32)
    assert _boxes_agree(boxes, boxes[::-1] + 0.25)
    assert not _boxes_agree(boxes, boxes + 5)
