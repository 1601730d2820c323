"""Backbone weights made elsewhere: every known layout loads, only the 13 known gaps pass, no code in a file runs."""

from __future__ import annotations

import os

import pytest
import torch
from safetensors.torch import save_file

from simple_trt.errors import SimpleTrtError
from simple_trt.models.efficientnet_lite import EfficientNetLite
from simple_trt.models.foreign import canonical_names, load_backbone, read_tensors
from simple_trt.models.hrnet import HRNet

WIDTH = 4  # the names are those of every width


@pytest.fixture(scope="module")
def source():
    """State of a four-output network to be found again."""
    torch.manual_seed(1)
    state = HRNet(WIDTH).state_dict()
    return {key: torch.rand_like(value) if value.is_floating_point() else value + 7 for key, value in state.items()}


@pytest.fixture
def target():
    torch.manual_seed(2)
    return HRNet(WIDTH)


def prefixed(state, prefix):
    return {prefix + key: value for key, value in state.items()}


def classifier():
    return {
        "incre_modules.0.0.conv1.weight": torch.rand(2, 4, 1, 1),
        "downsamp_modules.0.0.weight": torch.rand(2, 4, 3, 3),
        "final_layer.0.weight": torch.rand(2, 4, 1, 1),
        "classifier.weight": torch.rand(2, 2),
        "classifier.bias": torch.rand(2),
    }


def pose_head(prefix):
    return {f"{prefix}final_layer.weight": torch.rand(17, WIDTH, 1, 1), f"{prefix}final_layer.bias": torch.rand(17)}


def without_counters(state):
    return {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}


def single_output(state):
    gone = tuple(f"stage4.2.fuse_layers.{i}." for i in (1, 2, 3))
    return {key: value for key, value in state.items() if not key.startswith(gone)}


LAYOUTS = {
    "official ImageNet": lambda s: s | classifier(),
    "official ImageNet, before batch counters": lambda s: without_counters(s) | classifier(),
    "official, DataParallel": lambda s: prefixed(s, "module."),
    "timm": lambda s: s | classifier(),
    "timm checkpoint": lambda s: {"epoch": 3, "arch": "hrnet_w18", "state_dict": prefixed(s, "module.")},
    "timm averaged": lambda s: {"epoch": 3, "model_ema": s},
    "wrapped twice": lambda s: {"model": {"state_dict": prefixed(s, "module.model.backbone.")}},
    "mmpose 0.x": lambda s: {
        "meta": {"epoch": 210},
        "state_dict": prefixed(s, "backbone.") | pose_head("keypoint_head."),
    },
    "mmpose 1.x": lambda s: {"meta": {}, "state_dict": prefixed(s, "backbone.") | pose_head("head.")},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_fills_the_whole_backbone(tmp_path, source, target, layout):
    torch.save(LAYOUTS[layout](source), tmp_path / "weights.pth")
    report = load_backbone(target, tmp_path / "weights.pth")
    assert report.missing == ()
    assert report.loaded == (1525 if "before" in layout else 1830)
    got = target.state_dict()
    names = without_counters(source) if "before" in layout else source
    assert all(torch.equal(got[key], names[key]) for key in names)


def test_safetensors_file(tmp_path, source, target):
    save_file(source, tmp_path / "weights.safetensors")
    assert load_backbone(target, tmp_path / "weights.safetensors") == (1830, (), ())


def test_heads_and_classifiers_are_dropped_by_name(tmp_path, source, target):
    extra = classifier() | pose_head("head.")
    torch.save(source | extra, tmp_path / "weights.pth")
    report = load_backbone(target, tmp_path / "weights.pth")
    assert set(report.dropped) == set(classifier()) | {"final_layer.weight", "final_layer.bias"}


def test_single_output_file_leaves_exactly_13_convolutions_at_random(tmp_path, source, target):
    torch.save(single_output(source) | pose_head(""), tmp_path / "pose.pth")
    before = {key: value.clone() for key, value in target.state_dict().items()}
    report = load_backbone(target, tmp_path / "pose.pth")
    assert len(report.missing) == 13
    assert report.missing[0] == "stage4.2.fuse_layers.1.0.0.0"
    assert all(name.startswith("stage4.2.fuse_layers.") for name in report.missing)
    after = target.state_dict()
    for name in report.missing:
        assert torch.equal(after[f"{name}.weight"], before[f"{name}.weight"])
    assert torch.equal(after["stage4.2.fuse_layers.0.3.0.weight"], source["stage4.2.fuse_layers.0.3.0.weight"])


def test_four_output_file_fills_a_teacher(tmp_path, source):
    torch.save(source, tmp_path / "weights.pth")
    teacher = HRNet(WIDTH, outputs=1)
    report = load_backbone(teacher, tmp_path / "weights.pth")
    assert (report.loaded, report.missing, len(report.dropped)) == (1752, (), 6 * 13)


@pytest.mark.parametrize(
    "lost", ["conv1.weight", "stage3.2.branches.1.0.bn2.running_var", "stage4.2.fuse_layers.3.0.1.0.weight"]
)
def test_any_other_gap_is_an_error_that_names_it(tmp_path, source, target, lost):
    torch.save({key: value for key, value in source.items() if key != lost}, tmp_path / "weights.pth")
    with pytest.raises(SimpleTrtError, match="lacks 1 tensors") as error:
        load_backbone(target, tmp_path / "weights.pth")
    assert f"'{lost}'" in error.value.cause and error.value.cure


def test_gap_beside_the_13_is_an_error(tmp_path, source, target):
    torch.save({k: v for k, v in single_output(source).items() if k != "bn2.bias"}, tmp_path / "weights.pth")
    with pytest.raises(SimpleTrtError, match=r"lacks 1 tensors.*'bn2\.bias'"):
        load_backbone(target, tmp_path / "weights.pth")


def test_failed_load_leaves_the_backbone_as_it_was(tmp_path, source, target):
    before = {key: value.clone() for key, value in target.state_dict().items()}
    torch.save({k: v for k, v in source.items() if k != "bn2.bias"}, tmp_path / "weights.pth")
    with pytest.raises(SimpleTrtError):
        load_backbone(target, tmp_path / "weights.pth")
    assert all(torch.equal(value, before[key]) for key, value in target.state_dict().items())


def test_other_width_is_an_error(tmp_path, source):
    torch.save(source, tmp_path / "weights.pth")
    with pytest.raises(SimpleTrtError, match=r"shape \(4, 256, 3, 3\), expected \(6, 256, 3, 3\)") as error:
        load_backbone(HRNet(6), tmp_path / "weights.pth")
    assert "width" in error.value.cure


def test_prefixes_go_but_only_at_the_front():
    names = canonical_names(dict.fromkeys(["module.model.backbone.conv1.weight", "stage2.model.x"], torch.zeros(1)))
    assert list(names) == ["conv1.weight", "stage2.model.x"]


def test_missing_file(tmp_path):
    with pytest.raises(SimpleTrtError, match="no file"):
        read_tensors(tmp_path / "none.pth")


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_code_in_a_torch_file_does_not_run(tmp_path):
    torch.save({"state_dict": {"conv1.weight": torch.zeros(1)}, "bomb": Bomb(tmp_path / "boom")}, tmp_path / "bad.pth")
    with pytest.raises(SimpleTrtError, match="cannot read") as error:
        read_tensors(tmp_path / "bad.pth")
    assert not (tmp_path / "boom").exists()
    assert "safetensors" in error.value.cure


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights at all, only words", b"\x80\x02" + b"\x00" * 40])
def test_damaged_file(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SimpleTrtError, match="cannot read"):
        read_tensors(tmp_path / name)


def test_truncated_torch_file(tmp_path, source):
    torch.save(source, tmp_path / "weights.pth")
    data = (tmp_path / "weights.pth").read_bytes()
    (tmp_path / "weights.pth").write_bytes(data[: len(data) // 2])
    with pytest.raises(SimpleTrtError, match="cannot read"):
        read_tensors(tmp_path / "weights.pth")


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {"state_dict": {}}, torch.zeros(3)])
def test_file_without_named_tensors(tmp_path, content):
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(SimpleTrtError, match="no named tensors"):
        read_tensors(tmp_path / "weights.pth")


def lite_state():
    """A trunk in the layout of the efficientnet_lite_pytorch package, with its classifier."""
    net = EfficientNetLite()
    names = {"expand.0": "_expand_conv", "expand.1": "_bn0", "depthwise.0": "_depthwise_conv", "depthwise.1": "_bn1"}
    names |= {"project.0": "_project_conv", "project.1": "_bn2"}
    state = {"_fc.weight": torch.zeros(10, 4), "_conv_head.weight": torch.zeros(4, 4, 1, 1)}
    own = net.state_dict()
    state |= {k.replace("stem.0", "_conv_stem").replace("stem.1", "_bn0"): v for k, v in own.items() if "stem" in k}
    blocks = [block for stage in net.stages for block in stage]
    for i, block in enumerate(blocks):
        for key, value in block.state_dict().items():
            part = ".".join(key.split(".")[:2])
            state[f"_blocks.{i}.{names[part]}.{key.split('.')[2]}"] = value
    return state


def test_efficientnet_lite_trunk(tmp_path):
    state = lite_state()
    torch.save(state, tmp_path / "lite.pth")
    report = load_backbone(EfficientNetLite(), tmp_path / "lite.pth")
    assert report.dropped == ("_conv_head.weight", "_fc.weight")
    assert report.loaded == len(state) - 2


def test_efficientnet_lite_trunk_with_a_gap(tmp_path):
    state = {key: value for key, value in lite_state().items() if key != "_blocks.3._bn1.weight"}
    torch.save(state, tmp_path / "lite.pth")
    with pytest.raises(SimpleTrtError, match=r"_blocks\.3\._bn1\.weight") as error:
        load_backbone(EfficientNetLite(), tmp_path / "lite.pth")
    assert error.value.cure
