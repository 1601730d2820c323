"""`simple-trt export --triton`: models and engines into a repository."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from simple_trt.engines.manifest import manifest_path, read_manifest, write_manifest

Run = Callable[..., tuple[int, str, str]]


def test_model(run_cli: Run, model: Path, tmp_path: Path) -> None:
    code, out, _ = run_cli("export", model, "--triton", tmp_path / "models")
    assert (code, out) == (0, f"{tmp_path / 'models' / 'tiny'}\n")
    config = (tmp_path / "models" / "tiny" / "config.pbtxt").read_text()
    assert 'backend: "onnxruntime"' in config
    assert (tmp_path / "models" / "tiny" / "1" / "model.onnx").is_file()


def test_engine(run_cli: Run, model: Path, tmp_path: Path) -> None:
    engine = tmp_path / "tiny.engine"
    run_cli("build", model, "-o", engine)
    code, _, err = run_cli("export", engine, "--triton", tmp_path / "models")
    assert code == 0
    assert "the server needs its backend for openvino" in err
    served = tmp_path / "models" / "tiny" / "1" / "model.onnx"
    assert served.read_bytes() == engine.read_bytes()
    assert 'backend: "openvino"' in (tmp_path / "models" / "tiny" / "config.pbtxt").read_text()
    assert run_cli("export", engine, "--triton", tmp_path / "models")[0] == 2
    assert run_cli("export", engine, "--triton", tmp_path / "models", "--force")[0] == 0


def test_plugin_engine_names_what_the_server_needs(run_cli: Run, model: Path, tmp_path: Path) -> None:
    engine = tmp_path / "tiny.engine"
    run_cli("build", model, "-o", engine)
    path = manifest_path(engine)
    changes = {"target": "tensorrt", "runtime": "tensorrt", "lowering": "plugin", "versions": {"tensorrt": "10.3.0"}}
    write_manifest(path, replace(read_manifest(path), **changes))
    code, _, err = run_cli("export", engine, "--triton", tmp_path / "models")
    assert code == 0
    assert "the server needs tensorrt 10.3.0, which built it, and our plugins" in err
    assert (tmp_path / "models" / "tiny" / "1" / "model.plan").is_file()


def test_engine_that_was_changed_is_refused(run_cli: Run, model: Path, tmp_path: Path) -> None:
    engine = tmp_path / "tiny.engine"
    run_cli("build", model, "-o", engine)
    engine.write_bytes(engine.read_bytes() + b" ")
    code, _, err = run_cli("export", engine, "--triton", tmp_path / "models")
    assert code == 1
    assert "plan.bytes" in err
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("words", [[], ["-o", "a.onnx", "--triton", "models"]])
def test_one_place_to_write_to(run_cli: Run, model: Path, words: list[str]) -> None:
    assert run_cli("export", model, *words)[0] == 2
