"""Firestore's order of values, as bytes: comparing two keys with `<` or `==` compares their values.

Keys are prefix-free: none is the beginning of another. So keys can be joined to one that compares field by field,
and inverted to one that compares in the other direction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ._interop.protobuf import EPOCH as EPOCH
from ._interop.protobuf import MICROSECOND as MICROSECOND
from ._types.keys import ARRAY, END, MAP, escaped
from ._types.keys import NAN as NAN
from ._types.keys import NULL as NULL
from ._types.keys import path_key as path_key
from ._types.kinds import ROWS

AFTER_ALL: Final = b"\xff"
"""Comes after every key, and appended to a key after everything that begins with it."""

_INVERTED: Final = bytes(255 - byte for byte in range(256))


def key_of(value: Any) -> bytes:
    """The key of a stored value.

    Raises:
        KeyError: The value, or one in it, is not of a type that is stored.
    """
    return _KEYS[type(value)](value)


def inverted(key: bytes) -> bytes:
    """The key that compares the other way round among inverted keys."""
    return key.translate(_INVERTED)


def _array_key(value: list[Any]) -> bytes:
    return ARRAY + b"".join([_KEYS[type(element)](element) for element in value]) + END


def _map_key(value: Mapping[str, Any]) -> bytes:
    # Python sorts strings by code points, and UTF-8 keeps their order.
    pairs = [b"\x01" + escaped(key.encode()) + _KEYS[type(value[key])](value[key]) for key in sorted(value)]
    return MAP + b"".join(pairs) + END


_KEYS: Final[dict[type, Callable[[Any], bytes]]] = {
    **{row.python: row.key for row in ROWS},
    list: _array_key,
    dict: _map_key,
}
