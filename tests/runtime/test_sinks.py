"""What sinks leave behind: everything when all went well, nothing half-written when it did not."""

from __future__ import annotations

import errno
import json
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from simple_trt.errors import SimpleTrtError
from simple_trt.pictures import read_picture
from simple_trt.runtime import AnnotatedSink, CocoSink, Frame, JsonLinesSink, Sink, image_id_of
from simple_trt.runtime.sinks import check_image_ids
from simple_trt.types import People

GREY = np.full((60, 80, 3), 120, np.uint8)
FILE_SINKS = pytest.mark.parametrize("make", [JsonLinesSink, CocoSink])


def frame(name: str) -> Frame:
    return Frame(name, GREY)


def people(count: int = 1) -> People:
    keypoints = np.tile([30.5, 20.5, 0.8], (count, 17, 1))
    return People([[10, 5, 50, 55]] * count, [0.9] * count, keypoints, (60, 80), speed={"inference": 1.5})


def fill(sink: Sink, *names: str, count: int = 1, then: BaseException | None = None) -> None:
    """Write pictures into a sink, and let its block end in an error if one is given."""
    with sink:
        for name in names:
            sink.write(frame(name), people(count))
        if then:
            raise then


@contextmanager
def full_disk(size: int = 100) -> Iterator[None]:
    """No file may grow beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_json_lines(tmp_path: Path) -> None:
    with JsonLinesSink(tmp_path / "out.jsonl") as sink:
        sink.write(frame("a.jpg"), people())
        sink.write(frame("ü.jpg"), people(0))
    first, second = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert first == {"image": "a.jpg", **people().to_dict()}
    assert (second["image"], second["people"]) == ("ü.jpg", [])


def test_json_lines_to_standard_output_appear_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with JsonLinesSink("-") as sink:
        sink.write(frame("a.jpg"), people())
        assert json.loads(capsys.readouterr().out)["image"] == "a.jpg"


def test_coco_results(tmp_path: Path) -> None:
    with CocoSink(tmp_path / "out.json") as sink:
        sink.write(frame("000000000139.jpg"), people(2))
        sink.write(frame("7.png"), people(0))
        sink.write(frame("8.png"), people())
    results = json.loads((tmp_path / "out.json").read_text())
    assert [entry["image_id"] for entry in results] == [139, 139, 8]
    assert results[0]["keypoints"] == [30, 20, 0.8] * 17


def test_coco_results_of_nobody_are_an_empty_list(tmp_path: Path) -> None:
    with CocoSink(tmp_path / "out.json"):
        pass
    assert json.loads((tmp_path / "out.json").read_text()) == []


def test_image_ids() -> None:
    assert image_id_of("000000000139.jpg") == 139
    check_image_ids(["1.jpg", "02.jpg"])
    for name in ("a.jpg", "-1.jpg", "1.5.jpg", "1_2.jpg", "\u0661.jpg"):
        with pytest.raises(SimpleTrtError, match=f"'{name}' has no image_id"):
            image_id_of(name)
    with pytest.raises(SimpleTrtError, match=r"'1\.jpg' and '01\.png' have the same image_id 1"):
        check_image_ids(["1.jpg", "01.png"])


def test_coco_sink_refuses_what_has_no_id_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SimpleTrtError, match=r"'a\.jpg' has no image_id"):
        fill(CocoSink(tmp_path / "out.json"), "1.jpg", "a.jpg")
    assert not list(tmp_path.iterdir())


def test_annotated_pictures(tmp_path: Path) -> None:
    with AnnotatedSink(tmp_path / "new" / "folder") as sink:
        for name in ("a.png", "b.gif", "c"):
            sink.write(frame(name), people())
    folder = tmp_path / "new" / "folder"
    assert sorted(path.name for path in folder.iterdir()) == ["a.png", "b.gif.png", "c.png"]
    assert np.array_equal(read_picture(folder / "a.png"), people().plot(GREY))


@FILE_SINKS
def test_the_file_appears_at_the_end_and_replaces_an_old_one(make: Callable[[Path], Sink], tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("old")
    with make(path) as sink:
        sink.write(frame("1.jpg"), people())
        assert path.read_text() == "old"
    assert path.read_text() != "old"
    assert list(tmp_path.iterdir()) == [path]


@FILE_SINKS
@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), OSError(5, "of a disk elsewhere")])
def test_an_error_in_the_block_leaves_nothing_and_passes(
    make: Callable[[Path], Sink], error: BaseException, tmp_path: Path
) -> None:
    with pytest.raises(type(error)) as caught:
        fill(make(tmp_path / "out.json"), "1.jpg", then=error)
    assert caught.value is error
    assert not list(tmp_path.iterdir())


@FILE_SINKS
@pytest.mark.parametrize("pictures", [1, 20])  # noticed when the file is closed, or while it is written
def test_disk_full(make: Callable[[Path], Sink], pictures: int, tmp_path: Path) -> None:
    (tmp_path / "out.json").write_text("old")
    names = [f"{i}.jpg" for i in range(pictures)]
    with full_disk(), pytest.raises(SimpleTrtError, match=r"disk full: cannot write '.*out\.json'") as caught:
        fill(make(tmp_path / "out.json"), *names, count=3)
    assert caught.value.cure  # and the sink, which the traceback keeps alive, has cleaned up already
    assert (tmp_path / "out.json").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_disk_full_for_a_picture(tmp_path: Path) -> None:
    with pytest.raises(SimpleTrtError, match="disk full"), full_disk(), AnnotatedSink(tmp_path) as sink:
        sink.write(frame("a.png"), people())
    assert not list(tmp_path.iterdir())


def test_disk_full_on_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys.stdout, "write", refuse)
    with pytest.raises(SimpleTrtError, match=r"disk full: cannot write 'standard output'"):
        fill(JsonLinesSink("-"), "a.jpg")


@FILE_SINKS
def test_what_forbids_the_file_is_known_at_once(make: Callable[[Path], Sink], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path, message in (
        (tmp_path / "none" / "out.json", "there is no folder"),
        (tmp_path / "file" / "out.json", "is a file, not a folder"),
        (tmp_path, "it is a folder or a device"),
        (Path("/dev/null"), "it is a folder or a device"),
    ):
        with pytest.raises(SimpleTrtError, match=message):
            make(path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert Path("/dev/null").is_char_device()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "sub"):
        with pytest.raises(SimpleTrtError, match="cannot write"):
            AnnotatedSink(folder)
