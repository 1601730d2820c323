from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from simple_trt.cli.doctor.processor import (
    Threads,
    judge_processor,
    judge_threads,
    read_processor,
    read_threads,
)
from tests.cli.doctor.planted import by_name, planted

QUIET = Threads(online=4, allowed=4, quota=None, throttled=0, threads_a_core=1, load=0.3, variables={})
V2 = {"/proc/self/cgroup": "0::/system.slice/pose.service"}


def instructions(tmp_path: Path, cpuinfo: str):
    processor = read_processor(planted(tmp_path, {"/proc/cpuinfo": cpuinfo}))
    return processor, by_name(judge_processor(processor))["cpu instructions"]


@pytest.mark.parametrize(
    ("cpuinfo", "found", "precision"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_vnni avx512_bf16", "AVX2, AVX-512, AVX-512 VNNI, AVX-512 BF16", "int8"),
        ("flags : avx2 amx_int8 amx_bf16", "AVX2, AMX int8, AMX bf16", "bf16"),
        ("flags : avx2 avx512_bf16", "AVX2, AVX-512 BF16", "bf16"),
        ("flags : avx2 fma", "AVX2", "fp32"),
        ("Features\t: fp asimd aes asimddp", "NEON, NEON dot product", "int8"),  # Cortex-A78AE of an Orin
        ("Features : fp asimd", "NEON", "fp32"),
    ],
)
def test_instructions_decide_the_precision(tmp_path: Path, cpuinfo: str, found: str, precision: str) -> None:
    _, finding = instructions(tmp_path, cpuinfo)
    assert finding.found == found
    assert finding.advice.startswith(f"build with --precision {precision}")
    assert not finding.slows


@pytest.mark.parametrize(("flags", "hint"), [("sse2 hypervisor", "virtual machine"), ("sse2", "another machine")])
def test_processor_without_vectors_is_slow(tmp_path: Path, flags: str, hint: str) -> None:
    _, finding = instructions(tmp_path, f"flags : {flags}")
    assert finding.slows
    assert hint in finding.advice
    assert ("virtual" in finding.advice) == ("hypervisor" in flags)


def test_name_of_the_processor(tmp_path: Path) -> None:
    assert instructions(tmp_path / "a", "model name\t: AMD EPYC 9354\nflags : avx2")[0].name == "AMD EPYC 9354"
    arm = planted(tmp_path / "b", {"/proc/cpuinfo": "Features : asimd", "/proc/device-tree/model": "Orin Nano\0"})
    assert read_processor(arm).name == "Orin Nano"
    assert read_processor(planted(tmp_path / "c", {})).name == "unknown"


def test_threads_are_read(tmp_path: Path) -> None:
    files = {
        "/sys/devices/system/cpu/online": "0-7,16",
        "/proc/self/status": "Name:\tpython\nCpus_allowed:\t15\nCpus_allowed_list:\t0-1,4\n",
        "/sys/devices/system/cpu/cpu0/topology/thread_siblings_list": "0,8",
        "/proc/loadavg": "1.25 0.5 0.1 1/200 4711",
    }
    threads = read_threads(planted(tmp_path, files), {"OMP_NUM_THREADS": "2", "PATH": "/bin"})
    assert threads == Threads(9, 3, None, 0, 2, 1.25, {"OMP_NUM_THREADS": "2"})


@pytest.mark.parametrize(
    ("files", "quota", "throttled"),
    [
        (V2 | {"/sys/fs/cgroup/system.slice/pose.service/cpu.max": "150000 100000"}, 1.5, 0),
        (V2 | {"/sys/fs/cgroup/system.slice/pose.service/cpu.max": "max 100000"}, None, 0),
        (
            V2
            | {
                "/sys/fs/cgroup/system.slice/pose.service/cpu.max": "400000 100000",
                "/sys/fs/cgroup/system.slice/cpu.max": "200000 100000",  # the group above is tighter
                "/sys/fs/cgroup/system.slice/cpu.stat": "usage_usec 5\nnr_throttled 41",
            },
            2.0,
            41,
        ),
        # a container: its group is at the mount, /proc names it by its place on the host
        ({"/proc/self/cgroup": "0::/docker/0123", "/sys/fs/cgroup/cpu.max": "50000 100000"}, 0.5, 0),
        (
            {
                "/proc/self/cgroup": "3:cpu,cpuacct:/docker/0123\n0::/",
                "/sys/fs/cgroup/cpu,cpuacct/docker/0123/cpu.cfs_quota_us": "300000",
                "/sys/fs/cgroup/cpu,cpuacct/docker/0123/cpu.cfs_period_us": "100000",
            },
            3.0,
            0,
        ),
        (
            {
                "/proc/self/cgroup": "1:cpu:/",
                "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
                "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            None,
            0,
        ),
        ({}, None, 0),
    ],
)
def test_limit_of_the_control_group(tmp_path: Path, files: dict[str, str], quota: float | None, throttled: int) -> None:
    threads = read_threads(planted(tmp_path, files), {})
    assert (threads.quota, threads.throttled) == (quota, throttled)


def test_nothing_slows_a_quiet_machine() -> None:
    assert not any(finding.slows for finding in judge_threads(QUIET))
    assert "cpu limit" not in by_name(judge_threads(QUIET))


@pytest.mark.parametrize(
    ("change", "name", "advice"),
    [
        ({"allowed": 1}, "threads", "--cpuset-cpus"),
        ({"quota": 1.5, "throttled": 7}, "cpu limit", "bind it to 1 "),
        ({"variables": {"OMP_NUM_THREADS": "1"}}, "thread variables", "1 threads"),
        ({"load": 3.0}, "load", "stop them"),
    ],
)
def test_what_slows_is_named_with_its_cure(change: dict[str, object], name: str, advice: str) -> None:
    slow = [finding for finding in judge_threads(replace(QUIET, **change)) if finding.slows]
    assert [finding.name for finding in slow] == [name]
    assert advice in slow[0].advice


def test_limit_that_is_no_limit() -> None:
    assert not by_name(judge_threads(replace(QUIET, quota=4.0)))["cpu limit"].slows
    assert "7 times" in by_name(judge_threads(replace(QUIET, quota=1.0, throttled=7)))["cpu limit"].found
