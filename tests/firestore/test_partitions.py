"""Partitions, as Firestore answers in production: by a server that divides, before an emulator that doesn't."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from cendry import Field, InvalidRequestError, Model
from cendry.plan import Set
from cendry_memory.testing import Database
from firestore.faulty import Fault, FaultyServer
from google.api_core import exceptions
from google.cloud.firestore_v1 import types

NAMES = ["__id7__", "__id10__", "a", "b", "c", "d", "é"]
PATHS = [f"shops/{shop}/orders/{name}" for shop in ("one", "two") for name in NAMES]


class Order(Model, collection="orders"):
    n: Field[int]


@pytest.fixture
def ctx(faulty: FaultyServer, make_db: Callable[..., Database]) -> Any:
    db = make_db()
    db.commit(*(Set(path, {"n": place}) for place, path in enumerate(PATHS)))
    faulty.requests.clear()
    faulty.metadata.clear()
    faulty.calls.clear()
    return db.context()


def page(project: str, places: Sequence[int], token: str = "") -> list[bytes]:
    """A page of the server's answer: the cuts before these documents."""
    prefix = f"projects/{project}/databases/(default)/documents"
    cursors = [{"values": [{"reference_value": f"{prefix}/{PATHS[place]}"}], "before": True} for place in places]
    response = types.PartitionQueryResponse(partitions=cursors, next_page_token=token)
    return [types.PartitionQueryResponse.serialize(response)]


def asked(faulty: FaultyServer) -> list[Any]:
    found = [request for method, request in faulty.requests if method == "PartitionQuery"]
    return [types.PartitionQueryRequest.deserialize(request) for request in found]


def test_the_emulator_does_not_divide(ctx: Any, faulty: FaultyServer, project: str) -> None:
    group = ctx.select_group(Order)
    [part] = group.partitions(4)
    assert repr(group) == repr(part)
    assert PATHS == part.ids()
    [request] = asked(faulty)
    prefix = f"projects/{project}/databases/(default)/documents"
    assert (prefix, 3, "") == (request.parent, request.partition_count, request.page_token)
    [[sent]] = [[order] for order in request.structured_query.order_by]
    assert ("__name__", 1) == (sent.field.field_path, sent.direction)
    [source] = request.structured_query.from_
    assert ("orders", True) == (source.collection_id, source.all_descendants)
    [metadata] = [sent for method, sent in faulty.metadata if method == "PartitionQuery"]
    assert "parent=projects" in metadata["x-goog-request-params"]


def test_cuts_are_sorted_over_all_pages(ctx: Any, faulty: FaultyServer, project: str) -> None:
    # Each page is sorted in itself alone, and nothing keeps a server from naming a place twice.
    faulty.next_answers["PartitionQuery"] = [
        page(project, [1, 8], "first"),
        page(project, [3, 12], "second"),
        page(project, [3, 7]),
    ]
    parts = ctx.select_group(Order).partitions(9)
    assert [PATHS[:1], PATHS[1:3], PATHS[3:7], PATHS[7:8], PATHS[8:12], PATHS[12:]] == [part.ids() for part in parts]
    assert ["", "first", "second"] == [request.page_token for request in asked(faulty)]
    assert [8] * 3 == [request.partition_count for request in asked(faulty)]
    assert "Query(Order, start_at={'id': 'shops/one/orders/__id10__'}, end_before={'id': 'shops/one/orders/b'}" in (
        repr(parts[1])
    )


def test_a_cut_before_the_first_document_leaves_a_part_empty(ctx: Any, faulty: FaultyServer, project: str) -> None:
    faulty.next_answers["PartitionQuery"] = [page(project, [0, 7])]
    parts = ctx.select_group(Order).partitions(3)
    assert [[], PATHS[:7], PATHS[7:]] == [part.ids() for part in parts]


def test_there_are_never_more_parts_than_asked_for(ctx: Any, faulty: FaultyServer, project: str) -> None:
    faulty.next_answers["PartitionQuery"] = [page(project, [2, 4, 6, 8])]
    parts = ctx.select_group(Order).partitions(3)
    assert [PATHS[:2], PATHS[2:4], PATHS[4:]] == [part.ids() for part in parts]


def test_no_cuts_are_one_part(ctx: Any, faulty: FaultyServer, project: str) -> None:
    faulty.next_answers["PartitionQuery"] = [page(project, [], "more"), page(project, [])]
    [part] = ctx.select_group(Order).partitions(3)
    assert PATHS == part.ids()


def test_a_moment_is_kept(ctx: Any, faulty: FaultyServer, project: str) -> None:
    moment = datetime.now(timezone.utc)
    ctx.save(Order(id="new", n=1))
    for group in (ctx.select_group(Order).at(moment), ctx.at(moment).select_group(Order)):
        faulty.requests.clear()
        faulty.next_answers["PartitionQuery"] = [page(project, [5], "more"), page(project, [7])]
        parts = group.partitions(3)
        assert [moment] * 2 == [request.read_time for request in asked(faulty)]
        assert [PATHS[:5], PATHS[5:7], PATHS[7:]] == [part.ids() for part in parts]
        assert all(f"read_time={moment!r}" in repr(part) for part in parts)
    with pytest.raises(InvalidRequestError, match="future"):
        ctx.select_group(Order).at(moment + timedelta(hours=1)).partitions(2)
    faulty.faults["PartitionQuery"] = [Fault(grpc.StatusCode.FAILED_PRECONDITION, "snapshot version is too old.")]
    with pytest.raises(InvalidRequestError, match="too old"):
        ctx.select_group(Order).at(moment).partitions(2)


def test_failures_of_a_page_are_retried_or_raised(ctx: Any, faulty: FaultyServer, project: str) -> None:
    faulty.next_answers["PartitionQuery"] = [page(project, [5], "more"), page(project, [7])]
    faulty.faults["PartitionQuery"] = [Fault(grpc.StatusCode.UNAVAILABLE)]
    assert 3 == len(ctx.select_group(Order).partitions(5))
    assert 3 == len(asked(faulty))
    faulty.faults["PartitionQuery"] = [Fault(grpc.StatusCode.PERMISSION_DENIED)]
    with pytest.raises(exceptions.PermissionDenied):
        ctx.select_group(Order).partitions(5)


def test_nothing_is_sent_where_a_query_cant_be_divided(ctx: Any, faulty: FaultyServer) -> None:
    group = ctx.select_group(Order)
    for query in (ctx.select(Order), group.limit(3), group.filter(Order.n > 1), group.order_by(Order.n)):
        [part] = query.partitions(4)
        assert repr(query) == repr(part)
    [part] = group.partitions(1)
    with ctx.transaction(read_only=True) as txn:
        [inside] = txn.select_group(Order).partitions(4)
        assert repr(group) == repr(part) == repr(inside)
        assert PATHS == inside.ids()
    assert "PartitionQuery" not in faulty.calls
