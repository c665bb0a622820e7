"""Entities as documents: names, references, embedded entities, sizes. No database."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from cendry_datastore._keys import Partition
from cendry_datastore.migrate import sizes
from cendry_datastore.migrate.reports import Trap
from cendry_datastore.migrate.translate import Translator, UntranslatableError
from cendry_datastore.migrate.values import Place, Transform
from migrate.sides import Document, Entity, Key, Value

HOME = Partition("p", "", "")
TARGET = Place("p", "native")
DOCUMENTS = "projects/p/databases/native/documents"


def key(*path: str | int, namespace: str = "", project: str = "p", database: str = "") -> Any:
    found = Key()
    found.partition_id.project_id = project
    found.partition_id.database_id = database
    found.partition_id.namespace_id = namespace
    for kind, last in zip(path[::2], path[1::2], strict=True):
        found.path.add(kind=kind, **{"id" if isinstance(last, int) else "name": last})
    return found


def entity(*path: str | int, namespace: str = "", **properties: Any) -> Any:
    return Entity(key=key(*path, namespace=namespace), properties=properties)


def text(value: str, **more: Any) -> Any:
    return Value(string_value=value, **more)


MANY = [text(str(one)) for one in range(40_001)]


def translated(one: Any, translator: Translator | None = None) -> tuple[Any, list[Trap]]:
    document = Document()
    traps = (translator or Translator(HOME, TARGET)).document(one, document)
    return document, traps


def refusal(one: Any, translator: Translator | None = None) -> UntranslatableError:
    with pytest.raises(UntranslatableError) as error:
        translated(one, translator)
    return error.value


def test_a_document_has_the_names_of_an_import() -> None:
    document, traps = translated(entity("City", 7, "Area", "a/b", name=text("x")))
    assert f"{DOCUMENTS}/City/__id7__/Area/__esca~1b__" == document.name
    assert ["escaped"] == [trap.name for trap in traps]
    assert document.name == Translator(HOME, TARGET).name(key("City", 7, "Area", "a/b"))


def test_kinds_get_other_collections_and_references_go_along() -> None:
    home = Partition("p", "d", "ns1")
    translator = Translator(home, TARGET, collections={"K": "ns1_K", "a/b": "ab"})
    mine = key("a/b", 1, "K", "x", namespace="ns1", database="d")
    one = Entity(key=mine)
    one.properties["own"].key_value.CopyFrom(mine)
    one.properties["other"].key_value.CopyFrom(key("Other", 1, namespace="ns1", database="d"))
    document, traps = translated(one, translator)
    assert f"{DOCUMENTS}/ab/__id1__/ns1_K/x" == document.name == document.fields["own"].reference_value
    assert f"{DOCUMENTS}/Other/__id1__" == document.fields["other"].reference_value
    assert [] == traps


@pytest.mark.parametrize(
    ("foreign", "where"),
    [
        (key("A", 7, namespace="ns"), "projects/p/databases/(default)/namespaces/ns"),
        (key("A", 7, project="q"), "projects/q/databases/(default)"),
        (key("A", 7, database="d"), "projects/p/databases/d"),
        (key("A", 7, project="", database="d"), "projects/p/databases/d"),
    ],
)
def test_foreign_keys_are_refused_rewritten_or_text(foreign: Any, where: str) -> None:
    one = entity("K", "x", boss=Value(key_value=foreign))
    error = refusal(one)
    assert ("boss", f"a key into {where}, while foreign keys are refused") == (error.field, error.reason)
    assert f"boss: {error.reason}" == str(error)
    document, traps = translated(one, Translator(HOME, TARGET, foreign="rewrite"))
    assert f"{DOCUMENTS}/A/__id7__" == document.fields["boss"].reference_value
    assert [("foreign", "boss")] == [(trap.name, trap.field) for trap in traps]
    document, traps = translated(one, Translator(HOME, TARGET, foreign="string"))
    assert f"{where}/documents/A/__id7__" == document.fields["boss"].string_value
    assert [("foreign", "boss")] == [(trap.name, trap.field) for trap in traps]


def test_an_embedded_entity_with_a_key_has_what_an_import_adds() -> None:
    inner = entity("A", "b", x=text("1"))
    one = entity("K", "x", m=Value(entity_value=inner), n=Value(entity_value={"properties": {"x": text("1")}}))
    document, _ = translated(one)
    fields = document.fields["m"].map_value.fields
    assert {"__name__", "__type__", "x"} == set(fields)
    assert f"{DOCUMENTS}/A/b" == fields["__name__"].reference_value
    assert "__legacy_entity__" == fields["__type__"].string_value
    assert {"x"} == set(document.fields["n"].map_value.fields)
    inner.key.partition_id.namespace_id = "ns"
    inner.key.path[0].name = ""
    document, traps = translated(entity("K", "x", m=Value(entity_value=inner)))
    assert {"x"} == set(document.fields["m"].map_value.fields)
    assert [("incomplete key", "m")] == [(trap.name, trap.field) for trap in traps]
    inner.key.ClearField("path")
    assert [] == translated(entity("K", "x", m=Value(entity_value=inner)))[1]


def test_meanings_are_reported_with_the_paths_of_their_fields() -> None:
    compressed = Value(blob_value=b"x", meaning=22)
    inner = Value(entity_value={"properties": {"a.b": compressed}}, meaning=20)
    array = Value(array_value={"values": [compressed, compressed, text("x", meaning=15)]})
    _, traps = translated(entity("K", "x", m=inner, l=array, t=text("x", meaning=15)))
    found = {(trap.name, trap.field) for trap in traps}
    assert {("user", "m"), ("compressed", "m.`a.b`"), ("compressed", "l"), ("meaning", "l"), ("meaning", "t")} == found
    assert 5 == len(traps)


def test_what_belongs_to_another_database_is_never_written_over_what_is_here() -> None:
    error = refusal(entity("K", "x", namespace="ns1"))
    assert "it belongs to projects/p/databases/(default)/namespaces/ns1" in error.reason
    translator = Translator(HOME, TARGET)
    with pytest.raises(UntranslatableError, match="projects/q"):
        translator.name(key("K", "x", project="q"))
    assert f"{DOCUMENTS}/K/x" == translator.name(key("K", "x", project=""))


@pytest.mark.parametrize(
    ("one", "field", "reason"),
    [
        (entity("a/b", "x"), "", "kind 'a/b' could not be reached"),
        (entity("__K__", "x"), "", "'__K__' is Datastore's own"),
        (entity("K", "x", k=Value(key_value=key("__K__", "y"))), "k", "'__K__' is Datastore's own"),
        (entity("K", "x", k=Value(key_value=Key(path=[{"kind": "K"}]))), "k", "an incomplete key"),
        (Entity(key=Key(path=[{"kind": "K"}])), "", "an incomplete key"),
        (entity("K", "x", v=Value()), "v", "a value of a kind"),
        (
            entity("K", "x", v=Value(array_value={"values": [Value(array_value={})]})),
            "v",
            "an array in an array",
        ),
        (entity("K", "/" * 800), "", "a part of its name would have 1,607 bytes, and the limit is 1,500"),
        (entity(*("K", "x" * 1499) * 5), "", "its name would have 7,509 bytes, and the limit is 6,144"),
        (entity(*("Kind", "abcd") * 101), "", "it would be 101 collections deep, and the limit is 100"),
        (entity("K", "x", v=Value(blob_value=b"x" * 1_048_576)), "", "it would have 1,048,6"),
        (entity("K", "x", v=Value(array_value={"values": MANY})), "", "40,001 index"),
    ],
)
def test_what_cannot_be_a_document_is_refused_with_the_reason(one: Any, field: str, reason: str) -> None:
    error = refusal(one)
    assert reason in error.reason
    assert field == error.field
    again = pickle.loads(pickle.dumps(error))
    assert (error.reason, error.field, str(error)) == (again.reason, again.field, str(again))


def test_a_name_that_escapes_make_too_long_is_refused_in_references_by_the_database_alone() -> None:
    document, _ = translated(entity("K", "x", k=Value(key_value=key("K", "/" * 10))))
    assert f"{DOCUMENTS}/K/__esc{'~1' * 10}__" == document.fields["k"].reference_value


def test_names_that_hold_nul_are_reported() -> None:
    for name, expected in {"a\0b": "a\0b", "a/\0~": "__esca~1\0~0__"}.items():
        document, traps = translated(entity("K", name))
        assert f"{DOCUMENTS}/K/{expected}" == document.name
        assert ["nul"] == [trap.name for trap in traps]


def test_exempt_fields_have_no_index_entries() -> None:
    dotted = Value(entity_value={"properties": {"a.b": text("")}})
    one = entity("K", "x", v=Value(array_value={"values": MANY}), w=dotted)
    translated(one, Translator(HOME, TARGET, exempt={"K": ["v"]}))
    document, _ = translated(one, Translator(HOME, TARGET, exempt={"K": ["v", "w"]}))
    assert 40_001 + 2 == sizes.index_entries(document)
    assert 2 == sizes.index_entries(document, ["v"])
    assert 0 == sizes.index_entries(document, ["v", "w.`a.b`"])
    equal = [text("a"), text("a")]
    assert 1 == sizes.index_entries(translated(entity("K", "x", v=Value(array_value={"values": equal})))[0])


def test_what_is_not_indexed_now_is_exempted_there() -> None:
    many = [text(str(number), exclude_from_indexes=True) for number in range(40_001)]
    array = Value(array_value={"values": many})
    translated(entity("K", "x", v=array, w=text("x")))
    translated(entity("K", "x", m=Value(entity_value={"properties": {"v": array, "w": text("x")}})))
    indexed = Value(array_value={"values": [*many, text("x")]})
    assert "40,002 index" in refusal(entity("K", "x", v=indexed)).reason


def test_names_of_documents_lead_back_to_keys() -> None:
    translator = Translator(HOME, TARGET, collections={"a/b": "ab"})
    odd = key("a/b", "x/y", "K", ".."), key(".", "x"), key("K", "a\0b"), key("K", "a/\0~")
    for found in (key("K", 7), key("K", -5), *odd):
        assert found == translator.key(translator.name(found))
    assert translator.key(f"{DOCUMENTS}/K/__escx__") is None
    assert ("ab", "__esc~2__", "K") == tuple(map(translator.collection, ("a/b", ".", "K")))
    assert "K/x" == translator.path(translator.full_name("K/x"))
    with pytest.raises(UntranslatableError, match="Datastore's own"):
        translator.collection("__Stat_Total__")


def test_sizes_are_those_of_firestore() -> None:
    # The example of https://firebase.google.com/docs/firestore/storage-size, with an id that is text.
    one = entity(
        *("users", "jeff", "tasks", "my_task_id"),
        type=text("Personal"),
        done=Value(boolean_value=False),
        priority=Value(integer_value=1),
        description=text("Learn Cloud Firestore"),
    )
    document, _ = translated(one)
    assert 44 + 71 + 32 == sizes.document_size(document)
    one = entity(
        *("K", "x"),
        a=Value(null_value=0),
        b=Value(double_value=0.0),
        c=Value(timestamp_value={}),
        d=Value(geo_point_value={}),
        e=Value(blob_value=b"abc"),
        f=Value(key_value=key("users", "jeff")),
        g=Value(array_value={"values": [text("é"), Value(integer_value=5)]}),
        h=Value(entity_value={"properties": {"i": Value(boolean_value=True)}}),
    )
    document, _ = translated(one)
    values = 1 + 8 + 8 + 16 + 3 + (6 + 5 + 16) + (3 + 8) + (2 + 1)
    assert (2 + 2 + 16) + 8 * 2 + values + 32 == sizes.document_size(document)


def test_levels_are_counted_where_transforms_add_some() -> None:
    inner = Value(string_value="x")
    for _ in range(19):
        inner = Value(entity_value={"properties": {"m": inner}})
    one = entity("K", "x", **{"s.a": Value(array_value={"values": [inner]})})
    assert f"{DOCUMENTS}/K/x" == translated(one)[0].name
    nest = Transform("K", "s", "nest", {"list": True})
    assert "over 20 levels deep" in refusal(one, Translator(HOME, TARGET, [nest])).reason
