"""TensorRT-RTX on this GPU: an engine built by `simple-trt build`, its answers beside the model's, its time."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.answers import compare_answers
from benchmarks.child import timed
from benchmarks.options import ROOT, run_main, say
from benchmarks.statistics import summary
from benchmarks.subjects import BUNDLED, SIZE, find_subject
from simple_trt import zoo
from simple_trt.engines import LoadOptions, open_engine
from simple_trt.engines.gpu import need_gpu
from simple_trt.errors import SimpleTrtError
from simple_trt.files import whole_file

__all__ = ["build_plan", "main"]

PRECISIONS = ("fp32", "fp16")
WARMUP, RUNS = 10, 100


def main(argv: Sequence[str] | None = None) -> int:
    """Write a row a precision to --out; 1 when one failed. Raises SimpleTrtError when there is no GPU."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.gpu_engine", description=__doc__)
    p.add_argument("--out", type=Path, required=True)
    args = p.parse_args(argv)
    need_gpu(None, "running a TensorRT-RTX engine")
    model = BUNDLED if BUNDLED in zoo.names() else "edge"
    with tempfile.TemporaryDirectory() as folder:
        source = model if model in zoo.names() else str(find_subject(model, Path(folder), seed=0).checkpoint)
        rows = [_row(source, precision, Path(folder)) for precision in PRECISIONS]
    with whole_file(args.out) as temporary:
        temporary.write_text(json.dumps({"model": model, "rows": rows}))
    return int(any("error" in row for row in rows))


def _row(source: str, precision: str, folder: Path) -> dict[str, Any]:
    try:
        row = {"precision": precision} | _measure(source, precision, folder)
    except (SimpleTrtError, RuntimeError) as error:
        row = {"precision": precision, "error": str(error)[:800]}
    say(str(row))
    return row


def _measure(source: str, precision: str, folder: Path) -> dict[str, Any]:
    """Build, run, compare with the model, time: milliseconds from host memory to host memory."""
    plan = folder / f"{precision}.engine"
    build_plan(source, "tensorrt-rtx", precision, plan)
    coarse = np.random.default_rng(0).standard_normal((1, 3, SIZE // 16, SIZE // 16), np.float32)
    inputs = {"image": coarse.repeat(16, 2).repeat(16, 3)}
    with open_engine(plan, LoadOptions(device=0)) as engine:
        got = engine.infer(inputs)
        times = timed(lambda: engine.infer(inputs), WARMUP, RUNS)
        about = engine.describe()
    answers = compare_answers({"model": _model_answer(source, inputs), "engine": got}, "model", SIZE)
    return {"about": about, "answers": answers["engine"], "ms": summary([times]).to_json()}


def _model_answer(source: str, inputs: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[Any]]:
    with open_engine(source) as engine:
        return engine.infer(inputs)


def build_plan(source: str, target: str, precision: str, plan: Path) -> None:
    """Build an engine for a GPU with `simple-trt build`. Raises SimpleTrtError with its last words when that fails."""
    words = ["build", source, "--target", target, "--precision", precision, "--size", str(SIZE), "-o", str(plan)]
    done = subprocess.run([sys.executable, "-m", "simple_trt", *words], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SimpleTrtError(f"the build failed: {done.stderr.strip()[-600:]}", "see its message")


if __name__ == "__main__":
    run_main(main)
