"""What the doctor says: one line for each thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FINE", "Finding"]

FINE = "nothing to do"


@dataclass(frozen=True)
class Finding:
    """One line.

    Args:
        name: what was looked for.
        found: what was found; empty when it is missing.
        advice: what to do.
        required: nothing works without it.
        slows: it costs speed on this machine as it is now, and the advice gets it back.
        part: the heading that it stands under.
    """

    name: str
    found: str
    advice: str = FINE
    required: bool = False
    slows: bool = False
    part: str = ""
