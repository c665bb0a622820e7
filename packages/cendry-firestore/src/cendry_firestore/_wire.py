"""Parts of messages in protobuf's wire format, where making a message would cost several times as much."""

from __future__ import annotations

from typing import Any


def tag(message: Any, field: str) -> bytes:
    """The tag of a field that holds bytes or a message."""
    return varint(message.DESCRIPTOR.fields_by_name[field].number << 3 | 2)


def varint(number: int) -> bytes:
    """A number: seven bits in a byte, the lowest first."""
    if number < 0x80:
        return bytes((number,))
    if number < 0x4000:
        return bytes((number & 0x7F | 0x80, number >> 7))
    found = bytearray()
    while number >= 0x80:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
