"""`simple-trt build`: a model becomes an engine for one kind of machine, and is compared with the model."""

from __future__ import annotations

import argparse
import contextlib
import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from simple_trt.cli.flags import SHAPE_FLAGS, blocks, count, fraction, megabytes, shape_of
from simple_trt.cli.recipe import apply_recipe
from simple_trt.errors import UsageError

if TYPE_CHECKING:
    from simple_trt.export.build import BuildRequest
    from simple_trt.export.search.run import SearchRequest

DESCRIPTION = """Build an engine from MODEL in five stages: export, precision, compile, write, verify.
OUT and OUT.json (its manifest) appear when all five are through; a build that is stopped leaves nothing.
The last stage compares the engine with its model, on the photos of --images or --calib where given.
With --search the precision stage measures AP with each block of the network in int8 and keeps what it has measured in
OUT.search.json: stopped, it goes on from there."""

EPILOG = """examples:
  simple-trt build edge-512 -o edge.engine
  simple-trt build edge-512 --precision int8 --calib photos/ -o edge-int8.engine
  simple-trt build edge-512 --precision int8 --calib photos/ --search --verify val.json --images val/ -o edge.engine
  simple-trt build edge-512 --target tensorrt-rtx --precision fp16 --compute-capability 8.6,8.9 -o edge.rtx
  simple-trt build edge-512 --target tensorrt --precision fp16 --timing-cache gpu.timings -o edge.trt
  simple-trt build edge-512 --recipe export/cpu-int8.toml --verify val.json --images val/ -o edge.engine"""

TARGETS = ("cpu", "tensorrt-rtx", "tensorrt")
PRECISIONS = ("fp32", "fp16", "bf16", "int8")
CALIB_METHODS = ("mse", "entropy", "percentile", "minmax")
SEARCH_LIMIT = 0.005

RECIPE_FLAGS: dict[str, dict[str, Any]] = {
    "--target": {"choices": TARGETS, "help": "what the engine is for (default: cpu)"},
    "--precision": {"choices": PRECISIONS, "help": "arithmetic of the network (default: fp32)"},
    **SHAPE_FLAGS,
    "--calib": {
        "type": Path,
        "metavar": "DIR",
        "help": "photos that set the ranges of int8, where these were not learnt",
    },
    "--calib-method": {
        "choices": CALIB_METHODS,
        "help": "int8: how photos set ranges (default: mse; with --search, the one that loses least AP)",
    },
    "--float-blocks": {
        "type": blocks,
        "metavar": "LIST",
        "help": "int8: modules of the network that stay in floating point, or 'none' (default: the bundled model's)",
    },
    "--search": {
        "action": argparse.BooleanOptionalAction,
        "help": "int8: find the blocks that make the fastest engine within --max-ap-drop on the photos of --verify",
    },
    "--search-photos": {"type": count, "metavar": "N", "help": "photos that each block is measured on (default: 128)"},
    "--search-steps": {"type": count, "metavar": "N", "help": "most sets of blocks that are measured (default: 16)"},
    "--search-times": {
        "choices": ("measured", "predicted"),
        "help": "of blocks: the engine's where it tells, or by multiplications, the same anywhere (default: measured)",
    },
    "--seed": {"type": count, "metavar": "N", "help": "of the drawing of --search-photos (default: 1)"},
    "--runtime": {"choices": ("openvino", "onnxruntime"), "help": "cpu: the library that runs the engine"},
    "--compute-capability": {
        "metavar": "LIST",
        "help": "tensorrt-rtx: GPUs to build for, such as 8.6,8.9 (default: Ampere and newer)",
    },
    "--workspace": {"type": megabytes, "metavar": "MB", "help": "tensorrt: most scratch memory of a layer"},
    "--timing-cache": {"type": Path, "metavar": "FILE", "help": "tensorrt: kernel timings, read and written"},
    "--builder-optimization-level": {
        "type": int,
        "choices": range(6),
        "metavar": "N",
        "help": "tensorrt: 0 builds fastest, 5 looks longest for fast kernels (default: 3)",
    },
    "--version-compatible": {
        "action": argparse.BooleanOptionalAction,
        "help": "tensorrt: the engine also runs on newer versions of TensorRT",
    },
    "--hardware-compatibility-level": {
        "choices": ("none", "ampere+", "same-compute-capability"),
        "help": "tensorrt: GPUs that the engine runs on besides this very model (default: none)",
    },
    "--profiling-verbosity": {
        "choices": ("layer-names-only", "detailed", "none"),
        "help": "tensorrt: what the engine tells of its layers (default: layer-names-only; detailed with --layers)",
    },
    "--layers": {"type": Path, "metavar": "FILE", "help": "tensorrt: write the inspector's report by layer, JSON"},
    "--use-dla-core": {"metavar": "N", "help": "tensorrt: refused, the message says why"},
    "--verify": {"type": Path, "metavar": "COCO.json", "help": "measure AP of model and engine on these annotations"},
    "--images": {"type": Path, "metavar": "DIR", "help": "the photos of --verify; without it, photos to compare on"},
    "--max-ap-drop": {
        "type": fraction,
        "metavar": "X",
        "help": "most AP (0..1) that may be lost, else exit code 3 (with --search 0.005)",
    },
    "--min-matched": {
        "type": fraction,
        "metavar": "X",
        "help": "smallest share (0..1) of the model's people that must be found, else exit code 3",
    },
}
"""The flags that a recipe may set. None is a default, so that what was not given can be told from what was."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb and its flags."""
    parser = subparsers.add_parser(
        "build",
        help="make an engine from a model",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", nargs="?", metavar="MODEL", help="what to build from; a recipe may name it")
    for name, options in RECIPE_FLAGS.items():
        parser.add_argument(name, **options)
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT", help="the engine file to write")
    parser.add_argument("--recipe", type=Path, metavar="FILE", help="TOML file with defaults for the flags above")
    parser.add_argument("--force", action="store_true", help="replace OUT when it exists")
    parser.add_argument("--keep-failing", action="store_true", help="put OUT in place even when it misses a limit")
    parser.add_argument("--json", action="store_true", help="print the manifest on standard output")


def run(args: argparse.Namespace) -> int:
    """Build. Raises UsageError, SimpleTrtError, AccuracyError."""
    asked_drop = args.max_ap_drop
    if args.recipe is not None:
        apply_recipe(args.recipe, args, RECIPE_FLAGS)
    if args.verify is None:
        args.max_ap_drop = asked_drop  # a recipe's limit holds where AP is measured
    if args.search and args.verify is not None and args.max_ap_drop is None:
        args.max_ap_drop = SEARCH_LIMIT
    args.target, args.precision = args.target or TARGETS[0], args.precision or PRECISIONS[0]
    if args.model is None:
        raise UsageError("no MODEL is given", "name it on the command line or in the recipe")
    if args.use_dla_core is not None:
        _refuse_dla()
    from simple_trt.export.build import build
    from simple_trt.runtime import Session

    request = _request(args)
    with contextlib.redirect_stdout(sys.stderr):  # exporters print there; standard output is for the result
        manifest = build(request, lambda engine: Session(engine).predict)
    print(json.dumps(manifest.to_json(), indent=2) if args.json else args.out)
    return 0


def _refuse_dla() -> NoReturn:
    raise UsageError(
        "engines for a DLA (deep learning accelerator) are not built: it does not run what this network ends in "
        "(pooling over whole rows and columns, TopK, sampling), so that the engine would be cut into many pieces, each "
        "copied to the GPU and back; TensorRT 10.8 to 11.4.0 has no DLA on a Jetson at all",
        "leave --use-dla-core out: the engine runs on the Jetson's GPU",
    )


def _request(args: argparse.Namespace) -> BuildRequest:
    from simple_trt.engines.builder import CompileOptions
    from simple_trt.export.build import BuildRequest
    from simple_trt.export.verify import Check

    capabilities = tuple(filter(None, (args.compute_capability or "").split(",")))
    return BuildRequest(
        model=args.model,
        out=args.out,
        target=args.target,
        precision=args.precision,
        shape=shape_of(args),
        calib=args.calib,
        calib_method=args.calib_method,
        search=_search(args),
        float_blocks=args.float_blocks,
        options=CompileOptions(
            runtime=args.runtime,
            compute_capabilities=capabilities,
            workspace=args.workspace,
            timing_cache=args.timing_cache,
            builder_optimization_level=args.builder_optimization_level,
            version_compatible=bool(args.version_compatible),
            hardware_compatibility_level=args.hardware_compatibility_level or "none",
            profiling_verbosity=args.profiling_verbosity or ("detailed" if args.layers else "layer-names-only"),
        ),
        layers=args.layers,
        check=Check(args.images, args.verify, args.max_ap_drop, args.min_matched),
        keep_failing=args.keep_failing,
        force=args.force,
        command=build_command(args),
    )


def _search(args: argparse.Namespace) -> SearchRequest | None:
    """What the flags ask the search for."""
    from simple_trt.export.search.record import record_path
    from simple_trt.export.search.run import SearchRequest

    asked = {"photos": args.search_photos, "steps": args.search_steps, "seed": args.seed}
    if not args.search:
        flags = ("--search-photos", "--search-steps", "--search-times", "--seed")
        given = [flag for flag in flags if getattr(args, flag[2:].replace("-", "_")) is not None]
        if given:
            raise UsageError(f"{given[0]} is for a search", "give --search, or leave it out")
        return None
    if args.verify is None or args.images is None:
        raise UsageError("--search has nothing to be measured on", "give --verify COCO.json --images DIR")
    return SearchRequest(
        args.verify,
        args.images,
        record_path(args.out),
        args.max_ap_drop,
        predicted=args.search_times == "predicted",
        force=args.force,
        **{name: value for name, value in asked.items() if value is not None},
    )


def build_command(args: argparse.Namespace) -> str:
    """The command line that builds this engine again, without the recipe."""
    words = ["simple-trt", "build", args.model]
    for flag in RECIPE_FLAGS:
        value = getattr(args, flag.strip("-").replace("-", "_"))
        if isinstance(value, bool):
            words += [flag] if value else []
        elif value is not None:
            words += [flag, _as_typed(flag, value)]
    return shlex.join([*words, "-o", str(args.out)])


def _as_typed(flag: str, value: Any) -> str:
    if flag == "--float-blocks":
        return ",".join(value) or "none"
    if flag == "--size":
        return "x".join(map(str, value))
    return str(value >> 20 if flag == "--workspace" else value)
