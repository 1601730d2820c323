"""A real Chromium, driven by Selenium; tests that need it skip, saying so, where there is none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")
DESKTOP, PHONE = (1280, 900), (390, 844)


@contextmanager
def chromium(size: tuple[int, int] = DESKTOP, dark: bool = False) -> Iterator[Any]:
    """A headless browser with a viewport of this size, CSS pixels."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="no selenium (pip install selenium)")
    binary = next(filter(None, map(shutil.which, CHROMIUM)), None)
    driver = shutil.which("chromedriver")
    if not binary or not driver:
        pytest.skip("no Chromium with its driver (Debian: apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in ("--headless=new", "--disable-gpu", "--hide-scrollbars", f"--window-size={size[0]},{size[1]}"):
        options.add_argument(flag)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # A stream never ends, and so the page's loading does not.
    options.page_load_strategy = "eager"
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        browser.set_page_load_timeout(20)
        yield browser
    finally:
        browser.quit()


def text(browser: Any, name: str) -> str:
    """What the element of this id shows."""
    return str(browser.execute_script("return document.getElementById(arguments[0]).textContent.trim()", name))


def wait_until(browser: Any, condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for something that must become true; say what the page shows where it does not."""
    from selenium.common import TimeoutException
    from selenium.webdriver.support.ui import WebDriverWait

    try:
        WebDriverWait(browser, seconds, 0.1).until(lambda _: condition())
    except TimeoutException:
        pytest.fail(f"not within {seconds} s; the page shows:\n{browser.find_element('tag name', 'body').text}")
