"""The frame of a protobuf file: which fields a message has and how long they are. No package is needed.

A message is a sequence of (field number, wire type, value). Values of numbers are stepped over here; texts and messages
in the message are told by their length.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

__all__ = ["fields_until", "read_text"]

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5


def fields_until(file: BinaryIO, end: int) -> Iterator[tuple[int, int]]:
    """Number and length of each text or message in the message that ends at `end`.

    The file stands at the field's first byte then, and may be read from there; what is left of the field is stepped
    over.

    Raises:
        ValueError: what stands there is no message.
        EOFError: the file ends in the middle of a field.
    """
    while file.tell() < end:
        tag = _varint(file)
        field, wire = tag >> 3, tag & 7
        if field == 0:
            raise ValueError("field number 0")
        if wire != LENGTH:
            _step_over(file, wire)
            continue
        length = _varint(file)
        start = file.tell()
        if length > end - start:
            raise ValueError(f"a field of {length} bytes where at most {end - start} can be")
        yield field, length
        file.seek(start + length)


def read_text(file: BinaryIO, length: int, limit: int) -> str:
    """The text of `length` bytes at the file's place.

    Raises:
        ValueError: it is longer than `limit`, or no text.
        EOFError: the file ends before.
    """
    if length > limit:
        raise ValueError(f"a text of {length} bytes where at most {limit} can be")
    return _read(file, length).decode("utf-8", errors="strict")


def _step_over(file: BinaryIO, wire: int) -> None:
    if wire == VARINT:
        _varint(file)
    elif wire in (FIXED64, FIXED32):
        _read(file, 8 if wire == FIXED64 else 4)
    else:
        raise ValueError(f"wire type {wire}")


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = _read(file, 1)[0]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
    raise ValueError("a number of more than ten bytes")


def _read(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise EOFError("it ends in the middle of a field")
    return data
