"""An RTSP server on this machine, H.264 at 20 frames a second: `python3 rtsp_program.py PORT WIDTHxHEIGHT`.

A program of its own, for the Python of the system, which has GStreamer's bindings (Debian: gir1.2-gst-rtsp-server-1.0).
Prints the port when it can be connected to; port 0 is any free one.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")

from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402 - the versions come first

WORDS = (
    "( videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width={width},height={height},framerate=20/1 "
    "! openh264enc gop-size=10 ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
)


def main(port: str, size: str) -> None:
    Gst.init(None)
    width, height = size.split("x")
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(WORDS.format(width=width, height=height))
    factory.set_shared(True)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    server.get_mount_points().add_factory("/live", factory)
    if not server.attach(None):
        sys.exit(f"cannot listen on port {port}")
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main(*sys.argv[1:])
