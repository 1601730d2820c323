"""Where the time of `simple-trt run` goes: stage by stage on photos, and the command as a whole with its start.

The stages are called as the command calls them, one photo after the other in one process: reading, letterbox, engine,
way back to picture pixels, JSON line, drawing with writing. The command itself is timed from the outside on one photo
and on all of them: the difference is what a photo costs, the rest is the start.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.conditions import Load, conditions
from benchmarks.options import ROOT, data_folder, parser, plan_of, run_main, say
from benchmarks.photos import validation
from benchmarks.results import write_result
from benchmarks.rounds import Plan, Turn, interleave
from benchmarks.statistics import estimate, round_medians, summary
from benchmarks.subjects import BUNDLED, build_engine, find_subject
from simple_trt import Session
from simple_trt.cli.flags import DEFAULT_THRESHOLD
from simple_trt.engines import LoadOptions
from simple_trt.errors import SimpleTrtError
from simple_trt.runtime import AnnotatedSink, JsonLinesSink, PictureSource, open_source

__all__ = ["main", "stage_times"]

Times = dict[str, list[float]]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and write the result."""
    p = parser("stages", __doc__ or "", rounds=5, iterations=1, warmup=0)
    p.add_argument("--model", default=BUNDLED, help="a bundled model, a checkpoint, or a preset (random weights)")
    p.add_argument("--precision", choices=("fp32", "bf16", "int8"), default="int8")
    p.add_argument("--photos", type=int, default=40, help="how many of the 300 photos, from the first on")
    args = p.parse_args(argv)
    args.work.mkdir(parents=True, exist_ok=True)
    load, about, data = Load(), conditions(args.seed, args.threads), data_folder()
    subject = find_subject(args.model, args.work, args.seed)
    engine = build_engine(subject, args.precision, args.work, data)
    photos = _photo_folder(data, args.work, args.photos)
    stages = _stages(engine, open_source(photos), args)
    command = _command(engine, photos, plan_of(args), args.photos)
    write_result(
        args.out,
        "stages",
        about | load.to_json(),
        settings=asdict(plan_of(args))
        | {"photos": args.photos, "precision": args.precision, "threshold": DEFAULT_THRESHOLD},
        model=subject.to_json(),
        stages=stages,
        command=command,
    )
    return 0


def stage_times(session: Session, source: PictureSource, json_file: Path, folder: Path) -> Times:
    """Milliseconds of each stage, photo by photo."""
    times: Times = defaultdict(list)
    with JsonLinesSink(json_file) as lines, AnnotatedSink(folder) as pictures:
        start = time.perf_counter()
        for frame in source:
            times["read"].append(_ms_since(start))
            people = session.predict(frame.image)
            for stage, ms in people.speed.items():
                times[stage].append(ms)
            shown = people.above(DEFAULT_THRESHOLD)
            start = time.perf_counter()
            lines.write(frame, shown)
            times["json"].append(_ms_since(start))
            start = time.perf_counter()
            pictures.write(frame, shown)
            times["draw and write"].append(_ms_since(start))
            start = time.perf_counter()
    return dict(times)


def _stages(engine: Path, source: PictureSource, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Each stage's time over photos and rounds; the first pass over the photos warms everything up."""
    rounds: dict[str, list[list[float]]] = defaultdict(list)
    options = LoadOptions(threads=args.threads)
    with Session.open(engine, options) as session, tempfile.TemporaryDirectory(dir=args.work) as folder:
        for number in range(args.rounds + 1):
            for stage, times in stage_times(session, source, Path(folder) / "people.jsonl", Path(folder)).items():
                rounds[stage] += [times] if number else []
            say(f"stages: pass {number} of {args.rounds}")
    return [{"stage": stage, "ms": summary(times).to_json()} for stage, times in rounds.items()]


def _command(engine: Path, photos: Path, plan: Plan, count: int) -> dict[str, Any]:
    """The command on one photo and on all, in interleaved rounds: milliseconds."""
    first = min(photos.iterdir())
    with tempfile.TemporaryDirectory() as folder:
        turns = {
            "one": _command_turn(engine, first, Path(folder)),
            "all": _command_turn(engine, photos, Path(folder)),
        }
        times = interleave(turns, plan, lambda text: say(f"command: {text}"))
    one, everything = round_medians(times["one"]), round_medians(times["all"])
    a_photo = (everything - one) / max(count - 1, 1)
    return {
        "one_photo_ms": summary(times["one"]).to_json(),
        "all_photos_ms": summary(times["all"]).to_json(),
        "a_photo_ms": estimate(a_photo, plan.seed).to_json(),
        "start_ms": estimate(one - a_photo, plan.seed).to_json(),
    }


def _command_turn(engine: Path, source: Path, folder: Path) -> Turn:
    words = ["run", str(engine), str(source), "--json", str(folder / "people.jsonl"), "--save", str(folder / "drawn")]

    def once() -> float:
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-m", "simple_trt", *words], cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            raise SimpleTrtError(f"simple-trt run failed: {done.stderr.strip()[-400:]}", "see its message")
        return _ms_since(start)

    def turn(warmup: int, iterations: int) -> list[float]:
        return [once() for _ in range(warmup + iterations)][warmup:]

    return turn


def _photo_folder(data: Path, work: Path, count: int) -> Path:
    """A folder of links to the first `count` photos of the split."""
    folder = work / f"photos-{count}"
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(validation(data)[1].iterdir())[:count]:
        link = folder / path.name
        if not link.exists():
            link.symlink_to(path)
    return folder


def _ms_since(start: float) -> float:
    return (time.perf_counter() - start) * 1000


if __name__ == "__main__":
    run_main(main)
