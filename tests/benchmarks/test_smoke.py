"""Each benchmark once, one round of one run, on tiny models: the numbers are nonsense, the way to them is not."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import contenders, kernels, latency, people, stages
from benchmarks.graph_cut import Pieces
from benchmarks.photos import save_arrays
from benchmarks.report import section
from benchmarks.rivals import finders
from benchmarks.rivals.field import Entry
from benchmarks.subjects import Subject
from simple_trt import Session
from simple_trt.runtime import open_source
from tests.benchmarks.rivals.tiny import save_detector, save_heatmaps
from tests.tiny_graph import save_tiny

ONE = ["--rounds", "1", "--iterations", "1", "--warmup", "0", "--threads", "1"]
SIZE = 64


@pytest.fixture
def graph(tmp_path):
    return save_tiny(tmp_path / "tiny.onnx", size=SIZE)


@pytest.fixture
def picture(tmp_path):
    noise = np.random.default_rng(0).standard_normal((1, 3, SIZE, SIZE)).astype(np.float32)
    return save_arrays(tmp_path / "picture.npz", {"image": noise})


def written(path, name):
    """The result, which must also be renderable."""
    result = json.loads(path.read_text())
    assert result["benchmark"] == name
    assert "| ---" in section(name, path.parent)
    return result


def test_latency(graph, picture, tmp_path, monkeypatch):
    def whole(subject, engines, inputs, threads):
        names = [latency.TORCH, *latency.FULL_PRECISION, "cpu bf16", "cpu int8"]
        spec = contenders.spec(contenders.engine, path=str(graph), inputs={latency.TASK: inputs.ours}, threads=threads)
        specs = dict.fromkeys(names, spec)
        ours = contenders.spec(
            contenders.engine, path=str(graph), inputs={latency.TASK: inputs.ours}, threads=threads, runtime="openvino"
        )
        return specs | {name: ours for name in names if name.startswith("cpu")}

    maps = {"points": "image", "offsets": "image", "pose": "image"}
    monkeypatch.setattr(latency, "data_folder", lambda: tmp_path)
    monkeypatch.setattr(latency, "group_photo", lambda _: Path("photo.jpg"))
    monkeypatch.setattr(latency, "find_subject", lambda name, *_: Subject(name, graph, "trained"))
    monkeypatch.setattr(latency, "build_engines", lambda _, precisions, *__: dict.fromkeys(precisions, graph))
    monkeypatch.setattr(latency, "_inputs", lambda *_: latency.Inputs(picture, picture))
    monkeypatch.setattr(latency, "_whole", whole)
    monkeypatch.setattr(
        latency, "_piece_inputs", lambda *_: dict.fromkeys(("network", "decode", "grouping"), (graph, picture))
    )
    monkeypatch.setattr(latency, "cut", lambda *_: Pieces(graph, graph, graph, maps, "image"))
    monkeypatch.setattr(latency.movenet, "movenet_file", lambda _: graph)
    assert (
        latency.main(["--out", str(tmp_path / "latency.json"), "--models", "tiny", "--work", str(tmp_path), *ONE]) == 0
    )
    (model,) = written(tmp_path / "latency.json", "latency")["models"]
    rows = {row["name"]: row for row in model["rows"]}
    assert rows["cpu int8"]["answers"]["matched"] == 3
    assert all(row["ms"]["count"] == 1 and row["ms"]["median"] > 0 for row in rows.values())
    assert rows[latency.TORCH]["torch_over_this"]["value"] == 1
    assert [split["precision"] for split in model["splits"]] == ["fp32", "bf16", "int8"]
    assert {target["what"] for target in model["targets"]} >= {"decode over network, int8", "torch eager over cpu bf16"}
    assert any("movenet" in target["what"] for target in model["targets"])


def test_kernels(tmp_path):
    from simple_trt import ops

    if ops.backend() != "compiled":
        pytest.skip("the torch library is not built")
    out = tmp_path / "kernels.json"
    assert kernels.main(["--out", str(out), "--cases", "edge find_peaks", *ONE]) == 0
    (row,) = written(out, "kernels")["rows"]
    assert row["largest_difference"] == 0
    assert all(row[name]["ms"]["median"] > 0 for name in ("kernel", "twin", "native"))


def test_people(graph, tmp_path, monkeypatch):
    def crowd(count):
        boxes = np.tile(np.array([[4, 4, 30, 40]]), (count, 1))
        return people.Crowd(np.full((SIZE, SIZE, 3), count, np.uint8), boxes)

    def topdown(terms):
        networks = save_heatmaps(tmp_path / "crops.onnx"), {"detector": str(save_detector(tmp_path / "boxes.onnx"))}
        spec = terms.spec(finders.topdown, networks[0], precision="fp32", **networks[1])
        return [Entry("crops", "top-down", "random", spec, terms.counts, ("batched", "one-by-one"), ("none", "before"))]

    monkeypatch.setattr(people, "SIZE", SIZE)
    monkeypatch.setattr(people, "data_folder", lambda: tmp_path)
    monkeypatch.setattr(people, "crowds_of", lambda *_: {n: crowd(n) for n in people.COUNTS})
    monkeypatch.setattr(people, "_planted", lambda engine, _, args: people._composed(engine, crowds, args))
    monkeypatch.setattr(people.field, "rivals", topdown)
    for module in (people, people.field):
        monkeypatch.setattr(module, "find_subject", lambda name, *_: Subject(name, graph, "trained"))
        monkeypatch.setattr(module, "build_engine", lambda *_, **__: graph)
    crowds = {n: crowd(n) for n in people.COUNTS}
    out = tmp_path / "people.json"
    assert people.main(["--out", str(out), "--work", str(tmp_path), "--quick", "--threads", "1"]) == 0
    result = written(out, "people")
    part, _ = result["parts"]
    assert [row["people"] for row in part["rows"]] == [0, 1, 2, 5, 10, 15, 20, 30]
    assert all(row["rows"] == row["found"] == 3 for row in part["rows"])
    assert set(part["spread"]) == {"observed", "noise", "share", "within_noise"}
    heads = [(s["name"], s["detector"]) for s in result["rivals"]["series"]]
    ours = [(f"SIMPLE {people.BUNDLED}", "none"), (f"SIMPLE {people.BUNDLED}, onnxruntime", "none")]
    assert heads == [*ours, ("crops", "none"), ("crops", "before")]
    assert all([p["people"] for p in s["points"]] == [1, 2] for s in result["rivals"]["series"])
    assert {s["about"]["runtime"] for s in result["rivals"]["series"]} == {"openvino", "onnxruntime"}


def test_a_precision_that_a_runtime_lacks_is_refused_before_anything_runs(tmp_path, capsys):
    words = ["--runtime", "onnxruntime", "--rivals-precision", "bf16", "--out", str(tmp_path / "people.json")]
    with pytest.raises(SystemExit):
        people.main(words)
    assert "ONNX Runtime has no bf16" in capsys.readouterr().err


def test_stages(graph, tmp_path):
    from PIL import Image

    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("1.png", "2.png"):
        Image.new("RGB", (40, 30), (90, 80, 70)).save(photos / name)
    with Session.open(graph) as session:
        times = stages.stage_times(session, open_source(photos), tmp_path / "people.jsonl", tmp_path / "drawn")
    assert list(times) == ["read", "preprocess", "inference", "postprocess", "json", "draw and write"]
    assert all(len(ms) == 2 and min(ms) > 0 for ms in times.values())
    assert len(list((tmp_path / "drawn").iterdir())) == 2
