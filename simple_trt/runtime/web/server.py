"""The HTTP server behind the page: a few fixed paths, each viewer in a thread of its own."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from simple_trt.runtime.web.access import Access
from simple_trt.runtime.web.views import View

__all__ = ["Server"]

PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/chart.js": ("chart.js", "text/javascript; charset=utf-8"),
}
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
BOUNDARY = "frame"
MOST_STREAMS = 16  # viewers of streams at a time
MOST_CONNECTIONS = 64
SILENCE = 20.0  # seconds after which a viewer who takes nothing is gone
SHORTEST_PAUSE, LONGEST_PAUSE = 1 / 30, 2.0  # seconds between two frames of a stream
SEND_BUFFER = 1 << 18  # bytes on their way to a viewer: more would be old when they arrive
DENIED = "Open the address that simple-trt has printed: it ends in ?token=...\n"


class Server(ThreadingHTTPServer):
    """Serves until `close`.

    Args:
        address: host and port; port 0 is any free one.
        access: who is answered.
        views: one for each source.
        stats: the numbers, anew at each call.

    Raises:
        OSError: the address cannot be listened on.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(
        self, address: tuple[str, int], access: Access, views: Sequence[View], stats: Callable[[], dict[str, Any]]
    ) -> None:
        self.access, self.views, self.stats = access, views, stats
        self.page = {path: (_file(name), kind) for path, (name, kind) in PAGE.items()}
        self.streams = threading.BoundedSemaphore(MOST_STREAMS)
        self.connections = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self.closing = threading.Event()
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)
        threading.Thread(target=self.serve_forever, args=(0.1,), name="web", daemon=True).start()

    def close(self) -> None:
        """Answer nobody any more."""
        self.closing.set()
        self.shutdown()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Each connection in a thread, as long as there are not too many."""
        if not self.connections.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection, from its beginning to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A viewer who leaves is no error of ours."""


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "simple-trt", ""
    timeout = SILENCE

    def setup(self) -> None:
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        super().setup()

    def log_message(self, format: str, *args: Any) -> None:
        """Standard error belongs to the run."""

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if self.server.closing.is_set():  # a connection that was kept open
            self.close_connection = True
        elif not self.server.access.allows(self.path, self.headers):
            status = HTTPStatus.UNAUTHORIZED if self.server.access.token else HTTPStatus.FORBIDDEN
            self._send(DENIED.encode(), "text/plain; charset=utf-8", status)
        elif path == "/" and self.server.access.in_query(self.path):
            self._remember_token()
        elif path in self.server.page:
            self._send(*self.server.page[path])
        elif path == "/stats.json":
            self._send(json.dumps(self.server.stats(), allow_nan=False).encode(), "application/json")
        else:
            self._picture(path)

    def _picture(self, path: str) -> None:
        """/stream/0 for all frames of source 0 from now on, /frame/0 for its newest."""
        kind, _, which = path.strip("/").partition("/")
        views = self.server.views
        if kind not in ("stream", "frame") or not which.isdecimal() or int(which) >= len(views):
            self._send(b"not found\n", "text/plain", HTTPStatus.NOT_FOUND)
        elif kind == "stream":
            self._stream(views[int(which)])
        elif newest := views[int(which)].jpeg(0, 0.0):
            self._send(newest[1], "image/jpeg")
        else:
            self._send(b"no frame yet\n", "text/plain", HTTPStatus.NOT_FOUND)

    def _stream(self, view: View) -> None:
        if not self.server.streams.acquire(blocking=False):
            self._send(b"too many viewers\n", "text/plain", HTTPStatus.SERVICE_UNAVAILABLE)
            return
        try:
            self._begin(HTTPStatus.OK, {"Content-Type": f"multipart/x-mixed-replace; boundary={BOUNDARY}"})
            self.close_connection = True
            self._parts(view)
        finally:
            self.server.streams.release()

    def _parts(self, view: View) -> None:
        number, jpeg = 0, b""
        while not self.server.closing.is_set():
            # Where no frame comes the last one is sent again: only so is it noticed that a viewer has left.
            number, jpeg = view.jpeg(number, LONGEST_PAUSE) or (number, jpeg)
            if not jpeg:
                return
            head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            self.wfile.write(head.encode() + jpeg + b"\r\n")
            time.sleep(SHORTEST_PAUSE)

    def _remember_token(self) -> None:
        """The token leaves the address bar, where it would be seen and bookmarked."""
        headers = {"Location": "/", "Set-Cookie": self.server.access.cookie(), "Content-Length": "0"}
        self._begin(HTTPStatus.SEE_OTHER, headers)

    def _send(self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self._begin(status, {"Content-Type": kind, "Content-Length": str(len(body))})
        self.wfile.write(body)

    def _begin(self, status: HTTPStatus, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (HEADERS | headers).items():
            self.send_header(name, value)
        self.end_headers()


def _file(name: str) -> bytes:
    return (files("simple_trt.runtime.web") / "page" / name).read_bytes()
