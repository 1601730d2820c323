"""The page as a sink: what was written last is what its viewers see."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.runtime.frames import Frame
from simple_trt.runtime.meters import SourceMeter
from simple_trt.runtime.sinks import Sink
from simple_trt.runtime.web.access import Access
from simple_trt.runtime.web.server import Server
from simple_trt.runtime.web.views import View
from simple_trt.types import People

__all__ = ["WebSink"]

EVERYWHERE = {"0.0.0.0", "::"}


class WebSink(Sink):
    """Shows a run in browsers.

    Args:
        meters: one for each source.
        engine: the name above the page.
        port: 0 is any free one.
        host: what to listen on: this machine alone, unless another address is given.
        token: see `Access`.

    Raises:
        UsageError: the address is not this machine's, or the token is too short.
        SimpleTrtError: the port is taken, or may not be used.
    """

    def __init__(
        self,
        meters: Sequence[SourceMeter],
        engine: str,
        port: int = 0,
        host: str = "127.0.0.1",
        token: str | None = None,
    ) -> None:
        self.access = Access(host, token)
        self._meters = meters
        self._engine = engine
        self._began = time.time()
        self._painter = ThreadPoolExecutor(1, "web paint")
        self._views = {meter.name: View(self._painter) for meter in meters}
        try:
            self._server = Server((host, port), self.access, list(self._views.values()), self._stats)
        except OSError as error:
            raise _cannot_listen(host, port, error) from error
        self.host = host

    @property
    def address(self) -> str:
        """What to open in a browser; holds the token, if there is one."""
        host = socket.gethostname() if self.host in EVERYWHERE else self.host
        shown = f"[{host}]" if ":" in host else host
        token = f"?token={self.access.token}" if self.access.token else ""
        return f"http://{shown}:{self._server.server_address[1]}/{token}"

    def write(self, frame: Frame, people: People) -> None:
        """Show the frame to whoever looks; takes no time."""
        view = self._views.get(frame.source)
        if view is None:  # picture files are one source, whose frames do not name it
            view = next(iter(self._views.values()))
        view.show(frame, people)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving."""
        for view in self._views.values():
            view.close()
        self._server.close()
        self._painter.shutdown(wait=False, cancel_futures=True)

    def _stats(self) -> dict[str, Any]:
        return {
            "engine": self._engine,
            "now": round(time.time(), 2),
            "uptime": round(time.time() - self._began, 1),
            "sources": [meter.snapshot() for meter in self._meters],
        }


def _cannot_listen(host: str, port: int, error: OSError) -> SimpleTrtError:
    if error.errno == errno.EADDRINUSE:
        return SimpleTrtError(f"port {port} is taken by another program", "choose another one: --web PORT")
    if error.errno == errno.EACCES:
        return SimpleTrtError(f"no permission to listen on port {port}", "choose a port from 1024 up")
    return UsageError(f"cannot listen on '{host}' port {port} ({error.strerror or error})", "check --web-host")
