"""A real RTSP server (GStreamer's) in a process of its own, which can be killed and started again on its port."""

from __future__ import annotations

import signal
import subprocess
from functools import cache
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("rtsp_program.py")
SYSTEM_PYTHON = "/usr/bin/python3"  # GStreamer's bindings are made for it alone
MISSING = "no RTSP server (Debian: apt-get install gir1.2-gst-rtsp-server-1.0 python3-gi)"
CHECK = """
import gi
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
needed = ("videotestsrc", "openh264enc", "h264parse", "rtph264pay")
missing = [name for name in needed if not Gst.ElementFactory.find(name)]
raise SystemExit(f"GStreamer lacks {missing}" if missing else 0)
"""


class RtspServer:
    """`url` stays the same from `start` to `start`; skips the test where no server is installed."""

    def __init__(self, size: str = "160x120") -> None:
        if reason := _why_not():
            pytest.skip(f"{MISSING}: {reason}")
        self.port = "0"
        self.start(size)

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/live"

    def start(self, size: str = "160x120") -> None:
        words = [SYSTEM_PYTHON, str(PROGRAM), self.port, size]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = self.process.stdout.readline().strip()
        assert self.port, "the server did not start"

    def freeze(self) -> None:
        """It holds its connections, and says nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """As if its power were cut."""
        self.process.kill()
        self.process.communicate()


@cache
def _why_not() -> str:
    if not Path(SYSTEM_PYTHON).exists():
        return f"no {SYSTEM_PYTHON}"
    done = subprocess.run([SYSTEM_PYTHON, "-c", CHECK], capture_output=True, text=True, check=False)
    return done.stderr.strip().splitlines()[-1] if done.returncode else ""
