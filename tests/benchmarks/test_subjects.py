import dataclasses
from pathlib import Path

import pytest
import torch
from PIL import Image

from benchmarks import subjects
from benchmarks.subjects import Subject, build_engine, calibration_folder, find_subject
from simple_trt import zoo
from simple_trt.engines import manifest_path
from simple_trt.engines.manifest import Manifest, Plan, write_manifest
from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.models import checkpoints


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data" / "coco" / "train"
    folder.mkdir(parents=True)
    for i in range(100):
        Image.new("RGB", (8, 8)).save(folder / f"{i:03}.png")
    return tmp_path / "data"


def test_a_preset_gets_seeded_random_weights_whose_maps_are_sane(tmp_path):
    first = find_subject("edge", tmp_path / "a", seed=1)
    assert (first.name, first.weights) == ("edge", "random")
    assert first.sha256 == find_subject("edge", tmp_path / "b", seed=1).sha256
    assert first.sha256 != find_subject("edge", tmp_path / "c", seed=2).sha256
    simple = checkpoints.load(first.checkpoint).simple
    with torch.inference_mode():
        maps = simple(torch.randn(1, 3, 128, 128))
    assert all(values.isfinite().all() and 0.01 < values.std() < 100 for values in (maps.points, maps.offsets))


def test_a_checkpoint_file_is_a_trained_model(tmp_path):
    path = find_subject("edge", tmp_path, seed=0).checkpoint
    assert find_subject(str(path), tmp_path, seed=0).weights == "trained"


@pytest.mark.parametrize("name", zoo.names())
def test_a_bundled_model_is_measured_at_its_own_size(name, tmp_path):
    subject = find_subject(name, tmp_path, seed=0)
    assert [subject.size] * 2 == zoo.describe(name).card["size"]
    assert subject.to_json()["size"] == subject.size


def test_an_engine_is_built_again_when_the_card_names_other_blocks(tmp_path, monkeypatch):
    subject = find_subject(subjects.BUNDLED, tmp_path, seed=0)
    entry = zoo.describe(subject.name)
    before = subjects.engines_folder(subject, tmp_path)
    assert subjects.engines_folder(subject, tmp_path) == before
    other = dataclasses.replace(entry, card=entry.card | {"float_blocks": ["simple.center"]})
    monkeypatch.setattr(zoo, "describe", lambda name: other)
    assert subjects.engines_folder(subject, tmp_path) != before


def test_an_engine_is_built_at_the_size_of_its_subject(tmp_path, data, monkeypatch):
    asked = []
    monkeypatch.setattr(subjects, "run_build", lambda subject, engine, flags: asked.append(flags) or engine)
    build_engine(Subject("x", tmp_path / "x.safetensors", "trained", size=96), "fp32", tmp_path, data, photos=False)
    assert asked == [["--precision", "fp32", "--size", "96"]]


def test_an_unknown_model_is_refused_with_the_names_there_are(tmp_path):
    with pytest.raises(UsageError, match="deploy-w18"):
        find_subject("no-such-model", tmp_path, seed=0)


def test_calibration_photos_are_spread_over_the_training_photos(data, tmp_path):
    for _ in range(2):  # a second run finds them there
        folder = calibration_folder(tmp_path, data)
    names = sorted(path.name for path in folder.iterdir())
    assert len(names) == subjects.CALIBRATION_PHOTOS
    assert (names[0], names[-1]) == ("000.png", "099.png")
    assert all(path.resolve().is_file() for path in folder.iterdir())


def test_a_failed_build_gives_its_reason(data, tmp_path):
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"nothing")
    with pytest.raises(SimpleTrtError, match=r"'broken-fp32.engine' could not be built: .*error"):
        build_engine(Subject("broken", broken, "trained"), "fp32", tmp_path, data)


class Build:
    """Stands in for the command: writes a plan and its manifest, and counts."""

    def __init__(self, weights):
        self.returncode, self.runs, self.weights = 0, 0, weights

    def __call__(self, words, **_):
        self.runs += 1
        path = Path(words[words.index("-o") + 1])
        path.write_text("plan")
        facts = {"target": "cpu", "runtime": "openvino", "precision": "int8", "lowering": "plain"}
        shape = {"batch": 1, "size": (512, 512), "skeleton": "coco"}
        files = {"plan": Plan(path.name, "0" * 64, 4), "onnx": {"sha256": "0" * 64}}
        manifest = Manifest(name="model", **facts, **shape, **files, checkpoint={"sha256": self.weights})
        write_manifest(manifest_path(path), manifest)
        return self


def test_an_engine_of_other_weights_is_refused(data, tmp_path, monkeypatch):
    subject = Subject("model", tmp_path / "model.safetensors", "trained", "a" * 64)
    monkeypatch.setattr(subjects.subprocess, "run", Build("b" * 64))
    for _ in range(2):  # built now, and found there
        with pytest.raises(SimpleTrtError, match="built from other weights than 'model' has"):
            build_engine(subject, "int8", tmp_path, data)


def test_an_engine_is_built_once_for_the_same_weights(data, tmp_path, monkeypatch):
    subject = Subject("model", tmp_path / "model.safetensors", "trained", "a" * 64)
    build = Build(subject.sha256)
    monkeypatch.setattr(subjects.subprocess, "run", build)
    first = build_engine(subject, "int8", tmp_path, data)
    assert build_engine(subject, "int8", tmp_path, data) == first
    assert build.runs == 1
    build.weights = "b" * 64
    build_engine(Subject("model", subject.checkpoint, "trained", build.weights), "int8", tmp_path, data)
    assert build.runs == 2
