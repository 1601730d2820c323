"""`simple-trt run`: pictures in, people out."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from simple_trt import zoo
from simple_trt.cli.flags import DEFAULT_THRESHOLD
from simple_trt.engines import manifest_path
from simple_trt.errors import EXIT_FAILURE, SimpleTrtError, UsageError
from simple_trt.runtime import (
    AnnotatedSink,
    CocoSink,
    Frame,
    JsonLinesSink,
    PictureSource,
    Session,
    Sink,
    check_image_ids,
    open_source,
)
from simple_trt.types import People

__all__ = ["add_parser", "run"]

DESCRIPTION = """Find the people in a picture or in the pictures of a folder.
One line a picture goes to standard error; without --json, --save-coco and --save nothing is kept."""
MODEL_SUFFIXES = {".onnx", ".safetensors"}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb and its flags."""
    p = subparsers.add_parser("run", help="find the people in pictures", description=DESCRIPTION)
    p.add_argument("engine", metavar="ENGINE", help="what simple-trt build made")
    p.add_argument("source", metavar="SOURCE", help="a picture, or a folder of pictures")
    p.add_argument("--json", metavar="FILE", help="one JSON object a line and picture; - is standard output")
    p.add_argument("--save-coco", metavar="FILE", help="COCO results with all people, for pictures named by their id")
    p.add_argument("--save", metavar="DIR", help="folder for the pictures with the people drawn on them")
    p.add_argument(
        "--threshold",
        type=_score,
        default=DEFAULT_THRESHOLD,
        help=f"least score of a person, 0 to 1, for --json and --save (default {DEFAULT_THRESHOLD})",
    )
    p.add_argument("--time", action="store_true", help="print the median time of each stage at the end")


def run(args: argparse.Namespace) -> int:
    """Run the engine on the source; returns 1 when pictures of a folder could not be read.

    Raises:
        UsageError: ENGINE is a model, or an output would overwrite a picture.
        SimpleTrtError: the engine or the source cannot be opened, or an output cannot be written.
    """
    _check_engine(args.engine)
    source = open_source(args.source)
    _check_outputs(args, source)
    with ExitStack() as stack:
        sinks = _open_sinks(args, stack)
        session = stack.enter_context(Session.open(args.engine))
        errors, times = _process(session, source, sinks, args.threshold)
    if source.skipped:
        _say(f"{source.skipped} other files in '{args.source}' are no pictures")
    if args.time and times:
        _say(_time_line(times))
    if errors:
        _say(f"{errors} of {len(source)} pictures could not be read")
    return EXIT_FAILURE if errors else 0


class _Sinks:
    """The outputs of one run. COCO results take every person, since average precision needs the unsure ones too."""

    def __init__(self, coco: list[Sink], others: list[Sink]) -> None:
        self.coco, self.others = coco, others

    def write(self, frame: Frame, people: People, shown: People) -> None:
        for sink in self.coco:
            sink.write(frame, people)
        for sink in self.others:
            sink.write(frame, shown)


def _open_sinks(args: argparse.Namespace, stack: ExitStack) -> _Sinks:
    coco = [stack.enter_context(CocoSink(args.save_coco))] if args.save_coco else []
    others = [stack.enter_context(JsonLinesSink(args.json))] if args.json else []
    if args.save:
        others.append(stack.enter_context(AnnotatedSink(args.save)))
    return _Sinks(coco, others)


def _process(
    session: Session, source: PictureSource, sinks: _Sinks, threshold: float
) -> tuple[int, list[dict[str, float]]]:
    """Every picture through the session into the sinks: how many were unreadable, and the others' times by stage."""
    errors: list[SimpleTrtError] = []
    times = []

    def skip(error: SimpleTrtError) -> None:
        errors.append(error)
        _say(f"simple-trt: error: {error}")

    # A folder goes on without a broken picture; a broken picture alone is an error like any other.
    frames = source.frames(skip if len(source) > 1 else None)
    start = time.perf_counter()
    for frame in frames:
        read = time.perf_counter()
        people = session.predict(frame.image)
        shown = people.above(threshold)
        found = time.perf_counter()
        sinks.write(frame, people, shown)
        _say(_picture_line(frame.name, shown))
        written = time.perf_counter()
        times.append({"read": 1000 * (read - start), **people.speed, "write": 1000 * (written - found)})
        start = time.perf_counter()
    return len(errors), times


def _picture_line(name: str, people: People) -> str:
    stages = ", ".join(f"{stage} {ms:.1f}" for stage, ms in people.speed.items())
    count = "1 person" if len(people) == 1 else f"{len(people)} people"
    return f"{name}: {count}, {sum(people.speed.values()):.1f} ms ({stages})"


def _time_line(times: list[dict[str, float]]) -> str:
    """Medians by stage. The first picture, which warms everything up, counts only when it is alone."""
    counted = times[1:] or times
    by_stage = defaultdict(list)
    for stages in counted:
        for stage, ms in stages.items():
            by_stage[stage].append(ms)
    medians = ", ".join(f"{stage} {median(values):.2f}" for stage, values in by_stage.items())
    total = median(sum(stages.values()) for stages in counted)
    warm = " after the first" if len(times) > 1 else ""
    return f"time in ms, median of {len(counted)} pictures{warm}: {medians}, all {total:.2f}"


def _check_engine(engine: str) -> None:
    path = Path(engine)
    if manifest_path(path).exists():
        return
    if path.suffix in MODEL_SUFFIXES or (not path.exists() and engine in zoo.names()):
        command = f"simple-trt build {shlex.quote(engine)} --target cpu -o {shlex.quote(path.stem + '.engine')}"
        raise UsageError(f"'{engine}' is a model, not an engine", f"build an engine first: {command}")


def _check_outputs(args: argparse.Namespace, source: PictureSource) -> None:
    """No output may land on a picture or on another output, and COCO results need ids."""
    if args.save_coco:
        check_image_ids(source.names)
    files = [Path(name).resolve() for name in (args.json, args.save_coco) if name and name != "-"]
    taken = {path.resolve() for path in source.paths} | {Path(args.engine).resolve()}
    for file in files:
        if file in taken:
            raise UsageError(f"'{file}' would be written twice or over what is read", "choose another file name")
        taken.add(file)
    if args.save and Path(args.save).resolve() in {path.resolve().parent for path in source.paths}:
        raise UsageError(f"--save '{args.save}' is the folder of the pictures themselves", "choose another folder")


def _score(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a score from 0 to 1, got '{text}'")
    return value


def _say(line: str) -> None:
    print(line, file=sys.stderr)
