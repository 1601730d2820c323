"""One file or a folder, in the order a person expects, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from simple_trt.errors import SimpleTrtError
from simple_trt.pictures import write_picture
from simple_trt.runtime import open_source


def shade(value: int) -> np.ndarray:
    return np.full((6, 8, 3), value, np.uint8)


def test_one_file(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", shade(9))
    source = open_source(tmp_path / "a.png")
    (frame,) = source
    assert (len(source), source.skipped, source.names) == (1, 0, ["a.png"])
    assert frame.name == "a.png"
    assert np.array_equal(frame.image, shade(9))


def test_one_file_may_have_any_suffix(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", shade(9))
    (tmp_path / "a.png").rename(tmp_path / "photo.upload")
    assert next(iter(open_source(tmp_path / "photo.upload"))).image[0, 0, 0] == 9


def test_a_folder_in_natural_order(tmp_path: Path) -> None:
    names = ["10.png", "2.png", "a10b.png", "A2b.PNG", "000000000139.png", "b.png"]
    for value, name in enumerate(names):
        write_picture(tmp_path / name, shade(value))
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".hidden").write_text("x")
    (tmp_path / "folder.png").mkdir()
    source = open_source(tmp_path)
    assert source.names == ["2.png", "10.png", "000000000139.png", "A2b.PNG", "a10b.png", "b.png"]
    assert source.skipped == 2
    assert [int(frame.image[0, 0, 0]) for frame in source] == [1, 0, 4, 3, 2, 5]


def test_iterating_twice_gives_the_same(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", shade(9))
    source = open_source(tmp_path)
    assert [frame.name for frame in source] == [frame.name for frame in source]


def test_a_broken_picture_stops_unless_someone_takes_the_error(tmp_path: Path) -> None:
    for name in ("1.png", "3.png"):
        write_picture(tmp_path / name, shade(9))
    (tmp_path / "2.png").write_bytes(b"no picture")
    source = open_source(tmp_path)
    with pytest.raises(SimpleTrtError, match=r"2\.png' is not a picture"):
        list(source)
    errors: list[SimpleTrtError] = []
    assert [frame.name for frame in source.frames(errors.append)] == ["1.png", "3.png"]
    assert len(errors) == 1


def test_a_picture_that_vanished(tmp_path: Path) -> None:
    write_picture(tmp_path / "1.png", shade(9))
    source = open_source(tmp_path)
    (tmp_path / "1.png").unlink()
    with pytest.raises(SimpleTrtError, match="no file"):
        list(source)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(SimpleTrtError, match="no file or folder"):
        open_source(tmp_path / "none")
    with pytest.raises(SimpleTrtError, match=r"holds no pictures \(0 other files\)"):
        open_source(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(SimpleTrtError, match=r"holds no pictures \(1 other files\)"):
        open_source(tmp_path)
