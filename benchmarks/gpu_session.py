"""Frames to people on this GPU: a session with CUDA graphs, with plain launches, through arrays, in several threads.

Correct first: what the graphs give is compared with what plain launches give, with random weights, which fill all rows.
A checkpoint in PyTorch takes part, and engines of TensorRT and TensorRT-RTX where these are installed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from itertools import islice, repeat
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.child import timed
from benchmarks.gpu_engine import build_plan
from benchmarks.options import run_main, say
from benchmarks.statistics import summary
from benchmarks.subjects import find_subject
from simple_trt.engines import Engine, LoadOptions, open_engine
from simple_trt.engines.gpu import need_gpu
from simple_trt.errors import SimpleTrtError
from simple_trt.files import whole_file
from simple_trt.pictures import Picture
from simple_trt.runtime import Session
from simple_trt.runtime.preprocess import prepare
from simple_trt.types import People

__all__ = ["main", "measure"]

MODEL = "edge"
FRAMES = {"640x480": (480, 640), "1920x1080": (1080, 1920)}
TARGETS = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}  # and the module that it needs
THREADS = (1, 2, 4)
WARMUP, RUNS = 10, 100
SAME = 0.05  # pixels
Open = Callable[[bool], Engine]


def main(argv: Sequence[str] | None = None) -> int:
    """Write rows to --out; 1 when one failed. Raises SimpleTrtError when there is no GPU."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.gpu_session", description=__doc__)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--runs", type=int, default=RUNS, help="timed frames of each kind")
    args = p.parse_args(argv)
    need_gpu(None, "running a session on a GPU")
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for name, opened in _engines(Path(folder)) for row in _rows(name, opened, args.runs)]
    with whole_file(args.out) as temporary:
        temporary.write_text(json.dumps({"model": MODEL, "rows": rows}))
    return int(any("error" in row for row in rows))


def measure(name: str, open_on_device: Open, frame: tuple[int, int], runs: int) -> Iterator[dict[str, Any]]:
    """Rows of one engine at one frame size.

    Args:
        name: of the engine, for the rows.
        open_on_device: opens it, with CUDA graphs or without.
        frame: (height, width).
        runs: timed frames of each way.

    Raises:
        SimpleTrtError: graphs and plain launches disagree, or CUDA fails.
    """
    picture = _photo(frame)
    about = {"engine": name, "frame": "{1}x{0}".format(*frame)}
    with Session(open_on_device(False)) as session:
        plain = session.predict(picture)
        yield about | {"way": "arrays"} | _timed(lambda: _through_arrays(session, picture), runs)
        yield about | {"way": "plain launches"} | _timed(lambda: session.predict(picture), runs)
    with Session(open_on_device(True)) as session:
        said = _warnings(lambda: [_check_same(session.predict(picture), plain) for _ in range(3)])
        yield about | {"way": "graphs"} | _timed(lambda: session.predict(picture), runs) | said
    for threads in THREADS:
        yield about | {
            "way": "stream",
            "threads": threads,
            "frames_per_s": _throughput(open_on_device, picture, threads, runs),
        }


def _engines(folder: Path) -> Iterator[tuple[str, Open]]:
    checkpoint = find_subject(MODEL, folder, seed=0).checkpoint
    yield "torch fp32", lambda graphs: open_engine(checkpoint, LoadOptions(device=0, graphs=graphs))
    for target, module in TARGETS.items():
        if find_spec(module):
            plan = folder / f"{target}.engine"
            yield f"{target} fp16", partial(_built, checkpoint, target, plan)


def _built(checkpoint: Path, target: str, plan: Path, graphs: bool) -> Engine:
    if not plan.exists():
        build_plan(str(checkpoint), target, "fp16", plan)
    return open_engine(plan, LoadOptions(device=0, graphs=graphs))


def _rows(name: str, open_on_device: Open, runs: int) -> Iterator[dict[str, Any]]:
    for label, frame in FRAMES.items():
        try:
            for row in measure(name, open_on_device, frame, runs):
                say(str(row))
                yield row
        except (SimpleTrtError, RuntimeError) as error:
            row = {"engine": name, "frame": label, "error": str(error)[:800]}
            say(str(row))
            yield row


def _timed(run: Callable[[], Any], runs: int) -> dict[str, Any]:
    return {"ms": summary([timed(run, min(WARMUP, runs), runs)]).to_json()}


def _through_arrays(session: Session, picture: Picture) -> None:
    """As a session without CUDA code does it: the CPU letterboxes."""
    engine = session.engine
    images = np.zeros(engine.inputs["image"].shape, np.float32)
    images[0], _ = prepare(picture, engine.manifest)
    engine.infer({"image": images})


def _throughput(open_on_device: Open, picture: Picture, threads: int, runs: int) -> float:
    """Frames a second of all threads together, each with a session of its own, warmed up before the start."""
    sessions = [Session(open_on_device(True)) for _ in range(threads)]
    try:
        for session in sessions:
            session.predict_batch([picture] * min(WARMUP, runs))
        failures: list[Exception] = []
        workers = [threading.Thread(target=_drain, args=(session, picture, runs, failures)) for session in sessions]
        start = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        seconds = time.perf_counter() - start
    finally:
        for session in sessions:
            session.close()
    if failures:
        raise failures[0]
    return round(threads * runs / seconds, 2)


def _drain(session: Session, picture: Picture, runs: int, failures: list[Exception]) -> None:
    try:
        for _ in session.stream(islice(repeat(picture), runs)):
            pass
    except SimpleTrtError as error:
        failures.append(error)


def _check_same(got: People, expected: People) -> None:
    """Raises SimpleTrtError when two runs of one network on one frame differ."""
    if not len(expected):
        raise SimpleTrtError("nobody is found, so nothing can be compared", "show another picture")
    fits = len(got) == len(expected)
    gap = float(np.abs(got.boxes.xyxy - expected.boxes.xyxy).max(initial=0.0)) if fits else np.inf
    if not gap <= SAME:
        raise SimpleTrtError(f"graphs and plain launches differ by {gap} pixels", "do not time it")


def _warnings(run: Callable[[], Any]) -> dict[str, Any]:
    """What was said meanwhile: of an engine that cannot be captured, say."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run()
    said = sorted({str(warning.message)[:400] for warning in caught})
    return {"warnings": said} if said else {}


def _photo(frame: tuple[int, int]) -> Picture:
    """Smooth noise."""
    height, width = frame
    coarse = np.random.default_rng(0).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    return coarse.repeat(8, 0).repeat(8, 1)[:height, :width]


if __name__ == "__main__":
    run_main(main)
