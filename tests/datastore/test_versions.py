"""Models with versions of entities that ndb has stored: upgrades get values in Cendry's form, on reads and writes."""

from __future__ import annotations

from typing import Any

import pytest
from cendry import Cendry, Field, Map, Model, field, upgrade
from cendry.plan import GetPlan, Set
from cendry_datastore import DatastoreBackend


class Home(Map):
    city: Field[str]
    zip: Field[str | None] = field(default=None)


class Person(Model, collection="people", version=2, extra="keep"):
    first: Field[str]
    home: Field[Home | None] = field(default=None)
    visits: Field[int] = field(default=0)


@upgrade(Person, to=2)
def add_zip(data: dict[str, Any]) -> dict[str, Any]:
    others = {name: value for name, value in data.items() if name != "name"}
    return {**others, "first": data["name"], "home": {**data["home"], "zip": "W1"}}


@pytest.mark.slow
@pytest.mark.parametrize("is_in_parts", [False, True])
def test_an_old_entity_that_ndb_has_stored_is_upgraded(
    cendry_datastore_mode_host: str, project: str, monkeypatch: pytest.MonkeyPatch, is_in_parts: bool
) -> None:
    monkeypatch.setenv("DATASTORE_EMULATOR_HOST", cendry_datastore_mode_host)
    backend = DatastoreBackend(project=project, ndb=True)
    home = {"home.city": "London"} if is_in_parts else {"home": {"city": "London"}}
    parts, whole = {"home.city": "London", "home.zip": "W1"}, {"home": {"city": "London", "zip": "W1"}}
    ctx = Cendry(backend=backend)
    for save in (False, True):
        backend.commit([Set("people/a", {"name": "Ada", "unknown": 1, **home})])
        person = ctx.get(Person, "a")
        assert Person(id="a", first="Ada", home=Home(city="London", zip="W1")) == person
        person.visits = 5
        if save:
            ctx.save(person)
        else:
            ctx.update(person, fields=[Person.visits])
        [result] = backend.get(GetPlan(("people/a",)))
        data = {"first": "Ada", "visits": 5, "unknown": 1, "_cendry_version": 2, **(parts if is_in_parts else whole)}
        assert (data, person) == (result.data, ctx.get(Person, "a"))
    backend.close()
