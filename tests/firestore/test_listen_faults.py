"""Iterators of contexts on streams that break: each change is there once, in both twins."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from cendry import Cendry, Field, FirestoreBackend, Model, field
from cendry_memory.testing import Database
from firestore.faulty import Fault, FaultyServer
from google.api_core import exceptions

WAIT = 60.0


class Row(Model, collection="rows"):
    n: Field[int] = field(default=0)


def becomes(condition: Callable[[], bool]) -> bool:
    """Whether it comes true: threads tell nobody that they have ended."""
    deadline = time.monotonic() + WAIT
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


@pytest.mark.slow
@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.OK])
def test_each_change_is_there_once_over_many_streams(
    make_db: Callable[..., Database], faulty: FaultyServer, fault: type[Fault], code: Any
) -> None:
    with make_db().context() as ctx:
        ctx.save_many([Row(id=name, n=1) for name in "ab"])
        # A stream has 6 messages until a state is complete; then one breaks with each change, or before it.
        faulty.faults["Listen"] = [fault(code, after=after) for after in (2, 5, 7, 7, 0, 6)]
        changes = iter(ctx.select(Row, order_by=Row.n).watch())
        found = [(one.type, one.document.id, one.document.n) for one in islice(changes, 2)]
        assert [("added", "a", 1), ("added", "b", 1)] == found
        for step, states in (2, 1), (3, 2), (4, 4):
            # The emulator overlooks a commit that comes while a listener begins, until the next one.
            faulty.wait_for_states(states)
            ctx.save(Row(id="a", n=step))
            one = next(changes)
            assert ("modified", "a", step) == (one.type, one.document.id, one.document.n)
        assert 7 == faulty.calls.count("Listen")
        ctx.delete(Row, "b")
        one = next(changes)
        assert ("removed", "b") == (one.type, one.document.id)
        changes.close()


def test_reconnects_are_logged(
    make_db: Callable[..., Database], faulty: FaultyServer, fault: type[Fault], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "cendry")
    with make_db().context() as ctx:
        faulty.faults["Listen"] = [fault(grpc.StatusCode.UNAVAILABLE, "secret")]
        with ctx.select(Row).snapshots() as snapshots:
            assert () == next(snapshots).documents
    begun, broken = (record.getMessage() for record in caplog.records if record.levelno == logging.DEBUG)
    assert "listen rows: begun" == begun
    assert "a listener connects again in 0." in broken
    assert broken.endswith(" s after UNAVAILABLE")


def test_what_waiting_does_not_mend_is_raised_in_the_iterator(
    make_db: Callable[..., Database], faulty: FaultyServer, fault: type[Fault]
) -> None:
    faulty.faults["Listen"] = [fault(grpc.StatusCode.PERMISSION_DENIED, "no")]
    with make_db().context() as ctx:
        snapshots = iter(ctx.select(Row).snapshots())
        with pytest.raises(exceptions.PermissionDenied):
            next(snapshots)
        assert ([], ["Listen"]) == (list(snapshots), faulty.calls)


def test_what_cannot_be_parsed_breaks_the_stream(make_db: Callable[..., Database], faulty: FaultyServer) -> None:
    with make_db().context() as ctx:
        ctx.save(Row(id="a", n=1))
        faulty.next_answers["Listen"] = [[b"\xff"], [b"\x12\x04\x0a"]]
        [document] = next(iter(ctx.select(Row).snapshots())).documents
        assert (1, 3) == (document.n, faulty.calls.count("Listen"))
        for query in (ctx.select(Row), ctx.select(Row, limit=5)):
            faulty.calls.clear()
            faulty.next_answers["RunQuery"] = [[b"\xff"], [b"\x12\x04\x0a"]]
            assert [document] == query.to_list()
            assert 3 == faulty.calls.count("RunQuery")


def test_many_that_are_dropped_in_the_middle_leave_nothing(firestore_emulator: str, project: str) -> None:
    before = threading.active_count()
    backend = FirestoreBackend(project=project)
    with Cendry(backend=backend) as ctx:
        ctx.save_many([Row(id=f"{number:02}", n=number) for number in range(40)])
        for _ in range(10):
            for snapshot in ctx.select(Row).snapshots():
                assert 40 == len(snapshot.documents)
                break
        assert becomes(lambda: not any(one._thread.is_alive() for one in backend._listeners))
        assert set() == ctx._sender.listeners
    backend.close()
    assert becomes(lambda: threading.active_count() <= before)
