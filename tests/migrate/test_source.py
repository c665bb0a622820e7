"""Reading a database in Datastore mode: by pages in key order, resumable, at one moment."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from importlib import import_module
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from cendry_datastore import _sdk
from cendry_datastore._keys import Partition
from cendry_datastore.migrate import Place, Shard, Source
from cendry_datastore.migrate.admin import DATASTORE_MODE, DatabaseFacts, database_facts
from cendry_datastore.migrate.errors import DatabaseCallError, MomentExpiredError
from cendry_datastore.migrate.paging import KeyWalk, key_bytes
from firestore.faulty import Fault, FaultyServer
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import datastore
from migrate.seeding import entity, put

NAMES = ["a", "b/c", "~", "é", "\U0001f600", "z" * 300]


def names(source: Source, shard: Shard, **options: Any) -> list[str | int]:
    """The names and ids of a shard's entities, as they come."""
    keys = [one.entity.key for page in source.pages(shard, **options) for one in page.results]
    return [key.path[-1].name or key.path[-1].id for key in keys]


@pytest.fixture
def faulty(
    any_datastore: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[FaultyServer]:
    """A server before the emulator, for sources that are made in this test."""
    import os

    handler = FaultyServer(os.environ["DATASTORE_EMULATOR_HOST"])
    server = grpc.server(ThreadPoolExecutor(8), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    handler.host = f"127.0.0.1:{port}"
    yield handler
    handler.close()
    server.stop(0).wait()


def through(faulty: FaultyServer, project: str, monkeypatch: pytest.MonkeyPatch) -> Source:
    monkeypatch.setenv("DATASTORE_EMULATOR_HOST", faulty.host)
    return Source(project=project)


def test_pages_come_in_key_order_and_go_on_after_any_key(any_datastore: str, sdk: Any, source: Source) -> None:
    put(sdk, [entity(sdk, "K", one) for one in NAMES] + [entity(sdk, "K", number) for number in range(1, 8)])
    put(sdk, [entity(sdk, "Other", 1), entity(sdk, "K", 3, "K", "below"), entity(sdk, "K", 3, "Deep", 1)])
    whole = Shard("K", 0)

    expected = names(source, whole)
    assert [1, 2, 3, "below", 4, 5, 6, 7] == expected[:8]
    assert set(NAMES) == set(expected[8:])
    assert 14 == len(expected)
    pages = list(source.pages(whole, page=3))
    assert expected == [
        one.entity.key.path[-1].name or one.entity.key.path[-1].id for page in pages for one in page.results
    ]
    assert all(len(page.results) <= 3 for page in pages)
    for page in pages:
        assert page.last_key == key_bytes(page.results[-1].entity.key)
    at = len(pages[0].results) + len(pages[1].results)
    assert expected[at:] == names(source, whole, after=pages[1].last_key, page=4)
    ranged = Shard("K", 1, pages[0].last_key, pages[1].last_key)
    assert expected[len(pages[0].results) : at] == names(source, ranged)
    assert [] == names(source, Shard("None", 0))
    if any_datastore == "mode":
        assert abs(pages[0].read_time - datetime.now(timezone.utc)) < timedelta(minutes=5)  # type: ignore[operator]


def test_kinds_that_are_below_others_alone_are_found(any_datastore: str, sdk: Any, source: Source) -> None:
    put(sdk, [entity(sdk, "B", 1), entity(sdk, "A", 1, "Below", 1), entity(sdk, "B", 2), entity(sdk, "a b/c", "x")])

    assert ["B", "Below", "a b/c"] == source.kinds()
    assert {"mode": None, "classic": [""]}[any_datastore] == source.namespaces()
    assert 2 == source.count("B")
    assert 0 == source.count("A")


def test_keys_come_without_properties(any_datastore: str, sdk: Any, source: Source) -> None:
    put(sdk, [entity(sdk, "K", number, text="x" * 100) for number in range(1, 4)])

    assert [1, 2, 3] == [key.path[-1].id for key in source.keys("K")]
    [page] = source.pages(Shard("K", 0), keys_only=True)
    assert all(not one.entity.properties for one in page.results)


def test_scatter_has_keys_of_the_kind_or_nothing(any_datastore: str, sdk: Any, source: Source) -> None:
    put(sdk, [entity(sdk, "K", number) for number in range(1, 600)])

    assert {key.path[-1].kind for key in source.scatter("K", 32)} <= {"K"}


def test_a_pinned_moment_does_not_see_what_comes_later(sdk: Any, source: Source) -> None:
    put(sdk, [entity(sdk, "K", 1, n=1)])
    moment = source.now()
    put(sdk, [entity(sdk, "K", 1, n=2), entity(sdk, "K", 2)])
    key = sdk.key("K", 1).to_protobuf()._pb

    assert [1] == names(source, Shard("K", 0), read_time=moment)
    assert [1, 2] == names(source, Shard("K", 0))
    assert 1 == source.count("K", moment)
    assert [1] == [one.path[-1].id for one in Source(sdk, read_time=moment).keys("K")]
    assert 2 == source.lookup([key])[key_bytes(key)].properties["n"].integer_value
    assert 1 == source.lookup([key], moment)[key_bytes(key)].properties["n"].integer_value


def test_a_lookup_has_an_answer_for_each_key(any_datastore: str, sdk: Any, source: Source) -> None:
    put(sdk, [entity(sdk, "K", number) for number in range(1, 1101)])
    keys = [sdk.key("K", number).to_protobuf()._pb for number in (*range(1, 1101), 5000)]

    found = source.lookup(keys)
    assert 1101 == len(found)
    assert [key_bytes(keys[-1])] == [key for key, one in found.items() if one is None]
    assert {} == source.lookup([])


def test_a_page_that_is_too_large_is_asked_for_by_halves(sdk: Any, source: Source) -> None:
    put(sdk, [entity(sdk, "K", 1, text="x" * 1_000_000)])
    for number in range(2, 8):
        put(sdk, [entity(sdk, "K", number, text="x" * 1_000_000)])

    pages = list(source.pages(Shard("K", 0)))
    assert list(range(1, 8)) == [one.entity.key.path[-1].id for page in pages for one in page.results]
    assert 1 < len(pages)
    keys = [sdk.key("K", number).to_protobuf()._pb for number in range(1, 8)]
    assert 7 == len(source.lookup(keys))


def test_after_errors_that_pass_a_walk_goes_on_after_the_last_key(
    faulty: FaultyServer, sdk: Any, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(sdk, [entity(sdk, "K", number) for number in range(1, 11)])
    source = through(faulty, project, monkeypatch)
    shard = Shard("K", 0)
    read: list[int] = []
    for page in source.pages(shard, page=4):
        read += [one.entity.key.path[-1].id for one in page.results]
        # The SDK doesn't repeat these.
        faulty.faults.setdefault("RunQuery", []).append(Fault(grpc.StatusCode.INTERNAL))
    source.close()

    assert list(range(1, 11)) == read


@pytest.mark.parametrize("status", ["PERMISSION_DENIED", "NOT_FOUND", "INVALID_ARGUMENT"])
def test_other_errors_name_the_database(
    faulty: FaultyServer, sdk: Any, project: str, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    source = through(faulty, project, monkeypatch)
    faulty.faults["RunQuery"] = [Fault(getattr(grpc.StatusCode, status), "no")]

    with pytest.raises(DatabaseCallError) as raised:
        list(source.pages(Shard("K", 0)))
    assert f"{project}/(default): {status}: no (resumable: run the same command)" == str(raised.value)
    assert raised.value.resumable
    faulty.faults["RunQuery"] = [Fault(grpc.StatusCode.PERMISSION_DENIED, "no")]
    with pytest.raises(DatabaseCallError):
        source.kinds()
    source.close()


def test_errors_that_do_not_pass_end_the_walk_after_some_attempts(
    faulty: FaultyServer, sdk: Any, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = through(faulty, project, monkeypatch)
    faulty.faults["RunQuery"] = [Fault(grpc.StatusCode.INTERNAL) for _ in range(9)]

    with pytest.raises(DatabaseCallError, match="INTERNAL"):
        list(source.pages(Shard("K", 0)))
    assert 5 == faulty.calls.count("RunQuery")
    source.close()


# --- how a walk ends ---

PARTITION = Partition("p", "", "")


def response(more: str, *ids: int, cursor: bytes = b"c") -> Any:
    found = _sdk.RunQueryResponse()
    found.batch.more_results = more
    found.batch.end_cursor = cursor
    for one in ids:
        key = found.batch.entity_results.add().entity.key
        key.path.add(kind="K", id=one)
    return found


def filters(walk: KeyWalk) -> tuple[bytes, list[int]]:
    """The cursor of the next request, and the ids that it compares with."""
    request = walk.request()
    whole = request.query.filter
    parts = whole.composite_filter.filters if whole.HasField("composite_filter") else [whole]
    keys = [part.property_filter.value.key_value for part in parts if part.HasField("property_filter")]
    return request.query.start_cursor, [key.path[-1].id for key in keys]


def test_an_empty_batch_that_is_not_finished_goes_on_from_its_cursor() -> None:
    walk = KeyWalk(PARTITION, "K")
    assert walk.take(response("NOT_FINISHED", cursor=b"x")) is None
    assert (b"x", []) == filters(walk)
    assert not walk.is_complete
    assert walk.take(response("NOT_FINISHED", 1, cursor=b"y")) is not None
    assert (b"y", []) == filters(walk)
    walk.take(response("NO_MORE_RESULTS", 2))
    assert walk.is_complete


def test_an_empty_batch_of_another_answer_is_confirmed_by_the_last_key() -> None:
    walk = KeyWalk(PARTITION, "K")
    walk.take(response("MORE_RESULTS_AFTER_LIMIT", 1, 2))
    assert (b"c", []) == filters(walk)
    walk.take(response("MORE_RESULTS_AFTER_LIMIT"))
    assert not walk.is_complete
    assert (b"", [2]) == filters(walk)
    walk.take(response("MORE_RESULTS_AFTER_LIMIT", 3))
    assert (b"c", [2]) == filters(walk)
    walk.take(response("MORE_RESULTS_AFTER_LIMIT"))
    walk.take(response("NOT_FINISHED", cursor=b"d"))
    assert (b"d", [3]) == filters(walk)
    walk.take(response("MORE_RESULTS_AFTER_LIMIT"))
    assert walk.is_complete


def test_without_a_cursor_a_walk_goes_on_by_the_key() -> None:
    walk = KeyWalk(PARTITION, "K", end=key_bytes(response("NO_MORE_RESULTS", 9).batch.entity_results[0].entity.key))
    walk.take(response("MORE_RESULTS_AFTER_LIMIT", 1, cursor=b""))
    assert (b"", [1, 9]) == filters(walk)
    assert walk.take(response("NO_MORE_RESULTS")) is None
    assert walk.is_complete


# --- the moment ---

NOW = datetime(2026, 11, 28, 15, 1, tzinfo=timezone.utc)


def at(source: Source, facts: DatabaseFacts) -> Source:
    source._facts = facts
    return source


@pytest.fixture
def pinned(datastore_mode: str, project: str) -> Source:
    """A source whose clock stands still."""
    return Source(project=project, clock=NOW.timestamp)


def test_a_moment_that_is_too_old_is_refused_before_a_page_is_read(pinned: Source) -> None:
    moment = NOW - timedelta(minutes=61)

    with pytest.raises(MomentExpiredError) as raised:
        next(pinned.pages(Shard("K", 0), read_time=moment))
    assert (
        "The pinned time 2026-11-28T14:00:00Z is 61 min old, and point-in-time recovery is off: "
        "cendry-datastore plan --renew sets a new one, then copy goes on."
    ) == str(raised.value)
    for call in (lambda: pinned.lookup([_sdk.Key()], moment), lambda: pinned.count("K", moment)):
        with pytest.raises(MomentExpiredError):
            call()
    pinned.check_moment(None)
    pinned.check_moment(NOW - timedelta(minutes=55))


def test_with_point_in_time_recovery_a_whole_minute_of_seven_days_will_do(pinned: Source) -> None:
    source = at(pinned, DatabaseFacts(DATASTORE_MODE, recovers=True))

    source.check_moment(NOW - timedelta(days=6, minutes=59))
    with pytest.raises(MomentExpiredError, match="whole minutes"):
        source.check_moment(NOW - timedelta(hours=2, seconds=1))
    with pytest.raises(MomentExpiredError, match="7 days"):
        source.check_moment(NOW - timedelta(days=7, minutes=1))


def test_where_nothing_is_known_the_database_decides(project: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATASTORE_EMULATOR_HOST", raising=False)
    client: Any = datastore.Client(project=project, credentials=AnonymousCredentials())
    source = at(Source(client, clock=NOW.timestamp), DatabaseFacts(reason="403"))

    assert source.emulator is None
    source.check_moment(NOW - timedelta(hours=5))
    client.close()


def test_the_database_may_refuse_a_moment(
    faulty: FaultyServer, sdk: Any, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = through(faulty, project, monkeypatch)
    refusal = "The requested snapshot version is too old."
    faulty.faults["RunQuery"] = [Fault(grpc.StatusCode.FAILED_PRECONDITION, refusal)]

    with pytest.raises(MomentExpiredError, match="the database no longer has it"):
        list(source.pages(Shard("K", 0), read_time=datetime.now(timezone.utc) - timedelta(minutes=5)))
    source.close()


def test_a_server_without_a_clock_leaves_the_present_to_this_computer(
    any_datastore: str, sdk: Any, source: Source
) -> None:
    put(sdk, [entity(sdk, "K", 1)])

    assert abs(source.now().timestamp() - time.time()) < 300


# --- places and facts ---


def test_a_source_knows_its_place(datastore_mode: str, project: str) -> None:
    with Source(project=project, database="(default)", namespace="ns1") as source:
        assert Place(project, namespace="ns1") == source.place
        assert datastore_mode == source.emulator
        assert DatabaseFacts() == source.facts()
    with Source(project=project, database="other") as source:
        assert f"{project}/other" == str(source.place)


def test_a_client_stays_open(sdk: Any) -> None:
    put(sdk, [entity(sdk, "K", 1)])
    with Source(sdk) as source:
        assert 1 == source.count("K")
    assert sdk.get(sdk.key("K", 1)) is not None
    with pytest.raises(TypeError):
        Source(sdk, project="p")
    with pytest.raises(TypeError):
        Source("p")


class Admin:
    """What `FirestoreAdminClient` has, as far as it is asked."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def get_database(self, *, name: str, timeout: float) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        assert name == "projects/p/databases/(default)"
        return self.answer


def test_google_cloud_is_asked_for_mode_and_recovery() -> None:
    kind: Any = import_module("google.cloud.firestore_admin_v1.types").Database
    found = kind(
        type_=kind.DatabaseType.DATASTORE_MODE,
        point_in_time_recovery_enablement=kind.PointInTimeRecoveryEnablement.POINT_IN_TIME_RECOVERY_ENABLED,
    )
    assert DatabaseFacts(DATASTORE_MODE, recovers=True) == database_facts(Place("p"), client=Admin(found))
    denied: Any = exceptions.PermissionDenied("no")
    assert "403 no" == database_facts(Place("p"), client=Admin(denied)).reason
