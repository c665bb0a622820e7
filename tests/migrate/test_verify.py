"""Proofs: both sides compared, on emulators."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cendry import Cendry, Field, Map, Model, field
from cendry.errors import JobFileError
from cendry.jobs import DeadLetters, LocalStore, write_json
from cendry_datastore.migrate import Place, Plan, Proof, Source, Target, Transform, copy, verify
from cendry_datastore.migrate.errors import OtherPlaceError
from cendry_datastore.migrate.forms import moment_text
from cendry_datastore.migrate.paging import key_bytes
from cendry_datastore.migrate.translate import Translator
from cendry_datastore.migrate.values import KindPlan, Shard, new_id
from migrate.sides import Document, Sides, Value


class Part(Map):
    secret: Field[str] = field(repr=False)
    x: Field[int] = field(default=0)


class City(Model, collection="City"):
    name: Field[str]
    part: Field[Part | None] = field(default=None)


def text(value: str, **more: Any) -> Any:
    return Value(string_value=value, **more)


class Migration:
    """A migration of the kind City, and what it has copied.

    Args:
        sides: Both sides.
        directory: Its directory.
        more: What else the plan has.
    """

    def __init__(self, sides: Sides, directory: Path, **more: Any) -> None:
        self.sides = sides
        self.store = LocalStore(directory)
        self.source = Source(sides.source_client)
        self.target = Target(sides.target_client)
        options = {"mode": "raw", "transforms": (), "foreign": "refuse", **more}
        kinds = options.pop("kinds", (KindPlan("City", "City", 0, (Shard("City", 0),)),))
        moment = self.source.now()
        place = Place(sides.project)
        self.plan = Plan(id=new_id(), source=place, target=place, read_time=moment, kinds=kinds, tool="0", **options)

    def copy(self, entities: Iterable[Any]) -> list[str]:
        """Store entities, and their documents; the plan's moment is now. Returns the names of the documents."""
        found = list(entities)
        self.sides.put(*found)
        plan = self.plan
        translator = Translator(
            self.sides.home, plan.target, plan.transforms, foreign=plan.foreign, collections=plan.collections
        )
        documents: list[Any] = []
        for entity in self.sides.get(*(each.key for each in found)):
            document = Document()
            translator.document(entity, document)
            documents.append(document)
        self.sides.commit(documents)
        self.plan = plan.renew(self.source.now())
        return [document.name for document in documents]

    def verify(self, **options: Any) -> Proof:
        """Verify it; the proof is also in the directory."""
        options = {"source": self.source, "target": self.target, **options}
        proof = verify(self.plan, state=self.store, **options)
        assert proof == Proof.from_json(self.store.get("verify.json") or b"")
        return proof


def counts(proof: Proof) -> dict[str, int]:
    names = ("missing", "extra", "different", "changed", "dead", "expired")
    return {name: getattr(proof, name) for name in names if getattr(proof, name)}


@pytest.fixture
def start(sides: Sides, tmp_path: Path) -> Callable[..., Migration]:
    """Makes a migration."""
    return lambda **more: Migration(sides, tmp_path, **more)


def cities(sides: Sides, count: int = 30) -> list[Any]:
    return [sides.entity("City", number + 1, name=text(f"city {number}")) for number in range(count)]


def test_equal_sides_are_proven(sides: Sides, start: Callable[..., Migration]) -> None:
    migration = start()
    migration.copy(cities(sides))
    progress: list[Any] = []
    proof = migration.verify(on_progress=progress.append)
    assert (30, 30, {}, True) == (proof.source, proof.target, counts(proof), proof.ok)
    assert (migration.plan.hash, None, ()) == (proof.plan, proof.sample, proof.differences)
    assert ("verify", 60) == (progress[-1].phase, progress[-1].done)
    assert proof.source_time == proof.target_time


def test_each_difference_is_named_and_no_value_is(sides: Sides, start: Callable[..., Migration]) -> None:
    migration = start()
    names = migration.copy(cities(sides))
    document = sides.read([names[3]])[0]
    document.fields["name"].string_value = "a secret"
    document.fields["a.b"].map_value.fields["c"].null_value = 0
    sides.commit([document, Document(name=f"{sides.target.name}/documents/City/other")])
    migration.target.delete([names[7]])
    proof = migration.verify()
    assert {"missing": 1, "extra": 1, "different": 1} == counts(proof)
    assert (30, 30, False) == (proof.source, proof.target, proof.ok)
    found = {one.path: (one.what, one.fields) for one in proof.differences}
    assert {
        "City/__id4__": ("different", ("`a.b`", "name")),
        "City/__id8__": ("missing", ()),
        "City/other": ("extra", ()),
    } == found
    assert b"secret" not in (migration.store.get("verify.json") or b"")


def test_the_first_hundred_differences_are_named(sides: Sides, start: Callable[..., Migration]) -> None:
    migration = start()
    sides.put(*cities(sides, 350))
    migration.plan = migration.plan.renew(migration.source.now())
    proof = migration.verify()
    assert ({"missing": 350}, 100, 350, 0) == (counts(proof), len(proof.differences), proof.source, proof.target)


def test_swapped_documents_are_found(sides: Sides, start: Callable[..., Migration]) -> None:
    migration = start()
    names = migration.copy(cities(sides, 4))
    one, two, three, four = sides.read(names)
    for first, second in ((one, two), (three, four)):
        first.name, second.name = second.name, first.name
    sides.commit([one, two, three, four])
    assert {"different": 4} == counts(migration.verify())


def test_dead_letters_are_neither_missing_nor_differences(sides: Sides, start: Callable[..., Migration]) -> None:
    migration = start()
    migration.copy(cities(sides))
    foreign = sides.entity("City", "foreign", k=Value(key_value=sides.key("A", 1, namespace="ns")))
    refused = sides.entity("City", "refused")
    stale = sides.entity("City", "stale", k=Value(key_value=sides.key("A", 1, namespace="ns")))
    sides.put(foreign, refused, stale)
    sides.commit([Document(name=f"{sides.target.name}/documents/City/stale")])
    migration.plan = migration.plan.renew(migration.source.now())
    letters = DeadLetters(migration.store, migration.plan.shards[0].name)
    letters.append(key_bytes(refused.key).hex(), "City/refused", "refused by the database")
    proof = migration.verify()
    assert {"dead": 3, "extra": 1} == counts(proof)
    # source = target + dead, but for the document that was left behind.
    assert (33, 31) == (proof.source, proof.target)
    sampled = migration.verify(sample=1.0)
    assert {"dead": 2, "extra": 1} == counts(sampled)


def test_what_changed_after_the_copy_is_no_difference(
    sides: Sides, start: Callable[..., Migration], any_datastore: str
) -> None:
    migration = start()
    migration.copy(cities(sides))
    changed = sides.entity("City", 3, name=text("new"))
    sides.put(changed, sides.entity("City", "new"))
    migration.sides.delete(sides.key("City", 5))
    proof = migration.verify()
    # The older emulator doesn't say when an entity changed, and has no past.
    expected = {"changed": 3} if any_datastore == "mode" else {"different": 1, "missing": 1, "extra": 1}
    assert expected == counts(proof)
    assert (any_datastore == "mode") is proof.ok
    proof = migration.verify(sample=1.0)
    expected = {"changed": 2} if any_datastore == "mode" else {"different": 1, "missing": 1}
    assert expected == counts(proof)
    # A delta has read it since, and so nothing has changed after that.
    facts = {"plan": migration.plan.hash, "run": 1, "read_time": moment_text(migration.source.now()), "ended": False}
    write_json(migration.store, "delta.json", facts)
    assert (any_datastore == "mode") is migration.verify().ok
    write_json(migration.store, "delta.json", {**facts, "ended": True})
    assert {"different": 1, "missing": 1, "extra": 1} == counts(migration.verify())


def test_a_moment_that_nobody_has_any_more_is_no_excuse(sides: Sides, start: Callable[..., Migration]) -> None:
    migration = start()
    names = migration.copy(cities(sides))
    migration.target.delete(names[:1])
    long_ago = datetime.now(timezone.utc) - timedelta(days=1)
    migration.plan = migration.plan.renew(long_ago)
    migration.sides.delete(sides.key("City", 5))
    proof = migration.verify(sample=1.0)
    assert {"missing": 1} == counts(proof)
    assert 1 == migration.verify().extra


def test_documents_that_have_expired_are_not_missing(sides: Sides, start: Callable[..., Migration]) -> None:
    migration = start()
    past, future = Value(timestamp_value={"seconds": 1}), Value(timestamp_value={"seconds": 4_000_000_000})
    entities = [
        sides.entity("City", "past", until=past),
        sides.entity("City", "future", until=future),
        sides.entity("City", "text", until=text("x")),
        sides.entity("City", "none"),
    ]
    migration.target.delete(migration.copy(entities))
    assert {"missing": 4} == counts(migration.verify())
    assert {"missing": 3, "expired": 1} == counts(migration.verify(ttl={"City": "until"}))


def test_a_sample_is_a_share_by_name(sides: Sides, start: Callable[..., Migration]) -> None:
    migration = start()
    names = migration.copy(cities(sides, 200))
    migration.target.delete(names)
    proof = migration.verify(sample=0.3)
    assert proof.sample == 0.3
    assert 30 < proof.source == proof.missing < 90
    assert 0 == proof.target
    for share in (0, -1, 1.5):
        with pytest.raises(ValueError, match="a share over 0 and at most 1"):
            migration.verify(sample=share)


def test_renamed_kinds_and_odd_names_are_found_on_both_sides(sides: Sides, start: Callable[..., Migration]) -> None:
    kinds = (
        KindPlan("a/b", "ab", 2, (Shard("a/b", 0),)),
        KindPlan("City", "City", 2, (Shard("City", 1),)),
    )
    migration = start(kinds=kinds)
    entities = [sides.entity("a/b", "x/y"), sides.entity("a/b", 1, "City", ".."), sides.entity("City", "a\0b")]
    names = migration.copy(entities)
    proof = migration.verify()
    assert (3, 3, {}) == (proof.source, proof.target, counts(proof))
    migration.target.delete(names[:1])
    migration.sides.delete(entities[1].key, entities[2].key)
    migration.plan = migration.plan.renew(migration.source.now())
    proof = migration.verify()
    assert {"missing": 1, "extra": 2} == counts(proof)
    assert {"ab/__escx~1y__", "ab/__id1__/City/__esc~2~2__", "City/a\0b"} == {one.path for one in proof.differences}
    # One whose name is escaped, and has a NUL character.
    sides.commit([Document(name=f"{sides.target.name}/documents/ab/__esca~1\0b__")])
    assert 3 == migration.verify().extra


def test_models_read_the_same_on_both_sides(sides: Sides, start: Callable[..., Migration]) -> None:
    kinds = (KindPlan("City", "City", 30, (Shard("City", 0),)), KindPlan("Other", "Others", 1, (Shard("Other", 1),)))
    migration = start(kinds=kinds)

    class Other(Model, collection="Other"):
        name: Field[str]

    class Unused(Model, collection="Unused"):
        name: Field[str]

    entities = cities(sides)
    part = entities[0].properties["part"].entity_value
    part.properties["secret"].string_value = "x"
    # Both sides refuse these, for the same reason.
    entities[1].properties["name"].integer_value = 5
    entities[2].properties.clear()
    migration.copy([*entities, sides.entity("Other", 1)])
    proof = migration.verify(models=[City, Other, Unused])
    assert ({}, True) == (counts(proof), proof.ok)


def test_what_models_read_differently_is_a_difference(sides: Sides, start: Callable[..., Migration]) -> None:
    # Inflated without need, as the model reads bytes on one side and text on the other: a transform that has no twin.
    transforms = (Transform("City", "name", "inflate", {"text": True}), Transform("City", "part", "nest"))
    kinds = (KindPlan("City", "City", 3, (Shard("City", 0),)),)
    migration = start(transforms=transforms, kinds=kinds)
    compressed = Value(blob_value=zlib.compress(b"x"), meaning=22, exclude_from_indexes=True)
    parts = {"part.secret": text("x")}
    names = migration.copy(
        [
            sides.entity("City", 1, name=compressed),
            sides.entity("City", 2, name=text("x"), **parts),
            sides.entity("City", 3, name=text("x")),
        ]
    )
    proof = migration.verify(models=[City])
    assert {"different": 2} == counts(proof)
    assert {("City/__id1__", ("name",)), ("City/__id2__", ("part",))} == {
        (one.path, one.fields) for one in proof.differences
    }
    # Whatever is known to differ is counted once.
    migration.target.delete(names[:1])
    assert {"different": 1, "missing": 1} == counts(migration.verify(models=[City]))


def test_models_read_an_embedded_entity_without_its_key_on_both_sides(
    sides: Sides, start: Callable[..., Migration]
) -> None:
    class Part(Map):
        n: Field[int]

    class Keyed(Model, collection="City"):
        as_map: Field[Part]
        as_dict: Field[dict[str, Any]]
        as_any: Field[Any]
        inner: Field[list[dict[str, Any]]]

    migration = start()
    part = Value(entity_value={"key": sides.key("A", 7), "properties": {"n": Value(integer_value=1)}})
    around = Value(entity_value={"properties": {"part": part}})
    inner = Value(array_value={"values": [part, around]})
    [name] = migration.copy([sides.entity("City", "x", as_map=part, as_dict=part, as_any=part, inner=inner)])
    [document] = sides.read([name])
    assert {"__name__", "__type__", "n"} == document.fields["as_dict"].map_value.fields.keys()
    expected = Keyed(id="x", as_map=Part(n=1), as_dict={"n": 1}, as_any={"n": 1}, inner=[{"n": 1}, {"part": {"n": 1}}])
    there, here = (Cendry(backend=side.backend()) for side in (migration.source, migration.target))
    for ctx in (there, here):
        assert expected == ctx.get(Keyed, "x")
    proof = migration.verify(models=[Keyed])
    assert ({}, True) == (counts(proof), proof.ok)
    # It can be saved on both sides. In Native mode, only an update of what is inside leaves the key.
    here.update(Keyed, "x", {"as_map.n": 2})
    for ctx in (there, here):
        found = ctx.get(Keyed, "x")
        found.as_dict["n"] = 3
        ctx.update(found, {Keyed.as_dict: found.as_dict})
        assert {"n": 3} == ctx.get(Keyed, "x").as_dict
    [document] = sides.read([name])
    assert {"n"} == document.fields["as_dict"].map_value.fields.keys()
    assert {"__name__", "__type__", "n"} == document.fields["as_map"].map_value.fields.keys()
    [entity] = sides.get(sides.key("City", "x"))
    assert entity.properties["as_dict"].entity_value.HasField("key")


def test_other_databases_and_other_states_are_refused(sides: Sides, start: Callable[..., Migration]) -> None:
    migration = start()
    migration.copy(cities(sides, 1))
    with pytest.raises(OtherPlaceError, match=r"source of the plan is .*, and the one that was passed is elsewhere"):
        migration.verify(source=Source(project="elsewhere"))
    state = {"plan": "another", "after": "", "copied": 0, "dead": 0, "done": False}
    write_json(migration.store, f"state/{migration.plan.shards[0].name}.json", state)
    with pytest.raises(JobFileError, match="another"):
        migration.verify()


def test_both_sides_are_those_of_the_plan_if_none_are_passed(sides: Sides, start: Callable[..., Migration]) -> None:
    migration = start()
    migration.copy(cities(sides, 3))
    proof = verify(migration.plan, state=migration.store)
    assert (3, 3, True) == (proof.source, proof.target, proof.ok)


def test_a_copy_is_proven(sides: Sides, start: Callable[..., Migration]) -> None:
    migration = start()
    foreign = sides.entity("City", "foreign", k=Value(key_value=sides.key("A", 1, namespace="ns")))
    keyed = sides.entity("City", "keyed", m=Value(entity_value={"key": sides.key("A", 1)}))
    sides.put(*cities(sides), foreign, keyed)
    migration.plan = migration.plan.renew(migration.source.now())
    result = copy(migration.plan, state=migration.store, source=migration.source, target=migration.target)
    proof = migration.verify(models=[City])
    assert (32, 31, {"dead": 1}, True) == (proof.source, proof.target, counts(proof), proof.ok)
    assert (result.copied, result.dead) == (proof.target, proof.dead)
