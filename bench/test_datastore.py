"""What reading and writing entities cost, next to `google-cloud-datastore` in the same run, on the emulator."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from cendry import Cendry, DatastoreBackend, from_dict
from cendry.plan import Set
from cendry_datastore._marks import EXCLUDED, NO_PROPERTY_MARKS, EntityPath, PropertyMarks
from cendry_memory.emulator import DATASTORE_MODE, EmulatorUnavailableError, emulators_required, running
from codec_model import DATA, City
from figures import Figures
from timing import medians

ENTITIES = 5000
CALLS = 200


@pytest.fixture(scope="module")
def backend() -> Iterator[DatastoreBackend]:
    """A backend on an emulator without entities."""
    try:
        with running(DATASTORE_MODE):
            backend = DatastoreBackend(project=f"bench-{uuid.uuid4().hex[:12]}")
            yield backend
            backend.close()
    except EmulatorUnavailableError as error:
        if emulators_required():
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))


def fill(backend: DatastoreBackend, kind: str, data: dict[str, Any], marks: PropertyMarks = NO_PROPERTY_MARKS) -> None:
    for start in range(0, ENTITIES, 500):
        paths = [EntityPath(f"{kind}/c{number:04}", marks) for number in range(start, start + 500)]
        backend.commit([Set(path, data) for path in paths])


class Town(City, collection="towns"):
    """A city some of whose properties are kept out of the indexes."""


def ratios(backend: DatastoreBackend, model: type[City], what: str, figures: Figures) -> None:
    ctx, client = Cendry(backend=backend), backend.client

    def sdk() -> None:
        assert sum(1 for entity in client.query(kind=model.__collection__).fetch() if entity) == ENTITIES

    def models() -> None:
        # As an application reads: one after the other, none kept.
        assert sum(1 for city in ctx.select(model) if city.name) == ENTITIES

    found = medians(models=models, sdk=sdk)
    figures.ratios(what, found["models"], found["sdk"], cpu=0.50, wall=1.05, each=ENTITIES, per="entity")


def test_a_query(backend: DatastoreBackend, figures: Figures) -> None:
    fill(backend, "cities", DATA)
    ratios(backend, City, f"a query of {ENTITIES:,} entities", figures)


def test_a_query_of_entities_with_properties_outside_the_indexes(backend: DatastoreBackend, figures: Figures) -> None:
    # What is read with them has to remember which they are.
    fill(backend, "towns", {**DATA, "note": "by the sea"}, {"note": EXCLUDED})
    ratios(backend, Town, f"a query of {ENTITIES:,} with an unindexed property", figures)


def test_getting_one(backend: DatastoreBackend, figures: Figures) -> None:
    fill(backend, "cities", DATA)
    ctx, client = Cendry(backend=backend), backend.client

    def sdk() -> None:
        for number in range(CALLS):
            assert client.get(client.key("cities", f"c{number:04}"))

    def models() -> None:
        for number in range(CALLS):
            assert ctx.get(City, f"c{number:04}").name

    found = medians(models=models, sdk=sdk)
    figures.ratios("ctx.get on Datastore", found["models"], found["sdk"], cpu=1.05, wall=1.05, each=CALLS, per="call")


def entities_of(client: Any) -> list[Any]:
    from google.cloud import datastore
    from google.cloud.datastore.helpers import GeoPoint

    def inner(values: dict[str, Any]) -> Any:
        entity = datastore.Entity()
        entity.update(values)
        return entity

    made: list[Any] = []
    for number in range(500):
        entity = datastore.Entity(client.key("saved", f"c{number}"))
        entity.update(DATA)
        entity["mayor"] = inner(DATA["mayor"])
        entity["former"] = [inner(one) for one in DATA["former"]]
        entity["place"] = GeoPoint(37.77, -122.42)
        made.append(entity)
    return made


def test_saving_500(backend: DatastoreBackend, figures: Figures) -> None:
    ctx, client = Cendry(backend=backend), backend.client
    cities = [from_dict(City, dict(DATA), doc_id=f"c{number}", by_alias=True) for number in range(500)]
    entities = entities_of(client)

    found = medians(models=lambda: ctx.save_many(cities), sdk=lambda: client.put_multi(entities))
    figures.ratios(
        "ctx.save_many of 500 on Datastore", found["models"], found["sdk"], cpu=0.50, wall=1.05, each=500, per="entity"
    )


def test_saving_one(backend: DatastoreBackend, figures: Figures) -> None:
    ctx, client = Cendry(backend=backend), backend.client
    city = from_dict(City, dict(DATA), doc_id="one", by_alias=True)
    entity = entities_of(client)[0]

    def sdk() -> None:
        for _ in range(CALLS):
            client.put(entity)

    def models() -> None:
        for _ in range(CALLS):
            ctx.save(city)

    found = medians(models=models, sdk=sdk)
    figures.ratios("ctx.save on Datastore", found["models"], found["sdk"], cpu=1.05, wall=1.2, each=CALLS, per="call")
