"""Python values as filters and cursors hold them: copied on input, compared by type and value, shown as source."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final, cast
from uuid import UUID

from .paths import FieldPath
from .reference import Ref, located_path
from .values import DELETE_FIELD, SERVER_TIMESTAMP, ArrayRemove, ArrayUnion, GeoPoint, Vector

ATOMS: Final[frozenset[type[Any]]] = frozenset(
    {
        type(None), bool, int, float, str, bytes, datetime, date, time, timedelta,
        Decimal, UUID, GeoPoint, Vector, Ref, FieldPath,
    }
)  # fmt: skip
"""Types whose values are immutable and need no copy."""


class _ByEquality:
    """Stands for an unhashable value whose parts are unknown."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByEquality) and bool(self.value == other.value)

    def __hash__(self) -> int:
        return hash(type(self.value))


def own_copy(value: Any) -> Any:
    """A copy that shares nothing mutable with `value`; for an instance of a model, its reference.

    Raises:
        CendryError: An instance has no id.
    """
    kind = cast("Any", type(value))
    if kind in ATOMS:
        return value
    if kind is list:
        return [own_copy(item) for item in value]
    if kind is tuple:
        return tuple(map(own_copy, value))
    if kind is dict:
        return {key: own_copy(item) for key, item in value.items()}
    if kind is set:
        return set(value)
    if getattr(kind, "__cendry_kind__", None) == "model":
        return Ref.from_path(located_path(value), model=kind)
    if kind in (ArrayUnion, ArrayRemove):
        return kind(map(own_copy, value.values))
    try:
        return copy.deepcopy(value)
    except Exception:  # Foreign objects can raise anything; one that can't be copied is kept as it is.
        return value


def freeze(value: Any) -> Any:
    """A hashable stand-in that is equal for values of one type and value: `1` is not `True`, NaN equals NaN."""
    kind = cast("Any", type(value))
    if kind is float:
        return (float, "nan") if math.isnan(value) else (float, value)
    if kind is Decimal:
        # 1.0 and 1.00 are equal in Python, but stored as different strings.
        return (Decimal, str(value))
    if isinstance(value, (ArrayUnion, ArrayRemove)):
        return (kind, tuple(map(freeze, value.values)))
    if isinstance(value, (list, tuple, Vector)):
        return (kind, tuple(map(freeze, cast("Iterable[Any]", value))))
    if isinstance(value, Mapping):
        return (kind, frozenset((freeze(key), freeze(item)) for key, item in cast("Any", value).items()))
    if isinstance(value, (set, frozenset)):
        return (kind, frozenset(map(freeze, cast("Iterable[Any]", value))))
    if isinstance(value, Enum):
        return (kind, value.value if cast(object, value.name) is None else value.name)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return (
            kind,
            tuple((f.name, freeze(getattr(value, f.name, dataclasses.MISSING))) for f in dataclasses.fields(value)),
        )
    try:
        hash(value)
    except TypeError:
        return (kind, _ByEquality(value))
    return (kind, value)


def class_name(cls: type[Any]) -> str:
    """The name of a class in source code; for a class defined in a function, just its own name."""
    return cls.__qualname__.rpartition("<locals>.")[2]


def redefined(one: type[Any], other: type[Any]) -> str:
    """A remark for messages on two classes of one name; empty for others."""
    if one is other or (one.__module__, one.__qualname__) != (other.__module__, other.__qualname__):
        return ""
    return f"these are two classes called {class_name(one)}: it was defined again, so run again what uses it"


def source(value: Any) -> str:
    """Python source that evaluates to the value, where its `repr` would not (NaN, infinities, enum members)."""
    kind = cast("Any", type(value))
    if kind is float:
        return repr(value) if math.isfinite(value) else f"float({str(value)!r})"
    if kind is list or kind is Vector:
        items = f"[{', '.join(map(source, value))}]"
        return items if kind is list else f"Vector({items})"
    if kind is ArrayUnion or kind is ArrayRemove:
        return f"{kind.__name__}({source(list(value.values))})"
    if kind is tuple:
        return f"({', '.join(map(source, value))}{',' if len(value) == 1 else ''})"
    if kind is dict:
        return f"{{{', '.join(f'{source(key)}: {source(item)}' for key, item in value.items())}}}"
    if kind is set and value:
        return f"{{{', '.join(map(source, value))}}}"
    if kind is frozenset and value:
        return f"frozenset({{{', '.join(map(source, value))}}})"
    if value is DELETE_FIELD or value is SERVER_TIMESTAMP:
        return repr(value)
    if isinstance(value, Enum):
        members = type(value).__members__
        name = class_name(type(value))
        return f"{name}.{value.name}" if value.name in members else f"{name}({value.value!r})"
    params = getattr(kind, "__dataclass_params__", None)
    if params is not None and params.repr:
        shown = [f for f in dataclasses.fields(value) if f.repr and hasattr(value, f.name)]
        return f"{class_name(kind)}({', '.join(f'{f.name}={source(getattr(value, f.name))}' for f in shown)})"
    return repr(value)
