"""A machine made of files in a folder and of what its commands would say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from simple_trt.cli.doctor.finding import Finding
from simple_trt.cli.doctor.machine import Machine


def planted(root: Path, files: Mapping[str, object], commands: Mapping[str, str] | None = None) -> Machine:
    """``files``: path -> content; ``commands``: first word of a command line -> all that it says."""
    for path, content in files.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"{content}\n")
    said = commands or {}
    return Machine(root, lambda words: said.get(words[0]))


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    """Findings by name; every one ends in what to do, and one that is missing says how to get it."""
    assert all(finding.advice for finding in findings)
    assert all(finding.found or finding.advice != "nothing to do" for finding in findings)
    assert all(finding.advice != "nothing to do" for finding in findings if finding.slows)
    found = {finding.name: finding for finding in findings}
    assert len(found) == len(findings)
    return found
