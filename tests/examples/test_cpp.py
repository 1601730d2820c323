"""The C++ example finds the people that Python finds, and refuses what Python refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from simple_trt.engines.manifest import Manifest, manifest_path, read_manifest, write_manifest
from simple_trt.pictures import read_picture
from simple_trt.runtime import Session
from tests.examples.program import refused, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def people(program: Path, engine: Path, *words: object) -> list[dict[str, Any]]:
    done = run(program, engine, *words)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def assert_same_people(got: dict[str, Any], expected: dict[str, Any]) -> None:
    """To the last digit that is written: the same kernel, the same runtime, the same arithmetic."""
    assert {key: got[key] for key in ("width", "height", "skeleton")} == {
        key: expected[key] for key in ("width", "height", "skeleton")
    }
    assert len(got["people"]) == len(expected["people"])
    for one, other in zip(got["people"], expected["people"], strict=True):
        assert one.keys() == other.keys()
        assert one["track_id"] is None
        for key, digit in (("score", 1e-4), ("box", 1e-2), ("keypoints", 1e-2)):
            np.testing.assert_allclose(one[key], other[key], rtol=0, atol=1.01 * digit)


def as_ppm(photo: Path, folder: Path) -> Path:
    Image.fromarray(read_picture(photo)).save(folder / f"{photo.stem}.ppm")
    return folder / f"{photo.stem}.ppm"


def test_people_of_a_real_photo_are_those_that_python_finds(
    program: Path, bundled_engine: Path, portrait: Path, tmp_path: Path
) -> None:
    with Session.open(bundled_engine) as session:
        found = session.predict(read_picture(portrait))
    (got,) = people(program, bundled_engine, as_ppm(portrait, tmp_path), "--threshold", 0)
    assert_same_people(got, found.to_dict())
    assert got["people"]
    assert set(got["speed"]) == {"preprocess", "inference"}
    best = float(found.scores[0])
    (few,) = people(program, bundled_engine, as_ppm(portrait, tmp_path), "--threshold", best - 1e-3)
    assert len(few["people"]) == len(found.above(best - 1e-3)) < len(found)


def test_photos_of_the_development_set(program: Path, bundled_engine: Path, data_dir: Path, tmp_path: Path) -> None:
    photos = sorted((data_dir / "coco" / "val").glob("*.jpg"))[:3]
    got = people(program, bundled_engine, *(as_ppm(photo, tmp_path) for photo in photos), "--threshold", 0)
    with Session.open(bundled_engine) as session:
        for photo, one in zip(photos, got, strict=True):
            assert_same_people(one, session.predict(read_picture(photo)).to_dict())


def test_jpeg(program: Path, tiny_engine: Path, portrait: Path, tmp_path: Path) -> None:
    """Two decoders of JPEG may differ by a shade."""
    (jpeg,) = people(program, tiny_engine, portrait)
    (ppm,) = people(program, tiny_engine, as_ppm(portrait, tmp_path))
    for one, other in zip(jpeg["people"], ppm["people"], strict=True):
        np.testing.assert_allclose(one["keypoints"], other["keypoints"], atol=0.1)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (48, 64), (700, 3)])
def test_photos_of_any_size(program: Path, tiny_engine: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (*size, 3)).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "photo.ppm")
    with Session.open(tiny_engine) as session:
        expected = session.predict(picture).to_dict()
    (got,) = people(program, tiny_engine, tmp_path / "photo.ppm", "--threshold", 0)
    assert_same_people(got, expected)


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "mean": lambda values: values["preprocessing"]["mean"].__setitem__(0, 0.5),
    "size": lambda values: values.update(size=[96, 64]),
    "extra": lambda values: values["accuracy"].update(ap=1.0),
    "plan": lambda values: values["plan"].update(sha256="0" * 64),
}


@pytest.mark.parametrize("change", CHANGES)
def test_manifest_that_was_changed(program: Path, engine: Path, portrait: Path, change: str) -> None:
    values = json.loads(manifest_path(engine).read_text())
    CHANGES[change](values)
    manifest_path(engine).write_text(json.dumps(values))
    assert "field 'manifest_sha256' does not fit the others" in refused(program, engine, portrait)


@pytest.mark.parametrize(("content", "field"), [(b" ", "plan.bytes"), (b"", "plan.sha256")])
def test_plan_that_was_changed(program: Path, engine: Path, portrait: Path, content: bytes, field: str) -> None:
    plan = bytearray(engine.read_bytes() + content)
    plan[len(plan) // 2] ^= 1
    engine.write_bytes(plan)
    assert field in refused(program, engine, portrait)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "not a JSON object"),
        ("[1, 2]", "not a JSON object"),
        ('{"a": 1', "not a JSON object"),
        ("[" * 100_000, "not a JSON object"),
        ("{}", "field 'format' is missing"),
        ('{"format": 2}', "another format"),
        ('{"format": 1}', "field 'manifest_sha256' is missing"),
        ("x" * (2 << 20), "at most 1048576 are read"),
    ],
)
def test_manifest_that_is_none(program: Path, engine: Path, portrait: Path, text: str, cause: str) -> None:
    manifest_path(engine).write_text(text)
    assert cause in refused(program, engine, portrait)


def test_manifest_or_engine_that_is_missing(program: Path, engine: Path, portrait: Path) -> None:
    engine.unlink()
    assert "cannot read" in refused(program, engine, portrait)
    manifest_path(engine).unlink()
    assert "copy.engine.json" in refused(program, engine, portrait)


@pytest.mark.parametrize(
    "changes", [{"batch": 0}, {"batch": True}, {"size": [64, 1 << 20]}, {"size": [64]}, {"versions": {"a": 1}}]
)
def test_field_of_a_wrong_kind(program: Path, engine: Path, portrait: Path, changes: dict[str, Any]) -> None:
    """Sealed, so that the seal is not what refuses it."""
    write_manifest(manifest_path(engine), replace(read_manifest(manifest_path(engine)), **changes))
    assert f"field '{next(iter(changes))}'" in refused(program, engine, portrait)


NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda values: (
        st.lists(values, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), values, max_size=3)
    ),
    max_leaves=12,
)


@given(accuracy=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), JSON, max_size=4))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_seal_of_python_fits(program: Path, engine: Path, accuracy: dict[str, Any]) -> None:
    """Whatever a report holds: a manifest that Python sealed is no manifest that was changed."""
    manifest: Manifest = replace(read_manifest(manifest_path(engine)), accuracy=accuracy, target="torch")
    write_manifest(manifest_path(engine), manifest)
    assert "is an engine for torch" in refused(program, engine, "photo.ppm")


PPM = b"P6\n4 2\n255\n" + bytes(24)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "no photo"),
        (b"GIF89a", "no photo"),
        (PPM[:-1], "cut short"),
        (b"P6\n4 2\n65535\n" + bytes(48), "8 bits"),
        (b"P6\n0 2\n255\n", "0x2 pixels"),
        (b"P6\n60000 60000\n255\n", "100 megapixels"),
        (b"P6\n-4 2\n255\n" + bytes(24), "pixels"),
        (b"\xff\xd8\xff\xe0 and no more", "JPEG"),
    ],
)
def test_photo_that_is_none(program: Path, engine: Path, tmp_path: Path, content: bytes, cause: str) -> None:
    (tmp_path / "photo").write_bytes(content)
    assert cause in refused(program, engine, tmp_path / "photo")


def test_jpeg_that_is_cut_short(program: Path, engine: Path, portrait: Path, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(portrait.read_bytes()[:20_000])
    assert "copy the file again" in refused(program, engine, tmp_path / "photo.jpg")


@pytest.mark.parametrize("words", [[], ["engine"], ["engine", "photo", "--threshold", "2"], ["a", "b", "--plugins"]])
def test_usage(program: Path, words: list[str]) -> None:
    assert "usage: simple_trt_people ENGINE PHOTO" in refused(program, *words)
