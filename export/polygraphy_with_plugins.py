"""Polygraphy, with our plugins in TensorRT's registry.

    export SIMPLE_TRT_PLUGINS=/path/to/libsimple_trt_plugins.so
    python export/polygraphy_with_plugins.py run edge-plugin.onnx --trt --strongly-typed

Polygraphy's own --plugins opens a library and leaves it to the library to register what it has. Ours is of the newer
kind, which TensorRT's registry asks for its creators; without this script Polygraphy does not find them.
"""

from __future__ import annotations

import sys

from simple_trt.engines.builder import message_log
from simple_trt.engines.plan_engine import import_library
from simple_trt.engines.tensorrt import MODULE, PACKAGE, load_plugins
from simple_trt.errors import SimpleTrtError


def main() -> int:
    """Register the plugins, then hand the command line to Polygraphy."""
    try:
        trt = import_library(MODULE, PACKAGE)
        load_plugins(trt, message_log(trt))
        import_library("polygraphy", "pip install polygraphy")
    except SimpleTrtError as error:
        print(f"{error.cause}\n  cure: {error.cure}", file=sys.stderr)
        return error.exit_code
    from polygraphy.tools import main as polygraphy

    return int(polygraphy() or 0)


if __name__ == "__main__":
    sys.exit(main())
