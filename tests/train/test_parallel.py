"""Two processes train as one with the double batch does."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from simple_trt.train.parallel import Processes, alone
from simple_trt.train.state import load_state
from simple_trt.train.trainer import STATE

CHILD = Path(__file__).with_name("two_processes.py")
ROOT = CHILD.parents[2]


def train(folder, out, processes, batch, norms="sync"):
    """Weights after two epochs in so many processes."""
    out.mkdir(exist_ok=True)
    launch = (f"--nproc-per-node={processes}", "--master-addr=127.0.0.1", f"--master-port={free_port()}")
    words = (sys.executable, "-m", "torch.distributed.run", *launch, str(CHILD))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*words, str(folder), str(out), str(batch), norms], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return load_file(out / "weights.safetensors")


def free_port():
    import socket

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.mark.timeout(120)
def test_two_processes_equal_one_with_the_double_batch(coco_files, tmp_path):
    folder = coco_files[1]
    one = train(folder, tmp_path / "one", 1, 2)
    two = train(folder, tmp_path / "two", 2, 1)
    for name, wanted in one.items():
        torch.testing.assert_close(two[name], wanted, rtol=1e-3, atol=1e-4, msg=lambda m, n=name: f"{n}: {m}")
    apart = train(folder, tmp_path / "apart", 2, 1, "own")  # each with its own batch statistics: must differ
    assert (apart["trunk.0.weight"] - one["trunk.0.weight"]).abs().max() > 1e-3


@pytest.mark.timeout(120)
def test_a_run_that_was_killed_ends_as_if_it_had_not_been(coco_files, tmp_path):
    folder = coco_files[1]
    whole = train(folder, tmp_path / "whole", 1, 1)
    out = tmp_path / "killed"
    out.mkdir()
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen([sys.executable, str(CHILD), str(folder), str(out), "1", "sync"], env=environment)
    while not (out / STATE).exists():
        assert child.poll() is None, "the run ended before it could be killed"
        time.sleep(0.001)
    child.kill()
    child.wait()
    assert not (out / "weights.safetensors").exists() and load_state(out / STATE)[1]["step"] < 12
    again = train(folder, out, 1, 1)
    assert all(torch.equal(again[name], wanted) for name, wanted in whole.items())


def test_alone_a_count_is_itself_and_at_least_one():
    counts = torch.tensor([0.0, 1.0, 7.0])
    assert alone(counts).tolist() == [1, 1, 7] == Processes().total(counts).tolist()


def test_the_processes_of_torchrun_that_cannot_meet_are_an_error(monkeypatch):
    from simple_trt.errors import SimpleTrtError
    from simple_trt.train.parallel import join_processes

    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SimpleTrtError, match="cannot reach each other"):
        join_processes("cpu")
