"""Rows of queries: some fields of each document, as tuples, values or dicts."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from cendry import (
    AsyncCendry,
    AsyncQuery,
    AsyncRows,
    Cendry,
    CendryError,
    DecodeError,
    DocumentNotFoundError,
    Field,
    FieldPath,
    Map,
    Model,
    MultipleResultsError,
    Query,
    Ref,
    Rows,
    UnknownFieldError,
    field,
)
from core.documents import Area, City, Mayor, Status
from core.recording import AsyncRecordingBackend, RecordingBackend


class Hours(Map):
    opens: Field[int]
    closes: Field[int] = field(default=18)


class Shop(Model, collection="shops"):
    name: Field[str]
    hours: Field[Hours]
    code: Field[str | None] = field(default=None, repr=False)
    stock: Field[dict[str, int]] = field(default_factory=dict)
    by_default: Field[Hours] = field(default_factory=lambda: Hours(opens=1, closes=2))


@pytest.fixture
def cities(ctx: Any, backend: Any) -> Any:
    """Five cities with populations 0 to 4, two of them with the same state."""
    for index, name in enumerate("abcde"):
        backend.put(
            f"cities/{name}",
            {"displayName": name.upper(), "population": index, "state": "CA" if index < 2 else "NY", "status": "OPEN"},
        )
    backend.calls.clear()
    return ctx.select(City, order_by=City.population)


def test_values_are_tuples_of_converted_values(cities: Any, backend: Any) -> None:
    rows = cities.limit(2).values(City.name, City.status, City.id, City.budget)
    assert rows.to_list() == list(rows) == [("A", Status.OPEN, "a", None), ("B", Status.OPEN, "b", None)]
    assert backend.plans("run")[0].projection == tuple(map(FieldPath, ("budget", "displayName", "status")))


def test_flat_values(cities: Any, backend: Any) -> None:
    assert cities.values(City.name, flat=True).to_list() == ["A", "B", "C", "D", "E"]
    assert cities.values("name", flat=False).first() == ("A",)
    assert cities.limit_to_last(2).values(FieldPath("state"), flat=True).to_list() == ["NY", "NY"]


def test_ids_alone_fetch_no_fields(cities: Any, backend: Any) -> None:
    assert cities.values(City.id, flat=True).to_list() == list("abcde")
    assert cities.values("id").first() == ("a",)
    assert cities.project(City.id).first() == {"id": "a"}
    assert [plan.projection for plan in backend.plans("run")] == [(), (), ()]


def test_rows_run_as_queries_do(cities: Any, backend: Any) -> None:
    rows = cities.values(City.name, flat=True)
    assert (rows.first(), rows.last()) == ("A", "E")
    assert [plan.limit for plan in backend.plans("run")] == [1, 1]
    assert cities.limit(2).values(City.name, flat=True).last() == "B"
    assert cities.limit_to_last(2).values(City.name, flat=True).first() == "D"
    only = cities.filter(City.name == "C")
    assert only.values(City.population).one() == only.values(City.population).one_or_none() == (2,)
    nothing = cities.filter(City.name == "?").values(City.name)
    assert (nothing.first(), nothing.last(), nothing.one_or_none(), nothing.to_list()) == (None, None, None, [])
    with pytest.raises(DocumentNotFoundError, match="The query on 'cities' matches no document"):
        nothing.one()
    for several in (rows.one, rows.one_or_none):
        with pytest.raises(MultipleResultsError):
            several()


def test_a_value_of_none_is_a_result(cities: Any) -> None:
    assert cities.filter(City.name == "C").values(City.budget, flat=True).one() is None


def test_pages_of_rows_fetch_what_the_order_needs(ctx: Any, backend: Any) -> None:
    for index, name in enumerate("abcde"):
        mayor = {"mayor name": "m", "since": index // 2}
        backend.put(f"cities/{name}", {"displayName": name, "population": -index, "mayor": mayor, "state": "CA"})
    backend.calls.clear()
    query = ctx.select(City, City.population < 1, order_by=City.mayor[Mayor.since])
    pages = query.values(City.name, flat=True).paginate(2)
    assert [*pages] == [["b", "a"], ["d", "c"], ["e"]]
    expected = tuple(FieldPath(*path.split(".")) for path in ("displayName", "mayor.since", "population"))
    assert [plan.projection for plan in backend.plans("run")] == [expected] * 3
    assert [[row["id"] for row in page] for page in query.limit(3).project(City.id).paginate(2)] == [["b", "a"], ["d"]]
    assert [*query.limit_to_last(3).values(City.id, flat=True).paginate(2)] == [["d", "c"], ["e"]]


def test_nested_fields_and_keys(ctx: Any, backend: Any) -> None:
    backend.put("shops/a", {"name": "A", "hours": {"opens": 8}, "stock": {"k.x": 3}, "code": "secret"})
    backend.put("shops/b", {"name": "B", "hours": {"opens": 9, "closes": 20}, "by_default": {"opens": 5}})
    rows = ctx.select(Shop).values(
        Shop.hours[Hours.closes], "hours.opens", Shop.stock["k.x"], Shop.code, Shop.by_default[Hours.closes]
    )
    assert rows.to_list() == [(18, 8, 3, "secret", 18), (20, 9, None, None, 18)]
    mayors = ctx.select(City).values(City.mayor[Mayor.name], City.mayor[Mayor.since], City.mayor)
    backend.put("cities/a", {"displayName": "A", "mayor": None})
    backend.put("cities/b", {"displayName": "B"})
    backend.put("cities/c", {"displayName": "C", "mayor": {"mayor name": "m"}})
    assert mayors.to_list() == [(None, None, None), (None, None, None), ("m", 2000, Mayor(name="m"))]


def test_absent_fields(ctx: Any, backend: Any) -> None:
    backend.put("shops/a", {"hours": {}})
    assert ctx.select(Shop).values(Shop.stock, Shop.code).one() == ({}, None)
    for missing, name in ((Shop.name, "name"), (Shop.hours[Hours.opens], "hours.opens"), (Shop.hours, "hours.opens")):
        with pytest.raises(DecodeError, match=f"'shops/a' doesn't fit Shop: {name}: expected .*, found nothing"):
            ctx.select(Shop).values(missing).one()


def test_each_row_has_its_own_mutable_values(ctx: Any, backend: Any) -> None:
    backend.put("shops/a", {})
    backend.put("shops/b", {})
    one, other = ctx.select(Shop).values(Shop.stock, flat=True)
    one["x"] = 1
    assert other == {}


def test_documents_that_do_not_fit(cities: Any, backend: Any) -> None:
    backend.put("cities/b", {"displayName": 5, "population": 1})
    rows = cities.values(City.name, flat=True)
    found = iter(rows)
    assert next(found) == "A"
    with pytest.raises(DecodeError, match="Document 'cities/b' doesn't fit City: name: expected str, found int 5"):
        next(found)
    assert next(found) == "C"
    errors: list[DecodeError] = []
    handled = cities.on_error(errors.append).values(City.name, flat=True)
    assert handled.to_list() == list(handled) == ["A", "C", "D", "E"]
    assert [*handled.paginate(2)] == [["A"], ["C", "D"], ["E"]]
    assert [error.path for error in errors] == ["cities/b"] * 3
    with pytest.raises(DecodeError):
        rows.to_list()
    # What isn't fetched can't be wrong.
    assert cities.values(City.population, flat=True).to_list() == [0, 1, 2, 3, 4]


def test_groups_and_subcollections(ctx: Any, backend: Any) -> None:
    for path in ("cities/SF/areas/x", "cities/LA/areas/x"):
        backend.put(path, {"name": path})
    assert ctx.select_group(Area).values(Area.id, Area.name).to_list() == [
        ("x", "cities/LA/areas/x"),
        ("x", "cities/SF/areas/x"),
    ]
    assert ctx.select(Area, parent=Ref(City, "SF")).values(Area.name, flat=True).one() == "cities/SF/areas/x"
    with pytest.raises(CendryError, match="Area is a subcollection of City"):
        ctx.select(Area).values(Area.name).to_list()


def test_rows_in_transactions(ctx: Any, cities: Any) -> None:
    def first(txn: Any) -> list[str]:
        rows: list[str] = txn.select(City, City.state == "CA").values(City.name, flat=True).to_list()
        txn.update(City, "a", {City.name: "changed"})
        return rows

    assert ctx.transaction(first) == ["A", "B"]
    assert cities.values(City.name, flat=True).first() == "changed"


ROWS = [
    Query(City).values(City.name),
    Query(City).values(City.name, City.population),
    Query(City).values(City.population, City.name),
    Query(City).values(City.name, flat=True),
    Query(City).project(City.name),
    Query(City, City.name == "x", limit=2).values(City.mayor[Mayor.name], City.attributes["k.x"], City.id),
    Query(City).values(FieldPath("raw", "a.b")),
    AsyncQuery(City).values(City.name),
]


def test_rows_are_values() -> None:
    assert len({*ROWS, *pickle.loads(pickle.dumps(ROWS)), *copy.deepcopy(ROWS)}) == len(ROWS)
    for index, rows in enumerate(ROWS):
        assert [rows == other for other in ROWS] == [index == number for number in range(len(ROWS))]
        assert eval(repr(rows)) == rows
    assert ROWS[0] != "Query(City).values(City.name)"
    assert Query(City).values("name", "mayor.name") == Query(City).values(City.name, City.mayor[Mayor.name])
    assert repr(ROWS[3]) == "Query(City).values(City.name, flat=True)"
    assert repr(ROWS[4]) == "Query(City).project(City.name)"
    assert repr(ROWS[7]) == "AsyncQuery(City).values(City.name)"


def test_the_binding_takes_no_part_in_equality_repr_and_pickle() -> None:
    with Cendry(backend=RecordingBackend()) as ctx:
        bound = ctx.select(City, on_error=print).values(City.name)
        assert bound == ROWS[0]
        assert repr(bound) == repr(ROWS[0])
        revived = pickle.loads(pickle.dumps(bound))
        assert revived == bound
        with pytest.raises(CendryError, match=r"These rows are not bound to a context, .* use ctx\.select\(rows\)\.$"):
            revived.first()


def test_rows_of_either_twin_are_run_by_both(ctx: Any, cities: Any, backend: Any, twin: str) -> None:
    errors: list[DecodeError] = []
    backend.put("cities/b", {"displayName": 5, "population": 1})
    for query in (Query(City, City.population < 3), AsyncQuery(City, City.population < 3)):
        assert ctx.select(query.values(City.state)).first() == ("CA",)
        assert ctx.select(query.values(City.name, flat=True), on_error=errors.append).to_list() == ["A", "C"]
        assert ctx.select(query.on_error(errors.append).values(City.name, flat=True)).to_list() == ["A", "C"]
    assert len(errors) == 4
    with pytest.raises(TypeError, match=r"select\(rows\) takes no other arguments"):
        ctx.select(ROWS[0], City.state == "CA")
    with pytest.raises(TypeError, match=r"select\(rows\) takes no other arguments"):
        ctx.select(ROWS[0], limit=3)
    with pytest.raises(TypeError, match="on_error takes a function"):
        ctx.select(ROWS[0], on_error=5)


def test_each_twin_names_the_other_form_of_iteration() -> None:
    with pytest.raises(TypeError, match="AsyncRows runs in async code: iterate over it with 'async for'"):
        iter(AsyncCendry(backend=AsyncRecordingBackend()).select(City).values(City.name))  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="Rows runs in sync code: iterate over it with 'for'"):
        Cendry(backend=RecordingBackend()).select(City).values(City.name).__aiter__()  # type: ignore[attr-defined]
    assert isinstance(ROWS[0], Rows)
    assert isinstance(ROWS[7], AsyncRows)


WRONG: list[tuple[Any, type[Exception], str]] = [
    (lambda query: query.values(), TypeError, r"values\(\) takes at least one field\."),
    (lambda query: query.project(), TypeError, r"project\(\) takes at least one field\."),
    (lambda query: query.values(flat=True), TypeError, r"values\(\) takes at least one field\."),
    (lambda q: q.values(City.name, City.state, flat=True), TypeError, r"values\(flat=True\) takes one field, not 2\."),
    (lambda query: query.values(City.name, flat=1), TypeError, r"values\(\) takes flat=True or flat=False, not 1\."),
    (lambda query: query.values("nam"), UnknownFieldError, "City has no field 'nam'. Did you mean 'name'"),
    (lambda query: query.values("mayor.nam"), UnknownFieldError, "City has no field 'mayor.nam'"),
    (lambda query: query.values(Area.name), TypeError, "Area.name is a field of Area, not of City"),
    (lambda query: query.project(Mayor.name), TypeError, "For an embedded map, write City.<field>"),
    (lambda query: query.values(5), TypeError, r"values\(\) takes a field of City"),
    (lambda query: query.values([City.name]), TypeError, r"values\(\) takes fields one by one"),
]


@pytest.mark.parametrize("rows", [Query(City).values(City.name), AsyncQuery(City).project("name")])
def test_rows_name_the_query_for_what_only_it_has(rows: Any) -> None:
    for name in ("order_by", "filter", "limit", "count", "ids", "values", "update"):
        with pytest.raises(AttributeError, match=rf"^Rows have no {name}\(\); call it on the query"):
            getattr(rows, name)
    with pytest.raises(AttributeError, match="object has no attribute 'nothing'"):
        _ = rows.nothing
    assert not hasattr(rows, "limit")


@pytest.mark.parametrize(("make_rows", "error", "message"), WRONG)
@pytest.mark.parametrize("query", [Query(City), AsyncQuery(City)], ids=["sync", "async"])
def test_wrong_fields_are_refused_at_once(query: Any, make_rows: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make_rows(query)
