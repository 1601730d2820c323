"""What all tests share: the development photos, and the rule that a GPU test needs a GPU."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# The test processes share the cores; OpenMP threads that spin for each other make tiny tensors a hundred times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of annotated photos: $SIMPLE_TRT_DATA, by default ../shared/data beside the checkout."""
    path = Path(os.environ.get("SIMPLE_TRT_DATA", ROOT.parent / "shared" / "data")).resolve()
    if not path.is_dir():
        pytest.skip(f"no annotated photos at {path} (set SIMPLE_TRT_DATA)")
    return path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked gpu where torch sees no GPU."""
    if not any(item.get_closest_marker("gpu") for item in items):
        return
    import torch

    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs an NVIDIA GPU"))
