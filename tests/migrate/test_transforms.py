"""Values in ndb's forms, changed to those of Firestore, and which changes a plan needs. No database."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Mapping
from typing import Any

import pytest
from cendry import Field, Map, Model, field
from cendry_datastore.migrate.choices import Observer, asked_by
from cendry_datastore.migrate.transforms import MAX_INFLATED
from cendry_datastore.migrate.translate import Translator, UntranslatableError
from cendry_datastore.migrate.values import Change, Transform
from cendry_firestore._values import decode_fields
from hypothesis import given
from hypothesis import strategies as st
from migrate.sides import Document, Value
from migrate.test_translate import HOME, TARGET, entity, key, text


def array(*values: Any) -> Any:
    return Value(array_value={"values": values})


def embedded(**properties: Any) -> Any:
    return Value(entity_value={"properties": properties})


def blob(data: bytes, **more: Any) -> Any:
    return Value(blob_value=data, **more)


def compressed(data: bytes) -> Any:
    return blob(zlib.compress(data), meaning=22)


def do(what: Change, path: str, **options: str | int | bool) -> Transform:
    return Transform("K", path, what, options)


def changed(transforms: list[Transform], **properties: Any) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The fields of a document, and the names and fields of traps."""
    one = entity("K", "x", **properties)
    before = one.SerializeToString(deterministic=True)
    document = Document()
    traps = Translator(HOME, TARGET, transforms).document(one, document)
    assert before == one.SerializeToString(deterministic=True)
    return decode_fields(document.fields, TARGET.name), [(trap.name, trap.field) for trap in traps]


def keyed(transforms: list[Transform], **properties: Any) -> Any:
    """The fields of the one map, or of the maps in the one list, of a document: with keys, which are not decoded."""
    document = Document()
    Translator(HOME, TARGET, transforms).document(entity("K", "x", **properties), document)
    [value] = document.fields.values()
    maps = value.array_value.values or [value]
    return [set(one.map_value.fields) for one in maps]


def test_other_kinds_and_other_fields_stay_as_they_are() -> None:
    transforms = [Transform("Other", "s", "nest"), do("inflate", "b")]
    data = zlib.compress(b"x")
    found, traps = changed(transforms, **{"s.a": text("x"), "c": compressed(b"x")})
    assert ({"s.a": "x", "c": data}, [("compressed", "c")]) == (found, traps)


def test_parts_are_joined_to_maps() -> None:
    parts = {"s.a": text("x"), "s.t.b": text("y"), "u": text("z")}
    assert ({"s": {"a": "x", "t": {"b": "y"}}, "u": "z"}, []) == changed([do("nest", "s")], **parts)
    found, traps = changed([do("nest", "s")], s=embedded(a=text("old"), b=text("kept")), **{"s.a": text("new")})
    assert ({"s": {"a": "new", "b": "kept"}}, [("both", "s")]) == (found, traps)
    assert ({"s": {"a": "x"}}, []) == changed([do("nest", "s")], s=embedded(a=text("x")))


def test_parts_are_joined_to_lists_of_maps() -> None:
    parts = {"s.a": array(text("1"), text("2")), "s.b": array(text("3"))}
    expected = [{"a": "1", "b": "3"}, {"a": "2", "b": None}]
    assert ({"s": expected}, [("uneven", "s")]) == changed([do("nest", "s", list=True)], **parts)
    deep = {"d.s.a": array(text("1"), text("2")), "d.x": text("y")}
    transforms = [do("nest", "d"), do("nest", "d.s", list=True)]
    assert ({"d": {"s": [{"a": "1"}, {"a": "2"}], "x": "y"}}, []) == changed(transforms, **deep)
    # A map that is stored whole has parts inside it.
    inside = embedded(**deep)
    assert {"m": {"d": {"s": [{"a": "1"}, {"a": "2"}], "x": "y"}}} == changed(
        [do("nest", "m.d"), do("nest", "m.d.s", list=True)], m=inside
    )[0]


def test_compressed_values_are_inflated() -> None:
    transforms = [do("inflate", "b"), do("inflate", "t", text=True)]
    assert ({"b": b"x", "t": "é"}, []) == changed(transforms, b=compressed(b"x"), t=compressed("é".encode()))
    repeated = array(compressed(b"x"), Value(null_value=0), blob(b"plain"))
    assert ({"t": ["x", None, b"plain"]}, []) == changed(transforms, t=repeated)
    assert ({"t": b"\xff"}, [("bytes", "t")]) == changed(transforms, t=compressed(b"\xff"))
    broken = blob(b"no zlib", meaning=22)
    assert ({"b": b"no zlib"}, [("inflate", "b"), ("compressed", "b")]) == changed(transforms, b=broken)
    assert ({"b": b"x", "t": "x"}, []) == changed(transforms, b=blob(b"x"), t=text("x"))


def test_a_bomb_is_a_dead_letter_and_fills_no_memory() -> None:
    bomb = compressed(b"\0" * 50_000_000)
    with pytest.raises(UntranslatableError, match="over 1,048,576 bytes when it is inflated") as error:
        changed([do("inflate", "b")], b=bomb)
    assert "b" == error.value.field
    # What is below the limit, but too large with the rest, is refused for its size.
    with pytest.raises(UntranslatableError, match="the limit is 1,048,576"):
        changed([do("inflate", "b")], b=compressed(b"\0" * MAX_INFLATED))


def test_serialized_entities_are_unpacked() -> None:
    inner = entity("A", 7, **{"n": text("x"), "s.a": text("y")})
    data = inner.SerializeToString()
    assert ({"l": {"n": "x", "s.a": "y"}}, []) == changed([do("unpack", "l")], l=blob(data))
    transforms = [do("unpack", "l", key=True), do("inflate", "l"), do("nest", "l.s")]
    both = array(compressed(data), blob(data))
    assert ({"l": [{"n": "x", "s": {"a": "y"}}] * 2}, []) == changed(transforms, l=both)
    assert [{"n", "s", "__type__", "__name__"}] * 2 == keyed(transforms, l=both)
    assert ({"l": b"\xff"}, [("unpack", "l")]) == changed([do("unpack", "l")], l=blob(b"\xff"))


def test_json_becomes_maps() -> None:
    data = {"a": [1, 2.5, None, True, "x"], "b": {"c": []}}
    transforms = [do("json", "j"), do("inflate", "j")]
    assert ({"j": data}, []) == changed(transforms, j=blob(json.dumps(data).encode()))
    assert ({"j": data}, []) == changed(transforms, j=compressed(json.dumps(data).encode()))
    assert ({"j": [{"a": 1}, {}]}, []) == changed(transforms, j=array(blob(b'{"a": 1}'), blob(b"{}")))
    for other in (b"[[1]]", b'{"__x__": 1}', b"18446744073709551616", b"{", b"\xff"):
        assert ({"j": other}, [("json", "j")]) == changed(transforms, j=blob(other))
        assert ({"j": other}, [("json", "j")]) == changed(transforms, j=compressed(other))
    assert ({"j": [b"[1]"]}, [("json", "j")]) == changed(transforms, j=array(blob(b"[1]")))
    # A list in one piece; its elements are not JSON, even if they look like it.
    lists = [do("json", "j", whole=True), do("inflate", "j", text=True)]
    assert ({"j": ["a", 5]}, []) == changed(lists, j=blob(b'["a", 5]'))
    assert ({"j": ["5"]}, []) == changed(lists, j=array(compressed(b"5")))
    assert ({"j": b"5"}, [("json", "j")]) == changed(lists, j=blob(b"5"))
    # Of a field that may be either, a serialized entity is tried first.
    either = [do("unpack", "j"), do("json", "j")]
    assert ({"j": {"a": 1}}, []) == changed(either, j=blob(b'{"a": 1}'))
    assert {"j": {"n": "x"}} == changed(either, j=blob(entity("A", 1, n=text("x")).SerializeToString()))[0]


def test_fields_below_others_keep_keys_and_meanings() -> None:
    inner = embedded(b=compressed(b"x"))
    inner.entity_value.key.CopyFrom(key("A", 7))
    inner.meaning = 20
    assert ({"m": {"b": b"x"}}, [("user", "m")]) == changed([do("inflate", "m.b")], m=inner)
    assert [{"b", "__type__", "__name__"}] == keyed([do("inflate", "m.b")], m=inner)
    assert ({"m": {"c": "x"}}, []) == changed([do("inflate", "m.b")], m=embedded(c=text("x")))
    assert ({"m": "x"}, []) == changed([do("inflate", "m.b")], m=text("x"))


# --- nest(flatten(x)) == x ---

_NAMES = st.sampled_from(["a", "b", "c", "city", "é"])
_LEAVES = st.integers(-5, 5) | st.text("xyz", min_size=1, max_size=3) | st.none()
_MAPS = st.recursive(
    st.dictionaries(_NAMES, _LEAVES, min_size=1, max_size=3),
    lambda inner: st.dictionaries(_NAMES, _LEAVES | inner, min_size=1, max_size=3),
    max_leaves=6,
)
_ROW = st.fixed_dictionaries({"a": _LEAVES, "b": st.fixed_dictionaries({"c": _LEAVES})})
_ROWS = st.lists(_ROW, min_size=1, max_size=4)


def _value(found: Any) -> Any:
    match found:
        case None:
            return Value(null_value=0)
        case int():
            return Value(integer_value=found)
        case list():
            return array(*map(_value, found))
        case _:
            return text(found)


def flattened(found: Mapping[str, Any], above: str) -> dict[str, Any]:
    """What ndb stores for a map."""
    parts: dict[str, Any] = {}
    for name, value in found.items():
        path = f"{above}.{name}"
        parts.update(flattened(value, path) if isinstance(value, dict) else {path: _value(value)})
    return parts


@given(_MAPS, _ROWS, st.randoms(use_true_random=False))
def test_nesting_is_the_reverse_of_flattening(
    one: dict[str, Any], rows: list[dict[str, Any]], order: random.Random
) -> None:
    columns = {"a": [row["a"] for row in rows], "b": {"c": [row["b"]["c"] for row in rows]}}
    parts = list({**flattened({"m": one}, "s"), **flattened(columns, "l"), **flattened({"l": columns}, "d")}.items())
    order.shuffle(parts)
    transforms = [do("nest", "s"), do("nest", "l", list=True), do("nest", "d"), do("nest", "d.l", list=True)]
    assert ({"s": {"m": one}, "l": rows, "d": {"l": rows}}, []) == changed(transforms, **dict(parts))


# --- what models ask for ---


class Address(Map):
    street: Field[str | None] = field(default=None, alias="Street")
    notes: Field[list[str]] = field(default_factory=list)


class Person(Map):
    address: Field[Address | None] = field(default=None)
    friend: Field[Person | None] = field(default=None)


class Shop(Model, collection="Shop"):
    name: Field[str]
    size: Field[int]
    logo: Field[bytes | None]
    address: Field[Address | None]
    others: Field[list[Address]]
    owner: Field[Person]
    rest: Field[dict[str, Any]]
    rows: Field[list[dict[str, Any]]]
    any: Field[Any]
    logos: Field[list[bytes | None]]
    numbers: Field[list[int] | None]


class Animal(Model, collection="Animal", tag_field="class"):
    name: Field[str]


class Cat(Animal, tag="Cat"):
    toy: Field[str]


def asked(*models: type[Any]) -> set[tuple[str, str, str]]:
    shown = ((one, "".join(f" {option}" for option in one.options)) for one in asked_by(models))
    return {(one.kind, one.field, f"{one.do}{options}") for one, options in shown}


def test_models_ask_for_what_their_fields_may_need() -> None:
    found = {(path, what) for kind, path, what in asked(Shop) if kind == "Shop"}
    maps = {"address", "owner", "owner.address", "owner.friend"}
    lists = {"others"}
    expected = {(path, what) for path in maps for what in ("nest", "inflate", "unpack", "json")}
    expected |= {(path, what) for path in lists for what in ("nest list", "inflate", "unpack", "json")}
    expected |= {(path, "inflate text") for path in ("name", "address.Street", "others.Street", "owner.address.Street")}
    for path in ("address", "others", "owner.address"):
        expected |= {(f"{path}.notes", "json whole"), (f"{path}.notes", "inflate text")}
    expected |= {("rest", what) for what in ("nest", "inflate", "json")}
    expected |= {("any", what) for what in ("nest", "inflate", "json")}
    expected |= {("rows", what) for what in ("nest list", "inflate", "json")}
    expected |= {("logo", "inflate"), ("logos", "inflate"), ("numbers", "json whole")}
    assert expected == found


def test_subclasses_of_a_collection_are_asked_as_well() -> None:
    assert {("Animal", "name", "inflate text"), ("Animal", "toy", "inflate text")} <= asked(Animal)


def decided(observer: Observer) -> list[tuple[str, str, dict[str, Any], int, str, bool]]:
    return [
        (one.transform.field, one.transform.do, dict(one.transform.options), one.count, one.kept, one.is_made)
        for one in observer.decide()
    ]


def test_a_plan_has_what_entities_need() -> None:
    observer = Observer("Shop", asked_by([Shop, Animal]))
    packed = entity("A", 1, Street=text("x")).SerializeToString()
    observer.see(entity("Shop", 1, **{"address.Street": text("x"), "others.Street": array(text("x"), text("y"))}))
    observer.see(entity("Shop", 2, name=compressed(b"x" * 500), logo=blob(b"plain"), address=blob(packed)))
    observer.see(entity("Shop", 3, rest=blob(b"{}"), rows=array(blob(b"{}"), blob(b"[[1]]"))))
    observer.see(entity("Shop", 4, name=compressed(b"x"), logo=blob(b"?", meaning=22), any=blob(b"{")))
    assert [
        ("address", "nest", {}, 1, "", True),
        ("address", "unpack", {}, 1, "", True),
        ("any", "json", {}, 0, "it is not JSON, or holds what Firestore can't store", False),
        ("logo", "inflate", {}, 0, "it is marked as compressed, and isn't", False),
        ("name", "inflate", {"text": True}, 2, "", True),
        ("others", "nest", {"list": True}, 1, "", True),
        ("rest", "json", {}, 1, "", True),
        ("rows", "json", {}, 1, "it is not JSON, or holds what Firestore can't store", False),
    ] == decided(observer)
    assert 500 == next(one.largest for one in observer.decide() if one.transform.field == "name")


def test_without_a_model_what_is_stored_decides() -> None:
    observer = Observer("K")
    row = {"l.a": array(text("1"), text("2")), "l.m.b": array(text("3"), text("4"))}
    observer.see(entity("K", 1, **row, **{"s.t": array(text("1")), "d.e.f": text("x")}))
    observer.see(entity("K", 2, **{"l.a": array(text("1")), "s.t": text("x")}, m=embedded(**{"x.y": text("z")})))
    observer.see(entity("K", 3, **{"u.v": array(text("1")), "u.w": array(), "a..b": text("x"), "c.__d__.e": text("x")}))
    observer.see(entity("K", 4, z=array(compressed(b"xyz"), blob(b"?")), y=blob(b"?", meaning=22)))
    observer.see(entity("K", 5, bomb=compressed(b"\0" * (MAX_INFLATED + 1))))
    assert [
        ("bomb", "inflate", {}, 0, "it would have over 1,048,576 bytes", False),
        ("c", "nest", {}, 1, "", True),
        ("d", "nest", {}, 1, "", True),
        ("d.e", "nest", {}, 1, "", True),
        ("l", "nest", {"list": True}, 2, "", True),
        ("l.m", "nest", {}, 1, "", True),
        ("m.x", "nest", {}, 1, "", True),
        ("s", "nest", {}, 2, "", True),
        ("u", "nest", {}, 1, "", True),
        ("y", "inflate", {}, 0, "it is marked as compressed, and isn't", False),
        ("z", "inflate", {}, 1, "", True),
    ] == decided(observer)


def test_what_was_decided_is_what_a_copy_does() -> None:
    one = entity("K", 1, **{"d.e": text("x"), "l.a": array(text("1"), text("2")), "b": compressed(b"x")})
    observer = Observer("K")
    observer.see(one)
    document = Document()
    Translator(HOME, TARGET, [each.transform for each in observer.decide()]).document(one, document)
    assert {"d": {"e": "x"}, "l": [{"a": "1"}, {"a": "2"}], "b": b"x"} == decode_fields(document.fields, TARGET.name)


def test_a_bomb_of_a_model_is_reported() -> None:
    observer = Observer("Shop", asked_by([Shop]))
    bomb = compressed(b"\0" * (MAX_INFLATED + 1))
    observer.see(entity("Shop", 1, name=bomb, **{"others.Street": array(), "others.x": array(text("1"))}))
    assert [
        ("name", "inflate", {"text": True}, 0, "it would have over 1,048,576 bytes", False),
        ("others", "nest", {"list": True}, 1, "", True),
    ] == decided(observer)
