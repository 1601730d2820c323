"""An input made from another one, so that it gets past the first check: JSON stays JSON, TOML stays TOML, lengths,
checksums and seals are set right. The other inputs are changed byte by byte, by libFuzzer.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import struct
import zlib
from collections.abc import Callable
from typing import Any

__all__ = [
    "Mutator",
    "mutate_checkpoint",
    "mutate_json",
    "mutate_manifest",
    "mutate_onnx",
    "mutate_picture",
    "mutate_toml",
]

Mutator = Callable[[bytes, random.Random, Callable[[bytes], bytes]], bytes]
"""(input, choices, libFuzzer's own change of bytes) -> another input."""

# Texts that are put in the place of a value; those that JSON or TOML does not know are refused by it.
ODD_TEXTS = [
    *("null", "true", "false", "0", "-1", "1", "0.5", "-0.0", "NaN", "nan", "-inf", "Infinity", "1e308", "1e999"),
    *("9223372036854775808", "-99999999999999999999", "9" * 400, "9" * 5000, "16385", "4096", "2147483648"),
    *(
        '""',
        '"x"',
        '"\\u0000"',
        '"\\ud800"',
        '"../../x"',
        '"1"',
        '"%s%n"',
        '"' + "y" * 5000 + '"',
        '"simple-trt build"',
    ),
    *("[]", "{}", "[[]]", "[{}]", '{"x": 1}', "[1, 2]", "[1.5, -2.5, 3]", "[0.0, 0.0, 0.0]", "[null]", '["a", "b"]'),
    *("[" * 500 + "]" * 500, "[" * 30_000 + "]" * 30_000, '{"a":' * 30_000 + "1" + "}" * 30_000, "[" * 30_000),
    *("1979-05-27", "{a = 1}", "'''x'''", "0x7fffffffffffffff", "inf", "[1, 'a']"),
]


def mutate_json(data: bytes, rng: random.Random, flip: Callable[[bytes], bytes]) -> bytes:
    """Up to three places of a JSON text changed: value swapped, removed, repeated, moved, or a key twice."""
    odd: dict[str, str] = {}
    try:
        tree = json.loads(data)
        for _ in range(rng.choice((0, 1, 1, 2, 3))):
            tree = _changed(tree, rng, odd)
        text = json.dumps(tree)
    except (ValueError, RecursionError):  # no JSON, or too deep to be written again
        return flip(data)
    if not odd and text == json.dumps(json.loads(data)):
        return flip(data)
    for mark, value in odd.items():
        text = text.replace(f'"{mark}"', value, 1)
    if rng.random() < 0.1:
        text = _with_key_twice(text, rng)
    return text.encode("utf-8", "surrogatepass")


def _with_key_twice(text: str, rng: random.Random) -> str:
    """One of the text's keys given another value as well, before its own."""
    keys = list(re.finditer(r'"(\w+)":', text))
    if not keys:
        return text
    at = rng.choice(keys)
    return f"{text[: at.start()]}{at[0]} {rng.choice(ODD_TEXTS)}, {text[at.start() :]}"


def _changed(tree: Any, rng: random.Random, odd: dict[str, str]) -> Any:
    places = _places(tree)
    if not places:
        return _odd(rng, odd)
    holder, key = rng.choice(places)
    kind = rng.randrange(6)
    if kind == 0:
        del holder[key]
    elif kind == 1:
        other, place = rng.choice(places)
        holder[key] = json.loads(json.dumps(other[place]))
    elif kind == 2 and isinstance(holder, list):
        holder.extend(json.loads(json.dumps(holder[key])) for _ in range(rng.randint(1, 50)))
    elif kind == 3 and isinstance(holder[key], (int, float)) and abs(holder[key]) < 1e300:
        holder[key] = holder[key] * rng.choice((-1, 0, 2, 1e6, 0.5)) + rng.choice((-1, 0, 1, 0.5))
    else:
        holder[key] = _odd(rng, odd)
    return tree


def _odd(rng: random.Random, odd: dict[str, str]) -> str:
    mark = f"@{len(odd)}@"
    odd[mark] = rng.choice(ODD_TEXTS)
    return mark


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """(holder, key) of every value in the tree."""
    found: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting:
        holder = waiting.pop()
        keys = holder if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ()
        found += [(holder, key) for key in keys]
        waiting += [holder[key] for key in keys]
    return found


def mutate_manifest(data: bytes, rng: random.Random, flip: Callable[[bytes], bytes]) -> bytes:
    """JSON, mostly sealed again: whoever changes a manifest can do that too."""
    changed = mutate_json(data, rng, flip)
    try:
        values = json.loads(changed)
        del values["manifest_sha256"]
        text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError, TypeError, KeyError):
        return changed
    values["manifest_sha256"] = hashlib.sha256(text.encode()).hexdigest()
    return json.dumps(values).encode() if rng.random() < 0.9 else changed


def mutate_toml(data: bytes, rng: random.Random, flip: Callable[[bytes], bytes]) -> bytes:
    """One to three lines changed: another value, another key, twice, gone, or as a table."""
    lines = data.decode("utf-8", "replace").splitlines()
    if not lines or rng.random() < 0.3:
        return flip(data)
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(lines))
        key, _, value = lines[place].partition("=")
        odd = rng.choice(ODD_TEXTS)
        other = rng.choice(lines).partition("=")[0]
        lines[place : place + 1] = rng.choice(
            (
                [f"{key}= {odd}"],
                [f"{other}={value}"],
                [lines[place]] * 2,
                [""],
                [f"{key.strip()}.a = {odd}"],
                [f"[{key}]"],
            )
        ) or [""]
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def mutate_onnx(data: bytes, rng: random.Random, flip: Callable[[bytes], bytes]) -> bytes:
    """A model with changed metadata, or changed bytes."""
    start, end = data.find(b"{"), data.rfind(b"}")
    if start < 0 or rng.random() < 0.5:
        return flip(data)
    value = mutate_json(data[start : end + 1], rng, flip)
    entry = _field(1, b"simple_trt") + _field(2, value)
    return b"\x08\x08" + _field(7, b"graph" * 3) + _field(14, entry)


def _field(number: int, value: bytes) -> bytes:
    """A protobuf field of bytes."""
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    digits = [value >> shift & 0x7F for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([*(digit | 0x80 for digit in digits[:-1]), digits[-1]])


def mutate_checkpoint(data: bytes, rng: random.Random, flip: Callable[[bytes], bytes]) -> bytes:
    """A safetensors file with a changed header or changed metadata in it, or changed bytes."""
    length = int.from_bytes(data[:8], "little")
    header, rest = data[8 : 8 + length], data[8 + length :]
    try:
        values = json.loads(header)
        own = values["__metadata__"]["simple_trt"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return flip(data)
    kind = rng.randrange(4)
    if kind == 0 or not isinstance(own, str):
        return flip(data)
    if kind == 1:
        header = mutate_json(header, rng, flip)
    else:
        values["__metadata__"]["simple_trt"] = mutate_json(own.encode("utf-8", "surrogatepass"), rng, flip).decode(
            "utf-8", "replace"
        )
        header = json.dumps(values).encode()
    return len(header).to_bytes(8, "little") + header + rest


def mutate_picture(data: bytes, rng: random.Random, flip: Callable[[bytes], bytes]) -> bytes:
    """Changed bytes, cut short, or with numbers in the header swapped; a PNG's checksums are mostly set right."""
    kind = rng.randrange(4)
    if kind == 0 and len(data) > 8:
        changed = data[: rng.randrange(8, len(data))]
    elif kind == 1 and len(data) > 64:
        changed = bytearray(data)
        place = rng.randrange(2, min(len(data), 400) - 4)
        odd = rng.choice((0, 1, 7, 255, 9_999, 10_000, 65_535, 1 << 20, (1 << 31) - 1, (1 << 32) - 1))
        struct.pack_into(rng.choice("<>") + "I", changed, place, odd)
    else:
        changed = flip(data)
    return _with_checksums(bytes(changed)) if rng.random() < 0.8 else bytes(changed)


def _with_checksums(data: bytes) -> bytes:
    """A PNG with every chunk's CRC set right; anything else as it is."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    whole, place = bytearray(data), 8
    while place + 12 <= len(whole):
        end = place + 8 + int.from_bytes(whole[place : place + 4], "big")
        if end + 4 > len(whole):
            break
        whole[end : end + 4] = zlib.crc32(whole[place + 4 : end]).to_bytes(4, "big")
        place = end + 4
    return bytes(whole)
