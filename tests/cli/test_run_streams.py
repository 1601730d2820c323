"""`simple-trt run` on videos and cameras: its outputs, its end by a signal, and what it says of its speed."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from simple_trt.cli import main
from simple_trt.pictures import write_picture
from simple_trt.runtime import Session
from tests.cli.running import Child, lines_of, stats, tiny_engine
from tests.runtime.clips import read_clip, write_clip
from tests.runtime.moving_people import MovingEngine

Run = Callable[..., int]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the verb on an engine whose people move."""
    monkeypatch.setattr(Session, "open", staticmethod(lambda path, options=None: Session(MovingEngine(0.002))))
    return lambda *words: main(["run", "planted.engine", *map(str, words)])


def test_a_video(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = write_clip(tmp_path / "clip.avi", 12)
    assert run(clip, "--json", tmp_path / "a.jsonl", "--save-video", tmp_path / "out.avi", "--track", "--time") == 0
    lines = lines_of(tmp_path / "a.jsonl")
    assert [line["frame"] for line in lines] == list(range(12))
    assert {line["people"][0]["track_id"] for line in lines} == {0}
    assert len(read_clip(tmp_path / "out.avi")[0]) == 12
    err = capsys.readouterr().err
    assert f"{clip}: 12 frames in" in err
    assert "latency  none: the frames of a file wait for nobody" in err
    assert "drop rate                  0.0 % (0 of 12 frames)" in err
    assert "stages, median ms" in err


def test_smoothing_tracks_and_calms(run: Run, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi", 8)
    for words in (["--track"], ["--smooth"]):
        assert run(clip, "--json", tmp_path / f"{words[0]}.jsonl", *words) == 0
    rough, smooth = (lines_of(tmp_path / f"{name}.jsonl") for name in ("--track", "--smooth"))
    assert {line["people"][0]["track_id"] for line in smooth} == {0}
    assert all("smoothing" in line["speed"] for line in smooth)
    assert rough[0]["people"][0]["keypoints"] == smooth[0]["people"][0]["keypoints"]  # a track begins where it is seen
    assert rough[-1]["people"][0]["keypoints"] != smooth[-1]["people"][0]["keypoints"]


def test_frames_as_pictures(run: Run, tmp_path: Path) -> None:
    assert run(write_clip(tmp_path / "clip.avi", 3), "--save", tmp_path / "out") == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["clip-000000.jpg", "clip-000001.jpg", "clip-000002.jpg"]


def test_a_camera_says_three_numbers_with_their_definitions(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("synthetic://100fps?size=64x48&frames=40") == 0
    err = capsys.readouterr().err
    for name in ("glass-to-keypoint latency", "throughput", "drop rate"):
        assert f"  {name}" in err
        assert f"\n{name}: " in err  # its definition
    assert "p50" in err and "p99" in err
    assert "FPS" not in err.replace("100fps", "")


def test_several_sources_of_all_kinds(run: Run, tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", np.zeros((48, 64, 3), np.uint8))
    clip = write_clip(tmp_path / "clip.avi", 5)
    words = (tmp_path / "a.png", clip, "synthetic://50fps?size=64x48&frames=5", "--json", tmp_path / "a.jsonl")
    assert run(*words) == 0
    lines = lines_of(tmp_path / "a.jsonl")
    assert [line["image"] for line in lines if "source" not in line] == ["a.png"]
    assert [line["frame"] for line in lines if line.get("source") == str(clip)] == list(range(5))


def test_lines_of_a_camera_are_appended(run: Run, tmp_path: Path) -> None:
    for _ in range(2):
        assert run("synthetic://20fps?size=64x48&frames=3", "--json", tmp_path / "a.jsonl") == 0
    assert [line["frame"] for line in lines_of(tmp_path / "a.jsonl")] == [0, 1, 2] * 2


def test_a_video_that_is_cut_off(run: Run, tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = (data_dir / "video/one-by-one-person-detection.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[:150_000])
    assert run(tmp_path / "cut.mp4", "--json", tmp_path / "a.jsonl") == 1
    assert "of 1394 frames" in capsys.readouterr().err
    assert lines_of(tmp_path / "a.jsonl")  # what was there is kept


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("{clip}", "--save-coco", "{folder}/a.json"), 2, "have no image_id"),
        (("{clip}", "--json", "{clip}"), 2, "over what is read"),
        (("{clip}", "--save-video", "{folder}/a.gif"), 2, "use one of: .mp4, .avi, .mkv"),
        (("{clip}", "--json", "{folder}/a.mp4", "--save-video", "{folder}/a.mp4"), 2, "written twice"),
        (("{folder}/none.mp4",), 1, "no file or folder"),
        (("http://127.0.0.1:9/",), 1, "cannot open 'http://127.0.0.1:9/'"),
        (("ftp://a",), 2, "is no source"),
    ],
)
def test_what_cannot_be_done(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, message: str
) -> None:
    clip = write_clip(tmp_path / "clip.avi", 3)
    content = clip.read_bytes()
    assert run(*(word.format(clip=clip, folder=tmp_path) for word in words)) == code
    err = capsys.readouterr().err
    assert message in err and "cure: " in err and "Traceback" not in err
    assert clip.read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["clip.avi"]


def test_two_pictures_of_one_name(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_picture(tmp_path / name / "1.png", np.zeros((4, 4, 3), np.uint8))
    assert run(tmp_path / "a", tmp_path / "b", "--save", tmp_path / "out") == 2
    assert "two pictures are called '1.png'" in capsys.readouterr().err


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    return tiny_engine(tmp_path)


@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGTERM], [signal.SIGINT] * 2, [signal.SIGTERM] * 2])
def test_a_signal_is_the_usual_end_of_a_camera(engine: Path, tmp_path: Path, signals: list[int]) -> None:
    """Sent twice at once, as `timeout` does, it is the same signal."""
    out, video = tmp_path / "a.jsonl", tmp_path / "a.avi"
    child = Child(out, engine, "synthetic://40fps?size=64x48", "--json", out, "--save-video", video)
    code, err = child.end(*signals)
    assert code == 0, err
    lines = lines_of(out)
    assert f": {len(lines)} frames in" in err  # all that was counted was written
    assert len(read_clip(video)[0]) >= len(lines)
    assert "Traceback" not in err and "terminate" not in err


def test_a_signal_before_the_end_of_a_video_keeps_what_was_done(engine: Path, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi", 20)
    sources = (clip, "synthetic://40fps?size=64x48")  # the camera goes on when the video has ended
    child = Child(tmp_path / "a.jsonl", engine, *sources, "--json", tmp_path / "a.jsonl")
    code, _ = child.end(signal.SIGTERM)
    assert code == 143
    assert len(lines_of(tmp_path / "a.jsonl")) >= 3


def test_the_web_page(engine: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    child = Child(out, engine, "synthetic://40fps?size=64x48", "--json", out, "--web", "0")
    assert stats(child.page())["sources"][0]["found"] >= 1
    assert child.end(signal.SIGTERM)[0] == 0
