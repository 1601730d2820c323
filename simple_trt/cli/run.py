"""`simple-trt run`: pictures, videos and cameras in, people out."""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack

from simple_trt.cli.engine_file import check_engine
from simple_trt.cli.flags import DEFAULT_THRESHOLD
from simple_trt.cli.narrator import Narrator, say
from simple_trt.cli.outputs import TOKEN_VARIABLE, check_outputs, open_outputs
from simple_trt.errors import EXIT_FAILURE
from simple_trt.runtime import Finder, Follower, Found, Pipeline, Session, SourceMeter, open_sources, smoothed, tracked

__all__ = ["add_parser", "run"]

DESCRIPTION = """Find the people in pictures, videos and camera streams.
SOURCE is a picture, a folder, a pattern ('*.jpg'), a video, a GIF, /dev/video0, rtsp://..., http://..., csi://0 or a
GStreamer pipeline (both need an OpenCV with GStreamer), synthetic://30fps?size=640x480, or - for standard input.
Live sources drop their oldest frame where the engine is busy; files drop none. Ctrl-C ends a run cleanly.
What happens is said on standard error; without an output nothing is kept."""
WEB_DEFAULT_HOST = "127.0.0.1"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb and its flags."""
    p = subparsers.add_parser(
        "run",
        help="find the people in pictures, videos and camera streams",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("engine", metavar="ENGINE", help="what simple-trt build made")
    p.add_argument("source", metavar="SOURCE", nargs="+", help="pictures, videos, cameras")
    p.add_argument(
        "--json", metavar="FILE", help="one JSON object a line and frame (docs/json.md); - is standard output"
    )
    p.add_argument("--save-coco", metavar="FILE", help="COCO results with all people, for pictures named by their id")
    p.add_argument("--save", metavar="DIR", help="folder for the pictures with the people drawn on them")
    p.add_argument("--save-video", metavar="FILE", help="annotated video: .mp4, .avi or .mkv")
    p.add_argument("--window", action="store_true", help="show them in a window; q ends the run")
    p.add_argument("--web", metavar="PORT", type=_port, help="show them on a web page, on this machine alone")
    p.add_argument(
        "--web-host",
        metavar="ADDRESS",
        default=WEB_DEFAULT_HOST,
        help=f"let others see the page too, with a token (made up, or ${TOKEN_VARIABLE}); 0.0.0.0 is everybody",
    )
    p.add_argument(
        "--threshold",
        type=_score,
        default=DEFAULT_THRESHOLD,
        help=f"least score of a person, 0 to 1, for all outputs but --save-coco (default {DEFAULT_THRESHOLD})",
    )
    p.add_argument(
        "--track", action="store_true", help="give the people of each source ids that stay from frame to frame"
    )
    p.add_argument("--smooth", action="store_true", help="calm the keypoints of tracked people (implies --track)")
    p.add_argument("--wait", action="store_true", help="wait for cameras that are not there yet")
    p.add_argument("--time", action="store_true", help="print the median time of each stage at the end")


def run(args: argparse.Namespace) -> int:
    """Run the engine on the sources; returns 1 when pictures could not be read or a video was cut short.

    An interrupt is the usual end of live sources, and no failure; of a file it is one, though what was done is kept.

    Raises:
        UsageError: ENGINE is a model, a source makes no sense, or an output would overwrite a picture.
        SimpleTrtError: the engine or a source cannot be opened, or an output cannot be written.
    """
    check_engine(args.engine)
    sources = open_sources(args.source, args.wait)
    check_outputs(args, sources)
    meters = [SourceMeter(source.name, source.live) for source in sources]
    narrator = Narrator()
    with ExitStack() as stack:
        outputs = open_outputs(args, meters, stack)
        session = stack.enter_context(Session.open(args.engine))
        finder = Finder(session, args.threshold, [_followers(args) for _ in sources])

        def write(found: Found) -> None:
            start = time.perf_counter()
            outputs.write(found)
            narrator.written(found, 1000 * (time.perf_counter() - start), meters)
            if outputs.done:
                pipeline.stop()

        if outputs.address:
            say(f"web page: {outputs.address}")
        pipeline = Pipeline(sources, meters, finder, write, narrator.error)
        interrupt = pipeline.run()
    narrator.finish(sources, meters, args.time)
    if interrupt and not all(source.live for source in sources):
        raise interrupt
    return EXIT_FAILURE if narrator.failed else 0


def _followers(args: argparse.Namespace) -> list[Follower]:
    """What follows the people of one source from frame to frame, in order."""
    if not (args.track or args.smooth):
        return []
    return [tracked(args.threshold), *([smoothed()] if args.smooth else [])]


def _score(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a score from 0 to 1, got '{text}'")
    return value


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 0 (any free one) to 65535, got '{text}'")
    return int(text)
