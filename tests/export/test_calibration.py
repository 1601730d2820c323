"""Calibration photos: which ones, in which order, and every way that a folder can disappoint."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.export.calibration import find_photos
from simple_trt.pictures import write_picture


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("b.png", "a.jpg", "c.webp"):
        write_picture(tmp_path / name, rng.integers(0, 255, (40, 60, 3), np.uint8))
    (tmp_path / "notes.txt").write_text("no photo")
    (tmp_path / "inner.png").mkdir()
    return tmp_path


def test_photos_come_by_name_and_are_hashed(folder):
    photos = find_photos(folder)
    assert [path.name for path in photos.paths] == ["a.jpg", "b.png", "c.webp"]
    assert photos.count == 3
    together = b"".join((folder / name).read_bytes() for name in ("a.jpg", "b.png", "c.webp"))
    assert photos.sha256 == hashlib.sha256(together).hexdigest()


def test_of_many_photos_some_are_taken_evenly(folder):
    assert [path.name for path in find_photos(folder, limit=2).paths] == ["a.jpg", "b.png"]


def test_inputs_are_letterboxed_and_normalised(folder):
    pytest.importorskip("simple_trt._core")
    inputs = list(find_photos(folder).inputs((64, 32)))
    assert [array.shape for array in inputs] == [(3, 64, 32)] * 3
    assert all(array.dtype == np.float32 for array in inputs)
    # 60x40 fills 32x21; below it is black.
    black = (0 - np.array([0.485, 0.456, 0.406])) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(inputs[0][:, -1, 0], black, rtol=1e-5)


def test_a_folder_without_photos(tmp_path):
    (tmp_path / "notes.txt").write_text("no photo")
    with pytest.raises(UsageError, match="has no photos"):
        find_photos(tmp_path)


@pytest.mark.parametrize("name", ["missing", "notes.txt"])
def test_no_folder(folder, name):
    with pytest.raises(UsageError, match=f"no folder '.*{name}'"):
        find_photos(folder / name)


def test_a_damaged_photo_is_named(folder):
    pytest.importorskip("simple_trt._core")
    (folder / "b.png").write_bytes((folder / "b.png").read_bytes()[:100])
    with pytest.raises(SimpleTrtError, match=r"b\.png"):
        list(find_photos(folder).inputs((64, 64)))
