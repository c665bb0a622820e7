"""The models that tests of contexts and queries share."""

from __future__ import annotations

import enum
from datetime import date, datetime, time, timezone
from decimal import Decimal
from typing import Any

from cendry import Field, Map, Model, Ref, field

NOW = datetime(2026, 5, 1, 12, 30, 15, 123456, tzinfo=timezone.utc)


class Status(enum.Enum):
    OPEN = 1
    CLOSED = 2


class Mayor(Map):
    name: Field[str] = field(alias="mayor name")
    since: Field[int] = field(default=2000)


class City(Model, collection="cities"):
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
    twin: Field[Ref[City] | None] = field(default=None)


class Area(Model, collection="areas", parent=City):
    name: Field[str]
    rank: Field[int] = field(default=0)


class Spot(Model, collection="spots", parent=Area):
    name: Field[str]


class Stamped(Model, collection="stamped"):
    name: Field[str] = field(default="")
    created: Field[datetime | None] = field(auto_now_add=True)
    updated: Field[datetime | None] = field(auto_now=True, alias="changed at")
    day: Field[date | None] = field(auto_now=True)
    hour: Field[time | None] = field(auto_now=True)


class Kept(Model, collection="cities", extra="keep"):
    name: Field[str] = field(alias="displayName")
    mayor: Field[Mayor | None] = field(default=None)


class Frozen(Model, collection="frozen", frozen=True):
    name: Field[str]


class Base(Model, abstract=True):
    name: Field[str]
