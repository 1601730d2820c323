"""What TensorRT's Python API really has, version by version, from tensorrt_api.json; see make_tensorrt_api.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

VERSIONS: dict[str, dict[str, dict[str, Any]]] = json.loads(Path(__file__).with_name("tensorrt_api.json").read_text())


def member(version: str, kind: str, name: str) -> Any:
    """How the API describes `kind.name`: a list of overloads, "read", "write" or "member"."""
    found = VERSIONS[version][kind].get(name)
    if found is None:
        raise AttributeError(f"TensorRT {version} has no {kind}.{name}")
    return found


def check_call(version: str, kind: str, name: str, count: int, keywords: tuple[str, ...] = ()) -> None:
    """Raises TypeError when no overload of `kind.name` takes `count` positional arguments and `keywords`."""
    overloads = member(version, kind, name)
    if not isinstance(overloads, list):
        raise TypeError(f"TensorRT {version}: {kind}.{name} is no method")
    if not any(_takes(parameters, count, keywords) for parameters in overloads):
        raise TypeError(f"TensorRT {version}: {kind}.{name} takes {overloads}, not {count} and {keywords}")


def _takes(parameters: list[str], count: int, keywords: tuple[str, ...]) -> bool:
    kind = Parameter.POSITIONAL_OR_KEYWORD
    signature = Signature(
        [Parameter(p.rstrip("="), kind, default=None if p.endswith("=") else Parameter.empty) for p in parameters]
    )
    try:
        signature.bind(*range(count), **dict.fromkeys(keywords))
    except TypeError:
        return False
    return True


class Guarded:
    """`target` with the face of TensorRT's class `kind`: refuses what the real one refuses, name by name."""

    def __init__(self, version: str, kind: str, target: Any) -> None:
        self.__dict__.update(_version=version, _kind=kind, _target=target)

    def __getattr__(self, name: str) -> Any:
        found = member(self._version, self._kind, name)
        value = getattr(self._target, name)
        return self._held(name, value) if isinstance(found, list) else value

    def __setattr__(self, name: str, value: Any) -> None:
        if member(self._version, self._kind, name) != "write":
            raise AttributeError(f"TensorRT {self._version}: {self._kind}.{name} cannot be set")
        setattr(self._target, name, value)

    def _held(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            check_call(self._version, self._kind, name, len(arguments), tuple(keywords))
            return method(*arguments, **keywords)

        return call
