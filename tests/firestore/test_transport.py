"""Direct calls and the generated client send the same, and which of them is used."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from cendry import AsyncFirestoreBackend, FirestoreBackend
from cendry.plan import AggregationPlan, GetPlan, QueryPlan, Set
from cendry_firestore import _single_threaded, _transport
from cendry_firestore._threads import THREADS
from cendry_memory.testing import Database
from firestore.faulty import FaultyServer
from google.api_core import exceptions
from google.cloud.firestore_v1 import Client
from google.cloud.firestore_v1.services.firestore.transports import base
from google.cloud.firestore_v1.services.firestore.transports.grpc import FirestoreGrpcTransport

SDK_VERSION = tuple(map(int, version("google-cloud-firestore").split(".")[:2]))
GENERATED, STREAMS = _transport.GENERATED_VARIABLE, _single_threaded.STREAMS_VARIABLE


def every_call(db: Database) -> None:
    db.commit(Set("c/a", {"x": 1}), Set("c/a/d/ö x", {"x": 1}))
    db.get("c/a")
    db.run(QueryPlan("c"))
    db.run(QueryPlan("d", parent="c/a"))
    db.aggregate(AggregationPlan(QueryPlan("d", parent="c/é")))
    transaction = db.begin()
    db.get_plan(GetPlan(("c/a",)), transaction=transaction)
    db.rollback(transaction)


def without(metadata: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    return [(method, {key: value for key, value in sent.items() if key != "user-agent"}) for method, sent in metadata]


def test_both_ways_send_the_same_metadata(
    faulty: FaultyServer, make_db: Callable[..., Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    every_call(make_db())
    direct = without(faulty.metadata)
    faulty.metadata.clear()
    monkeypatch.setenv(GENERATED, "1")
    every_call(make_db())
    assert direct == without(faulty.metadata)
    assert {"x-goog-request-params", "x-goog-api-client", "google-cloud-resource-prefix"} <= direct[0][1].keys()


def test_both_ways_send_the_same_requests(
    faulty: FaultyServer, make_db: Callable[..., Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[list[tuple[str, bytes]]] = []
    for generated in ("0", "1"):
        monkeypatch.setenv(GENERATED, generated)
        every_call(make_db())
        # What names a transaction differs from one to the next.
        sent.append([one for one in faulty.requests if one[0] not in ("BatchGetDocuments", "Rollback")])
        faulty.requests.clear()
    assert sent[0] == sent[1]


ERRORS = [exceptions.from_grpc_status(code, "text") for code in grpc.StatusCode if code is not grpc.StatusCode.OK]


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("batch_get_documents", "get"),
        ("run_query", "run"),
        ("run_aggregation_query", "aggregate"),
        ("partition_query", "partition"),
        ("commit", "commit"),
        ("rollback", "rollback"),
    ],
)
def test_policies_are_those_of_the_sdk(firestore_emulator: str, project: str, name: str, method: str) -> None:
    backend = FirestoreBackend(project=project)
    transport = backend._connection.api.transport
    wrapped = transport._wrapped_methods[getattr(transport, name)]
    policy = getattr(backend._connection.transport, method).policy
    assert wrapped._retry._timeout == policy.seconds == wrapped._timeout
    differing = {
        type(error) for error in ERRORS if wrapped._retry._predicate(error) != isinstance(error, policy.transient)
    }
    # The oldest SDK repeats reads after exhausted resources as well; later ones leave it.
    assert differing <= {exceptions.ResourceExhausted}
    assert not differing or SDK_VERSION < (2, 30)
    assert (0.1, 60.0, 1.3) == (wrapped._retry._initial, wrapped._retry._maximum, wrapped._retry._multiplier)
    backend.close()


def transport_of(db: Database) -> Any:
    return db.in_loop(lambda: db.backend._connection.transport)


def notes(caplog: pytest.LogCaptureFixture) -> str:
    return " ".join(record.getMessage() for record in caplog.records if record.name == "cendry")


def works(db: Database) -> bool:
    every_call(db)
    return db.data("c/a") == {"x": 1}


def test_calls_are_direct_without_a_word(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    assert works(db)
    assert transport_of(db).is_direct or os.environ.get(GENERATED) == "1"


def test_the_generated_client_can_be_asked_for(
    db: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(GENERATED, "1")
    assert works(db)
    assert not transport_of(db).is_direct
    assert f"{GENERATED} is set" in notes(caplog)


def test_the_generated_client_is_used_where_the_sdk_logs_its_calls(
    db: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_SDK_PYTHON_LOGGING_SCOPE", "google")
    monkeypatch.delenv(GENERATED, raising=False)
    assert works(db)
    assert "GOOGLE_SDK_PYTHON_LOGGING_SCOPE is set" in notes(caplog)


def test_the_generated_client_is_used_where_the_sdk_lacks_something(
    db: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(GENERATED, raising=False)
    monkeypatch.delattr(base, "DEFAULT_CLIENT_INFO")
    assert works(db)
    assert "lacks something that direct calls need" in notes(caplog)
    assert "DEFAULT_CLIENT_INFO" in notes(caplog)


# --- streams without a thread ---


@pytest.fixture
def filled(firestore_emulator: str, project: str) -> str:
    backend = FirestoreBackend(project=project)
    backend.commit([Set(f"c/d{number}", {"x": number}) for number in range(300)])
    backend.close()
    return project


def threads_of_a_stream(backend: FirestoreBackend) -> int:
    """How many threads run more while a stream is open."""
    before = threading.active_count()
    stream = backend.run(QueryPlan("c"))
    next(stream)
    during = threading.active_count()
    assert 299 == len(list(stream))
    return during - before


def test_a_stream_of_a_client_that_cendry_made_needs_no_thread(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STREAMS, raising=False)
    monkeypatch.delenv(GENERATED, raising=False)
    backend = FirestoreBackend(project=filled)
    assert 0 == threads_of_a_stream(backend)
    backend.close()


def test_a_switch_gives_streams_their_threads(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STREAMS, "0")
    backend = FirestoreBackend(project=filled)
    assert threads_of_a_stream(backend) > 0
    backend.close()


def test_a_client_that_is_passed_in_is_left_as_it_is(filled: str) -> None:
    client = Client(project=filled)
    backend = FirestoreBackend(client)
    assert threads_of_a_stream(backend) > 0
    assert type(client) is Client
    assert backend._connection.api is client._firestore_api
    client._firestore_api.transport.close()


def test_the_client_that_cendry_made_is_the_sdks_own(filled: str) -> None:
    backend = FirestoreBackend(project=filled)
    assert type(backend.client) is Client
    before = threading.active_count()
    stream = backend.client.collection("c").stream()
    next(stream)
    assert threading.active_count() > before
    stream.close()
    backend.close()


CHANNELS = """
import gc, os, sys
from cendry import FirestoreBackend
from cendry.plan import QueryPlan

def connections():
    port = f":{int(os.environ['FIRESTORE_EMULATOR_HOST'].rpartition(':')[2]):04X}"
    rows = []
    for name in ("tcp", "tcp6"):
        with open(f"/proc/self/net/{name}") as table:
            rows += [line.split() for line in table.readlines()[1:]]
    files = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    own = {os.readlink(file) for file in files if os.path.islink(file)}
    return sum(row[2].endswith(port) and f"socket:[{row[9]}]" in own for row in rows)

backend = FirestoreBackend(project=sys.argv[1])
for _ in range(3):
    left = backend.run(QueryPlan("c"))
    next(left)
    left.close()
open_ones = connections()
backend.close()
gc.collect()
for _ in range(100):
    if not connections():
        break
    import time; time.sleep(0.05)
print(open_ones, connections())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="open sockets are counted in /proc")
@pytest.mark.slow
def test_a_stream_that_is_left_lets_its_connection_go(filled: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHANNELS, filled],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert "1 0" == done.stdout.strip()


@pytest.fixture
def production(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials of a user, and no emulator."""
    user = {"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c"}
    credentials = tmp_path / "user.json"
    credentials.write_text(json.dumps(user), encoding="utf-8")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(credentials))
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)
    monkeypatch.delenv(STREAMS, raising=False)


def test_a_client_for_production_is_made_as_the_sdk_makes_it(production: None) -> None:
    backend = FirestoreBackend(project="some-project", database="some-database")
    connection = backend._connection
    assert "projects/some-project/databases/some-database" == connection.database
    assert connection.api is connection.client._firestore_api
    assert "firestore.googleapis.com" == connection.api.transport.host.partition(":")[0]
    backend.close()


def test_an_sdk_without_a_place_for_the_option_is_no_obstacle(
    production: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(FirestoreGrpcTransport, "create_channel")
    assert _single_threaded.single_threaded_channel(Client(project="some-project")) is None
    assert "Streams take a thread each" in notes(caplog)
    assert "create_channel" in notes(caplog)


async def test_streams_of_an_async_client_take_no_thread_each(filled: str) -> None:
    backend = AsyncFirestoreBackend(project=filled)

    async def read() -> int:
        return len([one async for one in backend.run(QueryPlan("c"))])

    before = threading.active_count()
    assert [300] * 12 == await asyncio.gather(*(read() for _ in range(12)))
    # gRPC has two of its own.
    assert threading.active_count() <= before + 2 + THREADS
    await backend.close()
