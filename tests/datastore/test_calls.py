"""How many calls reads take, when they end, and that figures agree with what is iterated over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from cendry import Cendry, DocumentNotFoundError, Field, Model, UnsupportedByBackendError, field
from cendry.paths import FieldPath
from cendry.plan import Aggregation, AggregationPlan, Condition, QueryPlan, Set
from cendry_datastore import DatastoreBackend, _sdk
from cendry_memory.testing import Database
from google.cloud import datastore

from .counting import Counting, counting

N = FieldPath("n")
NOT_FINISHED, AFTER_LIMIT, AFTER_CURSOR, NO_MORE = 1, 2, 4, 3


class City(Model, collection="City"):
    n: Field[int] = field(default=0)


class Area(Model, collection="City", parent=City):
    """Of the same kind as what it is below."""

    n: Field[int] = field(default=0)


@pytest.fixture
def server(datastore_host: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counting]:
    """A server before the emulator, which the SDK is told."""
    with counting(datastore_host) as server:
        monkeypatch.setenv("DATASTORE_EMULATOR_HOST", server.host)
        yield server


@pytest.fixture
def behind(server: Counting, project: str) -> Iterator[Cendry]:
    """A context on that server."""
    backend = DatastoreBackend(project=project)
    yield Cendry(backend=backend)
    backend.close()


def put_below(sdk: Any, count: int) -> None:
    """So many entities below a parent; their keys come before those of root entities after `a`."""
    for start in range(0, count, 200):
        entities = []
        for number in range(start, min(start + 200, count)):
            entity = datastore.Entity(sdk.key("City", "a", "City", f"c{number:03}"))
            entity.update(n=number)
            entities.append(entity)
        sdk.put_multi(entities)


# --- the end of a query ---


def batch(more: int, *names: str, cursor: bytes = b"") -> Any:
    """A response to a query for cities."""
    response = _sdk.RunQueryResponse()
    response.batch.more_results = more
    response.batch.end_cursor = cursor
    for name in names:
        found = response.batch.entity_results.add()
        found.entity.key.partition_id.project_id = "fake"
        found.entity.key.path.add(kind="City", name=name)
        found.entity.properties["n"].integer_value = 1
    return response


def test_a_query_goes_on_after_empty_batches_as_long_as_it_is_not_finished(
    server: Counting, behind: Cendry, project: str
) -> None:
    answers = [
        batch(NOT_FINISHED, "a", cursor=b"1"),
        batch(NOT_FINISHED, cursor=b"2"),
        batch(NOT_FINISHED, cursor=b"3"),
        batch(NOT_FINISHED),
        batch(NOT_FINISHED, "b", cursor=b"4"),
        batch(NO_MORE),
    ]
    server.answers = answers.copy()
    assert ["a", "b"] == [city.id for city in behind.select(City)]
    server.answers = answers.copy()
    assert ["a", "b"] == [one.key.name for one in datastore.Client(project=project).query(kind="City").fetch()]
    server.answers = answers.copy()
    assert 2 == behind.select(City).count()
    server.answers = [batch(NOT_FINISHED, cursor=b"1"), batch(NO_MORE, "b")]
    assert behind.select(City).exists()


@pytest.mark.parametrize("more", [0, AFTER_LIMIT, AFTER_CURSOR])
def test_an_empty_batch_that_may_be_the_last_is_confirmed_once(server: Counting, behind: Cendry, more: int) -> None:
    server.answers = [batch(more, "a", cursor=b"1"), batch(more), batch(more, "b", cursor=b"2"), batch(more)]
    assert ["a", "b"] == [city.id for city in behind.select(City)]
    assert 5 == server.calls.count("RunQuery")
    server.calls.clear()
    server.answers = [batch(more), batch(NOT_FINISHED), batch(more), batch(more), batch(NO_MORE, "z")]
    assert [] == behind.select(City).to_list()
    assert 4 == server.calls.count("RunQuery")


def test_nothing_more_is_asked_for_after_the_last_batch(server: Counting, behind: Cendry) -> None:
    server.answers = [batch(NO_MORE)]
    assert [] == behind.select(City).to_list()
    server.answers = [batch(AFTER_LIMIT, "a", cursor=b"1")]
    assert ["a"] == behind.select(City).limit(1).ids()
    assert ["RunQuery", "RunQuery"] == server.calls


# --- entities of the kind that are not in the collection ---


@pytest.mark.parametrize(("end", "most"), [("first", 5), ("exists", 5), ("limit", 4), ("one", 5)])
def test_entities_of_deeper_collections_cost_few_calls(
    server: Counting, behind: Cendry, sdk: Any, end: str, most: int
) -> None:
    put_below(sdk, 200)
    query = behind.select(City)
    found: Any
    match end:
        case "first":
            found = query.first()
        case "exists":
            found = query.exists() or None
        case "one":
            found = query.one_or_none()
        case _:
            found = query.limit(5).to_list() or None
    # One more confirms the end on the classic emulator.
    assert (None, True) == (found, server.calls.count("RunQuery") <= most + 2)
    behind.save(City(id="b"))
    server.calls.clear()
    assert ["b"] == query.limit(1).ids()
    assert server.calls.count("RunQuery") <= 5


def test_a_query_without_such_entities_reads_no_more_than_it_was_asked_for(
    server: Counting, behind: Cendry, sdk: Any
) -> None:
    for name in "ab":
        behind.save(City(id=name))
    server.calls.clear()
    assert "a" == (behind.select(City).first() or City()).id
    assert ["a", "b"] == behind.select(City).limit(2).ids()
    assert ["RunQuery", "RunQuery"] == server.calls


@pytest.mark.parametrize("where", [None, Condition(N, ">=", 1)])
def test_count_and_offset_agree_with_iteration(ctx: Cendry, db: Database, sdk: Any, where: Condition | None) -> None:
    put_below(sdk, 30)
    db.commit(*(Set(f"City/{name}", {"n": number}) for number, name in enumerate("abcdef")))
    expected = list("abcdef") if where is None else list("bcdef")
    assert expected == sorted(db.names(QueryPlan("City", where=where)))
    for offset in (0, 1, 3, 9):
        for limit in (None, 1, 4):
            plan = QueryPlan("City", where=where, offset=offset, limit=limit)
            found = db.names(plan)
            assert len(expected[offset:][:limit]) == len(found)
            assert (len(found),) == db.aggregate(AggregationPlan(plan))
    everything = db.names(QueryPlan("City", where=where))
    paged = [db.names(QueryPlan("City", where=where, offset=at, limit=2)) for at in (0, 2, 4)]
    assert everything == [name for page in paged for name in page]
    assert 30 == ctx.select(Area, parent=City(id="a")).count()


def test_counts_up_to_a_number(db: Database, sdk: Any, emulator: str) -> None:
    put_below(sdk, 30)
    below = QueryPlan("City", parent="City/a")
    plans = [(Aggregation("count", up_to=7),), (Aggregation("count", up_to=7), Aggregation("count", up_to=40))]
    assert [(7,), (7, 30)] == [db.aggregate(AggregationPlan(below, one)) for one in plans]
    assert (3,) == db.aggregate(AggregationPlan(QueryPlan("City", parent="City/a", limit=3), plans[0]))
    assert (7, 30) == db.aggregate(AggregationPlan(below, (Aggregation("count", up_to=7), Aggregation("count"))))


def test_sums_over_entities_of_deeper_collections_are_refused(
    ctx: Cendry, db: Database, sdk: Any, emulator: str
) -> None:
    if emulator == "classic":
        pytest.skip("it computes none")
    db.commit(Set("City/b", {"n": 5}))
    figures = (Aggregation("sum", N), Aggregation("count"))
    assert (5, 1) == db.aggregate(AggregationPlan(QueryPlan("City"), figures))
    put_below(sdk, 3)
    with pytest.raises(UnsupportedByBackendError, match="deeper collections"):
        db.aggregate(AggregationPlan(QueryPlan("City"), figures))
    assert (3, 3) == db.aggregate(AggregationPlan(QueryPlan("City", parent="City/a"), figures))


# --- transactions ---


@pytest.fixture
def beginning(emulator: str) -> list[str]:
    """What begins a transaction: its first read, but not on the emulator of Datastore mode."""
    return [] if emulator == "classic" else ["BeginTransaction"]


def test_a_transaction_does_not_look_up_again_what_it_has_read(
    server: Counting, behind: Cendry, beginning: list[str]
) -> None:
    for name in "abcd":
        behind.save(City(id=name, n=1))
    server.calls.clear()

    def by_get(txn: Any) -> None:
        city = txn.get(City, "a")
        assert txn.find(City, "x") is None
        txn.update(city, {City.n: city.n + 1})
        txn.update(City, "a", {City.n: city.n + 2})

    behind.transaction(by_get)
    assert [*beginning, "Lookup", "Lookup", "Commit"] == server.calls
    assert 3 == behind.get(City, "a").n
    server.calls.clear()

    def some_of_them(txn: Any) -> None:
        cities = txn.get_many(City, ["a", "b"])
        txn.update(City, "c", {City.n: 7})
        for city in cities:
            txn.update(city, {City.n: city.n + 1})

    behind.transaction(some_of_them)
    assert [*beginning, "Lookup", "Lookup", "Commit"] == server.calls
    assert [4, 2, 7, 1] == [city.n for city in behind.get_many(City, list("abcd"))]


def test_what_a_query_has_read_in_a_transaction_is_not_looked_up_either(
    server: Counting, behind: Cendry, sdk: Any
) -> None:
    put_below(sdk, 3)

    def work(txn: Any) -> None:
        for area in txn.select(Area, parent=City(id="a")).to_list():
            txn.update(area, {Area.n: area.n + 10})

    behind.transaction(work)
    assert "Lookup" not in server.calls
    assert [10, 11, 12] == sorted(area.n for area in behind.select(Area, parent=City(id="a")))


def test_a_document_that_a_transaction_found_absent_is_absent_to_its_update(
    server: Counting, behind: Cendry, beginning: list[str]
) -> None:
    def work(txn: Any) -> None:
        assert txn.find(City, "x") is None
        txn.update(City, "x", {City.n: 1})

    with pytest.raises(DocumentNotFoundError):
        behind.transaction(work)
    assert [*beginning, "Lookup", "Rollback"] == server.calls
