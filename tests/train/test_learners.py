"""Stage 2 begins when it should, and what is trained along is kept with the run."""

import pytest
import torch
from torch import nn

from simple_trt.data.dataset import PoseDataset
from simple_trt.data.transforms import Augmentation
from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.models.simple import Simple
from simple_trt.models.topdown import TopDown
from simple_trt.skeletons import COCO
from simple_trt.train.config import TrainConfig
from simple_trt.train.learners import PointLearner
from simple_trt.train.mimicking import Mimicking, MimicSettings
from simple_trt.train.teachers import HeatmapTeacher
from simple_trt.train.trainer import STATE, Trainer

CONFIG = TrainConfig(
    epochs=2, batch=3, lr=1e-3, workers=0, tensorboard=False, mimic_from=2, augmentation=Augmentation(size=64)
)


class Trunk(nn.Sequential):
    """Image -> eight channels at a quarter of its size."""

    channels = 8

    def __init__(self):
        super().__init__(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1))


def learner(settings=None, seed=1):
    torch.manual_seed(seed)
    teacher = HeatmapTeacher(TopDown(Trunk(), 17))
    mimicking = Mimicking(teacher, 17, settings or MimicSettings(score=0.0, overlap=0.0, side=0.0), 8)
    return PointLearner(Simple(Trunk(), 17, 8, 8), mimicking=mimicking, mimic_from=2)


def trainer(samples, out, settings=None):
    return Trainer(learner(settings), PoseDataset(samples, CONFIG.augmentation, COCO), CONFIG, out)


def test_mimicking_begins_with_its_epoch(samples, tmp_path):
    run = trainer(samples, tmp_path)
    terms = []
    for batch in [*run.batches(), *run.batches()]:
        terms.append(set(run.train_step(batch)))
    assert [len(t) for t in terms] == [5, 5, 7, 7]
    assert terms[3] - terms[0] == {"mimic_truth", "mimic_heatmaps"}


def test_adapters_learn_and_survive_but_the_teacher_never_changes(samples, tmp_path):
    run = trainer(samples, tmp_path)
    teacher = run.learner.mimicking._teacher[0].model
    before = {k: v.clone() for k, v in teacher.state_dict().items()}
    first = {k: v.clone() for k, v in run.learner.mimicking.state_dict().items()}
    # A network that has learnt nothing finds nobody: let it be sure of the corners of every picture.
    with torch.no_grad():
        for head in run.network.heads:
            head.heat.bias.fill_(3.0)
    run.run(progress=False)
    assert all(torch.equal(v, before[k]) for k, v in teacher.state_dict().items())
    after = run.learner.mimicking.state_dict()
    assert set(first) == {f"{a}_adapter.{p}" for a in ("truth", "heatmap") for p in ("weight", "bias")}
    assert not torch.equal(first["heatmap_adapter.weight"], after["heatmap_adapter.weight"])
    again = trainer(samples, tmp_path)
    assert again.resume()
    assert all(torch.equal(v, after[k]) for k, v in again.learner.mimicking.state_dict().items())


def test_a_fork_goes_on_as_if_it_had_begun_there(samples, tmp_path):
    """The first epoch of a run without mimicking, then one with it: the same as mimicking from epoch 2 on."""
    whole = trainer(samples, tmp_path / "whole").run(progress=False).state_dict()
    plain = CONFIG.replace(mimic_from=0)
    torch.manual_seed(1)
    stage1 = Trainer(
        PointLearner(learner().network), PoseDataset(samples, CONFIG.augmentation, COCO), plain, tmp_path / "plain"
    )
    stage1.run(progress=False, until=1)
    assert stage1.step == stage1.steps_per_epoch
    forked = trainer(samples, tmp_path / "fork")
    forked.fork(tmp_path / "plain" / STATE)
    ended = forked.run(progress=False).state_dict()
    assert all(torch.equal(v, whole[k]) for k, v in ended.items())
    other = Trainer(
        learner(), PoseDataset(samples, CONFIG.augmentation, COCO), CONFIG.replace(batch=2), tmp_path / "other"
    )
    with pytest.raises(SimpleTrtError, match="another batch"):
        other.fork(tmp_path / "plain" / STATE)


def test_adapters_do_not_decay(samples, tmp_path):
    run = Trainer(
        learner(),
        PoseDataset(samples, CONFIG.augmentation, COCO),
        CONFIG.replace(weight_decay=0.1),
        tmp_path,
    )
    network, adapters = run.optimizer.param_groups
    assert network["weight_decay"] == 0.1 and adapters["weight_decay"] == 0
    assert len(adapters["params"]) == 4


def test_adapters_may_stay_the_identity(samples, tmp_path):
    settings = MimicSettings(score=0.0, overlap=0.0, side=0.0, kernel=1, train_adapters=False)
    run = trainer(samples, tmp_path, settings)
    assert len(run.optimizer.param_groups) == 1  # nothing but the network learns
    run.run(progress=False)
    weight = run.learner.mimicking.heatmap_adapter.weight
    assert torch.equal(weight, torch.eye(17)[:, :, None, None])


def test_soft_features(samples, tmp_path):
    settings = MimicSettings(score=0.0, overlap=0.0, side=0.0, truth=False, heatmaps=False, features=True)
    run = trainer(samples, tmp_path, settings)
    run.step = run.steps_per_epoch
    losses = run.train_step(next(run.batches()))
    assert "mimic_features" in losses and "mimic_truth" not in losses
    assert run.learner.mimicking.feature_adapter.weight.shape == (8, 8, 1, 1)


def test_what_needs_a_teacher_says_so():
    with pytest.raises(UsageError, match="needs one"):
        Mimicking(None, 17, MimicSettings())

    class Tells:
        def __call__(self, images, boxes, owner):
            return torch.zeros(len(boxes), 17, 64, 48)

    with pytest.raises(UsageError, match="shows no features"):
        Mimicking(Tells(), 17, MimicSettings(features=True), 8)
