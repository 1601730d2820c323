"""Fuzzes every reader of untrusted bytes, each in a process of its own under limits: `make fuzz`.

Guided by coverage (Atheris, libFuzzer), deterministic by seed. What is found is left in --work and ends the run with
exit code 1; put each finding into `tests/fuzz/corpus/TARGET`, where the tests read it again, and mend the reader.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.conditions import conditions
from benchmarks.fuzz_tables import fuzz_tables
from benchmarks.results import write_result
from simple_trt.errors import SimpleTrtError
from tests.fuzz.targets import MOST_FINDINGS, TARGETS, seeds

__all__ = ["fuzz", "main"]

ROOT = Path(__file__).resolve().parents[2]
TRIES = 5  # processes of one target, each of which was ended by what it read
HOURS = 3600

Row = dict[str, Any]


def fuzz(name: str, runs: int, seed: int, work: Path, tries: int = TRIES) -> Row:
    """Read so many made-up inputs with one reader.

    Returns:
        `inputs`, `accepted`, `refused` (SimpleTrtError with cause and cure), `findings` (anything else: text by name),
        `slowest_ms` (CPU time), `peak_mib` (resident memory above that at the start).

    Raises:
        SimpleTrtError: Atheris is not installed, or the process could not start.
    """
    if importlib.util.find_spec("atheris") is None:
        raise SimpleTrtError("Atheris cannot be imported", "pip install atheris")
    row: Row = {"name": name, "inputs": 0, "accepted": 0, "refused": 0, "slowest_ms": 0.0, "peak_mib": 0.0}
    row["findings"] = {}
    for attempt in range(tries):
        folder = work / name / str(attempt)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(seeds(name)[0].parent, folder / "corpus")
        tally, ended = _child(name, folder, runs - row["inputs"], seed + attempt)
        _add(row, tally)
        if row["inputs"] >= runs or len(tally["findings"]) >= MOST_FINDINGS:
            break
        crashes = sorted(folder.glob("crash-*")) or [folder / "none"]
        row["findings"] |= {crash.name: ended for crash in crashes}
    return row


def _child(name: str, folder: Path, runs: int, seed: int) -> tuple[Row, str]:
    """The tally of one process, and how it ended."""
    # Addresses are not random: libFuzzer goes by comparisons of pointers too, and one seed shall give the same inputs.
    command = ["setarch", "-R"] if shutil.which("setarch") else []
    command += [sys.executable, "-m", "tests.fuzz.child", name, str(folder), str(runs), str(seed)]
    environment = os.environ | {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    with (folder / "log").open("wb") as log:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=log, stderr=log, timeout=HOURS, stdin=subprocess.DEVNULL
        )
    tail = (folder / "log").read_text(errors="replace").strip().splitlines()[-8:]
    if not (folder / "tally.json").exists():
        cause = f"the process that fuzzes '{name}' did not start: {' | '.join(tail)}"
        raise SimpleTrtError(cause, f"run it alone: python -m tests.fuzz.run {name}")
    return json.loads((folder / "tally.json").read_text()), f"exit code {done.returncode}: {' | '.join(tail)}"


def _add(row: Row, tally: Row) -> None:
    for key in ("inputs", "accepted", "refused"):
        row[key] += tally[key]
    for key in ("slowest_ms", "peak_mib"):
        row[key] = round(max(row[key], tally[key]), 1)
    row["findings"] |= tally["findings"]


def main(argv: Sequence[str] | None = None) -> int:
    """Fuzz the named targets, or all; 1 when there is a finding."""
    p = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description=__doc__)
    p.add_argument("targets", nargs="*", choices=[*TARGETS, []], metavar="TARGET", help=f"of: {', '.join(TARGETS)}")
    p.add_argument("--inputs", type=int, default=100_000, help="in all, when every target is run")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--work", type=Path, default=ROOT / "build" / "fuzz", help="folder for inputs and findings")
    p.add_argument("--out", type=Path, metavar="FILE", help="the result file, JSON")
    args = p.parse_args(argv)
    about, rows = conditions(args.seed, 1), []
    whole = sum(target.share for target in TARGETS.values())
    for name in args.targets or TARGETS:
        rows.append(fuzz(name, args.inputs * TARGETS[name].share // whole, args.seed, args.work))
        print(f"{name}: {rows[-1]['inputs']} inputs, {len(rows[-1]['findings'])} findings", file=sys.stderr, flush=True)
    print(fuzz_tables({"rows": rows}))
    found = [f"{row['name']}: {name}: {what}" for row in rows for name, what in row["findings"].items()]
    print(*found, sep="\n", end="\n" if found else "")
    if args.out:
        write_result(args.out, "fuzz", about, rows=rows)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
