"""The processor: which instructions it has, and on how many of its processors this process may run."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from simple_trt.cli.doctor.control_groups import group_files
from simple_trt.cli.doctor.finding import FINE, Finding
from simple_trt.cli.doctor.machine import Machine

__all__ = ["Processor", "Threads", "judge_processor", "judge_threads", "read_processor", "read_threads"]

# flag of /proc/cpuinfo -> the name that people know it by
INSTRUCTIONS = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX-512 VNNI",
    "avx_vnni": "AVX VNNI",
    "avx512_bf16": "AVX-512 BF16",
    "amx_int8": "AMX int8",
    "amx_bf16": "AMX bf16",
    "asimd": "NEON",
    "asimddp": "NEON dot product",
    "i8mm": "NEON int8 matrices",
    "bf16": "NEON bf16",
    "sve": "SVE",
}
INT8 = {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"}
BF16 = {"avx512_bf16", "amx_bf16", "bf16"}
AMX = {"amx_int8", "amx_bf16"}  # measured: benchmarks/README.md, latency-amx and latency-w18
VECTORS = {"avx2", "avx512f", "asimd"}
THREAD_VARIABLES = ("SIMPLE_TRT_THREADS", "OMP_NUM_THREADS")
BUSY = 0.5  # processors' worth of other work, for each processor


@dataclass(frozen=True)
class Processor:
    """Its name, and the flags that the kernel shows."""

    name: str
    flags: frozenset[str]


@dataclass(frozen=True)
class Threads:
    """What may run at the same time.

    Args:
        online: processors of the machine.
        allowed: processors that this process may run on (its affinity).
        quota: processors' worth of time that its control group may use; None without a limit.
        throttled: how often the control group was made to wait.
        threads_a_core: 2 with simultaneous multithreading.
        load: average number of running programs in the last minute.
        variables: environment variables that set the number of threads.
    """

    online: int
    allowed: int
    quota: float | None
    throttled: int
    threads_a_core: int
    load: float
    variables: Mapping[str, str]


def read_processor(machine: Machine) -> Processor:
    """From /proc/cpuinfo, which x86 and ARM write differently."""
    text = machine.text("/proc/cpuinfo")
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.*)$", text, re.MULTILINE)
    name = re.search(r"^(?:model name|Model)\s*:\s*(.*)$", text, re.MULTILINE)
    return Processor(
        name[1] if name else machine.text("/proc/device-tree/model") or "unknown",
        frozenset(flags[1].split()) if flags else frozenset(),
    )


def judge_processor(processor: Processor) -> list[Finding]:
    """Which precision pays on this processor."""
    flags = processor.flags
    named = [name for flag, name in INSTRUCTIONS.items() if flag in flags]
    return [
        Finding("cpu", processor.name),
        Finding("cpu instructions", ", ".join(named) or "none of note", _precision(flags), slows=not VECTORS & flags),
    ]


def _precision(flags: frozenset[str]) -> str:
    if not VECTORS & flags:
        hidden = ": the virtual machine may hide them, give it the host's CPU model" if "hypervisor" in flags else ""
        return f"no AVX2 or NEON, so every engine is slow here{hidden}; else use a small --size, or another machine"
    if flags >= AMX:
        small = "as fast as int8 for edge-512, without --calib; int8 is faster for wide networks (deploy-w18)"
        return f"build with --precision bf16: {small}"
    if INT8 & flags:
        others = "int8 engines are fastest here, bf16 ones next" if BF16 & flags else "int8 engines are fastest here"
        return f"build with --precision int8 --calib DIR: {others}"
    if BF16 & flags:
        return "build with --precision bf16; int8 gains little without VNNI or dot-product instructions"
    return "build with --precision fp32: the others gain little without VNNI, dot-product or bf16 instructions"


def read_threads(machine: Machine, environment: Mapping[str, str]) -> Threads:
    """From /proc/self/status, /proc/loadavg, /sys and the control group, of version 2 or 1."""
    online = _count(machine.text("/sys/devices/system/cpu/online"))
    allowed = re.search(r"^Cpus_allowed_list:\s*(\S+)$", machine.text("/proc/self/status"), re.MULTILINE)
    siblings = machine.text("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list")
    load = machine.text("/proc/loadavg").split()
    quota, throttled = _quota(machine)
    return Threads(
        online=online or 1,
        allowed=_count(allowed[1]) if allowed else online or 1,
        quota=quota,
        throttled=throttled,
        threads_a_core=max(1, _count(siblings)),
        load=float(load[0]) if load else 0.0,
        variables={name: environment[name] for name in THREAD_VARIABLES if environment.get(name)},
    )


def judge_threads(threads: Threads) -> list[Finding]:
    """Processors, their limits, and who else uses them."""
    findings = [_processors(threads)]
    if threads.quota is not None:
        findings.append(_limit(threads, threads.quota))
    set_by_hand = ", ".join(f"{name}={value}" for name, value in threads.variables.items())
    few = [int(value) for value in threads.variables.values() if value.isdecimal() and int(value) < threads.allowed]
    advice = f"engines are held to {min(few)} threads: unset them, unless that is meant" if few else FINE
    findings.append(Finding("thread variables", set_by_hand or "none set", advice, slows=bool(few)))
    busy = threads.load > threads.online * BUSY
    advice = "other programs use the processors: stop them, or measure when the machine is quiet" if busy else FINE
    findings.append(Finding("load", f"{threads.load:.1f} on {threads.online} processors", advice, slows=busy))
    return findings


def _processors(threads: Threads) -> Finding:
    cores = f", {threads.threads_a_core} a core" if threads.threads_a_core > 1 else ""
    found = f"{threads.allowed} of {threads.online} processors{cores}"
    if threads.allowed < threads.online:
        return Finding(
            "threads",
            found,
            "this process is bound to some processors: start it without taskset, CPUAffinity= or --cpuset-cpus",
            slows=True,
        )
    return Finding("threads", found)


def _limit(threads: Threads, quota: float) -> Finding:
    """Runtimes start a thread for each processor that they see: more than the quota feeds, so that threads wait."""
    times = f", {threads.throttled} times made to wait" if threads.throttled else ""
    found = f"{quota:g} processors' worth of time{times}"
    if quota >= threads.allowed:
        return Finding("cpu limit", found)
    whole = max(1, math.floor(quota))
    advice = (
        f"more threads start than may run: give the container or unit more (--cpus, CPUQuota=), "
        f"or bind it to {whole} (--cpuset-cpus, CPUAffinity=)"
    )
    return Finding("cpu limit", found, advice, slows=True)


def _quota(machine: Machine) -> tuple[float | None, int]:
    """(processors, times throttled) of the tightest control group that this process is in."""
    quotas, throttled = [], 0
    for text in group_files(machine, "cpu", "cpu.max"):
        limit, _, period = text.partition(" ")
        if limit.isdecimal() and period.isdecimal():
            quotas.append(int(limit) / int(period))
    for limit, period in zip(
        group_files(machine, "cpu", "cpu.cfs_quota_us"), group_files(machine, "cpu", "cpu.cfs_period_us"), strict=False
    ):
        if limit.isdecimal() and period.isdecimal():
            quotas.append(int(limit) / int(period))
    for text in group_files(machine, "cpu", "cpu.stat"):
        found = re.search(r"^nr_throttled (\d+)$", text, re.MULTILINE)
        throttled = max(throttled, int(found[1]) if found else 0)
    return min(quotas, default=None), throttled


def _count(ranges: str) -> int:
    """How many numbers a list such as `0-3,6` names; 0 when it is none."""
    found = [re.fullmatch(r"(\d+)(?:-(\d+))?", part) for part in ranges.split(",")]
    return sum(int(part[2] or part[1]) - int(part[1]) + 1 for part in found if part)
