"""What training costs: pictures a second of stage 1 and of stage 2 (mimicking), with and without the reading of photos,
of the reading alone, and the peak memory.

The reading is no bottleneck where reading alone is faster than learning alone: workers read while the network learns.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.ablation import TRAINING
from benchmarks.conditions import Load, conditions
from benchmarks.options import data_folder, output_parser, run_main, say
from benchmarks.results import write_result
from simple_trt.data.labels import Sample
from simple_trt.data.sources import read_annotations
from simple_trt.skeletons import find_skeleton
from simple_trt.train.config import TrainConfig, load_config
from simple_trt.train.stages import make_trainer
from simple_trt.train.trainer import Trainer

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and write the result."""
    p = output_parser("training", __doc__ or "")
    p.add_argument("--config", nargs="+", default=["edge-ablation"])
    p.add_argument("--init", default="", help="start from this network: an untrained one finds nobody to mimic")
    p.add_argument("--teacher", default="", help="whom stage 2 mimics; without it only stage 1 is timed")
    p.add_argument("--steps", type=int, default=20, help="timed steps of each kind")
    p.add_argument("--device", default="cpu")
    args = p.parse_args(argv)
    torch.set_num_threads(args.threads)
    load, about, data = Load(), conditions(args.seed, args.threads), data_folder()
    skeleton = find_skeleton("coco")
    samples = [s for file, images in TRAINING for s in read_annotations(data / file, data / images, skeleton)]
    rows = [row for name in args.config for row in _rows(name, samples, args)]
    settings = {"steps": args.steps, "pictures": len(samples), "teacher": Path(args.teacher).name}
    write_result(args.out, "training", about | load.to_json(), device=args.device, settings=settings, rows=rows)
    return 0


def _rows(name: str, samples: list[Sample], args: argparse.Namespace) -> list[dict[str, Any]]:
    """Stage 1 and, with a teacher, stage 2 of one configuration."""
    base = load_config(name).replace(tensorboard=False, samples_every=0, init=args.init, backbone_only=False)
    stages = {"stage 1": base.replace(mimic_from=0)}
    if args.teacher:
        stages["stage 2"] = base.replace(mimic_from=1, teacher=args.teacher)
    rows = []
    for stage, config in stages.items():
        say(f"training: {name}, {stage}")
        rows.append({"config": name, "stage": stage} | _about(config) | _measure(config, samples, args))
    return rows


def _about(config: TrainConfig) -> dict[str, Any]:
    return {
        "preset": config.preset,
        "size": config.augmentation.size,
        "batch": config.batch,
        "amp": config.amp,
        "workers": config.workers,
    }


def _measure(config: TrainConfig, samples: list[Sample], args: argparse.Namespace) -> dict[str, Any]:
    """Pictures a second, three ways, and the peak memory so far."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(config, samples, Path(folder), args.device)
        batch = next(iter(trainer.batches()))
        for _ in range(3):
            trainer.train_step(batch)
        learning = _rate(lambda: trainer.train_step(batch), args, config)
        feed = _endless(trainer)
        reading = _rate(lambda: next(feed), args, config)
        feed = _endless(trainer)
        both = _rate(lambda: trainer.train_step(next(feed)), args, config)
    return {
        "learning_alone": learning,
        "reading_alone": reading,
        "together": both,
        "peak_mb": _peak_mb(args.device),
    }


def _endless(trainer: Trainer) -> Any:
    """Batch after batch, the first already read."""
    feed = itertools.chain.from_iterable(trainer.batches() for _ in itertools.count())
    return itertools.chain([next(feed)], feed)


def _rate(call: Callable[[], Any], args: argparse.Namespace, config: TrainConfig) -> float:
    """Pictures a second of so many calls, each of one batch."""
    start = time.perf_counter()
    for _ in range(args.steps):
        call()
    if args.device != "cpu":
        torch.cuda.synchronize()
    return args.steps * config.batch / (time.perf_counter() - start)


def _peak_mb(device: str) -> float:
    """Of the GPU, or of this process with its largest worker."""
    if device != "cpu":
        return torch.cuda.max_memory_allocated() / 1e6
    own, worker = (resource.getrusage(w).ru_maxrss for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return (own + worker) / 1e3


if __name__ == "__main__":
    run_main(main)
