"""An hour of frames with flat memory: `make soak`, or `python -m tests.soak.run --minutes 10`.

`simple-trt run` in a process of its own, with all that people leave on for weeks: a synthetic camera and one that is
unplugged again and again, tracking, smoothing, JSON lines, and the web page, whose viewers come and go. Its memory,
threads and open files are watched from outside; growth ends this with exit code 1.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.conditions import Load, conditions
from benchmarks.results import write_result
from benchmarks.soak_tables import soak_tables
from tests.cli.running import COMMAND, ROOT, tiny_engine
from tests.runtime.camera_server import CameraServer
from tests.soak.verdict import Limits, Sample, judge, sample

__all__ = ["main", "soak"]

SYNTHETIC = "synthetic://20fps?size=320x240&people=2"
CAMERA_RATE = 10.0
SAMPLES, KEPT = 600, 60  # how many are taken at most, how many of them are kept in the result
SHORTEST_PERIOD = 0.2  # seconds
OUTAGES = 30  # of the camera
SHORTEST_OUTAGE = 4.0  # seconds from one to the next
VISIT = 3.0  # seconds that a viewer of the stream stays

Row = dict[str, Any]


def soak(seconds: float, work: Path, limits: Limits, command: Sequence[str] = COMMAND) -> Row:
    """Run for so long and judge.

    Args:
        seconds: from the first frame on.
        work: folder for the engine and what is written; emptied.
        limits: of growth.
        command: what stands before ENGINE.

    Returns:
        `seconds`, `exit_code`, `said` (the last lines), `lines` (of JSON), `captured`, `found`, `dropped` and `losses`
        by source, `verdict`, `limits`, `samples` (some of them: seconds, MiB, threads, open files).
    """
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    camera = CameraServer(rate=CAMERA_RATE)
    words = [str(tiny_engine(work)), SYNTHETIC, camera.url, "--track", "--smooth", "--web", "0"]
    try:
        with _running([*command, *words, "--json", str(work / "people.jsonl")], work / "log") as (process, page):
            with _viewers(page):
                samples = _watch(process, camera, seconds)
            sources = _json(f"{page}stats.json")["sources"]
            process.send_signal(signal.SIGTERM)
            code = process.wait(60)
    finally:
        camera.unplug()
    counts = [{key: source[key] for key in ("captured", "found", "dropped", "losses")} for source in sources]
    lines = sum(1 for line in (work / "people.jsonl").open(encoding="utf-8") if json.loads(line))
    said = (work / "log").read_text(encoding="utf-8").splitlines()[-30:]
    row = {"seconds": round(samples[-1].seconds, 1), "exit_code": code, "said": said, "lines": lines}
    verdict = judge(samples, limits).to_json()
    thinned = [[round(value, 2) for value in asdict(one).values()] for one in samples[:: len(samples) // KEPT + 1]]
    return row | {"sources": counts, "verdict": verdict, "limits": asdict(limits), "samples": thinned}


def _watch(process: subprocess.Popen[bytes], camera: CameraServer, seconds: float) -> list[Sample]:
    """Samples of the process; meanwhile the camera is unplugged now and then, until the next sample."""
    period = max(seconds / SAMPLES, SHORTEST_PERIOD)
    outage = max(seconds / OUTAGES, SHORTEST_OUTAGE)
    began = time.monotonic()
    next_outage = outage
    samples: list[Sample] = []
    while (now := time.monotonic() - began) < seconds:
        samples.append(sample(process.pid, now))
        if camera.server is None:
            camera.plug_in()
        elif now > next_outage:
            camera.unplug()
            next_outage += outage
        time.sleep(period)
    return samples


@contextmanager
def _running(words: Sequence[str], log: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The process, and the address of its page, once it has found somebody."""
    with log.open("wb") as file:
        process = subprocess.Popen(words, cwd=ROOT, stdout=file, stderr=file)
    try:
        page = ""
        while not page or not all(source["found"] for source in _json(f"{page}stats.json")["sources"]):
            if process.poll() is not None:
                sys.exit(log.read_text(encoding="utf-8"))
            first = log.read_text(encoding="utf-8").partition("\n")[0]
            page = first.split()[-1] if first.startswith("web page: ") else ""
            time.sleep(0.2)
        yield process, page
    finally:
        process.kill()
        process.wait()


@contextmanager
def _viewers(page: str) -> Iterator[None]:
    """People who look at the page for a moment, one after the other."""
    left = threading.Event()

    def visit() -> None:
        while not left.is_set():
            with suppress(OSError):
                for path in ("", "page.js", "stats.json", "frame/0"):
                    urllib.request.urlopen(page + path, timeout=10).read()
                with urllib.request.urlopen(f"{page}stream/1", timeout=10) as stream:
                    end = time.monotonic() + VISIT
                    while time.monotonic() < end and not left.is_set():
                        stream.read(4096)

    visitor = threading.Thread(target=visit, daemon=True)
    visitor.start()
    try:
        yield
    finally:
        left.set()
        visitor.join(20)


def _json(address: str) -> Row:
    with urllib.request.urlopen(address, timeout=10) as answer:
        numbers: Row = json.load(answer)
        return numbers


def main(argv: Sequence[str] | None = None) -> int:
    """Soak; 1 when something has grown, or the run did not end well."""
    p = argparse.ArgumentParser(prog="python -m tests.soak.run", description=__doc__)
    p.add_argument("--minutes", type=float, default=60.0)
    p.add_argument("--work", type=Path, default=ROOT / "build" / "soak", help="folder for what the run writes")
    p.add_argument("--out", type=Path, metavar="FILE", help="the result file, JSON")
    args = p.parse_args(argv)
    about, load = conditions(0, None), Load()
    row = soak(60 * args.minutes, args.work, Limits())
    print(soak_tables(row))
    if args.out:
        write_result(args.out, "soak", about | load.to_json(), **{key: row[key] for key in row if key != "said"})
    print(*row["verdict"]["findings"], sep="\n")
    if row["exit_code"]:
        print(*row["said"], sep="\n")
    return 1 if row["verdict"]["findings"] or row["exit_code"] else 0


if __name__ == "__main__":
    sys.exit(main())
