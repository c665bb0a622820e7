"""Attributes of instances: those of a model cost what those of a plain dataclass cost."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timezone
from typing import Any

import pytest
from cendry import Field, Model, field
from cendry._query.results import reader
from cendry.backend import DocumentResult
from cendry.codec import codec_for
from figures import Figures, best

BUDGET = 1.05
IN_A_ROW = 50
NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


@dataclasses.dataclass(kw_only=True)
class PlainPlace:
    id: str | None = None
    name: str
    visits: int = 0


@dataclasses.dataclass(kw_only=True)
class PlainCity(PlainPlace):
    state: str


@dataclasses.dataclass(kw_only=True, frozen=True)
class PlainFrozen:
    id: str | None = None
    name: str


class Place(Model, abstract=True):
    name: Field[str]
    visits: Field[int] = field(default=0)


class City(Place, collection="cities"):
    state: Field[str]


class Frozen(Model, collection="frozen", frozen=True):
    name: Field[str]


def from_a_context(cls: type[Any], data: dict[str, Any]) -> Any:
    """An instance as a context reads it, with its metadata."""
    return reader(codec_for(cls))(DocumentResult("cities/SF", data, NOW, NOW, NOW))


PLAIN = PlainCity(name="San Francisco", state="CA", id="SF")
CITY = City(name="San Francisco", state="CA", id="SF")
READ = from_a_context(City, {"name": "San Francisco", "state": "CA"})


@pytest.mark.parametrize(
    ("what", "plain", "ours", "statement"),
    [
        ("reading a field", PLAIN, CITY, "{}.state"),
        ("reading an inherited field", PLAIN, CITY, "{}.name"),
        ("reading a field with a default", PLAIN, CITY, "{}.visits"),
        ("reading a field of an instance that a context read", PLAIN, READ, "{}.name"),
        ("reading a field of a frozen instance", PlainFrozen(name="x"), Frozen(name="x"), "{}.name"),
        ("writing a field", PLAIN, CITY, "{}.state = 'CA'"),
        ("writing a field with a default", PLAIN, CITY, "{}.visits = 3"),
        ("writing a field of an instance that a context read", PLAIN, READ, "{}.name = 'SF'"),
    ],
)
def test_attributes_cost_what_a_dataclass_costs(
    what: str, plain: object, ours: object, statement: str, figures: Figures
) -> None:
    by_name = {"plain": plain, "ours": ours}
    statements = ["; ".join([statement.format(name)] * IN_A_ROW) for name in by_name]
    plain_took, ours_took = (took / IN_A_ROW for took in best(*statements, calls=2000, rounds=80, names=by_name))
    figures(
        what,
        ours_took / plain_took,
        budget=BUDGET,
        detail=f"{1e9 * ours_took:.1f} ns, plain dataclass {1e9 * plain_took:.1f} ns",
    )


def test_making_an_instance(figures: Figures) -> None:
    plain_took, ours_took = best(
        lambda: PlainCity(name="San Francisco", state="CA", id="SF"),
        lambda: City(name="San Francisco", state="CA", id="SF"),
        calls=3000,
    )
    figures(
        "calling the constructor",
        ours_took / plain_took,
        detail=f"{1e9 * ours_took:.0f} ns, plain dataclass {1e9 * plain_took:.0f} ns",
    )
