"""`simple-trt run` with a leak of each kind, which the watch must find: `python -m tests.soak.leaky run ENGINE ...`."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from simple_trt.cli import main
from simple_trt.runtime import JsonLinesSink

BYTES = 200_000  # a frame
EVERY = 4  # frames: then a thread and an open file are left behind

kept: list[Any] = []
write = JsonLinesSink.write


def leak(sink: JsonLinesSink, frame: Any, people: Any) -> None:
    write(sink, frame, people)
    kept.append(os.urandom(BYTES))
    if len(kept) % EVERY == 0:
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        os.open(os.devnull, os.O_RDONLY)


if __name__ == "__main__":
    JsonLinesSink.write = leak  # type: ignore[method-assign]
    sys.exit(main())
