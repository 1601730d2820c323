"""The process of one contender: it loads it, then runs it when it is told to. `children.Child` is the other end.

Requests and replies are JSON lines on stdin and on the stdout that the process was started with; what libraries print
goes to stderr.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from benchmarks.contenders import Contender

AMOUNT = ("warmup", "iterations", "warm_seconds")  # of a turn

__all__ = ["answer", "main", "make", "timed"]


def make(spec: dict[str, Any]) -> Contender:
    """The contender of a spec made by `contenders.spec`."""
    module, _, name = spec["factory"].partition(":")
    contender: Contender = getattr(import_module(module), name)(**spec["arguments"])
    return contender


def timed(run: Callable[[], Any], warmup: int, iterations: int, warm_seconds: float = 0.0) -> list[float]:
    """Milliseconds of each of `iterations` runs, after untimed ones: `warmup`, or more until `warm_seconds` are over;
    wall clock.
    """
    begin, made = time.perf_counter(), 0
    while made < warmup or time.perf_counter() - begin < warm_seconds:
        run()
        made += 1
    times = []
    for _ in range(iterations):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1000)
    return times


def answer(contender: Contender, request: dict[str, Any]) -> dict[str, Any]:
    """Do what a request asks for."""
    task = request["task"]
    if request["verb"] == "run":
        times = timed(lambda: contender.run(task), *(request[key] for key in AMOUNT))
        return {"milliseconds": times}
    arrays: dict[str, Any] = dict(contender.outputs(task))
    np.savez(request["path"], **arrays)
    return {"saved": request["path"]}


def main() -> None:
    """Serve until stdin ends."""
    replies = _take_stdout()
    try:
        start = time.perf_counter()
        contender = make(json.loads(sys.stdin.readline()))
        seconds = time.perf_counter() - start
        _send(replies, {"about": contender.describe(), "load_seconds": round(seconds, 3)})
        for line in sys.stdin:
            _send(replies, answer(contender, json.loads(line)) | {"peak_mb": _peak_mb()})
    except Exception as error:
        _send(replies, {"error": f"{type(error).__name__}: {error}"})
        raise


def _take_stdout() -> TextIO:
    """Our stdout for replies alone: from now on file descriptor 1 is stderr."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return replies


def _send(replies: TextIO, reply: dict[str, Any]) -> None:
    replies.write(json.dumps(reply) + "\n")
    replies.flush()


def _peak_mb() -> float:
    """The most memory this process has held, MB (10^6 bytes). getrusage would count its parent's from before exec."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    peak = next(line for line in lines if line.startswith("VmHWM"))
    return round(int(peak.split()[1]) * 1024 / 1e6, 1)


if __name__ == "__main__":
    main()
