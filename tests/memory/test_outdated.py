"""With strict indexes, a query that uses what only upgrades make is a warning."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
from cendry import Cendry, Field, Model, field, upgrade
from cendry.plan import Delete, Set
from cendry_memory import MemoryBackend

VERSION = "_cendry_version"
INDEXES: dict[str, Any] = {
    "indexes": [
        {
            "collectionGroup": "people",
            "queryScope": "COLLECTION",
            "fields": [{"fieldPath": "first", "order": "ASCENDING"}, {"fieldPath": "visits", "order": "ASCENDING"}],
        }
    ],
    "fieldOverrides": [],
}


class Person(Model, collection="people", version=2):
    first: Field[str]
    visits: Field[int] = field(default=0)
    score: Field[int] = field(default=0)


@upgrade(Person, to=2)
def rename(data: dict[str, Any]) -> dict[str, Any]:
    return {"first": data["name"], "visits": data["visits"], "score": 1}


class Plain(Model, collection="people"):
    first: Field[str]


@pytest.fixture
def backend() -> MemoryBackend:
    backend = MemoryBackend(strict_indexes=INDEXES)
    odd: list[dict[str, Any]] = [{"first": "C", VERSION: 2}, {VERSION: 3}, {VERSION: "x"}, {}]
    backend.commit([Set(f"people/odd{number}", data) for number, data in enumerate(odd)])
    backend.commit([Set("people/old", {"name": "Ada", "visits": 1})])
    return backend


USES: dict[str, Callable[[Cendry], object]] = {
    "a filter": lambda ctx: ctx.select(Person, Person.first == "Ada").ids(),
    "filters": lambda ctx: ctx.select(Person, Person.first == "Ada", Person.visits > 0).ids(),
    "an order": lambda ctx: ctx.select(Person, order_by=Person.first).ids(),
    "a filter of figures": lambda ctx: ctx.select(Person, Person.first == "Ada").count(),
    "a field of figures": lambda ctx: ctx.select(Person).sum(Person.score),
}

OTHERS: dict[str, Callable[[Cendry], object]] = {
    "everything": lambda ctx: ctx.select(Person).ids(),
    "how many": lambda ctx: ctx.select(Person).count(),
    "an unchanged field": lambda ctx: ctx.select(Person, Person.visits == 1).ids(),
    "a model without versions": lambda ctx: ctx.select(Plain, Plain.first == "Ada").ids(),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_query_by_a_field_that_an_upgrade_changes(backend: MemoryBackend, use: Callable[[Cendry], object]) -> None:
    with pytest.warns(UserWarning, match=r"on Person .* by '(first|score)', which the upgrade of document"):
        use(Cendry(backend=backend))


@pytest.mark.parametrize("use", OTHERS.values(), ids=OTHERS)
def test_a_query_by_other_fields(backend: MemoryBackend, use: Callable[[Cendry], object]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        use(Cendry(backend=backend))


def test_a_query_after_the_backfill(backend: MemoryBackend) -> None:
    backend.commit([Delete("people/old")])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        USES["a filter"](Cendry(backend=backend))


def test_without_strict_indexes_there_is_no_warning() -> None:
    backend = MemoryBackend()
    backend.commit([Set("people/old", {"name": "Ada", "visits": 1})])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [] == Cendry(backend=backend).select(Person, Person.first == "Ada").ids()
