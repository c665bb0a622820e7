"""Reads at past moments on Firestore: what is sent, and what refusals mean."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from cendry import Field, InvalidRequestError, Model, count, get_metadata
from cendry_memory.testing import Database
from firestore.faulty import Fault, FaultyServer
from google.api_core import exceptions
from google.cloud.firestore_v1 import types

LONG_AGO = datetime(2001, 1, 1, tzinfo=timezone.utc)
TOO_OLD = "The requested snapshot version is too old."

REQUESTS: dict[str, Any] = {
    "BatchGetDocuments": types.BatchGetDocumentsRequest,
    "RunQuery": types.RunQueryRequest,
    "RunAggregationQuery": types.RunAggregationQueryRequest,
}


class Item(Model, collection="items"):
    n: Field[int]


READS: dict[str, Callable[[Any], object]] = {
    "find": lambda past: past.find(Item, "a"),
    "get_many": lambda past: past.get_many(Item, ["a"]),
    "exists": lambda past: past.exists(Item, "a"),
    "to_list": lambda past: past.select(Item).to_list(),
    "rows": lambda past: past.select(Item).values(Item.n).to_list(),
    "page": lambda past: past.select(Item).page(2),
    "count": lambda past: past.select(Item).count(),
    "aggregate": lambda past: past.select(Item).aggregate(count(), Item.n.sum()),
}
each_read = pytest.mark.parametrize("read", READS.values(), ids=READS)


@each_read
def test_every_read_of_a_past_context_is_one_request_at_its_moment(
    faulty: FaultyServer, make_db: Callable[..., Database], read: Callable[[Any], object]
) -> None:
    ctx = make_db().context()
    item = Item(id="a", n=1)
    ctx.save(item)
    moment = get_metadata(item).update_time
    assert moment is not None
    faulty.requests.clear()
    past = ctx.at(moment)
    assert [] == faulty.requests
    read(past)
    [(method, sent)] = faulty.requests
    request = REQUESTS[method].deserialize(sent)
    assert moment == request.read_time


@each_read
def test_a_moment_that_is_too_old_is_refused_by_the_server(
    db: Database, faulty: FaultyServer, make_db: Callable[..., Database], read: Callable[[Any], object]
) -> None:
    with pytest.raises(InvalidRequestError, match=r"too old.* That was 2001-01-01T00:00:00\+00:00;") as caught:
        read(db.context().at(LONG_AGO))
    assert isinstance(caught.value.__cause__, exceptions.FailedPrecondition)
    # As production is known to say it.
    ctx = make_db().context()
    for method in REQUESTS:
        faulty.faults[method] = [Fault(grpc.StatusCode.FAILED_PRECONDITION, TOO_OLD)]
    with pytest.raises(InvalidRequestError, match=r"too old\. That was"):
        read(ctx.at(datetime.now(timezone.utc) - timedelta(hours=2)))


def test_a_read_of_the_present_that_takes_too_long_is_not_the_callers_fault(
    faulty: FaultyServer, make_db: Callable[..., Database]
) -> None:
    ctx = make_db().context()
    faulty.faults["RunQuery"] = [Fault(grpc.StatusCode.FAILED_PRECONDITION, TOO_OLD)]
    with pytest.raises(exceptions.FailedPrecondition):
        ctx.select(Item).to_list()


def test_a_moment_in_the_future_is_not_sent(faulty: FaultyServer, make_db: Callable[..., Database]) -> None:
    ctx = make_db().context()
    future = datetime.now(timezone.utc) + timedelta(minutes=6)
    for read in (ctx.select(Item).at(future).to_list, ctx.select(Item).at(future).count, lambda: ctx.at(future)):
        with pytest.raises(InvalidRequestError, match="lies in the future: .*; nothing was sent"):
            read()
    assert [] == faulty.calls
    # A clock may be behind the server's, which then decides.
    for read in READS.values():
        with pytest.raises(InvalidRequestError, match="'read_time' cannot be in the future"):
            read(ctx.at(datetime.now(timezone.utc) + timedelta(minutes=4)))
