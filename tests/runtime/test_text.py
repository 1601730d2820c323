"""A file that grows: others read it while it is written, and never see half a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from simple_trt.errors import SimpleTrtError
from simple_trt.runtime.text import GrowingFile, write_text
from tests.runtime.test_sinks import full_disk


def test_every_line_is_there_at_once(tmp_path: Path) -> None:
    file = GrowingFile(tmp_path / "a.jsonl")
    for count in range(1, 4):
        file.write(f"{count}\n")
        assert len((tmp_path / "a.jsonl").read_text().splitlines()) == count
    file.finish()


def test_what_was_written_stays(tmp_path: Path) -> None:
    for text in ("a\n", "b\n"):
        file = GrowingFile(tmp_path / "a.jsonl")
        file.write(text)
        file.abandon()
    assert (tmp_path / "a.jsonl").read_text() == "a\nb\n"


def test_a_line_that_was_cut_off_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("a\nhalf")
    file = GrowingFile(tmp_path / "a.jsonl")
    file.write("b\n")
    file.finish()
    assert (tmp_path / "a.jsonl").read_text() == "a\nhalf\nb\n"


def test_disk_full_leaves_whole_lines(tmp_path: Path) -> None:
    file = GrowingFile(tmp_path / "a.jsonl")
    with full_disk(100):
        file.write("x" * 79 + "\n")
        with pytest.raises(SimpleTrtError, match="disk full"):
            file.write("y" * 79 + "\n")
    file.write("z\n")
    file.finish()
    assert (tmp_path / "a.jsonl").read_text() == "x" * 79 + "\nz\n"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SimpleTrtError, match="there is no folder"):
        GrowingFile(tmp_path / "none" / "a.jsonl")


def test_a_whole_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_text(tmp_path / "a.json", "{}\n")
    assert (tmp_path / "a.json").read_text() == "{}\n"
    write_text("-", "[]\n")
    assert capsys.readouterr().out == "[]\n"
    with full_disk(1), pytest.raises(SimpleTrtError, match="disk full"):
        write_text(tmp_path / "a.json", "x" * 100)
    assert (tmp_path / "a.json").read_text() == "{}\n"
