"""`simple-trt export`: a model becomes an ONNX file, decode included."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
from pathlib import Path

from simple_trt.cli.flags import SHAPE_FLAGS, shape_of
from simple_trt.errors import UsageError

DESCRIPTION = """Write the whole model, picture in, people out, as one ONNX file with static shapes.
A checkpoint needs PyTorch; a bundled model or an ONNX file does not, when its size, batch and lowering are kept."""
PRECISIONS = ("fp32", "fp16", "bf16", "int8")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb and its flags."""
    parser = subparsers.add_parser("export", help="write a model as an ONNX file", description=DESCRIPTION)
    parser.add_argument("model", metavar="MODEL", help="bundled model's name, .safetensors checkpoint or .onnx file")
    for name, options in SHAPE_FLAGS.items():
        parser.add_argument(name, **options)
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="arithmetic inside the graph")
    parser.add_argument("--calib", type=Path, metavar="DIR", help="photos that set the ranges of int8")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.onnx", help="the file to write")
    parser.add_argument("--force", action="store_true", help="replace OUT when it exists")


def run(args: argparse.Namespace) -> int:
    """Export. Raises UsageError, SimpleTrtError."""
    from simple_trt.export.build_folder import build_folder
    from simple_trt.export.build_int8 import Quantising
    from simple_trt.export.build_precision import check_calibration, with_precision
    from simple_trt.export.build_progress import Stages
    from simple_trt.export.build_source import find_model, source_graph

    if args.out.suffix != ".onnx":
        raise UsageError(f"'{args.out}' does not end in .onnx", "call it so: every tool knows the format by it")
    check_calibration(args.calib)
    stages = Stages(2)
    model = find_model(args.model)
    with build_folder(args.out, args.force, with_manifest=False) as folder, contextlib.redirect_stdout(sys.stderr):
        with stages.stage("export") as stage:
            graph = source_graph(model, shape_of(args), folder.path)
            stage.say(model.name)
        with stages.stage("precision") as stage:
            graph = with_precision(graph, "onnx", args.precision, Quantising(args.calib), folder.path, stage).graph
        shutil.copyfile(graph, folder.plan)
        folder.publish()
    print(args.out)
    return 0
