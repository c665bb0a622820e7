"""The Google SDK's own values, recognised by module and class name. Imports no Google package and requires none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Literal, cast

from ..paths import check_document_path, exact_text
from ..reference import Ref
from ..values import (
    DELETE_FIELD,
    SERVER_TIMESTAMP,
    ArrayRemove,
    ArrayUnion,
    GeoPoint,
    Increment,
    Maximum,
    Minimum,
    Vector,
)

SdkKind = Literal["geo_point", "vector", "reference", "timestamp", "marker", "operation"]

_CLASSES: Final[dict[str, SdkKind]] = {
    "GeoPoint": "geo_point",
    "Vector": "vector",
    "DocumentReference": "reference",
    "AsyncDocumentReference": "reference",
    "DatetimeWithNanoseconds": "timestamp",
    "Sentinel": "marker",
    "Increment": "operation",
    "Maximum": "operation",
    "Minimum": "operation",
    "ArrayUnion": "operation",
    "ArrayRemove": "operation",
}
_PACKAGES: Final = ("google.cloud.firestore", "google.api_core.", "proto.")


class_of: Final = cast("Callable[[Any], type[Any]]", type)
"""`type`, typed for type checkers."""


def sdk_kind(value: Any) -> SdkKind | None:
    """The kind of an SDK object, or `None` for any other object."""
    return sdk_class_kind(class_of(value))


def sdk_class_kind(cls: type[Any]) -> SdkKind | None:
    """The kind of an SDK class, or `None` for any other class."""
    kind = _CLASSES.get(cls.__name__)
    return kind if kind is not None and cls.__module__.startswith(_PACKAGES) else None


def from_sdk(value: Any) -> Any:
    """The core value for an SDK object; any other value is returned unchanged.

    A timestamp keeps microseconds, the precision that Firestore stores. A reference with a client keeps the name of its
    database, since only the backend knows whether that is its own.

    Raises:
        ValueError: A point is off the Earth, or a reference has a path that no document can have.
    """
    match sdk_kind(value):
        case "geo_point":
            return GeoPoint(value.latitude, value.longitude)
        case "vector":
            return Vector(value)
        case "reference":
            return _reference(value)
        case "timestamp":
            return plain_datetime(value)
        case "marker":
            return DELETE_FIELD if "delete" in value.description else SERVER_TIMESTAMP
        case "operation":
            return _operation(value)
        case _:
            return value


def from_sdk_change(value: Any) -> Any:
    """The transform or marker of core for an SDK object; any other value is returned unchanged."""
    return from_sdk(value) if sdk_kind(value) in ("marker", "operation") else value


def _reference(value: Any) -> Ref[Any]:
    client = value._client
    database = None
    if client is not None:
        database = f"projects/{exact_text(client.project)}/databases/{exact_text(client._database)}"
    return Ref.from_path(check_document_path("/".join(map(exact_text, value._path))), database=database)


def _operation(value: Any) -> Any:
    match type(value).__name__:
        case "Increment":
            return Increment(value.value)
        case "Maximum":
            return Maximum(value.value)
        case "Minimum":
            return Minimum(value.value)
        case "ArrayUnion":
            return ArrayUnion(value.values)
        case _:
            return ArrayRemove(value.values)


def plain_datetime(value: datetime) -> datetime:
    """An instance of exactly `datetime`, from one of a subclass."""
    return datetime.combine(value.date(), value.timetz())


def to_sdk(kind: str, cls: type[Any], value: Any) -> Any:
    """The SDK object of class `cls` for a core value of that kind."""
    match kind:
        case "geo_point":
            return cls(value.latitude, value.longitude)
        case "vector":
            return cls(list(value))
        case _:
            return cls(
                value.year,
                value.month,
                value.day,
                value.hour,
                value.minute,
                value.second,
                value.microsecond,
                value.tzinfo,
            )
