"""`omit_none=True`: `None` is stored as absence, and absence is read as `None`."""

from __future__ import annotations

from typing import Any

import pytest
from cendry._model.fields import Field, field
from cendry._model.model import Map, Model
from cendry._query.builders import spec_of
from cendry._query.compile import compiled
from cendry._query.sync.query import Query
from cendry._types.registry import default_registry
from cendry.codec import codec_for
from cendry.codec.message import decoder, encoder
from cendry.convert import from_dict, to_dict, validate
from cendry.errors import InvalidValueError, ValidationError
from cendry.filters import Comparison
from cendry.paths import FieldPath
from cendry.plan import Condition
from cendry_firestore._dialect import FIRESTORE

BASE = "projects/p/databases/(default)"


class Seat(Map, omit_none=True):
    row: Field[int | None]
    note: Field[str | None] = field(default="free", alias="the note")


class Named(Map):
    nick: Field[str | None] = field(default=None)


class Guest(Named, Model, collection="guests", omit_none=True):
    name: Field[str]
    rank: Field[int | None] = field(default_factory=lambda: 5)
    nothing: Field[None] = field(default=None)
    seat: Field[Seat | None] = field(default=None)
    free: Field[Any] = field(default=None)


class Text(str):
    """Text that only the interpreting writer takes."""

    __slots__ = ()


EMPTY = Guest(name="n", rank=None)
FULL = Guest(name="n", nick="x", rank=1, seat=Seat(row=None, note=None), free=[None])
SLOW: Any = Guest(name=Text("n"), nick=Text("x"), rank=None, seat=Seat(row=1, note=None))


@pytest.mark.parametrize(
    ("guest", "stored"),
    [
        (EMPTY, {"name": "n"}),
        (FULL, {"name": "n", "nick": "x", "rank": 1, "seat": {}, "free": [None]}),
        (SLOW, {"name": "n", "nick": "x", "seat": {"row": 1}}),
    ],
    ids=["empty", "full", "slow"],
)
def test_none_is_absent_in_every_form(guest: Guest, stored: dict[str, Any]) -> None:
    codec = codec_for(Guest)
    assert stored == codec.encode(guest) == to_dict(guest) == to_dict(guest, by_alias=True)
    assert guest == codec.decode(stored) == from_dict(Guest, stored)
    message = encoder(codec, FIRESTORE, BASE)(guest).message
    assert set(stored) == set(message.fields)
    assert guest == decoder(codec, FIRESTORE)(message.fields, None, "guests/a", BASE)  # type: ignore[arg-type]
    assert [] == validate(Guest, stored)


def test_a_null_that_is_stored_is_read() -> None:
    assert EMPTY == codec_for(Guest).decode({"name": "n", "rank": None, "seat": None, "nick": None, "free": None})


def test_the_class_of_the_instance_decides() -> None:
    class Loud(Guest, collection="loud", omit_none=False):
        pass

    class Quiet(Guest, collection="quiet"):
        pass

    assert {"name": "n", "rank": None, "nothing": None, "seat": None, "free": None, "nick": None} == to_dict(
        Loud(name="n", rank=None)
    )
    assert {"name": "n", "rank": 5} == to_dict(Quiet(name="n"))
    assert {"nick": None} == to_dict(Named())


def test_a_field_that_cannot_be_none_is_checked_as_ever() -> None:
    bad: Any = Guest(name=None, rank="x", nick=None)  # type: ignore[arg-type]
    with pytest.raises(ValidationError) as caught:
        codec_for(Guest).encode(bad)
    assert ["name", "rank"] == [each.path for each in caught.value.problems]
    assert ["name"] == [each.path for each in validate(Guest, {})]


def test_filters_by_none() -> None:
    message = r"Guest.rank: expected a value other than None, which this class stores as absence \(omit_none=True\)"
    for make in (Guest.rank.is_null, lambda: Guest.rank == None, lambda: Comparison(Guest.rank, "is-null")):  # noqa: E711
        with pytest.raises(InvalidValueError, match=message):
            make()
    with pytest.raises(InvalidValueError, match=r"Guest.seat.row: expected"):
        Guest.seat[Seat.row].is_null()
    for one in (Guest.rank.is_in([1, None]), Guest.rank.not_in([None])):
        with pytest.raises(InvalidValueError, match=message):
            compiled(spec_of(Query(Guest, one)), default_registry)
    assert "Guest.rank.is_not_null()" == repr(Guest.rank != None)  # noqa: E711
    assert "Guest.name.is_null()" == repr(Guest.name.is_null())
    stored = compiled(spec_of(Query(Guest, Comparison(FieldPath("rank"), "is-null"))), default_registry)
    assert Condition(FieldPath("rank"), "is-null") == stored.plan.where


def test_a_filter_before_its_type_is_defined_is_checked_when_the_query_runs() -> None:
    class Early(Model, collection="early", omit_none=True):
        later: Field[Later | None] = field(default=None)

    query = Query(Early, Early.later.is_null())

    class Later(Map):
        x: Field[int]

    with pytest.raises(InvalidValueError, match="which this class stores as absence"):
        compiled(spec_of(query), default_registry)
