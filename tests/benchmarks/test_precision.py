"""The table by precision: what each row's engine is asked for, that a run goes on, that a failed row stops no other."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import precision
from benchmarks.report import section
from benchmarks.subjects import Subject
from simple_trt.engines import manifest_path
from simple_trt.engines.manifest import Manifest, Plan, write_manifest
from simple_trt.errors import SimpleTrtError

IMAGES = 6
LOST = {"fp32": 0.0, "bf16": 0.001, "fp16": 0.0005, "int8": 0.04}
MS = {"median": 5.0, "q1": 4.0, "q3": 6.0}


@pytest.fixture
def builds(tmp_path, monkeypatch):
    """The builds that were asked for; the engines are empty files with a manifest."""
    asked, failing = [], []
    images = [{"id": i, "file_name": f"{i}.png", "width": 9, "height": 9} for i in range(IMAGES)]
    people = [{"id": i + 1, "image_id": i} for i in range(IMAGES)]
    (tmp_path / "coco").mkdir()
    truth = tmp_path / "coco" / "person_keypoints_val.json"
    truth.write_text(json.dumps({"images": images, "annotations": people, "categories": []}))

    def build(subject, engine, flags):
        asked.append((engine.name, flags))
        if any(word in engine.name for word in failing):
            raise SimpleTrtError("no such library", "install it")
        kind, searched = flags[flags.index("--precision") + 1], "--search" in flags
        lost = LOST[kind] / (20 if searched else 1)
        data = json.loads(Path(flags[flags.index("--verify") + 1]).read_text())
        counts = {"images": len(data["images"]), "model": 0.5, "engine": 0.5 - lost}
        ap = counts | {"drop": lost, "standard_error": 0.002, "data": "x", "allowed": None}
        made = Manifest("m", "cpu", "openvino", kind, "plain", 1, (512, 512), "coco", Plan("p", "0" * 64, 0), {})
        assignment = {"blocks": {"stem": "fp32", "neck": "int8"}, "max_ap_drop": 0.1, "seed": 1, "report": "r.json"}
        accuracy = {"ap": ap, "subject": "engine"}
        changes = {"onnx": {"sha256": "0" * 64}, "accuracy": accuracy, "assignment": assignment if searched else None}
        engine.touch()
        write_manifest(manifest_path(engine), replace(made, **changes))

    monkeypatch.setattr(precision, "run_build", build)
    monkeypatch.setattr(precision, "data_folder", lambda: tmp_path)
    monkeypatch.setattr(precision, "find_subject", lambda name, *_: Subject(name, tmp_path, "trained"))
    monkeypatch.setattr(precision, "engines_folder", lambda subject, work: work / "engines")
    monkeypatch.setattr(precision, "calibration_folder", lambda *_: tmp_path)
    others = {"images": 3, "model": 0.5, "engine": 0.49, "drop": 0.01, "standard_error": 0.003}
    monkeypatch.setattr(precision._Bench, "_ap_on_others", lambda *_: others)
    monkeypatch.setattr(precision._Bench, "time", lambda self, rows: rows["cpu fp32"].update(ms=MS))
    run = lambda *more: precision.main(  # noqa: E731
        ["--out", str(tmp_path / "precision.json"), "--work", str(tmp_path), "--model", "m", *more]
    )
    return run, asked, failing, tmp_path


def rows_in(folder):
    return {row["name"]: row for row in json.loads((folder / "precision.json").read_text())["rows"]}


def test_all_rows_and_their_table(builds):
    run, asked, _, folder = builds
    assert run() == 0
    assert list(rows_in(folder)) == [row.name for row in precision.ROWS]
    text = section("precision", folder)
    assert "| cpu int8, min-max | - | 6 | 0.4600 | +0.0400 ± 0.0020 |" in text
    assert "| cpu int8, searched | 1 of 2 | 6 | 0.4980 | +0.0020 ± 0.0020 |" in text
    assert "| cpu int8, searched on other photos | 1 of 2 | 3 | 0.4900 | +0.0100 ± 0.0030 |" in text
    flags = dict(asked)
    assert len(flags) == len(precision.ROWS), "each has a file of its own"
    assert all(("--calib" in words) == ("int8" in words) for words in flags.values())
    assert sum("--search" in words for words in flags.values()) == 3


def test_it_goes_on_row_by_row(builds):
    run, asked, failing, folder = builds
    failing.append("rtx")
    assert run() == 1
    assert rows_in(folder)["rtx fp16"] == {"name": "rtx fp16", "failed": "no such library"}
    assert "| rtx fp16 | not built |" in section("precision", folder)
    done = len(asked)
    failing.clear()
    assert run() == 0
    assert [name.startswith("rtx") for name, _ in asked[done:]] == [True] * 3
    assert run() == 0
    assert len(asked) == done + 3


def test_chosen_rows_are_measured_beside_those_that_are_kept(builds):
    run, asked, _, folder = builds
    run("--rows", "cpu fp32")
    assert list(rows_in(folder)) == ["cpu fp32"]
    run("--rows", "rtx fp16")
    assert list(rows_in(folder)) == ["cpu fp32", "rtx fp16"]
    assert len(asked) == 2


def test_rows_of_other_photos_or_limits_are_not_kept(builds):
    run, asked, _, _ = builds
    run()
    run("--limit", "4")
    run("--limit", "4", "--max-ap-drop", "0.01")
    assert len(asked) == 3 * len(precision.ROWS)


def test_photos_are_split_between_search_and_judgement(builds):
    _, _, _, folder = builds
    args = precision.argparse.Namespace(limit=5)
    bench = precision._Bench(Subject("m", folder, "trained"), folder, args, folder)
    ids = {}
    for part in ("all", "even", "odd"):
        data = json.loads(bench._annotations(part).read_text())
        ids[part] = [image["id"] for image in data["images"]]
        assert [entry["image_id"] for entry in data["annotations"]] == ids[part]
    assert ids == {"all": [0, 1, 2, 3, 4], "even": [0, 2, 4], "odd": [1, 3]}
