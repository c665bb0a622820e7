"""What a query says is held by named fields: one that a later version adds shifts no other."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import pytest
from cendry import FieldPath, Query, Ref, default_registry
from cendry._immutable import dataclass, replace
from cendry._query import builders, spec
from cendry._query.builders import spec_of
from cendry._query.compile import compiled
from cendry._query.spec import Cursor, QuerySpec
from core.documents import City


def full() -> Query[City]:
    """A query that says something in every field but two."""
    query = Query(City, City.state == "CA", City.population > 1, order_by=City.population, limit=3, offset=2)
    return query.under(Ref(City, "x")).start_at({"population": 9}).end_before({"population": 2, "id": "z"})


FULL = full()


def with_one_more_field() -> type[QuerySpec]:
    """`QuerySpec` as a later version may have it: one more field, in front of all that have defaults."""
    first, *others = dataclasses.fields(QuerySpec)
    names = {first.name: "Any", "nearest": "Any", **{each.name: "Any" for each in others}}
    defaults = {each.name: each.default for each in others}
    namespace = {"__annotations__": names, "nearest": None, **defaults, "__module__": QuerySpec.__module__}
    later: type[QuerySpec] = dataclass(frozen=True, slots=True)(
        type("QuerySpec", (), {**namespace, "__qualname__": "QuerySpec"})
    )
    return later


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> type[QuerySpec]:
    later = with_one_more_field()
    monkeypatch.setattr(spec, "QuerySpec", later)
    monkeypatch.setattr(builders, "QuerySpec", later)
    return later


def said(query: Any) -> dict[str, Any]:
    """What a query says, by name."""
    found = spec_of(query)
    return {each.name: getattr(found, each.name) for each in dataclasses.fields(found)}


def having(query: Any, **changes: Any) -> Any:
    """The same query with other values in its spec."""
    changed = query.filter()
    changed._spec = replace(spec_of(query), **changes)
    return changed


def test_the_builders_change_their_own_field_alone(later: Any) -> None:
    query = having(Query(City, City.state == "CA"), nearest=[1.0])
    for name, changed in {
        "filters": query.filter(City.population > 1),
        "orders": query.order_by("name"),
        "limit": query.limit(3),
        "offset": query.offset(2),
        "start": query.start_after({"id": "a"}),
        "end": query.end_at({"id": "b"}),
        "parent": query.under(Ref(City, "x")),
    }.items():
        assert {name} == {each for each, value in said(changed).items() if value != said(query)[each]}


def test_a_new_field_takes_part_in_equality_hash_and_repr(later: Any) -> None:
    query = Query(City, City.state == "CA", limit=10)
    near, far = having(query, nearest=(1.0,)), having(query, nearest=(2.0,))
    assert near == having(query, nearest=(1.0,))
    assert hash(near) == hash(having(query, nearest=(1.0,)))
    assert near != far
    assert near != query
    assert "Query(City, City.state == 'CA', nearest=(1.0,), limit=10)" == repr(near)
    assert "Query(City, City.state == 'CA', limit=10)" == repr(query)


def test_a_new_field_changes_no_plan(later: Any) -> None:
    again = having(full(), nearest=(1.0,))
    assert compiled(spec_of(FULL), default_registry) == compiled(spec_of(again), default_registry)


def test_pickles_of_an_earlier_version_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    pickled = pickle.dumps(FULL)
    earlier = said(FULL)
    monkeypatch.setattr(spec, "QuerySpec", with_one_more_field())
    assert {**earlier, "nearest": None} == said(pickle.loads(pickled))


def test_pickles_of_a_later_version_are_read_or_name_what_this_one_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        later = with_one_more_field()
        patch.setattr(spec, "QuerySpec", later)
        known: Any = FULL.filter()
        known._spec = later(**said(FULL))
        unused, used = pickle.dumps(known), pickle.dumps(having(known, nearest=(1.0,)))
    assert FULL == pickle.loads(unused)
    with pytest.raises(
        TypeError,
        match=r"^This QuerySpec was pickled by another version of cendry: here it has no field 'nearest'\.$",
    ):
        pickle.loads(used)


def test_cursors_are_values() -> None:
    by_path = Cursor(True, ((FieldPath("n"), 1),))
    assert by_path == Cursor(True, ((FieldPath("n"), 1),))
    assert by_path != Cursor(True, ((FieldPath("n"), True),))
    assert by_path != Cursor(False, ((FieldPath("n"), 1),))
    assert by_path != (True, ((FieldPath("n"), 1),))
    city = City(id="SF", name="San Francisco")
    assert Cursor(True, instance=city) == Cursor(True, instance=City(id="SF", name="San Francisco"))
    assert Cursor(True, instance=city) != Cursor(True, instance=City(id="SF", name="Sausalito"))
