"""A window, or the reason why there is none; OpenCV's own windows are stood in for, since tests have no desktop."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from simple_trt.errors import SimpleTrtError
from simple_trt.runtime import Frame
from simple_trt.runtime.window import WindowSink, has_windows
from simple_trt.types import People

FRAME = Frame("f", np.full((8, 8, 3), (250, 10, 20), np.uint8), source="cam", time=0.0)
NOBODY = People(np.zeros((0, 4)), np.zeros(0), np.zeros((0, 17, 3)), (8, 8))


@pytest.fixture
def desktop(monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """What is shown, by window."""
    shown: dict[str, np.ndarray] = {}
    monkeypatch.setattr("simple_trt.runtime.window.has_windows", lambda: True)
    monkeypatch.setattr(cv2, "imshow", shown.__setitem__)
    monkeypatch.setattr(cv2, "waitKey", lambda _ms: -1)
    monkeypatch.setattr(cv2, "destroyAllWindows", shown.clear)
    return shown


def test_frames_are_shown(desktop: dict[str, np.ndarray]) -> None:
    with WindowSink() as sink:
        sink.write(FRAME, NOBODY)
        assert desktop["cam"][0, 0].tolist() == [20, 10, 250]  # OpenCV shows BGR
        assert not sink.done


@pytest.mark.parametrize("key", [ord("q"), 27])
def test_a_key_ends_it(desktop: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch, key: int) -> None:
    monkeypatch.setattr(cv2, "waitKey", lambda _ms: key | 0x100000)  # some systems add the state of other keys
    with WindowSink() as sink:
        sink.write(FRAME, NOBODY)
        assert sink.done


def test_no_desktop(desktop: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, image: np.ndarray) -> None:
        raise cv2.error("can't open display")

    monkeypatch.setattr(cv2, "imshow", refuse)
    with WindowSink() as sink, pytest.raises(SimpleTrtError, match="there is no desktop"):
        sink.write(FRAME, NOBODY)


@pytest.mark.skipif(has_windows(), reason="this OpenCV has windows")
def test_an_opencv_without_windows() -> None:
    with pytest.raises(SimpleTrtError, match=r"was built without windows.*opencv-python"):
        WindowSink()
