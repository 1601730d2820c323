"""The loop: exact resumption, honest failures, and that it learns."""

import pytest
import torch
from torch import nn

from simple_trt.data.dataset import PoseDataset
from simple_trt.data.transforms import Augmentation
from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.models.presets import NETWORKS, PRESETS
from simple_trt.models.simple import Maps
from simple_trt.models.topdown import TRUNKS
from simple_trt.skeletons import COCO
from simple_trt.train.config import CONFIGS, TrainConfig, load_config
from simple_trt.train.learners import PointLearner
from simple_trt.train.trainer import STATE, Trainer

CONFIG = TrainConfig(
    epochs=2,
    batch=2,
    lr=1e-2,
    ema=0.9,
    workers=0,
    save_every=100,
    tensorboard=False,
    augmentation=Augmentation(size=64),
)


class TinyNet(nn.Module):
    """Image -> Maps with two strided convolutions and a batch norm: enough state to get resumption wrong."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 26, 3, 2, 1))

    def forward(self, image):
        return Maps(*self.trunk(image).split((3, 6, 17), 1))


def trainer(samples, out, config=CONFIG):
    torch.manual_seed(1)
    return Trainer(PointLearner(TinyNet()), PoseDataset(samples, config.augmentation, COCO), config, out)


def test_a_killed_and_resumed_run_ends_with_the_same_weights(samples, tmp_path):
    whole = trainer(samples, tmp_path / "whole").run(progress=False).state_dict()
    first = trainer(samples, tmp_path / "cut")
    for batch in first.batches():  # dies in the middle of the first epoch, one step after the last save
        first.train_step(batch)
        if first.step == 1:
            first.save()
        if first.step == 2:
            break
    second = trainer(samples, tmp_path / "cut")
    assert second.resume() and second.step == 1
    resumed = second.run(progress=False).state_dict()
    assert all(torch.equal(whole[k], resumed[k]) for k in whole)


def test_another_configuration_is_not_resumed(samples, tmp_path):
    trainer(samples, tmp_path).save()
    with pytest.raises(SimpleTrtError, match="other settings"):
        trainer(samples, tmp_path, CONFIG.replace(lr=1e-3)).resume()
    assert trainer(samples, tmp_path, CONFIG.replace(workers=1)).resume()


def test_damaged_state_is_named(samples, tmp_path):
    run = trainer(samples, tmp_path)
    run.save()
    (tmp_path / STATE).write_bytes((tmp_path / STATE).read_bytes()[:200])
    with pytest.raises(SimpleTrtError, match="damaged"):
        run.resume()


def test_the_loss_falls(samples, tmp_path):
    run = trainer(
        samples,
        tmp_path,
        CONFIG.replace(epochs=10, augmentation=Augmentation(size=64, rotate=0, shift=0, shrink=(1, 1), flip=0)),
    )
    batch = next(run.batches())
    first = sum(run.train_step(batch).values())
    for _ in range(30):
        last = sum(run.train_step(batch).values())
    assert last < 0.7 * first


def test_a_loss_that_is_not_finite_names_the_pictures(samples, tmp_path):
    run = trainer(samples, tmp_path)
    batch = next(run.batches())
    batch["pose"][0, 0, 0, 0] = float("nan")
    with pytest.raises(SimpleTrtError, match=rf"pictures \[{batch['image_id'][0]}"):
        run.train_step(batch)


def test_learning_rate_warms_up_then_steps_or_follows_a_cosine(samples, tmp_path):
    steps = trainer(samples, tmp_path, CONFIG.replace(warmup=4, milestones=(1,)))
    rates = []
    for steps.step in range(6):
        rates.append(steps.learning_rate())
    assert rates == pytest.approx([0.0025, 0.005, 0.0075, 0.001, 0.001, 0.001])
    cosine = trainer(samples, tmp_path, CONFIG.replace(milestones=()))
    cosine.step = 3
    assert cosine.learning_rate() == pytest.approx(0.005)


def test_frozen_modules_keep_weights_and_statistics(samples, tmp_path):
    run = trainer(samples, tmp_path, CONFIG.replace(freeze=("trunk.0", "trunk.1")))
    before = {k: v.clone() for k, v in run.network.state_dict().items()}
    run.train_step(next(run.batches()))
    after = run.network.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before if not k.startswith("trunk.3"))
    assert not torch.equal(before["trunk.3.weight"], after["trunk.3.weight"])
    with pytest.raises(UsageError, match="not all of which"):
        trainer(samples, tmp_path, CONFIG.replace(freeze=("nothing",)))


def test_fixed_statistics_stay_while_weights_learn(samples, tmp_path):
    run = trainer(samples, tmp_path, CONFIG.replace(fixed_statistics=("trunk.1",)))
    before = {k: v.clone() for k, v in run.network.state_dict().items()}
    run.train_step(next(run.batches()))
    after = run.network.state_dict()
    assert torch.equal(before["trunk.1.running_mean"], after["trunk.1.running_mean"])
    assert torch.equal(before["trunk.1.running_var"], after["trunk.1.running_var"])
    assert not torch.equal(before["trunk.1.weight"], after["trunk.1.weight"])


def test_slow_modules_learn_at_their_fraction_of_the_rate(samples, tmp_path):
    run = trainer(samples, tmp_path, CONFIG.replace(slow=("trunk.0",), slow_rate=0.01, weight_decay=0.0))
    before = {k: v.clone() for k, v in run.network.state_dict().items()}
    run.train_step(next(run.batches()))
    moved = {k: (v - before[k]).abs().max().item() for k, v in run.network.named_parameters()}
    rate = run.learning_rate()
    assert moved["trunk.0.weight"] == pytest.approx(0.01 * rate, rel=0.01)  # Adam's first step is the rate itself
    assert moved["trunk.3.weight"] == pytest.approx(rate, rel=0.01)


def test_held_weights_must_not_decay():
    with pytest.raises(UsageError, match="weight_decay would move"):
        TrainConfig().replace(hold=True, weight_decay=1e-4)


def test_too_few_pictures(samples, tmp_path):
    with pytest.raises(SimpleTrtError, match="6 pictures do not fill a batch of 8"):
        trainer(samples, tmp_path, CONFIG.replace(batch=8))


def test_config_file(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text('preset = "edge"\nlr = 1\nmilestones = [3, 5]\n[augmentation]\nsize = 256\nshrink = [0.5, 2]\n')
    config = load_config(path)
    assert (config.preset, config.lr, config.milestones, config.augmentation.size) == ("edge", 1.0, (3, 5), 256)
    broken = {
        "epoch = 3": "unknown setting 'epoch'",
        "epochs = '3'": "expected int",
        "[": "not TOML",
        "[augmentation]\nsize = 100": "multiple of 32",
        "batch = 0": "at least 1",
        "amp = 'fp8'": "expected 'off'",
    }
    for text, words in broken.items():
        path.write_text(text)
        with pytest.raises(UsageError, match=words):
            load_config(path)
    path.write_text(f'base = "{path}"\n')
    with pytest.raises(UsageError, match="not built on this one"):
        load_config(path)
    with pytest.raises(UsageError, match="there is no configuration"):
        load_config(tmp_path / "none.toml")


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda p: p.stem)
def test_bundled_configurations_load(path):
    config = load_config(path.stem)
    assert config.preset in {*PRESETS, *TRUNKS} and config.network in NETWORKS


def test_a_configuration_builds_on_another(tmp_path):
    (tmp_path / "a.toml").write_text(
        "lr = 1.0\nepochs = 7\n[augmentation]\nsize = 128\nflip = 0.1\n[mimic]\nside = 3\n"
    )
    child = tmp_path / "b.toml"
    child.write_text(f'base = "{tmp_path / "a.toml"}"\nlr = 2.0\n[augmentation]\nflip = 0.2\n')
    config = load_config(child)
    assert (config.lr, config.epochs, config.mimic.side) == (2.0, 7, 3.0)
    assert (config.augmentation.size, config.augmentation.flip) == (128, 0.2)
    (tmp_path / "c.toml").write_text("epochs = 9\n")
    other = load_config(child, base=tmp_path / "c.toml")
    assert (other.lr, other.epochs, other.augmentation.size) == (2.0, 9, 512)


def test_the_paper_schedules():
    w32, w18 = load_config("paper-w32"), load_config("paper-w18")
    assert (w32.epochs, w32.milestones, w32.mimic_from, w32.lr, w32.batch) == (200, (120,), 151, 2e-4, 32)
    assert (w18.epochs, w18.milestones, w18.mimic_from, w18.lr, w18.batch) == (200, (120,), 151, 2.5e-4, 48)
    assert not w32.mimic.mask_foreign and load_config("deploy-w18").mimic.mask_foreign
