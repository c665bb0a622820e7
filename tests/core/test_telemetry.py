"""Spans and durations of operations, by OpenTelemetry's own exporters, and the log; of both twins."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib import metadata
from typing import Any

import pytest
from cendry import (
    AsyncCendry,
    BulkError,
    Cendry,
    CendryError,
    DecodeError,
    DocumentAlreadyExistsError,
    DocumentNotFoundError,
    Field,
    Increment,
    Model,
    MultipleResultsError,
    TransactionContentionError,
    Vector,
    count,
    field,
    get_metadata,
    upgrade,
)
from cendry_memory import AsyncMemoryBackend, MemoryBackend
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import context, metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode


class City(Model, collection="cities"):
    name: Field[str]
    population: Field[int] = field(default=0)
    place: Field[Vector | None] = field(default=None, dimension=2)


class Area(Model, collection="areas", parent=City):
    name: Field[str]


class Versioned(Model, collection="cities", version=2):
    n: Field[int]


upgrade(Versioned, to=2)(lambda data: data)


class Seen:
    """A provider of tracers and meters, and what they were given."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.meters = MeterProvider([self.reader])
        self.get_tracer = self.tracers.get_tracer
        self.get_meter = self.meters.get_meter

    @property
    def spans(self) -> list[Any]:
        """The spans that have ended since this was last asked."""
        found = list(self.exporter.get_finished_spans())
        self.exporter.clear()
        return found

    @property
    def names(self) -> list[str]:
        return [span.name for span in self.spans]

    @property
    def span(self) -> Any:
        [found] = self.spans
        return found

    @property
    def measured(self) -> list[Any]:
        """The points of the histogram of durations."""
        data: Any = self.reader.get_metrics_data()
        if data is None:
            return []
        [metric] = data.resource_metrics[0].scope_metrics[0].metrics
        assert ("db.client.operation.duration", "s") == (metric.name, metric.unit)
        return list(metric.data.data_points)

    def everything(self) -> str:
        """All that was exported, as text."""
        data: Any = self.reader.get_metrics_data()
        return "".join(span.to_json() for span in self.exporter.get_finished_spans()) + (data.to_json() if data else "")


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def ctx(make: Callable[..., Any], backend: Any, seen: Seen, pauses: Any) -> Any:
    return make(backend=backend, telemetry=seen, random=pauses)


def city(name: str) -> City:
    return City(id=name, name=name.upper())


COMMON = {"db.system.name": "gcp.firestore", "db.namespace": "memory"}


def of_cities(operation: str, **more: Any) -> dict[str, Any]:
    named = {name.replace("_", "."): value for name, value in more.items()}
    return {**COMMON, "db.operation.name": operation, "db.collection.name": "cities", **named}


ROWS = "db.response.returned_rows"
SIZE = "db.operation.batch.size"


# Names and attributes


OPERATIONS: list[tuple[str, dict[str, Any], Callable[[Any], Any]]] = [
    ("get", {ROWS: 1}, lambda ctx: ctx.get(City, "a")),
    ("find", {ROWS: 1}, lambda ctx: ctx.find(City, "a")),
    ("find", {ROWS: 0}, lambda ctx: ctx.find(City, "x")),
    ("exists", {ROWS: 0}, lambda ctx: ctx.exists(City, "x")),
    ("refresh", {ROWS: 1}, lambda ctx: ctx.refresh(city("a"))),
    ("BATCH get", {ROWS: 2, SIZE: 2}, lambda ctx: ctx.get_many(City, ["a", "b"])),
    ("get", {ROWS: 1}, lambda ctx: ctx.get_many(City, ["a"])),
    ("BATCH find", {ROWS: 1, SIZE: 2}, lambda ctx: ctx.find_many(City, ["a", "x"])),
    ("save", {}, lambda ctx: ctx.save(city("a"))),
    ("create", {}, lambda ctx: ctx.create(city("d"))),
    ("update", {}, lambda ctx: ctx.update(City, "a", {"population": Increment(1)})),
    ("merge", {}, lambda ctx: ctx.merge(City, "a", {"name": "x"})),
    ("delete", {}, lambda ctx: ctx.delete(City, "a")),
    ("BATCH save", {SIZE: 2}, lambda ctx: ctx.save_many([city("a"), city("b")])),
    ("BATCH delete", {SIZE: 2}, lambda ctx: ctx.delete_many(City, ["a", "b"])),
    ("select", {ROWS: 3}, lambda ctx: ctx.select(City).to_list()),
    ("select", {ROWS: 3}, lambda ctx: list(ctx.select(City))),
    ("select", {ROWS: 1}, lambda ctx: ctx.select(City).first()),
    ("select", {ROWS: 1}, lambda ctx: ctx.select(City, order_by=City.name).last()),
    ("select", {ROWS: 1}, lambda ctx: ctx.select(City, City.name == "A").one()),
    ("select", {ROWS: 0}, lambda ctx: ctx.select(City, City.name == "?").one_or_none()),
    ("select", {ROWS: 3}, lambda ctx: ctx.select(City).ids()),
    ("select", {ROWS: 3}, lambda ctx: ctx.select(City).page(2)),
    ("select", {ROWS: 3}, lambda ctx: ctx.select(City).values(City.name).to_list()),
    ("select", {ROWS: 3}, lambda ctx: ctx.select_group(City).to_list()),
    ("exists", {ROWS: 1}, lambda ctx: ctx.select(City).exists()),
    ("count", {}, lambda ctx: ctx.select(City).count()),
    ("sum", {}, lambda ctx: ctx.select(City).sum(City.population)),
    ("avg", {}, lambda ctx: ctx.select(City).avg(City.population)),
    ("aggregate", {}, lambda ctx: ctx.select(City).aggregate(count(), City.population.sum())),
    ("partitions", {}, lambda ctx: ctx.select_group(City).partitions(2)),
    (
        "find_nearest",
        {ROWS: 0},
        lambda ctx: ctx.select(City).find_nearest(City.place, Vector([1.0, 2.0]), limit=1, distance="cosine").to_list(),
    ),
]


@pytest.mark.parametrize(("operation", "more", "call"), OPERATIONS)
def test_an_operation_is_a_span_and_a_duration(
    ctx: Any, backend: Any, seen: Seen, operation: str, more: dict[str, Any], call: Callable[[Any], Any]
) -> None:
    for name in "abc":
        backend.put(f"cities/{name}", {"name": name.upper(), "population": 1, "place": None})
    call(ctx)
    span = seen.span
    assert (f"{operation} cities", SpanKind.CLIENT) == (span.name, span.kind)
    assert {**of_cities(operation), **more} == dict(span.attributes)
    assert ("cendry", StatusCode.UNSET, ()) == (span.instrumentation_scope.name, span.status.status_code, span.events)
    [point] = seen.measured
    # Not by how many documents there were, which would make as many series.
    assert of_cities(operation) == dict(point.attributes)
    assert (1, (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)) == (point.count, tuple(point.explicit_bounds))
    assert 0 < point.sum < 60
    assert not trace.get_current_span().get_span_context().is_valid


def test_subcollections_are_named_without_the_ids_above_them(ctx: Any, seen: Seen) -> None:
    top = city("secret")
    ctx.save(Area(id="x", name="X"), parent=top)
    ctx.select(Area, parent=top).to_list()
    ctx.select_group(Area).to_list()
    assert ["save areas", "select areas", "select areas"] == seen.names


def test_writes_of_several_kinds_are_a_batch_of_the_database(ctx: Any, seen: Seen) -> None:
    with ctx.batch() as batch:
        batch.save(city("a"))
        batch.save(Area(id="x", name="X"), parent=city("a"))
    span = seen.span
    assert "BATCH save memory" == span.name
    assert {**COMMON, "db.operation.name": "BATCH save", SIZE: 2} == dict(span.attributes)
    with ctx.batch() as batch:
        batch.update(City, "a", {"name": "x"})
        batch.delete(City, "b")
    span = seen.span
    assert "BATCH cities" == span.name
    assert of_cities("BATCH") | {SIZE: 2} == dict(span.attributes)


def test_what_is_not_sent_has_no_span(ctx: Any, seen: Seen) -> None:
    ctx.save_many([])
    ctx.get_many(City, [])
    nothing = ctx.select(City, City.name.is_in([]))
    assert [] == nothing.to_list() == list(nothing) == nothing.ids()
    assert 0 == nothing.count()
    with pytest.raises(CendryError):
        ctx.get(City, "a/b")
    assert [] == seen.spans == seen.measured


def test_reads_at_a_past_moment(ctx: Any, backend: Any, seen: Seen) -> None:
    ctx.save(one := city("a"))
    past = ctx.at(get_metadata(one).update_time)
    seen.exporter.clear()
    past.get(City, "a")
    past.get_many(City, ["a"])
    past.select(City).to_list()
    assert ["get cities", "get cities", "select cities"] == seen.names


# Errors


FAILURES: list[tuple[str, type[Exception], Callable[[Any], Any]]] = [
    ("get", DocumentNotFoundError, lambda ctx: ctx.get(City, "x")),
    ("refresh", DocumentNotFoundError, lambda ctx: ctx.refresh(city("x"))),
    ("BATCH get", DocumentNotFoundError, lambda ctx: ctx.get_many(City, ["a", "x"])),
    ("update", DocumentNotFoundError, lambda ctx: ctx.update(City, "x", {"name": "x"})),
    ("create", DocumentAlreadyExistsError, lambda ctx: ctx.create(city("a"))),
    ("get", DecodeError, lambda ctx: ctx.get(City, "odd")),
    ("BATCH find", DecodeError, lambda ctx: ctx.find_many(City, ["a", "odd"])),
    ("select", DecodeError, lambda ctx: ctx.select(City).to_list()),
    ("select", DecodeError, lambda ctx: ctx.select(City).page(9)),
    ("select", MultipleResultsError, lambda ctx: ctx.select(City).one()),
]


@pytest.mark.parametrize(("operation", "error", "call"), FAILURES)
def test_an_error_is_recorded_by_its_class(
    ctx: Any, backend: Any, seen: Seen, operation: str, error: type[Exception], call: Callable[[Any], Any]
) -> None:
    backend.put("cities/a", {"name": "A", "population": 1, "place": None})
    backend.put("cities/odd", {"name": 5, "population": 1, "place": None})
    with pytest.raises(error):
        call(ctx)
    span = seen.span
    assert f"{operation} cities" == span.name
    assert error.__name__ == span.attributes["error.type"]
    assert (StatusCode.ERROR, error.__name__) == (span.status.status_code, span.status.description)
    [event] = span.events
    assert ("exception", {"exception.type": f"cendry.errors.{error.__name__}"}) == (event.name, dict(event.attributes))
    [point] = seen.measured
    assert of_cities(operation, error_type=error.__name__) == dict(point.attributes)


class Status:
    name = "UNAVAILABLE"


class GoogleError(Exception):
    grpc_status_code = Status


def test_the_status_of_the_database_is_recorded(ctx: Any, backend: Any, seen: Seen) -> None:
    wrapped = CendryError("x")
    wrapped.__cause__ = GoogleError()
    for error in (GoogleError(), wrapped, OSError("secret")):
        backend.fail("get", error)
        with pytest.raises(type(error)):
            ctx.get(City, "a")
    first, second, third = seen.spans
    status = "db.response.status_code"
    assert ("GoogleError", "UNAVAILABLE") == (first.attributes["error.type"], first.attributes[status])
    assert ("CendryError", "UNAVAILABLE") == (second.attributes["error.type"], second.attributes[status])
    assert ("OSError", False) == (third.attributes["error.type"], status in third.attributes)
    assert {"exception.type": "OSError"} == dict(third.events[0].attributes)


# Streams


def test_a_stream_ends_when_it_is_broken_off(ctx: Any, backend: Any, seen: Seen) -> None:
    for name in "abc":
        backend.put(f"cities/{name}", {"name": name, "population": 1, "place": None})
    documents = iter(ctx.select(City))
    assert [] == seen.spans
    next(documents)
    next(documents)
    # Between results, other things are done.
    assert not trace.get_current_span().get_span_context().is_valid
    assert [] == seen.spans
    documents.close()
    span = seen.span
    assert (2, StatusCode.UNSET) == (span.attributes[ROWS], span.status.status_code)
    assert 1 == seen.measured[0].count


def test_a_stream_that_is_abandoned_ends(seen: Seen) -> None:
    ctx = Cendry(backend=MemoryBackend(), telemetry=seen)
    ctx.save_many([city("a"), city("b")])
    seen.exporter.clear()
    for _ in ctx.select(City):
        break
    gc.collect()
    assert 1 == seen.span.attributes[ROWS]


async def test_an_async_stream_that_is_abandoned_ends(seen: Seen) -> None:
    ctx = AsyncCendry(backend=AsyncMemoryBackend(), telemetry=seen)
    await ctx.save_many([city("a"), city("b")])
    seen.exporter.clear()
    async for _ in ctx.select(City):
        break
    gc.collect()
    assert 1 == seen.span.attributes[ROWS]


def test_a_stream_that_was_never_asked_is_no_operation(ctx: Any, seen: Seen) -> None:
    documents = iter(ctx.select(City))
    documents.close()
    del documents
    gc.collect()
    assert [] == seen.spans


class Lists(MemoryBackend):
    """A backend whose results hold no resources."""

    def run(self, *arguments: Any, **options: Any) -> Any:
        return iter(list(super().run(*arguments, **options)))


class Once:
    def __init__(self, results: list[Any]) -> None:
        self._results = iter(results)

    def __aiter__(self) -> Once:
        return self

    async def __anext__(self) -> Any:
        for result in self._results:
            return result
        raise StopAsyncIteration


class AsyncLists(AsyncMemoryBackend):
    """Its twin."""

    def run(self, plan: Any, **options: Any) -> Any:
        return Once(list(MemoryBackend(store=self.store).run(plan)))


async def test_a_stream_of_results_that_hold_no_resources(seen: Seen) -> None:
    ctx = Cendry(backend=Lists(), telemetry=seen)
    ctx.save_many([city("a"), city("b")])
    documents: Any = iter(ctx.select(City))
    next(documents)
    documents.close()
    async_ctx = AsyncCendry(backend=AsyncLists(), telemetry=seen)
    await async_ctx.save_many([city("a"), city("b")])
    async_documents: Any = aiter(async_ctx.select(City))
    await anext(async_documents)
    await async_documents.aclose()
    assert ["BATCH save cities", "select cities"] * 2 == [span.name for span in seen.spans]


def test_a_stream_that_fails(ctx: Any, backend: Any, seen: Seen) -> None:
    backend.fail("run", ConnectionError())
    with pytest.raises(ConnectionError):
        list(ctx.select(City))
    assert "ConnectionError" == seen.span.attributes["error.type"]


def test_a_stream_that_meets_odd_documents_goes_on(ctx: Any, backend: Any, seen: Seen) -> None:
    backend.put("cities/a", {"name": 5})
    backend.put("cities/b", {"name": "b"})
    errors: list[Exception] = []
    assert ["b"] == [one.id for one in ctx.select(City, on_error=errors.append)]
    span = seen.span
    assert (2, StatusCode.UNSET, 1) == (span.attributes[ROWS], span.status.status_code, len(errors))


# Parents


def test_operations_are_children_of_the_current_span(ctx: Any, seen: Seen) -> None:
    if isinstance(ctx, Cendry):
        with seen.tracers.get_tracer("mine").start_as_current_span("request"):
            ctx.save(city("a"))
            list(ctx.select(City))
        save, select, request = seen.spans
        assert [request.context.span_id] * 2 == [save.parent.span_id, select.parent.span_id]


async def test_operations_of_tasks_are_children_of_their_spans(seen: Seen) -> None:
    ctx = AsyncCendry(backend=AsyncMemoryBackend(), telemetry=seen)
    tracer = seen.tracers.get_tracer("mine")

    async def work(name: str) -> None:
        with tracer.start_as_current_span(name):
            await ctx.save(city(name))
            await ctx.get(City, name)

    await asyncio.gather(*(work(name) for name in "abc"))
    spans = seen.spans
    tops = {span.context.span_id: span.name for span in spans if span.parent is None}
    assert ["a", "b", "c"] == sorted(tops.values())
    for span in spans:
        if span.parent is not None:
            assert span.parent.span_id in tops
    assert 9 == len(spans)


def test_a_transaction_is_a_span_around_its_attempts(ctx: Any, backend: Any, seen: Seen, twin: str) -> None:
    ctx.save(city("a"))
    seen.exporter.clear()
    backend.fail("commit", TransactionContentionError(1), times=2)

    if twin == "sync":

        def work(txn: Any) -> None:
            found = txn.get(City, "a")
            txn.update(found, {"population": 1})
    else:

        async def work(txn: Any) -> None:  # type: ignore[misc]
            found = await txn.get(City, "a")
            txn.update(found, {"population": 1})

    ctx.transaction(work)
    *parts, whole = seen.spans
    assert ["get cities", "update cities"] * 3 == [span.name for span in parts]
    assert {whole.context.span_id} == {span.parent.span_id for span in parts}
    assert "transaction memory" == whole.name
    assert {**COMMON, "db.operation.name": "transaction", "cendry.transaction.attempts": 3} == dict(whole.attributes)
    assert (StatusCode.UNSET, None) == (whole.status.status_code, whole.parent)
    aborted = [(event.name, dict(event.attributes or {})) for event in whole.events]
    attempt = "cendry.transaction.attempt"
    assert [("cendry.transaction.aborted", {attempt: number}) for number in (1, 2)] == aborted
    assert ["TransactionContentionError", None] * 2 == [span.attributes.get("error.type") for span in parts[1:5]]


def test_a_write_that_reads_the_version_is_a_transaction(ctx: Any, seen: Seen) -> None:
    ctx.save(Versioned(id="a", n=1))
    assert ["save cities"] == seen.names
    ctx.update(Versioned, "a", {Versioned.n: 2})
    get, update, whole = seen.spans
    assert ["get cities", "update cities", "transaction memory"] == [get.name, update.name, whole.name]
    assert [whole.context.span_id] * 2 == [get.parent.span_id, update.parent.span_id]
    assert 1 == get.attributes[ROWS]


def test_a_transaction_that_loses_all_its_attempts(ctx: Any, backend: Any, seen: Seen, twin: str) -> None:
    backend.fail("commit", TransactionContentionError(1), times=2)

    if twin == "sync":

        def work(txn: Any) -> None:
            txn.save(city("a"))
    else:

        async def work(txn: Any) -> None:  # type: ignore[misc]
            txn.save(city("a"))

    with pytest.raises(TransactionContentionError):
        ctx.transaction(work, max_attempts=2)
    *_, whole = seen.spans
    assert ("TransactionContentionError", 2) == (
        whole.attributes["error.type"],
        whole.attributes["cendry.transaction.attempts"],
    )


async def test_a_transaction_in_a_block_is_a_span_around_its_parts(seen: Seen) -> None:
    with Cendry(backend=MemoryBackend(), telemetry=seen).transaction() as txn:
        txn.find(City, "a")
        txn.save(city("a"))
    async with AsyncCendry(backend=AsyncMemoryBackend(), telemetry=seen).transaction() as async_txn:
        await async_txn.find(City, "a")
        async_txn.save(city("a"))
    spans = seen.spans
    for find, save, whole in (spans[:3], spans[3:]):
        assert ["find cities", "save cities", "transaction memory"] == [find.name, save.name, whole.name]
        assert [whole.context.span_id] * 2 == [find.parent.span_id, save.parent.span_id]
        assert (None, 1) == (whole.parent, whole.attributes["cendry.transaction.attempts"])


def test_a_transaction_in_a_block_that_fails(ctx: Any, seen: Seen) -> None:
    ctx.save(city("a"))
    seen.exporter.clear()
    with pytest.raises(KeyError), ctx.transaction() as txn:
        raise KeyError("secret")
    assert "KeyError" == seen.span.attributes["error.type"]
    with pytest.raises(DocumentAlreadyExistsError), ctx.transaction() as txn:
        txn.create(city("a"))
    create, whole = seen.spans
    assert ["DocumentAlreadyExistsError"] * 2 == [span.attributes["error.type"] for span in (create, whole)]


def test_a_refused_read_in_a_transaction_leaves_no_current_span(ctx: Any, seen: Seen) -> None:
    with ctx.transaction() as txn:
        txn.save(city("a"))
        with pytest.raises(CendryError, match="all reads come before"):
            txn.get(City, "a")
    get, save, whole = seen.spans
    assert ("get cities", "CendryError") == (get.name, get.attributes["error.type"])
    assert (get.parent, whole.name) == (save.parent, "transaction memory")


def in_thread(function: Callable[[], Any]) -> None:
    """Call a function in a thread with the context of the caller, as web frameworks call generators of sync code."""
    copied = contextvars.copy_context()
    thread = threading.Thread(target=copied.run, args=(function,))
    thread.start()
    thread.join()


def test_a_transaction_in_several_threads_is_the_parent_of_its_parts(seen: Seen) -> None:
    ctx = Cendry(backend=MemoryBackend(), telemetry=seen)
    scope = ctx.transaction()
    found: list[Any] = []
    tracer = seen.tracers.get_tracer("mine")
    with tracer.start_as_current_span("request"):
        before = context.get_current()
        in_thread(lambda: found.append(scope.__enter__()))
        [txn] = found
        in_thread(lambda: txn.find(City, "a"))
        with tracer.start_as_current_span("mine"):
            txn.find(City, "a")
        txn.save(city("a"))
        in_thread(lambda: scope.__exit__(None, None, None))
        assert before is context.get_current()
    ended = seen.spans
    spans = {span.name: span for span in ended}
    first, second = [span for span in ended if span.name == "find cities"]
    whole = spans["transaction memory"]
    assert spans["request"].context.span_id == whole.parent.span_id
    assert {whole.context.span_id} == {first.parent.span_id, spans["save cities"].parent.span_id}
    # A span of the program's own is nearer.
    assert spans["mine"].context.span_id == second.parent.span_id


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_bulk_is_a_span_around_its_requests(seen: Seen, is_async: bool) -> None:
    if is_async:
        async with AsyncCendry(backend=AsyncMemoryBackend(), telemetry=seen).bulk() as async_bulk:
            for number in range(300):
                await async_bulk.save(city(str(number)))
    else:
        with Cendry(backend=MemoryBackend(), telemetry=seen).bulk() as bulk:
            for number in range(300):
                bulk.save(city(str(number)))
    *parts, whole = seen.spans
    assert {"BATCH save cities"} == {span.name for span in parts}
    assert 300 == sum(span.attributes[SIZE] for span in parts)
    assert {whole.context.span_id} == {span.parent.span_id for span in parts}
    assert "bulk memory" == whole.name
    assert {**COMMON, "db.operation.name": "bulk", SIZE: 300} == dict(whole.attributes)
    assert not trace.get_current_span().get_span_context().is_valid


def test_a_bulk_with_failures(ctx: Any, seen: Seen) -> None:
    with pytest.raises(BulkError), ctx.bulk() as bulk:
        bulk.update(City, "x", {"name": "x"})
    update, whole = seen.spans
    assert ("update cities", "BulkError") == (update.name, whole.attributes["error.type"])
    ctx.save_many([city("a"), city("b")], atomic=False)
    assert ["BATCH save cities", "bulk memory"] == seen.names
    ctx.select(City).delete()
    assert ["select cities", "BATCH delete cities", "bulk memory"] == seen.names


def test_listeners_have_no_spans(seen: Seen) -> None:
    ctx = Cendry(backend=MemoryBackend(), telemetry=seen)
    with ctx.select(City).snapshots() as snapshots:
        next(snapshots)
        ctx.save(city("a"))
        next(snapshots)
    assert ["save cities"] == seen.names


# Databases


class Elsewhere(MemoryBackend):
    """A backend that says what Google's say."""

    system = "gcp.datastore"
    namespace = None  # type: ignore[assignment]
    database = "projects/p/databases/d/namespaces/n"
    server = ("localhost", 8080)


class Unknown(MemoryBackend):
    """A backend that says nothing."""

    name = "Mine"
    system = None  # type: ignore[assignment]
    namespace = None  # type: ignore[assignment]
    database = None  # type: ignore[assignment]


class WithoutPort(Elsewhere):
    server = ("firestore.googleapis.com", 443)


class WithoutClient(MemoryBackend):
    system = "gcp.datastore"
    namespace = None  # type: ignore[assignment]
    database = "projects/p/databases/d/namespaces/n"

    @property
    def server(self) -> Any:
        raise OSError("no credentials: secret")


@pytest.mark.parametrize(
    ("backend", "expected"),
    [
        (
            Elsewhere(),
            {
                "db.system.name": "gcp.datastore",
                "db.namespace": "p|d|n",
                "server.address": "localhost",
                "server.port": 8080,
            },
        ),
        (
            WithoutPort(),
            {"db.system.name": "gcp.datastore", "db.namespace": "p|d|n", "server.address": "firestore.googleapis.com"},
        ),
        (WithoutClient(), {"db.system.name": "gcp.datastore", "db.namespace": "p|d|n"}),
        (Unknown(), {"db.system.name": "mine"}),
    ],
)
def test_attributes_say_which_database_it_is(seen: Seen, backend: Any, expected: dict[str, Any]) -> None:
    ctx = Cendry(backend=backend, telemetry=seen)
    for _ in range(2):
        assert not ctx.exists(City, "a")
        assert {**expected, "db.operation.name": "exists", "db.collection.name": "cities", ROWS: 0} == dict(
            seen.span.attributes
        )


# The argument


def test_telemetry_can_be_off(make: Callable[..., Any], backend: Any) -> None:
    ctx = make(backend=backend, telemetry=False)
    ctx.save(city("a"))
    assert list(ctx.select(City))


def test_the_argument_is_checked(make: Callable[..., Any], backend: Any) -> None:
    with pytest.raises(TypeError, match="telemetry= takes True, False, None or a TracerProvider of OpenTele"):
        make(backend=backend, telemetry="yes")


def test_a_provider_of_tracers_alone(make: Callable[..., Any], backend: Any, seen: Seen) -> None:
    ctx = make(backend=backend, telemetry=seen.tracers)
    ctx.save(city("a"))
    assert ["save cities"] == seen.names
    assert [] == seen.measured


def test_a_provider_that_makes_no_spans(make: Callable[..., Any], backend: Any, seen: Seen) -> None:
    seen.get_tracer = trace.NoOpTracerProvider().get_tracer
    ctx = make(backend=backend, telemetry=seen)
    ctx.save(city("a"))
    assert list(ctx.select(City))
    with pytest.raises(DocumentNotFoundError):
        ctx.get(City, "x")
    assert [] == seen.spans
    assert {"save", "select", "get"} == {point.attributes["db.operation.name"] for point in seen.measured}


def test_without_the_api_an_import_error_names_it(make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)
    with pytest.raises(ImportError, match="pip install opentelemetry-api"):
        Cendry(backend=MemoryBackend(), telemetry=True)
    monkeypatch.setenv("OTEL_PYTHON_TRACER_PROVIDER", "sdk_tracer_provider")
    Cendry(backend=MemoryBackend()).save(city("a"))


def test_an_api_without_advice_on_buckets(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    class Meter:
        def create_histogram(self, name: str, unit: str, description: str) -> Any:
            return seen.meters.get_meter("old").create_histogram(name, unit, description)

    seen.get_meter = lambda *arguments, **options: Meter()  # type: ignore[assignment]
    Cendry(backend=MemoryBackend(), telemetry=seen).save(city("a"))
    assert 1 == seen.measured[0].count


def test_the_scope_has_the_version(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        assert "cendry-core" == name
        return "1.2.3"

    monkeypatch.setattr(metadata, "version", version)
    Cendry(backend=MemoryBackend(), telemetry=seen).save(city("a"))
    assert "1.2.3" == seen.span.instrumentation_scope.version

    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    Cendry(backend=MemoryBackend(), telemetry=seen).save(city("a"))
    assert not seen.span.instrumentation_scope.version


GLOBAL = """
import sys
from cendry import Cendry, Field, MemoryBackend, Model

class City(Model, collection="cities"):
    name: Field[str]

ctx = Cendry(backend=MemoryBackend())
ctx.save(City(id="a", name="x"))
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
assert "logging" not in sys.modules

from opentelemetry import metrics, trace
ctx.save(City(id="a", name="x"))
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
ctx.get(City, "a")
other = Cendry(backend=MemoryBackend(), telemetry=True)
other.save(City(id="a", name="x"))
off = Cendry(backend=MemoryBackend(), telemetry=False)
off.save(City(id="a", name="x"))
assert ["get cities", "save cities"] == [span.name for span in exporter.get_finished_spans()]
"""


def test_the_global_provider_is_used_once_there_is_one() -> None:
    code = f"import sys; sys.path[:0] = {sys.path!r}\n{GLOBAL}"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_by_default_there_is_nothing_without_the_api_or_a_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "opentelemetry.trace", None)
        ctx = Cendry(backend=MemoryBackend())
        ctx.save(city("a"))
    assert ctx.exists(City, "a")


def test_a_provider_that_a_variable_names_is_loaded_at_once(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "get_tracer", seen.get_tracer)
    monkeypatch.setattr(metrics, "get_meter", seen.get_meter)
    # As if nothing had imported it.
    monkeypatch.setattr("cendry._interop.opentelemetry.modules", {})
    assert Cendry(backend=MemoryBackend())._sender.observer.is_idle()
    monkeypatch.setenv("OTEL_PYTHON_TRACER_PROVIDER", "mine")
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: seen.tracers)
    Cendry(backend=MemoryBackend()).save(city("a"))
    assert ["save cities"] == seen.names


def test_an_api_that_keeps_its_providers_elsewhere_is_asked_for_them(
    seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a later version of OpenTelemetry may do."""
    loaded = {name: module for name, module in sys.modules.items() if name != "opentelemetry.metrics._internal"}
    monkeypatch.setattr("cendry._interop.opentelemetry.modules", loaded)
    monkeypatch.setattr(trace, "get_tracer", seen.get_tracer)
    ctx = Cendry(backend=MemoryBackend())
    ctx.save(city("a"))
    assert [] == seen.names
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: seen.tracers)
    ctx.save(city("a"))
    assert ["save cities"] == seen.names


# The log


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The lines of the log since this was last called, without times."""
    caplog.set_level(logging.DEBUG, logger="cendry")

    def take() -> list[str]:
        found = [record.getMessage().rpartition(" in ")[0] or record.getMessage() for record in caplog.records]
        assert all(record.name == "cendry" and record.levelno == logging.DEBUG for record in caplog.records)
        caplog.clear()
        return found

    return take


def test_the_log_has_each_operation_once(make: Callable[..., Any], backend: Any, lines: Any) -> None:
    ctx = make(backend=backend, telemetry=False)
    ctx.save(city("a"))
    ctx.get(City, "a")
    with pytest.raises(DocumentNotFoundError):
        ctx.get(City, "x")
    ctx.find_many(City, [*"abcd"])
    ctx.select(City, City.name == "secret").to_list()
    ctx.select(Area, parent=city("a")).count()
    ctx.select_group(Area, parent=city("a")).first()
    list(ctx.select(City))
    with ctx.batch() as batch:
        batch.save(city("b"))
        batch.delete(City, "c")
    with ctx.transaction() as txn:
        txn.delete(City, "a")
    with ctx.bulk() as bulk:
        bulk.save(city("a"))
    assert [
        "save cities/a: done",
        "get cities/a: 1 document",
        "get cities/x: DocumentNotFoundError raised",
        "BATCH find cities/a, cities/b, cities/c, 1 more: 1 document",
        "select cities: 0 documents",
        "count cities/a/areas: done",
        "select areas below cities/a: 0 documents",
        "select cities: 1 document",
        "save cities/b, delete cities/c: done",
        "delete cities/a: done",
        "transaction: done, 1 attempt",
        "save cities/a: done",
        "bulk: 1 write",
    ] == lines()


def test_the_log_has_aborted_attempts_and_listeners(make: Callable[..., Any], backend: Any, lines: Any) -> None:
    ctx = Cendry(backend=MemoryBackend(), telemetry=False)
    failures = [TransactionContentionError(1)]

    def work(txn: Any) -> None:
        if failures:
            raise failures.pop()

    ctx.transaction(work)
    assert ["transaction: attempt 1 was aborted by the database", "transaction: done, 2 attempts"] == lines()
    with ctx.select(City).snapshots() as snapshots:
        next(snapshots)
    with ctx.snapshots(City, "a") as snapshots:
        next(snapshots)
    ctx.on_snapshot(City, "a", print).close()
    assert ["listen cities: begun", "listen cities/a: begun", "listen cities/a: begun"] == lines()


def test_the_log_is_found_when_it_comes_later(monkeypatch: pytest.MonkeyPatch, lines: Any) -> None:
    with monkeypatch.context() as patch:
        patch.delitem(sys.modules, "logging")
        ctx = Cendry(backend=MemoryBackend(), telemetry=False)
        ctx.save(city("a"))
    assert [] == lines()
    ctx.save(city("a"))
    assert ["save cities/a: done"] == lines()


# No values


SECRET = st.text(st.characters(categories=["L"]), min_size=3, max_size=20).map(lambda text: f"Sekret{text}")


@given(SECRET)
def test_no_id_value_or_message_is_in_a_span_a_measurement_or_the_log(secret: str) -> None:
    seen = Seen()
    log: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: log.append(handler.format(record))  # type: ignore[method-assign]
    logger = logging.getLogger("cendry")
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    try:
        _use(secret, seen)
        by_value = [line for line in log if secret in line]
        log.clear()
        _use(secret, seen, document_id=secret)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    # The log has ids, and nothing else of what is stored.
    assert [] == by_value
    assert log
    text = seen.everything()
    assert secret not in text
    assert json.dumps(secret)[1:-1] not in text


def _use(secret: str, seen: Seen, document_id: str = "a") -> None:
    backend = MemoryBackend()
    ctx = Cendry(backend=backend, telemetry=seen)
    one = City(id=document_id, name=secret)
    ctx.save(one)
    ctx.get(City, document_id)
    ctx.update(City, document_id, {"name": secret})
    ctx.save(Area(id=document_id, name=secret), parent=one)
    ctx.select(City, City.name == secret, order_by=City.name, start_at={"name": secret}).to_list()
    ctx.select(City, City.id == document_id).page(1)
    ctx.select(City, City.name == secret).count()
    list(ctx.select(Area, Area.name == secret, parent=one))
    for call in (
        lambda: ctx.create(one),
        lambda: ctx.get(City, f"{document_id}x"),
        lambda: ctx.get_many(City, [document_id, f"{document_id}x"]),
        lambda: ctx.transaction(_raising(secret)),
    ):
        with pytest.raises((CendryError, OSError)):
            call()
    with ctx.bulk() as bulk:
        bulk.save(one)
    with ctx.transaction() as txn:
        txn.save(one)


def _raising(secret: str) -> Callable[[Any], None]:
    def work(txn: Any) -> None:
        raise OSError(secret)

    return work
