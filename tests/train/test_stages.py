"""From photos to a checkpoint that finds people: both stages, and the command."""

import dataclasses

import numpy as np
import pytest
import torch

from simple_trt import Session
from simple_trt.cli.train import add_parser
from simple_trt.data.labels import Sample
from simple_trt.data.people import PersonAugmentation
from simple_trt.data.transforms import Augmentation
from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.export import export_onnx
from simple_trt.models import checkpoints
from simple_trt.models.grouping import Grouping
from simple_trt.models.presets import NETWORKS, find_preset
from simple_trt.skeletons import COCO
from simple_trt.train.config import TrainConfig
from simple_trt.train.grouping import grouping_loss, keypoint_prior, train_grouping
from simple_trt.train.stages import MODEL, TEACHER, make_trainer, train_gate, train_network, train_teacher
from simple_trt.train.teachers import HeatmapTeacher, load_teacher
from tests.models.test_movenet import write_movenet

CONFIG = TrainConfig(
    preset="edge",
    epochs=1,
    batch=3,
    lr=1e-3,
    workers=0,
    tensorboard=False,
    augmentation=Augmentation(size=64, rotate=0, shift=0),
)


def test_both_stages_leave_a_loadable_model(samples, tmp_path, bold):
    network = train_network(CONFIG, samples, tmp_path / "run", progress=False)
    first = checkpoints.load(network)
    assert first.grouping is None and first.scoring is None and first.meta.training["pictures"] == 6
    with pytest.raises(SimpleTrtError, match="finds nobody"):
        train_grouping(Grouping(17, 8), [], progress=False)
    full = checkpoints.load(train_gate(network, CONFIG, samples, tmp_path / "gate", epochs=1, progress=False))
    assert full.grouping is not None
    assert full.meta.training["grouping"]["epochs"] == 1
    assert full.scoring is not None and full.predictor().scoring is full.scoring
    assert full.meta.training["scoring"]["people"] > 0 and np.isfinite(full.meta.training["scoring"]["loss"])
    same = zip(first.simple.state_dict().values(), full.simple.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in same)
    people = full.predictor()(torch.zeros(1, 3, 64, 64))
    assert people.keypoints.shape == (1, 32, 17, 3)


def test_a_network_that_finds_nobody_cannot_rank_people_and_keeps_its_gate(samples, tmp_path, timid):
    network = train_network(CONFIG, samples, tmp_path / "run", progress=False)
    with pytest.raises(SimpleTrtError, match="finds nobody") as error:
        train_gate(network, CONFIG, samples, tmp_path / "gate", epochs=1, progress=False)
    assert "further" in error.value.cure
    kept = checkpoints.load(tmp_path / "gate" / "model.safetensors")
    assert kept.grouping is not None and kept.scoring is None


def test_a_preset_without_scoring_trains_its_gate_alone(samples, tmp_path):
    config = CONFIG.replace(preset="edge-lite")
    network = train_network(config, samples, tmp_path / "run", progress=False)
    full = checkpoints.load(train_gate(network, config, samples, tmp_path / "gate", epochs=1, progress=False))
    assert full.grouping is not None and full.scoring is None and "scoring" not in full.meta.training


TRUNK = ("backbone.stem", "backbone.stages", "backbone.top")


def test_a_teacher_is_trained_and_then_mimicked(samples, tmp_path):
    crops = PersonAugmentation(rows=64, columns=64)
    config = CONFIG.replace(preset="topdown-edge", person=crops)
    path = train_teacher(config, samples, tmp_path / "teacher", progress=False)
    assert path.name == TEACHER and isinstance(load_teacher(path, COCO), HeatmapTeacher)
    student = CONFIG.replace(mimic_from=1, teacher=str(path))
    meta = checkpoints.load(train_network(student, samples, tmp_path / "student", progress=False)).meta
    assert meta.training["teacher"] == TEACHER and meta.training["mimic_from"] == 1
    with pytest.raises(UsageError, match="needs one"):
        train_network(CONFIG.replace(mimic_from=1), samples, tmp_path / "orphan", progress=False)
    with pytest.raises(UsageError, match="no top-down preset"):
        train_teacher(CONFIG, samples, tmp_path / "wrong", progress=False)


@pytest.mark.parametrize("network", ["associative", "regression"])
def test_the_comparison_networks_leave_a_model_that_runs_as_any_other(network, samples, tmp_path):
    config = CONFIG.replace(network=network, amp="bf16")
    path = train_network(config, samples, tmp_path / "run", progress=False)
    assert checkpoints.load(path).meta.network == network
    if network == "associative":
        with pytest.raises(UsageError, match="no gate"):
            train_gate(path, config, samples, tmp_path / "gate", epochs=1, progress=False)
    else:
        path = train_gate(path, config, samples, tmp_path / "gate", epochs=1, progress=False)
        assert checkpoints.load(path).grouping is not None
    with Session.open(path) as session:
        people = session.predict(np.zeros((64, 64, 3), np.uint8))
    assert people.keypoints.xy.shape[1:] == (17, 2)
    with pytest.raises(SimpleTrtError, match="for comparison only"):
        export_onnx(path, tmp_path / "m.onnx")
    start = train_network(CONFIG, samples, tmp_path / "points", progress=False)
    train_network(config.replace(init=str(start)), samples, tmp_path / "from", progress=False)


def test_a_run_starts_from_a_checkpoint_of_its_preset_only(samples, tmp_path):
    network = train_network(CONFIG, samples, tmp_path / "a", progress=False)
    train_network(CONFIG.replace(init=str(network)), samples, tmp_path / "b", progress=False)
    fresh = make_trainer(CONFIG.replace(init=str(network), backbone_only=True), samples, tmp_path / "e").network
    saved, own = checkpoints.load(network).simple.state_dict(), fresh.state_dict()
    assert torch.equal(own["backbone.stem.0.weight"], saved["backbone.stem.0.weight"])
    assert not torch.equal(own["center.out.0.weight"], saved["center.out.0.weight"])
    with pytest.raises(SimpleTrtError, match="is a edge model, not deploy-w18"):
        train_network(CONFIG.replace(preset="deploy-w18", init=str(network)), samples, tmp_path / "c", progress=False)
    with pytest.raises(SimpleTrtError, match="no file"):
        train_network(CONFIG.replace(init=str(tmp_path / "none.pth")), samples, tmp_path / "d", progress=False)


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_starts_from_movenets_backbone_alone(network, samples, tmp_path):
    pytest.importorskip("onnx")
    path = tmp_path / "movenet.onnx"
    weights = write_movenet(path, find_preset("edge").build_simple(17))
    start = CONFIG.replace(network=network, init=str(path), backbone_only=True, freeze=TRUNK)
    run = make_trainer(start, samples, tmp_path / "run")
    before = {name: p.detach().clone() for name, p in run.network.named_parameters()}
    last = max((name for name in weights if name.startswith("trunk")), key=lambda name: int(name.removeprefix("trunk")))
    assert np.array_equal(before["backbone.top.0.weight"], weights[last][0])
    run.train_step(next(iter(run.batches())))
    learnt = {name for name, p in run.network.named_parameters() if not torch.equal(p, before[name])}
    assert not any(name.startswith(TRUNK) for name in learnt)
    assert {"backbone.lateral.3.0.weight", "backbone.smooth.0.1.weight"} <= learnt
    assert not run.network.backbone.top(torch.zeros(1, 480, 2, 2)).requires_grad  # nothing goes back through it


def test_networks_for_comparison_have_no_place_for_movenets_heatmaps(samples, tmp_path):
    config = CONFIG.replace(network="regression", init="movenet.onnx")
    with pytest.raises(UsageError, match="'regression' has no place"):
        train_network(config, samples, tmp_path, progress=False)


def test_prior_is_the_mean_place_in_the_box(samples):
    prior = keypoint_prior(samples)
    assert prior.shape == (17, 2)
    np.testing.assert_allclose(prior[0], [(22.5 - 20) / 24, (12.5 - 10) / 44], rtol=1e-5)
    blank = [dataclasses.replace(p, visible=p.visible * 0) for p in samples[0].people]
    with pytest.raises(SimpleTrtError, match="labelled nowhere"):
        keypoint_prior([Sample(samples[0].image, 1, 64, 64, blank)])


def test_grouping_learns_to_drop_the_second_of_two_peaks():
    torch.manual_seed(0)
    crops = torch.zeros(64, 17, 16, 16)
    crops[:, 0, 4, 4] = crops[:, 0, 12, 12] = 1.0
    keep = torch.zeros_like(crops, dtype=torch.bool)
    keep[:, :, :8, :8] = True
    weight = torch.ones(64, 17, dtype=torch.bool)
    gate, around = Grouping(17, 8), torch.zeros(64, 0, 8, 8).half()
    losses = train_grouping(gate, [[crops.half(), keep, weight, around]], epochs=40, batch=32, lr=1e-2, progress=False)
    assert losses[-1] < 0.3 * losses[0]
    with torch.no_grad():
        opened = gate(crops[:1])[0, 0]
    assert opened[4, 4] > 0.7 > 0.3 > opened[12, 12]


def test_grouping_loss_counts_only_weighted_activations():
    logits, crops = torch.zeros(1, 2, 4, 4), torch.ones(1, 2, 4, 4)
    keep = torch.ones(1, 2, 4, 4, dtype=torch.bool)
    half = grouping_loss(logits, crops, keep, torch.tensor([[1.0, 0.0]]))
    assert half.item() == pytest.approx(np.log(2), rel=1e-3)
    assert grouping_loss(logits, crops * 0, keep, torch.ones(1, 2)).item() == 0


@pytest.fixture
def parse():
    import argparse

    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())

    def run(*words):
        args = parser.parse_args(["train", *(str(w) for w in words)])
        return args.run(args)

    return run


def test_command_trains_and_prints_the_checkpoint(parse, coco_files, tmp_path, capsys, bold):
    data, images = coco_files
    common = ("--data", data, "--images", images, "--out", tmp_path / "out", "--preset", "edge", "--batch", 3)
    code = parse(*common, "--size", 64, "--epochs", 1, "--workers", 0, "--grouping-epochs", 1)
    assert code == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "out" / MODEL)
    assert (tmp_path / "out" / "state.safetensors").exists()


def test_command_refuses_what_makes_no_sense(parse, coco_files, tmp_path):
    data, images = coco_files
    with pytest.raises(UsageError, match="1 --data but 2 --images"):
        parse("--data", data, "--images", images, "--images", images, "--out", tmp_path)
    with pytest.raises(UsageError, match="no network"):
        parse("--data", data, "--images", images, "--out", tmp_path, "--stage", "grouping")
    with pytest.raises(UsageError, match="no preset"):
        parse("--data", data, "--images", images, "--out", tmp_path, "--preset", "w18")
    with pytest.raises(UsageError, match="multiple of 32"):
        parse("--data", data, "--images", images, "--out", tmp_path, "--size", 100)
