"""What befalls a run of weeks: `simple-trt run` in a process of its own, and the rows of docs/faults.md."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simple_trt.engines.manifest import manifest_path
from tests.cli.running import COMMAND, ROOT, Child, ended_well, lines_of, run, tiny_engine, wait_for_status
from tests.runtime.camera_server import CameraServer, jpeg_of
from tests.runtime.clips import read_clip, write_clip
from tests.runtime.rtsp_server import RtspServer

Start = Callable[..., Child]
SYNTHETIC = "synthetic://40fps?size=64x48"


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    return tiny_engine(tmp_path)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "a.jsonl"


@pytest.fixture
def start(engine: Path, out: Path) -> Iterator[Start]:
    """Starts a run with JSON lines; what still runs at the end is killed."""
    children: list[Child] = []

    def begin(*words: object, lines: Path = out) -> Child:
        children.append(Child(lines, engine, *words, "--json", lines))
        return children[-1]

    yield begin
    for child in children:
        child.process.kill()
        child.process.communicate()


@pytest.fixture
def camera() -> Iterator[CameraServer]:
    server = CameraServer(rate=25)
    yield server
    server.unplug()


def test_a_camera_that_is_unplugged(start: Start, camera: CameraServer) -> None:
    child = start(camera.url, "--web", 0, "--track", "--smooth")
    page = child.page()
    wait_for_status(page, "running")
    camera.unplug()
    wait_for_status(page, "lost")
    before = child.count
    camera.plug_in()
    child.wait(before + 10)
    wait_for_status(page, "running")
    err = ended_well(child)
    assert "no frame comes any more; next try in 0.5 s. check the camera" in err
    assert ", lost 0 times" not in err


def test_an_rtsp_server_that_is_killed_and_started_again(start: Start) -> None:
    server = RtspServer()
    try:
        child = start(server.url, "--web", 0, "--track")
        page = child.page()
        server.kill()
        wait_for_status(page, "lost")
        before = child.count
        server.start("320x240")
        child.wait(before + 20)
        wait_for_status(page, "running")
        err = ended_well(child)
    finally:
        server.kill()
    assert f"lost '{server.url}': no frame comes any more" in err
    lines = lines_of(child.output)
    assert [line["frame"] for line in lines] == sorted({line["frame"] for line in lines})
    assert (lines[0]["width"], lines[-1]["width"]) == (160, 320)


def test_an_rtsp_server_that_hangs(start: Start) -> None:
    server = RtspServer()
    try:
        child = start(server.url, "--web", 0)
        page = child.page()
        wait_for_status(page, "running")
        server.freeze()
        began = time.monotonic()
        wait_for_status(page, "lost")
        assert 4 < time.monotonic() - began < 9  # one silence, not one for each frame that the decoder had held back
        before = child.count
        server.thaw()
        child.wait(before + 20)
        wait_for_status(page, "running")
        server.freeze()
        began = time.monotonic()
        ended_well(child)
        assert time.monotonic() - began < 12  # it waits for the server's answer no longer than for that of a live one
    finally:
        server.kill()


def test_an_rtsp_server_that_is_not_there_yet(start: Start, engine: Path, out: Path) -> None:
    server = RtspServer()
    server.kill()
    refused = run(engine, server.url)
    assert refused.returncode == 1
    assert f"error: cannot open '{server.url}'" in refused.stderr and "cure: " in refused.stderr
    try:
        words = [*COMMAND, str(engine), server.url, "--wait", "--json", str(out)]
        process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        assert process.stderr is not None
        assert f"cannot open '{server.url}'; next try in 0.5 s" in process.stderr.readline()
        server.start()
        end = time.monotonic() + 40
        while not out.exists() or out.read_text().count("\n") < 3:
            assert time.monotonic() < end and process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()
        server.kill()


def test_damaged_frames_of_a_camera(start: Start, camera: CameraServer) -> None:
    camera.jpeg = lambda number: b"\xff\xd8no picture" if number % 3 == 2 else camera.grey(number)
    child = start(camera.url)
    child.wait(12)
    assert ", lost 0 times" in ended_well(child)


def test_damaged_frames_of_a_video(engine: Path, out: Path, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", 20, size=(480, 640))
    data = clip.read_bytes()
    places = [i for i in range(len(data)) if data[i : i + 4] == b"\x00\x00\x01\xb6"]  # MPEG-4's frames
    clip.write_bytes(data[: places[7]] + b"\xff" * 4 + data[places[7] + 4 :])
    done = run(engine, clip, "--json", out)
    assert done.returncode == 1
    assert "1 frames of the video" in done.stderr and "are damaged and were left out. copy it again" in done.stderr
    assert [line["frame"] for line in lines_of(out)] == [*range(7), *range(8, 20)]


def test_what_fails_is_counted_by_source(engine: Path, tmp_path: Path) -> None:
    for name in ("1.png", "2.png"):
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / name)
    (tmp_path / "2.png").write_bytes(b"no picture")
    clip = write_clip(tmp_path / "a.avi", 20)
    clip.write_bytes(clip.read_bytes()[:9000])
    done = run(engine, tmp_path / "1.png", tmp_path / "2.png", clip)
    assert done.returncode == 1
    assert " of 20 frames" in done.stderr
    assert "1 of 2 pictures could not be read" in done.stderr


def test_a_size_that_changes_in_mid_stream(start: Start, camera: CameraServer, tmp_path: Path) -> None:
    small = jpeg_of(np.full((30, 50, 3), 90, np.uint8))
    camera.jpeg = lambda number: camera.grey(number) if number % 10 < 5 else small
    child = start(camera.url, "--track", "--smooth", "--web", 0, "--save-video", tmp_path / "a.avi")
    child.wait(20)
    before = child.count
    camera.unplug()
    camera.jpeg, camera.size = camera.grey, (60, 200)
    camera.plug_in()
    child.wait(before + 20)
    ended_well(child)
    lines = lines_of(child.output)
    assert (lines[0]["width"], lines[0]["height"]) == (160, 120)
    assert (lines[-1]["width"], lines[-1]["height"]) == (200, 60)
    assert len(read_clip(tmp_path / "a.avi")[0]) >= 40


@pytest.mark.parametrize("size", ["7680x4320", "1x1", "3x2000"])
def test_frames_of_any_size(engine: Path, out: Path, tmp_path: Path, size: str) -> None:
    source = f"synthetic://2fps?size={size}&frames=3&people=1"
    done = run(engine, source, "--json", out, "--track", "--smooth", "--web", 0, "--save-video", tmp_path / "a.mp4")
    assert done.returncode == 0, done.stderr
    lines = lines_of(out)
    assert lines and {f"{line['width']}x{line['height']}" for line in lines} == {size}
    assert len(read_clip(tmp_path / "a.mp4")[0]) >= len(lines)


def test_pictures_of_any_size_and_kind(engine: Path, out: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    grey = np.arange(256, dtype=np.uint8).repeat(8).reshape(32, 64)
    kinds = {
        "8k.jpg": Image.fromarray(np.full((4320, 7680, 3), 90, np.uint8)),
        "grey.png": Image.fromarray(grey),
        "grey16.png": Image.fromarray(grey.astype(np.uint16) * 256),
        "one.png": Image.fromarray(np.full((1, 1, 3), 90, np.uint8)),
        "palette.png": Image.fromarray(grey).convert("P"),
        "rgba.png": Image.fromarray(np.dstack([grey] * 4)),
    }
    for name, picture in kinds.items():
        picture.save(folder / name)
    done = run(engine, folder, "--json", out, "--save", tmp_path / "drawn")
    assert done.returncode == 0, done.stderr
    lines = {line["image"]: line for line in lines_of(out)}
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == sorted(lines) == sorted(kinds)
    assert all((lines[name]["width"], lines[name]["height"]) == kinds[name].size for name in kinds)
    places = [lines[name]["people"][0]["keypoints"] for name in ("grey.png", "rgba.png", "palette.png", "grey16.png")]
    assert all(np.allclose(place, places[0], atol=0.1) for place in places)  # the same picture for the network


def test_a_run_that_is_killed(start: Start, out: Path, tmp_path: Path) -> None:
    source = "synthetic://40fps?size=640x480"
    child = start(source, "--save-video", tmp_path / "a.avi")
    child.wait(40)
    child.end(signal.SIGKILL)
    whole = out.read_text()
    assert all(json.loads(line) for line in whole.splitlines()) and whole.endswith("\n")
    (hidden,) = tmp_path.glob(".a.avi.*")
    assert len(read_clip(hidden)[0]) > 5  # what had reached the disk plays
    again = start(SYNTHETIC)
    again.wait(whole.count("\n") + 3)
    assert again.end(signal.SIGTERM)[0] == 0
    assert out.read_text().startswith(whole)


def test_two_processes_on_one_port(start: Start, engine: Path, out: Path) -> None:
    child = start(SYNTHETIC, "--web", 0)
    port = child.page().split(":")[2].strip("/")
    second = run(engine, SYNTHETIC, "--web", port)
    assert second.returncode == 1
    assert f"error: port {port} is taken by another program" in second.stderr
    assert "cure: choose another one: --web PORT" in second.stderr
    child.wait(child.count + 5)
    ended_well(child)


def test_two_processes_on_one_engine(start: Start, tmp_path: Path) -> None:
    first = start(SYNTHETIC)
    second = start(SYNTHETIC, lines=tmp_path / "b.jsonl")
    first.wait(first.count + 5)
    second.wait(second.count + 5)
    ended_well(first, signal.SIGINT)
    second.wait(second.count + 5)
    ended_well(second)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("how", ["by another", "in place", "by nothing"])
def test_an_engine_file_that_is_replaced(start: Start, engine: Path, tmp_path: Path, runtime: str, how: str) -> None:
    tiny_engine(tmp_path, runtime)
    child = start(SYNTHETIC)
    if how == "by another":  # as `simple-trt build` does
        (tmp_path / "new").write_bytes(b"another engine")
        (tmp_path / "new").replace(engine)
    elif how == "in place":
        os.truncate(engine, 0)
        engine.write_bytes(b"another engine")
    else:
        engine.unlink()
        manifest_path(engine).unlink()
    before = child.count
    child.wait(before + 20)
    people = [line["people"] for line in lines_of(child.output)]
    assert all(len(found) == 3 for found in people)
    ended_well(child)
    refused = run(engine, SYNTHETIC)
    assert refused.returncode == 1
    assert "error: " in refused.stderr and "Traceback" not in refused.stderr


def test_a_signal_while_the_camera_is_away(start: Start, camera: CameraServer) -> None:
    child = start(camera.url)
    camera.unplug()
    time.sleep(2.5)  # the pause between two tries is longer now
    began = time.monotonic()
    ended_well(child)
    assert time.monotonic() - began < 3
