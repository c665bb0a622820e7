# What raises here can be the end of a block, so that pytest.raises() has to hold one.
# ruff: noqa: PT012

from __future__ import annotations

import asyncio
import gc
import math
import sys
import threading
import time
import weakref
from typing import Any

import pytest
from cendry import (
    AsyncCendry,
    Cendry,
    CendryError,
    DecodeError,
    DocumentNotFoundError,
    ForeignReferenceError,
    Increment,
    InvalidDocumentIdError,
    InvalidValueError,
    Query,
    Ref,
    TypeRegistry,
    UnknownFieldError,
    UnsupportedByBackendError,
    get_metadata,
    ref_of,
)
from cendry._context.holder import backend_of
from cendry.backend import CallOptions
from cendry.plan import GetPlan
from cendry_memory import AsyncMemoryBackend, MemoryBackend
from core.documents import NOW, Area, City, Mayor, Spot, Stamped
from core.recording import AsyncRecordingBackend, RecordingBackend


@pytest.fixture
def stored(backend: Any) -> Any:
    for name in ("SF", "LA"):
        backend.put(f"cities/{name}", {"displayName": name, "population": 5})
    backend.put("cities/SF/areas/a", {"name": "mission"})
    backend.calls.clear()
    return backend


# Opening and closing


def test_the_backend_of_a_context_is_found_for_tools() -> None:
    ctx = Cendry(backend=RecordingBackend())
    found = backend_of(ctx)
    assert isinstance(found, RecordingBackend)
    assert found is backend_of(found)
    for other in (AsyncCendry(backend=AsyncRecordingBackend()), AsyncRecordingBackend(), 5):
        with pytest.raises(TypeError, match="This takes a Cendry or a backend for it, not"):
            backend_of(other)
    ctx.close()
    with pytest.raises(CendryError, match="closed"):
        backend_of(ctx)


def test_a_context_closes_no_backend_that_it_was_given(make: Any, backend: Any) -> None:
    with make(backend=backend) as ctx:
        ctx.save(City(name="x"))
    assert backend.closed == 0
    with make(backend=backend) as again:
        assert again.select(City).count() == 1


def test_a_closed_context_says_so(make: Any, backend: Any) -> None:
    ctx = make(backend=backend)
    query = ctx.select(City)
    batch = ctx.batch()
    city = City(name="x")
    batch.save(city)
    ctx.close()
    ctx.close()
    for use in (
        lambda: ctx.get(City, "SF"),
        lambda: ctx.save(City(name="x")),
        lambda: ctx.find_many(City, []),
        lambda: ctx.get_many(City, []),
        lambda: ctx.find_many([]),
        lambda: ctx.transaction(print),
        lambda: ctx.client,
        lambda: ctx.__enter__(),
        lambda: ctx.transaction().__enter__(),
        query.first,
        query.to_list,
        lambda: list(query),
        batch.commit,
    ):
        with pytest.raises(CendryError, match=r"^This context is closed; make a new one\.$"):
            use()
    assert (backend.calls, city.id) == ([], None)


def test_the_default_backend_is_made_at_first_use(
    make: Any, twin: str, backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import cendry_firestore

    made: list[Any] = []

    def factory(*arguments: Any, **options: Any) -> Any:
        made.append((arguments, options))
        return backend

    monkeypatch.setattr(cendry_firestore, "FirestoreBackend" if twin == "sync" else "AsyncFirestoreBackend", factory)
    with make(project="p", database="d") as ctx:
        assert made == []
        ctx.save(City(id="SF", name="x"))
        ctx.get(City, "SF")
        assert made == [((None,), {"project": "p", "database": "d"})]
    assert backend.closed == 1
    with make() as unused:
        assert repr(unused.select(City)).endswith("Query(City)")
    assert (len(made), backend.closed) == (1, 1)
    client = object()
    make(client).save(City(name="x"))
    assert made[1] == ((client,), {"project": None, "database": None})


def test_one_backend_for_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    import cendry_firestore

    backend, made = RecordingBackend(), []
    meeting = threading.Barrier(4)

    def factory(*arguments: Any, **options: Any) -> Any:
        # Long enough for the other threads to wait for this one.
        time.sleep(0.05)
        made.append(arguments)
        return backend

    monkeypatch.setattr(cendry_firestore, "FirestoreBackend", factory)
    ctx = Cendry()

    def use() -> None:
        meeting.wait()
        ctx.exists(City, "SF")

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), len(backend.calls)) == (1, 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"client": object()},
            "backend= and client= can't be combined: a backend has its own client and database.",
        ),
        ({"project": "p"}, "backend= and project= can't be combined"),
        ({"project": "p", "database": "d"}, "backend= and project= and database= can't be combined"),
    ],
)
def test_a_backend_excludes_what_it_brings(make: Any, backend: Any, options: Any, message: str) -> None:
    with pytest.raises(CendryError) as caught:
        make(backend=backend, **options)
    assert message in str(caught.value)


@pytest.mark.parametrize("options", [{"project": "p"}, {"database": "d"}])
def test_a_client_excludes_what_it_brings(make: Any, options: Any) -> None:
    with pytest.raises(CendryError, match="client= can't be combined with project= or database="):
        make(client=object(), **options)


NO_TIMEOUTS = [0, 0.0, -1, -0.1, True, False, "5", b"5", 1j, [5], math.nan, math.inf, -math.inf, 1e10, 1e300, 10**5000]


@pytest.mark.parametrize("timeout", NO_TIMEOUTS, ids=lambda timeout: repr(timeout) if timeout != 10**5000 else "huge")
def test_a_timeout_is_a_number_of_seconds(make: Any, backend: Any, timeout: Any) -> None:
    with pytest.raises(ValueError, match="timeout= takes a positive number of seconds, at most 1000000000, not "):
        make(backend=backend, timeout=timeout)
    with pytest.raises(ValueError, match="timeout= takes a positive number of seconds"):
        CallOptions(timeout=timeout)


@pytest.mark.parametrize("timeout", [None, 1, 0.001, 60.0, 1_000_000_000])
def test_a_timeout_may_be_any_other(make: Any, backend: Any, timeout: Any) -> None:
    assert make(backend=backend, timeout=timeout)._sender.settings.options.timeout == timeout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clock": 5}, "clock= takes a function that returns the time, not 5"),
        ({"type_registry": {}}, "type_registry= takes a TypeRegistry, not {}"),
        ({"backend": 5}, "backend= takes a backend, not 5"),
    ],
)
def test_settings_of_the_wrong_kind_are_refused(make: Any, options: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        make(**options)


def test_a_backend_of_the_other_twin_is_refused() -> None:
    with pytest.raises(TypeError, match="is a backend for AsyncCendry; Cendry takes a sync one"):
        Cendry(backend=AsyncRecordingBackend())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="is a backend for Cendry; AsyncCendry takes an async one"):
        AsyncCendry(backend=RecordingBackend())  # type: ignore[arg-type]


def test_a_sync_backend_says_itself_why_it_has_no_async_twin() -> None:
    class Alone(RecordingBackend):
        def async_twin_error(self) -> Exception:
            return UnsupportedByBackendError("async calls", "Alone", "Use Cendry.")

    with pytest.raises(UnsupportedByBackendError, match="Use Cendry"):
        AsyncCendry(backend=Alone())  # type: ignore[arg-type]


def test_leaving_a_block_never_raises_of_itself(
    make: Any, twin: str, backend: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import cendry_firestore

    class Broken(RecordingBackend):
        def close(self) -> None:
            raise RuntimeError("broken")

    class AsyncBroken(AsyncRecordingBackend):
        async def close(self) -> None:
            raise RuntimeError("broken")

    broken, name = (Broken(), "FirestoreBackend") if twin == "sync" else (AsyncBroken(), "AsyncFirestoreBackend")
    monkeypatch.setattr(cendry_firestore, name, lambda *_, **__: broken)
    with pytest.raises(KeyError, match="mine"), make() as ctx:
        ctx.save(City(name="x"))
        raise KeyError("mine")
    with make() as ctx:
        ctx.save(City(name="x"))
    assert [record.getMessage() for record in caplog.records] == [
        "The backend could not be closed when its context was exited."
    ] * 2
    ctx = make()
    ctx.save(City(name="x"))
    with pytest.raises(RuntimeError, match="broken"):
        ctx.close()


def test_without_firestore_installed_the_error_names_the_extra(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cendry_firestore", None)
    with pytest.raises(ImportError, match=r"pip install 'cendry\[firestore\]'"):
        make()


def test_the_client_of_the_backend_stays_reachable(make: Any, backend: Any) -> None:
    backend.client = object()
    assert make(backend=backend).client is backend.client


def test_contexts_leave_nothing_behind(backend: Any, make: Any) -> None:
    ctx = Cendry(backend=RecordingBackend())
    ctx.save(City(name="x"))
    gone = weakref.ref(ctx)
    del ctx
    gc.collect()
    assert gone() is None


def test_one_model_serves_contexts_with_different_registries(make: Any, twin: str) -> None:
    kind = RecordingBackend if twin == "sync" else AsyncRecordingBackend
    registry = TypeRegistry()
    registry.register(float, serialize=str, deserialize=float)
    one, two = kind(), kind()
    plain, other = make(backend=one), make(backend=two, type_registry=registry)
    city = City(id="SF", name="x", area=1.5)
    plain.save(city)
    other.save(city)
    assert (one.data("cities/SF")["area"], two.data("cities/SF")["area"]) == (1.5, "1.5")
    assert other.get(City, "SF") == plain.get(City, "SF")
    assert other.select(City, City.area == 1.5).count() == 1
    assert other.select(City, start_at={"area": 1.5}).count() == 1
    other.update(city, {City.area: 2.5})
    assert two.data("cities/SF")["area"] == "2.5"
    assert other.select(City).project(City.area).to_list() == [{"id": "SF", "area": 2.5}]


# The other twin


def test_the_sync_twin_in_async_code() -> None:
    ctx = Cendry(backend=RecordingBackend())
    things = {"Cendry": ctx, "Batch": ctx.batch(), "transaction": ctx.transaction()}
    for name, thing in things.items():
        with pytest.raises(TypeError, match=f"This {name} is for sync code: use it in a plain 'with'"):
            thing.__aenter__()  # type: ignore[attr-defined]
        assert hasattr(thing, "__aexit__")


def test_the_async_twin_in_sync_code() -> None:
    ctx = AsyncCendry(backend=AsyncRecordingBackend())
    things = {"AsyncCendry": ctx, "AsyncBatch": ctx.batch(), "transaction": ctx.transaction()}
    for name, thing in things.items():
        message = f"This {name} is for async code: use it in an 'async with'"
        with pytest.raises(TypeError, match=message), thing:  # type: ignore[attr-defined]
            pass
        assert hasattr(thing, "__exit__")
    with pytest.raises(TypeError, match="AsyncQuery runs in async code"):
        for _ in ctx.select(City):  # type: ignore[attr-defined]
            pass


async def test_the_async_context_closes_its_backend_though_it_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    import cendry_firestore

    entered = asyncio.Event()
    release = asyncio.Event()

    class Slow(AsyncRecordingBackend):
        async def close(self) -> None:
            entered.set()
            await release.wait()
            await super().close()

    backend = Slow()
    monkeypatch.setattr(cendry_firestore, "AsyncFirestoreBackend", lambda *_, **__: backend)

    async def use() -> None:
        async with AsyncCendry() as ctx:
            await ctx.save(City(name="x"))

    task = asyncio.ensure_future(use())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert backend.closed == 0
    release.set()
    await asyncio.sleep(0.01)
    assert backend.closed == 1


async def test_an_error_while_nobody_waits_is_not_shouted_about(monkeypatch: pytest.MonkeyPatch) -> None:
    import cendry_firestore

    shouted: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: shouted.append(context))
    entered = asyncio.Event()

    class Broken(AsyncRecordingBackend):
        async def close(self) -> None:
            entered.set()
            await asyncio.sleep(0.01)
            raise RuntimeError("broken")

    monkeypatch.setattr(cendry_firestore, "AsyncFirestoreBackend", lambda *_, **__: Broken())

    async def use() -> None:
        ctx = AsyncCendry()
        await ctx.save(City(name="x"))
        await ctx.close()

    task = asyncio.ensure_future(use())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.05)
    gc.collect()
    assert shouted == []


async def test_a_cancelled_closing_task_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import cendry_firestore

    class Cancelled(AsyncRecordingBackend):
        async def close(self) -> None:
            raise asyncio.CancelledError

    monkeypatch.setattr(cendry_firestore, "AsyncFirestoreBackend", lambda *_, **__: Cancelled())
    ctx = AsyncCendry()
    await ctx.save(City(name="x"))
    with pytest.raises(asyncio.CancelledError):
        await ctx.close()


# Reading


def test_get_and_find(ctx: Any, stored: Any) -> None:
    city = ctx.get(City, "SF")
    assert city == City(id="SF", name="SF", population=5)
    assert ctx.get(Ref(City, "SF")) == city
    assert ctx.find(City, "SF") == city
    assert ctx.find(Ref(City, "SF")) == city
    assert ctx.find(City, "NY") is None
    assert get_metadata(city).path == "cities/SF"
    with pytest.raises(DocumentNotFoundError) as caught:
        ctx.get(City, "NY")
    assert (caught.value.path, caught.value.collection, caught.value.document_id) == ("cities/NY", "cities", "NY")


def test_get_below_a_parent(ctx: Any, stored: Any) -> None:
    city = ctx.get(City, "SF")
    for parent in (city, Ref(City, "SF")):
        assert ctx.get(Area, "a", parent=parent).name == "mission"
    assert ctx.get(Ref(Area, "a", parent=city)).name == "mission"
    with pytest.raises(CendryError, match="Area is a subcollection of City: pass the document that it belongs to"):
        ctx.get(Area, "a")


def test_exists_fetches_no_fields(ctx: Any, stored: Any) -> None:
    assert ctx.exists(City, "SF")
    assert ctx.exists(Ref(City, "SF"))
    assert not ctx.exists(City, "NY")
    assert ctx.exists(Area, "a", parent=Ref(City, "SF"))
    assert stored.plans("get")[0] == GetPlan(("cities/SF",), projection=())


def test_get_many(ctx: Any, stored: Any) -> None:
    found = ctx.get_many(City, (name for name in ["SF", "LA", "SF"]))
    assert [city.id for city in found] == ["SF", "LA", "SF"]
    assert found[0] == found[2]
    assert found[0] is not found[2]
    assert stored.plans("get") == [GetPlan(("cities/SF", "cities/LA"))]
    assert [one.id for one in ctx.get_many(Area, [Ref(Area, "a", parent=Ref(City, "SF"))])] == ["a"]
    assert [one.id for one in ctx.get_many(Area, ("a",), parent=Ref(City, "SF"))] == ["a"]


def test_get_many_of_references_alone(ctx: Any, backend: Any, stored: Any) -> None:
    sf, mission = Ref(City, "SF"), Ref(Area, "a", parent=Ref(City, "SF"))
    backend.calls.clear()
    found = ctx.get_many(ref for ref in [mission, sf, mission])
    assert [(type(one), one.id) for one in found] == [(Area, "a"), (City, "SF"), (Area, "a")]
    assert len(backend.calls) == 1
    assert ctx.get_many([]) == []
    with pytest.raises(DocumentNotFoundError, match="cities/NY"):
        ctx.get_many([sf, Ref(City, "NY")])


def test_get_many_names_all_that_are_missing(ctx: Any, stored: Any) -> None:
    with pytest.raises(DocumentNotFoundError) as caught:
        ctx.get_many(City, ["NY", "SF", "BO", "NY"])
    assert caught.value.candidates == ("cities/NY", "cities/BO")
    assert caught.value.path is None
    with pytest.raises(DocumentNotFoundError) as caught:
        ctx.get_many(City, ["NY", "NY"])
    assert caught.value.path == "cities/NY"


def test_get_many_of_nothing_sends_nothing(ctx: Any, stored: Any) -> None:
    assert ctx.get_many(City, []) == []
    assert stored.calls == []


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda ctx: ctx.get(City), TypeError, "An id is needed with a class: (City, 'id')."),
        (lambda ctx: ctx.get(Mayor, "x"), TypeError, "has no collection: it is not a Model, or it is abstract."),
        (lambda ctx: ctx.get(City, "a/b"), InvalidDocumentIdError, "'a/b' is not a valid document id"),
        (lambda ctx: ctx.find(City, ""), InvalidDocumentIdError, "'' is not a valid document id: it is empty."),
        (lambda ctx: ctx.exists(City, "__x__"), InvalidDocumentIdError, "names of the form __...__ are reserved"),
        (lambda ctx: ctx.get(City, 5), InvalidDocumentIdError, "it must be a str, not int"),
        (lambda ctx: ctx.get_many([Ref(City, "SF"), "LA"]), TypeError, "or references alone, not 'LA'"),
        (lambda ctx: ctx.get_many("SF"), TypeError, "get_many() takes references as a list, not 'SF'."),
        (lambda ctx: ctx.get_many([Ref(City, "SF")], ["SF"]), TypeError, "a class and ids, or references alone."),
        (lambda ctx: ctx.get_many([Ref(City, "SF")], parent=Ref(City, "SF")), TypeError, "or references alone."),
        (lambda ctx: ctx.get_many([Ref.from_path("cities/SF")]), CendryError, "doesn't know the model"),
        (lambda ctx: ctx.get_many(City, ["SF", ".."]), InvalidDocumentIdError, "a lone '.' or '..' is reserved"),
        (lambda ctx: ctx.get_many(City, "SF"), TypeError, "get_many() takes ids as a list, not 'SF'."),
        (
            lambda ctx: ctx.get_many(City, [Ref(Stamped, "SF")]),
            TypeError,
            "Ref(Stamped, 'SF') is not a document of City ('cities').",
        ),
        (lambda ctx: ctx.delete_many(City, [Ref(Stamped, "SF")]), TypeError, "is not a document of City ('cities')."),
        (lambda ctx: ctx.get(City, "SF", parent="x"), TypeError, "parent= takes a model instance or a Ref, not 'x'."),
        (
            lambda ctx: ctx.get(Ref.from_path("cities/SF", model=City, database="projects/p/databases/d")),
            ForeignReferenceError,
            "points into a database other than",
        ),
        (lambda ctx: ctx.get(Ref.from_path("cities/SF")), CendryError, "use ref.as_model(City)"),
        (lambda ctx: ctx.refresh(City(name="x")), CendryError, "This City has no id; set one, or save() it first."),
    ],
)
def test_wrong_targets_are_refused_before_anything_is_sent(
    ctx: Any, stored: Any, call: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        call(ctx)
    assert message in str(caught.value)
    assert stored.calls == []


HOME = "projects/p/databases/d"
TO_A_REFERENCE: list[Any] = [
    lambda ctx, ref: ctx.get(ref),
    lambda ctx, ref: ctx.find(ref),
    lambda ctx, ref: ctx.get_many([ref])[0],
    lambda ctx, ref: ctx.get_many(City, [ref])[0],
    lambda ctx, ref: ctx.exists(ref),
    lambda ctx, ref: ctx.refresh(ref),
    lambda ctx, ref: ctx.update(ref, City.population.set(6)) or True,
    lambda ctx, ref: ctx.merge(ref, City.name.set("x"), City.population.set(6)) or True,
    lambda ctx, ref: ctx.delete(ref, must_exist=True) or True,
    lambda ctx, ref: ctx.delete_many([ref], must_exist=True) or True,
    lambda ctx, ref: ctx.delete_many(City, [ref], must_exist=True) or True,
    lambda ctx, ref: ctx.get(Area, "a", parent=ref),
    lambda ctx, ref: ctx.get_many(Area, ["a"], parent=ref)[0],
    lambda ctx, ref: ctx.save(Area(name="x"), parent=ref) or True,
    lambda ctx, ref: ctx.select(Area, parent=ref).one(),
    lambda ctx, ref: ctx.select_group(Area, parent=ref).one(),
    lambda ctx, ref: ctx.find_many([ref])[0],
    lambda ctx, ref: ctx.find_many(City, [ref])[0],
    lambda ctx, ref: ctx.fetch_refs([City(name="x", twin=ref)], City.twin)[ref],
    lambda ctx, ref: ctx.select(Area).under(ref).one(),
    lambda ctx, ref: ctx.select_group(Area).under(ref).one(),
    lambda ctx, ref: ctx.select(Query(Area, parent=ref)).one(),
    lambda ctx, ref: ctx.select(Query(Area, parent=ref)).page(1).items,
    lambda ctx, ref: ctx.select(Query(Area).under(ref)).values(Area.name).one(),
    lambda ctx, ref: ctx.select(Area).under(ref).count(),
    lambda ctx, ref: ctx.select(Area).under(ref).sum(Area.rank) + 1,
    lambda ctx, ref: next(iter(ctx.select(Area).under(ref).paginate(2))),
    lambda ctx, ref: ctx.get(Ref(Area, "a", parent=ref)),
    lambda ctx, ref: ctx.save(Spot(name="x"), parent=Ref(Area, "a", parent=ref)),
    lambda ctx, ref: ctx.transaction(lambda txn: txn.get(City, "SF")) and ctx.get(ref),
]


@pytest.mark.parametrize("call", TO_A_REFERENCE)
def test_a_reference_that_names_the_database_of_the_context_is_followed(ctx: Any, stored: Any, call: Any) -> None:
    stored.database = HOME
    assert call(ctx, Ref.from_path("cities/SF", model=City, database=HOME))
    assert stored.calls


@pytest.mark.parametrize("call", TO_A_REFERENCE[:-1])
def test_a_reference_that_names_another_database_is_not_followed(ctx: Any, stored: Any, call: Any) -> None:
    foreign = Ref.from_path("cities/SF", model=City, database="projects/p/databases/other")
    for home in (HOME, "the one in memory"):
        stored.database = home
        with pytest.raises(ForeignReferenceError) as caught:
            call(ctx, foreign)
        found: Any = caught.value.reference
        assert (foreign.database, home) == (found.database, caught.value.database)
        assert found.path in ("cities/SF", "cities/SF/areas/a")
    # A backend need not say what its database is called.
    stored.database = None
    with pytest.raises(CendryError, match="points into another database"):
        call(ctx, foreign)
    assert [] == stored.calls


def test_a_reference_that_names_a_database_is_left_to_the_backend(ctx: Any, stored: Any) -> None:
    foreign: Any = Ref.from_path("cities/SF", model=City, database=HOME)
    for use in (
        lambda: ctx.select(City, City.id == foreign).to_list(),
        lambda: ctx.select(City, City.id.is_in([foreign])).to_list(),
        lambda: ctx.select(City, order_by=City.id, start_at={City.id: foreign}).to_list(),
    ):
        with pytest.raises(ForeignReferenceError):
            use()


def test_a_document_that_does_not_fit_is_named(ctx: Any, backend: Any) -> None:
    backend.put("cities/SF", {"displayName": "x", "population": "many", "mayor": 5})
    for read in (lambda: ctx.get(City, "SF"), lambda: ctx.get_many(City, ["SF"])):
        with pytest.raises(DecodeError) as caught:
            read()
        error = caught.value
        assert (error.path, error.model, error.field) == ("cities/SF", "City", "population")
        assert str(error) == (
            "Document 'cities/SF' doesn't fit City: population: expected int, found str 'many' "
            "(1 more problem; cendry.validate() lists them all)."
        )


def test_refresh(ctx: Any, stored: Any) -> None:
    city = ctx.get(City, "SF")
    stored.put("cities/SF", {"displayName": "new", "population": 6})
    ctx.refresh(city)
    assert (city.name, city.population) == ("new", 6)
    assert get_metadata(city).update_time == stored.documents["cities/SF"].update_time


def test_refresh_of_a_reference_returns_an_instance(ctx: Any, stored: Any) -> None:
    assert ctx.refresh(Ref(City, "SF")) == ctx.get(City, "SF")
    with pytest.raises(DocumentNotFoundError):
        ctx.refresh(Ref(City, "NY"))


def test_a_failed_refresh_changes_nothing(ctx: Any, stored: Any) -> None:
    city = ctx.get(City, "SF")
    before = dict(vars(city)), get_metadata(city)
    stored.put("cities/SF", {"displayName": 5})
    with pytest.raises(DecodeError):
        ctx.refresh(city)
    stored.remove(*stored.documents)
    with pytest.raises(DocumentNotFoundError, match="cities/SF"):
        ctx.refresh(city)
    assert (dict(vars(city)), get_metadata(city)) == before


def test_refs(ctx: Any, stored: Any) -> None:
    city = ctx.get(City, "SF")
    assert ctx.ref_of(city) == ref_of(city) == Ref(City, "SF")
    assert ctx.ref_of(city).model is City
    area = ctx.get(Area, "a", parent=city)
    assert ref_of(area) == Ref(Area, "a", parent=city)
    with pytest.raises(CendryError, match="This City has no id; set one, or save\\(\\) it first"):
        ref_of(City(name="x"))
    with pytest.raises(TypeError, match="Expected an instance of a Model, not 5"):
        ref_of(5)  # type: ignore[type-var]


# get_or_create, update_or_create


def test_get_or_create(ctx: Any, backend: Any) -> None:
    city, created = ctx.get_or_create(City, "SF", {"name": "x", City.population: 5})
    assert (city, created) == (City(id="SF", name="x", population=5), True)
    assert get_metadata(city).create_time == backend.documents["cities/SF"].create_time
    again, created = ctx.get_or_create(City, "SF", defaults={"name": "y"})
    assert (again, created) == (city, False)
    area, created = ctx.get_or_create(Area, "a", {"name": "z"}, parent=city)
    assert (get_metadata(area).path, created) == ("cities/SF/areas/a", True)
    stamped, _ = ctx.get_or_create(Stamped, "x")
    assert stamped.created == NOW


def test_update_or_create(ctx: Any, backend: Any) -> None:
    city, created = ctx.update_or_create(City, "SF", {"name": "x"})
    assert (city, created) == (City(id="SF", name="x"), True)
    city, created = ctx.update_or_create(City, "SF", {"population": Increment(5), "mayor": Mayor(name="m")})
    assert (city.mayor, created) == (Mayor(name="m"), False)
    ctx.refresh(city)
    assert city.population == 5
    city, created = ctx.update_or_create(City, "SF")
    assert (city.population, created) == (5, False)
    city, created = ctx.update_or_create(
        City, "LA", {"population": Increment(5)}, create_defaults={"name": "l", "population": 1}
    )
    assert (city, created) == (City(id="LA", name="l", population=1), True)
    area, created = ctx.update_or_create(Area, "a", {"name": "z"}, parent=city)
    assert (get_metadata(area).path, created) == ("cities/LA/areas/a", True)
    area, created = ctx.update_or_create(Area, "a", {"rank": 2}, parent=city)
    assert (area.rank, created) == (2, False)
    assert get_metadata(area).update_time == backend.documents["cities/LA/areas/a"].update_time


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda ctx: ctx.get_or_create(City, "SF", {"nam": 1}), UnknownFieldError, "City has no field 'nam'."),
        (
            lambda ctx: ctx.get_or_create(City, "SF", {"mayor.name": 1}),
            CendryError,
            "'mayor.name' can't be in defaults for a new City: use whole top-level fields",
        ),
        (lambda ctx: ctx.get_or_create(City, "SF", {"id": "x"}), CendryError, "'id' can't be in defaults"),
        (
            lambda ctx: ctx.update_or_create(City, "SF", {"population": Increment(1)}),
            CendryError,
            "Increment(value=1) changes what is stored, and a new City has nothing stored: "
            "pass the values of a new document to update_or_create() as create_defaults=.",
        ),
        (
            lambda ctx: ctx.update_or_create(City, "SF", {}, create_defaults={"mayor.name": 1}),
            CendryError,
            "'mayor.name' can't be in create_defaults for a new City",
        ),
        (lambda ctx: ctx.get_or_create(City, "SF"), TypeError, "name"),
        (lambda ctx: ctx.get_or_create(City, "SF", [1]), TypeError, "defaults= takes values as a dict"),
        (
            lambda ctx: ctx.update_or_create(City, "SF", create_defaults=5),
            TypeError,
            "create_defaults= takes values as a dict ({City.name: 'x'}) or typed",
        ),
        (lambda ctx: ctx.get_or_create(City, "SF", {"name": 5}), InvalidValueError, "City.name: expected str"),
    ],
)
def test_new_documents_are_made_of_whole_fields(
    ctx: Any, backend: Any, call: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        call(ctx)
    assert message in str(caught.value)
    assert backend.documents == {}


@pytest.mark.parametrize(("twin", "backend"), [(Cendry, MemoryBackend), (AsyncCendry, AsyncMemoryBackend)])
def test_a_backend_is_no_client(twin: Any, backend: Any) -> None:
    with pytest.raises(TypeError, match=r"client= takes a client of the Firestore SDK, not a backend; pass backend=<"):
        twin(backend())
