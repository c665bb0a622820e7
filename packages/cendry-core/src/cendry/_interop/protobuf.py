"""The common parts of the protobuf messages of Firestore and Datastore, by field name. Does not import protobuf."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from ..errors import InvalidRequestError
from ..paths import FieldPath
from ..plan import Aggregation
from ..values import GeoPoint, Vector

EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
MICROSECOND: Final = timedelta(microseconds=1)


def to_datetime(timestamp: Any) -> datetime:
    """A timestamp to the microsecond, the precision of both databases.

    Raises:
        OverflowError: It is outside the years 1 to 9999.
    """
    return EPOCH + timedelta(0, timestamp.seconds, timestamp.nanos // 1000)


def write_timestamp(target: Any, moment: datetime) -> None:
    """Set a timestamp; a naive `datetime` is taken as UTC."""
    since = (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)) - EPOCH
    target.seconds = since.days * 86400 + since.seconds
    target.nanos = since.microseconds * 1000
    # The epoch itself sets no field, but the message must still be present.
    target.SetInParent()


CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far the clock of this computer may be behind the database's."""


def check_read_time(moment: datetime) -> None:
    """Check that a moment to read at is not in the future, as far as this computer's clock can tell, nor before 1970.

    Raises:
        InvalidRequestError: It is.
    """
    if moment < EPOCH:
        # Servers answer some of these with an unknown error.
        raise InvalidRequestError.not_sent(f"The moment to read at is too old: {moment.isoformat()}")
    if moment > datetime.now(timezone.utc) + CLOCK_SKEW:
        raise InvalidRequestError.not_sent(f"The moment to read at lies in the future: {moment.isoformat()}")


def decode_timestamp(value: Any) -> Any:
    """The timestamp in a `Value` message; the message itself if it is outside the range of `datetime`."""
    try:
        return to_datetime(value.timestamp_value)
    except OverflowError:
        return value


def decode_geo_point(value: Any) -> Any:
    """The point in a `Value` message; the message itself if its coordinates are out of range."""
    try:
        return GeoPoint(value.geo_point_value.latitude, value.geo_point_value.longitude)
    except ValueError:
        return value


def write_geo_point(target: Any, point: Any) -> None:
    """Store a point in a `Value` message: a `GeoPoint`, or the SDK's, which has the same attributes."""
    message = target.geo_point_value
    message.latitude, message.longitude = point.latitude, point.longitude
    # The point at 0/0 sets no field, but the message must still be present.
    message.SetInParent()


def decode_vector(value: Any) -> Any:
    """The vector that the map in a Firestore `Value` message encodes; the message itself if it is not a vector."""
    fields = value.map_value.fields
    if "value" in fields and fields["__type__"].string_value == "__vector__":
        # A double other than zero proves its kind.
        components = [one.double_value or _component(one) for one in fields["value"].array_value.values]
        if None not in components:
            return Vector(components)
    return value


def _component(value: Any) -> Any:
    kind = value.WhichOneof("value_type")
    return getattr(value, kind) if kind in ("double_value", "integer_value") else None


def write_vector(target: Any, vector: Vector) -> None:
    """Store a vector in a Firestore `Value` message."""
    fields = target.map_value.fields
    fields["__type__"].string_value = "__vector__"
    array = fields["value"].array_value
    array.SetInParent()
    add = array.values.add
    for component in vector:
        add(double_value=component)


# --- requests ---

OPERATORS: Final[Mapping[str, str]] = {
    "<": "LESS_THAN",
    "<=": "LESS_THAN_OR_EQUAL",
    ">": "GREATER_THAN",
    ">=": "GREATER_THAN_OR_EQUAL",
    "==": "EQUAL",
    "!=": "NOT_EQUAL",
    "in": "IN",
    "not-in": "NOT_IN",
}
"""The filter operators that have the same names in both databases, by core's names."""


def fill_aggregations(
    target: Any, aggregations: Sequence[Aggregation], write_path: Callable[[Any, FieldPath], None]
) -> None:
    """Add the aggregations of a plan to a repeated field of messages.

    Args:
        target: The repeated field.
        aggregations: The aggregations.
        write_path: Writes the aggregated field; takes the message of the function and the path.
    """
    for number, aggregation in enumerate(aggregations):
        function = getattr(target.add(alias=_alias(number)), aggregation.function)
        function.SetInParent()
        if aggregation.path is not None:
            write_path(function, aggregation.path)
        if aggregation.up_to is not None:
            function.up_to.value = aggregation.up_to


def aggregation_values(fields: Any, count: int, decode: Callable[[Any], Any]) -> tuple[int | float | None, ...]:
    """The values of `count` aggregations, in their order, from a protobuf map."""
    return tuple(decode(fields[_alias(number)]) for number in range(count))


def _alias(number: int) -> str:
    return f"figure_{number}"
