"""AP and latency of one model by precision: fp32, half precision, int8 as tools do it, int8 searched.

CPU engines are measured, those for TensorRT-RTX built.

Every row is an engine made by `simple-trt build`, whose last stage measures its AP and what it loses against the
checkpoint, with the standard error of a paired bootstrap. An RTX engine is not run where there is no GPU: its row says
what the compiled graph does on ONNX Runtime. "As tools do it" is int8 for the usual convolutions with min-max ranges.
The searched engines are judged on the photos that they were searched on, but for one: it is searched on every other
photo and judged on those between.

The result is written after each row. Run again, it goes on: rows of the same weights, photos and code are kept. The CPU
engines are timed at the end, one process each, in interleaved rounds.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import contenders
from benchmarks.children import Child
from benchmarks.conditions import Load, conditions
from benchmarks.options import data_folder, parser, plan_of, run_main, say
from benchmarks.photos import group_photo, network_input, save_arrays, validation
from benchmarks.results import read_result, write_result
from benchmarks.rounds import interleave
from benchmarks.statistics import summary
from benchmarks.subjects import BUNDLED, SIZE, Subject, calibration_folder, engines_folder, find_subject, run_build
from simple_trt import Session
from simple_trt.engines import manifest_path
from simple_trt.engines.manifest import read_manifest
from simple_trt.errors import SimpleTrtError
from simple_trt.evaluate.annotations import read_annotations
from simple_trt.evaluate.coco import find_people
from simple_trt.evaluate.paired import Matches, ap_drop, match_found
from simple_trt.pictures import read_picture

__all__ = ["ROWS", "Row", "main"]

TASK = "photo"
REFERENCE = "cpu fp32"


@dataclass(frozen=True)
class Row:
    """One engine: its flags, and which photos it is searched and judged on (`all`, or `even` for a split search)."""

    name: str
    flags: tuple[str, ...]
    photos: str = "all"

    @property
    def searched(self) -> bool:
        """Its int8 blocks are searched."""
        return "--search" in self.flags


INT8 = ("--precision", "int8")
USUAL = ("--calib-method", "minmax", "--float-blocks", "none")
RTX = ("--target", "tensorrt-rtx")
ROWS = (
    Row(REFERENCE, ("--precision", "fp32")),
    Row("cpu bf16", ("--precision", "bf16")),
    Row("cpu int8, min-max", (*INT8, *USUAL)),
    Row("cpu int8", INT8),
    Row("cpu int8, searched", (*INT8, "--search")),
    Row("cpu int8, searched on other photos", (*INT8, "--search"), "even"),
    Row("rtx fp16", (*RTX, "--precision", "fp16")),
    Row("rtx int8, min-max", (*RTX, *INT8, *USUAL)),
    Row("rtx int8, searched", (*RTX, *INT8, "--search")),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Build, measure and write the result; 1 when a row failed."""
    p = parser("precision", __doc__ or "", rounds=8, iterations=8)
    p.add_argument("--model", default=BUNDLED, help="a bundled model or a checkpoint")
    p.add_argument("--rows", nargs="+", choices=[row.name for row in ROWS], help="measure these only, beside kept ones")
    p.add_argument("--limit", type=int, help="only the first so many photos")
    p.add_argument("--max-ap-drop", default="0.005", metavar="X", help="limit of the searches")
    p.add_argument("--search-photos", default="128", metavar="N")
    p.add_argument("--search-steps", default="16", metavar="N")
    args = p.parse_args(argv)
    args.work.mkdir(parents=True, exist_ok=True)
    load, about, data = Load(), conditions(args.seed, args.threads), data_folder()
    subject = find_subject(args.model, args.work, args.seed)
    bench = _Bench(subject, data, args, engines_folder(subject, args.work))
    rows = bench.kept()

    def write() -> None:
        made = [rows[row.name] for row in ROWS if row.name in rows]
        write_result(args.out, "precision", about | load.to_json(), **bench.facts(), rows=made)

    for row in ROWS:
        if row.name in (args.rows or [row.name]) and (row.name not in rows or "failed" in rows[row.name]):
            say(f"precision: {row.name}")
            rows[row.name] = bench.measure(row)
            write()
    bench.time(rows)
    write()
    return int(any("failed" in row for row in rows.values()))


@dataclass(frozen=True)
class _Bench:
    """One model on one set of photos."""

    subject: Subject
    data: Path
    args: argparse.Namespace
    folder: Path

    def facts(self) -> dict[str, Any]:
        """What all rows have in common; rows of other facts are not kept."""
        a = self.args
        settings = {"size": SIZE, "photos": a.limit or 300, "max_ap_drop": float(a.max_ap_drop)}
        search = {"search_photos": int(a.search_photos), "search_steps": int(a.search_steps)}
        return {"settings": settings | search | {"engines": self.folder.name}, "model": self.subject.to_json()}

    def kept(self) -> dict[str, dict[str, Any]]:
        """The rows of a result that was begun before."""
        if not self.args.out.exists():
            return {}
        result = read_result(self.args.out)
        same = all(result.get(key) == value for key, value in self.facts().items())
        return {row["name"]: row for row in result["rows"]} if same else {}

    def measure(self, row: Row) -> dict[str, Any]:
        """Build one engine; what its manifest says, or why there is none."""
        engine = self._engine(row)
        try:
            run_build(self.subject, engine, self._flags(row))
        except SimpleTrtError as error:
            return {"name": row.name, "failed": error.cause}
        manifest = read_manifest(manifest_path(engine))
        blocks = (manifest.assignment or {}).get("blocks", {})
        found = {
            "name": row.name,
            "ap": manifest.accuracy["ap"],
            "subject": manifest.accuracy["subject"],
            "bytes": manifest.plan.bytes,
            "calibration": (manifest.calibration or {}).get("method"),
            "int8_blocks": sum(kind == "int8" for kind in blocks.values()) if blocks else None,
            "blocks": len(blocks) or None,
        }
        return found | ({"ap": self._ap_on_others(engine)} if row.photos != "all" else {})

    def time(self, rows: dict[str, dict[str, Any]]) -> None:
        """Time the CPU engines in interleaved rounds; into their rows."""
        picture = read_picture(group_photo(self.data))
        inputs = {TASK: save_arrays(self.args.work / "photo.npz", {"image": network_input(picture, SIZE)})}
        made = [row for row in ROWS if row.name in rows and "failed" not in rows[row.name]]
        wanted = [row for row in made if row.name.startswith("cpu")]
        with ExitStack() as stack:
            turns = {}
            for row in wanted:
                spec = contenders.spec(
                    contenders.engine, path=str(self._engine(row)), inputs=inputs, threads=self.args.threads
                )
                turns[row.name] = stack.enter_context(Child(row.name, spec, self.args.threads)).turn(TASK)
            times = interleave(turns, plan_of(self.args), lambda text: say(f"precision: {text}"))
        for name, found in times.items():
            rows[name]["ms"] = summary(found).to_json()

    def _engine(self, row: Row) -> Path:
        """A file of its own for each set of photos: a search goes on from the record of the same one."""
        name = row.name.replace(", ", "-").replace(" ", "-")
        return self.folder / f"{name}-{self.args.limit or 'all'}.engine"

    def _flags(self, row: Row) -> list[str]:
        images = validation(self.data)[1]
        flags = [*row.flags, "--size", str(SIZE), "--verify", str(self._annotations(row.photos)), "--images"]
        flags += [str(images), "--keep-failing", "--force"]
        if "int8" in row.flags:
            flags += ["--calib", str(calibration_folder(self.args.work, self.data))]
        if row.searched:
            a = self.args
            flags += ["--max-ap-drop", a.max_ap_drop, "--search-photos", a.search_photos]
            flags += ["--search-steps", a.search_steps, "--seed", str(a.seed + 1)]
        return flags

    def _annotations(self, photos: str) -> Path:
        """A file of the first photos of the split: all, every other one (`even`), or those between (`odd`)."""
        data = json.loads(validation(self.data)[0].read_text(encoding="utf-8"))
        images = data["images"][: self.args.limit]
        chosen = {"all": images, "even": images[::2], "odd": images[1::2]}[photos]
        ids = {image["id"] for image in chosen}
        people = [entry for entry in data["annotations"] if entry["image_id"] in ids]
        path = self.folder / f"{photos}-{len(images)}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data | {"images": chosen, "annotations": people}), encoding="utf-8")
        return path

    def _ap_on_others(self, engine: Path) -> dict[str, Any]:
        """AP, and what is lost against the fp32 engine, on the photos that the search did not see."""
        truth = read_annotations(self._annotations("odd"))
        before, after = (self._found(path, truth) for path in (self._engine(ROWS[0]), engine))
        drop = ap_drop(before, after)
        facts = {"data": truth.path.name, "images": len(truth.pictures), "model": before.ap(), "engine": after.ap()}
        return facts | {"drop": drop.ap, "standard_error": drop.standard_error, "allowed": None}

    def _found(self, engine: Path, truth: Any) -> Matches:
        with Session.open(engine) as session:
            return match_found(truth, find_people(session.predict, truth, validation(self.data)[1]))


if __name__ == "__main__":
    run_main(main)
