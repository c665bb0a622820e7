"""The models that the suite stores."""

from __future__ import annotations

import enum
from datetime import datetime
from decimal import Decimal
from typing import Any

from cendry import Field, GeoPoint, Map, Model, Ref, Vector, field


class Status(enum.Enum):
    """An enum that is stored by name."""

    OPEN = 1
    CLOSED = 2


class Mayor(Map):
    """A map with a stored name that no path can hold unquoted."""

    name: Field[str] = field(alias="mayor name")
    since: Field[int] = field(default=2000)


class City(Model, collection="cities"):
    """A document of many kinds of fields."""

    name: Field[str] = field(alias="displayName")
    state: Field[str] = field(default="CA")
    population: Field[int] = field(default=0)
    area: Field[float] = field(default=0.0)
    regions: Field[list[str]] = field(default_factory=list)
    tags: Field[set[Status]] = field(default_factory=set)
    status: Field[Status] = field(default=Status.OPEN, enum_by="name")
    mayor: Field[Mayor | None] = field(default=None)
    attributes: Field[dict[str, Any]] = field(default_factory=dict)
    budget: Field[Decimal | None] = field(default=None)
    center: Field[GeoPoint | None] = field(default=None)
    twin: Field[Ref[City] | None] = field(default=None)


class Area(Model, collection="areas", parent=City):
    """A document of a subcollection."""

    name: Field[str]
    rank: Field[int] = field(default=0)


class Spot(Model, collection="spots", parent=Area):
    """A document two levels down."""

    name: Field[str]


class Note(Model, collection="notes", extra="forbid"):
    """A document with an embedding, under a name that no path can hold unquoted, and fields called like a distance."""

    topic: Field[str] = field(default="")
    rank: Field[int] = field(default=0)
    embedding: Field[Vector | None] = field(default=None, alias="em bedding", dimension=2)
    distance: Field[float | None] = field(default=None)
    own_distance: Field[str | None] = field(default=None, alias="cendry_distance")


class Stamped(Model, collection="stamped"):
    """A document with automatic times."""

    name: Field[str] = field(default="")
    created: Field[datetime | None] = field(auto_now_add=True)
    updated: Field[datetime | None] = field(auto_now=True, alias="changed at")


class Visit(Map):
    """A map with a field for the server's time."""

    seen: Field[datetime | None] = field(default=None, alias="seen at")
    count: Field[int] = field(default=0)
    pages: Field[list[str]] = field(default_factory=list)


class Visitor(Model, collection="visitors"):
    """A document with maps of all sorts, for transforms in them."""

    last: Field[Visit | None] = field(default=None)
    visits: Field[dict[str, Visit]] = field(default_factory=dict)
    notes: Field[Any] = field(default=None)


class Listing(Model, collection="listings"):
    """A document with stored names that are sorted in one way, and in another as they are quoted in field paths."""

    city: Field[int]
    zip_code: Field[int] = field(alias="zip-code")
    edition: Field[int] = field(alias="1st")
    pages: Field[int] = field(alias="Pages")
    age: Field[int]
    shown: Field[int] = field(alias="display name")


NAMES_BY_SEGMENT = [("city", "zip-code"), ("1st", "Pages"), ("age", "display name")]
"""Stored names of `Listing` in the order of the names, which is not that of their quoted forms."""


class Kept(Model, collection="cities", extra="keep"):
    """An older model of cities, that keeps what it doesn't know."""

    name: Field[str] = field(alias="displayName")
    mayor: Field[Mayor | None] = field(default=None)
