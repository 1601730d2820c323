"""Power mode, clocks and heat: what holds a machine below the speed it was bought for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from simple_trt.cli.doctor.finding import FINE, Finding
from simple_trt.cli.doctor.machine import Machine

__all__ = ["Clocks", "Jetson", "judge_clocks", "judge_jetson", "read_clocks", "read_jetson"]

CPU = "/sys/devices/system/cpu"
# These drivers choose the frequency themselves: their governor `powersave` means "as the load asks".
SELF_GOVERNED = ("intel_pstate", "amd-pstate-epp")
SAVING_PREFERENCES = ("power", "balance_power")
HOT = 85.0


@dataclass(frozen=True)
class Clocks:
    """CPU frequencies of the slowest-set processor, kHz, and heat.

    Args:
        driver: cpufreq's; empty where frequencies are not ours to read, as in most virtual machines.
        governor: who chooses the frequency.
        preference: of drivers that choose by themselves: `performance`, `balance_power`, ...; empty without one.
        limit: the highest frequency that is allowed now.
        highest: the highest that the processor has.
        hottest: name and degrees Celsius of the hottest zone; None where no zone is shown.
    """

    driver: str
    governor: str
    preference: str
    limit: int
    highest: int
    hottest: tuple[str, float] | None


@dataclass(frozen=True)
class Jetson:
    """An NVIDIA Jetson.

    Args:
        model: the board.
        release: of Jetson Linux, `36.4.3`; JetPack 6 is 36, JetPack 7 is 38.
        mode: the number of its power mode; None when it cannot be read.
        modes: number -> name of the modes that it has.
        gpu_range: lowest and highest frequency that the GPU may take now, Hz; None when it cannot be read.
    """

    model: str
    release: str
    mode: int | None
    modes: dict[int, str]
    gpu_range: tuple[int, int] | None


def read_clocks(machine: Machine) -> Clocks:
    """From /sys/devices/system/cpu/cpu*/cpufreq and /sys/class/thermal."""
    folders = machine.matches(f"{CPU}/cpu[0-9]*/cpufreq") or [""]
    slowest = min(folders, key=lambda folder: _speed(machine, folder))
    zones = [
        (machine.text(f"{zone}/type"), temperature / 1000)
        for zone in machine.matches("/sys/class/thermal/thermal_zone*")
        if (temperature := machine.number(f"{zone}/temp")) is not None
    ]
    return Clocks(
        driver=machine.text(f"{slowest}/scaling_driver"),
        governor=machine.text(f"{slowest}/scaling_governor"),
        preference=machine.text(f"{slowest}/energy_performance_preference"),
        limit=machine.number(f"{slowest}/scaling_max_freq") or 0,
        highest=machine.number(f"{slowest}/cpuinfo_max_freq") or 0,
        hottest=max(zones, key=lambda zone: zone[1], default=None),
    )


def _speed(machine: Machine, folder: str) -> tuple[float, bool]:
    """How fast a processor is set: the allowed part of its highest frequency, and whether its governor asks for it."""
    limit, highest = (machine.number(f"{folder}/{name}_max_freq") for name in ("scaling", "cpuinfo"))
    return (limit or 0) / (highest or 1), machine.text(f"{folder}/scaling_governor") == "performance"


def judge_clocks(clocks: Clocks) -> list[Finding]:
    """Governor, limit and heat."""
    if not clocks.governor:
        findings = [Finding("cpu clocks", "not shown", "in a virtual machine look at its host; else nothing to do")]
    else:
        findings = [_governor(clocks)]
        if clocks.limit < clocks.highest:
            found = f"{clocks.limit / 1e6:.1f} of {clocks.highest / 1e6:.1f} GHz"
            advice = "a limit is set: sudo cpupower frequency-set --max, or the power profile of the desktop"
            findings.append(Finding("cpu frequency limit", found, advice, slows=True))
    if clocks.hottest is not None:
        name, degrees = clocks.hottest
        hot = degrees >= HOT
        advice = "it will run slower until it cools: clean or add a fan, let air in" if hot else FINE
        findings.append(Finding("temperature", f"{degrees:.0f} degrees ({name})", advice, slows=hot))
    return findings


def _governor(clocks: Clocks) -> Finding:
    found = f"{clocks.governor} ({', '.join(filter(None, (clocks.driver, clocks.preference)))})"
    if clocks.driver in SELF_GOVERNED and clocks.governor == "powersave":
        if clocks.preference in SAVING_PREFERENCES:
            advice = "it prefers saving power: powerprofilesctl set performance (or: cpupower set --epp performance)"
            return Finding("cpu governor", found, advice, slows=True)
        return Finding("cpu governor", found)
    if clocks.governor in ("powersave", "conservative", "userspace"):
        return Finding("cpu governor", found, "sudo cpupower frequency-set -g performance", slows=True)
    if clocks.governor in ("ondemand", "schedutil"):
        advice = "single pictures find the clock low: sudo cpupower frequency-set -g performance"
        return Finding("cpu governor", found, advice)
    return Finding("cpu governor", found)


def read_jetson(machine: Machine) -> Jetson | None:
    """From /etc/nv_tegra_release, /etc/nvpmodel.conf and its status file, and devfreq; None on other machines."""
    release = re.search(r"R(\d+) \(release\), REVISION: ([\d.]+)", machine.text("/etc/nv_tegra_release"))
    model = machine.text("/proc/device-tree/model")
    if not release and "jetson" not in model.lower():
        return None
    modes = re.findall(r"<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+?)\s*>", machine.text("/etc/nvpmodel.conf"))
    return Jetson(
        model=model or "Jetson",
        release=f"{release[1]}.{release[2]}" if release else "",
        mode=_power_mode(machine),
        modes={int(number): name for number, name in modes},
        gpu_range=_gpu_range(machine),
    )


def _power_mode(machine: Machine) -> int | None:
    """The status file can be read by everybody; `nvpmodel -q` says the same where it may be run."""
    found = re.search(r"pmode:(\d+)", machine.text("/var/lib/nvpmodel/status"))
    found = found or re.search(r"^(\d+)\s*$", machine.command(["nvpmodel", "-q"]) or "", re.MULTILINE)
    return int(found[1]) if found else None


def _gpu_range(machine: Machine) -> tuple[int, int] | None:
    for folder in machine.matches("/sys/class/devfreq/*"):
        if re.search(r"\.(gpu|ga10b|gv11b|gp10b|gpc0|gpu-gpc-0)$|^gpu", folder.rpartition("/")[2]):
            low, high = (machine.number(f"{folder}/{name}_freq") for name in ("min", "max"))
            return (low, high) if low is not None and high is not None else None
    return None


def judge_jetson(jetson: Jetson | None) -> list[Finding]:
    """Power mode and clocks of a Jetson; nothing on other machines."""
    if jetson is None:
        return []
    release = f"Jetson Linux {jetson.release}" if jetson.release else "unknown release of Jetson Linux"
    findings = [Finding("Jetson", f"{jetson.model}, {release}"), _mode(jetson)]
    if jetson.gpu_range is None:
        advice = "run 'sudo jetson_clocks --show'; 'sudo jetson_clocks' holds the clocks at their highest"
        return [*findings, Finding("jetson_clocks", "cannot be read", advice)]
    low, high = jetson.gpu_range
    held = low == high
    found = f"GPU at {high / 1e6:.0f} MHz" if held else f"GPU from {low / 1e6:.0f} to {high / 1e6:.0f} MHz"
    advice = FINE if held else "clocks follow the load: 'sudo jetson_clocks' holds them at their highest"
    return [*findings, Finding("jetson_clocks", found, advice, slows=not held)]


def _mode(jetson: Jetson) -> Finding:
    """MAXN lifts all limits; on Orin Nano and NX, JetPack 6.2 calls the highest mode MAXN_SUPER."""
    best = max((item for item in jetson.modes.items() if item[1].startswith("MAXN")), key=lambda i: i[1], default=None)
    if jetson.mode is None:
        return Finding("power mode", "cannot be read", "sudo nvpmodel -q shows it, sudo nvpmodel -m NUMBER sets it")
    found = f"{jetson.modes.get(jetson.mode, 'unknown')} ({jetson.mode})"
    if best is None:
        return Finding("power mode", found, "look for the mode with the most watts in /etc/nvpmodel.conf")
    if jetson.mode == best[0]:
        return Finding("power mode", found)
    return Finding("power mode", found, f"sudo nvpmodel -m {best[0]} ({best[1]}) lifts the limits", slows=True)
