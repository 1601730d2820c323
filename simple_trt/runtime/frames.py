"""What a source delivers: one picture after the other, each with what is known of where and when it was taken."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from simple_trt.errors import SimpleTrtError
from simple_trt.pictures import Picture

__all__ = ["Frame", "OnError", "Source"]

OnError = Callable[[SimpleTrtError], None]


@dataclass(frozen=True)
class Frame:
    """One picture to look at.

    Args:
        name: the picture's file name without the folder; of a stream, one made of the source's and the frame's number.
        image: RGB uint8 [H,W,3].
        captured: when it was there, `time.perf_counter()` seconds: a camera's frame when the driver handed it over, a
            file's when reading it began.
        source: the stream's name; empty for a picture file.
        number: frames that the stream delivered before this one.
        time: seconds since the beginning of a video, or of 1970 (UTC) for a live source; None for a picture file.
        rate: frames a second that the stream promises; 0 where it promises nothing.
        latency: milliseconds from `captured` until the people were known; None before that.
    """

    name: str
    image: Picture
    captured: float = field(default_factory=time.perf_counter)
    source: str = ""
    number: int = 0
    time: float | None = None
    rate: float = 0.0
    latency: float | None = None

    @property
    def of_stream(self) -> bool:
        """Whether it comes from a video or a camera, not from a picture file."""
        return self.time is not None


class Source(Protocol):
    """Where frames come from. `stop` may be called from any thread, all else belongs to the thread that iterates."""

    @property
    def name(self) -> str:
        """What people call it; never holds a password."""

    @property
    def live(self) -> bool:
        """Whether its frames come whether or not somebody takes them: then the oldest are dropped, else none is."""

    @property
    def goes_on(self) -> bool:
        """Whether it can go on after an error, which then goes to `on_error`; otherwise errors are raised."""

    def frames(self, on_error: OnError | None = None) -> Iterator[Frame]:
        """The frames, until it ends or is stopped.

        Raises:
            SimpleTrtError: it cannot be read.
        """

    def stop(self) -> None:
        """Let `frames` end soon."""
