"""The predictor in PyTorch on the GPU: right first, then its time, network and decode apart, at batch 1 and 8."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.answers import compare_answers
from benchmarks.cuda_timing import eager_ms
from benchmarks.options import run_main, say
from benchmarks.subjects import BUNDLED, SIZE, find_subject
from simple_trt import zoo
from simple_trt.errors import SimpleTrtError
from simple_trt.files import whole_file
from simple_trt.models import checkpoints
from simple_trt.models.predictor import Predictor

__all__ = ["main"]

BATCHES = (1, 8)
ARITHMETIC = ("fp32", "tf32", "fp16")


def main(argv: Sequence[str] | None = None) -> int:
    """Write rows to --out; 1 when one failed. Raises SimpleTrtError when torch sees no GPU."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.gpu_pipeline", description=__doc__)
    p.add_argument("--out", type=Path, required=True)
    args = p.parse_args(argv)
    if not torch.cuda.is_available():
        raise SimpleTrtError("torch sees no GPU", "run it on a machine with a GPU and a CUDA build of torch")
    rows = [row for name in _models() for row in _measure(name)]
    with whole_file(args.out) as temporary:
        temporary.write_text(json.dumps({"torch": torch.__version__, "size": SIZE, "rows": rows}))
    return int(any("error" in row for row in rows))


def _models() -> list[str]:
    """The deploy preset, and the bundled model where it is there, else its preset."""
    return ["deploy-w18", BUNDLED if BUNDLED in zoo.names() else "edge"]


def _measure(name: str) -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        subject = find_subject(name, Path(folder), seed=0)
        predictor = checkpoints.load(subject.checkpoint).predictor()
    expected = _answers(predictor, _images(1))
    predictor = predictor.cuda()
    for arithmetic in ARITHMETIC:
        for batch in BATCHES:
            about = {"model": name, "weights": subject.weights, "arithmetic": arithmetic, "batch": batch}
            try:
                with _computing_in(arithmetic), torch.inference_mode():
                    yield _said(about | _row(predictor, batch, expected))
            except (RuntimeError, SimpleTrtError) as error:
                yield _said(about | {"error": str(error)[:500]})


def _row(predictor: Predictor, batch: int, expected: dict[str, Any]) -> dict[str, Any]:
    """Answers beside the CPU's for the first picture, and milliseconds."""
    images = _images(batch).cuda()
    got = _answers(predictor, images)
    first = {name: values[:1] for name, values in got.items()}
    answers = compare_answers({"cpu": expected, "gpu": first}, "cpu", SIZE)["gpu"]
    maps = predictor.look(images)
    return {
        "answers": answers,
        "whole_ms": round(eager_ms(lambda: predictor(images)), 4),
        "network_ms": round(eager_ms(lambda: predictor.simple(images)), 4),
        "decode_ms": round(eager_ms(lambda: predictor.decode(*maps)), 4),
    }


def _answers(predictor: Predictor, images: Tensor) -> dict[str, Any]:
    with torch.inference_mode():
        return {name: value.float().cpu().numpy() for name, value in predictor(images)._asdict().items()}


def _images(batch: int) -> Tensor:
    """Smooth noise, the same first picture at every batch."""
    coarse = np.random.default_rng(0).standard_normal((batch, 3, SIZE // 16, SIZE // 16)).astype(np.float32)
    return torch.nn.functional.interpolate(torch.from_numpy(coarse), size=(SIZE, SIZE), mode="bilinear")


@contextmanager
def _computing_in(arithmetic: str) -> Iterator[None]:
    """fp32 without TF32, fp32 with it, or fp16 by autocast."""
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = arithmetic == "tf32"
    try:
        with torch.autocast("cuda", torch.float16, enabled=arithmetic == "fp16"):
            yield
    finally:
        torch.backends.cudnn.allow_tf32 = allowed


def _said(row: dict[str, Any]) -> dict[str, Any]:
    say(" ".join(f"{key}={value}" for key, value in row.items() if key != "answers"))
    return row


if __name__ == "__main__":
    run_main(main)
