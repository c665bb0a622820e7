from __future__ import annotations

from typing import Any

import pytest
from cendry import (
    AsyncQuery,
    CendryError,
    DecodeError,
    DocumentNotFoundError,
    FieldPath,
    MultipleResultsError,
    Query,
    Ref,
    UnknownFieldError,
    get_metadata,
)
from cendry.paths import DOCUMENT_ID
from cendry.plan import AggregationPlan, QueryPlan
from core.documents import Area, City, Mayor, Status


@pytest.fixture
def cities(ctx: Any, backend: Any) -> Any:
    """Five cities with populations 0 to 4, two of them with the same state."""
    for index, name in enumerate(["a", "b", "c", "d", "e"]):
        backend.put(
            f"cities/{name}",
            {"displayName": name.upper(), "population": index, "state": "CA" if index < 2 else "NY", "status": "OPEN"},
        )
    backend.calls.clear()
    return ctx.select(City, order_by=City.population)


def spoil(backend: Any, name: str = "b") -> None:
    backend.put(f"cities/{name}", {"displayName": 5, "population": 1})
    backend.calls.clear()


def ids(cities: Any) -> list[str]:
    return [city.id for city in cities]


def test_iterating_streams_instances_with_metadata(cities: Any, backend: Any) -> None:
    found = list(cities)
    assert found[1] == City(id="b", name="B", population=1, state="CA")
    assert get_metadata(found[1]).path == "cities/b"
    assert get_metadata(found[1]).create_time == backend.documents["cities/b"].create_time
    assert ids(cities) == ["a", "b", "c", "d", "e"]


def test_a_query_can_be_run_again(cities: Any, backend: Any) -> None:
    assert len(cities.to_list()) == 5
    backend.put("cities/f", {"displayName": "F", "population": 9})
    assert len(cities.to_list()) == 6


def test_filters(cities: Any) -> None:
    assert ids(cities.filter(City.state == "CA")) == ["a", "b"]
    assert ids(cities.filter((City.population > 3) | (City.name == "A"))) == ["a", "e"]
    assert ids(cities.filter(City.id.is_in(["b", "d", "x"]))) == ["b", "d"]
    assert ids(cities.filter(City.id > "c")) == ["d", "e"]


def test_first_and_last(cities: Any, backend: Any) -> None:
    assert cities.first().id == "a"
    assert backend.plans("run")[-1].limit == 1
    assert cities.last().id == "e"
    assert backend.plans("run")[-1].limit == 1
    assert cities.offset(1).first().id == "b"
    assert cities.offset(1).last().id == "e"
    assert cities.limit(3).last().id == "c"
    assert cities.limit_to_last(3).first().id == "c"
    assert cities.limit_to_last(3).last().id == "e"
    assert cities.start_at({"population": 2}).last().id == "e"
    assert cities.end_before({"population": 2}).last().id == "b"
    nothing = cities.filter(City.name == "?")
    assert (nothing.first(), nothing.last(), nothing.limit_to_last(1).first()) == (None, None, None)


def test_one(cities: Any) -> None:
    assert cities.filter(City.name == "C").one().id == "c"
    assert cities.filter(City.name == "C").one_or_none().id == "c"
    assert cities.limit(1).one().id == "a"
    assert cities.limit_to_last(1).one().id == "e"
    assert cities.filter(City.name == "?").one_or_none() is None
    with pytest.raises(DocumentNotFoundError) as missing:
        cities.filter(City.name == "?").one()
    assert str(missing.value) == "The query on 'cities' matches no document. Use one_or_none() to get None instead."
    assert (missing.value.collection, missing.value.document_id) == ("cities", None)
    for several in (cities.one, cities.one_or_none, cities.limit_to_last(2).one):
        with pytest.raises(MultipleResultsError, match="'cities' matches more than one document"):
            several()


def test_exists_count_and_ids_fetch_no_fields(cities: Any, backend: Any) -> None:
    assert cities.exists()
    assert not cities.filter(City.name == "?").exists()
    assert [(plan.limit, plan.projection) for plan in backend.plans("run")] == [(1, ()), (1, ())]
    assert cities.count() == 5
    assert cities.limit(2).count() == 2
    assert cities.limit_to_last(2).count() == 2
    assert cities.offset(4).count() == 1
    assert isinstance(backend.plans("aggregate")[0], AggregationPlan)
    assert cities.ids() == ["a", "b", "c", "d", "e"]
    assert backend.plans("run")[-1].projection == ()
    assert cities.limit_to_last(2).ids() == ["d", "e"]


def test_limit_to_last_keeps_the_order_of_the_query(cities: Any) -> None:
    assert ids(cities.limit_to_last(2)) == ["d", "e"]
    assert ids(cities.limit_to_last(2).to_list()) == ["d", "e"]
    assert ids(cities.limit_to_last(2).start_at({"population": 4})) == ["e"]
    assert ids(cities.limit_to_last(2).end_at({"population": 2})) == ["b", "c"]


def test_cursors(cities: Any, ctx: Any) -> None:
    assert ids(cities.start_at({"population": 3})) == ["d", "e"]
    assert ids(cities.start_after({"population": 3})) == ["e"]
    assert ids(cities.end_at({"population": 1})) == ["a", "b"]
    assert ids(cities.end_before({"population": 1})) == ["a"]
    assert ids(ctx.select(City, start_after={"id": "c"})) == ["d", "e"]
    assert ids(ctx.select(City, order_by="id", end_at={City.id: "b"})) == ["a", "b"]


def test_a_cursor_from_an_instance_skips_no_ties(cities: Any, ctx: Any) -> None:
    by_state = ctx.select(City, order_by=City.state)
    assert ids(by_state.start_after(ctx.get(City, "a"))) == ["b", "c", "d", "e"]
    assert ids(by_state.start_after(ctx.get(City, "c"))) == ["d", "e"]
    downwards = ctx.select(City, order_by=City.state.desc())
    assert ids(downwards.start_at(ctx.get(City, "d"))) == ["d", "c", "b", "a"]


def test_paginate(cities: Any, backend: Any) -> None:
    assert [ids(page) for page in cities.paginate(2)] == [["a", "b"], ["c", "d"], ["e"]]
    assert [ids(page) for page in cities.paginate(5)] == [["a", "b", "c", "d", "e"]]
    assert [ids(page) for page in cities.limit(4).paginate(3)] == [["a", "b", "c"], ["d"]]
    assert [ids(page) for page in cities.limit(4).paginate(2)] == [["a", "b"], ["c", "d"]]
    assert [ids(page) for page in cities.limit(2).paginate(9)] == [["a", "b"]]
    assert [ids(page) for page in cities.offset(1).paginate(2)] == [["b", "c"], ["d", "e"]]
    assert [ids(page) for page in cities.limit_to_last(3).paginate(2)] == [["c", "d"], ["e"]]
    assert [ids(page) for page in cities.filter(City.name == "?").paginate(2)] == []
    assert [ids(page) for page in cities.start_at({"population": 2}).paginate(2)] == [["c", "d"], ["e"]]


def test_pages_follow_each_other_whatever_comes_and_goes(ctx: Any, cities: Any, backend: Any) -> None:
    seen: list[list[str]] = []
    for page in ctx.select(City, order_by=City.state).paginate(2):
        seen.append(ids(page))
        backend.put("cities/0", {"displayName": "0", "state": "AA", "status": "OPEN"})
        backend.remove("cities/d")
    assert seen == [["a", "b"], ["c", "e"]]


def test_pages_of_nested_and_unequal_fields(ctx: Any, backend: Any) -> None:
    for index in range(4):
        mayor = {"mayor name": "m", "since": index}
        backend.put(f"cities/{index}", {"displayName": "n", "population": index % 2, "mayor": mayor})
    query = ctx.select(City, City.population >= 0, order_by=City.mayor[Mayor.since].desc())
    assert [ids(page) for page in query.paginate(3)] == [["3", "2", "1"], ["0"]]


@pytest.mark.parametrize(
    ("size", "error", "message"),
    [
        (0, ValueError, "paginate takes 1 or more, not 0."),
        (True, TypeError, "paginate takes an int, not True."),
        ("2", TypeError, "paginate takes an int, not '2'."),
    ],
)
def test_pages_have_a_size(cities: Any, size: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        cities.paginate(size)


def test_project_fetches_only_those_fields(cities: Any, backend: Any) -> None:
    rows = cities.filter(City.population < 2).project(City.name, "status", City.id)
    expected = [
        {"id": "a", "name": "A", "status": Status.OPEN},
        {"id": "b", "name": "B", "status": Status.OPEN},
    ]
    assert list(rows) == expected
    assert rows.to_list() == expected
    assert backend.plans("run")[0].projection == (FieldPath("displayName"), FieldPath("status"))
    assert [row["name"] for row in cities.limit_to_last(2).project("name")] == ["D", "E"]


def test_project_nested_and_stored_fields(ctx: Any, backend: Any) -> None:
    backend.put("cities/a", {"displayName": "A", "mayor": {"mayor name": "m"}, "attributes": {"k.x": 1}, "raw": [1]})
    backend.put("cities/b", {"displayName": "B"})
    backend.calls.clear()
    rows = ctx.select(City).project(
        City.mayor[Mayor.name], "mayor.since", City.attributes["k.x"], FieldPath("raw"), City.mayor
    )
    assert rows.to_list() == [
        {
            "id": "a",
            "mayor.name": "m",
            "mayor.since": 2000,
            "attributes.`k.x`": 1,
            "raw": [1],
            "mayor": Mayor(name="m"),
        },
        {"id": "b", "mayor.name": None, "mayor.since": None, "attributes.`k.x`": None, "raw": None, "mayor": None},
    ]
    # What lies inside a field that travels is not asked for twice.
    assert backend.plans("run")[0].projection == (FieldPath("attributes", "k.x"), FieldPath("mayor"), FieldPath("raw"))


def test_project_takes_declared_fields(cities: Any) -> None:
    with pytest.raises(TypeError, match=r"project\(\) takes at least one field"):
        cities.project()
    with pytest.raises(UnknownFieldError, match="City has no field 'nam'. Did you mean 'name'"):
        cities.project("nam")


def test_a_projected_value_that_does_not_fit_names_the_document(cities: Any, backend: Any) -> None:
    spoil(backend)
    rows = iter(cities.project(City.name))
    assert next(rows) == {"id": "a", "name": "A"}
    with pytest.raises(DecodeError, match="Document 'cities/b' doesn't fit City: name: expected str, found int 5"):
        next(rows)
    assert next(rows) == {"id": "c", "name": "C"}


def test_collection_groups(ctx: Any, backend: Any) -> None:
    for path in ("cities/SF/areas/x", "cities/LA/areas/x", "areas/x"):
        backend.put(path, {"name": path, "rank": len(path)})
    group = ctx.select_group(Area, order_by="id")
    assert [get_metadata(area).path for area in group] == ["areas/x", "cities/LA/areas/x", "cities/SF/areas/x"]
    assert group.ids() == ["areas/x", "cities/LA/areas/x", "cities/SF/areas/x"]
    assert [area.name for area in group.filter(Area.id.is_in(["cities/SF/areas/x"]))] == ["cities/SF/areas/x"]
    assert [area.name for area in group.start_after(group.filter(Area.id == "cities/LA/areas/x").one())] == [
        "cities/SF/areas/x"
    ]
    assert [[area.name for area in page] for page in group.paginate(2)] == [
        ["areas/x", "cities/LA/areas/x"],
        ["cities/SF/areas/x"],
    ]
    below = ctx.select_group(Area, parent=Ref(City, "SF"), limit=5)
    assert [area.name for area in below] == ["cities/SF/areas/x"]


def test_subcollections(ctx: Any, backend: Any) -> None:
    backend.put("cities/SF/areas/x", {"name": "x"})
    backend.put("cities/LA/areas/y", {"name": "y"})
    assert ctx.select(Area, parent=Ref(City, "SF")).ids() == ["x"]
    assert ctx.select(Area).under(City(id="LA", name="n")).ids() == ["y"]
    with pytest.raises(CendryError, match="Area is a subcollection of City: pass the document that it belongs to"):
        ctx.select(Area).to_list()


def test_queries_of_either_twin_are_run_by_both(ctx: Any, cities: Any, twin: str) -> None:
    for query in (Query(City, City.state == "CA"), AsyncQuery(City, City.state == "CA")):
        bound = ctx.select(query)
        assert bound.ids() == ["a", "b"]
        assert repr(bound) == f"{'' if twin == 'sync' else 'Async'}Query(City, City.state == 'CA')"
    assert Query(City)._source is None
    with pytest.raises(TypeError, match=r"select\(query\) takes no other arguments; use query\.filter"):
        ctx.select(Query(City), City.state == "CA")


def test_options_travel_with_each_call(make: Any, backend: Any) -> None:
    with make(backend=backend, timeout=3.5, retry="policy") as ctx:
        ctx.select(City).to_list()
        list(ctx.select(City))
        ctx.select(City).count()
    assert [(one.timeout, one.retry) for one in backend.options] == [(3.5, "policy")] * 3


# Documents that don't fit


def test_an_unreadable_document_raises_and_the_iteration_goes_on(cities: Any, backend: Any) -> None:
    spoil(backend)
    documents = iter(cities)
    assert next(documents).id == "a"
    with pytest.raises(DecodeError) as caught:
        next(documents)
    error = caught.value
    assert (error.path, error.model, error.field) == ("cities/b", "City", "name")
    assert (error.expected, error.found) == ("str", "int 5")
    assert ids(documents) == ["c", "d", "e"]


def test_a_handler_takes_unreadable_documents(ctx: Any, cities: Any, backend: Any) -> None:
    spoil(backend)
    errors: list[DecodeError] = []
    handled = cities.on_error(errors.append)
    assert ids(handled) == ["a", "c", "d", "e"]
    assert ids(handled.to_list()) == ["a", "c", "d", "e"]
    assert [ids(page) for page in handled.paginate(2)] == [["a"], ["c", "d"], ["e"]]
    assert [row["id"] for row in handled.project(City.name)] == ["a", "c", "d", "e"]
    assert [error.path for error in errors] == ["cities/b"] * 4
    assert ids(ctx.select(City, City.population == 1, on_error=errors.append)) == []
    assert ids(ctx.select_group(City, on_error=errors.append)) == ["a", "c", "d", "e"]
    assert ids(ctx.select(Query(City).on_error(errors.append))) == ["a", "c", "d", "e"]
    # A page of nothing but unreadable documents is left out.
    assert [ids(page) for page in handled.paginate(1)] == [["a"], ["c"], ["d"], ["e"]]


def test_without_a_handler_lists_and_single_documents_raise(cities: Any, backend: Any) -> None:
    spoil(backend, "a")
    with pytest.raises(DecodeError, match="cities/a"):
        cities.to_list()
    with pytest.raises(DecodeError, match="cities/a"):
        cities.on_error(print).filter(City.id == "a").first()


def test_pages_go_on_after_an_unreadable_document(cities: Any, backend: Any) -> None:
    spoil(backend)
    pages = iter(cities.paginate(3))
    with pytest.raises(DecodeError, match="cities/b"):
        next(pages)
    assert ids(next(pages)) == ["a", "c"]
    assert ids(next(pages)) == ["d", "e"]
    assert list(pages) == []


# Streams


def test_a_stream_can_be_closed_early(cities: Any, backend: Any) -> None:
    documents = iter(cities)
    assert next(documents).id == "a"
    documents.close()
    assert list(documents) == []
    rows = iter(cities.limit_to_last(2))
    rows.close()


def test_an_error_of_the_backend_passes_untouched(cities: Any, backend: Any) -> None:
    backend.fail("run", RuntimeError("broken"))
    with pytest.raises(RuntimeError, match="broken"):
        list(cities)
    backend.fail("run", RuntimeError("broken"))
    with pytest.raises(RuntimeError, match="broken"):
        cities.first()


def test_what_a_plan_looks_like(cities: Any, backend: Any) -> None:
    cities.filter(City.state == "CA").to_list()
    plan: QueryPlan = backend.plans("run")[-1]
    assert (plan.collection, plan.parent, plan.group, plan.limit) == ("cities", None, False, None)
    assert plan.where is not None
    assert DOCUMENT_ID not in [order.path for order in plan.orders]
