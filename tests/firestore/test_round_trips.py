"""How many calls each public method makes: a server before the emulator counts them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cendry import (
    Cendry,
    Field,
    Model,
    Query,
    Ref,
    Rows,
    Transaction,
    UnsupportedByBackendError,
    Vector,
    count,
    field,
    upgrade,
)
from cendry._context.sync.batch import Batch
from cendry_memory.testing import Database
from firestore.faulty import FaultyServer

GET, RUN, FIGURES, COMMIT, ROLLBACK = "BatchGetDocuments", "RunQuery", "RunAggregationQuery", "Commit", "Rollback"
BULK = "BatchWrite"


class City(Model, collection="cities"):
    n: Field[int] = field(default=0)
    twin: Field[Ref[City] | None] = field(default=None)
    place: Field[Vector | None] = field(default=None)


class Versioned(Model, collection="cities", version=2):
    n: Field[int] = field(default=0)


@upgrade(Versioned, to=2)
def unchanged(data: dict[str, Any]) -> dict[str, Any]:
    return data


class Kept(Model, collection="cities", version=2, extra="keep"):
    n: Field[int] = field(default=0)


upgrade(Kept, to=2)(unchanged)


class Backfilled(Model, collection="cities", version=2, oldest=2):
    n: Field[int] = field(default=0)


def a(ctx: Any) -> City:
    city: City = ctx.get(City, "a")
    return city


def unexplained(query: Any, *aggregates: Any) -> None:
    with pytest.raises(UnsupportedByBackendError):
        query.explain(*aggregates)


Calls = dict[str, list[tuple[Callable[[Any], object], list[str]]]]

CONTEXT: Calls = {
    "get": [(lambda ctx: ctx.get(City, "a"), [GET]), (lambda ctx: ctx.get(Ref(City, "a")), [GET])],
    "find": [(lambda ctx: ctx.find(City, "a"), [GET]), (lambda ctx: ctx.find(City, "none"), [GET])],
    "get_many": [
        (lambda ctx: ctx.get_many(City, ["a", "b", "a"]), [GET]),
        (lambda ctx: ctx.get_many([Ref(City, "a"), Ref(City, "b")]), [GET]),
        (lambda ctx: ctx.get_many(City, []), []),
    ],
    "find_many": [
        (lambda ctx: ctx.find_many(City, ["a", "none"]), [GET]),
        (lambda ctx: ctx.find_many(City, []), []),
    ],
    "fetch_refs": [
        (lambda ctx: ctx.fetch_refs([City(twin=Ref(City, "a")), City(twin=Ref(City, "b"))], City.twin), [GET]),
        (lambda ctx: ctx.fetch_refs([City()], City.twin), []),
    ],
    "exists": [(lambda ctx: ctx.exists(City, "a"), [GET])],
    "refresh": [(lambda ctx: ctx.refresh(City(id="a")), [GET])],
    "save": [(lambda ctx: ctx.save(City(id="a")), [COMMIT]), (lambda ctx: ctx.save(City()), [COMMIT])],
    "create": [(lambda ctx: ctx.create(City()), [COMMIT])],
    "update": [
        (lambda ctx: ctx.update(City, "a", {City.n: 1}), [COMMIT]),
        (lambda ctx: ctx.update(City(id="a"), fields=[City.n]), [COMMIT]),
    ],
    "merge": [(lambda ctx: ctx.merge(City, "a", {City.n: 1}), [COMMIT])],
    "delete": [
        (lambda ctx: ctx.delete(City, "a"), [COMMIT]),
        (lambda ctx: ctx.delete(City, "b", must_exist=True), [COMMIT]),
    ],
    "save_many": [
        (lambda ctx: ctx.save_many([City(), City(id="c")]), [COMMIT]),
        (lambda ctx: ctx.save_many([]), []),
    ],
    "delete_many": [
        (lambda ctx: ctx.delete_many(City, ["a", "b"]), [COMMIT]),
        (lambda ctx: ctx.delete_many([]), []),
    ],
    "get_or_create": [
        (lambda ctx: ctx.get_or_create(City, "a"), [GET]),
        (lambda ctx: ctx.get_or_create(City, "new"), [GET, COMMIT]),
    ],
    "update_or_create": [
        (lambda ctx: ctx.update_or_create(City, "a", {City.n: 2}), [GET, COMMIT]),
        (lambda ctx: ctx.update_or_create(City, "new", {City.n: 2}), [GET, COMMIT]),
        # There is nothing to update: the transaction only reads.
        (lambda ctx: ctx.update_or_create(City, "a", create_defaults={City.n: 2}), [GET, ROLLBACK]),
    ],
    "transaction": [
        (lambda ctx: ctx.transaction(lambda txn: None), []),
        (lambda ctx: ctx.transaction(lambda txn: None, read_only=True), []),
        (lambda ctx: ctx.transaction(lambda txn: txn.save(City(id="a"))), [COMMIT]),
        (lambda ctx: ctx.transaction(lambda txn: txn.get(City, "a")), [GET, ROLLBACK]),
        (lambda ctx: ctx.transaction(lambda txn: txn.update(txn.get(City, "a"), {City.n: 3})), [GET, COMMIT]),
        (
            lambda ctx: ctx.transaction(lambda txn: [txn.get(City, "a"), txn.get(City, "b")], read_only=True),
            [GET, GET],
        ),
    ],
    "batch": [(lambda ctx: within(ctx.batch(), lambda batch: None), [])],
    "bulk": [
        (lambda ctx: within(ctx.bulk(), lambda bulk: None), []),
        (lambda ctx: within(ctx.bulk(), lambda bulk: [bulk.save(City()) for _ in range(20)]), [BULK]),
    ],
    # What is below goes first; without anything there, the document goes alone.
    "delete_recursive": [
        (lambda ctx: ctx.delete_recursive(City, "a"), [RUN, BULK]),
        (
            lambda ctx: [ctx.save(City(), parent=City(id="a")), ctx.delete_recursive(City, "a")],
            [COMMIT, RUN, BULK, BULK],
        ),
    ],
    "select": [(lambda ctx: ctx.select(City, City.n == 1), [])],
    "select_group": [(lambda ctx: ctx.select_group(City), [])],
    "ref_of": [(lambda ctx: ctx.ref_of(City(id="a")), [])],
}

QUERY: Calls = {
    "iteration": [(list, [RUN]), (lambda query: list(query.filter(City.n.is_in([]))), [])],
    "to_list": [(lambda query: query.to_list(), [RUN]), (lambda query: query.limit_to_last(1).to_list(), [RUN])],
    "first": [(lambda query: query.first(), [RUN])],
    "last": [(lambda query: query.last(), [RUN])],
    "one": [(lambda query: query.limit(1).one(), [RUN])],
    "one_or_none": [(lambda query: query.limit(1).one_or_none(), [RUN])],
    "exists": [(lambda query: query.exists(), [RUN])],
    "ids": [(lambda query: query.ids(), [RUN])],
    "count": [(lambda query: query.count(), [FIGURES]), (lambda query: query.count(up_to=1), [FIGURES])],
    "sum": [(lambda query: query.sum(City.n), [FIGURES])],
    "avg": [(lambda query: query.avg(City.n), [FIGURES])],
    "aggregate": [(lambda query: query.aggregate(count(), City.n.sum(), City.n.avg()), [FIGURES])],
    # A full page says nothing of whether another one follows.
    "paginate": [
        (lambda query: list(query.paginate(2)), [RUN, RUN]),
        (lambda query: list(query.paginate(3)), [RUN]),
    ],
    "page": [(lambda query: query.page(1), [RUN]), (lambda query: query.page(9), [RUN])],
    "update": [
        (lambda query: query.update({City.n: 7}), [RUN, BULK]),
        (lambda query: query.filter(City.n > 99).update({City.n: 7}), [RUN]),
    ],
    "delete": [(lambda query: query.delete(), [RUN, BULK])],
    "find_nearest": [
        (lambda query: query.find_nearest(City.place, [1.0, 2.0], limit=3), []),
        (lambda query: query.find_nearest(City.place, [1.0, 2.0], limit=3).to_list(), [RUN]),
    ],
    "explain": [(unexplained, [RUN]), (lambda query: unexplained(query, count()), [FIGURES])],
    # Anything but a collection group is one part.
    "partitions": [(lambda query: query.partitions(3), [])],
    "project": [(lambda query: query.project(City.n), [])],
    "values": [(lambda query: query.values(City.n), [])],
    "filter": [(lambda query: query.filter(City.n == 1), [])],
    "order_by": [(lambda query: query.order_by(City.id), [])],
    "limit": [(lambda query: query.limit(1), [])],
    "limit_to_last": [(lambda query: query.limit_to_last(1), [])],
    "offset": [(lambda query: query.offset(1), [])],
    "start_at": [(lambda query: query.start_at({City.n: 1}), [])],
    "start_after": [(lambda query: query.start_after({City.n: 1}), [])],
    "end_at": [(lambda query: query.end_at({City.n: 1}), [])],
    "end_before": [(lambda query: query.end_before({City.n: 1}), [])],
    "under": [(lambda query: query.under(City(id="a")), [])],
    "on_error": [(lambda query: query.on_error, [])],
}

ROWS: Calls = {
    "iteration": [(list, [RUN])],
    "to_list": [(lambda rows: rows.to_list(), [RUN])],
    "first": [(lambda rows: rows.first(), [RUN])],
    "last": [(lambda rows: rows.last(), [RUN])],
    "one": [(lambda rows: rows.one(), [RUN])],
    "one_or_none": [(lambda rows: rows.one_or_none(), [RUN])],
    "paginate": [(lambda rows: list(rows.paginate(3)), [RUN])],
    "page": [(lambda rows: rows.page(1), [RUN])],
    "explain": [(lambda rows: unexplained(rows), [RUN])],
}

TRANSACTION: Calls = {
    "get": [(lambda txn: [txn.get(City, "a"), txn.get(City, "b")], [GET, GET, ROLLBACK])],
    "find": [(lambda txn: txn.find(City, "none"), [GET, ROLLBACK])],
    "get_many": [(lambda txn: txn.get_many(City, ["a", "b"]), [GET, ROLLBACK])],
    "find_many": [(lambda txn: txn.find_many(City, ["a", "none"]), [GET, ROLLBACK])],
    "fetch_refs": [(lambda txn: txn.fetch_refs([City(twin=Ref(City, "a"))], City.twin), [GET, ROLLBACK])],
    "exists": [(lambda txn: txn.exists(City, "a"), [GET, ROLLBACK])],
    "select": [
        (lambda txn: txn.select(City), []),
        (lambda txn: txn.select(City).to_list(), [RUN, ROLLBACK]),
        (lambda txn: txn.select(City).count(), [FIGURES, ROLLBACK]),
    ],
    "select_group": [(lambda txn: txn.select_group(City).first(), [RUN, ROLLBACK])],
    "refresh": [(lambda txn: txn.refresh(City(id="a")), [GET, ROLLBACK])],
    "get_or_create": [
        (lambda txn: txn.get_or_create(City, "a"), [GET, ROLLBACK]),
        (lambda txn: txn.get_or_create(City, "new"), [GET, COMMIT]),
    ],
    "update_or_create": [(lambda txn: txn.update_or_create(City, "a", {City.n: 3}), [GET, COMMIT])],
    "save": [(lambda txn: txn.save(City(id="a")), [COMMIT])],
    "create": [(lambda txn: txn.create(City(id="new")), [COMMIT])],
    "update": [(lambda txn: txn.update(City, "a", {City.n: 3}), [COMMIT])],
    "merge": [(lambda txn: txn.merge(City, "a", {City.n: 3}), [COMMIT])],
    "delete": [(lambda txn: txn.delete(City, "a"), [COMMIT])],
}

BATCH: Calls = {
    "save": [(lambda batch: batch.save(City(id="a")), [COMMIT])],
    "create": [(lambda batch: batch.create(City(id="new")), [COMMIT])],
    "update": [(lambda batch: batch.update(City, "a", {City.n: 3}), [COMMIT])],
    "merge": [(lambda batch: batch.merge(City, "a", {City.n: 3}), [COMMIT])],
    "delete": [(lambda batch: [batch.delete(City, "a"), batch.delete(City, "b")], [COMMIT])],
    "commit": [(lambda batch: [batch.delete(City, "a"), batch.commit()], [COMMIT])],
    "discard": [(lambda batch: [batch.delete(City, "a"), batch.discard()], [])],
}

# Listeners are one call that goes on; tests of listeners count theirs. Closing sends nothing, and ends the context.
ELSEWHERE = {"on_snapshot", "snapshots", "watch", "close", "at", "client", "from_url"}


def within(block: Any, work: Callable[[Any], object]) -> None:
    with block as entered:
        work(entered)


def in_transaction(ctx: Any, work: Callable[[Any], object]) -> None:
    ctx.transaction(lambda txn: (work(txn), None)[1])


WAYS: dict[str, tuple[type[Any], Calls, Callable[[Any, Callable[[Any], object]], object]]] = {
    "context": (Cendry, CONTEXT, lambda ctx, call: call(ctx)),
    "query": (Query, QUERY, lambda ctx, call: call(ctx.select(City, order_by=City.n))),
    "rows": (Rows, ROWS, lambda ctx, call: call(ctx.select(City).order_by(City.n).limit(1).values(City.n))),
    "transaction": (Transaction, TRANSACTION, in_transaction),
    "batch": (Batch, BATCH, lambda ctx, call: within(ctx.batch(), call)),
}

# On a model with a version above 1, a change of some fields reads the version of its document first.
VERSIONED: Calls = {
    "save": [
        (lambda ctx: ctx.save(Versioned(id="a")), [COMMIT]),
        (lambda ctx: ctx.save(Versioned(id="a"), merge=True), [GET, COMMIT]),
        (lambda ctx: ctx.save(Kept(id="a")), [GET, COMMIT]),
        # Nobody else knows a new id.
        (lambda ctx: ctx.save(Kept()), [COMMIT]),
    ],
    "create": [(lambda ctx: ctx.create(Kept()), [COMMIT])],
    "update": [
        (lambda ctx: ctx.update(Versioned, "a", {Versioned.n: 1}), [GET, COMMIT]),
        (lambda ctx: ctx.update(Versioned, "current", {Versioned.n: 1}), [GET, COMMIT]),
        (lambda ctx: ctx.update(Backfilled, "current", {Backfilled.n: 1}), [COMMIT]),
    ],
    "merge": [
        (lambda ctx: ctx.merge(Versioned, "a", {Versioned.n: 1}), [GET, COMMIT]),
        (lambda ctx: ctx.merge(Backfilled, "current", {Backfilled.n: 1}), [GET, COMMIT]),
    ],
    "delete": [(lambda ctx: ctx.delete(Versioned, "a"), [COMMIT])],
    "save_many": [
        (lambda ctx: ctx.save_many([Versioned(id="a"), Versioned()]), [COMMIT]),
        (lambda ctx: ctx.save_many([Kept(id="a"), Kept(id="b"), Kept()]), [GET, COMMIT]),
    ],
    "update_or_create": [
        (lambda ctx: ctx.update_or_create(Versioned, "current", {Versioned.n: 2}), [GET, COMMIT]),
        # The transaction has read an instance, and needs the stored fields.
        (lambda ctx: ctx.update_or_create(Versioned, "a", {Versioned.n: 2}), [GET, GET, COMMIT]),
        (lambda ctx: ctx.update_or_create(Versioned, "new", {Versioned.n: 2}), [GET, COMMIT]),
    ],
    "transaction": [
        (
            lambda ctx: ctx.transaction(lambda txn: txn.update(txn.get(Versioned, "current"), {Versioned.n: 3})),
            [GET, COMMIT],
        ),
        (
            lambda ctx: ctx.transaction(
                lambda txn: [txn.update(Versioned, name, {Versioned.n: 3}) for name in ("a", "b", "current")] and None
            ),
            [GET, COMMIT],
        ),
    ],
}
WAYS["versioned"] = (Cendry, VERSIONED, lambda ctx, call: call(ctx))

CASES = [
    pytest.param(run, call, expected, id=f"{way}-{name}-{number}")
    for way, (_, calls, run) in WAYS.items()
    for name, cases in calls.items()
    for number, (call, expected) in enumerate(cases)
]


@pytest.mark.parametrize(("run", "call", "expected"), CASES)
def test_each_method_makes_as_few_calls_as_it_can(
    faulty: FaultyServer, make_db: Callable[..., Database], run: Any, call: Any, expected: list[str]
) -> None:
    ctx = make_db().context()
    ctx.save_many([City(id="a", n=1), City(id="b", n=2)])
    if run is WAYS["versioned"][2]:
        ctx.save(Versioned(id="current"))
    faulty.calls.clear()
    run(ctx, call)
    assert expected == faulty.calls


@pytest.mark.parametrize("way", [way for way in WAYS if way != "versioned"])
def test_no_method_is_left_out(way: str) -> None:
    kind, calls, _ = WAYS[way]
    public = {name for name in dir(kind) if not name.startswith("_")}
    assert public - ELSEWHERE == set(calls) - {"iteration"}
