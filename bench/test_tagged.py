"""Reading tagged models by their base, next to a plain model of the same fields: from dicts and from messages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from cendry import Field, GeoPoint, Map, Model, field
from cendry.codec import codec_for
from cendry.codec.message import decoder
from cendry_datastore._dialect import DATASTORE
from cendry_datastore._keys import Partition
from cendry_firestore._dialect import FIRESTORE
from codec_model import DATA, Mayor, Status
from figures import Figures, best, microseconds

CALLS = 500
BUDGET = 1.15


class Fields(Map):
    """The fields of the model of 13 fields."""

    name: Field[str] = field(alias="displayName")
    population: Field[int] = field(default=0)
    area: Field[float]
    capital: Field[bool] = field(default=False)
    founded: Field[datetime]
    seal: Field[bytes]
    regions: Field[list[str]] = field(default_factory=list)
    mayor: Field[Mayor]
    former: Field[list[Mayor]] = field(default_factory=list)
    status: Field[Status]
    place: Field[GeoPoint]
    budget: Field[Decimal]
    note: Field[str | None] = field(default=None)


class Plain(Fields, Model, collection="cities"):
    pass


class Place(Model, collection="places", tag_field="type"):
    pass


class City(Fields, Place, tag="city"):
    pass


class Spot(Model, collection="spots", tag_field="class", tag=("Spot",)):
    pass


class ArrayCity(Fields, Spot, tag=("Spot", "City")):
    pass


KINDS: dict[str, tuple[type[Model], dict[str, Any]]] = {
    "plain": (Plain, DATA),
    "tagged": (Place, {"type": "city", **DATA}),
    "array": (Spot, {"class": ["Spot", "City"], **DATA}),
}
MESSAGES = {"Firestore": (FIRESTORE, "projects/p/databases/d"), "Datastore": (DATASTORE, Partition("p", "", ""))}


def of_dicts() -> list[Callable[[], Any]]:
    """The reading of the same document as each kind."""

    def reading(model: type[Model], data: dict[str, Any]) -> Callable[[], Any]:
        decode = codec_for(model).decode
        return lambda: decode(data, "SF", "c/SF")

    return [reading(*kind) for kind in KINDS.values()]


def of_messages(name: str) -> list[Callable[[], Any]]:
    """The same, from messages of a database."""
    dialect, base = MESSAGES[name]

    def reading(model: type[Model], data: dict[str, Any]) -> Callable[[], Any]:
        decode: Any = decoder(codec_for(model), dialect)
        document = dialect.new_document()
        fields = getattr(document, dialect.values.inner)
        dialect.values.write_fields(fields, data, base)
        return lambda: decode(fields, "SF", "c/SF", base)

    return [reading(*kind) for kind in KINDS.values()]


READINGS = {"dicts": of_dicts, **{name: lambda name=name: of_messages(name) for name in MESSAGES}}


@pytest.mark.parametrize("source", READINGS)
def test_reading_by_the_base(source: str, figures: Figures) -> None:
    readings = READINGS[source]()
    assert [Plain, City, ArrayCity] == [type(read()) for read in readings]
    plain, tagged, array = best(*readings, calls=CALLS)
    times = microseconds(plain=plain, tagged=tagged, array=array)
    figures(f"reading by a tag, {source}, next to a plain model", tagged / plain, budget=BUDGET, detail=times)
    figures(f"reading by a tag that is an array, {source}, likewise", array / plain, budget=BUDGET, detail=times)
