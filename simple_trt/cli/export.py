"""`simple-trt export`: a model becomes an ONNX file, or a model repository for Triton; decode included."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
from pathlib import Path

from simple_trt.cli.flags import SHAPE_FLAGS, shape_of
from simple_trt.engines.manifest import Manifest, manifest_path, verified_manifest
from simple_trt.errors import UsageError

DESCRIPTION = """Write the whole model, picture in, people out, as one ONNX file with static shapes.
A checkpoint needs PyTorch; a bundled model or an ONNX file does not, when its size, batch and lowering are kept.
With --triton, MODEL may also be an engine: it is put into the repository as it is."""
PRECISIONS = ("fp32", "fp16", "bf16", "int8")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb and its flags."""
    parser = subparsers.add_parser(
        "export", help="write a model as an ONNX file, or for Triton", description=DESCRIPTION
    )
    parser.add_argument("model", metavar="MODEL", help="bundled model's name, .safetensors checkpoint or .onnx file")
    for name, options in SHAPE_FLAGS.items():
        parser.add_argument(name, **options)
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="arithmetic inside the graph")
    parser.add_argument(
        "--calib", type=Path, metavar="DIR", help="photos that set the ranges of int8, where not learnt"
    )
    out = parser.add_mutually_exclusive_group(required=True)
    out.add_argument("-o", "--out", type=Path, metavar="OUT.onnx", help="the file to write")
    out.add_argument("--triton", type=Path, metavar="DIR", help="model repository of Triton Inference Server")
    parser.add_argument("--force", action="store_true", help="replace what stands there")


def run(args: argparse.Namespace) -> int:
    """Export. Raises UsageError, SimpleTrtError."""
    if args.triton is not None:
        print(_to_triton(args))
        return 0
    if args.out.suffix != ".onnx":
        raise UsageError(f"'{args.out}' does not end in .onnx", "call it so: every tool knows the format by it")
    _to_onnx(args, args.out)
    print(args.out)
    return 0


def _to_onnx(args: argparse.Namespace, out: Path) -> None:
    from simple_trt.export.build_folder import build_folder
    from simple_trt.export.build_int8 import Quantising
    from simple_trt.export.build_precision import check_calibration, with_precision
    from simple_trt.export.build_progress import Stages
    from simple_trt.export.build_source import find_model, source_graph

    check_calibration(args.calib)
    stages = Stages(2)
    model = find_model(args.model)
    with build_folder(out, args.force, with_manifest=False) as folder, contextlib.redirect_stdout(sys.stderr):
        with stages.stage("export") as stage:
            graph = source_graph(model, shape_of(args), folder.path)
            stage.say(model.name)
        quantising = Quantising(args.calib, floating=model.float_blocks)
        with stages.stage("precision") as stage:
            graph = with_precision(graph, "onnx", args.precision, quantising, folder.path, stage).graph
        shutil.copyfile(graph, folder.plan)
        folder.publish()


def _to_triton(args: argparse.Namespace) -> Path:
    """An engine as it is, a model by way of its ONNX graph."""
    from simple_trt.engines.onnx_metadata import graph_manifest
    from simple_trt.export.triton import write_repository

    if manifest_path(args.model).exists():
        manifest = verified_manifest(args.model)
        print(_server_note(manifest), file=sys.stderr)
        return write_repository(args.triton, Path(args.model), manifest, args.force)
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "model.onnx"
        _to_onnx(args, graph)
        return write_repository(args.triton, graph, graph_manifest(graph), args.force)


def _server_note(manifest: Manifest) -> str:
    """What the server must have for this engine."""
    runtime = manifest.runtime
    note = f"the server needs {runtime} {manifest.versions.get(runtime, '')}, which built it".replace(" ,", ",")
    if manifest.lowering == "plugin":
        note += ', and our plugins: tritonserver --backend-config=tensorrt,plugins="/path/to/libsimple_trt_plugins.so"'
    return note if manifest.target != "cpu" else f"the server needs its backend for {runtime}"
