"""The server behind the page, spoken to by plain HTTP: what it answers, whom it refuses, whom it does not wait for."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing

import cv2
import numpy as np
import pytest

from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.runtime import Frame, SourceMeter
from simple_trt.runtime.web import WebSink
from simple_trt.runtime.web.server import MOST_STREAMS
from simple_trt.types import People

TOKEN = "0123456789abcdef"


def frame(number: int = 0, size: tuple[int, int] = (48, 64)) -> Frame:
    return Frame("f", np.full((*size, 3), 90, np.uint8), source="cam", number=number, time=0.0)


def people(size: tuple[int, int] = (48, 64)) -> People:
    return People([[5, 5, 30, 40]], [0.9], np.tile([15.0, 20.0, 0.9], (1, 17, 1)), size)


@pytest.fixture
def sink() -> Iterator[WebSink]:
    with WebSink([SourceMeter("cam", True)], "a.engine") as sink:
        yield sink


def port_of(sink: WebSink) -> int:
    return int(sink.address.split(":")[2].split("/")[0])


def get(sink: WebSink, path: str, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port_of(sink), timeout=10)
    connection.request("GET", path, headers=headers)
    return connection.getresponse()


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/", "text/html"), ("/page.css", "text/css"), ("/page.js", "text/javascript"), ("/chart.js", "text/javascript")],
)
def test_the_page(sink: WebSink, path: str, kind: str) -> None:
    answer = get(sink, path)
    body = answer.read().decode()
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith(kind)
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "https://" not in body and "http://" not in body  # nothing is fetched from elsewhere


def test_numbers(sink: WebSink) -> None:
    stats = json.loads(get(sink, "/stats.json").read())
    assert stats["engine"] == "a.engine"
    assert [source["name"] for source in stats["sources"]] == ["cam"]


def test_one_frame(sink: WebSink) -> None:
    assert get(sink, "/frame/0").status == 404
    sink.write(frame(), people())
    answer = get(sink, "/frame/0")
    picture = cv2.imdecode(np.frombuffer(answer.read(), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (48, 64, 3)
    assert picture.std() > 5  # somebody is drawn on it


def test_large_frames_are_reduced_with_their_people(sink: WebSink) -> None:
    size = (2160, 3840)
    somebody = People([[0, 0, 1900, 2000]], [0.9], np.tile([1920.0, 1080.0, 0.9], (1, 17, 1)), size)
    sink.write(frame(size=size), somebody)
    picture = cv2.imdecode(np.frombuffer(get(sink, "/frame/0").read(), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (720, 1280, 3)
    assert np.abs(picture[360, 640].astype(int) - 90).max() > 20  # the keypoints' place, scaled


@pytest.mark.parametrize(
    "path", ["/stream/1", "/stream/x", "/stream/-1", "/frame/", "/../page.css", "/page/index.html", "/stream/%D9%A3"]
)
def test_there_is_nothing_else(sink: WebSink, path: str) -> None:
    assert get(sink, path).status == 404


def test_only_reading(sink: WebSink) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port_of(sink), timeout=10)
    connection.request("POST", "/stats.json", body="x")
    assert connection.getresponse().status == 501


def test_names_that_are_not_ours(sink: WebSink) -> None:
    assert get(sink, "/stats.json", Host="evil.example").status == 403


def test_the_token_becomes_a_cookie() -> None:
    with WebSink([SourceMeter("cam", True)], "a.engine", host="0.0.0.0", token=TOKEN) as sink:
        assert sink.address.endswith(f"/?token={TOKEN}")
        for path in ("/", "/stats.json", "/stream/0", "/frame/0", "/page.js"):
            refused = get(sink, path)
            assert refused.status == 401
            assert TOKEN not in refused.read().decode()
        answer = get(sink, f"/?token={TOKEN}")
        assert (answer.status, answer.headers["Location"]) == (303, "/")
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
        assert get(sink, "/stats.json", Cookie=cookie.split(";")[0]).status == 200


def stream(sink: WebSink) -> socket.socket:
    viewer = socket.create_connection(("127.0.0.1", port_of(sink)), timeout=10)
    viewer.sendall(b"GET /stream/0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return viewer


def test_a_stream_shows_each_newest_frame(sink: WebSink) -> None:
    with closing(stream(sink)) as viewer:
        seen = b""
        for number in range(5):
            sink.write(frame(number), people())
            before = seen.count(b"--frame\r\n")
            while seen.count(b"--frame\r\n") == before:
                seen += viewer.recv(65536)
    assert b"multipart/x-mixed-replace" in seen
    assert seen.count(b"\xff\xd8\xff") >= 5


def test_slow_viewers_do_not_slow_the_run(sink: WebSink) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), dtype=np.uint8)
    picture = Frame("f", noise, source="cam", time=0.0)
    viewers = [stream(sink) for _ in range(8)]  # none of which ever reads
    start = time.perf_counter()
    for _ in range(300):
        sink.write(picture, people((720, 1280)))
        time.sleep(0.001)
    assert time.perf_counter() - start < 3
    for viewer in viewers:
        viewer.close()


def test_too_many_viewers(sink: WebSink) -> None:
    sink.write(frame(), people())
    viewers = [stream(sink) for _ in range(MOST_STREAMS)]
    for viewer in viewers:
        assert b"200 OK" in viewer.recv(200)
    assert get(sink, "/stream/0").status == 503
    assert get(sink, "/stats.json").status == 200
    for viewer in viewers:
        viewer.close()
    end = time.monotonic() + 15
    while get(sink, "/stream/0").status != 200:  # places of those who left are free again
        assert time.monotonic() < end
        time.sleep(0.2)


def test_a_port_that_is_taken(sink: WebSink) -> None:
    with pytest.raises(SimpleTrtError, match=r"port \d+ is taken"):
        WebSink([SourceMeter("cam", True)], "a.engine", port_of(sink))


def test_an_address_that_is_not_ours() -> None:
    with pytest.raises(UsageError, match=r"cannot listen on '192\.0\.2\.1'"):
        WebSink([SourceMeter("cam", True)], "a.engine", 0, "192.0.2.1")


def test_the_port_is_free_again_afterwards() -> None:
    with WebSink([SourceMeter("cam", True)], "a.engine") as sink:
        port = port_of(sink)
        assert get(sink, "/").status == 200
    with WebSink([SourceMeter("cam", True)], "a.engine", port):
        pass
