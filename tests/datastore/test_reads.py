"""Reads: pages and cursors, projections, what null matches, large answers, time bounds, and the end of a connection."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from cendry import (
    Cendry,
    CendryError,
    Field,
    InvalidPageTokenError,
    InvalidRequestError,
    Map,
    Model,
    UnsupportedByBackendError,
    count,
    default_registry,
    field,
)
from cendry._query.builders import spec_of
from cendry._query.compile import compiled
from cendry._query.tokens import Position, digest_of, token_of
from cendry.backend import CallOptions
from cendry.paths import DOCUMENT_ID, FieldPath
from cendry.plan import Aggregation, AggregationPlan, Condition, GetPlan, Order, QueryPlan, Set
from cendry_datastore import DatastoreBackend, _stream
from cendry_datastore._keys import Partition
from cendry_memory.testing import Database
from google.api_core import exceptions
from google.api_core.exceptions import DeadlineExceeded, RetryError, ServiceUnavailable
from google.api_core.retry import Retry, if_exception_type
from google.cloud import datastore

N = FieldPath("n")


class Place(Map):
    city: Field[str] = field(default="")
    zip: Field[str] = field(default="")


class User(Model, collection="User"):
    name: Field[str] = field(default="")
    n: Field[int | None] = field(default=None)
    tags: Field[list[str]] = field(default_factory=list)
    place: Field[Place] = field(default_factory=Place)


def save_users(ctx: Cendry, count: int, **options: Any) -> None:
    for number in range(count):
        ctx.save(User(id=f"u{number:02}", name=f"name {number % 3}", n=number, **options))


# --- pages ---


@pytest.mark.parametrize("descending", [False, True])
def test_pages_follow_the_query_and_skip_no_ties(ctx: Cendry, descending: bool) -> None:
    save_users(ctx, 11)
    query = ctx.select(User, order_by=User.name.desc() if descending else User.name)
    pages = [[user.id for user in page] for page in query.paginate(3)]
    assert [3, 3, 3, 2] == [len(page) for page in pages]
    assert query.ids() == [one for page in pages for one in page]


@pytest.mark.parametrize("descending", [False, True])
def test_pages_with_tokens_follow_the_query_and_skip_no_ties(ctx: Cendry, descending: bool) -> None:
    save_users(ctx, 11)
    query = ctx.select(User, order_by=User.name.desc() if descending else User.name)
    page = query.page(3)
    met = [user.id for user in page]
    while page.next_token is not None:
        page = query.page(3, after=page.next_token)
        assert page.previous_token is None
        met += [user.id for user in page]
    assert query.ids() == met


def test_cursors_that_datastore_did_not_make_are_refused(ctx: Cendry) -> None:
    query = ctx.select(User, order_by=User.name)
    plan = compiled(spec_of(query), default_registry, complete=True).plan
    for cursor in (b"x", b"\0" * 20):
        token = token_of(Position(1, cursor=cursor), digest_of(plan, from_last=False), ())
        after = query.start_after(token)
        with pytest.raises(InvalidPageTokenError, match="the database refused it"):
            query.page(2, after=token)
        for run in (after.to_list, after.first, after.ids, after.count):
            with pytest.raises(InvalidPageTokenError, match="the database refused it"):
                run()


def test_pages_keep_limit_and_offset(ctx: Cendry) -> None:
    save_users(ctx, 9)
    query = ctx.select(User, User.n >= 1, order_by=User.n, limit=5, offset=2)
    assert [[3, 4], [5, 6], [7]] == [[user.n for user in page] for page in query.paginate(2)]
    assert [] == list(ctx.select(User, User.n > 99).paginate(2))
    assert [["u00", "u01"]] == [[user.id for user in page] for page in ctx.select(User, limit=2).paginate(2)]


def test_an_inequality_pages_by_its_own_order(ctx: Cendry) -> None:
    save_users(ctx, 5)
    assert [[1, 2], [3, 4]] == [[user.n for user in page] for page in ctx.select(User, User.n > 0).paginate(2)]


@pytest.mark.slow
def test_many_and_large_entities_come_over_as_many_calls_as_it_takes(
    db: Database, ctx: Cendry, monkeypatch: pytest.MonkeyPatch
) -> None:
    # More than one message of gRPC can hold, so that the page has to be halved.
    for start in range(0, 500, 25):
        db.commit(*(Set(f"User/{number:03}", {"name": "x" * 12_000}) for number in range(start, start + 25)))
    assert [f"{number:03}" for number in range(500)] == db.names(QueryPlan("User"))
    assert 450 == len(db.run(QueryPlan("User", limit=450)))
    assert 500 == len(ctx.get_many(User, ctx.select(User).ids()))
    monkeypatch.setattr(_stream, "FIRST_PAGE", 7)
    assert 23 == len(db.names(QueryPlan("User", offset=477, projection=())))
    assert 20 == len(db.names(QueryPlan("User", limit=20, projection=())))


def test_pages_are_halved_down_to_one() -> None:
    partition = Partition("p", "", "")
    pages = _stream.QueryPages(QueryPlan("User"), partition, None)
    sizes = [pages.request().query.limit.value]
    while pages.halve():
        sizes.append(pages.request().query.limit.value)
    assert (1000, 500, 1) == (sizes[0], sizes[1], sizes[-1])
    lookup = _stream.Lookup(GetPlan(("User/a", "User/b", "User/c")), partition, None)
    assert (True, 1, False) == (lookup.halve(), len(lookup.request().keys), lookup.halve())


def test_queries_begin_at_tokens_and_end_at_none(ctx: Cendry, emulator: str) -> None:
    save_users(ctx, 7)
    query = ctx.select(User, User.n >= 1, order_by=User.n)
    token = query.page(2).next_token
    assert token is not None
    after = query.start_after(token)
    assert ["u03", "u04", "u05", "u06"] == after.ids() == query.start_at(token).ids()
    assert ["u04", "u05"] == after.offset(1).limit(2).ids()
    assert [["u03", "u04", "u05"], ["u06"]] == [[user.id for user in page] for page in after.paginate(3)]
    assert (4, 3, 2) == (after.count(), after.count(up_to=3), after.limit(2).count())
    if emulator == "mode":
        assert (18, 4.5) == (after.sum(User.n), after.avg(User.n))
        assert (7, 2) == after.limit(2).aggregate(User.n.sum(), count())
    for ended in (query.end_at(token), query.end_before(token)):
        with pytest.raises(UnsupportedByBackendError, match="page tokens as the end of a query"):
            ended.to_list()
    for turned_around in (after.last, after.limit_to_last(2).to_list):
        with pytest.raises(UnsupportedByBackendError, match="after a page token"):
            turned_around()


def test_results_by_the_protocol(db: Database) -> None:
    db.commit(Set("User/a", {"n": 1}))
    for result in (*db.run(QueryPlan("User")), *db.get("User/a")):
        assert ("User/a", True, {"n": 1}) == (result.path, result.exists, result.data)
        assert (None, None, None) == (result.create_time, result.update_time, result.read_time)
    [absent] = db.get("User/b")
    assert ("User/b", False, None) == (absent.path, absent.exists, absent.data)


# --- projections ---


def test_projections_leave_no_one_out(ctx: Cendry, db: Database) -> None:
    db.commit(
        Set("User/a", {"name": "A", "tags": ["x", "y"], "place": {"city": "c", "zip": "z"}, "long": "x" * 2000}),
        Set("User/b", {"place": "no map", "a.b": 1, "a": {"b": 2}}),
    )
    rows = ctx.select(User).project(User.name, User.tags, User.place[Place.city])
    assert [["c"], ["x", "y"]] == [[row["place.city"] for row in rows][:1], next(iter(rows))["tags"]]
    rows = ctx.select(User).project(User.name, User.tags)
    assert [{"id": "a", "name": "A", "tags": ["x", "y"]}, {"id": "b", "name": "", "tags": []}] == list(rows)
    projection = (FieldPath("a.b"), FieldPath("place", "zip"), FieldPath("long"))
    expected = [{"place": {"zip": "z"}, "long": "x" * 2000}, {"a.b": 1}]
    assert expected == [result.data for result in db.run(QueryPlan("User", projection=projection))]
    assert expected == [result.data for result in db.get_plan(GetPlan(("User/a", "User/b"), projection=projection))]
    assert [{}, {}] == [result.data for result in db.get_plan(GetPlan(("User/a", "User/b"), projection=()))]


# --- filters ---


def test_an_inequality_matches_no_null(ctx: Cendry, emulator: str) -> None:
    ctx.save_many([User(id="null"), User(id="one", n=1), User(id="five", n=5)])
    assert ["one"] == ctx.select(User, User.n < 5).ids()
    assert ["one", "five"] == ctx.select(User, User.n <= 5, order_by=User.n).ids()
    assert ["five"] == ctx.select(User, User.n > 1, User.n < 9).ids()
    assert ["one", "five"] == ctx.select(User, User.n.is_not_null(), order_by=User.n).ids()
    assert ["null"] == ctx.select(User, User.n.is_null()).ids()
    assert ["null"] == ctx.select(User, User.n == None).ids()  # noqa: E711
    if emulator == "mode":
        assert ["five"] == ctx.select(User, User.n != 1).ids()
        assert ["one", "five"] == ctx.select(User, User.n != None, order_by=User.n).ids()  # noqa: E711
        assert ["five"] == ctx.select(User, User.n.not_in([1, 7])).ids()
        assert ["five"] == ctx.select(User, User.n < 9, User.n != 1).ids()


def test_filters_on_arrays_look_at_elements(ctx: Cendry, emulator: str) -> None:
    ctx.save_many([User(id="a", tags=["x", "y"]), User(id="b", tags=["y"]), User(id="c")])
    assert ["a", "b"] == ctx.select(User, User.tags.array_contains("y")).ids()
    both = ctx.select(User, User.tags.array_contains("y"), User.tags.array_contains("x"))
    assert ["a"] == both.ids()
    if emulator == "mode":
        assert ["a", "b"] == sorted(ctx.select(User, User.tags.array_contains_any(["x", "y"])).ids())


def test_filters_below_a_parent(ctx: Cendry) -> None:
    class Note(Model, collection="Note", parent=User):
        n: Field[int]

    parent = User(id="p")
    ctx.save(parent)
    for number in range(4):
        ctx.save(Note(id=str(number), n=number), parent=parent)
        ctx.save(Note(id=str(number), n=number), parent=User(id="other"))
    query = ctx.select(Note, Note.n > 0, order_by=Note.n.desc(), parent=parent)
    assert ["3", "2", "1"] == query.ids()
    assert [["3", "2"], ["1"]] == [[note.id for note in page] for page in query.paginate(2)]
    assert [1, 2, 3] == [note.n for note in ctx.select(Note, Note.id > "0", parent=parent)]


# --- figures ---


def test_figures(db: Database, ctx: Cendry, emulator: str) -> None:
    db.commit(*(Set(f"User/{n}", {"n": n, "m": {"x": n / 2}}) for n in range(4)))
    plan = AggregationPlan(
        QueryPlan("User", where=Condition(N, ">", 0), limit=10),
        (Aggregation("count"), Aggregation("sum", N), Aggregation("avg", N), Aggregation("sum", FieldPath("m", "x"))),
    )
    assert (4, 2) == (ctx.select(User).count(), ctx.select(User).limit(2).count())
    assert (3,) == db.aggregate(AggregationPlan(QueryPlan("User", offset=1)))
    if emulator == "mode":
        assert (3, 6, 2.0, 3.0) == db.aggregate(plan)
    else:
        with pytest.raises(UnsupportedByBackendError, match="the classic Datastore emulator doesn't"):
            db.aggregate(plan)
    with pytest.raises(UnsupportedByBackendError, match="names with a dot"):
        db.aggregate(AggregationPlan(QueryPlan("User"), (Aggregation("sum", FieldPath("m", "x.y")),)))


# --- earlier moments ---


def test_reads_of_an_earlier_moment(ctx: Cendry, emulator: str) -> None:
    ctx.save(User(id="a", n=1))
    moment = datetime.now(timezone.utc) + timedelta(milliseconds=2)
    threading.Event().wait(0.01)
    ctx.save(User(id="a", n=2))
    ctx.save(User(id="b", n=3))
    found = [user.n for user in ctx.select(User).at(moment)]
    # The older emulator knows the present only, and says nothing.
    assert ([1] if emulator == "mode" else [2, 3]) == found
    past = ctx.at(moment)
    query = past.select(User)
    ran = [user.n for user in query], past.get(User, "a").n, past.exists(User, "b"), query.count()
    assert (([1], 1, False, 1) if emulator == "mode" else ([2, 3], 2, True, 2)) == ran
    with pytest.raises(CendryError, match="no writes"):
        past.save(User(id="a", n=3))


def test_moments_that_cant_be_read_at(ctx: Cendry, emulator: str) -> None:
    future = datetime.now(timezone.utc) + timedelta(minutes=6)
    plan = QueryPlan("User", read_time=future)
    for read in (
        lambda: ctx.at(future),
        ctx.select(User).at(future).to_list,
        ctx.select(User).at(future).count,
        lambda: ctx._sender.get(GetPlan(("User/a",), read_time=future), bool, "get"),
        lambda: ctx._sender.aggregate(AggregationPlan(plan, (Aggregation("sum", N),))),
    ):
        with pytest.raises(InvalidRequestError, match="lies in the future"):
            read()
    past = ctx.at(datetime(2001, 1, 1, tzinfo=timezone.utc))
    for ask in (lambda: past.find(User, "a"), past.select(User).to_list, past.select(User).count):
        if emulator == "mode":
            with pytest.raises(InvalidRequestError, match="too old"):
                ask()
        else:
            assert not ask()


# --- calls ---


def test_a_bound_of_seconds_is_one(closing_host: str, project: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATASTORE_EMULATOR_HOST", closing_host)
    with Cendry(backend=DatastoreBackend(project=project), timeout=0.4) as ctx:
        started = datetime.now(timezone.utc)
        with pytest.raises((DeadlineExceeded, ServiceUnavailable)):
            ctx.get(User, "a")
        with pytest.raises((DeadlineExceeded, ServiceUnavailable)):
            ctx.save(User(id="a"))
        assert timedelta(seconds=20) > datetime.now(timezone.utc) - started


ERRORS = [exceptions.from_grpc_status(code, "text") for code in grpc.StatusCode if code is not grpc.StatusCode.OK]


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("lookup", "lookup"),
        ("run_query", "run"),
        ("run_aggregation_query", "aggregate"),
        ("begin_transaction", "begin"),
        ("commit", "commit"),
        ("rollback", "rollback"),
    ],
)
def test_policies_are_those_of_the_sdk(backend: DatastoreBackend, name: str, method: str) -> None:
    connection = backend._connection
    transport = connection.api.transport
    wrapped = transport._wrapped_methods[getattr(transport, name)]
    policy = getattr(connection, method).policy
    assert policy.seconds == wrapped._timeout
    retry = wrapped._retry
    retried = {type(error) for error in ERRORS if retry is not None and retry._predicate(error)}
    if name == "commit":
        # The SDK leaves commits alone; Cendry repeats those that can't take effect twice.
        retried = {exceptions.ServiceUnavailable}
    assert retried == {type(error) for error in ERRORS if isinstance(error, policy.transient)}
    if retry is not None:
        assert (policy.seconds, 0.1, 60.0, 1.3) == (retry._timeout, retry._initial, retry._maximum, retry._multiplier)


def test_a_policy_of_the_callers_own(closing_host: str, project: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATASTORE_EMULATOR_HOST", closing_host)
    tries: list[Exception] = []
    retry = Retry(
        predicate=if_exception_type(ServiceUnavailable), on_error=tries.append, initial=0.01, maximum=0.02, timeout=0.3
    )
    with Cendry(backend=DatastoreBackend(project=project), retry=retry) as ctx, pytest.raises(RetryError):
        ctx.get(User, "a")
    assert 1 < len(tries)
    with Cendry(backend=DatastoreBackend(project=project), retry=retry, timeout=5) as ctx, pytest.raises(RetryError):
        ctx.get(User, "a")


def test_calls_within_a_bound(db: Database) -> None:
    options = CallOptions(timeout=20)
    db.commit(Set("User/a", {"n": 1}), options=options)
    assert {"n": 1} == db.data("User/a", options=options)
    assert ["a"] == db.names(QueryPlan("User", orders=(Order(DOCUMENT_ID),)), options=options)


# --- clients ---


def test_a_given_client_stays_open(datastore_host: str, project: str) -> None:
    client = datastore.Client(project=project, namespace="mine")
    backend = DatastoreBackend(client)
    with Cendry(backend=backend) as ctx:
        assert client is ctx.client
        ctx.save(User(id="a"))
    backend.close()
    backend.close()
    assert client.get(client.key("User", "a")) is not None


def test_a_backend_opens_again_after_its_end(backend: DatastoreBackend) -> None:
    Cendry(backend=backend).save(User(id="a"))
    backend.close()
    assert "a" == Cendry(backend=backend).get(User, "a").id


def test_a_closed_connection_is_told(backend: DatastoreBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    ctx = Cendry(backend=backend)
    for number in range(5):
        ctx.save(User(id=str(number)))
    monkeypatch.setattr(_stream, "FIRST_PAGE", 2)
    users = iter(ctx.select(User))
    assert "0" == next(users).id
    backend.close()
    with pytest.raises(CendryError, match="closed in the middle of a read"):
        list(users)


def test_a_context_closes_what_it_opened(datastore_host: str) -> None:
    from cendry import DatastoreBackend as Lazy

    assert Lazy is DatastoreBackend
