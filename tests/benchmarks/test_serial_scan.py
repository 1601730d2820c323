import subprocess
from shutil import which

import pytest
import torch

from benchmarks import serial_scan
from benchmarks.serial_scan import SOURCE, SerialScan
from simple_trt.errors import SimpleTrtError
from simple_trt.ops import Direction, reference
from tests.kernels import emulator


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """The scan on the grid emulator: torch tensors of the CPU serve as device memory."""
    library = tmp_path_factory.mktemp("serial") / "libserial_scan.so"
    archive = emulator.build() / "libemulator.a"
    flags = ["-std=c++17", "-O1", "-shared", "-fPIC", "-ffp-contract=off", "-DSIMPLE_TRT_EMULATOR", "-xc++"]
    words = ["g++", *flags, str(SOURCE), "-xnone", str(archive), "-o", str(library)]
    subprocess.run(words, check=True)
    return SerialScan(library, lambda: 0)


@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_it_is_the_same_function_as_the_twin(scan, direction, dtype):
    x, other = torch.randn(2, 2, 3, 9, 37, generator=torch.Generator().manual_seed(0)).to(dtype)
    for rest in ((), (other,), (other, Direction.TOP), (other, Direction.RIGHT)):
        assert torch.equal(scan(x, direction, *rest), reference.corner_pool(x, direction, *rest))


def test_a_launch_that_is_refused_is_told(scan):
    with pytest.raises(SimpleTrtError, match="was not launched"):
        scan(torch.zeros(0, 1, 4, 4), Direction.TOP)


@pytest.mark.slow
def test_nvcc_compiles_it(tmp_path):
    if which("nvcc") is None:
        pytest.skip("no nvcc on PATH")
    assert serial_scan.build(tmp_path, "90").stat().st_size > 0
    with pytest.raises(SimpleTrtError, match="nvcc fails"):
        serial_scan.build(tmp_path, "1")
