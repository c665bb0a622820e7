"""The same by hand, as somebody writes it who wants it as fast as Python goes.

No constructor is called, exact types are looked at first, and checks stand where the value is taken. It is what
`codec_model` has, and harder to keep right with every field that is added.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from cendry.values import GeoPoint
from codec_model import INT64_MAX, INT64_MIN, UTC, City, Mayor, Status, check_text, wrong

_new: Any = object.__new__
_missing: Any = object()
_statuses = {member.value: member for member in Status}


def decode_mayor(data: dict[str, Any]) -> Mayor:
    mayor: Mayor = _new(Mayor)
    value = data["name"]
    mayor.name = value if type(value) is str else wrong("mayor.name", "str", value)
    value = data["since"]
    mayor.since = value if type(value) is int else wrong("mayor.since", "int", value)
    return mayor


def decode_city(data: dict[str, Any], document_id: str | None) -> City:
    city: City = _new(City)
    try:
        city.id = document_id
        value = data["displayName"]
        city.name = value if type(value) is str else wrong("name", "str", value)
        value = data.get("population", 0)
        city.population = value if type(value) is int else wrong("population", "int", value)
        value = data["area"]
        city.area = value if type(value) is float else as_float(value)
        value = data.get("capital", False)
        city.capital = value if type(value) is bool else wrong("capital", "bool", value)
        value = data["founded"]
        city.founded = value if type(value) is datetime and value.tzinfo is UTC else as_moment(value)
        value = data["seal"]
        city.seal = value if type(value) is bytes else wrong("seal", "bytes", value)
        value = data.get("regions", _missing)
        if type(value) is list:
            city.regions = [each if type(each) is str else wrong("regions", "str", each) for each in value]
        else:
            city.regions = [] if value is _missing else wrong("regions", "list", value)
        value = data["mayor"]
        city.mayor = decode_mayor(value) if type(value) is dict else wrong("mayor", "dict", value)
        value = data.get("former", _missing)
        if type(value) is list:
            city.former = [
                decode_mayor(each) if type(each) is dict else wrong("former", "dict", each) for each in value
            ]
        else:
            city.former = [] if value is _missing else wrong("former", "list", value)
        value = data["status"]
        city.status = _statuses[value] if type(value) is str else wrong("status", "a status", value)
        value = data["place"]
        city.place = value if type(value) is GeoPoint else wrong("place", "GeoPoint", value)
        value = data["budget"]
        city.budget = Decimal(value) if type(value) is str else wrong("budget", "a number in a str", value)
        value = data.get("note")
        city.note = value if value is None or type(value) is str else wrong("note", "str or None", value)
    except KeyError as error:
        wrong(str(error), "a value", None)
    return city


def as_float(value: Any) -> float:
    return float(value) if type(value) is int else wrong("area", "float", value)


def as_moment(value: Any) -> datetime:
    if not isinstance(value, datetime):
        wrong("founded", "datetime", value)
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


def encode_mayor(mayor: Mayor) -> dict[str, Any]:
    return {
        "name": name if type(name := mayor.name) is str and name.isascii() else as_text("mayor.name", name),
        "since": since
        if type(since := mayor.since) is int and INT64_MIN <= since <= INT64_MAX
        else wrong("mayor.since", "int of 64 bits", since),
    }


def encode_city(city: City) -> dict[str, Any]:
    population, mayor, former, note = city.population, city.mayor, city.former, city.note
    return {
        "displayName": name if type(name := city.name) is str and name.isascii() else as_text("name", name),
        "population": population
        if type(population) is int and INT64_MIN <= population <= INT64_MAX
        else wrong("population", "int of 64 bits", population),
        "area": area if type(area := city.area) is float else as_float(area),
        "capital": capital if type(capital := city.capital) is bool else wrong("capital", "bool", capital),
        "founded": founded
        if type(founded := city.founded) is datetime and founded.tzinfo is UTC
        else as_moment(founded),
        "seal": seal if type(seal := city.seal) is bytes else wrong("seal", "bytes", seal),
        "regions": [each if type(each) is str and each.isascii() else as_text("regions", each) for each in regions]
        if type(regions := city.regions) is list
        else wrong("regions", "list", regions),
        "mayor": encode_mayor(mayor) if type(mayor) is Mayor else wrong("mayor", "Mayor", mayor),
        "former": [encode_mayor(each) if type(each) is Mayor else wrong("former", "Mayor", each) for each in former]
        if type(former) is list
        else wrong("former", "list", former),
        "status": status._value_ if type(status := city.status) is Status else wrong("status", "Status", status),
        "place": place if type(place := city.place) is GeoPoint else wrong("place", "GeoPoint", place),
        "budget": str(budget) if type(budget := city.budget) is Decimal else wrong("budget", "Decimal", budget),
        "note": note if note is None or (type(note) is str and note.isascii()) else as_text("note", note),
    }


def as_text(name: str, value: Any) -> str:
    if type(value) is not str:
        wrong(name, "str", value)
    check_text(name, value)
    return value
