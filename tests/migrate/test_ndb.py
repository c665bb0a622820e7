"""What google-cloud-ndb stores, moved with the transforms that models ask for: both sides read the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import google.cloud.ndb as ndb
import pytest
from cendry import Cendry, Field, Map, Model, field
from cendry_datastore.migrate import Place, Plan, Shard, Source, Target, copy, verify
from cendry_datastore.migrate.choices import Observer, asked_by
from cendry_datastore.migrate.values import KindPlan, new_id
from migrate.sides import Sides


class Address(Map):
    city: Field[str | None] = field(default=None)
    notes: Field[str | None] = field(default=None)


class Home(Map):
    address: Field[Address | None] = field(default=None)


class Shop(Model, collection="NdbShop"):
    name: Field[str | None] = field(default=None)
    bio: Field[str | None] = field(default=None)
    data: Field[bytes | None] = field(default=None)
    notes: Field[list[str]] = field(default_factory=list)
    address: Field[Address | None] = field(default=None)
    others: Field[list[Address]] = field(default_factory=list)
    home: Field[Home | None] = field(default=None)
    local: Field[Address | None] = field(default=None)
    locals: Field[list[Address]] = field(default_factory=list)
    packed: Field[Home | None] = field(default=None)
    settings: Field[dict[str, Any] | None] = field(default=None)
    zipped: Field[dict[str, Any] | None] = field(default=None)


def ndb_models() -> tuple[Any, Any, Any]:
    class NdbAddress(ndb.Model):  # type: ignore[misc]
        city = ndb.StringProperty()
        notes = ndb.TextProperty(compressed=True)

    class NdbHome(ndb.Model):  # type: ignore[misc]
        address = ndb.StructuredProperty(NdbAddress)

    class NdbShop(ndb.Model):  # type: ignore[misc]
        name = ndb.StringProperty()
        bio = ndb.TextProperty(compressed=True)
        data = ndb.BlobProperty(compressed=True)
        notes = ndb.TextProperty(compressed=True, repeated=True)
        address = ndb.StructuredProperty(NdbAddress)
        others = ndb.StructuredProperty(NdbAddress, repeated=True)
        home = ndb.StructuredProperty(NdbHome)
        local = ndb.LocalStructuredProperty(NdbAddress)
        locals = ndb.LocalStructuredProperty(NdbAddress, repeated=True)
        packed = ndb.LocalStructuredProperty(NdbHome, compressed=True)
        settings = ndb.JsonProperty()
        zipped = ndb.JsonProperty(compressed=True)

    return NdbAddress, NdbHome, NdbShop


@pytest.mark.parametrize("legacy", [True, False], ids=["legacy", "new"])
def test_both_sides_read_what_ndb_stored(sides: Sides, tmp_path: Path, legacy: bool) -> None:
    address, home, shop = ndb_models()
    make: Callable[[str], Any] = lambda city: address(city=city, notes=f"in {city}")  # noqa: E731
    client = ndb.Client(project=sides.project)
    with client.context(legacy_data=legacy):
        shop(
            id="full",
            name="x",
            bio="é" * 500,
            data=b"\xff" * 100,
            notes=["a", "b"],
            address=make("Rome"),
            others=[address(city="Oslo"), address(city="Bonn")],
            home=home(address=make("Bari")),
            local=make("Nice"),
            locals=[make("Lodz"), address()],
            packed=home(address=make("Cork")),
            settings={"a": [1, {"b": None}]},
            zipped={"x": 1.5},
        ).put()
        shop(id="empty").put()
    expected = Shop(
        id="full",
        name="x",
        bio="é" * 500,
        data=b"\xff" * 100,
        notes=["a", "b"],
        address=Address(city="Rome", notes="in Rome"),
        # Of a list in parts, ndb doesn't mark what it compresses.
        others=[Address(city="Oslo"), Address(city="Bonn")],
        home=Home(address=Address(city="Bari", notes="in Bari")),
        local=Address(city="Nice", notes="in Nice"),
        locals=[Address(city="Lodz", notes="in Lodz"), Address()],
        packed=Home(address=Address(city="Cork", notes="in Cork")),
        settings={"a": [1, {"b": None}]},
        zipped={"x": 1.5},
    )
    source, target = Source(sides.source_client), Target(sides.target_client)
    shard = Shard("NdbShop", 0)
    observer = Observer("NdbShop", asked_by([Shop]))
    for page in source.pages(shard):
        for result in page.results:
            observer.see(result.entity)
    decisions = observer.decide()
    assert [] == [one for one in decisions if not one.is_made]
    place = Place(sides.project)
    plan = Plan(
        id=new_id(),
        source=place,
        target=place,
        read_time=source.now(),
        mode="ndb",
        transforms=tuple(one.transform for one in decisions),
        kinds=(KindPlan("NdbShop", "NdbShop", 2, (shard,)),),
        foreign="refuse",
        tool="0",
    )
    result = copy(plan, state=tmp_path, source=source, target=target)
    assert (2, 0) == (result.copied, result.dead)
    for backend in (source.backend(ndb=True), target.backend()):
        assert expected == Cendry(backend=backend).get(Shop, "full")
    proof = verify(plan, state=tmp_path, source=source, target=target, models=[Shop])
    assert (2, 2, True, ()) == (proof.source, proof.target, proof.ok, proof.differences)
