"""Standard types that are stored as values of another type, one row each.

Adding a type takes a new row here, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from .._immutable import dataclass
from .._interop.protobuf import MICROSECOND
from .kinds import UTC, Kind, refuse, to_int, to_str, to_timestamp

MIDNIGHT: Final = time(0)
EPOCH_DAY: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Conversion:
    """One type.

    Source can use the names in `NAMES`, and `{v}` is a local variable that holds the value.

    Attributes:
        python: The class; instances of subclasses are accepted on write.
        kind: The kind of the stored values.
        form: A description of the stored form, for messages.
        to_stored: Returns the stored value, or raises `Mismatch`.
        from_stored: Returns the Python value of anything that may be stored for it, or raises `Mismatch`.
        write: As `to_stored`, for values of exactly the class.
        read: As `from_stored`, for stored values of exactly the kind.
        write_if: The condition on a value for `write`.
        read_if: The condition on a stored value for `read`.
    """

    python: type[Any]
    kind: Kind
    form: str
    to_stored: Callable[[Any], Any]
    from_stored: Callable[[Any], Any]
    write: str
    read: str
    write_if: str = ""
    read_if: str = ""


def _decimal_from_stored(value: Any) -> Decimal:
    try:
        return Decimal(value if isinstance(value, str) else to_int(value))
    except ArithmeticError:
        refuse("not a number")


def _uuid_from_stored(value: Any) -> UUID:
    try:
        return UUID(to_str(value))
    except ValueError:
        refuse("not a UUID")


def _date_to_stored(value: date) -> datetime:
    return refuse("a datetime, not a date") if isinstance(value, datetime) else datetime.combine(value, MIDNIGHT, UTC)


def _date_from_stored(value: Any) -> date:
    moment = to_timestamp(value).astimezone(UTC)
    return moment.date() if moment.time() == MIDNIGHT else refuse("not at midnight")


def _time_to_stored(value: time) -> datetime:
    return datetime.combine(EPOCH_DAY, value, UTC) if value.tzinfo is None else refuse("it has a time zone")


def _time_from_stored(value: Any) -> time:
    moment = to_timestamp(value).astimezone(UTC)
    return moment.time() if moment.date() == EPOCH_DAY else refuse("on another day")


def _timedelta_to_stored(value: timedelta) -> int:
    return to_int(value // MICROSECOND)


def _timedelta_from_stored(value: Any) -> timedelta:
    return timedelta(microseconds=to_int(value))


def _row(
    python: type[Any],
    kind: Kind,
    form: str,
    to_stored: Callable[[Any], Any],
    from_stored: Callable[[Any], Any],
    **sources: str,
) -> Conversion:
    """The row of a type; by default, the source calls the functions."""
    name = python.__name__
    calls = {"write": f"{name}_to_stored({{v}})", "read": f"{name}_from_stored({{v}})"}
    return Conversion(python, kind, form, to_stored, from_stored, **{**calls, **sources})


CONVERSIONS: Final = (
    _row(Decimal, "str", "a str of digits", str, _decimal_from_stored, read="Decimal({v})"),
    _row(UUID, "str", "a str", str, _uuid_from_stored, read="UUID({v})"),
    _row(
        *(date, "timestamp", "a datetime at midnight UTC", _date_to_stored, _date_from_stored),
        write="combine({v}, MIDNIGHT, UTC)",
        read="{v}.date()",
        read_if="{v}.time() == MIDNIGHT",
    ),
    _row(
        *(time, "timestamp", "a datetime on 1970-01-01 UTC", _time_to_stored, _time_from_stored),
        write="combine(EPOCH_DAY, {v}, UTC)",
        write_if="{v}.tzinfo is None",
        read="{v}.time()",
        read_if="{v}.date() == EPOCH_DAY",
    ),
    _row(
        *(timedelta, "int", "an int of microseconds", _timedelta_to_stored, _timedelta_from_stored),
        write="{v} // MICROSECOND",
        # 2**63 microseconds are a little over 106,751,991 days.
        write_if="-106751991 < {v}.days < 106751991",
        read="timedelta(0, 0, {v})",
    ),
)

CONVERSION_OF: Final[Mapping[type[Any], Conversion]] = {row.python: row for row in CONVERSIONS}

NAMES: Final[Mapping[str, Any]] = {
    **{row.python.__name__: row.python for row in CONVERSIONS},
    **{f"{row.python.__name__}_to_stored": row.to_stored for row in CONVERSIONS},
    **{f"{row.python.__name__}_from_stored": row.from_stored for row in CONVERSIONS},
    "EPOCH_DAY": EPOCH_DAY,
    "MICROSECOND": MICROSECOND,
    "MIDNIGHT": MIDNIGHT,
    "combine": datetime.combine,
}
"""The names that the source in the rows can use."""
