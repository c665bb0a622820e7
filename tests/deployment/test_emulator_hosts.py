"""What a wrong value of the variables that name emulators leads to: an error within seconds, or a warning."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from cendry import AsyncCendry, Cendry, CendryError, DatastoreBackend, Field, FirestoreBackend, Model
from cendry._interop import emulator
from cendry._interop.emulator import Emulator
from cendry._interop.grpc import EmulatorDeadline, RetryPolicy
from cendry.backend import DEFAULT_RETRY
from cendry.plan import QueryPlan
from cendry_firestore._sdk import API
from firestore.faulty import FaultyServer
from google.api_core.exceptions import DeadlineExceeded, FailedPrecondition, GoogleAPICallError, ServiceUnavailable
from google.api_core.retry import Retry
from google.api_core.retry_async import AsyncRetry
from google.auth.credentials import Credentials
from google.cloud.firestore import AsyncClient, Client

VARIABLES = ("FIRESTORE_EMULATOR_HOST", "DATASTORE_EMULATOR_HOST")


class Item(Model, collection="items"):
    n: Field[int]


@pytest.fixture
def closed_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@pytest.fixture
def nothing_listens(closed_port: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """The host that both variables name."""
    host = f"127.0.0.1:{closed_port}"
    for variable in VARIABLES:
        monkeypatch.setenv(variable, host)
    return host


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulator, "PATIENCE", 0.3)


def refused(call: Callable[[], object], host: str, variable: str = VARIABLES[0]) -> None:
    """Call, and expect the error within seconds."""
    started = time.monotonic()
    with pytest.raises(CendryError, match=f"^Nothing answers at {host}, the emulator that {variable} names") as caught:
        call()
    assert "refused" in str(caught.value)
    assert "Start the emulator, or unset the variable to use" in str(caught.value)
    assert time.monotonic() - started < 30
    assert isinstance(caught.value.__cause__, GoogleAPICallError)


def calls_of(ctx: Cendry) -> list[Callable[[], object]]:
    item = Item(id="a", n=1)
    return [
        lambda: ctx.get(Item, "a"),
        lambda: ctx.get_many(Item, ["a", "b"]),
        lambda: ctx.save(item),
        lambda: ctx.create(item),
        lambda: ctx.update(Item, "a", {Item.n: 1}),
        lambda: ctx.delete(Item, "a"),
        lambda: ctx.select(Item).to_list(),
        lambda: ctx.select(Item).count(),
        lambda: ctx.transaction(lambda txn: txn.get(Item, "a")),
    ]


def at_once(calls: list[Callable[[], object]], *arguments: str) -> None:
    with ThreadPoolExecutor(len(calls)) as pool:
        for done in [pool.submit(refused, call, *arguments) for call in calls]:
            done.result()


@pytest.mark.slow
def test_nothing_listens(nothing_listens: str) -> None:
    with Cendry(project="p") as ctx:
        at_once(calls_of(ctx), nothing_listens)


@pytest.mark.slow
def test_nothing_listens_for_datastore(nothing_listens: str) -> None:
    backend = DatastoreBackend(project="p")
    at_once(calls_of(Cendry(backend=backend)), nothing_listens, VARIABLES[1])
    backend.close()


@pytest.mark.slow
def test_nothing_listens_for_the_async_twin(nothing_listens: str) -> None:
    async def use(call: Callable[[AsyncCendry], Awaitable[object]]) -> None:
        async with AsyncCendry(project="p") as ctx:
            await call(ctx)

    async def read(ctx: AsyncCendry) -> None:
        async for _ in ctx.select(Item):
            pass

    calls: list[Callable[[AsyncCendry], Awaitable[object]]] = [
        lambda ctx: ctx.get(Item, "a"),
        lambda ctx: ctx.save(Item(id="a", n=1)),
        lambda ctx: ctx.select(Item).count(),
        read,
    ]
    at_once([lambda call=call: asyncio.run(use(call)) for call in calls], nothing_listens)  # type: ignore[misc]


def test_an_expired_timeout_is_blamed_on_an_emulator_not_reached(closing_host: str, closed_port: int) -> None:
    for host, kind in ((closing_host, DeadlineExceeded), (f"127.0.0.1:{closed_port}", CendryError)):
        deadline = EmulatorDeadline(Emulator(VARIABLES[0], host, "Firestore"), 5.0, None)
        error = deadline.exceeded("the last failure", API)
        assert type(error) is kind
        assert ("the last failure" in str(error)) is (kind is DeadlineExceeded)


def test_what_else_fails_is_not_blamed_on_an_emulator_not_reached(closing_host: str, closed_port: int) -> None:
    policy = RetryPolicy(API, 60.0, (ServiceUnavailable,), (ServiceUnavailable,))
    refused, unavailable = FailedPrecondition("no"), ServiceUnavailable("not yet")  # type: ignore[no-untyped-call]
    for host, expected in ((closing_host, [False, True]), (f"127.0.0.1:{closed_port}", [False])):
        deadline = EmulatorDeadline(Emulator(VARIABLES[0], host, "Firestore"), 5.0, DEFAULT_RETRY)
        errors = (refused, unavailable)[: len(expected)]
        assert expected == [deadline.retries(error, policy) for error in errors]


@pytest.mark.usefixtures("impatient")
def test_a_listener_reports_it(nothing_listens: str) -> None:
    heard: list[BaseException] = []
    ended = threading.Event()

    def on_error(error: BaseException) -> None:
        heard.append(error)
        ended.set()

    backend = FirestoreBackend(project="p")
    backend.listen(QueryPlan("items"), print, on_error)
    assert ended.wait(60)
    backend.close()
    assert f"Nothing answers at {nothing_listens}" in str(heard[0])
    assert isinstance(heard[0].__cause__, GoogleAPICallError)


@pytest.mark.usefixtures("impatient")
async def test_a_listener_of_the_async_twin_reports_it(nothing_listens: str) -> None:
    async with AsyncCendry(project="p") as ctx:
        snapshots = ctx.select(Item).snapshots()
        with pytest.raises(CendryError, match=f"Nothing answers at {nothing_listens}") as caught:
            await anext(snapshots)
    assert isinstance(caught.value.__cause__, GoogleAPICallError)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "options",
    [
        {"timeout": 0.1},
        {"timeout": 60},
        {"retry": Retry(predicate=lambda error: False)},
        {"retry": Retry(predicate=lambda error: True, initial=0.01)},
        {"retry": Retry(predicate=lambda error: True, initial=0.01, timeout=0.05)},
        {"timeout": 60, "retry": Retry(predicate=lambda error: True, initial=0.01)},
    ],
    ids=["short", "long", "never", "always", "briefly", "both"],
)
@pytest.mark.parametrize("kind", ["read", "stream", "write"])
def test_under_any_timeout_and_retry(nothing_listens: str, options: dict[str, Any], kind: str) -> None:
    calls: dict[str, Callable[[Cendry], object]] = {
        "read": lambda ctx: ctx.find(Item, "a"),
        "stream": lambda ctx: ctx.select(Item).to_list(),
        "write": lambda ctx: ctx.save(Item(id="a", n=1)),
    }
    with Cendry(project="p", **options) as ctx:
        refused(lambda: calls[kind](ctx), nothing_listens)
    if "retry" in options:
        policy = options["retry"]
        options = {
            **options,
            "retry": AsyncRetry(predicate=policy._predicate, initial=policy._initial, timeout=policy._timeout),
        }

    async def use() -> None:
        async with AsyncCendry(project="p", **options) as ctx:
            await ctx.find(Item, "a")

    refused(lambda: asyncio.run(use()), nothing_listens)


@pytest.fixture
def restarting(
    firestore_emulator: str, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Callable[[], None]]]:
    """Starts a server on a port on which nothing listened; gives what ends it."""
    monkeypatch.setenv(VARIABLES[0], f"127.0.0.1:{closed_port}")
    servers: list[Any] = []

    def start() -> Callable[[], None]:
        server = grpc.server(ThreadPoolExecutor(4), handlers=[FaultyServer(firestore_emulator)])
        assert server.add_insecure_port(f"127.0.0.1:{closed_port}") == closed_port
        server.start()
        servers.append(server)
        return lambda: server.stop(0).wait()

    yield start
    for server in servers:
        server.stop(0).wait()


def test_an_emulator_that_is_starting_is_awaited(
    restarting: Callable[[], Callable[[], None]], project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emulator, "PATIENCE", 60.0)
    failures: list[BaseException] = []
    failed = threading.Event()

    def predicate(error: BaseException) -> bool:
        failures.append(error)
        failed.set()
        return True

    with (
        Cendry(project=project, retry=Retry(predicate=predicate, initial=0.05, maximum=0.2)) as ctx,
        ThreadPoolExecutor(1) as pool,
    ):
        saving = pool.submit(ctx.save, Item(id="a", n=1))
        assert failed.wait(60)
        restarting()
        assert saving.result(60) == "a"
        assert ctx.get(Item, "a").n == 1


@pytest.mark.usefixtures("impatient")
def test_one_that_was_reached_is_a_server_like_any_other(
    restarting: Callable[[], Callable[[], None]], project: str
) -> None:
    with Cendry(project=project, retry=Retry(predicate=lambda error: False)) as ctx:
        stop = restarting()
        ctx.save(Item(id="a", n=1))
        stop()
        with pytest.raises(GoogleAPICallError):
            ctx.get(Item, "a")


WRONG = {
    "http://localhost:8080": "localhost:8080",
    "https://localhost:8080/": "localhost:8080",
    "localhost:8080/": "localhost:8080",
    "localhost:8080/v1": "localhost:8080",
    " localhost:8080": "localhost:8080",
    "me@localhost:8080": "localhost:8080",
    "localhost": "127.0.0.1:8080",
    "localhost:": "127.0.0.1:8080",
    "localhost:99999": "127.0.0.1:8080",
    ":8080": "127.0.0.1:8080",
    "::1:8080": "127.0.0.1:8080",
    "": "127.0.0.1:8080",
}


@pytest.mark.parametrize("host", WRONG)
def test_another_form_is_refused_at_once(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.setenv(variable, host)

    def message(call: Callable[[], object]) -> str:
        started = time.monotonic()
        with pytest.raises(CendryError) as caught:
            call()
        assert time.monotonic() - started < 30
        return str(caught.value)

    expected = f" is {host!r}; it must be a host and a port, as in {WRONG[host]!r}."
    for _ in range(2):
        assert message(lambda: Cendry(project="p").get(Item, "a")) == VARIABLES[0] + expected
    assert message(lambda: asyncio.run(AsyncCendry(project="p").find(Item, "a"))) == VARIABLES[0] + expected
    assert message(lambda: Cendry(client=Client(project="p")).get(Item, "a")) == VARIABLES[0] + expected
    assert message(lambda: asyncio.run(AsyncCendry(client=AsyncClient(project="p")).find(Item, "a"))).endswith(expected)
    assert message(lambda: Cendry(backend=DatastoreBackend(project="p")).get(Item, "a")) == VARIABLES[1] + expected


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1:1", "[::1]:65535", "firestore_1.internal:8080"])
def test_hosts_and_ports(host: str) -> None:
    assert f"Nothing answers at {host}, " in str(Emulator("V", host, "Firestore").unreachable())


def test_a_host_without_an_address(monkeypatch: pytest.MonkeyPatch, impatient: None) -> None:
    monkeypatch.setenv(VARIABLES[0], "no-such-host.invalid:8080")
    with Cendry(project="p") as ctx, pytest.raises(CendryError, match=r"Nothing answers at no-such-host.invalid:8080"):
        ctx.get(Item, "a")


class Own(Credentials):
    def refresh(self, request: Any) -> None:
        raise AssertionError("an emulator needs no token")


class TestBesideProductionCredentials:
    @pytest.fixture(autouse=True)
    def first(self, nothing_listens: str, monkeypatch: pytest.MonkeyPatch) -> str:
        emulator._warn.cache_clear()
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        return nothing_listens

    def warnings(self, caplog: pytest.LogCaptureFixture) -> list[str]:
        records = [each for each in caplog.records if each.name == "cendry" and each.levelno == logging.WARNING]
        return [each.getMessage() for each in records]

    @pytest.mark.parametrize("variable", VARIABLES)
    def test_of_the_environment(
        self, first: str, variable: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "key.json")
        for _ in range(2):
            backend: Any = (FirestoreBackend if variable == VARIABLES[0] else DatastoreBackend)(project="p")
            assert backend.client is not None
            backend.close()
        assert self.warnings(caplog) == [
            f"{variable} is set, so all calls go to the emulator at {first}, although GOOGLE_APPLICATION_CREDENTIALS "
            "is set. Unset the variable to use production."
        ]

    def test_of_a_client(self, caplog: pytest.LogCaptureFixture) -> None:
        with Cendry(client=Client(project="p", credentials=Own())) as ctx:  # type: ignore[no-untyped-call]
            assert ctx.client is not None
        [warning] = self.warnings(caplog)
        assert "although the client has credentials of its own" in warning

    def test_none(self, caplog: pytest.LogCaptureFixture) -> None:
        with Cendry(project="p") as ctx:
            assert ctx.client is not None
        assert self.warnings(caplog) == []
