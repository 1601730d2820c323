"""A window on the desktop, one for each source; q or Escape ends the run."""

from __future__ import annotations

from types import TracebackType

import cv2

from simple_trt.errors import SimpleTrtError
from simple_trt.runtime.frames import Frame
from simple_trt.runtime.sinks import Sink
from simple_trt.types import People

__all__ = ["WindowSink"]

ENDING_KEYS = {ord("q"), 27}
NO_KEY = 0xFF


class WindowSink(Sink):
    """Shows the people as they are found.

    Raises:
        SimpleTrtError: this OpenCV has no windows.
    """

    def __init__(self) -> None:
        if not has_windows():
            cure = "pip uninstall opencv-python-headless; pip install opencv-python (or use --web 8080)"
            raise SimpleTrtError(f"this OpenCV ({cv2.__version__}) was built without windows", cure)

    def write(self, frame: Frame, people: People) -> None:
        """Show one frame.

        Raises:
            SimpleTrtError: there is no desktop.
        """
        try:
            cv2.imshow(frame.source or "simple-trt", cv2.cvtColor(people.plot(frame.image), cv2.COLOR_RGB2BGR))
            self.done = (cv2.waitKey(1) & NO_KEY) in ENDING_KEYS
        except cv2.error as error:
            raise SimpleTrtError(
                "cannot open a window: there is no desktop", "set DISPLAY, or use --web 8080"
            ) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the windows."""
        cv2.destroyAllWindows()


def has_windows() -> bool:
    """Whether this OpenCV was built with a GUI."""
    lines = (line.split() for line in cv2.getBuildInformation().splitlines())
    return not any(words[:2] == ["GUI:", "NONE"] for words in lines)
