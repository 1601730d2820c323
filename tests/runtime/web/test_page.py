"""The page in a real Chromium: people move, numbers change, a lost source is shown and recovers; phones, dark."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from simple_trt.runtime import Finder, Pipeline, Session, SourceMeter, open_sources, tracked
from simple_trt.runtime.web import WebSink
from tests.runtime.browser import DESKTOP, PHONE, chromium, text, wait_until
from tests.runtime.camera_server import CameraServer
from tests.runtime.moving_people import MovingEngine

MEAN_COLOURS = """
const image = document.getElementById('stream'), canvas = document.createElement('canvas');
canvas.width = canvas.height = 64;
const pen = canvas.getContext('2d', { willReadFrequently: true });
pen.drawImage(image, 0, 0, 64, 64);
return Array.from(pen.getImageData(0, 0, 64, 64).data);
"""
INKED = """
const chart = document.getElementById('chart');
const data = chart.getContext('2d').getImageData(chart.width / 2, 10, chart.width / 2 - 12, chart.height - 40).data;
return data.filter((value, i) => i % 4 === 3 && value > 200).length;
"""


@pytest.fixture
def camera() -> Iterator[CameraServer]:
    server = CameraServer()
    yield server
    server.unplug()


@pytest.fixture
def page(camera: CameraServer) -> Iterator[str]:
    """The address of a page that shows two sources: a network camera and a synthetic one."""
    sources = open_sources([camera.url, "synthetic://10fps?size=160x120&people=1"])
    meters = [SourceMeter(source.name, source.live) for source in sources]
    session = Session(MovingEngine(0.01))
    with WebSink(meters, "planted.engine") as sink:
        finder = Finder(session, 0.2, [[tracked(0.2)] for _ in sources])
        pipeline = Pipeline(
            sources, meters, finder, lambda found: sink.write(found.frame, found.shown), lambda _source, _error: None
        )
        running = threading.Thread(target=pipeline.run)
        running.start()
        yield sink.address
        pipeline.stop()
        running.join(20)
        assert not running.is_alive()


def difference(a: list[int], b: list[int]) -> int:
    return max(abs(x - y) for x, y in zip(a, b, strict=True))


def wait_for_people(browser: Any) -> None:
    wait_until(browser, lambda: text(browser, "people") in {"1", "2"} and text(browser, "status") == "running")
    wait_until(browser, lambda: browser.execute_script("return document.getElementById('stream').naturalWidth") == 160)


def test_people_move_and_numbers_change(page: str) -> None:
    with chromium() as browser:
        browser.get(page)
        wait_for_people(browser)
        assert text(browser, "name").startswith("http://127.0.0.1:")
        assert text(browser, "engine") == "planted.engine"
        first = browser.execute_script(MEAN_COLOURS)
        wait_until(browser, lambda: difference(first, browser.execute_script(MEAN_COLOURS)) > 60)
        wait_until(browser, lambda: text(browser, "p50")[0].isdigit() and float(text(browser, "throughput")) > 0)
        captured = text(browser, "of")
        people = text(browser, "people")
        wait_until(browser, lambda: text(browser, "of") != captured)
        wait_until(browser, lambda: text(browser, "people") != people)
        wait_until(browser, lambda: browser.execute_script(INKED) > 50)
        for stage in ("read", "queue", "preprocess", "inference", "postprocess", "tracking", "p50", "p99"):
            assert stage in text(browser, "legend")
        assert browser.get_log("browser") == []


def test_a_lost_source_is_shown_and_recovers(page: str, camera: CameraServer) -> None:
    with chromium() as browser:
        browser.get(page)
        wait_for_people(browser)
        overlay = browser.find_element("id", "overlay")
        assert not overlay.is_displayed()
        camera.unplug()
        wait_until(browser, lambda: text(browser, "status") == "lost")
        assert overlay.is_displayed()
        assert "Source lost" in overlay.text and "next try in" in overlay.text
        camera.plug_in()
        wait_until(browser, lambda: text(browser, "status") == "running" and not overlay.is_displayed())
        assert int(text(browser, "losses")) >= 1
        before = browser.execute_script(MEAN_COLOURS)
        wait_until(browser, lambda: difference(before, browser.execute_script(MEAN_COLOURS)) > 60)


def test_the_other_source(page: str) -> None:
    with chromium() as browser:
        browser.get(page)
        wait_for_people(browser)
        first, second = browser.find_elements("css selector", "#sources button")
        assert (first.get_attribute("aria-pressed"), second.get_attribute("aria-pressed")) == ("true", "false")
        second.click()
        assert text(browser, "name").startswith("synthetic://10fps")
        wait_until(browser, lambda: "/stream/1" in browser.find_element("id", "stream").get_attribute("src"))


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_sizes_and_colours(page: str, size: tuple[int, int], dark: bool) -> None:
    with chromium(size, dark) as browser:
        browser.get(page)
        wait_for_people(browser)
        width = browser.execute_script("return document.documentElement.scrollWidth")
        assert width <= size[0]  # nothing sticks out
        for name in ("people", "p50", "p99", "throughput", "drop_rate", "chart"):
            box = browser.find_element("id", name).rect
            assert box["width"] > 20 and box["x"] >= 0 and box["x"] + box["width"] <= size[0]
        tiles = browser.execute_script("return getComputedStyle(document.querySelector('.tile')).backgroundColor")
        assert (tiles == "rgb(255, 255, 255)") is not dark


def test_what_is_gone_is_said() -> None:
    meter = SourceMeter("rtsp://camera", True)
    with chromium() as browser:
        with WebSink([meter], "planted.engine") as sink:
            browser.get(sink.address)
            wait_until(browser, lambda: text(browser, "connection").startswith("up "))
            assert text(browser, "status") == "starting"
        wait_until(browser, lambda: text(browser, "connection") == "no connection to simple-trt")
