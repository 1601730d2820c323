"""The manifest: what is written is read; damage is refused with the field's name and the command that rebuilds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simple_trt.engines import open_engine
from simple_trt.engines.fields import OPTIONAL
from simple_trt.engines.manifest import (
    MAX_BYTES,
    Manifest,
    manifest_path,
    read_manifest,
    verified_manifest,
    write_manifest,
)
from simple_trt.errors import SimpleTrtError

COMMAND = "simple-trt build tiny.onnx --target cpu -o tiny.plan"
Edit = Callable[[Callable[[dict[str, Any]], Any]], Path]


def refused(plan: Path) -> SimpleTrtError:
    with pytest.raises(SimpleTrtError) as caught:
        open_engine(plan)
    return caught.value


def test_round_trip(plan: Path) -> None:
    manifest = read_manifest(manifest_path(plan))
    assert manifest.size == (64, 64)
    assert manifest.preprocessing.mean == (0.485, 0.456, 0.406)
    assert manifest.rebuild_command == COMMAND
    write_manifest(manifest_path(plan), manifest)
    assert read_manifest(manifest_path(plan)) == manifest


def test_both_files_may_be_renamed_together(plan: Path) -> None:
    moved = plan.with_name("other.bin")
    plan.rename(moved)
    manifest_path(plan).rename(manifest_path(moved))
    assert verified_manifest(moved).name == "tiny"


def test_changed_plan_is_refused_before_it_is_loaded(plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray(plan.read_bytes())
    data[len(data) // 2] ^= 1
    plan.write_bytes(data)
    monkeypatch.setattr("simple_trt.engines.backend_of", lambda target: pytest.fail("a framework saw the plan"))
    error = refused(plan)
    assert "plan.sha256" in error.cause
    assert COMMAND in error.cure


def test_cut_plan_is_refused(plan: Path) -> None:
    plan.write_bytes(plan.read_bytes()[:-1])
    error = refused(plan)
    assert "plan.bytes" in error.cause
    assert COMMAND in error.cure


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", 3),
        ("target", "abacus"),
        ("runtime", None),
        ("precision", "fp8"),
        ("lowering", ["plain"]),
        ("batch", 0),
        ("batch", True),
        ("batch", 10**9),
        ("size", [64]),
        ("size", [64, -64]),
        ("size", "64x64"),
        ("skeleton", "\x1b[2J"),
        ("plan", {"file": "tiny.plan", "sha256": "0" * 64}),
        ("plan", {"file": "../tiny.plan", "sha256": "0" * 64, "bytes": 1}),
        ("plan", {"file": "/etc/passwd", "sha256": "0" * 64, "bytes": 1}),
        ("plan", {"file": "..", "sha256": "0" * 64, "bytes": 1}),
        ("plan", {"file": "tiny.plan", "sha256": "xyz", "bytes": 1}),
        ("onnx", None),
        ("checkpoint", {"sha256": 4}),
        ("calibration", {"sha256": "0" * 64, "count": -1}),
        ("calibration", {"sha256": "0" * 64, "count": 1, "method": 3}),
        ("assignment", {"blocks": {"stem": "int4"}, "max_ap_drop": 0.1, "seed": 1, "report": "a.json"}),
        ("assignment", {"blocks": {"stem": "int8"}, "max_ap_drop": 0.1, "seed": 1, "report": "../a.json"}),
        ("assignment", {"blocks": {"stem": "int4"}}),
        ("assignment", {"blocks": {}, "seed": 1}),
        ("assignment", {"max_ap_drop": 0.1}),
        ("versions", {"openvino": 2026}),
        ("device", []),
        ("layers", {"Conv": 3}),
        ("preprocessing", {"mean": [0, 0, 0], "std": [0, 0, 0], "color": "RGB", "letterbox": "top-left"}),
        ("preprocessing", {"mean": [0, 0, 1e999], "std": [1, 1, 1], "color": "RGB", "letterbox": "top-left"}),
        ("preprocessing", {"mean": [0, 0, 0], "std": [1, 1, 1], "color": "BGR", "letterbox": "top-left"}),
        ("accuracy", "good"),
        ("build_command", "x" * 5000),
    ],
)
def test_wrong_field_is_named(edit_manifest: Edit, field: str, value: Any) -> None:
    error = refused(edit_manifest(lambda values: values.update({field: value})))
    assert f"'{field}'" in error.cause
    assert "simple-trt build" in error.cure


@pytest.mark.parametrize("field", sorted(set(Manifest.__dataclass_fields__) - set(OPTIONAL)))
def test_missing_field_is_named(edit_manifest: Edit, field: str) -> None:
    assert f"'{field}' is missing" in refused(edit_manifest(lambda values: values.pop(field))).cause


def test_manifests_from_before_the_search_are_read(plan: Path) -> None:
    path = manifest_path(plan)
    values = json.loads(path.read_text())
    del values["assignment"], values["manifest_sha256"]
    values["calibration"] = {"sha256": "0" * 64, "count": 3}
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    path.write_text(json.dumps(values | {"manifest_sha256": hashlib.sha256(text.encode()).hexdigest()}))
    assert verified_manifest(plan).assignment is None


def test_well_formed_change_breaks_the_seal(edit_manifest: Edit) -> None:
    error = refused(edit_manifest(lambda values: values["preprocessing"].update(mean=[0.0, 0.0, 0.0])))
    assert "changed after the build" in error.cause
    assert COMMAND in error.cure


def test_other_format_version(edit_manifest: Edit) -> None:
    error = refused(edit_manifest(lambda values: values.update(format=2)))
    assert "'format'" in error.cause
    assert COMMAND in error.cure


def test_missing_manifest(plan: Path) -> None:
    manifest_path(plan).unlink()
    error = refused(plan)
    assert str(manifest_path(plan)) in error.cause
    assert "simple-trt build" in error.cure


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", '{"format":', "[" * 100_000, "\xff", '{"a":' * 100_000])
def test_malformed_json(plan: Path, text: str) -> None:
    manifest_path(plan).write_bytes(text.encode("latin-1"))
    assert str(manifest_path(plan)) in refused(plan).cause


def test_oversized_manifest_is_not_read(plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with manifest_path(plan).open("r+b") as file:
        file.truncate(MAX_BYTES + 1)
    monkeypatch.setattr(Path, "read_bytes", lambda self: pytest.fail("an oversized manifest was read"))
    assert "larger than" in refused(plan).cause


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf /",
        "simple-trt build x; rm -rf /",
        "simple-trt build $(reboot)",
        "simple-trt build \x1b[31mx",
        "simple-trt 'build",
    ],
)
def test_recorded_command_cannot_smuggle_another(edit_manifest: Edit, command: str) -> None:
    cure = refused(edit_manifest(lambda values: values.update(build_command=command))).cure
    printed = cure.partition("rebuild it: ")[2]
    assert printed.startswith("simple-trt build ")
    assert "\x1b" not in printed
    assert not any(f" {mark}" in printed for mark in (";", "$(", "rm")) or "'" in printed


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["format", "plan", "size", "a"]), inner),
        max_leaves=20,
    )
)
def test_any_json_is_refused_without_a_traceback(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(value))
    with pytest.raises(SimpleTrtError):
        read_manifest(path)
