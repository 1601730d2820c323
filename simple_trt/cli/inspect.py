"""`simple-trt inspect`: what an engine or a model is, without running it."""

from __future__ import annotations

import argparse
import json
import struct
import sys
from pathlib import Path
from typing import Any

from simple_trt import zoo
from simple_trt.engines.manifest import Manifest, manifest_path, verified_manifest
from simple_trt.engines.onnx_metadata import read_metadata
from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.files import sha256_of

DESCRIPTION = (
    """Show what an engine or a model is. Hashes are checked: an engine that was changed ends in exit code 1."""
)
MAX_HEADER = 100 << 20
SHOWN_OPERATORS = 8


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb and its flags."""
    parser = subparsers.add_parser("inspect", help="show what an engine or a model is", description=DESCRIPTION)
    parser.add_argument(
        "source", metavar="ENGINE|MODEL", help="an engine, a checkpoint, an ONNX file or a bundled model"
    )
    parser.add_argument("--json", action="store_true", help="print everything that is known, as JSON")
    parser.add_argument(
        "--layers",
        type=Path,
        metavar="FILE",
        help="load the engine on this machine's GPU and write what TensorRT tells of each layer, as JSON",
    )


def run(args: argparse.Namespace) -> int:
    """Print the facts. Raises SimpleTrtError when the file is damaged, changed or nothing of ours."""
    facts = describe(args.source)
    if args.layers is not None:
        _write_layers(facts, args.layers)
    if args.json:
        print(json.dumps(facts, indent=2))
        return 0
    lines = _lines(facts)
    width = max(len(name) for name, _ in lines) + 2
    for name, value in lines:
        print(f"{name:<{width}}{value}")
    return 0


def _write_layers(facts: dict[str, Any], out: Path) -> None:
    from simple_trt.engines.layers import write_layers

    if facts["kind"] != "engine":
        raise UsageError(f"--layers is for engines, and '{facts.get('file')}' is none", "build one: simple-trt build")
    plan = Path(facts["file"])
    if out.resolve() in (plan.resolve(), manifest_path(plan).resolve()):
        raise UsageError(f"--layers '{out}' would be written over the engine", "choose another name")
    print(f"{write_layers(plan, out)}, in '{out}'", file=sys.stderr)


def describe(source: str) -> dict[str, Any]:
    """Everything that is known of an engine or a model; the key `kind` says which it is."""
    path = Path(source)
    if manifest_path(path).exists():
        return _engine(path)
    if not path.exists() and source in zoo.names():
        entry = zoo.find(source)
        return {**_graph(entry.onnx), "kind": "bundled model", "name": entry.name, "card": entry.card}
    if not path.is_file():
        raise SimpleTrtError(
            f"no engine or model '{source}'", "check the path; 'simple-trt models' lists the bundled models"
        )
    if path.suffix == ".onnx":
        return _graph(path)
    if path.suffix == ".safetensors":
        return _checkpoint(path)
    return _engine(path)


def _engine(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise SimpleTrtError(
            f"there is a manifest '{manifest_path(path)}', but no plan '{path}'", "copy the plan beside it"
        )
    manifest: Manifest = verified_manifest(path)
    return {"kind": "engine", "file": str(path), "hashes": "fit", **manifest.to_json()}


def _graph(path: Path) -> dict[str, Any]:
    from simple_trt.export.build_graph import read_graph

    metadata = read_metadata(path)
    facts = read_graph(path)
    return {
        "kind": "ONNX graph",
        "file": str(path),
        "sha256": sha256_of(path),
        "bytes": path.stat().st_size,
        **metadata,
        "inputs": facts.inputs,
        "outputs": facts.outputs,
        "layers": facts.layers,
        "parameters": facts.parameters,
    }


def _checkpoint(path: Path) -> dict[str, Any]:
    """From the header of the safetensors file: 8 bytes of length, little endian, then JSON. No tensor is read."""
    header = _safetensors_header(path)
    metadata = header.pop("__metadata__", {})
    try:
        own = json.loads(metadata["simple_trt"])
        parameters = sum(_count(tensor["shape"]) for tensor in header.values())
        facts = {"kind": "checkpoint", "file": str(path), "sha256": sha256_of(path), "bytes": path.stat().st_size}
        return {**facts, **own, "parameters": parameters, "tensors": len(header)}
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise SimpleTrtError(f"'{path}' is no simple-trt checkpoint", "its metadata are missing or damaged") from error


def _safetensors_header(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(MAX_HEADER, path.stat().st_size - 8):
                raise ValueError("its header is longer than the file")
            header = json.loads(file.read(length))
    except (struct.error, ValueError, RecursionError) as error:
        raise SimpleTrtError(
            f"'{path}' is cut short or no safetensors file ({error})", "fetch or copy it again"
        ) from error
    if not isinstance(header, dict):
        raise SimpleTrtError(f"'{path}' is no safetensors file", "fetch or copy it again")
    return header


def _count(shape: list[int]) -> int:
    count = 1
    for side in shape:
        count *= int(side)
    return count


def _lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """The facts that a person wants first."""
    lines = [("kind", facts["kind"]), ("file", facts.get("file", "-")), ("name", facts.get("name", "-"))]
    for name in ("hashes", "target", "runtime", "preset", "skeleton", "precision", "lowering", "batch", "licence"):
        if facts.get(name) is not None:
            lines.append((name, str(facts[name])))
    lines.append(("size", "x".join(map(str, facts.get("size", [])))))
    lines.append(("bytes", f"{facts['plan']['bytes'] if 'plan' in facts else facts['bytes']:,}"))
    if "parameters" in facts:
        lines.append(("parameters", f"{facts['parameters']:,}"))
    if facts.get("layers"):
        lines.append(("nodes", _layers_text(facts["layers"])))
    lines += [
        (f"{way[:-1]} {name}", text) for way in ("inputs", "outputs") for name, text in facts.get(way, {}).items()
    ]
    lines += _engine_lines(facts) if facts["kind"] == "engine" else [("sha256", facts["sha256"])]
    return lines


def _engine_lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    calibration = facts["calibration"]
    photos = f"{calibration['count']} photos, sha256 {calibration['sha256']}" if calibration else "none"
    if calibration and "method" in calibration:
        photos = f"{calibration['method']} of {photos}"
    lines = [
        ("plan sha256", facts["plan"]["sha256"]),
        ("onnx sha256", facts["onnx"]["sha256"]),
        ("weights", facts["checkpoint"]["sha256"] if facts["checkpoint"] else "unknown"),
        ("calibration", photos),
        ("built with", ", ".join(f"{name} {version}" for name, version in facts["versions"].items())),
        ("built for", ", ".join(f"{name} {value}" for name, value in facts["device"].items()) or "any"),
        ("accuracy", json.dumps(facts["accuracy"].get("differences"))),
    ]
    if facts["assignment"]:
        lines.append(("blocks", _blocks_text(facts["assignment"]["blocks"])))
    if facts["accuracy"].get("ap"):
        lines.append(("AP", json.dumps(facts["accuracy"]["ap"])))
    return [*lines, ("rebuild", facts["build_command"])]


def _blocks_text(blocks: dict[str, str]) -> str:
    """`19 int8, 4 fp32 (simple.heads, ...)`."""
    kept = {name: kind for name, kind in blocks.items() if kind != "int8"}
    rest = "".join(f", {sum(k == kind for k in kept.values())} {kind}" for kind in sorted(set(kept.values())))
    return f"{len(blocks) - len(kept)} int8{rest}" + (f" ({', '.join(kept)})" if kept else "")


def _layers_text(layers: dict[str, dict[str, int]]) -> str:
    """`857: Conv 250 (int8 240, fp32 10), Add 120 (fp32), ...`, the most frequent operators first."""
    totals = sorted(layers.items(), key=lambda item: -sum(item[1].values()))
    shown = ", ".join(f"{name} {sum(kinds.values())} ({_kinds(kinds)})" for name, kinds in totals[:SHOWN_OPERATORS])
    rest = ", ..." if len(totals) > SHOWN_OPERATORS else ""
    return f"{sum(sum(kinds.values()) for kinds in layers.values())}: {shown}{rest}"


def _kinds(kinds: dict[str, int]) -> str:
    return next(iter(kinds)) if len(kinds) == 1 else ", ".join(f"{name} {count}" for name, count in kinds.items())
