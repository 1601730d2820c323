"""`simple-trt bench`: how an engine keeps up with a camera of known rate."""

from __future__ import annotations

import argparse
import json
import threading
from typing import Any

from simple_trt.cli.engine_file import check_engine
from simple_trt.cli.flags import DEFAULT_THRESHOLD
from simple_trt.cli.narrator import say
from simple_trt.cli.report import DEFINITIONS, definition_lines, number_lines, numbers, stage_line
from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.runtime import (
    Finder,
    Found,
    PictureSource,
    Pipeline,
    Session,
    Source,
    SourceMeter,
    open_sources,
    tracked,
    write_text,
)

__all__ = ["add_parser", "run"]

DEFAULT_SOURCE = "synthetic://30fps?size=640x480"
DELIVERED = 0.99  # of the asked rate; a camera that delivers less was held up by this machine
DESCRIPTION = """Measure an engine behind a camera: glass-to-keypoint latency, throughput and drop rate, each defined.
They are three different numbers, and none of them is an "FPS"."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb and its flags."""
    p = subparsers.add_parser("bench", help="measure an engine behind a camera of known rate", description=DESCRIPTION)
    p.add_argument("engine", metavar="ENGINE", help="what simple-trt build made")
    p.add_argument(
        "--source",
        metavar="SOURCE",
        nargs="+",
        default=[DEFAULT_SOURCE],
        help=f"cameras, or videos; synthetic://RATEfps?size=WxH&people=N&photo=FILE (default {DEFAULT_SOURCE})",
    )
    p.add_argument("--seconds", type=_seconds, default=10.0, help="how long to measure (default 10)")
    p.add_argument("--warm-up", type=_seconds, default=2.0, help="seconds before that, which do not count (default 2)")
    p.add_argument("--track", action="store_true", help="with tracking")
    p.add_argument("--json", metavar="FILE", help="the numbers as JSON; - is standard output")
    p.add_argument("--fps", action="store_true", help="refused: there is no such number")


def run(args: argparse.Namespace) -> int:
    """Measure, and print the three numbers of each source.

    Raises:
        UsageError: one number is asked for, or a source cannot be measured.
        SimpleTrtError: the engine or a source cannot be opened, or nothing was found in time.
    """
    if args.fps:
        cause = 'there is no one "FPS": latency, throughput and drop rate are three different numbers'
        raise UsageError(cause, "leave out --fps, and quote the one that matters to you by its name")
    check_engine(args.engine)
    sources = open_sources(args.source)
    if any(isinstance(source, PictureSource) for source in sources):
        raise UsageError("pictures have no rate that could be kept up with", "simple-trt run ENGINE PICTURES --time")
    meters = [SourceMeter(source.name, source.live) for source in sources]
    with Session.open(args.engine) as session:
        _measure(session, sources, meters, args)
        manifest = session.engine.manifest
        engine = {"name": manifest.name, "target": manifest.target, "precision": manifest.precision}
    results = [{"source": m.name, "live": m.live, **numbers(m.totals(), m.live)} for m in meters]
    if empty := [result["source"] for result in results if not result["found"]]:
        raise SimpleTrtError(f"no frame of '{empty[0]}' was answered in time", "measure longer: --seconds 60")
    if args.json:
        report = {"engine": engine, "warm_up_s": args.warm_up, "definitions": DEFINITIONS, "sources": results}
        write_text(args.json, json.dumps(report, indent=2) + "\n")
    if args.json != "-":
        _print(engine, sources, meters)
    return 0


def _measure(session: Session, sources: list[Source], meters: list[SourceMeter], args: argparse.Namespace) -> None:
    followers = [[tracked(DEFAULT_THRESHOLD)] if args.track else [] for _ in sources]
    finder = Finder(session, DEFAULT_THRESHOLD, followers)
    pipeline = Pipeline(sources, meters, finder, _forget, lambda _source, error: say(f"simple-trt: error: {error}"))
    timers = [threading.Timer(args.warm_up, meter.restart) for meter in meters]
    for timer in timers:
        timer.daemon = True
        timer.start()
    interrupt = pipeline.run(args.warm_up + args.seconds)
    for timer in timers:
        timer.cancel()
    if interrupt:
        raise interrupt


def _forget(_found: Found) -> None:
    """Nothing is written: what sinks cost is not measured."""


def _print(engine: dict[str, Any], sources: list[Source], meters: list[SourceMeter]) -> None:
    print(f"engine {engine['name']}: {engine['target']}, {engine['precision']}")
    for source, meter in zip(sources, meters, strict=True):
        totals = meter.totals()
        print(f"{meter.name}: {totals.captured} frames, {totals.capture_rate:.1f} a second, captured")
        print("\n".join([*number_lines(totals, meter.live), stage_line(totals)]))
        asked = getattr(source, "rate", 0.0)
        if totals.capture_rate < DELIVERED * asked:
            say(f"note: {asked:g} frames/s were asked for, {totals.capture_rate:.1f} came: the machine holds them up")
    print("\n".join(definition_lines()))


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 86400:
        raise argparse.ArgumentTypeError(f"expected seconds from 0 to 86400, got '{text}'")
    return value
