"""Live sources: webcams, RTSP and HTTP streams, GStreamer pipelines. What is lost is opened again, ever less often."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from simple_trt.errors import SimpleTrtError
from simple_trt.runtime.capture import Capture, opened
from simple_trt.runtime.frames import Frame, OnError
from simple_trt.runtime.videos import frame_name

__all__ = ["CameraSource", "Device"]

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds between two tries to connect; each pause is twice the one before
STEADY = 10.0  # seconds of frames after which the next loss begins with the first pause again


@dataclass(frozen=True)
class Device:
    """What OpenCV opens.

    Args:
        address: path, URL or pipeline; may hold a password.
        backend: cv2.CAP_FFMPEG, cv2.CAP_V4L2 or cv2.CAP_GSTREAMER.
        cure: what to check when it cannot be opened.
    """

    address: str
    backend: int
    cure: str


class CameraSource:
    """A camera's frames, for as long as it is not stopped.

    Args:
        name: without a password.
        device: what to open.
        wait: wait for a camera that is not there at the beginning; otherwise that is an error, since it is most likely
            a mistyped name. A camera that was there once is always waited for.
    """

    live = True
    goes_on = True

    def __init__(self, name: str, device: Device, wait: bool = False) -> None:
        self.name = name
        self.device = device
        self.wait = wait
        self._stopped = threading.Event()
        self._number = 0

    def frames(self, on_error: OnError | None = None) -> Iterator[Frame]:
        """The frames; see `Source.frames`. Each loss goes to `on_error`, with the pause until the next try."""
        pause = FIRST_PAUSE
        seen = self.wait
        while not self._stopped.is_set():
            began = time.perf_counter()
            error = self._failure()
            try:
                with opened(self.device.address, self.device.backend, error, live=True) as capture:
                    error = SimpleTrtError(f"lost '{self.name}': no frame comes any more", "check the camera")
                    for frame in self._frames(capture):
                        seen = True
                        yield frame
            except SimpleTrtError as failure:
                if not seen:
                    raise
                error = failure
            if time.perf_counter() - began > STEADY:
                pause = FIRST_PAUSE
            if on_error and not self._stopped.is_set():
                on_error(SimpleTrtError(f"{error.cause}; next try in {pause:g} s", error.cure))
            self._stopped.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def stop(self) -> None:
        """Do not wait for another frame or another try."""
        self._stopped.set()

    def _failure(self) -> SimpleTrtError:
        return SimpleTrtError(f"cannot open '{self.name}'", self.device.cure)

    def _frames(self, capture: Capture) -> Iterator[Frame]:
        """The frames of one connection; the numbers of those that are damaged are left out."""
        begun = self._number
        taken = 0
        while not self._stopped.is_set():
            if capture.grab() is None:
                return
            captured, now = time.perf_counter(), time.time()
            number, image = begun + taken + capture.damaged, capture.picture()
            self._number = number + 1
            if image is None:
                capture.damaged += 1
            else:
                yield Frame(frame_name(self.name, number), image, captured, self.name, number, now, capture.rate)
                taken += 1
