# Generated from core/test_versions_aio.py by tools/twins.py; do not edit.
"""Writes that depend on the version of their documents: the calls that they make, and what they do when one fails."""

from __future__ import annotations

import inspect
from datetime import datetime, timezone
from random import Random
from typing import Any

import pytest
from cendry import (
    Cendry,
    CendryError,
    DecodeError,
    DocumentNotFoundError,
    Field,
    Model,
    Transaction,
    TransactionContentionError,
    field,
    upgrade,
)
from cendry.plan import GetPlan, Update
from core.documents import NOW
from core.recording import RecordingBackend

VERSION = "_cendry_version"


class Town(Model, collection="towns", version=2):
    name: Field[str]
    people: Field[int] = field(default=0)


@upgrade(Town, to=2)
def count_people(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "people": data.get("people", 0) + 100}


class Kept(Model, collection="towns", version=2, extra="keep"):
    name: Field[str]
    people: Field[int] = field(default=0)


upgrade(Kept, to=2)(count_people)


class Current(Model, collection="towns", version=2, oldest=2):
    name: Field[str]
    people: Field[int] = field(default=0)


class First(Model, collection="towns", version=1, extra="keep"):
    name: Field[str]


class Unstorable(Model, collection="towns", version=2):
    name: Field[str]


@upgrade(Unstorable, to=2)
def name_nothing(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "": 1}


class Unnamed(Model, collection="towns", version=2):
    name: Field[str]


upgrade(Unnamed, to=2)(lambda data: {**data, 1: 2, "other": 1})


class Hidden(Model, collection="towns", version=2):
    name: Field[str] = field(repr=False)


upgrade(Hidden, to=2)(lambda data: {**data, "note": {data["name"]}})


class Animal(Model, collection="animals", version=2, tag_field="kind"):
    age: Field[int]


upgrade(Animal, to=2)(lambda data: {**data, "age": data["age"] + 1})


class Cat(Animal, tag="cat", extra="keep"):
    pass


class Dog(Animal, tag="dog"):
    pass


@pytest.fixture
def store() -> RecordingBackend:
    return RecordingBackend()


@pytest.fixture
def ctx(store: RecordingBackend, pauses: Random) -> Cendry:
    return Cendry(backend=store, clock=lambda: NOW, random=pauses)


def calls_of(store: RecordingBackend) -> list[str]:
    return [name for name, _ in store.calls]


CHANGE: dict[Any, Any] = {"name": "x"}
BLIND = ["commit"]
READ = ["begin", "get", "commit"]


def test_writes_of_some_fields_read_the_version_first(ctx: Cendry, store: RecordingBackend) -> None:
    store.put("towns/a", {"name": "A"})
    store.put("towns/b", {"name": "B", VERSION: 2})
    for name in "ab":
        ctx.update(Town, name, CHANGE)
        ctx.merge(Town, name, CHANGE)
        ctx.save(Town(id=name, name="y"), merge=True)
        ctx.save(Kept(id=name, name="y"))
    assert READ * 8 == calls_of(store)
    assert [GetPlan((f"towns/{name}",)) for name in "a" * 4 + "b" * 4] == store.plans("get")


def test_other_writes_read_nothing(ctx: Cendry, store: RecordingBackend) -> None:
    store.put("towns/a", {"name": "A", VERSION: 2})
    ctx.save(Town(id="a", name="A"))
    ctx.create(Town(name="B"))
    ctx.save(Kept(name="C"))
    ctx.update(Current, "a", CHANGE)
    ctx.delete(Town, "a")
    # Without a version above 1, there is none to read.
    ctx.save(First(id="d", name="D"))
    ctx.update(First, "d", CHANGE)
    ctx.merge(First, "d", CHANGE)
    assert BLIND * 8 == calls_of(store)
    assert {"name": "x"} == store.data("towns/d")
    first = First(name="E")
    ctx.save(first)
    ctx.create(First(id="f", name="F"))
    assert {"name": "E", VERSION: 1} == store.data(f"towns/{first.id}")
    assert {"name": "F", VERSION: 1} == store.data("towns/f")


def test_the_writes_of_an_old_document(ctx: Cendry, store: RecordingBackend) -> None:
    store.put("towns/a", {"name": "A"})
    ctx.update(Town, "a", CHANGE)
    [[upgraded, change]] = store.plans("commit")
    assert ({"people": 100, VERSION: 2}, {"people", VERSION}) == (upgraded.data, set(map(str, upgraded.mask)))
    assert (Update, {"name": "x"}) == (type(change), change.data)


def test_one_read_for_all_documents_of_a_commit(ctx: Cendry, store: RecordingBackend) -> None:
    store.put("towns/a", {"name": "A"})
    new, town = Kept(name="N"), Town(id="t", name="T")
    ctx.save_many([new, Kept(id="a", name="x"), Kept(id="b", name="B"), town])
    assert READ == calls_of(store)
    assert [GetPlan(("towns/a", "towns/b"))] == store.plans("get")
    assert {"name": "x", "people": 0, VERSION: 2} == store.data("towns/a")


def test_more_writes_than_a_commit_takes_otherwise(ctx: Cendry, store: RecordingBackend) -> None:
    for number in range(300):
        store.put(f"towns/t{number}", {"name": "A"})
    towns = [Kept(id=f"t{number}", name=str(number)) for number in range(300)]
    ctx.save_many(towns)
    assert [600] == [len(writes) for writes in store.plans("commit")]
    assert {"name": "299", "people": 0, VERSION: 2} == store.data("towns/t299")
    with pytest.raises(CendryError, match="at most 500 writes"):
        ctx.save_many([*towns, *towns])


def test_what_a_transaction_has_read_is_not_read_again(ctx: Cendry, store: RecordingBackend) -> None:
    for name in "abcd":
        store.put(f"towns/{name}", {"name": name.upper(), VERSION: 2})
    store.put("towns/old", {"name": "O"})

    def work(txn: Transaction) -> None:
        town = txn.get(Town, "a")
        txn.find_many(Town, ["b", "none"])
        txn.select(Town, Town.name == "C").to_list()
        txn.exists(Town, "d")
        txn.update(town, CHANGE)
        for name in "bc":
            txn.update(Town, name, CHANGE)

    ctx.transaction(work)
    assert ["begin", "get", "get", "run", "get", "commit"] == calls_of(store)

    def change_others(txn: Transaction) -> None:
        txn.get(Town, "a")
        old = txn.get(Town, "old")
        # It is of another class, so what is known of it says nothing about this one.
        txn.get(Kept, "b")
        txn.update(old, CHANGE)
        for name in "abd":
            txn.update(Town, name, CHANGE)

    store.calls.clear()
    ctx.transaction(change_others)
    assert ["begin", *["get"] * 4, "commit"] == calls_of(store)
    assert ("towns/old", "towns/b", "towns/d") == store.plans("get")[-1].paths
    assert {"name": "x", "people": 100, VERSION: 2} == store.data("towns/old")


def test_update_or_create_reads_once(ctx: Cendry, store: RecordingBackend) -> None:
    store.put("towns/a", {"name": "A", VERSION: 2})
    ctx.update_or_create(Town, "a", CHANGE)
    assert READ == calls_of(store)


@pytest.mark.parametrize("call", ["get", "commit"])
def test_contention_is_tried_again(ctx: Cendry, store: RecordingBackend, call: str) -> None:
    store.put("towns/a", {"name": "A"})
    new = Kept(name="N")
    store.fail(call, TransactionContentionError(), times=2)
    ids = ctx.save_many([new, Kept(id="a", name="x")])
    assert [new.id, "a"] == ids
    assert {"name": "N", "people": 0, VERSION: 2} == store.data(f"towns/{new.id}")
    store.fail(call, TransactionContentionError(), times=5)
    another = Kept(name="N")
    with pytest.raises(TransactionContentionError, match="after 5 attempts"):
        ctx.save_many([another, Kept(id="a", name="x")])
    assert another.id is None


def test_errors_of_the_read_write_nothing(ctx: Cendry, store: RecordingBackend) -> None:
    store.put("towns/a", {"name": "A"})
    new = Kept(name="N")
    store.fail("get", RuntimeError("no connection"))
    with pytest.raises(RuntimeError, match="no connection"):
        ctx.save_many([new, Kept(id="a", name="x")])
    assert (new.id, ["begin", "get", "rollback"]) == (None, calls_of(store))
    store.fail("begin", RuntimeError("no connection"))
    with pytest.raises(RuntimeError, match="no connection"):
        ctx.save_many([new, Kept(id="a", name="x")])
    assert new.id is None
    with pytest.raises(DecodeError, match=r"expected keys that Firestore can hold, found str ''"):
        ctx.update(Unstorable, "a", CHANGE)
    with pytest.raises(DecodeError, match=r"Unnamed: the document: expected keys .* found int 1 \(a key must"):
        ctx.update(Unnamed, "a", CHANGE)
    # Nor is a value shown that may have been one of a hidden field.
    with pytest.raises(DecodeError, match=r"Hidden: note: expected a value .*, found a value that is not shown"):
        ctx.update(Hidden, "a", CHANGE)
    assert {"name": "A"} == store.data("towns/a")


@pytest.mark.parametrize(
    ("method", "write"),
    [
        (Cendry.save, lambda ctx: ctx.save(Unnamed(id="a", name="x"), merge=True)),
        (Cendry.save_many, lambda ctx: ctx.save_many([Unnamed(id="a", name="x")], merge=True)),
        (Cendry.update, lambda ctx: ctx.update(Unnamed, "a", CHANGE)),
        (Cendry.merge, lambda ctx: ctx.merge(Unnamed, "a", CHANGE)),
        (Cendry.update_or_create, lambda ctx: ctx.update_or_create(Unnamed, "a", CHANGE)),
        (Cendry.get_or_create, lambda ctx: ctx.get_or_create(Current, "a", CHANGE)),
        (Cendry.transaction, lambda ctx: ctx.transaction(_update_unnamed)),
        (Transaction.get_or_create, lambda ctx: ctx.transaction(_get_or_create)),
        (Transaction.update_or_create, lambda ctx: ctx.transaction(_update_or_create)),
    ],
    ids=lambda each: each.__qualname__ if each.__qualname__[0] != "<" else "",
)
def test_the_writes_that_raise_decode_errors_say_so(
    ctx: Cendry, store: RecordingBackend, method: Any, write: Any
) -> None:
    store.put("towns/a", {"name": "A"})
    with pytest.raises(DecodeError):
        write(ctx)
    assert {"name": "A"} == store.data("towns/a")
    assert "\nDecodeError: " in inspect.cleandoc(method.__doc__).partition("Raises:")[2].replace("\n    ", "\n")


def _update_unnamed(txn: Transaction) -> None:
    txn.update(Unnamed, "a", CHANGE)


def _get_or_create(txn: Transaction) -> None:
    txn.get_or_create(Current, "a", CHANGE)


def _update_or_create(txn: Transaction) -> None:
    txn.update_or_create(Current, "a", CHANGE)


def test_a_document_that_must_exist_is_named_once(ctx: Cendry) -> None:
    with pytest.raises(DocumentNotFoundError, match=r"^Document 'towns/a' does not exist\."):
        ctx.save(Kept(id="a", name="A"), if_unchanged="*")


def test_whether_newer_documents_are_changed_depends_on_their_own_class(ctx: Cendry, store: RecordingBackend) -> None:
    for kind in ("cat", "dog"):
        store.put(f"animals/{kind}", {"kind": kind, "age": 5, VERSION: 3})
    ctx.update(Animal, "cat", {Animal.age: 6})
    assert {"kind": "cat", "age": 6, VERSION: 3} == store.data("animals/cat")
    with pytest.raises(DecodeError, match=r"by a newer model \(version 3\); this one is 2"):
        ctx.update(Animal, "dog", {Animal.age: 6})


def test_such_a_write_inside_a_transaction_is_refused(ctx: Cendry, store: RecordingBackend) -> None:
    new = Kept(name="N")

    def work(txn: Transaction) -> None:
        ctx.save_many([new, Kept(id="a", name="x")])

    with pytest.raises(CendryError, match=r"A transaction is already running here.* \(writes of some fields"):
        ctx.transaction(work)
    assert new.id is None
    past = ctx.at(datetime(2024, 1, 1, tzinfo=timezone.utc))
    with pytest.raises(CendryError, match="it has no writes"):
        past.update(Town, "a", CHANGE)


def test_a_batch_that_refuses_a_write_is_as_before(ctx: Cendry, store: RecordingBackend) -> None:
    new = Kept(name="N")
    with ctx.batch() as batch:
        batch.save(new)
        with pytest.raises(CendryError, match=r"A batch can't read .* a Kept, which has version=2, .* oldest=2"):
            batch.save(Kept(id="a", name="x"))
        batch.update(Current, new.id or "", CHANGE)
        assert 2 == len(batch)
    assert BLIND == calls_of(store)
    assert {"name": "x", "people": 0, VERSION: 2} == store.data(f"towns/{new.id}")
