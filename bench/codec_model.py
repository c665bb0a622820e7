"""A model of 13 fields, and what a good engineer writes by hand to read and write it with the same checks."""

from __future__ import annotations

import enum
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any, Literal, NoReturn

from cendry._model.fields import Field, field
from cendry._model.model import Map, Model
from cendry.values import GeoPoint

UTC = timezone.utc
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1


class Status(enum.Enum):
    OPEN = "open"
    CLOSED = "closed"


class Mayor(Map):
    name: Field[str]
    since: Field[int]


class City(Model, collection="cities"):
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


class Council(Map):
    """The other class of a union."""

    kind: Field[Literal["council"]] = field(default="council")
    members: Field[list[str]] = field(default_factory=list)


class TaggedMayor(Map):
    """A class of a union, with the fields of a mayor."""

    kind: Field[Literal["mayor"]] = field(default="mayor")
    name: Field[str]
    since: Field[int]


class KindMayor(TaggedMayor):
    """The same class, not in a union."""


class PlainCity(City, collection="plain"):
    """A city whose mayors have the same fields as those of `UnionCity`, and can't be anything else."""

    mayor: Field[KindMayor]
    former: Field[list[KindMayor]] = field(default_factory=list)


class UnionCity(City, collection="union"):
    """A city that has a mayor or a council."""

    mayor: Field[TaggedMayor | Council]
    former: Field[list[TaggedMayor | Council]] = field(default_factory=list)


DATA: dict[str, Any] = {
    "displayName": "San Francisco",
    "population": 860_000,
    "area": 121.4,
    "capital": False,
    "founded": datetime(1776, 6, 29, 12, 30, 15, 123456, tzinfo=UTC),
    "seal": b"\x01\x02\x03\x04",
    "regions": ["bay area", "west coast", "california"],
    "mayor": {"name": "Ada", "since": 2018},
    "former": [{"name": "Grace", "since": 2011}, {"name": "Edsger", "since": 2004}, {"name": "Barbara", "since": 1996}],
    "status": "open",
    "place": GeoPoint(37.77, -122.42),
    "budget": "14600000000.25",
    "note": None,
}
UNION_DATA: dict[str, Any] = {
    **DATA,
    "mayor": {"kind": "mayor", **DATA["mayor"]},
    "former": [{"kind": "mayor", **each} for each in DATA["former"]],
}


def wrong(field_name: str, expected: str, found: object) -> NoReturn:
    raise ValueError(f"{field_name}: expected {expected}, found {found!r}")


def check_text(name: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        wrong(name, "text without lone surrogates", value)


# By hand: reading


_MISSING: Any = object()
_STATUSES = {member.value: member for member in Status}


def decode_mayor(data: dict[str, Any]) -> Mayor:
    try:
        name = data["name"]
        since = data["since"]
    except KeyError as error:
        wrong("mayor", "all fields", error)
    if not isinstance(name, str):
        wrong("mayor.name", "str", name)
    if not isinstance(since, int) or isinstance(since, bool):
        wrong("mayor.since", "int", since)
    return Mayor(name=name, since=since)


def decode_city(data: dict[str, Any], document_id: str | None) -> City:
    try:
        name = data["displayName"]
        area = data["area"]
        founded = data["founded"]
        seal = data["seal"]
        mayor = data["mayor"]
        status = data["status"]
        place = data["place"]
        budget = data["budget"]
    except KeyError as error:
        wrong(str(error), "a value", None)
    population = data.get("population", 0)
    capital = data.get("capital", False)
    regions = data.get("regions", _MISSING)
    former = data.get("former", _MISSING)
    note = data.get("note")
    if not isinstance(name, str):
        wrong("name", "str", name)
    if not isinstance(population, int) or isinstance(population, bool):
        wrong("population", "int", population)
    if not isinstance(area, float):
        if not isinstance(area, int) or isinstance(area, bool):
            wrong("area", "float", area)
        area = float(area)
    if not isinstance(capital, bool):
        wrong("capital", "bool", capital)
    if not isinstance(founded, datetime):
        wrong("founded", "datetime", founded)
    if founded.tzinfo is None:
        founded = founded.replace(tzinfo=UTC)
    if not isinstance(seal, bytes):
        wrong("seal", "bytes", seal)
    if regions is _MISSING:
        regions = []
    elif not isinstance(regions, list):
        wrong("regions", "list", regions)
    else:
        for region in regions:
            if not isinstance(region, str):
                wrong("regions", "str", region)
        regions = list(regions)
    if not isinstance(mayor, dict):
        wrong("mayor", "dict", mayor)
    if former is _MISSING:
        former = []
    elif not isinstance(former, list):
        wrong("former", "list", former)
    else:
        for each in former:
            if not isinstance(each, dict):
                wrong("former", "dict", each)
        former = [decode_mayor(each) for each in former]
    if not isinstance(status, str) or status not in _STATUSES:
        wrong("status", "a status", status)
    if not isinstance(place, GeoPoint):
        wrong("place", "GeoPoint", place)
    if not isinstance(budget, str):
        wrong("budget", "a number in a str", budget)
    if note is not None and not isinstance(note, str):
        wrong("note", "str or None", note)
    return City(
        id=document_id,
        name=name,
        population=population,
        area=area,
        capital=capital,
        founded=founded,
        seal=seal,
        regions=regions,
        mayor=decode_mayor(mayor),
        former=former,
        status=_STATUSES[status],
        place=place,
        budget=Decimal(budget),
        note=note,
    )


# By hand: writing


def encode_mayor(mayor: Mayor) -> dict[str, Any]:
    name, since = mayor.name, mayor.since
    if not isinstance(name, str):
        wrong("mayor.name", "str", name)
    if not name.isascii():
        check_text("mayor.name", name)
    if not isinstance(since, int) or isinstance(since, bool) or not INT64_MIN <= since <= INT64_MAX:
        wrong("mayor.since", "int of 64 bits", since)
    return {"name": name, "since": since}


def encode_city(city: City) -> dict[str, Any]:
    name, population, area, founded = city.name, city.population, city.area, city.founded
    if not isinstance(name, str):
        wrong("name", "str", name)
    if not name.isascii():
        check_text("name", name)
    if not isinstance(population, int) or isinstance(population, bool) or not INT64_MIN <= population <= INT64_MAX:
        wrong("population", "int of 64 bits", population)
    if not isinstance(area, float):
        if not isinstance(area, int) or isinstance(area, bool):
            wrong("area", "float", area)
        area = float(area)
    if not isinstance(city.capital, bool):
        wrong("capital", "bool", city.capital)
    if not isinstance(founded, datetime):
        wrong("founded", "datetime", founded)
    if founded.tzinfo is None:
        founded = founded.replace(tzinfo=UTC)
    if not isinstance(city.seal, bytes):
        wrong("seal", "bytes", city.seal)
    regions = city.regions
    if not isinstance(regions, list):
        wrong("regions", "list", regions)
    for region in regions:
        if not isinstance(region, str):
            wrong("regions", "str", region)
        if not region.isascii():
            check_text("regions", region)
    if not isinstance(city.mayor, Mayor):
        wrong("mayor", "Mayor", city.mayor)
    former = city.former
    if not isinstance(former, list):
        wrong("former", "list", former)
    for each in former:
        if not isinstance(each, Mayor):
            wrong("former", "Mayor", each)
    if not isinstance(city.status, Status):
        wrong("status", "Status", city.status)
    if not isinstance(city.place, GeoPoint):
        wrong("place", "GeoPoint", city.place)
    if not isinstance(city.budget, Decimal):
        wrong("budget", "Decimal", city.budget)
    note = city.note
    if note is not None:
        if not isinstance(note, str):
            wrong("note", "str or None", note)
        if not note.isascii():
            check_text("note", note)
    return {
        "displayName": name,
        "population": population,
        "area": area,
        "capital": city.capital,
        "founded": founded,
        "seal": city.seal,
        "regions": list(regions),
        "mayor": encode_mayor(city.mayor),
        "former": [encode_mayor(each) for each in former],
        "status": city.status.value,
        "place": city.place,
        "budget": str(city.budget),
        "note": note,
    }
