"""The engine inspector's report by layer, as a file: which kernels an engine has, in which precision and format."""

from __future__ import annotations

import json
from pathlib import Path

from simple_trt.engines import LoadOptions, open_engine
from simple_trt.engines.plan_engine import PlanEngine
from simple_trt.errors import UsageError
from simple_trt.files import whole_file

__all__ = ["write_layers"]


def write_layers(plan: Path, out: Path, options: LoadOptions | None = None) -> str:
    """Load the engine `plan` on this machine's GPU and write what its library tells of each layer to `out`, as JSON.

    The form is that of `trtexec --exportLayerInfo`: {"Layers": [...], ...}.

    Returns:
        one line on it: how many layers, and that there are only names where the engine was not built to tell more.

    Raises:
        UsageError: the engine is not one of TensorRT or TensorRT-RTX.
        SimpleTrtError: it cannot be loaded here, or `out` cannot be written.
    """
    with open_engine(plan, options) as engine:
        if not isinstance(engine, PlanEngine):
            raise UsageError(
                f"engine '{plan}' is for the target '{engine.manifest.target}', which has no report by layer",
                "it is for engines of TensorRT and TensorRT-RTX; 'simple-trt inspect' without --layers shows the nodes",
            )
        found = engine.layers()
    with whole_file(out) as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    count = len(found["Layers"])
    named = any(isinstance(layer, str) for layer in found["Layers"])
    return f"{count} layers" + (", names only: build with --profiling-verbosity detailed" if named else "")
