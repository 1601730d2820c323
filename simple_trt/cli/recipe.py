"""Recipes: one TOML file holds the flags of one reproducible engine. What the command line gives, wins."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, NoReturn

from simple_trt.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["apply_recipe"]

MAX_BYTES = 1 << 16


class _RecipeParser(argparse.ArgumentParser):
    """Reports what is wrong with a value as an error of the recipe."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, "")


def apply_recipe(path: Path, args: argparse.Namespace, flags: dict[str, dict[str, Any]]) -> None:
    """Fill every flag that the command line left out with the recipe's value.

    Args:
        path: TOML file; its keys are flags without their dashes, and `model`.
        args: parsed command line, flags not given are None; changed in place.
        flags: those that a recipe may set, as `add_argument` takes them.

    Raises:
        UsageError: no such file, not TOML, an unknown key, or a value that the flag does not take.
    """
    values = _read(path)
    parser = _RecipeParser(prog="recipe", add_help=False)
    parser.add_argument("model", nargs="?")
    for name, options in flags.items():
        parser.add_argument(name, **options)
    known = {"model", *(name.lstrip("-") for name in flags)}
    unknown = [key for key in values if key not in known]
    if unknown:
        raise UsageError(f"recipe '{path}': unknown key '{unknown[0]}'", f"known keys: {', '.join(sorted(known))}")
    try:
        words = [word for key in sorted(values, key="model".__eq__) for word in _words(key, values[key], flags)]
        defaults = vars(parser.parse_args(words))
    except UsageError as error:
        raise UsageError(f"recipe '{path}': {error.cause}", "change the recipe") from None
    for name, value in defaults.items():
        if getattr(args, name) is None:
            setattr(args, name, value)


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"recipe '{path}' is larger than {MAX_BYTES} bytes", "it is no recipe")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read the recipe '{path}' ({error.strerror})", "check the path") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"recipe '{path}' is not TOML: {error}", "see export/README.md for its form") from error


def _words(key: str, value: Any, flags: dict[str, dict[str, Any]]) -> list[str]:
    """One key as command line words, in forms that keep a value that begins with a dash a value."""
    if flags.get(f"--{key}", {}).get("action") is argparse.BooleanOptionalAction:
        if not isinstance(value, bool):
            raise UsageError(f"key '{key}' takes true or false, got {value!r}")
        return [f"--{key}" if value else f"--no-{key}"]
    if isinstance(value, bool) or not isinstance(value, (str, int, float, list)):
        raise UsageError(f"key '{key}' takes a text or a number, got {value!r}")
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return ["--", text] if key == "model" else [f"--{key}={text}"]
