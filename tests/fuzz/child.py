"""The process that reads the made-up inputs of one target, under limits; a crash, a hang or an allocation without bound
ends it, and the input that did it is kept. Started by `tests.fuzz.run`.
"""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import atheris

from simple_trt.errors import SimpleTrtError
from tests.fuzz.ill import ILL
from tests.fuzz.targets import MOST_FINDINGS, TARGETS, Target, seeds

LONGEST = 64 << 10  # bytes of an input
MIB = 1 << 20


class Reader:
    """Reads inputs one by one and counts what came of them.

    Args:
        target: the reader's.
        folder: for the input, the findings and the tally.
        runs: how many inputs.
    """

    def __init__(self, target: Target, folder: Path, runs: int) -> None:
        self.folder, self.runs = folder, runs
        self.path = folder / f"input{target.suffix}"
        with atheris.instrument_imports(include=list(target.instrument)):
            self.read = target.load()
        self.start_mib = _peak_mib()
        limit = _address_space() + target.memory * MIB
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        self.tally: dict[str, Any] = {"inputs": 0, "accepted": 0, "refused": 0, "slowest_ms": 0.0, "findings": {}}
        self.write()

    def __call__(self, data: bytes) -> None:
        """One input."""
        if self.tally["inputs"] == self.runs:
            return
        self.path.write_bytes(data)
        start = time.process_time()
        try:
            self.read(self.path)
            self.tally["accepted"] += 1
        except SimpleTrtError as error:
            self.tally["refused"] += 1
            if not (error.cause and error.cure):
                self._found(error, data)
        except Exception as error:
            self._found(error, data)
        self.tally["inputs"] += 1
        self.tally["slowest_ms"] = max(self.tally["slowest_ms"], 1e3 * (time.process_time() - start))
        if self.tally["inputs"] % 50 == 0 or self.tally["inputs"] == self.runs:
            self.write()

    def write(self) -> None:
        """Leave the tally where the parent finds it, whatever happens next."""
        self.tally["peak_mib"] = _peak_mib() - self.start_mib
        (self.folder / "tally.json").write_text(json.dumps(self.tally))

    def _found(self, error: Exception, data: bytes) -> None:
        last = traceback.extract_tb(error.__traceback__)[-1]
        ours = [f for f in traceback.extract_tb(error.__traceback__) if "simple_trt" in f.filename]
        place = ours[-1] if ours else last
        what = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno} ({str(error)[:120]})"
        key = f"{type(error).__name__}-{Path(place.filename).stem}-{place.lineno}"
        if key not in self.tally["findings"]:
            (self.folder / f"found-{key}").write_bytes(data)
        self.tally["findings"].setdefault(key, what)
        self.write()
        if len(self.tally["findings"]) >= MOST_FINDINGS:
            sys.exit(1)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _address_space() -> int:
    """Bytes that are mapped now."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def main(name: str, folder: Path, runs: int, seed: int) -> None:
    """Read `runs` inputs; never returns."""
    target = (TARGETS | ILL)[name]
    reader = Reader(target, folder, runs)
    good = [seed.read_bytes() for seed in seeds(name) if not seed.name.startswith("found-")]

    def mutated(data: bytes, longest: int, seed: int) -> bytes:
        rng = random.Random(seed)
        # What libFuzzer offers is mostly refused, for the paths it took; what begins with a good file gets deeper.
        data = rng.choice([data, rng.choice(good)])
        return target.mutate(data, rng, lambda bytes_: bytes(atheris.Mutate(bytes_, longest)))[:longest]

    corpus = folder / "corpus"
    flags = [
        f"-runs={runs}",
        f"-seed={seed + 1}",
        f"-max_len={LONGEST}",
        f"-timeout={target.seconds}",
        "-print_final_stats=0",
    ]
    flags += [f"-artifact_prefix={folder}/crash-", "-rss_limit_mb=0", "-verbosity=0", str(corpus)]
    atheris.Setup([sys.argv[0], *flags], reader, custom_mutator=mutated, internal_libfuzzer=True)
    atheris.Fuzz()


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
