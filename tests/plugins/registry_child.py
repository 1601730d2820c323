"""Loads a plugin library into the registry of TensorRT-RTX and parses a graph: ``CHILD LIBRARY [GRAPH]``.

In a process of its own, because the parser of TensorRT-RTX ends the process after it has created a V3 plugin.
"""

from __future__ import annotations

import sys

import tensorrt_rtx as trt


class Log(trt.ILogger):
    """Prints everything."""

    def __init__(self) -> None:
        trt.ILogger.__init__(self)

    def log(self, severity: trt.ILogger.Severity, message: str) -> None:
        print(severity.name, message, flush=True)


def main() -> None:
    library, *graph = sys.argv[1:]
    log = Log()
    builder = trt.Builder(log)
    registry = trt.get_plugin_registry()
    assert registry.load_library(library) is not None
    for creator in registry.all_creators:
        if creator.plugin_namespace == "simple_trt":
            fields = [f"{field.name}:{field.type.name}" for field in creator.field_names]
            print("creator", creator.name, creator.plugin_version, *fields, flush=True)
    if graph:
        network = builder.create_network(0)
        print("parsed", trt.OnnxParser(network, log).parse_from_file(graph[0]), flush=True)


main()
