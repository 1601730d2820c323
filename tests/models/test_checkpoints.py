"""Our model files: what is saved comes back, always the same bytes, and the ways a file can be wrong are told apart."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from simple_trt.errors import SimpleTrtError
from simple_trt.models.checkpoints import CheckpointMeta, load, save
from simple_trt.skeletons import SKELETONS

META = CheckpointMeta(
    "tiny", "coco", (96, 128), training={"data": "coco", "epochs": 3}, metrics={"AP": 0.25}, licence="Apache-2.0"
)


@pytest.fixture
def model(tiny):
    torch.manual_seed(0)
    return tiny.build_simple(17), tiny.build_grouping(17), torch.rand(17, 2)


@pytest.fixture
def path(tmp_path, model):
    save(tmp_path / "model.safetensors", *model, META)
    return tmp_path / "model.safetensors"


def rewrite(path, description=None, tensors=None):
    """Change the metadata or the tensors of a checkpoint, as another program might."""
    with safe_open(path, "pt") as file:
        old = json.loads(file.metadata()["simple_trt"])
    kept = load_file(path)
    save_file(tensors(kept) if tensors else kept, path, {"simple_trt": json.dumps(old | (description or {}))})


def test_what_is_saved_comes_back(path, model):
    simple, grouping, prior = model
    loaded = load(path)
    assert loaded.meta == META
    assert torch.equal(loaded.prior, prior)
    for before, after in ((simple, loaded.simple), (grouping, loaded.grouping)):
        want = before.state_dict()
        assert {k: v.shape for k, v in want.items()} == {k: v.shape for k, v in after.state_dict().items()}
        assert all(torch.equal(want[key], value) for key, value in after.state_dict().items())
        assert not after.training and all(p.requires_grad for p in after.parameters())


def test_loaded_predictor_finds_the_same_people(path, model, tiny):
    image = torch.randn(1, 3, 96, 128)
    with torch.no_grad():
        want = tiny.build_predictor(*model).eval()(image)
        got = load(path).predictor()(image)
    assert got.boxes.shape == (1, 32, 4)
    assert all(torch.equal(a, b) for a, b in zip(got, want, strict=True))


def test_file_is_named_and_described_as_agreed(path):
    with safe_open(path, "pt") as file:
        description = json.loads(file.metadata()["simple_trt"])
        roots = {key.split(".")[0] for key in file.keys()}  # noqa: SIM118 - not a mapping
    assert roots == {"simple", "grouping", "prior"}
    assert description == {
        "format": 1,
        "preset": "tiny",
        "skeleton": "coco",
        "size": [96, 128],
        "training": {"data": "coco", "epochs": 3},
        "metrics": {"AP": 0.25},
        "licence": "Apache-2.0",
        "network": "points",
        "grouping": True,
        "scoring": False,
    }


@pytest.fixture
def whole(tmp_path, complete):
    """(path, parts) of a model with a gate that sees, and a scoring."""
    torch.manual_seed(0)
    parts = complete.build_simple(17), complete.build_grouping(17), torch.rand(17, 2)
    scoring = complete.build_scoring(17)
    save(tmp_path / "whole.safetensors", *parts, dataclasses.replace(META, preset="complete"), scoring)
    return tmp_path / "whole.safetensors", (*parts, scoring)


def test_a_scoring_comes_back(whole, complete):
    path, (simple, grouping, prior, scoring) = whole
    loaded = load(path)
    want = scoring.state_dict()
    assert want.keys() == loaded.scoring.state_dict().keys() and not loaded.scoring.training
    assert all(torch.equal(want[key], value) for key, value in loaded.scoring.state_dict().items())
    image = torch.randn(1, 3, 96, 128)
    with torch.no_grad():
        people = complete.build_predictor(simple, grouping, prior, scoring).eval()(image)
        got = loaded.predictor()(image)
    assert got.num.item() > 0
    assert all(torch.equal(a, b) for a, b in zip(got, people, strict=True))
    again = path.with_name("again.safetensors")
    save(again, *loaded)
    assert again.read_bytes() == path.read_bytes()


def test_a_model_whose_scoring_is_not_trained_yet(tmp_path, whole):
    simple, grouping, prior, _ = whole[1]
    save(tmp_path / "m.safetensors", simple, grouping, prior, dataclasses.replace(META, preset="complete"))
    loaded = load(tmp_path / "m.safetensors")
    assert loaded.scoring is None and loaded.predictor().scoring is None


@pytest.mark.parametrize(
    ("description", "tensors", "said"),
    [
        ({}, lambda t: {k: v for k, v in t.items() if "scoring" not in k}, r"'scoring\..*expected \(.*got none"),
        ({"scoring": False}, None, r"'scoring\..*expected none"),
        ({"preset": "tiny"}, None, "does not fit its preset"),
    ],
    ids=["the file lacks it", "the file does not say so", "the preset has none"],
)
def test_a_scoring_must_be_where_it_is_said_to_be(whole, description, tensors, said):
    path, _ = whole
    rewrite(path, description, tensors)
    with pytest.raises(SimpleTrtError, match=said) as error:
        load(path)
    assert str(path) in error.value.cause and error.value.cure


def test_model_without_a_gate(tmp_path, model):
    simple, _, prior = model
    save(tmp_path / "m.safetensors", simple, None, prior, META)
    loaded = load(tmp_path / "m.safetensors")
    assert loaded.grouping is None
    assert loaded.predictor()(torch.zeros(1, 3, 32, 32)).num.shape == (1,)


def test_channels_last_weights_are_saved_too(tmp_path, model):
    simple, grouping, prior = model
    save(tmp_path / "m.safetensors", simple.to(memory_format=torch.channels_last), grouping, prior, META)
    want = simple.pose.layers[0].weight
    assert torch.equal(load(tmp_path / "m.safetensors").simple.pose.layers[0].weight, want)


def test_same_model_gives_the_same_bytes(tmp_path, path, model):
    save(tmp_path / "again.safetensors", *model, META)
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def test_failed_save_leaves_the_old_file_alone(path, model, monkeypatch):
    before = path.read_bytes()

    def full_disk(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full_disk)
    with pytest.raises(SimpleTrtError, match="disk full"):
        save(path, *model, META)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_save_into_a_missing_folder_says_so(tmp_path, model):
    with pytest.raises(SimpleTrtError, match="no folder") as error:
        save(tmp_path / "none" / "m.safetensors", *model, META)
    assert error.value.cure


def test_missing_file(tmp_path):
    with pytest.raises(SimpleTrtError, match=r"no file.*nowhere") as error:
        load(tmp_path / "nowhere.safetensors")
    assert error.value.cure


@pytest.mark.parametrize("kept", [0, 5, 200, 0.5, 0.999])
def test_truncated_file(path, kept):
    data = path.read_bytes()
    path.write_bytes(data[: kept if isinstance(kept, int) else int(kept * len(data))])
    with pytest.raises(SimpleTrtError, match="cut short or damaged") as error:
        load(path)
    assert str(path) in error.value.cause and "again" in error.value.cure


@pytest.mark.parametrize(
    "content", [b"just some words, long enough to have a header\n" * 9, b"\x00" * 300, b"PK\x03\x04" * 99]
)
def test_file_of_another_kind(path, content):
    path.write_bytes(content)
    with pytest.raises(SimpleTrtError, match="is no safetensors file") as error:
        load(path)
    assert error.value.cure


def test_folder_is_no_file(tmp_path):
    with pytest.raises(SimpleTrtError, match="no file"):
        load(tmp_path)


@pytest.mark.parametrize("metadata", [None, {"other": "{}"}, {"simple_trt": "{"}, {"simple_trt": "[1]"}])
def test_safetensors_of_something_else(path, metadata):
    save_file({"weight": torch.zeros(3)}, path, metadata)
    with pytest.raises(SimpleTrtError, match="no simple-trt checkpoint") as error:
        load(path)
    assert error.value.cure


def test_another_skeleton_than_wanted(path):
    assert load(path, skeleton="coco").meta.skeleton == "coco"
    with pytest.raises(SimpleTrtError, match="skeleton 'coco', expected 'mpii'") as error:
        load(path, skeleton="mpii")
    assert "mpii" in error.value.cure


@pytest.mark.parametrize(
    ("description", "said"),
    [
        ({"format": 2}, "format 2, expected 1"),
        ({"preset": "huge"}, "no preset is called 'huge'"),
        ({"skeleton": "cow"}, "no skeleton is called 'cow'"),
        ({"skeleton": "mpii"}, r"'prior' has shape \(17, 2\), expected \(16, 2\)"),
        ({"network": "votes"}, "no kind of network is called 'votes'"),
        ({"size": 512}, r"its size is 512, expected \[height, width\]"),
        ({"size": [1, 2, 3]}, r"its size is \[1, 2, 3\]"),
        ({"preset": "edge"}, "does not fit its preset"),
        ({"grouping": False}, "does not fit its preset.*'grouping.*expected none"),
    ],
)
def test_wrong_metadata(path, description, said):
    rewrite(path, description)
    with pytest.raises(SimpleTrtError, match=said) as error:
        load(path)
    assert str(path) in error.value.cause and error.value.cure


def test_metadata_without_a_field(path):
    save_file(load_file(path), path, {"simple_trt": json.dumps({"format": 1, "preset": "tiny"})})
    with pytest.raises(SimpleTrtError, match="metadata lacks 'skeleton'"):
        load(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: {k: v for k, v in t.items() if k != "prior"}, "'prior' has shape None"),
        (lambda t: t | {"prior": torch.zeros(16, 2)}, r"'prior' has shape \(16, 2\)"),
        (
            lambda t: {k: v for k, v in t.items() if k != "simple.reduce.bias"},
            "'simple.reduce.bias': expected .4,., got none",
        ),
        (lambda t: t | {"simple.extra": torch.zeros(1)}, "'simple.extra': expected none"),
        (lambda t: t | {"simple.reduce.bias": torch.zeros(5)}, r"expected \(4,\), got \(5,\)"),
    ],
)
def test_tensors_that_do_not_fit(path, change, said):
    rewrite(path, tensors=change)
    with pytest.raises(SimpleTrtError, match=said):
        load(path)


@pytest.mark.parametrize("name", SKELETONS)
def test_every_skeleton_can_be_saved_and_loaded(tmp_path, tiny, name):
    keypoints = len(SKELETONS[name])
    parts = tiny.build_simple(keypoints), tiny.build_grouping(keypoints), torch.rand(keypoints, 2)
    save(tmp_path / "m.safetensors", *parts, CheckpointMeta("tiny", name, (64, 64)))
    assert load(tmp_path / "m.safetensors", name).simple.keypoints == keypoints
