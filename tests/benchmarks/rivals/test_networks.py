"""The rivals are the networks of their papers: parameters and multiplications are those published."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.rivals.graphs import NETWORKS

# Parameters as published: by the SimpleBaseline and HRNet papers (34.0 M, 28.5 M) and by torchvision for the detectors
# (its frozen batch norms are no parameters). Multiply-adds as torch counts them; 0.583 G is torchvision's number, too.
SIZES = {
    "simple-baseline": (33_999_697, 5.43),
    "hrnet-w32": (28_536_113, 7.65),
    "ssdlite": (3_440_060, 0.583),
    "keypoint-rcnn": (59_137_258, None),
}


def parameters(network, norms):
    layers = (m for m in network.modules() if norms or not isinstance(m, torch.nn.BatchNorm2d))
    return sum(p.numel() for layer in layers for p in layer.parameters(recurse=False))


@pytest.mark.parametrize("name", SIZES)
def test_a_rival_is_as_large_as_published(name):
    network = NETWORKS[name].build().eval()
    count, giga = SIZES[name]
    assert parameters(network, norms=name != "keypoint-rcnn") == count
    if giga is not None:
        examples = [torch.randn(1, *shape[1:]) for shape in NETWORKS[name].inputs.values()]
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network(*examples)
        assert counter.get_total_flops() / 2e9 == pytest.approx(giga, abs=0.005)


def test_the_detector_has_the_default_boxes_of_its_paper():
    from benchmarks.rivals.ssdlite import SsdLite

    anchors = SsdLite().anchors
    assert anchors.shape == (3234, 4)
    assert anchors.min() == 0 and anchors.max() == 320


def test_keypoints_are_those_of_the_given_boxes_and_the_detector_runs_in_full():
    from benchmarks.rivals.keypoint_rcnn import KeypointRcnn

    people = torch.tensor([[4.0, 4, 40, 60], [20, 10, 50, 50], [0, 0, 64, 64]])
    with torch.no_grad():
        boxes, scores, heatmaps = KeypointRcnn(64).eval()(torch.randn(1, 3, 64, 64), people)
    assert heatmaps.shape == (3, 17, 56, 56)
    assert boxes.shape == (100, 4) and scores.shape == (100,)
    assert boxes.min() >= 0 and boxes.max() <= 64 and scores.max() > 0
