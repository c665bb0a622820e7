"""Histograms of stored documents, and the models that are inferred from them."""

from __future__ import annotations

import itertools
import linecache
import sys
import types
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any

import pytest
from cendry import GeoPoint, Model, Ref, Vector
from cendry._scan import Histogram, Inferred, Misfits, Room, found_on_reads, model_source, module_source
from cendry._scan.histogram import MAX_KEYS
from cendry._scan.misfits import Misfit, without_values
from cendry._types.registry import default_registry
from cendry.codec import codec_for
from cendry.codec.reading import STORED
from cendry.errors import DecodeError, Problem
from hypothesis import example, given, settings
from hypothesis import strategies as st

NOON = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)
numbers = itertools.count()


def histogram_of(documents: Iterable[dict[str, Any]]) -> Histogram:
    found = Histogram()
    for each in documents:
        found.add(each)
    return found


def source_of(documents: Iterable[dict[str, Any]], name: str = "City") -> str:
    return model_source(name, "cities", histogram_of(documents))


def class_in(source: str, name: str = "City") -> type[Model]:
    """The class that the source of a module defines; its module is forgotten at once."""
    module = types.ModuleType(f"inferred_{next(numbers)}")
    sys.modules[module.__name__] = module
    try:
        exec(compile(source, f"<{module.__name__}>", "exec"), vars(module))
        found: type[Model] = getattr(module, name)
        return found
    finally:
        del sys.modules[module.__name__]
        linecache.clearcache()


def misfits(documents: Iterable[dict[str, Any]], source: str) -> list[Any]:
    codec = codec_for(class_in(source), default_registry)
    return [problem for each in documents for problem in codec.problems(each, STORED)]


def body(source: str) -> str:
    return source.partition("\n\n\n")[2]


def test_a_field_that_all_documents_have_is_required() -> None:
    source = source_of([{"name": "Rome", "population": 2_800_000}, {"name": "Bern"}])
    expected = """\
from __future__ import annotations

from cendry import Field, Model, field


class City(Model, collection="cities"):
    name: Field[str]
    population: Field[int | None] = field(default=None)
"""
    assert expected == source


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([True, False], "v: Field[bool]"),
        ([1, None], "v: Field[int | None]"),
        ([1, 1.5], "v: Field[float]"),
        ([2**60, 1.5], "v: Field[float | int]"),
        ([b"x"], "v: Field[bytes]"),
        ([NOON], "v: Field[datetime]"),
        ([GeoPoint(1, 2)], "v: Field[GeoPoint]"),
        ([Vector([1, 2])], "v: Field[Vector]"),
        ([1, "x"], "v: Field[int | str]"),
        ([1, "x", b"x", None], "v: Field[bytes | int | str | None]"),
        ([None], "v: Field[Any]"),
        ([[]], "v: Field[list[Any]]"),
        ([["x"], []], "v: Field[list[str]]"),
        ([["x", None]], "v: Field[list[str | None]]"),
        ([["x"], "x"], "v: Field[list[str] | str]"),
        ([{}], "v: Field[dict[str, Any]]"),
        ([{"a": 1}, {"b": 2}, {"c": "x"}], "v: Field[dict[str, int | str]]"),
        ([object()], "v: Field[Any]"),
    ],
)
def test_types(values: list[Any], expected: str) -> None:
    assert expected == source_of({"v": value} for value in values).splitlines()[-1].strip()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, "x", b"x", NOON], ["# many kinds of value: int 1, str 1, bytes 1, timestamp 1", "v: Field[Any]"]),
        ([Ref.from_path("users/a")], ['# refers to "users"', "v: Field[Ref[Any]]"]),
        ([[Ref.from_path("users/a/cats/b")]], ['# refers to "cats"', "v: Field[list[Ref[Any]]]"]),
        ([NOON.replace(hour=0)], ["# a date? each is the beginning of a day", "v: Field[datetime]"]),
        (["open", "done"] * 10, ['# an enum? "done", "open"', "v: Field[str]"]),
        (['"', "\n", "'"] * 10, ["# an enum? '\\n', '\"', \"'\"", "v: Field[str]"]),
    ],
)
def test_what_a_person_should_decide_is_a_comment(values: list[Any], expected: list[str]) -> None:
    lines = source_of({"v": value} for value in values).splitlines()
    assert expected == [line.strip() for line in lines[-2:]]


@pytest.mark.parametrize("values", [["open", "done"], [f"{n}" for n in range(20)] * 9, ["x" * 41] * 40])
def test_few_different_or_long_texts_are_no_enum(values: list[str]) -> None:
    assert "#" not in source_of({"v": value} for value in values)


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ([{"v": [1]}, {}], "v: Field[list[int]] = field(default_factory=list)"),
        ([{"v": [1]}, {"v": None}, {}], "v: Field[list[int] | None] = field(default=None)"),
        ([{"v": [1]}, {"v": 1}, {}], "v: Field[list[int] | int | None] = field(default=None)"),
        ([{"v": None}, {}], "v: Field[Any] = field(default=None)"),
        ([{"a b": 1}], 'a_b: Annotated[Field[int], field(alias="a b")]'),
        ([{"a.b": 1}, {}], 'a_b: Field[int | None] = field(alias="a.b", default=None)'),
        ([{"class": 1}], 'class_: Annotated[Field[int], field(alias="class")]'),
        ([{"id": 1}], 'stored_id: Annotated[Field[int], field(alias="id")]'),
        ([{"1": 1}], 'stored_1: Annotated[Field[int], field(alias="1")]'),
        ([{"-": 1}], 'stored: Annotated[Field[int], field(alias="-")]'),
        ([{"_x": 1}], 'x: Annotated[Field[int], field(alias="_x")]'),
        ([{"int": 1}], 'int_: Annotated[Field[int], field(alias="int")]'),
        ([{"City": 1}], 'City_: Annotated[Field[int], field(alias="City")]'),
        ([{"a-b": 1, "a_b": 2, "a.b": 3}], "a_b: Field[int]"),
        ([{"ﬁ": 1}], 'fi: Annotated[Field[int], field(alias="ﬁ")]'),
        ([{"\"'\n": 1}], "stored: Annotated[Field[int], field(alias='\"\\'\\n')]"),
        ([{}], "pass"),
    ],
)
def test_names_and_defaults(documents: list[dict[str, Any]], expected: str) -> None:
    source = source_of(documents)
    assert expected == source.splitlines()[-1].strip()
    assert [] == misfits(documents, source)


def test_names_that_become_equal_are_told_apart() -> None:
    documents = [{"a-b": 1, "a_b": 2, "a.b": 3, "a b": 4}]
    source = source_of(documents)
    assert ["a_b_", "a_b_2", "a_b_3", "a_b"] == [line.split(":")[0].strip() for line in source.splitlines()[-4:]]
    assert [] == misfits(documents, source)


def test_maps_that_share_their_keys_are_classes() -> None:
    mayors = [{"name": "A", "since": 2020}, {"name": "B"}]
    source = source_of([{"mayor": mayors[0], "former": mayors}, {"mayor": mayors[1]}, {"mayor": None}])
    expected = """\
class CityFormer(Map):
    name: Field[str]
    since: Field[int | None] = field(default=None)


class CityMayor(Map):
    name: Field[str]
    since: Field[int | None] = field(default=None)


class City(Model, collection="cities"):
    former: Field[list[CityFormer]] = field(default_factory=list)
    mayor: Field[CityMayor | None]
"""
    assert expected == body(source)
    assert "from cendry import Field, Map, Model, field\n" in source


def test_maps_of_many_keys_are_dicts() -> None:
    documents = [{"v": {f"k{n}": n}} for n in range(MAX_KEYS + 10)]
    assert "v: Field[dict[str, int]]" == source_of(documents).splitlines()[-1].strip()


def test_names_of_classes() -> None:
    found = histogram_of([{"model": {"n": 1}, "field": {"n": 1}}])
    expected = ["Model2Field(Map)", "Model2Model(Map)", 'Model2(Model, collection="x")']
    lines = model_source("Model", "x", found).splitlines()
    assert expected == [line[len("class ") : -1] for line in lines if line.startswith("class ")]
    assert "class Model1a(Model" in model_source("1a", "x", found)
    assert "class UserAccount(Model" in model_source("user-account", "x", found)
    assert "    # a note\n" in model_source("None", "x", found, ["a note"])


def test_two_halves_are_as_one_whole() -> None:
    documents: list[dict[str, Any]] = [
        {"v": {f"k{n}": [n, "x", NOON, {"deep": Ref.from_path("a/b")}]}, "t": str(n % 15), "w": Vector([1] * n)}
        for n in range(MAX_KEYS + 20)
    ]
    whole = histogram_of(documents)
    for at in (5, MAX_KEYS + 10, MAX_KEYS + 15):
        half = histogram_of(documents[:at])
        half.merge(histogram_of(documents[at:]))
        assert (whole.count, whole.kinds, whole.texts) == (half.count, half.kinds, half.texts)
        assert model_source("A", "a", whole) == model_source("A", "a", half)
        assert whole.fields["w"].dimensions == half.fields["w"].dimensions
        assert [20, 20] == [each.fields["v"].rest.count for each in (whole, half) if each.fields["v"].rest is not None]


def test_more_places_than_there_is_room_for_are_counted_by_kind_alone() -> None:
    documents: list[dict[str, Any]] = [
        {"a": {"b": {"c": 1}}, "list": [{"x": 1}]},
        {"a": {"b": {"c": 1, "d": [1]}}, "list": [{"x": 1}], "more": 1},
    ]
    for left, cut in ((0, True), (3, True), (5, True), (8, True), (9, False)):
        room = Room(left)
        found = Histogram(room)
        for each in documents:
            found.add(each)
        assert (2, 2, cut) == (found.count, found.kinds["map"], room.left < 0)
        source = model_source("City", "cities", found)
        assert [] == misfits(documents, source), source
        # What one has no room for, the other takes no more.
        small = Histogram(Room(left))
        small.merge(found)
        assert found.kinds == small.kinds
        assert [] == misfits(documents, model_source("City", "cities", small))
    whole, none = histogram_of(documents), Histogram(Room(0))
    none.merge(whole)
    assert (True, {}) == (none.is_cut, none.fields)
    assert whole.fields["a"].fields["b"].fields["c"].count == 2
    listed, none = Histogram(), Histogram(Room(0))
    listed.add(["x"])
    none.merge(listed)
    assert (None, True) == (none.items, none.is_cut)
    none.add(["x"])
    assert (None, 2) == (none.items, none.count)


def test_keys_beyond_the_limit_without_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cendry._scan.histogram.MAX_KEYS", 2)
    found = Histogram(Room(2))
    found.add({"a": 1, "b": 1, "c": 1})
    assert (None, True) == (found.rest, found.is_cut)
    full, none = Histogram(), Histogram(Room(2))
    full.add({"a": 1, "b": 1, "c": 1})
    none.add({"a": 1, "b": 1})
    none.merge(full)
    assert (None, True) == (none.rest, none.is_cut)


def test_the_first_document_of_each_kind_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cendry._scan.histogram.MAX_COLLECTIONS", 1)
    one, other = Histogram(), Histogram()
    one.add({"v": 1, "list": [Ref.from_path("users/a")]}, "cities/a")
    one.add({"v": 2, "list": [Ref.from_path("pets/a")]}, "cities/b")
    other.add({"v": "x"}, "cities/c")
    other.add({"v": 3}, "cities/d")
    one.merge(other)
    assert {"int": "cities/a", "str": "cities/c"} == one.fields["v"].samples
    items = one.fields["list"].items
    assert items is not None
    assert {"users": 1} == items.collections


def test_one_module_for_several_collections() -> None:
    one, two = histogram_of([{"n": 1}]), histogram_of([{"m": "x"}])
    source = module_source([Inferred("City", "cities", one), Inferred("City", "towns", two, ["a note"])])
    assert ["City", "City2"] == [line.split("(")[0][6:] for line in source.splitlines() if line.startswith("class ")]
    assert 1 == source.count("from cendry import")


texts = st.text(min_size=1, max_size=3).filter(lambda key: not key.startswith("__"))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.datetimes(timezones=st.just(timezone.utc))
    | st.just(GeoPoint(1, 2))
    | st.just(Ref.from_path("users/a")),
    lambda inner: (
        st.lists(inner.filter(lambda each: not isinstance(each, list)), max_size=3)
        | st.dictionaries(texts, inner, max_size=3)
    ),
    max_leaves=8,
)
odd = ["a", "b", "a-b", "a_b", "id", "class", "int", "list", "field", "Field", "self", "mro", "é", "1", "X"]
documents_of_any_kind = st.dictionaries(st.sampled_from(odd) | texts, values, max_size=4)


@settings(max_examples=60)
@given(st.lists(documents_of_any_kind, min_size=1, max_size=5))
@example([{"v": {"a": {"x": 1}}}, {"v": {"a": {"x": 1}, "b": None}}, {"v": "x"}])
@example([{"v": {"a": 1}}, {"v": [{"a": 1}]}])
@example([{"v": [{"a": 1}, {"b": {"c": 1}}]}, {"v": None}])
def test_the_model_reads_every_document(documents: list[dict[str, Any]]) -> None:
    source = source_of(documents)
    assert [] == misfits(documents, source), source


# --- misfits ---


def test_misfits_are_counted_without_values_the_most_frequent_first() -> None:
    found = Misfits()
    for number in range(5):
        found.note(Problem(f"tags[{number}]", "str", f"int {number}"), f"a/{number}")
        found.note(Problem("tags[0]", "str", "int 7"), f"a/{number}")
    found.note(Problem("name", "str", "nothing", "missing"), "a/1", "parts of it (a)", "join them")
    found.note(Problem("born", "date", "date 2026-01-01"), "a/1")
    assert [
        Misfit("tags[]", "str", "int", "", 10, ("a/0", "a/1", "a/2")),
        Misfit("born", "date", "date", "", 1, ("a/1",)),
        Misfit("name", "str", "parts of it (a)", "join them", 1, ("a/1",)),
    ] == list(found)


def test_memory_for_misfits_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cendry._scan.misfits.MAX_MISFITS", 1)
    found = Misfits()
    for name in ("a", "b", "a", "c"):
        found.note(Problem(name, "str", "int 1"), "a/1")
    assert ([Misfit("a", "str", "int", "", 2, ("a/1",))], 2) == (list(found), found.further)


@pytest.mark.parametrize(
    ("problem", "shown"),
    [
        (Problem("a", "str", "nothing", "missing"), "nothing"),
        (Problem("a", "only declared fields", "the key 'a'", "unknown"), "a field that the model doesn't have"),
        (Problem("v", "an upgrade", "up() raised ValueError: secret", "rule"), "up() raised ValueError"),
        (Problem("a", "str", "google.Point (1, 2)"), "google.Point"),
        (Problem("a", "str", "'x'"), "another value"),
    ],
)
def test_what_is_shown_of_a_misfit_has_no_values(problem: Problem, shown: str) -> None:
    assert shown == without_values(problem)


def test_problems_that_a_read_does_not_find_are_left_out() -> None:
    missing, short = Problem("a", "str", "nothing", "missing"), Problem("b", "2 letters", "'x'", "min_length")
    error = DecodeError("a/1", "City", "c", "a valid City", "x")
    assert [missing] == found_on_reads([missing, short], error)
    assert [Problem("c", "a valid City", "x")] == found_on_reads([short], error)
