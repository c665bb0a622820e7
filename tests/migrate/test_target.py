"""Writing a database in Native mode."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from cendry.errors import CendryError
from cendry_datastore.migrate import Place, Target
from cendry_datastore.migrate.admin import DatabaseFacts
from cendry_datastore.migrate.batches import MAX_EMULATOR_BYTES, batches
from cendry_datastore.migrate.errors import DatabaseCallError, WrongModeError
from cendry_datastore.migrate.target import RefusedWritesError, Write
from firestore.faulty import Fault, FaultyServer


def write(target: Target, path: str, **fields: str | int) -> Any:
    made = Write()
    made.update.name = f"{target.name}/documents/{path}"
    for name, value in fields.items():
        if isinstance(value, int):
            made.update.fields[name].integer_value = value
        else:
            made.update.fields[name].string_value = value
    return made


@pytest.fixture
def faulty(firestore_emulator: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    """A server before the emulator, for targets that are made in this test."""
    handler = FaultyServer(firestore_emulator)
    server = grpc.server(ThreadPoolExecutor(8), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    handler.host = f"127.0.0.1:{port}"
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", handler.host)
    yield handler
    handler.close()
    server.stop(0).wait()


def paths(target: Target, collection: str | None, **options: Any) -> list[str]:
    start = len(target.name) + len("/documents/")
    return [one.name[start:] for page in target.pages(collection, **options) for one in page]


def test_what_is_committed_can_be_read_by_name_and_by_collection(target: Target) -> None:
    target.commit([write(target, f"K/{number:04}", n=number) for number in range(500)])
    target.commit([write(target, "P/x/K/below", n=1), write(target, "Other/x")])
    names = [f"{target.name}/documents/K/0007", f"{target.name}/documents/K/none"]

    found = target.get(names)
    assert (7, None) == (found[names[0]].fields["n"].integer_value, found[names[1]])
    everything = [*(f"K/{number:04}" for number in range(500)), "P/x/K/below"]
    assert everything == paths(target, "K")
    assert everything[8:101] == paths(target, "K", after=names[0], end=f"{target.name}/documents/K/0100")
    assert 502 == len(paths(target, None))
    assert not next(target.pages("K", names_only=True))[0].fields
    assert target.has_documents("K")
    assert not target.has_documents("P")
    target.delete([f"{target.name}/documents/{one}" for one in everything] * 2)
    assert ["Other/x"] == paths(target, None)


def test_pages_are_read_at_a_moment(target: Target) -> None:
    from cendry._interop.protobuf import to_datetime

    target.commit([write(target, "K/a", n=1)])
    name = f"{target.name}/documents/K/a"
    moment = to_datetime(target.get([name])[name].update_time)
    target.commit([write(target, "K/a", n=2), write(target, "K/b")])

    assert ["K/a"] == paths(target, "K", read_time=moment)
    assert 1 == target.get([name], moment)[name].fields["n"].integer_value


def test_many_documents_come_in_pages(target: Target) -> None:
    for first in range(0, 2500, 500):
        target.commit([write(target, f"K/{number:04}") for number in range(first, first + 500)])

    assert [1000, 1000, 500] == [len(page) for page in target.pages("K")]
    assert 700 == sum(
        1 for one in target.get([f"{target.name}/documents/K/{n:04}" for n in range(700)]).values() if one
    )
    assert 2500 == len(paths(target, "K"))


def test_large_documents_are_read_by_halves(target: Target) -> None:
    big = [write(target, f"K/{number}", text="x" * 1_000_000) for number in range(6)]
    for group in batches(big, target.max_bytes):
        target.commit(group)

    assert MAX_EMULATOR_BYTES == target.max_bytes
    assert 6 == len(target.get([one.update.name for one in big]))
    assert 6 == len(paths(target, "K"))


def test_a_commit_is_repeated_until_the_database_takes_it(faulty: FaultyServer, project: str) -> None:
    statuses = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INTERNAL]
    noted: list[bool] = []
    waited: list[float] = []
    with Target(project=project) as target:
        faulty.faults["Commit"] = [*map(Fault, statuses), Fault(grpc.StatusCode.UNAVAILABLE, after=1)]
        target.commit([write(target, "K/a", n=1)], note=noted.append, wait=waited.append)

        assert ["K/a"] == paths(target, "K")
    assert [False, False, False, False, True] == noted
    assert 4 == len(waited)


def test_a_wait_may_end_the_attempts(faulty: FaultyServer, project: str) -> None:
    with Target(project=project) as target:
        faulty.faults["Commit"] = [Fault(grpc.StatusCode.UNAVAILABLE)]
        with pytest.raises(DatabaseCallError, match="UNAVAILABLE: injected"):
            target.commit([write(target, "K/a")], wait=lambda seconds: True)


def test_a_stream_that_breaks_goes_on_after_the_last_document(faulty: FaultyServer, project: str) -> None:
    with Target(project=project) as target:
        target.commit([write(target, f"K/{number}") for number in range(9)])
        faulty.faults["RunQuery"] = [Fault(grpc.StatusCode.UNAVAILABLE, after=4), Fault(grpc.StatusCode.INTERNAL)]

        assert [f"K/{number}" for number in range(9)] == paths(target, "K")
        assert 3 == faulty.calls.count("RunQuery")
        faulty.faults["RunQuery"] = [Fault(grpc.StatusCode.PERMISSION_DENIED, "no")]
        with pytest.raises(DatabaseCallError) as raised:
            paths(target, "K")
        assert f"{project}/(default): PERMISSION_DENIED: no (resumable: run the same command)" == str(raised.value)


@pytest.mark.parametrize(
    ("status", "text", "error"),
    [
        ("INVALID_ARGUMENT", "Property is invalid", RefusedWritesError),
        ("RESOURCE_EXHAUSTED", "Received message larger than max (5 vs. 4)", RefusedWritesError),
        ("PERMISSION_DENIED", "no", DatabaseCallError),
        (
            "FAILED_PRECONDITION",
            "The Cloud Firestore API is not available for Firestore in Datastore Mode",
            WrongModeError,
        ),
        ("FAILED_PRECONDITION", "other", DatabaseCallError),
    ],
)
def test_a_refused_commit_says_whether_its_documents_are_at_fault(
    faulty: FaultyServer, project: str, status: str, text: str, error: type[Exception]
) -> None:
    with Target(project=project) as target:
        faulty.faults["Commit"] = [Fault(getattr(grpc.StatusCode, status), text)]
        with pytest.raises(error) as raised:
            target.commit([write(target, "K/a")])

    assert error is type(raised.value)
    if error is WrongModeError:
        assert (
            f"{project}/(default) is in Datastore mode; the target must be in Native mode. Nothing was written."
            == str(raised.value)
        )


def test_an_emulator_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch, project: str) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:9")
    with Target(project=project) as target, pytest.raises(CendryError, match="Nothing answers at 127.0.0.1:9"):
        target.commit([write(target, "K/a")])


def test_a_target_knows_its_place(firestore_emulator: str, project: str) -> None:
    with Target(project=project, database="native") as target:
        assert Place(project, "native") == target.place
        assert firestore_emulator == target.emulator
        assert DatabaseFacts() == target.facts()
        client = target._connection.client
        with Target(client) as same:
            assert target.place == same.place
        target.commit([write(target, "K/a")])
    with pytest.raises(TypeError):
        Target(client, project="p")
