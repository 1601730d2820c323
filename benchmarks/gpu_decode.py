"""The whole decode on the GPU, from maps to keypoints without the grouping gate: our four kernels, one graph.

Right first: boxes and keypoints against the twins on the CPU. Then its time beside the twins', at each number of people
in the picture, which must not matter.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from benchmarks.cuda_timing import device_ms, eager_ms
from benchmarks.gpu_kernels import DTYPES, require_gpu
from benchmarks.options import run_main, say
from benchmarks.planted import STRIDE, planted_maps
from simple_trt import ops
from simple_trt.files import whole_file
from simple_trt.models.predictor import DecodeSettings, logit
from simple_trt.models.presets import find_preset
from simple_trt.ops import reference

__all__ = ["TARGETS", "agree", "decode", "main", "planted_batch"]

SIZE = 512
PEOPLE = (0, 1, 5, 15, 30)
BATCHES = (1, 8)
TARGETS = {"batch 1, microseconds, at most": 60.0, "twin over kernels, batch 1, at least": 20.0}


def main(argv: Sequence[str] | None = None) -> int:
    """Write rows to --out; 1 when an answer is wrong. Raises SimpleTrtError when torch sees no GPU."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.gpu_decode", description=__doc__)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--preset", default="deploy-w32")
    args = p.parse_args(argv)
    require_gpu()
    settings = find_preset(args.preset).settings
    with torch.inference_mode():
        rows = [
            _row(settings, *case) for case in ((n, b, d) for d in ("fp16", "fp32") for b in BATCHES for n in PEOPLE)
        ]
    with whole_file(args.out) as temporary:
        temporary.write_text(json.dumps({"preset": args.preset, "targets": TARGETS, "rows": rows}))
    return int(any(row["wrong"] for row in rows))


def decode(kernels: ModuleType, maps: dict[str, Tensor], settings: DecodeSettings) -> tuple[Tensor, Tensor, Tensor]:
    """Maps (`points`, `offsets`, `pose`, as planted) -> boxes [B,M,4], keypoints [B,M,K,3], num [B].

    Args:
        kernels: `ops`, or `reference` for the twins.
        maps: of one type.
        settings: of the preset.
    """
    s, pose = settings, maps["pose"]
    scores, indices = kernels.find_peaks(maps["points"], logit(s.point_threshold), s.peaks)
    grouped = kernels.group_boxes(scores, indices, maps["offsets"], STRIDE, s.center_area, s.nms_sigma, s.people)
    boxes, num = grouped[0], grouped[3]
    crops = kernels.crop_heatmaps(pose, boxes, STRIDE, *s.crop, s.padding, s.samples)
    prior = torch.full((pose.shape[1], 2), 0.5, device=pose.device)
    return boxes, kernels.read_keypoints(pose, crops, boxes, prior, STRIDE, s.padding, s.present), num


def planted_batch(people: int, batch: int, dtype: torch.dtype) -> dict[str, Tensor]:
    """Maps of `batch` pictures with as many people each, on the CPU."""
    images = [planted_maps(people, SIZE, seed) for seed in range(batch)]
    return {name: torch.cat([torch.from_numpy(i[name]) for i in images]).to(dtype) for name in images[0]}


def _row(settings: DecodeSettings, people: int, batch: int, dtype: str) -> dict[str, Any]:
    maps = planted_batch(people, batch, DTYPES[dtype])
    on_gpu = {name: value.cuda() for name, value in maps.items()}
    expected, got = decode(reference, maps, settings), decode(ops, on_gpu, settings)
    run, twin = partial(decode, ops, on_gpu, settings), partial(decode, reference, on_gpu, settings)
    device = device_ms(run)
    row = {
        "people": people,
        "batch": batch,
        "dtype": dtype,
        "wrong": not agree(got, expected),
        "device_us": None if device is None else round(device * 1000, 2),
        "eager_us": round(eager_ms(run) * 1000, 2),
        "twin_us": round(eager_ms(twin) * 1000, 2),
    }
    say(" ".join(f"{key}={value}" for key, value in row.items()))
    return row


def agree(got: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> bool:
    """Equal counts; boxes alike; keypoints alike but for one in a hundred, where a rounded crop has two maxima."""
    boxes, keypoints, num = (value.cpu() for value in got)
    if not torch.equal(num, expected[2]) or not torch.allclose(boxes, expected[0], rtol=1e-4, atol=1e-3):
        return False
    same = (keypoints - expected[1]).abs().amax(-1) < 1e-2
    return bool(same.float().mean() >= 0.99)


if __name__ == "__main__":
    run_main(main)
