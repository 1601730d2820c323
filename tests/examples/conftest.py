"""What the tests of the examples share: the compiled program, a real engine, a real photo."""

from __future__ import annotations

from pathlib import Path

import pytest

from simple_trt.cli import main
from simple_trt.engines.manifest import manifest_path
from tests.examples import program as programs
from tests.tiny_graph import save_tiny


@pytest.fixture(scope="session")
def program() -> Path:
    """The C++ program that runs engines for the CPU."""
    return programs.cpu_program()


@pytest.fixture(scope="session")
def bundled_engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model, built for this machine."""
    engine = tmp_path_factory.mktemp("bundled") / "edge.engine"
    assert main(["build", "edge-512", "--target", "cpu", "-o", str(engine)]) == 0
    return engine


@pytest.fixture(scope="session")
def portrait() -> Path:
    """A photo in the public domain that matplotlib ships: Grace Hopper, by the US Navy."""
    cbook = pytest.importorskip("matplotlib.cbook")
    return Path(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))


@pytest.fixture(scope="session")
def tiny_engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An engine that takes no time; copy it before you change it."""
    folder = tmp_path_factory.mktemp("tiny")
    assert main(["build", str(save_tiny(folder / "tiny.onnx")), "-o", str(folder / "tiny.engine")]) == 0
    return folder / "tiny.engine"


@pytest.fixture
def engine(tiny_engine: Path, tmp_path: Path) -> Path:
    """A copy of the tiny engine."""
    copy = tmp_path / "copy.engine"
    copy.write_bytes(tiny_engine.read_bytes())
    manifest_path(copy).write_bytes(manifest_path(tiny_engine).read_bytes())
    return copy
