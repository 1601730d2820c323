"""Engines on OpenVINO decode by our kernels, find the same people so, and do without where they must."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from simple_trt import zoo
from simple_trt.engines import LoadOptions, open_engine, openvino_ops
from simple_trt.engines.base import Arrays, Engine
from simple_trt.engines.cpu import CpuEngine
from simple_trt.engines.onnx_metadata import graph_manifest
from simple_trt.pictures import read_picture
from simple_trt.runtime.preprocess import prepare

pytest.importorskip("openvino")
GRAPH = zoo.find("edge-384").onnx
DECODE = {f"decode/{op}" for op in ("FindPeaks", "GroupBoxes", "CropHeatmaps", "CropHeatmaps_2", "ReadKeypoints")}
KERNELS = "our kernels"
Image = NDArray[np.float32]


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where our library is looked for; there is none."""
    path = tmp_path / "libsimple_trt_openvino.so"
    monkeypatch.setattr(openvino_ops, "LIBRARY", path)
    openvino_ops.library_fault.cache_clear()
    yield path
    openvino_ops.library_fault.cache_clear()


@pytest.fixture(scope="module")
def images(data_dir: Path) -> list[Image]:
    """Photos with people, and one of nothing."""
    photos = [read_picture(path) for path in sorted((data_dir / "coco" / "val").glob("*.jpg"))[:4]]
    return [prepare(photo, graph_manifest(GRAPH))[0][None] for photo in (*photos, np.zeros((9, 9, 3), np.uint8))]


def opened(path: Path = GRAPH, **options: Any) -> Engine:
    return open_engine(path, LoadOptions(runtime="openvino", **options))


def assert_same_people(found: Arrays, expected: Arrays) -> None:
    assert found["num"].tolist() == expected["num"].tolist()
    for name in ("boxes", "scores", "keypoints"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-3, err_msg=name)


def edited(tmp_path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """The graph with what it tells of its ops changed."""
    model = onnx.load(GRAPH)
    for node in model.graph.node:
        if node.doc_string:
            told = json.loads(node.doc_string)
            change(told)
            node.doc_string = json.dumps(told)
    onnx.save(model, tmp_path / "edited.onnx")
    return tmp_path / "edited.onnx"


@pytest.mark.parametrize("threads", [1, 2])
def test_kernels_find_the_people_that_standard_operators_find(images: list[Image], threads: int) -> None:
    with opened(threads=threads) as kernels, opened(kernels=False) as plain:
        assert kernels.describe()["decode"] == KERNELS
        assert plain.describe()["decode"] == "standard operators: asked for"
        for image in images:
            assert_same_people(kernels.infer({"image": image}), plain.infer({"image": image}))


def test_steps_of_the_decode_are_ours(images: list[Image]) -> None:
    options = LoadOptions(runtime="openvino", profile=True)
    with CpuEngine(GRAPH, graph_manifest(GRAPH), options) as engine:
        assert isinstance(engine, CpuEngine)
        engine.infer({"image": images[0]})
        steps = {name for names in engine.node_seconds() for name in names}
    assert steps >= DECODE
    assert not any(step.startswith(("simple_trt.CropHeatmaps", "simple_trt.ReadKeypoints")) for step in steps)


def test_from_a_cache(images: list[Image], tmp_path: Path) -> None:
    with opened() as engine:
        expected = engine.infer({"image": images[0]})
    for _ in ("written", "read"):
        with opened(cache_dir=tmp_path) as engine:
            assert engine.describe()["decode"] == KERNELS
            assert_same_people(engine.infer({"image": images[0]}), expected)


def test_engines_outlive_each_other(images: list[Image]) -> None:
    first = opened()
    second = opened()
    first.close()
    del first
    assert int(second.infer({"image": images[0]})["num"][0]) > 0
    second.close()


def test_without_the_library(images: list[Image], library: Path) -> None:
    with opened() as engine, opened(kernels=False) as plain:
        assert engine.describe()["decode"] == f"standard operators: {library.name} is missing"
        assert_same_people(engine.infer({"image": images[0]}), plain.infer({"image": images[0]}))


def test_library_for_another_openvino(images: list[Image], library: Path) -> None:
    built = (Path(openvino_ops.__file__).parents[1] / library.name).read_bytes()
    release = built[built.index(b"libopenvino.so.") :].split(b"\0")[0]
    library.write_bytes(built.replace(release, release[:-1] + b"x"))
    with opened() as engine, opened(kernels=False) as plain:
        assert f"{library.name} is for another OpenVINO than" in engine.describe()["decode"]
        assert_same_people(engine.infer({"image": images[0]}), plain.infer({"image": images[0]}))


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told.update(inputs=["no such tensor"] * len(told["inputs"])),
        lambda told: told.update(inputs=told["inputs"][:1]),
        lambda told: told.update(inputs=[told["inputs"][0]] * len(told["inputs"])),
        lambda told: told.update(top_m=16, top_n=16, crop_h=16),
        lambda told: told.update(top_m=-1, top_n=-1, crop_h=-1, stride=0),
        lambda told: told.update(crop_w=2**40),
        lambda told: told.update(outputs=told["inputs"]),
    ],
)
def test_graph_that_tells_something_else(images: list[Image], tmp_path: Path, change: Any) -> None:
    with opened(kernels=False) as plain, opened(edited(tmp_path, change)) as engine:
        assert engine.describe()["decode"].startswith("standard operators: they are not what the graph tells")
        assert_same_people(engine.infer({"image": images[0]}), plain.infer({"image": images[0]}))


def test_graph_that_tells_nothing(images: list[Image], tmp_path: Path) -> None:
    model = onnx.load(GRAPH)
    for node in model.graph.node:
        node.doc_string = ""
    onnx.save(model, tmp_path / "silent.onnx")
    with opened(kernels=False) as plain, opened(tmp_path / "silent.onnx") as engine:
        assert engine.describe()["decode"] == "standard operators: the graph does not tell which they are"
        assert_same_people(engine.infer({"image": images[0]}), plain.infer({"image": images[0]}))
