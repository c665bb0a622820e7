# What raises here is the end of a block, so that pytest.raises() has to hold one.
# ruff: noqa: PT012, SIM117

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from cendry import (
    AsyncCendry,
    AsyncTransaction,
    Cendry,
    CendryError,
    DocumentAlreadyExistsError,
    DocumentNotFoundError,
    Increment,
    InvalidRequestError,
    Query,
    Ref,
    Transaction,
    TransactionContentionError,
    get_metadata,
)
from cendry._context.transaction import LONGEST_PAUSE
from cendry_memory.testing.driver import Driven
from core.documents import NOW, Area, City, Stamped
from core.recording import AsyncRecordingBackend, RecordingBackend


@pytest.fixture
def sf(backend: Any) -> Any:
    backend.put("cities/SF", {"displayName": "x", "population": 1})
    backend.calls.clear()
    return backend


def names(backend: Any) -> list[str]:
    return [name for name, _ in backend.calls]


# As a context manager, in both twins


def test_reads_then_writes_take_effect_together(ctx: Any, sf: Any) -> None:
    new = City(name="n")
    with ctx.transaction() as txn:
        city = txn.get(City, "SF")
        assert txn.get(Ref(City, "SF")) == city
        assert txn.find(City, "LA") is None
        assert [one.id for one in txn.get_many(City, ["SF", "SF"])] == ["SF", "SF"]
        assert txn.exists(City, "SF")
        assert txn.select(City).count() == 1
        assert [one.id for one in txn.select(City, City.population == 1)] == ["SF"]
        assert txn.select(Query(City)).ids() == ["SF"]
        assert txn.select_group(City).first() == city
        txn.update(city, {City.population: city.population + 1})
        txn.save(new)
        txn.create(City(id="LA", name="l"))
        txn.delete(City, "absent")
        assert (city.population, sf.data("cities/SF")["population"]) == (1, 1)
    assert (city.population, sf.data("cities/SF")["population"]) == (2, 2)
    assert set(sf.documents) == {"cities/SF", "cities/LA", f"cities/{new.id}"}
    assert get_metadata(new).path == f"cities/{new.id}"
    assert names(sf)[0] == "begin"
    assert names(sf).count("commit") == 1


def test_an_exception_rolls_back_and_passes_untouched(ctx: Any, sf: Any) -> None:
    new, error = City(name="n"), RuntimeError("mine")
    with pytest.raises(RuntimeError) as caught, ctx.transaction() as txn:
        txn.save(new)
        raise error
    assert caught.value is error
    assert (new.id, names(sf), list(sf.documents)) == (None, ["begin", "rollback"], ["cities/SF"])


def test_a_failed_rollback_hides_nothing(ctx: Any, sf: Any) -> None:
    sf.fail("rollback", ConnectionError())
    with pytest.raises(RuntimeError, match="mine"), ctx.transaction():
        raise RuntimeError("mine")


def test_a_context_manager_is_a_single_attempt(ctx: Any, sf: Any) -> None:
    stamped = Stamped(id="s")
    sf.fail("commit", TransactionContentionError())
    with pytest.raises(TransactionContentionError, match="after 1 attempt"), ctx.transaction() as txn:
        txn.save(stamped)
    assert (names(sf), stamped.updated) == (["begin", "commit", "rollback"], None)


def test_errors_of_the_commit_keep_their_meaning(ctx: Any, sf: Any) -> None:
    new = City(name="n")
    with pytest.raises(DocumentAlreadyExistsError, match="cities/SF"), ctx.transaction() as txn:
        txn.save(new)
        txn.create(City(id="SF", name="y"))
    assert new.id is None
    with pytest.raises(DocumentNotFoundError, match="cities/LA"), ctx.transaction() as txn:
        txn.update(City, "LA", {"name": "y"})


def test_an_unknown_outcome_keeps_automatic_ids(ctx: Any, sf: Any) -> None:
    new = City(name="n")
    sf.fail("commit", ConnectionError())
    with pytest.raises(ConnectionError), ctx.transaction() as txn:
        txn.save(new)
    assert new.id is not None


def test_a_transaction_that_only_reads_ends_too(ctx: Any, sf: Any) -> None:
    with ctx.transaction(read_only=True) as txn:
        assert txn.get(City, "SF").name == "x"
    assert names(sf) == ["begin", "get", "rollback"]
    assert not sf.transactions[-1][0].is_open


def test_a_transaction_that_wrote_nothing_ends_with_a_rollback(ctx: Any, sf: Any) -> None:
    sf.fail("rollback", ConnectionError())
    with ctx.transaction() as txn:
        assert txn.get(City, "SF").name == "x"
    assert names(sf) == ["begin", "get", "rollback"]
    sf.calls.clear()
    with ctx.transaction():
        pass
    assert names(sf) == ["begin", "rollback"]


def test_read_after_write(ctx: Any, sf: Any) -> None:
    message = r"^In a transaction, all reads come before the first write; move this read up\.$"
    with ctx.transaction() as txn:
        query = txn.select(City)
        txn.delete(City, "LA")
        for read in (
            lambda: txn.get(City, "SF"),
            lambda: txn.find(City, "SF"),
            lambda: txn.get_many(City, ["SF"]),
            lambda: txn.exists(City, "SF"),
            query.to_list,
            query.count,
            lambda: list(query),
            lambda: list(query.project("name")),
            lambda: list(query.paginate(1)),
        ):
            with pytest.raises(CendryError, match=message):
                read()
    assert names(sf) == ["begin", "commit"]


def test_a_write_in_a_read_only_transaction(ctx: Any, sf: Any) -> None:
    new = City(name="n")
    with ctx.transaction(read_only=True) as txn:
        for write in (
            lambda: txn.save(new),
            lambda: txn.create(new),
            lambda: txn.update(City, "SF", {"name": "y"}),
            lambda: txn.delete(City, "SF"),
        ):
            with pytest.raises(CendryError, match="This transaction is read-only; begin one without read_only=True"):
                write()
    assert (new.id, list(sf.documents)) == (None, ["cities/SF"])


def test_use_after_the_end(ctx: Any, sf: Any) -> None:
    sf.put("cities/LA", {"displayName": "l"})
    with ctx.transaction() as txn:
        query = txn.select(City)
        running = iter(query)
        next(running)
    sf.calls.clear()
    for use in (
        lambda: txn.get(City, "SF"),
        lambda: txn.save(City(name="n")),
        lambda: txn.delete(City, "SF"),
        query.first,
        lambda: list(query),
        lambda: next(running),
    ):
        with pytest.raises(CendryError, match="This transaction has ended; nothing can be read or written in it"):
            use()
    assert sf.calls == []


class Breaking(RecordingBackend):
    """Its streams break after their last result."""

    def run(self, *arguments: Any, **options: Any) -> Any:
        yield from super().run(*arguments, **options)
        raise InvalidRequestError("the transaction has ended.")


class AsyncBreaking(AsyncRecordingBackend):
    """The async twin."""

    async def run(self, *arguments: Any, **options: Any) -> Any:
        async for result in super().run(*arguments, **options):
            yield result
        raise InvalidRequestError("the transaction has ended.")


def test_what_a_stream_raises_after_the_end_is_the_cause(make: Any, twin: str) -> None:
    backend: Any = Breaking() if twin == "sync" else AsyncBreaking()
    backend.put("cities/SF", {"displayName": "x"})
    ctx = make(backend=backend)
    with ctx.transaction() as txn:
        running = iter(txn.select(City))
        next(running)
        with pytest.raises(InvalidRequestError):
            list(txn.select(City))
    with pytest.raises(CendryError, match="This transaction has ended") as caught:
        next(running)
    assert isinstance(caught.value.__cause__, InvalidRequestError)


def test_a_transaction_in_a_transaction() -> None:
    backend = RecordingBackend()
    ctx, other, elsewhere = Cendry(backend=backend), Cendry(backend=backend), Cendry(backend=RecordingBackend())
    with ctx.transaction():
        for nested in (
            lambda: ctx.transaction().__enter__(),
            lambda: other.transaction(print),
            lambda: ctx.update_or_create(City, "SF", {"name": "y"}),
        ):
            with pytest.raises(CendryError, match="A transaction is already running here, and the new one could wait"):
                nested()
        with elsewhere.transaction() as txn:
            txn.save(City(id="SF", name="x"))
        threads = [threading.Thread(target=lambda: ctx.transaction(lambda txn: txn.delete(City, "SF")))]
        threads[0].start()
        threads[0].join()
    assert backend.plans("commit")[0] != ()
    with pytest.raises(RuntimeError), ctx.transaction():
        raise RuntimeError
    with ctx.transaction():
        pass


async def test_an_async_transaction_in_a_transaction() -> None:
    backend = AsyncRecordingBackend()
    ctx = AsyncCendry(backend=backend)
    elsewhere = AsyncCendry(backend=AsyncRecordingBackend())

    async def inner(txn: AsyncTransaction) -> None:
        txn.save(City(id="SF", name="x"))

    async def outer(txn: AsyncTransaction) -> None:
        with pytest.raises(CendryError, match="A transaction is already running here"):
            await ctx.transaction(inner)
        with pytest.raises(CendryError, match="A transaction is already running here"):
            async with ctx.transaction():
                pass
        with pytest.raises(CendryError, match="A transaction is already running here"):
            await asyncio.ensure_future(ctx.transaction(inner))
        await elsewhere.transaction(inner)

    await ctx.transaction(outer)
    async with ctx.transaction():
        with pytest.raises(CendryError, match="A transaction is already running here"):
            await ctx.transaction(inner)
    await ctx.transaction(inner)
    assert "cities/SF" in backend.documents


def test_the_501st_write_is_refused(ctx: Any, sf: Any) -> None:
    with ctx.transaction() as txn:
        for index in range(500):
            txn.delete(City, str(index))
        with pytest.raises(CendryError, match="at most 500 writes, and this is write number 501"):
            txn.delete(City, "x")


def test_a_caught_abort_of_a_read_is_no_success(ctx: Any, sf: Any) -> None:
    sf.fail("get", TransactionContentionError())
    new = City(name="n")
    with pytest.raises(TransactionContentionError), ctx.transaction() as txn:
        with pytest.raises(TransactionContentionError):
            txn.get(City, "SF")
        txn.save(new)
    assert (new.id, names(sf)) == (None, ["begin", "get", "rollback"])
    sf.fail("run", TransactionContentionError())
    with pytest.raises(TransactionContentionError), ctx.transaction() as txn:
        with pytest.raises(TransactionContentionError):
            list(txn.select(City))


def test_listeners_stay_outside() -> None:
    ctx = Cendry(backend=RecordingBackend())
    with ctx.transaction() as txn, pytest.raises(CendryError, match="A transaction has no listeners"):
        txn.select(City).on_snapshot(print)


def test_subcollections(ctx: Any, sf: Any) -> None:
    with ctx.transaction() as txn:
        city = txn.get(City, "SF")
        area = Area(name="a")
        txn.save(area, parent=city)
    with ctx.transaction() as txn:
        found = txn.select(Area, parent=city).one()
        txn.update(found, {"rank": 3})
    assert sf.data(f"cities/SF/areas/{area.id}")["rank"] == 3


def test_get_or_create_inside(ctx: Any, sf: Any) -> None:
    with ctx.transaction() as txn:
        found, created = txn.get_or_create(City, "SF", {City.name: "other"})
        assert (found.name, created) == ("x", False)
        new, created = txn.get_or_create(City, "LA", [City.name.set("l")])
        assert (new.id, new.name, created) == ("LA", "l", True)
        with pytest.raises(CendryError, match="all reads come before the first write"):
            txn.get_or_create(City, "NY", {City.name: "n"})
        assert "cities/LA" not in sf.documents
    assert sf.data("cities/LA")["displayName"] == "l"
    assert get_metadata(new).path == "cities/LA"


def test_update_or_create_inside(ctx: Any, sf: Any) -> None:
    with ctx.transaction() as txn:
        found, created = txn.update_or_create(City, "SF", {City.population: Increment(4)})
        assert (found.id, created) == ("SF", False)
    assert sf.data("cities/SF")["population"] == 5
    with ctx.transaction() as txn:
        new, created = txn.update_or_create(City, "LA", {City.population: 2}, create_defaults={City.name: "l"})
        assert (new.name, created) == ("l", True)
    assert sf.data("cities/LA")["displayName"] == "l"
    with ctx.transaction() as txn:
        assert txn.update_or_create(City, "LA")[1] is False
        area, _ = txn.update_or_create(Area, "a", {Area.name: "a"}, parent=new)
    assert sf.data("cities/LA/areas/a")["name"] == area.name


def test_what_creates_is_refused_before_it_reads(ctx: Any, sf: Any) -> None:
    with ctx.transaction(read_only=True) as txn:
        for method in (txn.get_or_create, txn.update_or_create):
            with pytest.raises(CendryError, match="read-only"):
                method(City, "LA", {City.name: "l"})
    with pytest.raises(CendryError, match="has ended"):
        txn.get_or_create(City, "LA", {City.name: "l"})
    assert "get" not in names(sf)


def test_refresh_inside(ctx: Any, sf: Any) -> None:
    city = ctx.get(City, "SF")
    sf.put("cities/SF", {"displayName": "y", "population": 7})
    with ctx.transaction() as txn:
        txn.refresh(city)
        assert (city.name, city.population) == ("y", 7)
        assert txn.refresh(Ref(City, "SF")) == city
        with pytest.raises(DocumentNotFoundError):
            txn.refresh(City(id="none", name="n"))
        txn.delete(city)
        with pytest.raises(CendryError, match="all reads come before the first write"):
            txn.refresh(city)
    assert "cities/SF" not in sf.documents


# With a function: the sync twin


@pytest.fixture
def store() -> RecordingBackend:
    backend = RecordingBackend()
    backend.put("cities/SF", {"displayName": "x", "population": 1})
    backend.calls.clear()
    return backend


@pytest.fixture
def plain(store: RecordingBackend, pauses: Any) -> Cendry:
    return Cendry(backend=store, clock=lambda: NOW, random=pauses)


def test_the_result_of_the_function_is_given_back(plain: Cendry, store: RecordingBackend) -> None:
    def grow(txn: Transaction) -> int:
        city = txn.get(City, "SF")
        city.population += 1
        txn.save(city)
        return city.population

    assert plain.transaction(grow) == 2
    assert names(store) == ["begin", "get", "commit"]


@pytest.mark.parametrize("call", ["begin", "get", "commit"])
def test_contention_is_tried_again_wherever_it_strikes(
    plain: Cendry, store: RecordingBackend, pauses: Any, call: str
) -> None:
    store.fail(call, TransactionContentionError(), times=3)
    seen: list[City] = []

    def grow(txn: Transaction) -> int:
        city = txn.get(City, "SF")
        assert all(city is not one for one in seen)
        seen.append(city)
        txn.update(city, {City.population: city.population + 1})
        return city.population + 1

    assert plain.transaction(grow) == 2
    assert store.data("cities/SF")["population"] == 2
    assert pauses.asked == [0.5, 1.0, 2.0]
    handles = [handle for handle, _ in store.transactions]
    assert [retry_of for _, retry_of in store.transactions] == [None, *handles[:-1]]


def test_pauses_grow_to_a_longest(plain: Cendry, store: RecordingBackend, pauses: Any) -> None:
    store.fail("commit", TransactionContentionError(), times=9)
    plain.transaction(lambda txn: txn.delete(City, "LA"), max_attempts=10)
    assert pauses.asked[-3:] == [LONGEST_PAUSE] * 3


def test_captured_instances_keep_no_trace_of_a_lost_attempt(plain: Cendry, store: RecordingBackend) -> None:
    new, stamped = City(name="n"), Stamped(id="s")
    known = plain.get(City, "SF")
    before = get_metadata(known)
    ids: list[str | None] = []

    def write(txn: Transaction) -> None:
        ids.append(new.id)
        assert (stamped.updated, known.population, get_metadata(known)) == (None, 1, before)
        txn.save(new)
        txn.save(stamped)
        txn.update(known, {"population": 9})

    store.fail("commit", TransactionContentionError(), times=2)
    plain.transaction(write)
    assert ids == [None, None, None]
    assert (stamped.updated, known.population) == (NOW, 9)
    assert len(store.documents) == 3

    store.fail("commit", TransactionContentionError(), times=9)
    other = City(name="o")
    with pytest.raises(TransactionContentionError):
        plain.transaction(lambda txn: txn.save(other))
    assert other.id is None


def test_a_caught_abort_is_tried_again(plain: Cendry, store: RecordingBackend) -> None:
    store.fail("get", TransactionContentionError())

    def careless(txn: Transaction) -> str:
        try:
            return txn.get(City, "SF").name
        except TransactionContentionError:
            return "none"

    assert plain.transaction(careless) == "x"


def test_an_error_of_the_function_passes_untouched(plain: Cendry, store: RecordingBackend) -> None:
    error = KeyError("mine")

    def fails(txn: Transaction) -> None:
        txn.delete(City, "SF")
        raise error

    with pytest.raises(KeyError) as caught:
        plain.transaction(fails)
    assert caught.value is error
    assert (names(store), "cities/SF" in store.documents) == (["begin", "rollback"], True)
    plain.transaction(lambda txn: txn.delete(City, "SF"))
    assert store.documents == {}


def test_real_contention_loses_nothing(store: RecordingBackend) -> None:
    ctx = Cendry(backend=store)

    def grow(txn: Transaction) -> None:
        city = txn.get(City, "SF")
        txn.update(city, {City.population: city.population + 1})

    def work() -> None:
        for _ in range(5):
            ctx.transaction(grow, max_attempts=50)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.data("cities/SF")["population"] == 21


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda ctx: ctx.transaction(print, max_attempts=0),
            ValueError,
            "max_attempts= takes an int of 1 or more, not 0.",
        ),
        (lambda ctx: ctx.transaction(print, max_attempts=True), ValueError, "not True."),
        (lambda ctx: ctx.transaction(print, read_only="x"), TypeError, "read_only= takes True or False, not 'x'."),
        (lambda ctx: ctx.transaction(read_only=None), TypeError, "read_only= takes True or False, not None."),
        (lambda ctx: ctx.transaction(print, max_attempts="5"), ValueError, "not '5'."),
        (
            lambda ctx: ctx.transaction(5),
            TypeError,
            "transaction() takes a function of one argument, the transaction, not 5.",
        ),
    ],
)
def test_wrong_arguments(
    ctx: Any, backend: Any, call: Callable[[Any], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        call(ctx)
    assert message in str(caught.value)
    assert backend.calls == []


def test_an_async_function_in_the_sync_twin(plain: Cendry, store: RecordingBackend) -> None:
    async def wrong(txn: Transaction) -> None:
        raise AssertionError("never run")

    with pytest.raises(TypeError, match="takes a plain function; use AsyncCendry for an async one"):
        plain.transaction(wrong)  # type: ignore[unused-coroutine]
    assert names(store) == ["begin", "rollback"]


def test_a_generator_function_in_the_sync_twin(plain: Cendry, store: RecordingBackend) -> None:
    def wrong(txn: Transaction) -> Any:
        yield txn

    async def wronger(txn: Transaction) -> Any:
        yield txn

    for function in (wrong, wronger):
        with pytest.raises(TypeError, match="this one is a generator"):
            plain.transaction(function)
    assert names(store) == ["begin", "rollback"] * 2


# With a function: the async twin


@pytest.fixture
def async_store() -> AsyncRecordingBackend:
    backend = AsyncRecordingBackend()
    backend.put("cities/SF", {"displayName": "x", "population": 1})
    backend.calls.clear()
    return backend


@pytest.fixture
def actx(async_store: AsyncRecordingBackend, pauses: Any) -> AsyncCendry:
    return AsyncCendry(backend=async_store, clock=lambda: NOW, random=pauses)


async def test_an_async_function(actx: AsyncCendry, async_store: AsyncRecordingBackend, pauses: Any) -> None:
    new = City(name="n")
    ids: list[str | None] = []

    async def grow(txn: AsyncTransaction) -> int:
        ids.append(new.id)
        city = await txn.get(City, "SF")
        assert [one.id async for one in txn.select(City)] == ["SF"]
        txn.update(city, {City.population: Increment(1)})
        txn.save(new)
        return city.population + 1

    for call in ("begin", "get", "run", "commit"):
        async_store.fail(call, TransactionContentionError())
    assert await actx.transaction(grow) == 2
    assert (async_store.data("cities/SF")["population"], ids) == (2, [None] * 4)
    assert pauses.asked == [0.5, 1.0, 2.0, 4.0]


async def test_real_contention_loses_nothing_in_tasks(async_store: AsyncRecordingBackend) -> None:
    ctx = AsyncCendry(backend=async_store)

    async def grow(txn: AsyncTransaction) -> None:
        city = await txn.get(City, "SF")
        await asyncio.sleep(0)
        txn.update(city, {City.population: city.population + 1})

    async def work() -> None:
        for _ in range(5):
            await ctx.transaction(grow, max_attempts=50)

    await asyncio.gather(*(work() for _ in range(4)))
    assert async_store.data("cities/SF")["population"] == 21


async def test_a_plain_function_in_the_async_twin(actx: AsyncCendry, async_store: AsyncRecordingBackend) -> None:
    with pytest.raises(TypeError, match=r"takes an async function; this one returned 5"):
        await actx.transaction(lambda txn: 5)  # type: ignore[arg-type,return-value]
    assert names(async_store) == ["begin", "rollback"]


@pytest.mark.parametrize("with_function", [True, False])
async def test_a_cancelled_transaction_rolls_back(
    actx: AsyncCendry, async_store: AsyncRecordingBackend, with_function: bool
) -> None:
    inside, new = asyncio.Event(), City(name="n")

    async def wait(txn: AsyncTransaction) -> None:
        txn.save(new)
        inside.set()
        await asyncio.sleep(60)

    async def scope() -> None:
        async with actx.transaction() as txn:
            await wait(txn)

    task = asyncio.ensure_future(actx.transaction(wait) if with_function else scope())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (names(async_store), new.id) == (["begin", "rollback"], None)
    assert not async_store.transactions[0][0].is_open


async def test_a_rollback_is_finished_though_cancelled_again(pauses: Any) -> None:
    rolling, release = asyncio.Event(), asyncio.Event()

    class Slow(AsyncRecordingBackend):
        async def rollback(self, transaction: Any, **options: Any) -> None:
            rolling.set()
            await release.wait()
            await super().rollback(transaction, **options)

    backend = Slow()
    ctx = AsyncCendry(backend=backend)
    inside = asyncio.Event()

    async def wait(txn: AsyncTransaction) -> None:
        inside.set()
        await asyncio.sleep(60)

    task = asyncio.ensure_future(ctx.transaction(wait))
    await inside.wait()
    task.cancel()
    await rolling.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert backend.transactions[0][0].is_open
    release.set()
    await asyncio.sleep(0.01)
    assert not backend.transactions[0][0].is_open


async def test_a_cancelled_commit_has_an_unknown_outcome(actx: AsyncCendry, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = asyncio.Event()

    class Slow(AsyncRecordingBackend):
        async def commit(self, writes: Any, **options: Any) -> Any:
            sent.set()
            await asyncio.sleep(60)

    ctx, new = AsyncCendry(backend=Slow()), City(name="n")
    task = asyncio.ensure_future(ctx.save(new))
    await sent.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert new.id is not None


def test_a_task_that_outlives_its_transaction_may_begin_one(async_store: AsyncRecordingBackend) -> None:
    ctx = AsyncCendry(backend=async_store)

    async def main() -> None:
        release = asyncio.Event()

        async def later() -> None:
            await release.wait()
            async with ctx.transaction() as txn:
                txn.save(City(id="LA", name="l"))

        async with ctx.transaction():
            task = asyncio.ensure_future(later())
            await asyncio.sleep(0)
        release.set()
        await task

    asyncio.run(main())
    assert "cities/LA" in async_store.documents


def test_the_driven_twin_is_the_async_one(make: Any, backend: Any, twin: str) -> None:
    assert isinstance(make(backend=backend), Cendry if twin == "sync" else Driven)
