"""The script that is Polygraphy with our plugins: they are registered first; what is missing is said."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from fake_gpu import new_module
from fake_tensorrt import FakeTensorRt

SCRIPT = Path(__file__).resolve().parents[2] / "export" / "polygraphy_with_plugins.py"


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("polygraphy_with_plugins", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def trt(monkeypatch: pytest.MonkeyPatch) -> FakeTensorRt:
    fake = FakeTensorRt("11.4.0.106")
    monkeypatch.setitem(sys.modules, "tensorrt", fake.module)
    return fake


def test_plugins_are_registered_before_polygraphy_begins(
    script: ModuleType, trt: FakeTensorRt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def polygraphy() -> int:
        trt.calls.append("polygraphy")
        return 7

    monkeypatch.setitem(sys.modules, "polygraphy", new_module("polygraphy"))
    monkeypatch.setitem(sys.modules, "polygraphy.tools", new_module("polygraphy.tools", main=polygraphy))
    (tmp_path / "plugins.so").touch()
    monkeypatch.setenv("SIMPLE_TRT_PLUGINS", str(tmp_path / "plugins.so"))
    assert script.main() == 7
    assert trt.calls == ["load_library plugins.so", "polygraphy"]


def test_what_is_missing_is_said(
    script: ModuleType,
    trt: FakeTensorRt,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SIMPLE_TRT_PLUGINS", str(tmp_path / "plugins.so"))
    assert script.main() == 1
    assert "libsimple_trt_plugins.so is not at" in capsys.readouterr().err
    (tmp_path / "plugins.so").touch()
    monkeypatch.setitem(sys.modules, "polygraphy", None)
    assert script.main() == 1
    assert "pip install polygraphy" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    assert script.main() == 1
    assert "the Python module 'tensorrt'" in capsys.readouterr().err
