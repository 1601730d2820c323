"""`simple-trt VERB ...`: one file a verb. Results go to standard output, everything else to standard error.

Exit codes: 0 fine, 1 run-time failure, 2 usage, 3 an accuracy limit was missed; 130 after Ctrl-C, 143 after SIGTERM.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import FrameType

from simple_trt.errors import EXIT_FAILURE, SimpleTrtError

__all__ = ["main"]

VERBS = ("build", "run", "bench", "eval", "inspect", "doctor", "export", "models", "train", "label")
TRACEBACK_VARIABLE = "SIMPLE_TRT_TRACEBACK"
SAME_SIGNAL = 0.5  # seconds
EXIT_INTERRUPTED, EXIT_TERMINATED, EXIT_PIPE = 130, 143, 141
EPILOG = """MODEL is a bundled model's name (simple-trt models), a .safetensors checkpoint or an .onnx file.
exit codes: 0 fine, 1 run-time failure, 2 usage, 3 an accuracy limit was missed"""


class _Terminated(BaseException):
    """The process was asked to end: like KeyboardInterrupt, it lets every `with` block clean up."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; nothing that a user does wrong ends in a traceback.

    Args:
        argv: the words after `simple-trt`; the process's own by default.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    show_traceback = "--traceback" in arguments or bool(os.environ.get(TRACEBACK_VARIABLE))
    try:
        with _terminable():
            code = _run([word for word in arguments if word != "--traceback"])
            sys.stdout.flush()
            return code
    except SimpleTrtError as error:
        _report(error.cause, error.cure, show_traceback)
        return error.exit_code
    except KeyboardInterrupt:
        print("simple-trt: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except _Terminated:
        return EXIT_TERMINATED
    except BrokenPipeError:
        _drop_stdout()
        return EXIT_PIPE
    except Exception as error:  # a mistake of ours or of a library: short for the user, whole on request
        cure = f"to see where it happened, add --traceback (or set {TRACEBACK_VARIABLE}=1)"
        _report(f"{type(error).__name__}: {' '.join(str(error).split())[:500]}", cure, show_traceback)
        return EXIT_FAILURE


def _run(arguments: list[str]) -> int:
    args = _parser(arguments).parse_args(arguments)
    code = import_module(f"simple_trt.cli.{args.verb}").run(args)
    return int(code or 0)


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of the verb that is asked for; of all verbs when none is, or for help."""
    parser = argparse.ArgumentParser(
        prog="simple-trt",
        description="Photo in, people out: build, run and check pose engines.",
        epilog=f"{EPILOG}\nadd --traceback to any command to see where an error came from",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"simple-trt {_own_version()}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    first = next((word for word in arguments if not word.startswith("-")), None)
    for verb in [first] if first in VERBS else VERBS:
        import_module(f"simple_trt.cli.{verb}").add_parser(verbs)
    return parser


def _own_version() -> str:
    try:
        return version("simple-trt")
    except PackageNotFoundError:
        return "(not installed)"


def _report(cause: str, cure: str, show_traceback: bool) -> None:
    if show_traceback:
        traceback.print_exc()
    print(f"simple-trt: error: {cause}", file=sys.stderr)
    if cure:
        print(f"  cure: {cure}", file=sys.stderr)


def _drop_stdout() -> None:
    """The reader has gone: what is still buffered goes nowhere, and the interpreter's last flush stays quiet."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM and SIGHUP end the command as Ctrl-C does, cleaning up; outside the main thread they are left alone.

    A signal that follows another at once is the same one: `timeout` and shells send it to a process and to its group.
    It may come when the command has ended and the process has not: there it is ignored, or the exit code were lost.
    """
    never = last = -SAME_SIGNAL

    def end(number: int, _frame: FrameType | None) -> None:
        nonlocal last
        repeated, last = time.monotonic() - last < SAME_SIGNAL, time.monotonic()
        if not repeated:
            raise KeyboardInterrupt if number == signal.SIGINT else _Terminated

    try:
        before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if last == never else signal.SIG_IGN)
