"""The size of a commit as the request that Firestore would get, in protobuf's wire format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from cendry._types.kinds import microseconds_of
from cendry.plan import MAX_REQUEST_BYTES, Create, Delete, Set, Update, Write, request_too_large
from cendry.reference import Ref
from cendry.values import ArrayRemove, ArrayUnion, GeoPoint, Increment, Maximum, Minimum, Vector

from ._values import Fields, kind_of, taken_in_element

_DATABASE: Final = "projects/p/databases/(default)"
_NAME: Final = len(f"{_DATABASE}/documents/")

SAFE_BYTES: Final = MAX_REQUEST_BYTES // 4
"""Data of so many bytes, as Firestore counts them, fit into a request: on the wire, a value is at most four times as
long (a null in an array has 4 bytes, and counts as 1)."""


def check_request_size(writes: Sequence[Write], data: Iterable[Fields]) -> None:
    """Refuse what no request can hold.

    Args:
        writes: The writes of a commit.
        data: The data of each, as they are stored.

    Raises:
        InvalidRequestError: They are more than one request can hold.
    """
    sizes = [write_size(write, fields) for write, fields in zip(writes, data, strict=True)]
    total = request_size(sizes)
    if total > MAX_REQUEST_BYTES:
        largest, path = max((size, write.path) for size, write in zip(sizes, writes, strict=True))
        raise request_too_large(len(writes), total, path, largest)


def request_size(sizes: Iterable[int], database: str = _DATABASE) -> int:
    """The bytes of a request with writes of these bytes."""
    return _part(len(database)) + sum(map(_part, sizes))


def write_size(write: Write, data: Fields, prefix: int = _NAME) -> int:
    """The bytes of a write.

    Args:
        write: The write.
        data: Its data, as they are stored.
        prefix: The bytes before the path in a document's name.
    """
    name = _part(prefix + len(write.path.encode()))
    if isinstance(write, Delete):
        conditional = write.update_time is not None or write.must_exist
        return name + (_condition(write.update_time) if conditional else 0)
    size = _part(name + _entries(data, prefix))
    if not isinstance(write, Create) and write.mask is not None:
        size += _part(sum(_part(len(str(path).encode())) for path in write.mask))
    for change in write.transforms:
        size += _part(_part(len(str(change.path).encode())) + _transform(change.transform, prefix))
    update_time = None if isinstance(write, Create) else write.update_time
    must_exist = isinstance(write, Update) or (isinstance(write, Set) and write.must_exist)
    if update_time is not None or must_exist or isinstance(write, Create):
        size += _condition(update_time)
    return size


def _part(size: int) -> int:
    """A part with its tag and its length before it."""
    return 1 + _varint(size) + size


def _varint(number: int) -> int:
    # Negative numbers have all 64 bits.
    return 10 if number < 0 else max(number.bit_length() + 6, 7) // 7


def _condition(update_time: datetime | None) -> int:
    return _part(2) if update_time is None else _part(_part(_moment(update_time)))


def _moment(value: datetime) -> int:
    seconds, micros = divmod(microseconds_of(value), 1_000_000)
    return sum(1 + _varint(number) for number in (seconds, micros * 1000) if number)


def _entries(data: Mapping[str, Any], prefix: int) -> int:
    return sum(_part(_part(len(key.encode())) + _part(_value(value, prefix))) for key, value in data.items())


def _elements(values: Iterable[Any], prefix: int) -> int:
    return sum(_part(_value(value, prefix)) for value in values)


def _transform(transform: Any, prefix: int) -> int:
    match transform:
        case Increment(value) | Maximum(value) | Minimum(value):
            return _part(_value(taken_in_element(value), prefix))
        case ArrayUnion() | ArrayRemove():
            return _part(_elements(map(taken_in_element, transform.values), prefix))
        case _:
            return 2


def _value(value: Any, prefix: int) -> int:
    return _SIZES[kind_of(value)](value, prefix)


def _text(size: int) -> int:
    # The tag takes two bytes.
    return 1 + _part(size)


def _vector(value: Vector, _prefix: int) -> int:
    kind = _part(_part(len("__type__")) + _part(_text(len("__vector__"))))
    numbers = _part(len(value) * _part(9))
    return _part(kind + _part(_part(len("value")) + _part(numbers)))


_SIZES: Final[dict[Any, Callable[[Any, int], int]]] = {
    type(None): lambda _value, _prefix: 2,
    bool: lambda _value, _prefix: 2,
    int: lambda value, _prefix: 1 + _varint(value),
    float: lambda _value, _prefix: 9,
    str: lambda value, _prefix: _text(len(value.encode())),
    bytes: lambda value, _prefix: _text(len(value)),
    datetime: lambda value, _prefix: _part(_moment(value)),
    Ref: lambda value, prefix: _part(prefix + len(value.path.encode())),
    GeoPoint: lambda value, _prefix: _part(9 * sum(number != 0 for number in (value.latitude, value.longitude))),
    Vector: _vector,
    list: lambda value, prefix: _part(_elements(value, prefix)),
    dict: lambda value, prefix: _part(_entries(value, prefix)),
}
