"""NVIDIA GPUs: is one in the machine, can this process use it, and what holds it back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from simple_trt.cli.doctor.finding import FINE, Finding
from simple_trt.cli.doctor.machine import Machine
from simple_trt.engines.gpu import Gpu

__all__ = ["Card", "Graphics", "judge_graphics", "read_graphics"]

QUERY = ("temperature.gpu", "memory.free", "memory.total", "power.limit", "power.default_limit", "utilization.gpu")
NVIDIA, DISPLAY = "0x10de", "0x03"
NEEDED = "only needed for engines on an NVIDIA GPU"
HOT = 83.0
LITTLE = 1024.0  # MiB
BUSY = 50.0


@dataclass(frozen=True)
class Card:
    """What nvidia-smi tells of one GPU; None where it tells nothing.

    Args:
        temperature: degrees Celsius.
        free, total: memory, MiB.
        limit, default_limit: power, watts.
        utilisation: percent of the last second in which it was busy.
    """

    temperature: float | None
    free: float | None
    total: float | None
    limit: float | None
    default_limit: float | None
    utilisation: float | None


@dataclass(frozen=True)
class Graphics:
    """The NVIDIA GPUs of a machine.

    Args:
        devices: what the driver shows to this process.
        in_machine: how many are in it, by the PCI bus.
        kernel_module: version of the driver's part in the kernel; empty without.
        cuda: the newest CUDA version that the driver runs, as `13.0`; None where it cannot be loaded.
        mismatch: the driver's parts in kernel and programs are of different versions.
        cards: what nvidia-smi says, in its order.
    """

    devices: Sequence[Gpu]
    in_machine: int
    kernel_module: str
    cuda: str | None
    mismatch: bool
    cards: Sequence[Card]


def read_graphics(machine: Machine, devices: Sequence[Gpu], cuda: str | None) -> Graphics:
    """From the PCI bus, /proc/driver/nvidia and nvidia-smi; what the driver itself says is given."""
    said = machine.command(["nvidia-smi", f"--query-gpu={','.join(QUERY)}", "--format=csv,noheader,nounits"]) or ""
    rows = [line.split(",") for line in said.splitlines() if line.count(",") == len(QUERY) - 1]
    module = re.search(r"Kernel Module\s+(?:for \S+\s+)?([\d.]+)", machine.text("/proc/driver/nvidia/version"))
    return Graphics(
        devices=devices,
        in_machine=sum(
            machine.text(f"{device}/vendor") == NVIDIA and machine.text(f"{device}/class").startswith(DISPLAY)
            for device in machine.matches("/sys/bus/pci/devices/*")
        ),
        kernel_module=module[1] if module else "",
        cuda=cuda,
        mismatch="version mismatch" in said.lower(),
        cards=[Card(*map(_number, row)) for row in rows],
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:  # [N/A], [Not Supported]
        return None


def judge_graphics(graphics: Graphics) -> list[Finding]:
    """Driver and GPU, and for each card its memory, heat, power limit and other users."""
    named = ", ".join(f"{gpu.name} ({gpu.sm}, {gpu.memory / 2**30:.0f} GiB)" for gpu in graphics.devices)
    findings = [_driver(graphics), Finding("GPU", named, FINE if named else _why_none(graphics))]
    for number, card in enumerate(graphics.cards):
        findings += _card(card, f"GPU {number}")
    return findings


def _driver(graphics: Graphics) -> Finding:
    parts = [graphics.kernel_module, f"runs CUDA {graphics.cuda}" if graphics.cuda else ""]
    found = ", ".join(filter(None, parts))
    if graphics.mismatch:
        advice = "the driver was updated under the running kernel: reboot"
        return Finding("NVIDIA driver", found or "kernel and library differ", advice, slows=True)
    if graphics.cuda:
        return Finding("NVIDIA driver", found)
    if graphics.kernel_module:
        advice = (
            "the host has it, this process does not: start the container with --gpus all (Jetson: --runtime nvidia)"
        )
        return Finding("NVIDIA driver", found, advice, slows=True)
    if graphics.in_machine:
        advice = (
            "a GPU is in the machine, but no driver: install it (Debian: nvidia-driver, Ubuntu: ubuntu-drivers install)"
        )
        return Finding("NVIDIA driver", "", advice, slows=True)
    return Finding("NVIDIA driver", "", f"install it: {NEEDED}")


def _why_none(graphics: Graphics) -> str:
    if graphics.cuda:
        return "the driver shows none to this process: see CUDA_VISIBLE_DEVICES, and --gpus all for a container"
    return "see the driver above" if graphics.in_machine else NEEDED


def _card(card: Card, name: str) -> list[Finding]:
    findings = []
    if card.free is not None and card.total is not None:
        little = card.free < LITTLE
        advice = "close what uses it: nvidia-smi lists the programs" if little else FINE
        found = f"{card.free / 1024:.1f} GiB free of {card.total / 1024:.1f}"
        findings.append(Finding(f"{name} memory", found, advice, slows=little))
    if card.temperature is not None:
        hot = card.temperature >= HOT
        advice = "it will run slower until it cools: clean or add a fan, let air in" if hot else FINE
        findings.append(Finding(f"{name} temperature", f"{card.temperature:.0f} degrees", advice, slows=hot))
    if card.limit is not None and card.default_limit is not None:
        low = card.limit < card.default_limit
        advice = f"sudo nvidia-smi -pl {card.default_limit:.0f} sets the usual limit" if low else FINE
        found = f"{card.limit:.0f} of {card.default_limit:.0f} W"
        findings.append(Finding(f"{name} power limit", found, advice, slows=low))
    if card.utilisation is not None and card.utilisation >= BUSY:
        advice = "another program uses it: nvidia-smi lists the programs"
        findings.append(Finding(f"{name} load", f"{card.utilisation:.0f} % busy", advice, slows=True))
    return findings
