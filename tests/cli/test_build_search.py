"""`simple-trt build --search`: an engine with the blocks that were found, its record, and every mistake in one line."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_graph import KEYPOINTS, save_tiny

from simple_trt.engines import open_engine
from simple_trt.engines.manifest import manifest_path, read_manifest
from simple_trt.runtime import Session

Run = Callable[..., tuple[int, str, str]]
BLOCKS = ["stem", "middle", "head"]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "engines").mkdir()
    return tmp_path / "engines" / "tiny.engine"


@pytest.fixture
def truth(tmp_path: Path, photos: Path) -> Path:
    """What the tiny model finds in the photos."""
    entries: list[dict[str, Any]] = []
    sizes = {n: Image.open(photos / f"{n}.png").size for n in range(3)}
    with Session(open_engine(save_tiny(tmp_path / "truth.onnx"))) as session:
        for number in sizes:
            for person in session.predict(np.asarray(Image.open(photos / f"{number}.png"))).to_coco(number):
                points = np.array(person["keypoints"]).reshape(-1, 3)
                points[:, 2] = 2
                facts = {"id": len(entries) + 1, "iscrowd": 0, "num_keypoints": KEYPOINTS, "area": 900.0}
                box = {"bbox": [0.0, 0.0, 30.0, 30.0], "keypoints": points.ravel().tolist()}
                entries.append(person | facts | box)
    images = [{"id": n, "file_name": f"{n}.png", "width": w, "height": h} for n, (w, h) in sizes.items()]
    path = tmp_path / "truth.json"
    category = {"id": 1, "name": "person", "keypoints": [f"k{i}" for i in range(KEYPOINTS)], "skeleton": []}
    path.write_text(json.dumps({"images": images, "annotations": entries, "categories": [category]}))
    return path


@pytest.fixture
def flags(photos: Path, truth: Path) -> list[Any]:
    return ["--precision", "int8", "--calib", photos, "--search", "--verify", truth, "--images", photos]


def searched(run_cli: Run, model: Path, out: Path, flags: list[Any]) -> tuple[Any, dict[str, Any], str]:
    code, _, said = run_cli("build", model, "-o", out, *flags)
    assert code == 0, said
    record = json.loads(Path(f"{out}.search.json").read_text())
    return read_manifest(manifest_path(out)), record, said


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_a_searched_engine(run_cli: Run, model: Path, out: Path, flags: list[Any], runtime: str) -> None:
    pytest.importorskip(runtime)
    manifest, record, said = searched(run_cli, model, out, [*flags, "--runtime", runtime, "--max-ap-drop", "0.1"])
    assert sorted(path.name for path in out.parent.iterdir()) == [
        "tiny.engine",
        "tiny.engine.json",
        "tiny.engine.search.json",
    ]
    blocks = manifest.assignment["blocks"]
    assert list(blocks) == BLOCKS
    assert [name for name in sorted(blocks) if blocks[name] == "int8"] == record["outcome"]["chosen"] != []
    assert manifest.layers["Conv"].get("int8") == len(record["outcome"]["chosen"])
    assert manifest.assignment["report"] == "tiny.engine.search.json"
    assert (manifest.assignment["max_ap_drop"], manifest.assignment["seed"]) == (0.1, 1)
    assert manifest.calibration["method"] == record["outcome"]["method"]
    assert manifest.accuracy["ap"]["drop"] <= 0.1
    assert "<- chosen" in said
    assert set(record["alone"]) == set(BLOCKS)
    shown = run_cli("inspect", out)[1]
    assert "int8" in next(line for line in shown.splitlines() if line.startswith("blocks"))
    with open_engine(out) as engine:
        assert engine.infer({"image": np.zeros((1, 3, 64, 64), np.float32)})["num"] == [3]


def test_same_seed_same_assignment(run_cli: Run, model: Path, out: Path, flags: list[Any]) -> None:
    wanted = [*flags, "--search-times", "predicted", "--max-ap-drop", "0.1"]
    first, record, _ = searched(run_cli, model, out, wanted)
    second, other, _ = searched(run_cli, model, out.with_name("b.engine"), wanted)
    assert first.assignment["blocks"] == second.assignment["blocks"]
    assert first.plan.sha256 == second.plan.sha256
    assert [record[key] for key in ("alone", "sets", "outcome")] == [other[key] for key in ("alone", "sets", "outcome")]


def test_the_recorded_command_searches_again_from_the_record(
    run_cli: Run, model: Path, out: Path, flags: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, record, _ = searched(run_cli, model, out, [*flags, "--max-ap-drop", "0.1", "--search-steps", "3"])
    words = shlex.split(first.build_command)
    assert {"--search", "--search-steps", "--max-ap-drop"} <= set(words)
    from simple_trt.export.search.bench import Bench

    monkeypatch.setattr(Bench, "_found", lambda *_: pytest.fail("nothing is left to measure"))
    assert run_cli(*words[1:], "--force")[0] == 0
    assert read_manifest(manifest_path(out)).assignment == first.assignment
    assert json.loads(Path(f"{out}.search.json").read_text()) == record


def test_half_a_point_is_the_default(run_cli: Run, model: Path, out: Path, flags: list[Any]) -> None:
    code, _, said = run_cli("build", model, "-o", out, *flags, "--search-times", "predicted")
    assert code in (0, 3), said
    if code == 0:
        assert read_manifest(manifest_path(out)).accuracy["ap"]["allowed"] == 0.005
    else:
        assert "0.0050" in said


def test_the_record_of_another_search_is_not_overwritten(
    run_cli: Run, model: Path, out: Path, flags: list[Any]
) -> None:
    searched(run_cli, model, out, [*flags, "--max-ap-drop", "0.1"])
    for path in (out, manifest_path(out)):
        path.unlink()
    record = Path(f"{out}.search.json").read_text()
    code, _, said = run_cli("build", model, "-o", out, *flags, "--max-ap-drop", "0.1", "--seed", "7")
    assert code == 2
    assert "is the record of a search with another seed" in said
    assert Path(f"{out}.search.json").read_text() == record
    assert run_cli("build", model, "-o", out, *flags, "--max-ap-drop", "0.1", "--seed", "7", "--force")[0] == 0


def test_rtx_engine_is_searched_on_its_graph(run_cli: Run, model: Path, out: Path, flags: list[Any]) -> None:
    pytest.importorskip("tensorrt_rtx", reason="needs the package tensorrt-rtx")
    manifest, record, _ = searched(run_cli, model, out, [*flags, "--target", "tensorrt-rtx", "--max-ap-drop", "0.1"])
    assert record["times"]["unit"] == "multiplications"
    assert set(manifest.assignment["blocks"].values()) <= {"int8", "fp16"}


@pytest.mark.parametrize("method", ["entropy", "percentile", "minmax", "mse"])
def test_calibration_by_hand(run_cli: Run, model: Path, out: Path, photos: Path, method: str) -> None:
    flags = ["--precision", "int8", "--calib", photos, "--calib-method", method]
    code, _, said = run_cli("build", model, "-o", out, *flags)
    assert code == 0, said
    assert f"by {method}" in said
    manifest = read_manifest(manifest_path(out))
    assert (manifest.calibration["method"], manifest.assignment) == (method, None)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"--precision": "fp32"}, "--search is for int8, and the precision is fp32"),
        ({"--calib": None}, "--search has no photos to set the ranges"),
        ({"--verify": None}, "--search has nothing to be measured on"),
        ({"--images": None}, "--search has nothing to be measured on"),
        ({"--max-ap-drop": "0.5"}, "half a point of AP is --max-ap-drop 0.005"),
        ({"--search-photos": "0"}, "whole number from 1"),
        ({"--search-steps": "many"}, "whole number from 1"),
        ({"--calib-method": "median"}, "invalid choice"),
        ({"--search": None, "--search-steps": "3"}, "--search-steps is for a search"),
        ({"--search": None, "--seed": "3"}, "--seed is for a search"),
        ({"--search": None, "--precision": "fp32", "--calib-method": "mse"}, "--calib-method is for int8"),
    ],
)
def test_flags_that_make_no_sense(
    run_cli: Run, model: Path, out: Path, photos: Path, truth: Path, changed: dict[str, Any], said: str
) -> None:
    given: dict[str, Any] = {"--precision": "int8", "--calib": photos, "--search": "", "--verify": truth}
    given |= {"--images": photos, "--max-ap-drop": "0.1"} | changed
    if "--verify" in changed or "--search" in changed:
        given["--max-ap-drop"] = None
    words = [word for flag, value in given.items() if value is not None for word in (flag, value) if word != ""]
    code, printed, err = run_cli("build", model, "-o", out, *words)
    assert (code, printed) == (2, "")
    assert said in err
    assert list(out.parent.iterdir()) == []


def test_a_damaged_record(run_cli: Run, model: Path, out: Path, flags: list[Any]) -> None:
    Path(f"{out}.search.json").write_text("{")
    code, _, said = run_cli("build", model, "-o", out, *flags)
    assert code == 1
    assert "is not the record of a search" in said
