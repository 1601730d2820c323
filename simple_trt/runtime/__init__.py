"""Running an engine: sources of frames, sessions that find people in them, sinks for what was found.

`Pipeline` holds them together: capture -> infer -> write. Windows, videos and the web page are imported when used.
"""

from simple_trt.runtime.addresses import open_sources
from simple_trt.runtime.finding import Finder, Follower, Found, smoothed, tracked
from simple_trt.runtime.frames import Frame, Source
from simple_trt.runtime.histogram import Histogram
from simple_trt.runtime.meters import SourceMeter, Totals
from simple_trt.runtime.pipeline import Pipeline
from simple_trt.runtime.session import Session
from simple_trt.runtime.sinks import AnnotatedSink, CocoSink, JsonLinesSink, Sink, check_image_ids, image_id_of
from simple_trt.runtime.sources import PictureSource, open_source
from simple_trt.runtime.text import write_text

__all__ = [
    "AnnotatedSink",
    "CocoSink",
    "Finder",
    "Follower",
    "Found",
    "Frame",
    "Histogram",
    "JsonLinesSink",
    "PictureSource",
    "Pipeline",
    "Session",
    "Sink",
    "Source",
    "SourceMeter",
    "Totals",
    "check_image_ids",
    "image_id_of",
    "open_source",
    "open_sources",
    "smoothed",
    "tracked",
    "write_text",
]
