"""A network camera on this machine: MJPEG over HTTP at a given rate, which can be unplugged and plugged in again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np


class CameraServer:
    """Frames of 160 x 120, each of a grey of its own; `plug_in` and `unplug` keep the port.

    Args:
        rate: frames a second.
        jpeg: what it sends as frame number i, instead of these.
    """

    def __init__(self, rate: float = 20.0, jpeg: Callable[[int], bytes] | None = None) -> None:
        self.rate = rate
        self.jpeg = jpeg or self.grey
        self.port = 0
        self.size = (120, 160)
        self.server: ThreadingHTTPServer | None = None
        self.plug_in()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/video"

    def plug_in(self) -> None:
        camera = self
        self.unplugged = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                with suppress(OSError):
                    camera.send(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def grey(self, number: int) -> bytes:
        return jpeg_of(np.full((*self.size, 3), 40 + number % 150, np.uint8))

    def send(self, handler: BaseHTTPRequestHandler) -> None:
        stop = self.unplugged
        number = 0
        while not stop.is_set():
            jpeg = self.jpeg(number)
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            handler.wfile.write(head.encode() + jpeg + b"\r\n")
            number += 1
            time.sleep(1 / self.rate)

    def unplug(self) -> None:
        self.unplugged.set()
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None


def jpeg_of(picture: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", picture)[1].tobytes()
