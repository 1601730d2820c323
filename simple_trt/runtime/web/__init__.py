"""A page for a browser: the annotated stream, the numbers, their chart; plain HTTP, nothing to build or to fetch."""

from simple_trt.runtime.web.access import Access
from simple_trt.runtime.web.sink import WebSink

__all__ = ["Access", "WebSink"]
