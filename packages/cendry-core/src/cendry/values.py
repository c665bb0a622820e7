"""Firestore's own value types, as small frozen objects that do not need the SDK. Backends translate them."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal, TypeAlias, Union, cast, final

from ._immutable import dataclass
from ._lazy import module


@final
@dataclass(frozen=True, slots=True)
class GeoPoint:
    """A point on Earth.

    Attributes:
        latitude: Degrees, from -90 to 90.
        longitude: Degrees, from -180 to 180.

    Raises:
        ValueError: A coordinate is out of range or not a number.
    """

    latitude: float
    longitude: float

    def __post_init__(self) -> None:
        latitude, longitude = self.latitude, self.longitude
        if type(latitude) is type(longitude) is float and -90 <= latitude <= 90 and -180 <= longitude <= 180:
            return
        _check_degrees("latitude", latitude, 90)
        _check_degrees("longitude", longitude, 180)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any, /) -> Any:
        """A type of pydantic: an object with `latitude` and `longitude`."""
        return module("_pydantic.hooks").of_value(source, handler)


def _check_degrees(name: str, value: object, limit: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -limit <= value <= limit:
        raise ValueError(f"GeoPoint {name} must be a number from -{limit} to {limit}, not {value!r}.")


MAX_DIMENSIONS: Final = 2048
"""Components of a vector (https://firebase.google.com/docs/firestore/vector-search#limitations)."""


@final
class Vector:
    """An embedding: an immutable sequence of 64-bit floats, at most 2,048 of them for an index.

    Args:
        values: The components, finite or not; each is converted to `float`.
    """

    __slots__ = ("_values",)
    _values: tuple[float, ...]

    def __init__(self, values: Iterable[float]) -> None:
        object.__setattr__(self, "_values", tuple(map(float, values)))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Vector is immutable; can't set {name!r}.")

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[float]:
        return iter(self._values)

    def __getitem__(self, index: int) -> float:
        return self._values[index]

    def __eq__(self, other: object) -> bool:
        return self._values == other._values if isinstance(other, Vector) else NotImplemented

    def __hash__(self) -> int:
        return hash((Vector, self._values))

    def __repr__(self) -> str:
        return f"Vector([{', '.join(map(repr, self._values))}])"

    def __reduce__(self) -> tuple[Any, ...]:
        return Vector, (self._values,)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any, /) -> Any:
        """A type of pydantic: an array of finite numbers."""
        return module("_pydantic.hooks").of_value(source, handler)


def _refuse_as_type(name: str) -> TypeError:
    """The error for a value that says what to do, where a type of data was meant."""
    return TypeError(
        f"{name} tells the database what to do with a field, so it is not a type of data: it can be neither a pydantic "
        "field nor a body. Take a number or a list, and make the change of it."
    )


def _check_number(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} takes an int or a float, not {value!r}.")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError(f"{name} takes 64-bit integers, not {value!r}.")


@final
@dataclass(frozen=True, slots=True)
class Increment:
    """Adds to the stored number on the server; a field that is absent or not a number becomes `value`.

    Attributes:
        value: The number to add; a 64-bit `int` or a `float`.
    """

    value: int | float

    def __post_init__(self) -> None:
        _check_number("Increment", self.value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any, /) -> Any:
        raise _refuse_as_type(cls.__name__)


@final
@dataclass(frozen=True, slots=True)
class Maximum:
    """Sets the stored number to the larger of itself and `value`, on the server."""

    value: int | float

    def __post_init__(self) -> None:
        _check_number("Maximum", self.value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any, /) -> Any:
        raise _refuse_as_type(cls.__name__)


@final
@dataclass(frozen=True, slots=True)
class Minimum:
    """Sets the stored number to the smaller of itself and `value`, on the server."""

    value: int | float

    def __post_init__(self) -> None:
        _check_number("Minimum", self.value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any, /) -> Any:
        raise _refuse_as_type(cls.__name__)


def _elements(name: str, values: object) -> tuple[Any, ...]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise TypeError(f"{name} takes a list of elements, not {values!r}.")
    return tuple(cast("Any", values))


class _ArrayTransform:
    __slots__ = ("values",)
    values: tuple[Any, ...]

    def __init__(self, values: Iterable[Any]) -> None:
        object.__setattr__(self, "values", _elements(type(self).__name__, values))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable; can't set {name!r}.")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.values == other.values

    def __hash__(self) -> int:
        return hash((type(self), self.values))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self.values)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.values,)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any, /) -> Any:
        raise _refuse_as_type(cls.__name__)


@final
class ArrayUnion(_ArrayTransform):
    """Appends the elements that the stored array lacks, on the server; 1 and 1.0 count as equal.

    Args:
        values: The elements.
    """

    __slots__ = ()


@final
class ArrayRemove(_ArrayTransform):
    """Removes every occurrence of the elements from the stored array, on the server.

    Args:
        values: The elements.
    """

    __slots__ = ()


class _Sentinel(enum.Enum):
    DELETE_FIELD = "DELETE_FIELD"
    SERVER_TIMESTAMP = "SERVER_TIMESTAMP"

    def __repr__(self) -> str:
        return self.name

    def __bool__(self) -> bool:
        raise TypeError(f"{self.name} is a marker for writes and has no truth value.")

    def __get_pydantic_core_schema__(self, source: Any, handler: Any, /) -> Any:
        raise _refuse_as_type(self.name)


DELETE_FIELD: Final = _Sentinel.DELETE_FIELD
"""In `update`: removes the field from the stored document."""

SERVER_TIMESTAMP: Final = _Sentinel.SERVER_TIMESTAMP
"""In a write: the time of the commit by the server's clock."""

DeleteField: TypeAlias = Literal[_Sentinel.DELETE_FIELD]
"""The type of `DELETE_FIELD`."""

ServerTimestamp: TypeAlias = Literal[_Sentinel.SERVER_TIMESTAMP]
"""The type of `SERVER_TIMESTAMP`."""

Transform = Union[Increment, Maximum, Minimum, ArrayUnion, ArrayRemove, _Sentinel]
"""Values that only the server can compute. `DELETE_FIELD` isn't one, but shares a type with `SERVER_TIMESTAMP`."""

TRANSFORMS: Final = (Increment, Maximum, Minimum, ArrayUnion, ArrayRemove)


def is_transform(value: object) -> bool:
    """Whether `value` is computed by the server at the commit."""
    return value is SERVER_TIMESTAMP or isinstance(value, TRANSFORMS)
