"""Ids, paths and references: what they are here is what they will be in Native mode."""

from __future__ import annotations

from typing import Any

import pytest
from cendry import (
    Cendry,
    CendryError,
    Field,
    ForeignReferenceError,
    InvalidDocumentIdError,
    Model,
    Ref,
    field,
    ref_of,
)
from cendry.plan import Delete, QueryPlan, Set
from cendry_datastore import DatastoreBackend
from cendry_memory.testing import Database
from google.cloud import datastore


class User(Model, collection="User"):
    name: Field[str] = field(default="")
    friend: Field[Ref[User] | None] = field(default=None)


class Note(Model, collection="Note", parent=User):
    text: Field[str] = field(default="")


def put(sdk: Any, *path: str | int, **properties: Any) -> Any:
    """Write an entity as an application of before wrote it."""
    entity = sdk.entity(key=sdk.key(*path))
    entity.update(properties)
    sdk.put(entity)
    return entity


def test_digits_stay_a_name(ctx: Cendry, sdk: Any) -> None:
    ctx.save(User(id="007", name="Bond"))
    assert "Bond" == sdk.get(sdk.key("User", "007"))["name"]
    assert sdk.get(sdk.key("User", 7)) is None
    assert "007" == ctx.get(User, "007").id


@pytest.mark.parametrize("number", [7, 5629499534213120, 2**63 - 1, -3])
def test_an_integer_id_is_shown_and_taken_as_a_migration_shows_it(ctx: Cendry, sdk: Any, number: int) -> None:
    put(sdk, "User", number, name="Ada")
    [found] = ctx.select(User)
    assert f"__id{number}__" == found.id
    found.name = "Grace"
    ctx.save(found)
    ctx.update(User, f"__id{number}__", {User.friend: ref_of(found)})
    stored = sdk.get(sdk.key("User", number))
    assert ("Grace", sdk.key("User", number)) == (stored["name"], stored["friend"])
    assert 1 == len(list(sdk.query(kind="User").fetch()))
    ctx.delete(found)
    assert sdk.get(sdk.key("User", number)) is None


def test_integer_ids_come_before_names_and_in_the_order_of_numbers(ctx: Cendry, sdk: Any) -> None:
    for one in ("a", 10, "10", 9):
        put(sdk, "User", one)
    assert ["__id9__", "__id10__", "10", "a"] == ctx.select(User).ids()
    assert ["__id10__", "10", "a"] == ctx.select(User, User.id > "__id9__").ids()


def test_automatic_ids_are_random_strings_as_on_native(ctx: Cendry, sdk: Any) -> None:
    document_id = ctx.save(User(name="x"))
    assert 20 == len(document_id)
    assert "x" == sdk.get(sdk.key("User", document_id))["name"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a/b", "__esca~1b__"),
        ("..", "__esc~2~2__"),
        (".", "__esc~2__"),
        ("a~/b", "__esca~0~1b__"),
        ("a~b", "a~b"),
        ("a\0b", "__esca~9b__"),
        ("\0/~", "__esc~9~1~0__"),
    ],
)
def test_names_that_native_cannot_hold_are_escaped_as_the_import_does(
    ctx: Cendry, sdk: Any, name: str, shown: str
) -> None:
    put(sdk, "User", name, name="x")
    [found] = ctx.select(User)
    assert shown == found.id
    ctx.update(found, {User.name: "y"})
    assert "y" == ctx.get(User, shown).name
    assert "y" == sdk.get(sdk.key("User", name))["name"]
    assert [shown] == ctx.select(User, User.id == shown).ids()
    assert [shown] == [row["id"] for row in ctx.select(User).project("name")]
    assert ctx.exists(User, shown)
    [again] = ctx.get_many(User, [shown])
    ctx.save(again)
    ctx.delete(again, must_exist=True)
    assert sdk.get(sdk.key("User", name)) is None


@pytest.mark.parametrize("odd", ["__x", "_", "__id5", "x__", "ü n", "`", "%2F"])
def test_other_odd_names_are_themselves(ctx: Cendry, sdk: Any, odd: str) -> None:
    ctx.save(User(id=odd, name="x"))
    assert "x" == sdk.get(sdk.key("User", odd))["name"]
    assert [odd] == ctx.select(User).ids()


@pytest.mark.parametrize("wrong", ["__escab__", "__esc~__", "__esca~3b__", "__esc~2x__"])
def test_ids_that_no_name_is_escaped_to_are_refused(ctx: Cendry, wrong: str) -> None:
    with pytest.raises(InvalidDocumentIdError, match="stand for names that Native mode can't hold"):
        ctx.find(User, wrong)
    with pytest.raises(InvalidDocumentIdError, match="__esc"):
        ctx.save(User(id=wrong))


def test_a_parents_children_stay_under_its_own_key(ctx: Cendry, sdk: Any) -> None:
    put(sdk, "User", 7, name="number")
    put(sdk, "User", "7", name="text")
    put(sdk, "User", 7, "Note", 1, text="of the number")
    number, text = ctx.get(User, "__id7__"), ctx.get(User, "7")
    ctx.save(Note(id="n", text="of the text"), parent=text)
    assert ["__id1__"] == ctx.select(Note, parent=number).ids()
    assert ["n"] == ctx.select(Note, parent=text).ids()
    [note] = ctx.select(Note, parent=number)
    ctx.update(note, {Note.text: "changed"})
    assert "changed" == sdk.get(sdk.key("User", 7, "Note", 1))["text"]
    assert "User/__id7__/Note/__id1__" == ref_of(note).path
    assert number.name == ctx.get(ref_of(number)).name


def test_a_collection_holds_what_is_right_below_its_parent(ctx: Cendry, db: Database, sdk: Any) -> None:
    for path in (("Note", "root"), ("User", "a", "Note", "one"), ("User", "a", "Box", "b", "Note", "deep")):
        put(sdk, *path, text="x")
    assert ["root"] == db.names(QueryPlan("Note"))
    assert ["one"] == db.names(QueryPlan("Note", parent="User/a"))
    assert ["deep"] == db.names(QueryPlan("Note", parent="User/a/Box/b"))


def test_a_limit_counts_what_is_in_the_collection(db: Database, sdk: Any) -> None:
    for number in range(6):
        put(sdk, "User", "a", "Note", f"{number}")
        put(sdk, "User", "a", "Box", f"{number}", "Note", "deep")
    assert ["0", "1", "2", "3"] == db.names(QueryPlan("Note", parent="User/a", limit=4))
    assert ["5"] == db.names(QueryPlan("Note", parent="User/a", offset=5))


@pytest.mark.parametrize("kind", ["a/b", ".."])
def test_kinds_that_native_cannot_hold_are_reported_by_name(
    ctx: Cendry, db: Database, sdk: Any, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    put(sdk, "User", "SF", friend=sdk.key(kind, 1, "User", "x"))
    stored = db.data("User/SF") or {}
    [user] = ctx.select(User)
    assert user.friend is not None
    assert user.friend.path.startswith("__esc")
    assert f"kind {kind!r}" in caplog.text
    assert 1 == caplog.text.count("can't be in Native mode")
    # As it was read, it can be written again.
    db.commit(Set("User/LA", stored))
    assert sdk.key(kind, 1, "User", "x") == sdk.get(sdk.key("User", "LA"))["friend"]
    user.id = "NY"
    ctx.save(user)
    assert sdk.key(kind, 1, "User", "x") == sdk.get(sdk.key("User", "NY"))["friend"]
    with pytest.raises(CendryError, match="__esc"):
        ctx.get(user.friend.as_model(User))
    with pytest.raises(CendryError, match="__esc"):
        ctx.save(Note(id="n"), parent=user.friend)


def test_keys_of_other_homes_are_read_and_never_written(ctx: Cendry, db: Database, sdk: Any, project: str) -> None:
    put(sdk, "User", "SF", friend=datastore.Key("User", 5, project="other"))
    put(sdk, "User", "LA", friend=datastore.Key("User", "x", project=project, namespace="ns"))
    by_id = {user.id: user.friend for user in ctx.select(User)}
    assert Ref.from_path("User/__id5__", database="projects/other/databases/(default)") == by_id["SF"]
    assert Ref.from_path("User/x", database=f"projects/{project}/databases/(default)/namespaces/ns") == by_id["LA"]
    with pytest.raises(ForeignReferenceError, match="points into a database other than"):
        ctx.save(User(id="new", friend=by_id["LA"]))
    with pytest.raises(ForeignReferenceError, match="points into a database other than"):
        db.commit(Set("User/new", {"friend": by_id["SF"]}))
    assert ctx.find(User, "new") is None


def test_a_namespace_is_a_home_of_its_own(datastore_host: str, project: str, ctx: Cendry, emulator: str) -> None:
    backend = DatastoreBackend(project=project, namespace="ns-1")
    inside = Cendry(backend=backend)
    inside.create(User(id="a", name="inside", friend=Ref(User, "a")))
    assert (None, "inside") == (ctx.find(User, "a"), inside.get(User, "a").name)
    assert Ref(User, "a") == inside.get(User, "a").friend
    assert ["a"] == inside.select(User).ids()
    assert [] == ctx.select(User).ids()
    assert "ns-1" == inside.client.namespace
    backend.close()


def test_a_key_is_a_document_by_its_path(db: Database, sdk: Any) -> None:
    db.commit(Set("User/__id5__/Note/a/Note/__id6__", {"text": "x"}))
    assert "x" == sdk.get(sdk.key("User", 5, "Note", "a", "Note", 6))["text"]
    db.commit(Delete("User/__id5__/Note/a/Note/__id6__"))
    assert db.data("User/__id5__/Note/a/Note/__id6__") is None


def test_references_that_name_the_own_home_are_followed_and_written(ctx: Cendry, db: Database, project: str) -> None:
    home = db.backend.database
    assert home.startswith(f"projects/{project}/databases/")
    own = Ref.from_path("User/SF", model=User, database=home)
    ctx.save_many([User(id="SF"), User(id="LA", friend=own)])
    assert ["LA"] == ctx.select(User, User.friend == own).ids()
    found = ctx.get(User, "LA").friend
    assert found is not None
    assert ("User/SF", None) == (found.path, found.database)
    assert "SF" == ctx.get(own).id
    ctx.delete(own, must_exist=True)
    with pytest.raises(ForeignReferenceError, match="points into a database other than"):
        ctx.find(Ref.from_path("User/LA", model=User, database=f"{home}/namespaces/other"))
