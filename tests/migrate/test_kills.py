"""A copy that is killed, at whatever point, is complete after it was started again."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from cendry_datastore.migrate import Source
from firestore.faulty import WAIT, Fault, FaultyServer
from google.cloud import datastore
from migrate.copies import CountingTarget, seed
from migrate.killed import POINTS
from migrate.kills import Killed
from migrate.seeding import entity, put

pytestmark = pytest.mark.slow

KINDS = 20


def seeded(host: str, each: int) -> Iterator[Source]:
    """A source with 20 kinds, of which some entities can't be documents."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATASTORE_EMULATOR_HOST", host)
        client: Any = datastore.Client(project=f"kills-{uuid.uuid4().hex[:12]}")
    seed(client, KINDS, each)
    foreign = datastore.Key("X", 1, project="elsewhere")
    put(client, [entity(client, f"K{number % KINDS:02}", f"bad {number}", to=foreign) for number in range(40)])
    yield Source(client)
    client.close()


@pytest.fixture(scope="module")
def small(cendry_datastore_mode_host: str) -> Iterator[Source]:
    yield from seeded(cendry_datastore_mode_host, 20)


@pytest.fixture(scope="module")
def large(cendry_datastore_mode_host: str) -> Iterator[Source]:
    yield from seeded(cendry_datastore_mode_host, 100)


@pytest.fixture
def target(firestore_emulator: str, project: str, tmp_path: Path) -> Iterator[CountingTarget]:
    with CountingTarget(project=project) as target:
        target.log = tmp_path / "sent"
        yield target


@pytest.fixture
def killed(small: Source, target: CountingTarget, tmp_path: Path) -> Killed:
    """A copy of 400 entities."""
    return Killed(small, target, tmp_path, 10)


@pytest.mark.parametrize("point", POINTS)
def test_a_copy_that_is_killed_goes_on(killed: Killed, point: str) -> None:
    killed.kill_at(point, 1 if point.startswith("plan") else 5)
    killed.check(400)


def test_many_entities_survive_many_kills(large: Source, target: CountingTarget, tmp_path: Path) -> None:
    killed = Killed(large, target, tmp_path, 50)
    for times, point in ((7, "page committed"), (9, "state renamed"), (2, "letter torn"), (6, "state torn")):
        killed.kill_at(point, times)
    killed.check(2000)


def test_a_commit_whose_answer_never_came_is_made_again(
    killed: Killed, firestore_emulator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = FaultyServer(firestore_emulator)
    server = grpc.server(ThreadPoolExecutor(16), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    # The emulator has applied it, and its answer does not come.
    silent = Fault(grpc.StatusCode.UNAVAILABLE, after=None)
    handler.faults["Commit"] = [Fault(grpc.StatusCode.UNAVAILABLE), silent]
    with monkeypatch.context() as patch:
        patch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{port}")
        child = killed.start("none")
    assert silent.reached.wait(WAIT)
    child.kill()
    child.communicate(timeout=WAIT)
    handler.close()
    server.stop(0).wait()

    killed.check(400)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_a_copy_at_whole_pages(killed: Killed, name: str) -> None:
    child = killed.start(name, 6)
    shown, errors = child.communicate(timeout=120)

    assert 3 == child.returncode, errors
    assert shown.startswith("The copy was stopped after ")
    assert "Run the same command again to go on." in shown
    killed.kills = 0
    killed.check(400)
