"""What a training run is made of: the network (stages 1 and 2), then its grouping gate; and, where int8 costs accuracy,
the network once more as int8 computes it. Each leaves model.safetensors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from simple_trt.data.dataset import PoseDataset
from simple_trt.data.labels import Sample
from simple_trt.data.people import PersonDataset
from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.models import checkpoints, regression
from simple_trt.models.checkpoints import Checkpoint, CheckpointMeta
from simple_trt.models.foreign import load_backbone
from simple_trt.models.movenet import balance, hold_movenet, load_movenet
from simple_trt.models.predictor import Predictor, find_boxes
from simple_trt.models.presets import find_preset
from simple_trt.models.quantisation import Quantisation
from simple_trt.models.simple import Simple
from simple_trt.models.topdown import build_topdown, save_topdown
from simple_trt.skeletons import find_skeleton
from simple_trt.train.config import TrainConfig
from simple_trt.train.grouping import harvest, keypoint_prior, train_grouping
from simple_trt.train.learners import AssociativeLearner, Learner, PointLearner, RegressionLearner, TopDownLearner
from simple_trt.train.mimicking import Mimicking
from simple_trt.train.parallel import Processes
from simple_trt.train.quantising import QuantisedNetwork
from simple_trt.train.scoring import harvest_people, train_scoring
from simple_trt.train.teachers import HeatmapTeacher, load_teacher
from simple_trt.train.trainer import Trainer

MODEL = "model.safetensors"
TEACHER = "teacher.safetensors"
HARVESTED = 4  # pictures at a time that gate and scoring learn from
BALANCED = 16  # pictures that MoveNet's channels are scaled by
INPUT = (512, 512)  # the size the network is meant for, whatever crops it was trained on


def train_network(
    config: TrainConfig,
    samples: Sequence[Sample],
    out: Path,
    device: str = "cpu",
    progress: bool = True,
    processes: Processes | None = None,
) -> Path:
    """Stage 1 (SIMPLE, section 4.1): L_pose + L_det, then stage 2: + L_m. Goes on from out/state.safetensors when that
    is there.

    Returns:
        Path of the checkpoint, which has no grouping gate yet.
    """
    processes = processes or Processes()
    trainer = make_trainer(config, samples, out, device, processes)
    trainer.resume()
    trained = trainer.run(progress)
    if processes.first:
        save_network(trained, config, samples, out)
    processes.wait()
    return out / MODEL


def make_trainer(
    config: TrainConfig, samples: Sequence[Sample], out: Path, device: str = "cpu", processes: Processes | None = None
) -> Trainer:
    """The trainer of stages 1 and 2, at its first step."""
    torch.manual_seed(config.seed)
    skeleton, processes = find_skeleton(config.skeleton), processes or Processes()
    model = find_preset(config.preset).build_network(config.network, len(skeleton))
    dataset = PoseDataset(samples, config.augmentation, skeleton, config.seed)
    if config.init:
        load_initial(model, config, dataset)
    learner = make_learner(model, config, processes, device)
    return Trainer(learner, dataset, config, out, device, processes)


def save_network(trained: nn.Module, config: TrainConfig, samples: Sequence[Sample], out: Path) -> Path:
    """Write a trained network, which has no gate yet, as out/model.safetensors; returns its path."""
    meta = CheckpointMeta(config.preset, config.skeleton, INPUT, describe(config, samples), network=config.network)
    return save_model(out, Checkpoint(cast("Simple", trained), None, keypoint_prior(samples), meta))


def train_quantised(
    config: TrainConfig,
    samples: Sequence[Sample],
    out: Path,
    device: str = "cpu",
    progress: bool = True,
    processes: Processes | None = None,
    *,
    quantisation: Quantisation,
) -> Path:
    """Fine-tune the checkpoint `config.init` as its int8 graph computes: with rounded weights and tensors. Goes on from
    out/state.safetensors when that is there.

    `config` says how, but the preset is the checkpoint's. `quantisation` is what export.network_ranges calibrates for
    this checkpoint; of the grouping gate, which is kept as it is, its ranges hold.

    Returns:
        Path of the checkpoint, which has the ranges, and its gate where there was one.
    """
    processes = processes or Processes()
    start = checkpoints.load(config.init, config.skeleton)
    if not isinstance(start.simple, Simple):
        raise UsageError(f"'{config.init}' is a network for comparison, which has no int8 graph", "Name another.")
    torch.manual_seed(config.seed)
    config = config.replace(preset=start.meta.preset, network="points")
    network = QuantisedNetwork(start.simple, quantisation.ranges, config.quantise.learn)
    learner = make_learner(network, config, processes, device)
    dataset = PoseDataset(samples, config.augmentation, find_skeleton(config.skeleton), config.seed)
    trainer = Trainer(learner, dataset, config, out, device, processes)
    trainer.resume()
    trained = cast("QuantisedNetwork", trainer.run(progress))
    if processes.first:
        start.simple.load_state_dict(trained.plain_state())
        learnt = replace(quantisation, ranges=quantisation.ranges | trained.ranges())
        training = start.meta.training | {"quantise": describe(config, samples)}
        save_model(out, start._replace(meta=replace(start.meta, training=training, metrics={}, quantisation=learnt)))
    processes.wait()
    return out / MODEL


def train_teacher(
    config: TrainConfig,
    samples: Sequence[Sample],
    out: Path,
    device: str = "cpu",
    progress: bool = True,
    processes: Processes | None = None,
) -> Path:
    """Train a top-down teacher on the same data; `config.preset` is one of models.topdown's.

    Returns:
        Path of its checkpoint.
    """
    torch.manual_seed(config.seed)
    skeleton, processes = find_skeleton(config.skeleton), processes or Processes()
    model = build_topdown(config.preset, len(skeleton))
    if config.init:
        load_backbone(model.backbone, config.init)
    learner = TopDownLearner(model, amp=config.amp == "bf16", processes=processes)
    dataset = PersonDataset(samples, config.person, skeleton, config.seed)
    trainer = Trainer(learner, dataset, config, out, device, processes)
    trainer.resume()
    trained = trainer.run(progress)
    if processes.first:
        save_topdown(out / TEACHER, trained, config.preset, describe(config, samples))
    processes.wait()
    return out / TEACHER


def make_learner(model: nn.Module, config: TrainConfig, processes: Processes, device: str = "cpu") -> Learner:
    """The network with the losses that the configuration asks for."""
    options: dict[str, Any] = {
        "pose_background": config.pose_background,
        "amp": config.amp == "bf16",
        "processes": processes,
    }
    if config.network == "associative":
        return AssociativeLearner(model, **options)
    if config.network == "regression":
        return RegressionLearner(model, **options)
    mimicking = make_mimicking(cast("Simple", model), config, device) if config.mimic_from else None
    decode = find_preset(config.preset).settings
    return PointLearner(model, mimicking, max(config.mimic_from, 1), decode, **options)


def make_mimicking(model: Simple, config: TrainConfig, device: str) -> Mimicking:
    """The losses of stage 2, with the teacher that the configuration names."""
    skeleton, amp = find_skeleton(config.skeleton), config.amp == "bf16"
    teacher = load_teacher(config.teacher, skeleton, config.official_teacher, amp) if config.teacher else None
    if isinstance(teacher, HeatmapTeacher):
        teacher.model.to(device)
    return Mimicking(teacher, len(skeleton), config.mimic, cast("int", model.backbone.channels))


def describe(config: TrainConfig, samples: Sequence[Sample]) -> dict[str, Any]:
    """What a checkpoint tells of its training; files by their names, wherever they lay."""
    names = {"init": Path(config.init).name, "teacher": Path(config.teacher).name}
    return asdict(config) | names | {"pictures": len(samples), "people": sum(len(s.people) for s in samples)}


def load_initial(model: nn.Module, config: TrainConfig, dataset: PoseDataset) -> None:
    """Start from `config.init`: one of our checkpoints of the same preset (its backbone, where it learnt something else
    than this network does), MoveNet's ONNX file, balanced over some pictures, or backbone weights made elsewhere.

    Raises UsageError where a network for comparison should take all that MoveNet's file has.
    """
    backbone = cast("nn.Module", model.backbone)
    if Path(config.init).suffix == ".onnx":
        _load_movenet(model, config, dataset)
        return
    try:
        start = checkpoints.load(config.init, config.skeleton)
    except SimpleTrtError as error:
        if "is no simple-trt checkpoint" not in error.cause and "is no safetensors file" not in error.cause:
            raise
        load_backbone(backbone, config.init)
        return
    if start.meta.preset != config.preset:
        raise SimpleTrtError(
            f"'{config.init}' is a {start.meta.preset} model, not {config.preset}", f"Use --preset {start.meta.preset}."
        )
    if start.meta.network == config.network and not config.backbone_only:
        model.load_state_dict(start.simple.state_dict())
    else:
        backbone.load_state_dict(start.simple.backbone.state_dict())


def _load_movenet(model: nn.Module, config: TrainConfig, dataset: PoseDataset) -> None:
    pose = not config.backbone_only
    if pose and not isinstance(model, Simple):
        cause = f"the network '{config.network}' has no place for MoveNet's heatmaps"
        raise UsageError(cause, "set backbone_only to true")
    load_movenet(model, config.init, pose)
    count = min(BALANCED, len(dataset))
    balance(model, torch.stack([dataset[i]["image"] for i in range(count)]), pose)
    if config.hold:
        hold_movenet(model, config.init, pose)


def train_gate(
    model: Path,
    config: TrainConfig,
    samples: Sequence[Sample],
    out: Path,
    epochs: int = 20,
    progress: bool = True,
    *,
    scored: bool = True,
) -> Path:
    """Train the grouping gate of the checkpoint `model`, whose network stays as it is, and, unless `scored` is false,
    what ranks the people that both find, where the preset has that.

    Raises UsageError for a network that groups by tags.
    """
    start = checkpoints.load(model, config.skeleton)
    if start.meta.network == "associative":
        raise UsageError(f"'{model}' groups by tags and has no gate", "Use --stage network.")
    find = regression.find_boxes if start.meta.network == "regression" else find_boxes
    preset, skeleton = find_preset(start.meta.preset), find_skeleton(config.skeleton)
    torch.manual_seed(config.seed)
    gate = preset.build_grouping(len(skeleton))
    dataset = PoseDataset(samples, config.augmentation, skeleton, config.seed)
    crops = harvest(start.simple, dataset, preset.settings, HARVESTED, config.workers, find, gate)
    parts = _with_bar(crops, dataset, "harvest", progress)
    losses = train_grouping(gate, parts, epochs, seed=config.seed, progress=progress)
    done: dict[str, Any] = {"grouping": {"epochs": epochs, "pictures": len(samples), "loss": losses[-1]}}
    meta = replace(start.meta, training=start.meta.training | done, quantisation=_without_gate(start.meta.quantisation))
    gated = start._replace(grouping=gate, scoring=None, meta=meta)
    path = save_model(out, gated)  # a network that finds nobody has nobody to rank, but has its gate
    if scored and preset.scoring_width and isinstance(start.simple, Simple):
        path = save_model(out, _scored(gated, dataset, config, progress))
    return path


def _scored(gated: Checkpoint, dataset: PoseDataset, config: TrainConfig, progress: bool) -> Checkpoint:
    """The checkpoint with a scoring, learnt from the people whom it finds."""
    scoring = find_preset(gated.meta.preset).build_scoring(len(dataset.skeleton))
    assert scoring is not None
    predictor = cast("Predictor", gated.predictor())
    found = harvest_people(predictor, dataset, HARVESTED, config.workers)
    people = _with_bar(found, dataset, "people", progress)
    losses = train_scoring(scoring, people, dataset.skeleton.flip_order, seed=config.seed, progress=progress)
    done = {"scoring": {"people": sum(len(part[0]) for part in people), "loss": losses[-1]}}
    return gated._replace(scoring=scoring, meta=replace(gated.meta, training=gated.meta.training | done))


def _with_bar(parts: Iterable[list[Tensor]], dataset: PoseDataset, what: str, progress: bool) -> list[list[Tensor]]:
    from tqdm import tqdm

    total = -(-len(dataset) // HARVESTED)
    return list(tqdm(parts, total=total, unit="batch", desc=what, disable=not progress or None))


def _without_gate(quantisation: Quantisation | None) -> Quantisation | None:
    """The ranges of the network alone: those of another gate say nothing of a new one."""
    if quantisation is None:
        return None
    kept = {name: value for name, value in quantisation.ranges.items() if not name.startswith("grouping.")}
    return replace(quantisation, ranges=kept)


def save_model(out: Path, checkpoint: Checkpoint) -> Path:
    """Write out/model.safetensors; returns its path."""
    out.mkdir(parents=True, exist_ok=True)
    simple: nn.Module = checkpoint.simple
    checkpoints.save(out / MODEL, simple, checkpoint.grouping, checkpoint.prior, checkpoint.meta, checkpoint.scoring)
    return out / MODEL
