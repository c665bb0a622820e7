"""What versions of models cost: reading current documents, next to a model without versions, and upgrading old ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from cendry import Cendry, FirestoreBackend, Model, upgrade
from cendry.codec import codec_for
from cendry.codec.message import decoder
from cendry.plan import Set
from cendry_datastore._dialect import DATASTORE
from cendry_datastore._keys import Partition
from cendry_firestore._dialect import FIRESTORE
from codec_model import DATA
from figures import Figures, best, microseconds
from test_tagged import Fields

CALLS = 500
DOCUMENTS = 2000
ROUNDS = 7
CHECK_BUDGET = 2.0
CHAIN_BUDGET = 3.0


class Plain(Fields, Model, collection="cities"):
    pass


class City(Fields, Model, collection="cities", version=4):
    pass


@upgrade(City, to=2)
def rename(data: dict[str, Any]) -> dict[str, Any]:
    """A field gets another name."""
    data = {**data, "displayName": data["title"]}
    del data["title"]
    return data


@upgrade(City, to=3)
def count(data: dict[str, Any]) -> dict[str, Any]:
    """A field counts something else."""
    return {**data, "population": data["population"] * 1000}


@upgrade(City, to=4)
def add(data: dict[str, Any]) -> dict[str, Any]:
    """A field is new."""
    return {**data, "note": None}


OLD = {"title" if name == "displayName" else name: value for name, value in DATA.items() if name != "note"}
CURRENT = {**DATA, "_cendry_version": 4}
KINDS: list[tuple[type[Model], dict[str, Any]]] = [(Plain, DATA), (City, CURRENT), (City, OLD)]
MESSAGES = {"Firestore": (FIRESTORE, "projects/p/databases/d"), "Datastore": (DATASTORE, Partition("p", "", ""))}


def of_dicts() -> list[Callable[[], Any]]:
    """The reading of a plain document, of a current one and of one that is three versions old."""

    def reading(model: type[Model], data: dict[str, Any]) -> Callable[[], Any]:
        decode = codec_for(model).decode
        return lambda: decode(data, "SF", "c/SF")

    return [reading(*kind) for kind in KINDS]


def of_messages(name: str) -> list[Callable[[], Any]]:
    """The same, from messages of a database."""
    dialect, base = MESSAGES[name]

    def reading(model: type[Model], data: dict[str, Any]) -> Callable[[], Any]:
        decode: Any = decoder(codec_for(model), dialect)
        document = dialect.new_document()
        fields = getattr(document, dialect.values.inner)
        dialect.values.write_fields(fields, data, base)
        return lambda: decode(fields, "SF", "c/SF", base)

    return [reading(*kind) for kind in KINDS]


READINGS = {"dicts": of_dicts, **{name: lambda name=name: of_messages(name) for name in MESSAGES}}


@pytest.mark.parametrize("source", READINGS)
def test_upgrading(source: str, figures: Figures) -> None:
    plain, current, old = best(*READINGS[source](), calls=CALLS)
    times = microseconds(plain=plain, current=current, old=old)
    figures(f"decoding a document three versions old, {source}, next to a plain one", old / plain, detail=times)


def test_reading(project: str, figures: Figures) -> None:
    """From the emulator: the whole CPU of a query, with which the check and the chain are compared."""
    backend = FirestoreBackend(project=project)
    for collection, data in (("cities", CURRENT), ("old", OLD)):
        for start in range(0, DOCUMENTS, 500):
            backend.commit([Set(f"{collection}/c{number:04}", data) for number in range(start, start + 500)])

    class OldCity(City, collection="old"):
        pass

    spent: dict[type[Model], list[float]] = {Plain: [], City: [], OldCity: []}
    with Cendry(backend=backend) as ctx:
        for _ in range(ROUNDS + 1):
            for model, times in spent.items():
                start_time = time.process_time()
                assert DOCUMENTS == sum(1 for _ in ctx.select(model))
                times.append((time.process_time() - start_time) / DOCUMENTS)
    read, _, old = [min(times[1:]) for times in spent.values()]
    plain, current, _ = best(*of_messages("Firestore"), calls=CALLS)
    check = 100 * (current - plain) / read
    times = microseconds(check=current - plain, read=read, old=old)
    figures("the check of versions, of the CPU of a query", check, unit="%", budget=CHECK_BUDGET, detail=times)
    figures("a query of documents three versions old, in CPU", old / read, budget=CHAIN_BUDGET, detail=times)
