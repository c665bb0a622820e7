"""Single values: what each kind of leaf accepts, in Python and as stored. Reports why one doesn't fit, never where."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any, Final, Union, cast, final

from typing_extensions import TypeIs

from .._interop.google import class_of, from_sdk_change, sdk_kind
from .._types.kinds import ROWS, KindRow, refuse, to_finite, to_float, to_int, to_str
from .._types.shapes import EnumMember, OneValue, Record, plain_value
from ..paths import check_field_name, exact_text
from ..values import DELETE_FIELD, is_transform

MAX_SHOWN: Final = 80
"""Characters of a key or value in messages."""

HIDDEN: Final = "a value that is not shown"
"""Stands in messages for the value of a field with `repr=False`."""

_MAX_ERROR: Final = 400


def is_map(value: Any) -> TypeIs[Mapping[Any, Any]]:
    """Whether a value is a dict or a similar mapping."""
    return isinstance(value, Mapping)


def is_array(value: Any) -> TypeIs[Union[list[Any], tuple[Any, ...]]]:
    """Whether a value is a list or a tuple."""
    return isinstance(value, (list, tuple))


def is_set(value: Any) -> TypeIs[Union[set[Any], frozenset[Any]]]:
    """Whether a value is a set, of either kind."""
    return isinstance(value, (set, frozenset))


def show(value: Any) -> str:
    """The description of a value in error messages: its type and the beginning of its repr."""
    if value is None:
        return "None"
    change = from_sdk_change(value)
    if change is DELETE_FIELD:
        return "DELETE_FIELD, a marker"
    return f"{brief(change)}, a transform" if is_transform(change) else f"{type(value).__qualname__} {brief(value)}"


def brief(value: Any) -> str:
    """The repr of a value, cut at 80 characters. Of a large value, only the beginning is made."""
    text = _beginning(value, MAX_SHOWN + 1)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."


def shown_error(error: Exception) -> str:
    """The name and the text of an error that user code raised, which may be very long."""
    try:
        text = str(error)
    except Exception:
        text = "its text can't be shown"
    shown = text if len(text) <= _MAX_ERROR else text[: _MAX_ERROR - 3] + "..."
    return f"{type(error).__name__}: {shown}"


def _beginning(value: Any, length: int) -> str:
    """The repr of a value; if it is longer than this, it may be wrong after that."""
    kind = class_of(value)
    if kind is str or kind is bytes:
        return repr(value[:length])
    if kind is not list and kind is not dict:
        try:
            return repr(value)
        except Exception as error:  # A failing repr of a user's class must not hide the problem.
            return f"<repr raised {type(error).__name__}>"
    parts: list[str] = []
    for each in value:
        if length <= 0:
            break
        part = _beginning(each, length)
        if kind is dict:
            part += f": {_beginning(value[each], length - len(part))}"
        parts.append(part)
        length -= len(part) + 2
    return ("[{}]" if kind is list else "{{{}}}").format(", ".join(parts))


def enum_members(shape: EnumMember) -> dict[Any, enum.Enum]:
    """The members by stored value; names that are aliases are read too."""
    if shape.by == "name":
        return dict(shape.python.__members__)
    return {plain_value(member): member for member in shape.python}


def enum_from_stored(shape: EnumMember, value: Any) -> enum.Enum:
    """The member that is stored like this; by value, the enum's own `_missing_` is used as well."""
    if shape.by == "name":
        member = shape.python.__members__.get(to_str(value))
        return refuse() if member is None else member
    # 1, 1.0 and True are equal, but only one of them is the member's value.
    for member in shape.python:
        if type(plain_value(member)) is type(value) and plain_value(member) == value:
            return member
    types = {class_of(plain_value(member)) for member in shape.python}
    if type(value) in types or not types:
        candidate = value
    elif int in types and isinstance(value, (int, float)):
        candidate = to_int(value)
    elif float in types and isinstance(value, int):
        candidate = to_float(value)
    elif str in types and isinstance(value, str):
        candidate = to_str(value)
    else:
        refuse()
    try:
        return shape.python(candidate)
    except (ValueError, TypeError, KeyError):
        refuse()


def enum_to_stored(shape: EnumMember, value: Any) -> Any:
    """The stored value of a member."""
    if not isinstance(value, shape.python):
        refuse()
    if shape.by == "value":
        return plain_value(value)
    return value.name if value.name in shape.python.__members__ else refuse("a combination without a name")


def literal_from_stored(shape: OneValue, value: Any) -> Any:
    """The literal that is stored like this."""
    for option in shape.values:
        plain = plain_value(option)
        if plain == value and isinstance(plain, bool) == isinstance(value, bool) and isinstance(value, type(plain)):
            return option
    return refuse()


def literal_to_stored(shape: OneValue, value: Any) -> Any:
    """The stored value of a literal."""
    for option in shape.values:
        if type(option) is type(value) and option == value:
            return plain_value(option)
    return (
        literal_from_stored(shape, value) if not isinstance(value, enum.Enum) and value in _plain(shape) else refuse()
    )


def _plain(shape: OneValue) -> list[Any]:
    return [option for option in shape.values if not isinstance(option, enum.Enum)]


def to_key(value: Any) -> str:
    """A map key that Firestore accepts."""
    if type(value) is str and value.isascii() and value.isidentifier() and len(value) <= 1500 and value[:2] != "__":
        return value
    reason = check_field_name(value)
    return refuse(reason) if reason else cast("str", exact_text(value))


def stable(values: list[Any]) -> list[Any]:
    """The elements of a set in an order that does not depend on hashes."""
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=lambda value: (type(value).__name__, repr(value)))


def validating(record: Record) -> Callable[[Any], None]:
    """Runs the rule for a whole instance; a `Mismatch` leaves the error to the reader or the writer."""

    def validate(instance: Any) -> None:
        try:
            cast("Callable[[Any], None]", record.validate)(instance)
        except ValueError:
            refuse()

    return validate


def deeper_than(value: Any, limit: int) -> bool:
    """Whether maps and arrays are nested over `limit` levels."""
    if is_map(value):
        return limit == 0 or any(deeper_than(each, limit - 1) for each in value.values())
    if is_array(value):
        return limit == 0 or any(deeper_than(each, limit - 1) for each in value)
    return False


_TRUSTED: Final = frozenset(row.python for row in ROWS if not row.test and row.in_arrays)
_BY_CLASS: Final = {row.python: row for row in ROWS}


def any_leaf(value: Any, in_array: bool = False) -> Any:
    """A value without a declared type, in its stored form; neither a map nor an array."""
    row = _BY_CLASS.get(class_of(value)) or _kin(value)
    if row is None:
        refuse()
    return row.take(value) if row.in_arrays or not in_array else refuse(f"a {row.name} can't be in an array")


def _kin(value: Any) -> KindRow | None:
    kind = sdk_kind(value)
    return next((row for row in ROWS if kind == row.name or isinstance(value, row.accepts or row.python)), None)


def is_plain(value: Any, limit: int) -> bool:
    """Whether a value is stored data of exact types, with maps and arrays in each other up to so many levels."""
    kind = class_of(value)
    if kind is dict:
        return limit > 0 and all(is_plain(each, limit - 1) for each in value.values())
    if kind is list:
        return limit > 0 and all(is_plain(each, limit - 1) for each in value)
    return kind in _BY_CLASS


def any_json(value: Any, _in_array: bool = False) -> Any:
    """A value without a declared type, as JSON can hold it; neither a map nor an array."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return to_str(value)
    if isinstance(value, int):
        return to_int(value)
    return to_finite(value) if isinstance(value, float) else refuse()


def any_finite(value: Any, in_array: bool = False) -> Any:
    """As `any_leaf`, for data that may have been JSON: Python's `json` reads NaN and infinity, which it can't hold."""
    return to_finite(value) if isinstance(value, float) else any_leaf(value, in_array)


@final
class AnyValues:
    """What values without a declared type may be.

    Args:
        leaf: Returns a value that is neither a map nor an array, or raises `Mismatch`; the second argument is whether
            it is an element of an array.
        trusted: The exact types whose values need no check.
        holder: What can hold such values, for messages.
    """

    def __init__(self, leaf: Callable[[Any, bool], Any], trusted: frozenset[type[Any]], holder: str) -> None:
        self.leaf = leaf
        self.holder = holder

        def is_trusted(value: Any) -> bool:
            kind = class_of(value)
            return kind in trusted or (kind is str and value.isascii())

        def copy(value: Any, in_array: bool = False) -> Any:
            kind = class_of(value)
            if (kind is str and value.isascii()) or kind in trusted:
                return value
            if is_map(value):
                return {to_key(key): copy(each) for key, each in value.items()}
            if is_array(value):
                return refuse("an array directly in an array") if in_array else [copy(each, True) for each in value]
            return leaf(value, in_array)

        # Whether a value is certainly accepted as it is, in arrays too.
        self.is_trusted: Callable[[Any], bool] = is_trusted
        # A deep copy of a value; a `Mismatch` has no path.
        self.copy: Callable[..., Any] = copy


STORED_VALUES: Final = AnyValues(any_leaf, _TRUSTED, "Firestore")
"""Stored values, and others that have a stored form."""

FINITE_VALUES: Final = AnyValues(any_finite, _TRUSTED - {float}, "JSON")
"""The same, of which those that can come from JSON are what it can hold."""

JSON_VALUES: Final = AnyValues(any_json, frozenset({bool, type(None)}), "JSON")
"""What JSON can hold."""
