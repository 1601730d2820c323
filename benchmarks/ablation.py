"""The rows of SIMPLE's tables 2 and 3, trained on the same data with the same budget: what does each idea give?

Every row is the configuration of its name in simple_trt/train/configs on the base named here, so that a machine without
a GPU can train it. Rows that only differ in mimicking share their first stage, as in the paper. The grouping gate is
trained in the same way for every row that has one; AP is that of the 300-image split, single scale, no flip. A run that
was stopped goes on where it was: rows that the result file holds already are kept.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.conditions import Load, conditions
from benchmarks.options import data_folder, output_parser, run_main, say
from benchmarks.photos import validation
from benchmarks.results import read_result, write_result
from simple_trt import Session
from simple_trt.data.labels import Sample
from simple_trt.data.sources import read_annotations
from simple_trt.evaluate import evaluate
from simple_trt.skeletons import find_skeleton
from simple_trt.train.config import TrainConfig, load_config
from simple_trt.train.record import LOG
from simple_trt.train.stages import make_trainer, save_network, train_gate
from simple_trt.train.trainer import STATE

__all__ = ["ROWS", "Row", "main"]

TRAINING = (
    ("coco/person_keypoints_train.json", "coco/train"),
    ("coco_small/person_keypoints_small.json", "coco_small/images"),
)
CURVE = 40  # points of a learning curve that are kept
GATE_PICTURES = 500  # the most crowded ones: elsewhere there is nothing to group
GATE_EPOCHS = 8


class Row(NamedTuple):
    """A row of the paper: its table, what it is there, and its AP on COCO val2017."""

    table: str
    what: str
    paper: float


ROWS = {
    "table2-associative": Row("2(a)", "no detection, associative embedding", 63.4),
    "table2-regression": Row("2(b)", "detection by regression", 64.5),
    "table3-points": Row("2(c), 3(a)", "point learning", 67.1),
    "table3-truth": Row("3(b)", "+ L_m1: true heatmaps", 67.9),
    "table3-features": Row("3(c)", "+ soft feature maps", 66.8),
    "table3-heatmaps": Row("3(d)", "+ L_m2: soft heatmaps", 70.2),
    "table3-both": Row("3(e)", "+ L_m1 + L_m2", 70.8),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Train, measure and write the result, row by row."""
    p = output_parser("ablation", __doc__ or "")
    p.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    p.add_argument("--seeds", nargs="+", type=int, default=[0])
    p.add_argument("--base", default="edge-ablation", help="configuration under every row")
    p.add_argument("--init", default="", help="what the backbone starts from: for edge-ablation, MoveNet's ONNX file")
    p.add_argument("--teacher", default="", help="whom the rows 3(d) and 3(e) mimic, and 3(c) where it shows features")
    p.add_argument("--feature-teacher", default="", help="whom row 3(c) mimics: a top-down network")
    p.add_argument("--epochs", type=int, help="of each run; mimicking keeps its share of them")
    p.add_argument("--limit", type=int, help="train on the first so many photos of each set")
    p.add_argument("--photos", type=int, help="measure on the first so many photos of the split")
    p.add_argument("--device", default="cpu")
    args = p.parse_args(argv)
    torch.set_num_threads(args.threads)
    load, about, data = Load(), conditions(args.seed, args.threads), data_folder()
    rows = read_result(args.out)["rows"] if args.out.exists() else []
    samples = _samples(data, args.limit)
    for name, seed in ((name, seed) for seed in args.seeds for name in args.rows):
        if any(row["name"] == name and row["seed"] == seed for row in rows):
            continue
        say(f"ablation: {name}, seed {seed}")
        config = _config(name, seed, args)
        rows.append(ROWS[name]._asdict() | {"name": name, "seed": seed} | _measure(config, name, samples, data, args))
        teachers = {"teacher": Path(args.teacher).name, "feature_teacher": Path(args.feature_teacher).name}
        settings = {"base": args.base, "epochs": config.epochs, "pictures": len(samples)} | teachers
        write_result(args.out, "ablation", about | load.to_json(), settings=settings, rows=rows)
    return 0


def _samples(data: Path, limit: int | None) -> list[Sample]:
    skeleton = find_skeleton("coco")
    return [s for file, images in TRAINING for s in read_annotations(data / file, data / images, skeleton)[:limit]]


def _config(name: str, seed: int, args: argparse.Namespace) -> TrainConfig:
    """A row's configuration; mimicking begins after the same share of the epochs as in the base."""
    base, config = load_config(args.base), load_config(name, base=args.base)
    epochs = args.epochs or base.epochs
    first = 1 + round(epochs * (base.mimic_from - 1) / base.epochs)
    return config.replace(
        epochs=epochs,
        seed=seed,
        init=args.init,
        teacher=(args.feature_teacher or args.teacher) if config.mimic.features else args.teacher,
        mimic_from=first if config.mimic_from else 0,
    )


def _measure(
    config: TrainConfig, name: str, samples: list[Sample], data: Path, args: argparse.Namespace
) -> dict[str, Any]:
    """Train one row and measure it."""
    out = args.work / "ablation" / f"{name}-{config.seed}"
    trainer = make_trainer(config, samples, out, args.device)
    if not trainer.resume() and name.startswith("table3"):
        trainer.fork(_first_stage(config, samples, args))
    path = save_network(trainer.run(), config, samples, out)
    if config.network != "associative":
        path = _gate(path, config, samples)
    with Session.open(path) as session:
        metrics = evaluate(session.predict, *validation(data), limit=args.photos)
    logs = [out.with_name(f"stage1-{config.seed}") / LOG] if name.startswith("table3") else []
    return {"metrics": metrics, "curve": _curve([*logs, out / LOG])}


def _first_stage(config: TrainConfig, samples: list[Sample], args: argparse.Namespace) -> Path:
    """State of the common first stage of this seed, trained now where it is not there yet."""
    base = load_config(args.base)
    # What a row will mimic is no setting of the stage before, or the next row would not take its state.
    plain = config.replace(mimic_from=0, teacher="", mimic=base.mimic)
    until = round(config.epochs * (base.mimic_from - 1) / base.epochs)
    out = args.work / "ablation" / f"stage1-{config.seed}"
    trainer = make_trainer(plain, samples, out, args.device)
    trainer.resume()
    trainer.run(until=until)
    return Path(out / STATE)


def _gate(path: Path, config: TrainConfig, samples: list[Sample]) -> Path:
    """The run's network with its grouping gate."""
    crowded = sorted(samples, key=lambda s: -sum(p.labelled for p in s.people))[:GATE_PICTURES]
    return train_gate(path, config, crowded, path.parent / "gate", GATE_EPOCHS, scored=False)


def _curve(logs: Sequence[Path]) -> list[dict[str, float]]:
    """Some rows of a run's logs, evenly spread."""
    rows = []
    for path in logs:
        with path.open(newline="", encoding="utf-8") as file:
            rows += [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]
    return rows[:: max(1, len(rows) // CURVE)]


if __name__ == "__main__":
    run_main(main)
