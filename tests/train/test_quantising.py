"""Learning int8: the grid is the exporter's, its gradients are what they should be, and it helps."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from simple_trt.data.dataset import PoseDataset
from simple_trt.data.transforms import Augmentation
from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.models import checkpoints
from simple_trt.models.checkpoints import CheckpointMeta
from simple_trt.models.presets import PRESETS
from simple_trt.models.quantisation import Quantisation
from simple_trt.models.simple import Simple
from simple_trt.skeletons import COCO
from simple_trt.train.config import TrainConfig
from simple_trt.train.learners import PointLearner
from simple_trt.train.mimicking import Mimicking, MimicSettings
from simple_trt.train.quantising import QuantisedNetwork, Rounding, round_weight
from simple_trt.train.stages import train_gate, train_network, train_quantised
from simple_trt.train.trainer import Trainer
from tests.export.conftest import TinyBackbone, tiny_predictor

CONFIG = TrainConfig(
    epochs=2,
    batch=2,
    lr=1e-3,
    ema=0.9,
    workers=0,
    save_every=100,
    tensorboard=False,
    augmentation=Augmentation(size=64),
)
CALIBRATION = {"sha256": "0" * 64, "count": 6, "method": "mse"}
KEPT = ("backbone.stem.0", "backbone.depthwise.0", "pose.layers.3")


def dense(network):
    """Names of the convolutions that int8 rounds, in the whole model."""
    convolutions = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]
    return [f"simple.{name}" for name in convolutions if name not in KEPT and not name.startswith("heads.")]


def largest_inputs(network, image):
    """The greatest magnitude that each convolution reads."""
    found = {}

    def note(name):
        return lambda _module, inputs: found.__setitem__(name, inputs[0].abs().max().item())

    hooks = [network.get_submodule(name[7:]).register_forward_pre_hook(note(name)) for name in dense(network)]
    with torch.no_grad():
        network.eval()(image)
    for hook in hooks:
        hook.remove()
    return found


def quantised(learn=True, share=1.0):
    """A tiny network, and as int8 computes it, with `share` of its largest values as ranges."""
    network = tiny_predictor().simple
    image = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(5))
    ranges = {name: share * value for name, value in largest_inputs(network, image).items()}
    return network, QuantisedNetwork(copy.deepcopy(network), ranges, learn), ranges, image


@settings(deadline=None)
@given(st.floats(1e-3, 1e3), st.lists(st.floats(-2e3, 2e3, width=32), min_size=1, max_size=20))
def test_rounding_goes_to_the_nearest_level_and_beyond_the_range_to_the_last(largest, values):
    x, rounding = torch.tensor(values), Rounding(largest)
    step = rounding.range.detach().item() / 127
    with torch.no_grad():
        levels = rounding(x) / step
    np.testing.assert_allclose(levels, levels.round(), atol=1e-3)
    wanted = (x.double() / step).clamp(-128, 127)
    assert ((levels - wanted).abs() <= 0.5 + 1e-3).all()
    assert rounding(torch.tensor([0.0])).item() == 0.0


def test_ties_go_to_the_even_level():
    halves = torch.tensor([-1.5, -0.5, 0.5, 1.5, 2.5])
    assert Rounding(127.0)(halves).tolist() == [-2.0, 0.0, 0.0, 2.0, 2.0]


def test_the_gradient_passes_inside_the_range_and_moves_it_where_values_are_clipped():
    rounding = Rounding(12.7)
    x = torch.tensor([-20.0, -5.0, 0.0, 5.0, 20.0], requires_grad=True)
    F.mse_loss(rounding(x), x.detach(), reduction="sum").backward()
    assert rounding.growth.grad.item() < 0  # a step against it widens the range
    ones = torch.autograd.grad(rounding(x).sum(), x)[0]
    assert ones.tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]
    fixed = Rounding(12.7, learn=False)
    fixed(x).sum().backward()
    assert fixed.growth.grad is None


def test_the_gradient_of_the_range_is_that_of_the_scale():
    """Against finite differences where nothing changes its level: d(out)/d(scale) is the level, then less x/scale."""
    rounding, x = Rounding(12.7), torch.tensor([30.0, 1.04])
    rounding(x).sum().backward()
    scale = 0.1
    by_scale = 127 + (10 - 1.04 / scale)
    wanted = by_scale / (127 * 2) ** 0.5 * scale * np.log(2)
    assert rounding.growth.grad.item() == pytest.approx(wanted, rel=1e-4)


def test_rounding_is_done_in_float32_under_autocast():
    rounding, x = Rounding(3.0), torch.linspace(-4, 4, 301).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        got = rounding(x)
    assert got.dtype == torch.bfloat16
    assert torch.equal(got, rounding(x.float()).bfloat16())


def test_weights_rounded_before_a_batch_norm_are_those_rounded_after_it_is_folded_in():
    torch.manual_seed(0)
    weight, norm = torch.randn(8, 4, 3, 3), torch.randn(8)
    folded = (weight * norm.view(-1, 1, 1, 1)).numpy()
    step = np.abs(folded).max((1, 2, 3), keepdims=True) / 127
    wanted = np.rint(folded / step) * step
    np.testing.assert_allclose(round_weight(weight) * norm.view(-1, 1, 1, 1), wanted, atol=1e-5)
    assert len(np.unique(np.rint(folded[0] / step[0]))) > 20
    assert not round_weight(torch.zeros(2, 1, 1, 1)).any()


def test_the_network_keeps_its_modules_and_reads_rounded_tensors():
    network, rounded, ranges, image = quantised()
    assert rounded.plain_state().keys() == network.state_dict().keys()
    assert rounded.ranges() == pytest.approx(ranges) and set(rounded.ranges()) == set(dense(network))
    shared = next(names for names in rounded.readers if "center.row.0" in names)
    assert {"center.column.0", "top_left.skip.0", "bottom_right.look_h.0"} <= set(shared)
    with torch.no_grad():
        pairs = list(zip(rounded.eval()(image), network(image), strict=True))
    assert not any(torch.equal(ours, theirs) for ours, theirs in pairs)
    for ours, theirs in pairs:
        assert (ours - theirs).square().mean() < 0.05 * theirs.var()


def test_a_residual_sum_reads_the_tensor_that_the_convolution_beside_it_reads():
    _, rounded, _, _ = quantised()
    sums = [node for node in rounded.graph.nodes if node.name.startswith("add")]
    reads = [[str(arg.target) for arg in node.args] for node in sums]
    index = next(i for i, names in enumerate(rounded.readers) if names == ["backbone.lower.0"])
    assert any(f"rounding.{index}" in names for names in reads)


def test_batch_norms_keep_their_statistics():
    _, rounded, _, image = quantised()
    before = {key: value.clone() for key, value in rounded.state_dict().items() if "running" in key}
    rounded.train()(image)
    assert before and all(torch.equal(value, rounded.state_dict()[key]) for key, value in before.items())


@pytest.mark.parametrize("preset", ["edge", "edge-lite", "deploy-w18"])
def test_every_preset_can_be_learnt_in_int8(preset):
    network = PRESETS[preset].build_simple(17).eval()
    names = [name for name, module in network.named_modules() if type(module) is nn.Conv2d and "stem" not in name]
    rounded = QuantisedNetwork(network, {f"simple.{name}": 4.0 for name in names if not name.startswith("heads.")})
    shared, maps = rounded.train().shared_and_maps(torch.randn(1, 3, 64, 64))
    assert shared.shape[2:] == maps.pose.shape[2:] == (16, 16)
    sum(m.float().sum() for m in maps).backward()
    assert all(p.grad is not None for p in rounded.rounding.parameters())


def test_ranges_that_fit_no_convolution_or_differ_are_refused():
    network = tiny_predictor().simple
    with pytest.raises(SimpleTrtError, match=r"'simple\.top_left' reads, which is no convolution"):
        QuantisedNetwork(network, {"simple.top_left": 1.0})
    with pytest.raises(SimpleTrtError, match="different ranges"):
        QuantisedNetwork(network, {"simple.center.row.0": 1.0, "simple.center.column.0": 2.0})
    assert not QuantisedNetwork(network, {"grouping.gate": 1.0}).ranges()


def trainer(samples, out, config=CONFIG, mimicking=None):
    torch.manual_seed(1)
    _, rounded, _, _ = quantised(config.quantise.learn)
    learner = PointLearner(rounded, mimicking, amp=config.amp == "bf16")
    return Trainer(learner, PoseDataset(samples, config.augmentation, COCO), config, out)


def test_a_killed_and_resumed_run_ends_with_the_same_weights_and_ranges(samples, tmp_path):
    whole = trainer(samples, tmp_path / "whole").run(progress=False)
    first = trainer(samples, tmp_path / "cut")
    for batch in first.batches():
        first.train_step(batch)
        if first.step == 1:
            first.save()
        if first.step == 2:
            break
    second = trainer(samples, tmp_path / "cut")
    assert second.resume() and second.step == 1
    resumed = second.run(progress=False)
    assert all(torch.equal(value, resumed.state_dict()[key]) for key, value in whole.state_dict().items())
    assert resumed.ranges() == whole.ranges() != trainer(samples, tmp_path / "new").network.ranges()


def test_ranges_learn_at_their_own_rate_without_decay(samples, tmp_path):
    run = trainer(samples, tmp_path, CONFIG.replace(weight_decay=0.1, warmup=0))
    rates = {group.get("rate", 1.0): group["weight_decay"] for group in run.optimizer.param_groups}
    assert rates == {1.0: 0.1, 50.0: 0.0}
    run.train_step(next(run.batches()))
    moved = [abs(rounding.growth.item()) for rounding in run.network.rounding]
    assert max(moved) == pytest.approx(50 * CONFIG.lr, rel=0.01)


def test_ranges_may_stay(samples, tmp_path):
    config = CONFIG.replace(quantise=type(CONFIG.quantise)(learn=False))
    run = trainer(samples, tmp_path, config)
    before = run.network.ranges()
    run.train_step(next(run.batches()))
    assert run.network.ranges() == before


def test_mimicking_goes_on_under_autocast(samples, tmp_path):
    mimicking = Mimicking(None, 17, MimicSettings(truth=True, heatmaps=False, features=False), TinyBackbone.channels)
    run = trainer(samples, tmp_path, CONFIG.replace(amp="bf16", mimic_from=1), mimicking)
    losses = run.train_step(next(run.batches()))
    assert len(losses) > 5 and all(torch.isfinite(value) for value in losses.values())


def test_learning_lowers_the_loss_of_the_int8_network(samples, tmp_path):
    """Against calibration alone, on the same pictures."""
    config = CONFIG.replace(epochs=20, augmentation=Augmentation(size=64, rotate=0, shift=0, shrink=(1, 1), flip=0))
    run = trainer(samples, tmp_path, config)
    batch = next(run.batches())

    def loss():
        with torch.no_grad():
            return sum(run.learner.eval()(batch, 1).values()).item()

    calibrated = loss()
    for _ in range(25):
        run.train_step(batch)
    assert loss() < 0.7 * calibrated


@pytest.fixture
def start(samples, tmp_path, bold):
    """A checkpoint of the preset edge, with a gate and a scoring, and ranges for it."""
    config = CONFIG.replace(preset="edge", epochs=1)
    path = train_network(config, samples, tmp_path / "network", progress=False)
    path = train_gate(path, config, samples, tmp_path / "gate", epochs=1, progress=False)
    simple = checkpoints.load(path).simple
    names = [name for name, module in simple.named_modules() if type(module) is nn.Conv2d]
    ranges = {f"simple.{name}": 6.0 for name in names if "stem" not in name and "heads" not in name}
    return path, Quantisation(ranges | {"grouping.gate": 3.0}, CALIBRATION)


def test_the_stage_leaves_a_checkpoint_with_its_ranges(samples, tmp_path, start):
    path, quantisation = start
    config = CONFIG.replace(init=str(path), epochs=1)
    out = train_quantised(config, samples, tmp_path / "int8", progress=False, quantisation=quantisation)
    before, after = checkpoints.load(path), checkpoints.load(out)
    learnt = after.meta.quantisation
    assert learnt.calibration == CALIBRATION and learnt.ranges.keys() == quantisation.ranges.keys()
    assert learnt.ranges["grouping.gate"] == 3.0
    assert sum(value != 6.0 for name, value in learnt.ranges.items() if name.startswith("simple.")) > 40
    assert (after.meta.preset, after.meta.size) == ("edge", before.meta.size) and after.grouping is not None
    kept = zip(before.scoring.state_dict().values(), after.scoring.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in kept)
    assert after.meta.training["quantise"]["init"] == path.name
    weight = "reduce.weight"
    assert not torch.equal(before.simple.state_dict()[weight], after.simple.state_dict()[weight])
    regated = checkpoints.load(train_gate(out, config, samples, tmp_path / "again", epochs=1, progress=False))
    assert set(learnt.ranges) - set(regated.meta.quantisation.ranges) == {"grouping.gate"}


def test_a_network_for_comparison_is_refused(samples, tmp_path):
    config = CONFIG.replace(preset="edge", network="associative", epochs=1)
    path = train_network(config, samples, tmp_path / "tags", progress=False)
    with pytest.raises(UsageError, match="for comparison"):
        train_quantised(
            CONFIG.replace(init=str(path)),
            samples,
            tmp_path,
            progress=False,
            quantisation=Quantisation({}, CALIBRATION),
        )


def test_old_checkpoints_have_no_ranges(tmp_path):
    simple = PRESETS["edge"].build_simple(17)
    assert isinstance(simple, Simple)
    checkpoints.save(
        tmp_path / "m.safetensors", simple, None, torch.rand(17, 2), CheckpointMeta("edge", "coco", (64, 64))
    )
    assert checkpoints.load(tmp_path / "m.safetensors").meta.quantisation is None
    assert b"quantisation" not in (tmp_path / "m.safetensors").read_bytes()
