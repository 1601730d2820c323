"""A search in a real network, on pictures, in AP: a block that int8 must ruin is found and kept out of it."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from simple_trt.engines.cpu import CpuEngine
from simple_trt.engines.onnx_metadata import graph_manifest
from simple_trt.engines.processor import weight_levels
from simple_trt.evaluate.annotations import read_annotations
from simple_trt.export.calibration import find_photos
from simple_trt.export.precision.blocks import find_blocks
from simple_trt.export.precision.int8 import dense_convolutions, measure_inputs
from simple_trt.export.search.bench import Bench
from simple_trt.export.search.record import Record
from simple_trt.export.search.run import SearchRequest, search_int8
from simple_trt.pictures import read_picture, write_picture
from simple_trt.runtime import Session
from tests.export.conftest import SIZE, photo_like

PICTURES = 6
PEOPLE = 5


def session(engine):
    return Session(engine).predict


@pytest.fixture(scope="module")
def planted(plain):
    """The tiny network with one convolution that reads a channel ten thousand times as large as the others and weighs
    it as much less: the same function, but in int8 its other channels are all rounded to 0.
    """
    model = onnx.ModelProto()
    model.CopyFrom(plain)
    graph = model.graph
    conv = next(node for node in dense_convolutions(graph) if node.name.startswith("simple.pose.layers.1/"))
    weight = next(item for item in graph.initializer if item.name == conv.input[1])
    values = numpy_helper.to_array(weight).copy()
    scale = np.ones((1, values.shape[1], 1, 1), np.float32)
    scale[0, 0] = 1e4
    weight.CopyFrom(numpy_helper.from_array(values / scale, weight.name))
    graph.initializer.append(numpy_helper.from_array(scale, "plant"))
    place = list(graph.node).index(conv)
    graph.node.insert(place, helper.make_node("Mul", [conv.input[0], "plant"], ["planted"], name="plant/Mul"))
    graph.node[place + 1].input[0] = "planted"
    return onnx.shape_inference.infer_shapes(model)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("search")
    (path / "photos").mkdir()
    for number in range(PICTURES):
        picture = photo_like(number + 10)[0].transpose(1, 2, 0)
        write_picture(path / "photos" / f"{number}.png", (127 + 50 * picture).clip(0, 255).astype(np.uint8))
    return path


@pytest.fixture(scope="module")
def annotations(planted, folder):
    """The fp32 network's own best people are the truth."""
    graph = folder / "truth.onnx"
    onnx.save(planted, graph)
    entries = []
    with CpuEngine(graph, graph_manifest(graph)) as engine:
        predict = session(engine)
        for number, path in enumerate(find_photos(folder / "photos").paths):
            for result in predict(read_picture(path)).to_coco(number)[:PEOPLE]:
                points = np.array(result["keypoints"]).reshape(-1, 3)
                points[:, 2] = 2
                box = [0.0, 0.0, 40.0, 40.0]
                facts = {"id": len(entries) + 1, "iscrowd": 0, "num_keypoints": 17, "bbox": box, "area": 3000.0}
                entries.append(result | facts | {"keypoints": points.ravel().tolist()})
    images = [{"id": i, "file_name": f"{i}.png", "height": SIZE[0], "width": SIZE[1]} for i in range(PICTURES)]
    data = {"images": images, "annotations": entries, "categories": [{"id": 1, "name": "person"}]}
    (folder / "people.json").write_text(json.dumps(data))
    return read_annotations(folder / "people.json")


@pytest.fixture
def bench(planted, folder, annotations, tmp_path):
    def make(runtime="openvino", photos=4, seed=1):
        blocks = find_blocks(planted.graph)
        return Bench(
            planted, blocks, runtime, annotations, folder / "photos", photos, seed, session, tmp_path, lambda *_: None,
            weight_levels("cpu"),
        )  # fmt: skip

    return make


@pytest.fixture
def run(bench, planted, folder, tmp_path):
    def search(name, **changes):
        photos = find_photos(folder / "photos")
        histograms = measure_inputs(planted, dense_convolutions(planted.graph), photos.inputs(SIZE))
        request = SearchRequest(tmp_path, folder / "photos", tmp_path / name, **{"max_ap_drop": 0.15} | changes)
        record = Record(request.record, {})
        made = bench("onnxruntime", request.photos, request.seed)
        image = next(photos.inputs(SIZE))[None]
        return search_int8(made, record, request, histograms, "mse", image), record

    return search


def planted_block(blocks):
    return next(block.name for block in blocks if any("simple.pose.layers.1/" in name for name in block.convolutions))


def test_the_planted_block_is_found_and_kept_out(run, planted):
    chosen, record = run("a.json", photos=4, steps=6)
    blocks = find_blocks(planted.graph)
    bad = planted_block(blocks)
    assert max(record.alone, key=lambda name: record.alone[name].ap) == bad
    assert record.alone[bad].ap > 0.5
    assert bad not in chosen.int8
    assert len(chosen.int8) >= len(blocks) // 2
    assert record.sets[chosen.int8].ap <= 0.15
    again, second = run("b.json", photos=4, steps=6)
    assert again == chosen
    assert (second.alone, second.sets) == (record.alone, record.sets)
    assert not list(record.path.parent.glob("*.onnx")), "no graph is left"


def test_measured_times_cover_every_block(bench, planted, folder):
    pytest.importorskip("openvino")
    made = bench()
    photos = find_photos(folder / "photos")
    made.ranges = dict.fromkeys(measure_inputs(planted, dense_convolutions(planted.graph), photos.inputs(SIZE)), 1.0)
    times = made.times(next(photos.inputs(SIZE))[None])
    assert times.unit == "seconds"
    assert set(times.floating) == set(times.int8) == {block.name for block in made.blocks}
    assert all(time > 0 for time in (*times.floating.values(), *times.int8.values(), times.other))


def test_a_gpu_target_is_measured_on_the_graph_and_timed_by_multiplications(bench, planted, folder):
    made = bench(runtime=None)
    photos = find_photos(folder / "photos")
    image = next(photos.inputs(SIZE))[None]
    made.ranges = dict.fromkeys(measure_inputs(planted, dense_convolutions(planted.graph), [image[0]]), 1.0)
    times = made.times(image)
    assert times.unit == "multiplications"
    assert sum(times.floating.values()) == pytest.approx(1.0)
    assert made.seconds([frozenset()], image) == {}
    assert made.lost_on_all("nothing", frozenset()).ap == pytest.approx(0.0, abs=1e-6)


def test_other_photos_for_another_seed(bench):
    drawn = [[entry.id for entry in bench(photos=3, seed=seed)._some.pictures] for seed in (1, 1, 2, 3)]
    assert drawn[0] == drawn[1]
    assert len({tuple(sorted(ids)) for ids in drawn}) > 1
