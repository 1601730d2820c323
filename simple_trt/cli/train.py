"""`simple-trt train`: annotated photos -> checkpoint."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simple_trt.errors import UsageError

if TYPE_CHECKING:
    from simple_trt.data.labels import Sample
    from simple_trt.models.quantisation import Quantisation
    from simple_trt.train.config import TrainConfig

DESCRIPTION = """Train a network (stage 1: heatmaps, corners, centers; stage 2: mimicking a teacher too), then its
grouping gate; or, with --stage quantise, fine-tune a finished one as int8 computes it. A run that was stopped goes on
where it was when the same command is given again. Several processes:
torchrun --nproc-per-node 8 -m simple_trt train ..."""
OVERRIDES = ("preset", "init", "epochs", "batch", "lr", "seed", "workers", "teacher", "mimic_from")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb and its flags."""
    p = subparsers.add_parser("train", help="train a network on annotated photos", description=DESCRIPTION)
    p.add_argument(
        "--data",
        action="append",
        required=True,
        metavar="FILE",
        help="annotations: COCO, PoseTrack18, PoseTrack17 (a folder of json), MPII (json, .mat); may be repeated",
    )
    p.add_argument(
        "--images", action="append", required=True, metavar="DIR", help="the photos of each --data, in the same order"
    )
    p.add_argument(
        "--partial",
        action="append",
        default=[],
        metavar="FILE",
        help="a --data whose pictures show people who are not annotated: learn nothing where they may stand",
    )
    p.add_argument(
        "--out", required=True, metavar="DIR", help="where the run keeps its state, log and model.safetensors"
    )
    p.add_argument("--config", metavar="FILE", help="TOML file with the settings; the flags below override it")
    p.add_argument("--preset", help="network: edge, deploy-w18, deploy-w32, paper-w18, ...")
    p.add_argument(
        "--init", metavar="FILE", help="start from this checkpoint, or from ImageNet weights of the backbone"
    )
    p.add_argument("--size", type=int, help="side of the square training crops, pixels, a multiple of 32")
    p.add_argument("--epochs", type=int)
    p.add_argument("--batch", type=int, help="pictures a step, of each process")
    p.add_argument("--lr", type=float)
    p.add_argument("--seed", type=int)
    p.add_argument("--workers", type=int, help="processes that read photos")
    p.add_argument("--teacher", metavar="FILE", help="whom to mimic: a top-down checkpoint, or a single-person .onnx")
    p.add_argument("--mimic-from", type=int, metavar="EPOCH", help="first epoch of mimicking (1-based; 0: never)")
    p.add_argument(
        "--stage",
        choices=("all", "network", "grouping", "teacher", "quantise"),
        default="all",
        help="network and then grouping, one of them, a top-down teacher, or int8 (grouping and quantise need --init)",
    )
    p.add_argument("--grouping-epochs", type=int, default=20)
    p.add_argument("--device", default="cpu", help="cpu or cuda")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train; prints the path of the checkpoint. Raises SimpleTrtError, UsageError."""
    if len(args.data) != len(args.images):
        raise UsageError(
            f"{len(args.data)} --data but {len(args.images)} --images", "Give one --images for each --data."
        )
    if unknown := [name for name in args.partial if name not in args.data]:
        raise UsageError(f"--partial {unknown[0]} is no --data", "Name it with --data too.")
    if args.stage in ("grouping", "quantise") and not args.init:
        raise UsageError(
            f"--stage {args.stage} has no network to work with", "Name the trained network with --init CHECKPOINT."
        )
    from simple_trt.data.sources import read_annotations
    from simple_trt.skeletons import find_skeleton
    from simple_trt.train.config import TrainConfig, load_config
    from simple_trt.train.parallel import join_processes
    from simple_trt.train.stages import train_gate, train_network, train_quantised, train_teacher

    processes = join_processes(args.device)
    config = load_config(args.config) if args.config else TrainConfig()
    augmentation = (
        config.augmentation if args.size is None else dataclasses.replace(config.augmentation, size=args.size)
    )
    changes = {name: getattr(args, name) for name in OVERRIDES}
    config = config.replace(augmentation=augmentation, **changes)
    skeleton = find_skeleton(config.skeleton)
    sources = zip(args.data, args.images, strict=True)
    samples = [s for data, images in sources for s in read_annotations(data, images, skeleton, data in args.partial)]
    out = Path(args.out)
    if processes.first:
        people = sum(len(s.people) for s in samples)
        print(f"{len(samples)} photos, {people} people, preset {config.preset}", file=sys.stderr)
    stages: dict[str, Any] = {"teacher": train_teacher, "grouping": None}
    if args.stage == "quantise":
        stages["quantise"] = partial(train_quantised, quantisation=_calibrated(config, samples))
    stage = stages.get(args.stage, train_network)
    path = stage(config, samples, out, args.device, processes=processes) if stage else Path(config.init)
    if processes.first:
        if args.stage == "grouping" or (args.stage == "all" and config.network != "associative"):
            path = train_gate(path, config, samples, out, args.grouping_epochs)
        print(path)
    return 0


def _calibrated(config: TrainConfig, samples: Sequence[Sample]) -> Quantisation:
    """The ranges that int8 starts from, measured on some of the training photos."""
    from simple_trt.export.calibration import pick_photos
    from simple_trt.export.network_ranges import calibrate_checkpoint

    photos = pick_photos(sorted({sample.image for sample in samples}), config.quantise.photos)
    print(f"calibrating on {photos.count} photos by {config.quantise.method}", file=sys.stderr)
    return calibrate_checkpoint(config.init, photos, config.quantise.method)
