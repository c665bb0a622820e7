from __future__ import annotations

import math
import struct
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from cendry._interop.protobuf import to_datetime, write_timestamp
from cendry.errors import ForeignReferenceError
from cendry.paths import FieldPath
from cendry.plan import Condition, QueryPlan, Set
from cendry.reference import Ref
from cendry.values import GeoPoint, Vector
from cendry_firestore import _sdk
from cendry_firestore._values import FirestoreValues, decode_fields, decode_value
from cendry_memory.testing import Database
from firestore.comparing import DATABASE, encode_value
from google.api_core.datetime_helpers import DatetimeWithNanoseconds
from google.cloud import firestore as sdk
from google.cloud.firestore_v1 import types
from google.cloud.firestore_v1.vector import Vector as SdkVector
from hypothesis import given
from hypothesis import strategies as st

UTC = timezone.utc


def through_firestore(db: Database, value: Any) -> Any:
    db.commit(Set("values/one", {"value": value}))
    return (db.data("values/one") or {})["value"]


def test_naive_datetimes_are_utc_and_other_zones_are_converted(db: Database) -> None:
    assert datetime(2024, 1, 2, 3, tzinfo=UTC) == through_firestore(db, datetime(2024, 1, 2, 3))
    berlin = datetime(2024, 1, 2, 3, tzinfo=timezone(timedelta(hours=1)))
    read = through_firestore(db, berlin)
    assert (berlin, UTC) == (read, read.tzinfo)


def test_datetimes_are_plain(db: Database) -> None:
    moment = datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    db.commit(Set("values/one", {"value": moment}))
    [result] = db.get("values/one")
    assert result.data is not None
    assert {datetime} == {
        type(value) for value in (result.data["value"], result.create_time, result.update_time, result.read_time)
    }


def test_a_reference_into_another_database_is_read_with_its_database(db: Database) -> None:
    stored = _sdk.Value(reference_value="projects/other/databases/there/documents/cities/SF")
    db.commit(Set("values/one", {"value": stored, "own": Ref.from_path("cities/SF")}))
    [result] = db.run(QueryPlan("values"))
    assert result.data is not None
    assert Ref.from_path("cities/SF", database="projects/other/databases/there") == result.data["value"]
    assert ("projects/other/databases/there", None) == (result.data["value"].database, result.data["own"].database)


def test_a_reference_into_another_database_is_not_written(db: Database) -> None:
    foreign = Ref.from_path("cities/SF", database="projects/other/databases/there")
    with pytest.raises(ForeignReferenceError, match="points into a database other than 'projects/") as caught:
        db.commit(Set("values/one", {"values": [foreign]}))
    assert foreign == caught.value.reference
    assert [] == db.run(QueryPlan("values"))
    with pytest.raises(ForeignReferenceError):
        db.run(QueryPlan("values", where=Condition(FieldPath("value"), "==", foreign)))


def test_the_sdks_own_values_are_accepted(db: Database) -> None:
    client = db.in_loop(lambda: db.backend.client)
    nanoseconds = DatetimeWithNanoseconds(2024, 1, 1, nanosecond=123456000, tzinfo=UTC)
    values = {
        "point": sdk.GeoPoint(1, 2),
        "vector": SdkVector([1.0, 2.0]),
        "reference": client.document("cities", "SF"),
        "moment": nanoseconds,
        "nested": [{"point": sdk.GeoPoint(3, 4)}],
    }
    db.commit(Set("values/one", values))
    assert {
        "point": GeoPoint(1, 2),
        "vector": Vector([1, 2]),
        "reference": Ref.from_path("cities/SF"),
        "moment": datetime(2024, 1, 1, 0, 0, 0, 123456, tzinfo=UTC),
        "nested": [{"point": GeoPoint(3, 4)}],
    } == db.data("values/one")


def test_tuples_are_arrays(db: Database) -> None:
    assert [1, 2] == through_firestore(db, (1, 2))


def value_message(**fields: Any) -> Any:
    return types.Value(**fields)._pb


def moment_message(seconds: int) -> Any:
    message = value_message()
    message.timestamp_value.seconds = seconds
    return message


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(value_message(), id="a kind that this SDK does not know"),
        pytest.param(value_message(reference_value="no document name"), id="an odd reference"),
        pytest.param(value_message(geo_point_value={"latitude": 91}), id="a point that is none"),
        pytest.param(moment_message(2**60), id="a moment that no year has"),
        pytest.param(moment_message(253402300800), id="the year 10000"),
        pytest.param(moment_message(-62135596801), id="the year 0"),
    ],
)
def test_unknown_values_are_read_as_messages_and_written_back_as_they_were(message: Any) -> None:
    value = decode_value(message, DATABASE)
    assert message == value == encode_value(value, DATABASE)
    assert {"odd": message, "list": [message]} == decode_fields(
        {"odd": message, "list": types.Value(array_value={"values": [types.Value.wrap(message)]})._pb}, DATABASE
    )


def test_fields_of_a_later_kind_survive_a_round_trip() -> None:
    # Field 99 is none that any SDK knows: a string "x".
    message = _sdk.Value.FromString(b"\x9a\x06\x01x")
    assert b"\x9a\x06\x01x" == encode_value(decode_value(message, DATABASE), DATABASE).SerializeToString()


@pytest.mark.parametrize("path", ["cities/__odd__", "cities", "cities/a/b"])
def test_a_stored_reference_that_could_not_be_made_here_is_still_read(path: str) -> None:
    name = f"{DATABASE}/documents/{path}"
    ref = decode_value(value_message(reference_value=name), DATABASE)
    assert (path, DATABASE) == (ref.path, ref.database)
    assert name == encode_value(ref, DATABASE).reference_value


@pytest.mark.parametrize(
    "data",
    [
        {"__type__": "__vector__", "value": ["not", "numbers"]},
        {"__type__": "__vector__"},
        {"__type__": "other", "value": [1.0]},
    ],
)
def test_a_map_that_is_almost_a_vector_is_a_map(data: dict[str, Any]) -> None:
    assert data == decode_value(encode_value(data, DATABASE), DATABASE)


def test_a_map_that_was_an_embedded_entity_is_read_without_its_key() -> None:
    inner = {"__type__": "__legacy_entity__", "__name__": Ref.from_path("a/b"), "n": 1, "of": {"__name__": 1}}
    found = decode_value(encode_value({"e": inner, "list": [inner]}, DATABASE), DATABASE)
    assert {"e": {"n": 1, "of": {"__name__": 1}}, "list": [{"n": 1, "of": {"__name__": 1}}]} == found


stored_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
    | st.datetimes(timezones=st.just(UTC))
    | st.builds(GeoPoint, st.floats(-90, 90), st.floats(-180, 180))
    | st.builds(Vector, st.lists(st.floats(width=32)))
    | st.builds(Ref.from_path, st.sampled_from(["a/b", "a/b/c/d"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc", min_size=1), inner),
    max_leaves=12,
)


def exact(value: Any) -> Any:
    """A form that tells 1 from True and 1.0, and finds NaN equal to itself and -0.0 different from 0.0."""
    match value:
        case float():
            return ("float", struct.pack("d", math.nan if math.isnan(value) else value))
        case Vector():
            return ("vector", [exact(component) for component in value])
        case GeoPoint():
            return ("point", exact(float(value.latitude)), exact(float(value.longitude)))
        case list():
            return [exact(element) for element in value]
        case dict():
            return {key: exact(item) for key, item in value.items()}
        case _:
            return (type(value).__name__, value)


@given(stored_values)
def test_decoding_undoes_encoding(value: Any) -> None:
    message = encode_value(value, DATABASE)
    assert exact(value) == exact(decode_value(_sdk.Value.FromString(message.SerializeToString()), DATABASE))


@given(st.datetimes(timezones=st.timezones()))
def test_timestamps_keep_microseconds(moment: datetime) -> None:
    target = types.Value()._pb.timestamp_value
    try:
        in_utc = moment.astimezone(UTC)
    except OverflowError:
        return
    write_timestamp(target, moment)
    assert in_utc == to_datetime(target)


@pytest.mark.parametrize("value", [True, "x", None, [1, None], {"a": datetime(2024, 1, 1, tzinfo=UTC)}])
def test_values_are_read_and_written_from_the_first_one_on(value: Any) -> None:
    # The tables of kinds are built by whatever comes first.
    message = _sdk.Value()
    FirestoreValues().write_value(message, value, DATABASE)
    assert encode_value(value) == message
    assert exact(value) == exact(FirestoreValues().decode_value(message, DATABASE))


def test_a_message_without_a_kind_may_come_first() -> None:
    message = _sdk.Value()
    assert message is FirestoreValues().decode_value(message, DATABASE)
