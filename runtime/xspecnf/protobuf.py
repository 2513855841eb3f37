"""Just enough of the protobuf wire format to look into a file before another program reads it.

A message is a run of fields, each a key (number << 3 | wire type) and a value; see
https://protobuf.dev/programming-guides/encoding. Groups, which ended with proto2, are refused.
"""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_FIXED = {FIXED64: 8, FIXED32: 4}
_LONGEST_VARINT = 10
_KEYS = 2**32
"""Other readers drop what is above: a key beyond would be another field to them."""


def fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field: an int where it is a varint, else its bytes, which are not copied.

    Raises ValueError where the message ends within a field, or holds what is no field.
    """
    position, end = 0, len(message)
    while position < end:
        key, position = _varint(message, position)
        if key >= _KEYS:
            raise ValueError(f"field number {key >> 3} at byte {position}")
        kind = key & 7
        if kind == VARINT:
            value, position = _varint(message, position)
            yield key >> 3, value
            continue
        if kind == LENGTH:
            size, position = _varint(message, position)
        elif kind in _FIXED:
            size = _FIXED[kind]
        else:
            raise ValueError(f"wire type {kind} at byte {position}")
        if size > end - position:
            raise ValueError(f"a field of {size} bytes at byte {position} of {end}")
        yield key >> 3, message[position : position + size]
        position += size


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """The number at `position`, and where it ends: seven bits a byte, the lowest first."""
    if position < len(message) and message[position] < 128:  # nearly all of them
        return message[position], position + 1
    value = 0
    for shift, byte in enumerate(message[position : position + _LONGEST_VARINT]):
        value |= (byte & 127) << 7 * shift
        if byte < 128:
            return value, position + shift + 1
    raise ValueError(f"no number at byte {position} of {len(message)}")
