"""Teachers: official weights load, any single-person ONNX model serves, what they see lands where it is."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.models.hrnet import HRNet
from simple_trt.models.topdown import TopDown, load_topdown
from simple_trt.skeletons import COCO
from simple_trt.train.regions import place_in_maps
from simple_trt.train.teachers import (
    MAPS,
    OFFICIAL_SHIFT,
    HeatmapTeacher,
    OnnxTeacher,
    feature_channels,
    load_teacher,
)

DATA = Path(os.environ.get("SIMPLE_TRT_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
BOXES = torch.tensor([[20.0, 30.0, 80.0, 190.0], [100.0, 20.0, 200.0, 120.0]])
OWNER = torch.tensor([0, 0])


def small(keypoints=17):
    torch.manual_seed(0)
    return TopDown(HRNet(4, outputs=1), keypoints)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_official_pose_weights_load(tmp_path, prefix):
    source = small()
    state = source.backbone.state_dict() | {f"final_layer.{k}": v for k, v in source.final_layer.state_dict().items()}
    torch.save({prefix + k: v for k, v in state.items()}, tmp_path / "pose.pth")
    loaded, crops = load_topdown(tmp_path / "pose.pth").eval(), torch.rand(1, 3, 64, 64)
    assert torch.equal(loaded(crops), source.eval()(crops))
    with pytest.raises(SimpleTrtError, match="knows 17 keypoints, expected 15"):
        load_topdown(tmp_path / "pose.pth", 15)


def test_a_backbone_alone_is_no_teacher(tmp_path):
    torch.save(small().backbone.state_dict(), tmp_path / "backbone.pth")
    with pytest.raises(SimpleTrtError, match="no pose network"):
        load_teacher(tmp_path / "backbone.pth", COCO)


class Bright(torch.nn.Module):
    """A "network" whose heatmaps are the crop at a quarter of its size."""

    def forward(self, crops):
        return torch.nn.functional.avg_pool2d(crops[:, :1], 4)


def spot(x, y):
    """A normalised picture [1,3,256,256] with a soft bright spot."""
    u, v = torch.arange(256) + 0.5, torch.arange(256) + 0.5
    glow = torch.exp(-((v[:, None] - y) ** 2 + (u[None] - x) ** 2) / 128)
    return (glow * 8 - 2.1179).expand(1, 3, -1, -1)


def peak(maps):
    maps = (maps + 2.1179).clamp(min=0)
    r, c = (torch.arange(n, dtype=torch.float) for n in maps.shape)
    return torch.stack([(maps.sum(0) * c).sum(), (maps.sum(1) * r).sum()]) / maps.sum()


def test_maps_of_a_network_cover_the_region():
    maps = HeatmapTeacher(Bright())(spot(50.0, 100.0), BOXES, OWNER)
    assert maps.shape == (2, 1, *MAPS)
    place = place_in_maps(torch.tensor([[[50.0, 100.0]]]), BOXES[:1], MAPS)[0, 0]
    torch.testing.assert_close(peak(maps[0, 0]), place, atol=0.1, rtol=0)


def test_the_official_cells_are_shifted_by_three_eighths():
    place, moved = (
        peak(HeatmapTeacher(Bright(), s)(spot(50.0, 100.0), BOXES, OWNER)[0, 0]) for s in (0, OFFICIAL_SHIFT)
    )
    # A published HRNet says cell u for position 4 (u + 0.125); read at our centres its answers would lie 3/8 too far
    # right, so its crops are taken from 3/8 further right.
    torch.testing.assert_close(moved - place, torch.tensor([-0.375, -0.375]), atol=0.02, rtol=0)


def keypoint_model(path, kind=TensorProto.INT32, size=64):
    """A model [1,64,64,3] -> [1,1,17,3] that always answers (y, x, score) = (0.25, 0.75, 0.5)."""
    answer = numpy_helper.from_array(np.tile(np.array([0.25, 0.75, 0.5], np.float32), (1, 1, 17, 1)), "answer")
    nodes = [
        helper.make_node("Cast", ["image"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["values"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["answer", "nothing"], ["keypoints"]),
    ]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("image", kind, [1, size, size, 3])],
        [helper.make_tensor_value_info("keypoints", TensorProto.FLOAT, [1, 1, 17, 3])],
        [answer, numpy_helper.from_array(np.zeros((), np.float32), "zero")],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


@pytest.mark.parametrize("kind", [TensorProto.INT32, TensorProto.UINT8, TensorProto.FLOAT])
def test_keypoints_of_an_onnx_model_become_maps(tmp_path, kind):
    teacher = load_teacher(keypoint_model(tmp_path / "t.onnx", kind), COCO)
    assert isinstance(teacher, OnnxTeacher)
    points, scores = teacher.find(spot(50.0, 100.0), BOXES, OWNER)
    # The square regions of the boxes: 200 pixels about (50, 110), 125 about (150, 70).
    torch.testing.assert_close(points[:, 0], torch.tensor([[100.0, 60.0], [181.25, 38.75]]))
    assert (scores == 0.5).all()
    maps = teacher(spot(50.0, 100.0), BOXES, OWNER)
    assert maps.shape == (2, 17, *MAPS) and maps[1].amax() == pytest.approx(0.5, abs=0.04)
    assert teacher(spot(0.0, 0.0), BOXES[:0], OWNER[:0]).shape == (0, 17, *MAPS)


def heatmap_model(path, size):
    """A model [1,3,h,w] -> [1,17,h/4,w/4] whose features are the crop at a quarter of its size."""
    nodes = [
        helper.make_node("AveragePool", ["image"], ["seen"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Conv", ["seen", "weight"], ["maps"], name="head"),
    ]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, *size])],
        [helper.make_tensor_value_info("maps", TensorProto.FLOAT, [1, 17, size[0] // 4, size[1] // 4])],
        [numpy_helper.from_array(np.ones((17, 3, 1, 1), np.float32), "weight")],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


@pytest.mark.parametrize("size", [(256, 192), (256, 256), (128, 128), (192, 256)])
def test_features_of_an_onnx_model_cover_the_region_of_the_maps(tmp_path, size):
    teacher = load_teacher(heatmap_model(tmp_path / "t.onnx", size), COCO)
    assert teacher.channels == 3
    for box, (x, y) in zip(BOXES.split(1), [(50.0, 100.0), (120.0, 80.0)], strict=True):
        seen = teacher.features(spot(x, y), box, OWNER[:1])
        assert seen.shape == (1, 3, *MAPS)
        place = place_in_maps(torch.tensor([[[x, y]]]), box, MAPS)[0, 0]
        torch.testing.assert_close(peak(seen[0, 0]), place, atol=0.15, rtol=0)
    assert teacher.features(spot(0.0, 0.0), BOXES[:0], OWNER[:0]).shape == (0, 3, *MAPS)


def test_an_onnx_model_without_features_to_show_says_so(tmp_path):
    with pytest.raises(UsageError, match="no convolution makes 17 heatmaps"):
        feature_channels(load_teacher(keypoint_model(tmp_path / "points.onnx"), COCO))
    narrow = load_teacher(heatmap_model(tmp_path / "narrow.onnx", (256, 128)), COCO)
    with pytest.raises(UsageError, match="crops of 128x256"):
        narrow.features(spot(50.0, 100.0), BOXES, OWNER)


def test_what_is_no_teacher_is_refused(tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    for path in (tmp_path / "bad.onnx", tmp_path / "no.onnx"):
        with pytest.raises(SimpleTrtError, match="cannot be opened"):
            load_teacher(path, COCO)


@pytest.mark.skipif(not (DATA / "peers").is_dir(), reason=f"no peers in {DATA}")
def test_movenet_thunder_is_a_teacher():
    from simple_trt.data.coco import read_coco
    from simple_trt.data.dataset import PoseDataset
    from simple_trt.data.transforms import Augmentation

    samples = read_coco(DATA / "coco" / "person_keypoints_val.json", DATA / "coco" / "val")
    alone = [s for s in samples if len(s.people) == 1 and (s.people[0].visible > 0).all()][:3]
    dataset = PoseDataset(alone, Augmentation(size=512, rotate=0, shift=0, flip=0, fit="long", shrink=(1.0, 1.0)), COCO)
    teacher = load_teacher(DATA / "peers" / "movenet-thunder.onnx", COCO)
    errors = []
    for item in (dataset[i] for i in range(len(dataset))):
        box = item["boxes"][:1]
        points, _ = teacher.find(item["image"][None], box, torch.tensor([0]))
        size = (box[0, 2:] - box[0, :2]).max()
        errors.append((points[0] - item["keypoints"][0, :, :2]).norm(dim=1) / size)
    assert torch.cat(errors).median() < 0.05
    assert teacher.channels == 96
