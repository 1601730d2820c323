"""Running an engine: sources of pictures, sessions that find people in them, sinks for what was found."""

from simple_trt.runtime.session import Session
from simple_trt.runtime.sinks import AnnotatedSink, CocoSink, JsonLinesSink, Sink, check_image_ids, image_id_of
from simple_trt.runtime.sources import Frame, PictureSource, open_source

__all__ = [
    "AnnotatedSink",
    "CocoSink",
    "Frame",
    "JsonLinesSink",
    "PictureSource",
    "Session",
    "Sink",
    "check_image_ids",
    "image_id_of",
    "open_source",
]
