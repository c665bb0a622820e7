"""Page tokens: a position in the results of a query, as text that a client can send back. All tokens are untrusted."""

from __future__ import annotations

import binascii
import struct
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final, cast

from .._immutable import dataclass
from .._order import EPOCH, MICROSECOND, key_of
from .._types.shapes import MAX_DEPTH
from ..errors import InvalidPageTokenError
from ..paths import check_document_path, check_field_name, exact_text
from ..plan import Bound, Condition, QueryPlan, Where
from ..reference import Ref
from ..values import GeoPoint, Vector

MAX_LENGTH: Final = 65_536
"""Characters of a token."""

_VERSION: Final = 1
_SIGNED: Final = 1
_BEFORE: Final = 2
_ORIGIN: Final = 4
_CURSOR: Final = 8
_DIGEST_BYTES: Final = 16
_HEAD_BYTES: Final = 2 + _DIGEST_BYTES
_MAC_BYTES: Final = 32
_MAX_DIMENSIONS: Final = 2048

_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL: Final = bytes.maketrans(b"-_", b"+/")

# The standard library loads OpenSSL for these, which only programs with page tokens need.
_hashing: Final[list[Any]] = []


def _hashlib_and_hmac() -> list[Any]:
    if not _hashing:
        import hashlib
        import hmac

        _hashing[:] = hashlib, hmac
    return _hashing


@dataclass(frozen=True, slots=True)
class Position:
    """A place between two results of a walk through the pages of a query.

    Attributes:
        count: How many results are before it.
        cut: The place by value, with one value for each order of the query; `None` if it is a cursor.
        cursor: The place as the cursor of a database that has its own, or `None`.
        origin: The values of the first result of the walk where that is not the first of the query; else `None`.
    """

    count: int
    cut: Bound | None = None
    cursor: bytes | None = None
    origin: tuple[Any, ...] | None = None


# --- the query ---


def digest_of(plan: QueryPlan, from_last: bool, kind: str = "") -> bytes:
    """What a token and its query have in common: the same in every process, for equal queries.

    The limit, the offset and the projection may change between pages.

    Args:
        plan: The plan of the query, with complete orders.
        from_last: Whether the limit counts from the last document.
        kind: What the query asks for, where several models share the collection. The filter by their tags is not part
            of the plan then: a model may get another subclass between two pages.
    """
    parts = [
        b"cendry page token",
        plan.collection.encode(),
        b"-" if plan.parent is None else b"+" + plan.parent.encode(),
        b"group" if plan.group else b"",
        b"last" if from_last else b"",
        b"" if plan.where is None else _where_bytes(plan.where),
        _framed([b"-+"[order.descending : order.descending + 1] + _path_bytes(order.path) for order in plan.orders]),
        _bound_bytes(plan.start),
        _bound_bytes(plan.end),
        b"" if plan.read_time is None else b"%d" % ((plan.read_time - EPOCH) // MICROSECOND),
    ]
    if plan.resume is not None:
        parts.append(b"after" + plan.resume)
    if kind:
        parts.append(kind.encode())
    found: bytes = _hashlib_and_hmac()[0].sha256(_framed(parts)).digest()
    return found[:_DIGEST_BYTES]


def _framed(parts: Sequence[bytes]) -> bytes:
    return b"".join([b"%d:%b" % (len(part), part) for part in parts])


def _path_bytes(path: Iterable[str]) -> bytes:
    return _framed([segment.encode() for segment in path])


def _where_bytes(where: Where) -> bytes:
    if isinstance(where, Condition):
        return _framed([where.op.encode(), _path_bytes(where.path), key_of(where.value)])
    # The order in which filters are written changes nothing.
    return _framed([where.op.encode(), *sorted(map(_where_bytes, where.conditions))])


def _bound_bytes(bound: Bound | None) -> bytes:
    return b"" if bound is None else _framed([b"<" if bound.before else b">", *map(key_of, bound.values)])


# --- tokens ---


def token_of(position: Position, digest: bytes, keys: Sequence[bytes]) -> str:
    """The token of a position, signed with the first key if there is one.

    Raises:
        TypeError: A value is not one that Firestore stores, or a reference points into another database.
        ValueError: The token is too long.
    """
    return _as_text(_signed(_packed(position, digest, signed=bool(keys)), keys))


def position_of(token: object, digest: bytes, keys: Sequence[bytes], orders: int, *, cursors: bool) -> Position:
    """The position of a token.

    Args:
        token: What the client sent.
        digest: The digest of the query.
        keys: The keys that verify signatures; without any, a signature is ignored.
        orders: The number of the query's orders.
        cursors: Whether the database has cursors of its own.

    Raises:
        InvalidPageTokenError: It is not a token of this query.
    """
    text = exact_text(token)
    if type(text) is not str:
        raise InvalidPageTokenError(f"it is not text, but of type {type(token).__name__}")
    if len(text) > MAX_LENGTH:
        raise InvalidPageTokenError(f"it has {len(text)} characters, and the limit is {MAX_LENGTH}")
    try:
        data = binascii.a2b_base64(text.encode("ascii").translate(_FROM_URL) + b"=" * (-len(text) % 4))
    except ValueError:
        data = b""
    if len(data) <= _HEAD_BYTES or _as_text(data) != text:
        raise InvalidPageTokenError("it is not one that Cendry made, or a part of it is missing")
    if data[0] != _VERSION:
        raise InvalidPageTokenError("it was made by another version of Cendry")
    signed = bool(data[1] & _SIGNED)
    body = data[:-_MAC_BYTES] if signed else data
    if keys:
        hmac = _hashlib_and_hmac()[1]
        if not signed:
            raise InvalidPageTokenError("it is not signed, and the context has a token_key=")
        if not any(hmac.compare_digest(_mac(body, key), data[-_MAC_BYTES:]) for key in keys):
            raise InvalidPageTokenError("it was changed, or signed with another key")
    if body[2:_HEAD_BYTES] != digest:
        raise InvalidPageTokenError("it belongs to another query: another filter, order, parent or moment")
    try:
        position = _unpacked(body, orders, cursors=cursors)
    except (ValueError, IndexError, OverflowError, struct.error):
        position = None
    # There is one form of each position.
    if position is None or _packed(position, digest, signed=signed) != body:
        raise InvalidPageTokenError("what it contains is not a position in the results of a query")
    return position


def _as_text(data: bytes) -> str:
    text = binascii.b2a_base64(data, newline=False).translate(_TO_URL).rstrip(b"=").decode()
    if len(text) > MAX_LENGTH:
        raise ValueError(f"a page token has at most {MAX_LENGTH} characters, not {len(text)}")
    return text


def _signed(body: bytes, keys: Sequence[bytes]) -> bytes:
    return body + _mac(body, keys[0]) if keys else body


def _mac(body: bytes, key: bytes) -> bytes:
    return cast("bytes", _hashlib_and_hmac()[1].digest(key, body, "sha256"))


def _packed(position: Position, digest: bytes, *, signed: bool) -> bytes:
    cut, origin, cursor = position.cut, position.origin, position.cursor
    flags = _SIGNED * signed
    out = bytearray((_VERSION, 0))
    out += digest
    _write_count(out, position.count)
    if cursor is not None:
        flags |= _CURSOR
        _write_bytes(out, cursor)
    else:
        assert cut is not None
        flags |= _BEFORE * cut.before
        for value in cut.values:
            _write(out, value)
    if origin is not None:
        flags |= _ORIGIN
        for value in origin:
            _write(out, value)
    out[1] = flags
    return bytes(out)


def _unpacked(body: bytes, orders: int, *, cursors: bool) -> Position:
    flags = body[1]
    if flags >= 2 * _CURSOR or bool(flags & _CURSOR) != cursors:
        raise ValueError(flags)
    reader = _Reader(body, _HEAD_BYTES)
    count = reader.count()
    if count >= 2**63:
        raise ValueError(count)
    cursor = reader.sized() if cursors else None
    if cursor == b"":
        raise ValueError(cursor)
    cut = None if cursors else Bound(reader.values(orders), before=bool(flags & _BEFORE))
    origin = reader.values(orders) if flags & _ORIGIN else None
    if reader.at != len(body):
        raise ValueError(reader.at)
    return Position(count, cut, cursor, origin)


# --- values ---

_NULL, _FALSE, _TRUE, _INT, _FLOAT, _TIMESTAMP, _STRING, _BYTES, _REFERENCE, _POINT, _ARRAY, _VECTOR, _MAP = range(13)
_type_of: Final = cast("Callable[[Any], Any]", type)
_double: Final = struct.Struct(">d")
_point: Final = struct.Struct(">dd")


def _write_count(out: bytearray, count: int) -> None:
    while count > 127:
        out.append(count & 127 | 128)
        count >>= 7
    out.append(count)


def _write_int(out: bytearray, value: int) -> None:
    _write_count(out, 2 * value if value >= 0 else -2 * value - 1)


def _write_bytes(out: bytearray, value: bytes) -> None:
    _write_count(out, len(value))
    out += value


def _write(out: bytearray, value: Any) -> None:
    kind = _type_of(value)
    if value is None or kind is bool:
        out.append(_NULL if value is None else _TRUE if value else _FALSE)
    elif kind is int:
        out.append(_INT)
        _write_int(out, value)
    elif kind is float:
        out.append(_FLOAT)
        out += _double.pack(value)
    elif kind is datetime:
        out.append(_TIMESTAMP)
        _write_int(out, (value - EPOCH) // MICROSECOND)
    elif kind is str:
        out.append(_STRING)
        _write_bytes(out, value.encode())
    elif kind is bytes:
        out.append(_BYTES)
        _write_bytes(out, value)
    elif kind is Ref and value.database is None:
        out.append(_REFERENCE)
        _write_bytes(out, value.path.encode())
    elif kind is GeoPoint:
        out.append(_POINT)
        out += _point.pack(value.latitude, value.longitude)
    elif kind is Vector:
        out.append(_VECTOR)
        _write_count(out, len(value))
        out += struct.pack(f">{len(value)}d", *value)
    else:
        _write_several(out, value, kind)


def _write_several(out: bytearray, value: Any, kind: object) -> None:
    if kind is list:
        out.append(_ARRAY)
        _write_count(out, len(value))
        for one in value:
            _write(out, one)
    elif kind is dict:
        out.append(_MAP)
        _write_count(out, len(value))
        for key in sorted(value):
            _write_bytes(out, key.encode())
            _write(out, value[key])
    else:
        raise TypeError(f"a {type(value).__name__}")


class _Reader:
    """The values in a token, one after another; what Firestore doesn't store is a `ValueError`."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at

    def count(self) -> int:
        found = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            found |= (byte & 127) << shift
            if byte < 128:
                return found
            shift += 7
            if shift > 63:
                raise ValueError(shift)

    def number(self) -> int:
        found = self.count()
        return -(found + 1) // 2 if found & 1 else found // 2

    def take(self, length: int) -> bytes:
        end = self.at + length
        if end > len(self.data):
            raise IndexError(end)
        found = self.data[self.at : end]
        self.at = end
        return found

    def sized(self) -> bytes:
        return self.take(self.count())

    def values(self, number: int) -> tuple[Any, ...]:
        return tuple([self.value(0) for _ in range(number)])

    def value(self, depth: int, in_array: bool = False) -> Any:
        kind = self.take(1)[0]
        if kind <= _TRUE:
            return None if kind == _NULL else kind == _TRUE
        if kind in (_ARRAY, _MAP, _VECTOR):
            if depth == MAX_DEPTH or (in_array and kind != _MAP):
                raise ValueError(kind)
            return self.several(kind, depth + 1)
        return self.single(kind)

    def single(self, kind: int) -> Any:
        if kind == _INT:
            number = self.number()
            if not -(2**63) <= number < 2**63:
                raise ValueError(number)
            return number
        if kind == _FLOAT:
            return _double.unpack(self.take(8))[0]
        if kind == _TIMESTAMP:
            return EPOCH + MICROSECOND * self.number()
        if kind == _STRING:
            return self.sized().decode()
        if kind == _BYTES:
            return self.sized()
        if kind == _REFERENCE:
            return Ref.from_path(check_document_path(self.sized().decode()))
        if kind == _POINT:
            return GeoPoint(*_point.unpack(self.take(16)))
        raise ValueError(kind)

    def several(self, kind: int, depth: int) -> Any:
        number = self.count()
        if kind == _ARRAY:
            return [self.value(depth, in_array=True) for _ in range(number)]
        if kind == _VECTOR:
            if not 1 <= number <= _MAX_DIMENSIONS:
                raise ValueError(number)
            return Vector(struct.unpack(f">{number}d", self.take(8 * number)))
        found: dict[str, Any] = {}
        for _ in range(number):
            name = self.sized().decode()
            if check_field_name(name):
                raise ValueError(name)
            found[name] = self.value(depth)
        return found
