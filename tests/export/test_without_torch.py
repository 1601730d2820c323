"""Lowering, precision and calibration need no PyTorch."""

from __future__ import annotations

import subprocess
import sys

from tests.export.conftest import SIZE

PROGRAM = """
import sys
for name in ("torch", "onnxscript", "onnx_ir", "safetensors"):
    sys.modules[name] = None
import numpy, onnx
from simple_trt.export import to_bf16, to_fp16, to_int8, to_plain
from simple_trt.export import calibration
plugin = onnx.load(sys.argv[1])
to_plain(to_fp16(plugin)), to_plain(to_bf16(plugin))
image = numpy.random.default_rng(0).random((3, HEIGHT, WIDTH), numpy.float32)
print(len(to_plain(to_int8(plugin, [image])).graph.node))
"""


def test_every_pass_runs_without_it(plugin_file):
    program = PROGRAM.replace("HEIGHT", str(SIZE[0])).replace("WIDTH", str(SIZE[1]))
    done = subprocess.run(
        [sys.executable, "-c", program, str(plugin_file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 500
