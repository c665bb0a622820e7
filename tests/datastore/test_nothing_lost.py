"""What was stored before Cendry came is read to something sensible, and is still there after a write."""

from __future__ import annotations

import copy
import math
import pickle
from datetime import datetime, timezone
from typing import Any

import pytest
from cendry import DELETE_FIELD, Cendry, Field, FieldPath, GeoPoint, Map, Model, Ref, field
from cendry.plan import Delete, QueryPlan, Set, Update
from cendry_datastore import _sdk
from cendry_memory.testing import Database
from google.cloud import datastore
from google.cloud.datastore.helpers import GeoPoint as SdkGeoPoint

LONG = "é" * 751
"""Two bytes more than an index takes."""


class Address(Map):
    street: Field[str] = field(default="")
    note: Field[str] = field(default="")


class User(Model, collection="User"):
    name: Field[str] = field(default="")
    bio: Field[str] = field(default="")
    tags: Field[list[str]] = field(default_factory=list)
    address: Field[Address] = field(default_factory=Address)


class Kept(Model, collection="User", extra="keep"):
    name: Field[str] = field(default="")
    address: Field[Address] = field(default_factory=Address)


def unindexed(sdk: Any, *path: str | int) -> set[str]:
    """The properties of an entity that are kept out of the indexes; those of maps after a dot."""
    [found] = sdk._datastore_api.lookup(
        request={"project_id": sdk.project, "keys": [sdk.key(*path).to_protobuf()]}
    )._pb.found
    return set(_unindexed(found.entity.properties, ""))


def _unindexed(properties: Any, prefix: str) -> Any:
    for name, value in properties.items():
        elements = value.array_value.values or [value]
        if any(one.exclude_from_indexes for one in elements):
            yield prefix + name
        for one in elements:
            yield from _unindexed(one.entity_value.properties, f"{prefix}{name}.")


def put_user(sdk: Any) -> None:
    """An entity of before, some of whose properties are kept out of the indexes."""
    address = datastore.Entity(exclude_from_indexes=("note",))
    address.update(street="Main", note="by the river", zip="94110")
    entity = datastore.Entity(sdk.key("User", "a"), exclude_from_indexes=("bio", "tags", "legacy"))
    entity.update(name="Ada", bio="short", tags=["x", "y"], legacy=[1, None, "three"], visits=5, address=address)
    sdk.put(entity)


# --- what is kept out of the indexes ---


@pytest.mark.parametrize("way", ["as it is", "copied", "pickled", "under its parent", "saved twice"])
def test_what_was_read_stays_out_of_the_indexes(ctx: Cendry, sdk: Any, way: str) -> None:
    put_user(sdk)
    user = ctx.get(User, "a")
    assert ("Ada", "short", ["x", "y"], "by the river") == (user.name, user.bio, user.tags, user.address.note)
    if way == "copied":
        user = copy.deepcopy(user)
    elif way == "pickled":
        user = pickle.loads(pickle.dumps(user))
    elif way == "saved twice":
        ctx.save(user)
    user.name, user.bio = "Grace", "changed"
    ctx.save(user)
    assert {"bio", "tags", "address.note"} == unindexed(sdk, "User", "a")
    assert "changed" == sdk.get(sdk.key("User", "a"))["bio"]


def test_what_was_found_by_a_query_stays_out_as_well(ctx: Cendry, sdk: Any) -> None:
    put_user(sdk)
    [user] = ctx.select(User, User.name == "Ada")
    with ctx.batch() as batch:
        batch.save(user)
        batch.update(user, {User.name: "x"})
    assert {"bio", "tags", "address.note"} == unindexed(sdk, "User", "a")


def test_below_a_parent_that_is_said_again(ctx: Cendry, sdk: Any) -> None:
    class Note(Model, collection="Note", parent=User):
        text: Field[str]

    entity = datastore.Entity(sdk.key("User", "a", "Note", "n"), exclude_from_indexes=("text",))
    entity.update(text="x")
    sdk.put(entity)
    parent = Ref(User, "a")
    note = ctx.get(Note, "n", parent=parent)
    ctx.save(note, parent=parent)
    assert {"text"} == unindexed(sdk, "User", "a", "Note", "n")


def test_an_update_keeps_out_what_was_out_and_changes_nothing_else(ctx: Cendry, sdk: Any) -> None:
    put_user(sdk)
    ctx.update(
        User, "a", {User.bio: "new", "address.note": "there", User.tags: ["z"], FieldPath("legacy"): ["a", {"b": 1}]}
    )
    stored = sdk.get(sdk.key("User", "a"))
    assert ("Ada", "new", ["z"], 5) == (stored["name"], stored["bio"], stored["tags"], stored["visits"])
    assert {"street": "Main", "note": "there", "zip": "94110"} == dict(stored["address"])
    assert {"bio", "tags", "legacy", "address.note"} == unindexed(sdk, "User", "a")


def test_what_is_too_large_for_an_index_is_kept_out_by_itself(ctx: Cendry, sdk: Any) -> None:
    ctx.save(User(id="a", name="x" * 1500, bio=LONG, tags=["short", LONG], address=Address(street="s", note=LONG)))
    assert {"bio", "tags", "address.note"} == unindexed(sdk, "User", "a")
    ctx.update(User, "a", {User.name: LONG, User.bio: "short again"})
    assert {"name", "tags", "address.note"} == unindexed(sdk, "User", "a")


def test_bytes_too(db: Database, sdk: Any) -> None:
    db.commit(Set("User/a", {"long": b"x" * 1501, "short": b"x" * 1500}))
    assert {"long"} == unindexed(sdk, "User", "a")


@pytest.mark.parametrize("count", [5_001, 20_001])
@pytest.mark.parametrize("kind", ["map", "array", "maps in an array"])
@pytest.mark.slow
def test_maps_and_arrays_of_too_many_values_are_kept_out_by_themselves(
    db: Database, sdk: Any, emulator: str, kind: str, count: int
) -> None:
    large: Any = {f"k{n}": n for n in range(count)} if kind == "map" else list(range(count))
    if kind == "maps in an array":
        large = [{"n": n} for n in range(count)]
    db.commit(Set("User/a", {"large": large, "small": [1, {"x": 2}], "name": "x"}))
    assert {"large": large, "small": [1, {"x": 2}], "name": "x"} == db.data("User/a")
    names = unindexed(sdk, "User", "a")
    assert {"small", "name"}.isdisjoint(names)
    # The emulator of Datastore mode takes 5,000 values; the other doesn't count them, and Datastore takes 20,000.
    assert (emulator == "mode" or count > 20_000) is bool(names)
    db.commit(Update("User/a", {"name": "y"}, (FieldPath("name"),)))
    assert "y" == (db.data("User/a") or {})["name"]


def test_a_batch_of_large_ones_and_removals(db: Database, sdk: Any) -> None:
    db.commit(Set("User/gone", {}))
    db.commit(
        Set("User/a", {"large": list(range(20_001))}), Delete("User/gone"), Set("User/b", {"x": list(range(6_000))})
    )
    assert {"large"} == unindexed(sdk, "User", "a")
    assert db.data("User/gone") is None


def test_each_entity_has_its_own(ctx: Cendry, sdk: Any) -> None:
    class Blob(Model, collection="Blob"):
        a: Field[bytes] = field(default=b"")
        b: Field[str] = field(default="")
        inner: Field[dict[str, str]] = field(default_factory=dict)

    for number, out in enumerate([(), ("a",), ("a",), ("b",), ("a", "b"), ()]):
        entity = datastore.Entity(sdk.key("Blob", str(number)), exclude_from_indexes=out)
        entity.update(a=b"x", b="y", inner=datastore.Entity(exclude_from_indexes=("k",) if number == 5 else ()))
        entity["inner"]["k"] = "v"
        sdk.put(entity)
    for blob in ctx.select(Blob):
        blob.inner["more"] = "w"
        ctx.save(blob)
    found = [unindexed(sdk, "Blob", str(number)) for number in range(6)]
    assert [set(), {"a"}, {"a"}, {"b"}, {"a", "b"}, {"inner.k"}] == found
    ctx.save(Blob(id="long", a=b"x" * 1501, inner={"k": LONG, "short": "x"}))
    assert {"a", "inner.k"} == unindexed(sdk, "Blob", "long")


# --- what the model doesn't know ---


def test_unknown_properties_survive_a_save_of_what_keeps_them(ctx: Cendry, sdk: Any) -> None:
    put_user(sdk)
    kept = ctx.get(Kept, "a")
    kept.name = "Grace"
    kept.address.street = "Side"
    ctx.save(kept)
    stored = sdk.get(sdk.key("User", "a"))
    assert ("Grace", "short", [1, None, "three"], 5) == tuple(
        stored[name] for name in ("name", "bio", "legacy", "visits")
    )
    assert {"street": "Side", "note": "by the river", "zip": "94110"} == dict(stored["address"])
    assert {"bio", "tags", "legacy", "address.note"} == unindexed(sdk, "User", "a")


def test_a_dotted_update_changes_the_nested_value_only(ctx: Cendry, sdk: Any) -> None:
    put_user(sdk)
    ctx.update(User, "a", {User.address[Address.street]: "Side"})
    ctx.update(User, "a", {FieldPath("address", "zip"): DELETE_FIELD, FieldPath("address", "new", "deep"): 1})
    ctx.update(User, "a", {FieldPath("nowhere", "x"): DELETE_FIELD, FieldPath("address", "nothing"): DELETE_FIELD})
    stored = sdk.get(sdk.key("User", "a"))["address"]
    assert {"street": "Side", "note": "by the river", "new": {"deep": 1}} == dict(stored)


def test_an_update_leaves_what_only_the_sdk_knows(ctx: Cendry, sdk: Any) -> None:
    address = datastore.Entity(sdk.key("Address", 7))
    address.update(street="Main")
    entity = datastore.Entity(sdk.key("User", "a"))
    entity.update(name="x", address=address, home=sdk.key("Place", 5), other=datastore.Entity(sdk.key("Place", 6)))
    entity["far"] = datastore.Key("User", 5, project="other", namespace="ns")
    sdk.put(entity)
    kept = ctx.get(Kept, "a")
    kept.address.street = "Side"
    ctx.save(kept)
    stored = sdk.get(sdk.key("User", "a"))
    assert ("Side", sdk.key("Address", 7)) == (stored["address"]["street"], stored["address"].key)
    assert (sdk.key("Place", 6), sdk.key("Place", 5)) == (stored["other"].key, stored["home"])
    assert ("other", "ns") == (stored["far"].project, stored["far"].namespace)


def test_names_with_dots_are_names(ctx: Cendry, sdk: Any) -> None:
    class Legacy(Model, collection="User", extra="keep"):
        street: Field[str] = field(alias="address.street")

    entity = datastore.Entity(sdk.key("User", "a"))
    entity.update({"address.street": "Main", "address.zip": "1"})
    sdk.put(entity)
    [found] = ctx.select(Legacy, Legacy.street == "Main", order_by=Legacy.street)
    found.street = "Side"
    ctx.save(found)
    ctx.update(found, {Legacy.street: "Back"})
    assert {"address.street": "Back", "address.zip": "1"} == dict(sdk.get(sdk.key("User", "a")))
    assert [{"id": "a", "street": "Back"}] == list(ctx.select(Legacy).project(Legacy.street))


# --- odd data ---


def test_odd_values_are_read_to_something_sensible(db: Database, sdk: Any) -> None:
    embedded = datastore.Entity(sdk.key("Inner", 7))
    embedded.update(n=1, deeper=datastore.Entity())
    moment = datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.utc)
    properties = {
        "embedded": embedded,
        "empty": [],
        "mixed": [1, 2.5, None, "x", True, b"b", embedded, sdk.key("User", 5)],
        "blob": b"\0\xff",
        "int": 2**63 - 1,
        "least": -(2**63),
        "inf": -math.inf,
        "null": None,
        "moment": moment,
        "point": SdkGeoPoint(1.5, -2.5),
        "text": "",
    }
    entity = datastore.Entity(sdk.key("User", "a"))
    entity.update(properties)
    sdk.put(entity)
    plain = {"n": 1, "deeper": {}}
    user = Ref[Any].from_path("User/__id5__")
    expected = {
        **properties,
        "embedded": plain,
        "mixed": [1, 2.5, None, "x", True, b"b", plain, user],
        "point": GeoPoint(1.5, -2.5),
    }
    assert expected == db.data("User/a")
    [found] = db.run(QueryPlan("User"))
    assert expected == found.data
    db.commit(Set("User/b", expected))
    assert expected == db.data("User/b")


def test_the_sdks_own_values_are_taken(db: Database, sdk: Any) -> None:
    inner = datastore.Entity(sdk.key("Inner", 7), exclude_from_indexes=("n",))
    inner.update(n=1)
    value = sdk._datastore_api  # any object of no kind that is stored
    message = _sdk.Value(integer_value=5)
    db.commit(Set("User/a", {"key": sdk.key("User", 5), "point": SdkGeoPoint(1, 2), "map": inner, "raw": message}))
    key = Ref[Any].from_path("User/__id5__")
    assert {"key": key, "point": GeoPoint(1, 2), "map": {"n": 1}, "raw": 5} == db.data("User/a")
    assert ({"map.n"}, 7) == (unindexed(sdk, "User", "a"), sdk.get(sdk.key("User", "a"))["map"].key.id)
    with pytest.raises(TypeError, match="of no kind that Datastore stores"):
        db.commit(Set("User/b", {"x": value}))
    assert db.data("User/b") is None


def test_what_is_too_long_in_the_sdks_own_values_is_excluded(db: Database, sdk: Any) -> None:
    inner = datastore.Entity()
    inner.update(short="x", long=LONG)
    db.commit(Set("User/a", {"map": inner, "raw": _sdk.Value(string_value=LONG), "list": [inner]}))
    assert {"map.long", "raw", "list.long"} == unindexed(sdk, "User", "a")
    db.commit(Update("User/a", {"name": {"inner": inner}}, (FieldPath("name"),)))
    assert {"map.long", "raw", "list.long", "name.inner.long"} == unindexed(sdk, "User", "a")
