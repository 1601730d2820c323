"""The control groups that this process is in, which limit its time and memory: of containers, units and sessions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from simple_trt.cli.doctor.machine import Machine

__all__ = ["group_files"]

MOUNT = "/sys/fs/cgroup"


def group_files(machine: Machine, controller: str, name: str) -> list[str]:
    """What the file `name` says in this process's group and in those above it; groups without it are left out.

    Args:
        machine: the machine.
        controller: `cpu` or `memory`: version 1 has a tree for each, version 2 one for all.
        name: the file, such as `cpu.max`.
    """
    return [text for folder in _folders(machine, controller) if (text := machine.text(f"{folder}/{name}"))]


def _folders(machine: Machine, controller: str) -> Iterator[str]:
    """A container sees its own group at the mount itself, though /proc may name it by its place on the host."""
    for line in machine.text("/proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            mount = MOUNT
        elif controller in controllers.split(","):
            mount = next((m for m in (f"{MOUNT}/{controllers}", f"{MOUNT}/{controller}") if machine.exists(m)), "")
        else:
            continue
        if mount:
            places = PurePosixPath(path)
            for place in (places, *places.parents):
                yield f"{mount}{place}".rstrip("/")
