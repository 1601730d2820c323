"""Which GPU is here, asked of a driver that is a small C file."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from simple_trt.engines import gpu
from simple_trt.errors import SimpleTrtError, UsageError

DRIVER = r"""
#include <stddef.h>
#include <string.h>
int cuInit(unsigned flags) { return %(init)d; }
int cuDriverGetVersion(int* version) { *version = 12060; return 0; }
int cuDeviceGetCount(int* count) { *count = 2; return 0; }
int cuDeviceGet(int* device, int index) { *device = 10 + index; return 0; }
int cuDeviceGetName(char* name, int size, int device) {
  strncpy(name, device == 10 ? "Orin" : "NVIDIA RTX", size);
  return 0;
}
int cuDeviceTotalMem_v2(size_t* bytes, int device) { *bytes = (size_t)6 << 30; return 0; }
int cuDeviceGetAttribute(int* value, int which, int device) {
  *value = which == 75 ? 8 : device == 10 ? 7 : 9;
  return 0;
}
"""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A driver with two GPUs; parametrised with what cuInit answers."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    source = tmp_path / "driver.c"
    source.write_text(DRIVER % {"init": getattr(request, "param", 0)})
    library = tmp_path / "libcuda_fake.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    monkeypatch.setattr(gpu, "DRIVER_LIBRARIES", (str(library),))


@pytest.mark.usefixtures("driver")
def test_gpus_of_a_driver() -> None:
    assert gpu.find_gpus() == [gpu.Gpu("Orin", (8, 7), 6 << 30), gpu.Gpu("NVIDIA RTX", (8, 9), 6 << 30)]
    assert gpu.find_gpu(1) == gpu.need_gpu(1, "this")
    assert gpu.find_gpu(2) is None
    assert gpu.need_gpu(None, "this").sm == "SM87"
    assert gpu.driver_version() == "12.6"
    with pytest.raises(UsageError, match="no GPU 2: this machine has 2"):
        gpu.need_gpu(2, "this")


@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize("driver", [100], indirect=True)
def test_driver_that_finds_no_gpu() -> None:
    assert gpu.find_gpus() == []


def test_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "DRIVER_LIBRARIES", ("libcuda_that_is_not_there.so",))
    assert gpu.find_gpus() == []
    assert gpu.find_gpu() is None
    assert gpu.driver_version() is None
    with pytest.raises(SimpleTrtError, match="this needs an NVIDIA GPU, and none is here") as caught:
        gpu.need_gpu(None, "this")
    assert "simple-trt doctor" in caught.value.cure
