"""What is odd in Datastore, carried to Firestore on three emulators: it arrives, or is refused before it is sent."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cendry_datastore.migrate.translate import Translator, UntranslatableError
from google.api_core.exceptions import GoogleAPICallError
from migrate.sides import Document, Sides, Value


@dataclass(frozen=True)
class Case:
    """One odd thing.

    Attributes:
        name: What it is.
        make: The entity.
        becomes: `same`: it arrives as it is; `refused`: Datastore doesn't store it; `dead`: it can't be a document.
        traps: What is reported.
        path: The document's path, if it isn't that of `K`.
    """

    name: str
    make: Callable[[Sides], Any]
    becomes: str = "same"
    traps: tuple[str, ...] = ()
    path: str | None = None


def text(value: str, **more: Any) -> Any:
    return Value(string_value=value, **more)


def array(*values: Any) -> Any:
    found = Value()
    found.array_value.SetInParent()
    found.array_value.values.extend(values)
    return found


def embedded(key: Any = None, **properties: Any) -> Any:
    found = Value()
    found.entity_value.SetInParent()
    for name, value in properties.items():
        found.entity_value.properties[name].CopyFrom(value)
    if key is not None:
        found.entity_value.key.CopyFrom(key)
    return found


def deep(levels: int) -> Any:
    found = text("x")
    for _ in range(levels):
        found = embedded(m=found)
    return found


def moment(seconds: int, nanos: int = 0) -> Any:
    return Value(timestamp_value={"seconds": seconds, "nanos": nanos})


def point(latitude: float, longitude: float) -> Any:
    return Value(geo_point_value={"latitude": latitude, "longitude": longitude})


def value(what: str, found: Any, becomes: str = "same", *traps: str) -> Case:
    return Case(what, lambda sides: sides.entity("K", "x", p=found), becomes, traps)


def key_value(what: str, make: Callable[[Sides], Any], becomes: str = "same", *traps: str) -> Case:
    return Case(what, lambda sides: sides.entity("K", "x", p=Value(key_value=make(sides))), becomes, traps)


def named(what: str, name: str, becomes: str = "same") -> Case:
    return Case(what, lambda sides: sides.entity("K", "x", **{name: text("x"), "other": text("y")}), becomes)


def inside(what: str, name: str, becomes: str = "same") -> Case:
    return Case(what, lambda sides: sides.entity("K", "x", p=embedded(**{name: text("x")})), becomes)


def keyed(
    what: str, path: str | None, *segments: str | int, becomes: str = "same", traps: tuple[str, ...] = ()
) -> Case:
    return Case(what, lambda sides: sides.entity(*segments, p=text("x")), becomes, traps, path)


USER = embedded(email=text("a@example.com"), auth_domain=text("gmail.com"), user_id=text("1"))
USER.meaning = 20
for each in USER.entity_value.properties.values():
    each.exclude_from_indexes = True
MIXED = text("a"), Value(integer_value=1), Value(null_value=0), Value(double_value=1.0)


def long(levels: int) -> list[str]:
    return [part for name in range(levels) for part in ("K", str(name) * 1490)]


NUMBERS = [
    *(value(f"integer {one}", Value(integer_value=one)) for one in (0, 1, -1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63))),
    *(
        value(f"double {one!r}", Value(double_value=one))
        for one in (0.0, -0.0, 1.0, 0.1, 5e-324, 1.7976931348623157e308, 2.0**63, math.inf, -math.inf, math.nan)
    ),
]
OTHER_NAN = Value(double_value=struct.unpack("<d", b"\x01\0\0\0\0\0\xf8\xff")[0])
SCALARS = [
    value("a NaN with other bits", OTHER_NAN),
    value("null", Value(null_value=0)),
    value("true", Value(boolean_value=True)),
    value("false", Value(boolean_value=False)),
    value("an empty string", text("")),
    value("NUL in a string", text("a\0b")),
    value("an emoji", text("\U0001f600")),
    value("U+FFFF", text("\uffff")),
    value("combining characters", text("e\u0301 \u00e9")),
    value("right to left", text("\u202eabc")),
    value("a string of 1,500 bytes", text("x" * 1500)),
    value("a string of 1,501 bytes, indexed", text("x" * 1501), "refused"),
    value("a string of 100,000 bytes, unindexed", text("x" * 100_000, exclude_from_indexes=True)),
    value("an unindexed null", Value(null_value=0, exclude_from_indexes=True)),
    value("empty bytes", Value(blob_value=b"", exclude_from_indexes=True)),
    value("all bytes", Value(blob_value=bytes(range(256)))),
    value("bytes of 1,501", Value(blob_value=b"x" * 1501), "refused"),
    value("1,048,400 bytes", Value(blob_value=b"x" * 1_048_400, exclude_from_indexes=True)),
    value("over 1 MiB", Value(blob_value=b"x" * 1_048_580, exclude_from_indexes=True), "refused"),
    value("the epoch", moment(0)),
    value("microseconds", moment(1, 123_456_000)),
    value("before the epoch", moment(-1, 999_999_000)),
    value("nanoseconds", moment(1, 123_456_789)),
    value("the year 1", moment(-62_135_596_800)),
    value("the year 9999", moment(253_402_300_799, 999_999_000)),
    value("the year 10,000", moment(253_402_300_800), "refused"),
    value("a point", point(1.5, -2.5)),
    value("0, 0", point(0.0, 0.0)),
    value("-0.0, -0.0", point(-0.0, -0.0)),
    value("the poles", point(90.0, 180.0)),
    value("beyond the poles", point(90.5, 0.0), "refused"),
    value("beyond 180", point(0.0, 180.5), "refused"),
]
ARRAYS = [
    value("an empty array", array()),
    value("an array of null", array(Value(null_value=0))),
    value("an array of mixed kinds", array(*MIXED)),
    value("equal elements", array(text("a"), text("a"))),
    value("an array of empty strings", array(text(""), text(""))),
    value("an array in an array", array(array(text("a"))), "refused"),
    value("an empty array in an array", array(array()), "refused"),
    value("an array of maps", array(embedded(a=text("x")), embedded(b=text("y")))),
    value("an array of empty maps", array(embedded(), embedded())),
    value("an array in a map in an array", array(embedded(a=array(text("x"))))),
    value("an array of points", array(point(0.0, 0.0), point(1.0, 1.0))),
    value("an array of moments", array(moment(0), moment(1))),
    value("an array of bytes", array(Value(blob_value=b""), Value(blob_value=b"x"))),
    value("1,000 values", array(*(Value(integer_value=one) for one in range(1000)))),
    value("5,000 unindexed values", array(*(text(str(one), exclude_from_indexes=True) for one in range(5000)))),
    value("an array of unindexed values", array(text("a", exclude_from_indexes=True), text("b"))),
]
MAPS = [
    value("an empty map", embedded()),
    value("a map", embedded(a=text("x"), b=Value(integer_value=1))),
    value("a map of null", embedded(a=Value(null_value=0))),
    value("a map with an empty array", embedded(a=array())),
    value("19 levels", deep(19)),
    value("20 levels", deep(20)),
    value("21 levels", deep(21), "refused"),
    value("a map that is unindexed", Value(entity_value={}, exclude_from_indexes=True)),
    value("a map as Google marks vectors", embedded(value=array(Value(double_value=1.0)))),
    Case(
        "a map with a key",
        lambda sides: sides.entity("K", "x", p=embedded(sides.key("A", 7), a=text("x"))),
    ),
    Case(
        "a map with a key of odd names",
        lambda sides: sides.entity("K", "x", p=embedded(sides.key("A", "a/b"), a=text("x"))),
        traps=("escaped",),
    ),
    Case(
        "a map with an incomplete key",
        lambda sides: sides.entity("K", "x", p=embedded(sides.key("A"), a=text("x"))),
        traps=("incomplete key",),
    ),
    Case(
        "maps with keys in an array",
        lambda sides: sides.entity("K", "x", p=array(*(embedded(sides.key("A", 7, *more)) for more in ((), ("C", 1))))),
    ),
]
NAMES = [
    named("a dot in a property", "a.b"),
    named("dots alone", ".."),
    named("a backtick", "a`b"),
    named("a backslash", "a\\b"),
    named("a star", "*"),
    named("a slash", "a/b"),
    named("brackets", "a[0]"),
    named("blanks", " a "),
    named("a line break", "a\nb"),
    named("NUL in a property", "a\0b"),
    named("a leading underscore", "_a"),
    named("two leading underscores", "__a"),
    named("two trailing underscores", "a__"),
    named("a digit", "1"),
    named("an emoji in a property", "\U0001f600"),
    named("key", "key"),
    named("id", "id"),
    named("a property of 1,500 bytes", "a" * 1500),
    named("a property of 1,501 bytes", "a" * 1501, "refused"),
    named("an empty name", "", "refused"),
    named("__x__", "__x__", "refused"),
    named("__name__", "__name__", "refused"),
    named("__key__", "__key__", "refused"),
    inside("a dot in a map", "a.b"),
    inside("a slash in a map", "a/b"),
    inside("a backtick in a map", "`"),
    inside("a digit in a map", "1"),
    inside("an empty name in a map", "", "refused"),
    inside("__x__ in a map", "__x__", "refused"),
]
KEYS = [
    keyed("an id", "K/__id7__", "K", 7),
    keyed("id 1", "K/__id1__", "K", 1),
    keyed("a negative id", "K/__id-5__", "K", -5),
    keyed("the largest id", f"K/__id{2**63 - 1}__", "K", 2**63 - 1),
    keyed("the smallest id", f"K/__id{-(2**63)}__", "K", -(2**63)),
    keyed("a name", "K/x", "K", "x"),
    keyed("digits as a name", "K/7", "K", "7"),
    keyed("a slash in a name", "K/__esca~1b__", "K", "a/b", traps=("escaped",)),
    keyed("a tilde and a slash in a name", "K/__esca~0b~1__", "K", "a~b/", traps=("escaped",)),
    keyed("a tilde in a name", "K/a~b", "K", "a~b"),
    keyed("a dot", "K/__esc~2__", "K", ".", traps=("escaped",)),
    keyed("two dots", "K/__esc~2~2__", "K", "..", traps=("escaped",)),
    keyed("three dots", "K/...", "K", "..."),
    keyed("NUL in a name", "K/a\0b", "K", "a\0b", traps=("nul",)),
    keyed("NUL and a slash in a name", "K/__esca~1\0b__", "K", "a/\0b", traps=("nul",)),
    keyed("blanks in a name", "K/ a b ", "K", " a b "),
    keyed("a line break in a name", "K/a\nb", "K", "a\nb"),
    keyed("an emoji in a name", "K/\U0001f600", "K", "\U0001f600"),
    keyed("percent signs", "K/%2F%", "K", "%2F%"),
    keyed("a name with underscores", "K/__a", "K", "__a"),
    keyed("a name of 1,500 bytes", f"K/{'x' * 1500}", "K", "x" * 1500),
    keyed("a name of 1,501 bytes", None, "K", "x" * 1501, becomes="refused"),
    keyed("slashes that make a name too long", None, "K", "/" * 1490, becomes="dead"),
    keyed("a reserved name", None, "K", "__x__", becomes="refused"),
    keyed("a name like an id", None, "K", "__id7__", becomes="refused"),
    keyed("a dot in a kind", "a.b/x", "a.b", "x"),
    keyed("a digit as a kind", "1/x", "1", "x"),
    keyed("an emoji as a kind", "\U0001f600/x", "\U0001f600", "x"),
    keyed("a dot as a kind", "__esc~2__/x", ".", "x"),
    keyed("a slash in a kind", None, "a/b", "x", becomes="dead"),
    keyed("a slash in an ancestor's kind", None, "a/b", "x", "K", 1, becomes="dead"),
    keyed("a reserved kind", None, "__K__", "x", becomes="refused"),
    keyed("an ancestor", "A/__id1__/K/x", "A", 1, "K", "x"),
    keyed("two kinds alike", "K/a/K/a", "K", "a", "K", "a"),
    keyed("5 names of 1,490 bytes", None, *long(5), becomes="dead"),
    keyed("4 names of 1,490 bytes", "/".join(long(4)), *long(4)),
    keyed("100 levels", "/".join(["K/a"] * 100), *(["K", "a"] * 100)),
]
REFERENCES = [
    key_value("a key", lambda sides: sides.key("A", 7)),
    key_value("a key by name", lambda sides: sides.key("A", "b")),
    key_value("a key with ancestors", lambda sides: sides.key("A", "b", "C", 1)),
    key_value("a key with an odd name", lambda sides: sides.key("A", "a/b"), "same", "escaped"),
    key_value("a key of an odd kind", lambda sides: sides.key("a/b", "c")),
    key_value("a key without a project", lambda sides: sides.key("A", 7, project="")),
    key_value("an incomplete key", lambda sides: sides.key("A"), "refused"),
    key_value("a key into a namespace", lambda sides: sides.key("A", 7, namespace="ns1"), "dead"),
    key_value("a key into another project", lambda sides: sides.key("A", 7, project="elsewhere"), "dead"),
    Case("a key in an array", lambda sides: sides.entity("K", "x", p=array(Value(key_value=sides.key("A", 7))))),
    Case("a key in a map", lambda sides: sides.entity("K", "x", p=embedded(k=Value(key_value=sides.key("A", 7))))),
    Case(
        "a foreign key in an array",
        lambda sides: sides.entity("K", "x", p=array(Value(key_value=sides.key("A", 7, namespace="n")))),
        "dead",
    ),
]
MEANINGS = [
    value("meaning 22", Value(blob_value=b"x", meaning=22, exclude_from_indexes=True), "same", "compressed"),
    value("meaning 15", text("x", meaning=15, exclude_from_indexes=True), "same", "meaning"),
    value("meaning 20", USER, "same", "user"),
]
OTHERS = [
    Case("no properties", lambda sides: sides.entity("K", "x")),
    Case("100 properties", lambda sides: sides.entity("K", "x", **{f"p{one}": text("x") for one in range(100)})),
]
CASES = [*NUMBERS, *SCALARS, *ARRAYS, *MAPS, *NAMES, *KEYS, *REFERENCES, *MEANINGS, *OTHERS]


def carried(sides: Sides, case: Case) -> tuple[str, tuple[str, ...], str | None]:
    """What became of a case, what was reported, and the path of the document."""
    entity = case.make(sides)
    try:
        sides.put(entity)
        [stored] = sides.get(entity.key)
    except GoogleAPICallError:
        return "refused", (), None
    before = stored.SerializeToString(deterministic=True)
    document = Document()
    try:
        traps = Translator(sides.home, sides.target).document(stored, document)
    except UntranslatableError:
        return "dead", (), None
    assert before == stored.SerializeToString(deterministic=True)
    try:
        sides.commit([document])
    except GoogleAPICallError as error:
        return f"refused by Firestore: {error}", (), None
    [read] = sides.read([document.name])
    same = document.SerializeToString(deterministic=True) == read.SerializeToString(deterministic=True)
    path = document.name.removeprefix(f"{sides.target.name}/documents/")
    return ("same" if same else "other"), tuple(trap.name for trap in traps), path


def test_there_are_as_many_cases_as_were_measured() -> None:
    names = [case.name for case in CASES]
    assert [] == [name for name in names if names.count(name) > 1]
    assert 120 <= len(names)


# What the older emulator stores, other than that of Datastore mode.
CLASSIC = {"an empty array in an array": "dead"}


def test_each_odd_thing_arrives_or_is_refused_before_it_is_sent(sides: Sides, any_datastore: str) -> None:
    others = CLASSIC if any_datastore == "classic" else {}
    different: list[Any] = []
    for case in CASES:
        becomes = others.get(case.name, case.becomes)
        arrives = becomes == "same"
        expected = becomes, case.traps if arrives else (), (case.path or "K/x") if arrives else None
        found = carried(sides, case)
        if expected != found:
            different.append((case.name, expected, found))
    assert [] == different
