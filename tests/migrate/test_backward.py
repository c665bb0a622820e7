"""After the roles were swapped, documents go back to Datastore mode: under the names and in the forms of entities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import google.cloud.ndb as ndb
import pytest
from cendry import Cendry, Ref
from cendry.jobs import LocalStore, write_json
from cendry.plan import Delete, GetPlan, Set
from cendry.values import Vector
from cendry_datastore import DatastoreBackend, DualBackend, Mismatch
from cendry_datastore.migrate import (
    KindPlan,
    Plan,
    Repaired,
    Shard,
    Source,
    Target,
    Transform,
    copy,
    delta,
    repair,
    verify,
)
from cendry_datastore.migrate.backward import BackwardMirror, forms_of
from cendry_datastore.migrate.choices import Observer, asked_by
from cendry_datastore.migrate.intents import Direction, IntentLog, open_intents
from cendry_datastore.migrate.translate import UntranslatableError
from cendry_firestore import FirestoreBackend
from migrate.seeding import entity, put
from migrate.shops import Address, Home, Shop, ndb_models, shop_of
from migrate.sides import Document, Sides, Value

RENAMED = {"City": "cities", "a/b": "ab"}


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "migration")


def plan_of(source: Source, target: Target, transforms: tuple[Transform, ...] = (), /, **counts: int) -> Plan:
    kinds = tuple(
        KindPlan(kind, RENAMED.get(kind, kind), count, (Shard(kind, number),), was_empty=True)
        for number, (kind, count) in enumerate(counts.items())
    )
    mode: Any = "ndb" if transforms else "raw"
    return Plan("id", source.place, target.place, source.now(), mode, transforms, kinds)


def documents(backend: Any, *paths: str) -> dict[str, Any]:
    return {result.path: result.data for result in backend.get(GetPlan(paths))}


def logged(store: LocalStore, direction: Direction, *paths: str) -> None:
    """The log of a process that was killed before it mirrored."""
    IntentLog(store, "gone").open(paths, direction)


# --- names ---


def test_dual_writes_follow_renamed_kinds_in_both_directions(
    sdk: Any, source: Source, target: Target, project: str, store: LocalStore
) -> None:
    put(sdk, [entity(sdk, "City", "a", n=1, near=sdk.key("City", "b")), entity(sdk, "City", 7, n=1)])
    plan = plan_of(source, target, City=2)
    assert 2 == copy(plan, state=store, source=source, target=target).copied
    primary, shadow = DatastoreBackend(source.client), FirestoreBackend(project=project)
    found: list[Mismatch] = []
    with DualBackend(primary, shadow, state=store, mode="shadow-read", on_mismatch=found.append) as dual:
        dual.commit([Set("City/b", {"n": 2, "near": Ref.from_path("City/a")}), Delete("City/__id7__")])
        assert {
            "cities/a": {"n": 1, "near": Ref.from_path("cities/b")},
            "cities/b": {"n": 2, "near": Ref.from_path("cities/a")},
            "cities/__id7__": None,
        } == documents(shadow, "cities/a", "cities/b", "cities/__id7__")
        documents(dual, "City/a", "City/b", "City/__id7__")
        dual.drain()
        assert [] == found
        shadow.commit([Set("cities/b", {"n": 3})])
        documents(dual, "City/a", "City/b")
        dual.drain()
        assert [("City/b", ("n", "near"))] == [(one.path, one.fields) for one in found]
        dual.commit([Set("City/b", {"n": 4})])
        dual.change_mode("frozen")
        dual.change_mode("switched")
        dual.commit([Set("cities/a", {"n": 5, "near": Ref.from_path("cities/b")}), Delete("cities/b")])
        dual.commit([Set("cities/__id8__", {"n": 6}), Set("Town/t", {"of": Ref.from_path("cities/a")})])
        assert {
            "City/a": {"n": 5, "near": Ref.from_path("City/b")},
            "City/b": None,
            "City/__id8__": {"n": 6},
            "Town/t": {"of": Ref.from_path("City/a")},
        } == documents(primary, "City/a", "City/b", "City/__id8__", "Town/t")
        assert [] == list(open_intents(store))
        # That is the name of another document now, and no entity has it.
        dual.commit([Set("City/a", {"n": 9})])
        [intent] = open_intents(store)
        assert "no entity of the source has the document 'City/a'" in str(intent.error)
        assert 5 == documents(primary, "City/a")["City/a"]["n"]
    shadow.close()


def test_a_repair_follows_renamed_kinds_in_both_directions(
    source: Source, target: Target, project: str, store: LocalStore
) -> None:
    plan = plan_of(source, target, City=0)
    primary, shadow = DatastoreBackend(source.client), FirestoreBackend(project=project)
    primary.commit([Set("City/a", {"n": 1}), Set("City/b", {"n": 1})])
    logged(store, "forward", "City/a", "City/b", "City/c")
    assert Repaired(3) == repair(plan, state=store, source=source, target=target)
    assert {"cities/a": {"n": 1}, "cities/b": {"n": 1}} == documents(shadow, "cities/a", "cities/b")
    shadow.commit([Set("cities/a", {"to": Ref.from_path("cities/b")}), Delete("cities/b"), Set("cities/c", {"n": 3})])
    logged(store, "backward", "cities/a", "cities/b", "cities/c", "City/a")
    result = repair(plan, state=store, source=source, target=target)
    assert (3, ["City/a"]) == (result.done, list(result.failed))
    expected = {"City/a": {"to": Ref.from_path("City/b")}, "City/b": None, "City/c": {"n": 3}}
    assert expected == documents(primary, *expected)
    proof = verify(plan, state=store, source=source, target=target)
    assert proof.ok, proof.differences
    shadow.close()


def test_a_delta_follows_renamed_kinds(sdk: Any, source: Source, target: Target, store: LocalStore) -> None:
    put(sdk, [entity(sdk, "a/b", name, n=1) for name in ("x", "y/z")])
    plan = plan_of(source, target, **{"a/b": 2})
    assert 2 == copy(plan, state=store, source=source, target=target).copied
    sdk.delete(sdk.key("a/b", "x"))
    put(sdk, [entity(sdk, "a/b", "y/z", n=2), entity(sdk, "a/b", 5, to=sdk.key("a/b", "x"))])
    result = delta(plan, state=store, source=source, target=target)
    assert (2, 1, 0) == (result.copied, result.deleted, result.dead)
    assert verify(plan, state=store, source=source, target=target).ok
    assert ["ab/__escy~1z__", "ab/__id5__"] == sorted(
        document.name.rpartition("/documents/")[2] for page in target.pages("ab") for document in page
    )


# --- values ---


def test_what_was_not_changed_comes_back_bit_by_bit(sides: Sides) -> None:
    key, text = sides.key("A", 1, "B", "x"), Value(string_value="t")
    unindexed = Value(string_value="short", exclude_from_indexes=True)
    embedded = Value(entity_value={"key": key, "properties": {"s": unindexed, "k": Value(key_value=key)}})
    foreign = sides.key("A", 1, project="elsewhere")
    stored = sides.entity(
        "City",
        "a",
        unindexed=unindexed,
        compressed=Value(blob_value=b"x\x9c+H\x04\x00\x01\x1a\x00\xd2", meaning=22, exclude_from_indexes=True),
        embedded=embedded,
        list=Value(array_value={"values": [text, embedded, Value(null_value=0), unindexed]}),
        empty=Value(array_value={}),
        at=Value(timestamp_value={"seconds": 5, "nanos": 6000}),
        point=Value(geo_point_value={"latitude": 1, "longitude": 2}),
        numbers=Value(entity_value={"properties": {"i": Value(integer_value=2**62), "d": Value(double_value=0.5)}}),
        yes=Value(boolean_value=True),
        **{"a.b": text, "a.c": Value(array_value={"values": [text]}), "foreign": Value(key_value=foreign)},
    )
    sides.put(stored)
    source, target = Source(sides.source_client), Target(sides.target_client)
    plan = Plan("id", source.place, target.place, source.now(), "raw", (), ())
    mirror = BackwardMirror(plan, source, target)
    [before] = sides.get(stored.key)
    document = Document()
    # A reference to another database is written as one to it.
    del before.properties["foreign"]
    mirror._translator.document(before, document)
    name = "projects/elsewhere/databases/(default)/documents/A/__id1__"
    document.fields["foreign"].reference_value = name
    sides.commit([document])
    assert ("City/a",) == mirror.mirror_paths(["City/a"]).done
    before.properties["foreign"].key_value.CopyFrom(foreign)
    [after] = sides.get(stored.key)
    assert dict(before.properties.items()) == dict(after.properties.items())
    # Without an entity that shows how values are stored, the values are the same.
    sides.delete(stored.key)
    assert ("City/a",) == mirror.mirror_paths(["City/a"]).done
    [new] = sides.get(stored.key)
    assert before.properties["embedded"].entity_value.key == new.properties["embedded"].entity_value.key
    assert before.properties.keys() == new.properties.keys()
    assert b"x\x9c+H\x04\x00\x01\x1a\x00\xd2" == new.properties["compressed"].blob_value


VECTOR = {"map_value": {"fields": {"__type__": {"string_value": "__vector__"}, "value": {"array_value": {}}}}}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (VECTOR, r"v: Datastore mode has no vectors"),
        ({"map_value": {"fields": {"a.b": {"array_value": {"values": [VECTOR]}}}}}, r"v.`a.b`: Datastore mode has no"),
        ({"reference_value": "{own}/City/__escx__"}, r"v: no entity has the key that stands for 'projects/.*'"),
        ({"reference_value": "projects/o/databases/d/documents/City/__escx__"}, r"v: no entity has the key that stand"),
    ],
)
def test_what_no_entity_can_hold_is_named(value: Any, reason: str, source: Source, target: Target) -> None:
    plan = Plan("id", source.place, target.place, source.now(), "raw", (), ())
    name = value.get("reference_value", "").replace("{own}", f"{target.name}/documents")
    document = Document(fields={"v": {"reference_value": name} if name else value})
    with pytest.raises(UntranslatableError, match=reason):
        BackwardMirror(plan, source, target).entity(document)


def test_one_document_that_no_entity_can_be_does_not_hold_back_the_others(
    source: Source, target: Target, project: str, store: LocalStore
) -> None:
    shadow = FirestoreBackend(project=project)
    shadow.commit([Set("City/a", {"v": Vector([1.0])}), Set("City/b", {"n": 1})])
    logged(store, "backward", "City/a", "City/b")
    plan = Plan("id", source.place, target.place, source.now(), "raw", (), ())
    result = repair(plan, state=store, source=source, target=target)
    assert Repaired(1, {"City/a": "UntranslatableError: v: Datastore mode has no vectors"}) == result
    assert {"City/a": None, "City/b": {"n": 1}} == documents(DatastoreBackend(source.client), "City/a", "City/b")
    shadow.close()


def test_a_source_that_is_away_is_left_alone(
    source: Source, target: Target, project: str, store: LocalStore, closing_host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_json(store, "plan.json", Plan("id", source.place, target.place, source.now(), "raw", (), ()).to_json())
    shadow = FirestoreBackend(project=project)
    monkeypatch.setenv("DATASTORE_EMULATOR_HOST", closing_host)
    away = DatastoreBackend(project=project)
    with DualBackend(away, shadow, state=store, mode="frozen") as dual:
        dual.change_mode("switched")
        dual.commit([Set("City/a", {"n": 1})])
        dual.commit([Set("City/b", {"n": 1})])
        first, second = open_intents(store)
        assert first.error is not None
        assert (["City/a"], ["City/b"], first.error) == ([*first.paths], [*second.paths], second.error)
        assert {"City/a": {"n": 1}} == documents(dual, "City/a")
    assert 2 == repair(Plan.from_json(store.get("plan.json") or b""), state=store, source=source, target=target).done
    assert {"City/b": {"n": 1}} == documents(DatastoreBackend(source.client), "City/b")
    shadow.close()
    away.close()


# --- forms of ndb ---


@pytest.mark.parametrize("way", ["dual", "repair"])
@pytest.mark.parametrize("legacy", [True, False], ids=["legacy", "new"])
def test_ndb_goes_on_reading_what_was_written_to_the_target(
    sides: Sides, store: LocalStore, legacy: bool, way: str
) -> None:
    address, home, shop = ndb_models()
    client = ndb.Client(project=sides.project)
    with client.context(legacy_data=legacy):
        for name in ("changed", "same", "gone"):
            shop_of(shop, address, home, name).put()
    source, target = Source(sides.source_client), Target(sides.target_client)
    shard = Shard("NdbShop", 0)
    observer = Observer("NdbShop", asked_by([Shop]))
    for page in source.pages(shard):
        for result in page.results:
            observer.see(result.entity)
    transforms = tuple(one.transform for one in observer.decide())
    plan = plan_of(source, target, transforms, NdbShop=3)
    assert 3 == copy(plan, state=store, source=source, target=target).copied
    keys = [sides.key("NdbShop", name) for name in ("same", "changed")]
    [same, _] = sides.get(*keys)

    def change(ctx: Cendry) -> None:
        found = ctx.get(Shop, "changed")
        assert found.address is not None
        assert found.local is not None
        assert found.packed is not None
        found.bio, found.data, found.notes = "new", b"new", ["c", "a", "d"]
        found.address.city, found.address.notes = "Pisa", "in Pisa"
        found.others = [Address(city="Oslo"), Address(city="Kiel"), Address(city="Bonn")]
        found.home = Home(address=Address(city="Lund", notes="in Lund"))
        found.local.notes = "changed"
        found.locals = [Address(city="Lodz", notes="in Lodz"), Address(city="Brno", notes="in Brno")]
        found.packed = Home(address=Address(city="Metz", notes="in Metz"))
        found.settings, found.zipped = {"é": [2]}, {"y": "z"}
        ctx.save(found)
        ctx.save(ctx.get(Shop, "same"))
        new = ctx.get(Shop, "changed")
        new.id = "new"
        ctx.save(new)
        ctx.delete(Shop, "gone")

    if way == "dual":
        with DualBackend(source.backend(ndb=True), target.backend(), state=store, mode="frozen") as dual:
            dual.change_mode("switched")
            change(Cendry(backend=dual))
        assert [] == list(open_intents(store))
    else:
        change(Cendry(backend=target.backend()))
        logged(store, "backward", *(f"NdbShop/{name}" for name in ("changed", "same", "new", "gone")))
        assert Repaired(4) == repair(plan, state=store, source=source, target=target)
    [after] = sides.get(keys[0])
    assert same == after
    with client.context(legacy_data=legacy):
        for name in ("changed", "new"):
            found = shop.get_by_id(name)
            assert ("x", "new", b"new", ["c", "a", "d"]) == (found.name, found.bio, found.data, found.notes)
            assert ("Pisa", "in Pisa") == (found.address.city, found.address.notes)
            assert ["Oslo", "Kiel", "Bonn"] == [one.city for one in found.others]
            assert ("Lund", "in Lund") == (found.home.address.city, found.home.address.notes)
            assert ("Nice", "changed") == (found.local.city, found.local.notes)
            assert [("Lodz", "in Lodz"), ("Brno", "in Brno")] == [(one.city, one.notes) for one in found.locals]
            assert ("Metz", "in Metz") == (found.packed.address.city, found.packed.address.notes)
            assert ({"é": [2]}, {"y": "z"}) == (found.settings, found.zipped)
        assert shop.get_by_id("gone") is None
    # The same models read the same on both sides, and the plan makes of the entities what the target has.
    for backend in (source.backend(ndb=True), target.backend()):
        assert Home(address=Address(city="Metz", notes="in Metz")) == Cendry(backend=backend).get(Shop, "new").packed
    proof = verify(plan, state=store, source=source, target=target, models=[Shop])
    assert proof.ok, proof.differences


def test_forms_are_those_that_the_transforms_read() -> None:
    transforms = [
        Transform("K", "list", "nest", {"list": True}),
        Transform("K", "list.text", "inflate", {"text": True}),
        Transform("K", "packed", "inflate"),
        Transform("K", "packed", "unpack"),
        Transform("K", "json", "json"),
        Transform("K", "whole.data", "inflate"),
    ]
    forms = forms_of(transforms)
    shown = {name: (form.kind, form.repeated, sorted(form.hints)) for name, form in forms.items()}
    assert {
        "list": ("map", True, []),
        "packed": ("map", True, ["compressed", "local"]),
        "json": ("dict", False, ["json"]),
        "whole": ("map", True, ["local"]),
    } == shown
    assert ("text", ["compressed"]) == (forms["list"].fields["text"].kind, sorted(forms["list"].fields["text"].hints))
    assert "bytes" == forms["whole"].fields["data"].kind
