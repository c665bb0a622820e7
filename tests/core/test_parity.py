"""The twins say the same: names, signatures (with the async parts stripped) and docstrings."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest
from cendry import (
    AsyncBackend,
    AsyncBatch,
    AsyncCendry,
    AsyncQuery,
    AsyncRows,
    AsyncTransaction,
    Backend,
    Batch,
    Cendry,
    Query,
    Rows,
    Transaction,
)
from cendry._query.aio.documents import AsyncDocuments
from cendry._query.sync.documents import Documents

TWINS = [
    (Cendry, AsyncCendry),
    (Query, AsyncQuery),
    (Rows, AsyncRows),
    (Batch, AsyncBatch),
    (Transaction, AsyncTransaction),
    (Backend, AsyncBackend),
]

# Listening is the sync twin's so far; the async one is to get watch().
SYNC_ONLY = {"on_snapshot", "listen"}


def members(kind: type[Any]) -> dict[str, Any]:
    found = {name: value for name, value in inspect.getmembers(kind) if not name.startswith("_")}
    return {name: value for name, value in found.items() if name not in SYNC_ONLY}


def stripped(text: str) -> str:
    text = re.sub(r"\b(Awaitable|Coroutine\[Any, Any, )\[?", "", text)
    text = re.sub(r"\bAsync(?=[A-Z])|\bAbstractAsync|\bAbstract", "", text)
    return re.sub(r"[\[\]]", "", text)


def signature(member: Any) -> str:
    return stripped(str(inspect.signature(member))) if callable(member) else ""


def prose(member: Any) -> str:
    text = inspect.getdoc(member) or ""
    text = text.replace("an `async with`", "a `with`").replace(", that of the running event loop", "")
    text = text.replace(" for the running event loop", "").replace("aclose()", "close()")
    return re.sub(r"\s+", " ", text.replace(", and its listeners", "")).replace("Async", "").replace("async ", "")


@pytest.mark.parametrize(("sync", "async_"), TWINS, ids=[sync.__name__ for sync, _ in TWINS])
def test_twins_have_the_same_names_signatures_and_docs(sync: type[Any], async_: type[Any]) -> None:
    ours, theirs = members(sync), members(async_)
    assert list(ours) == list(theirs)
    for name, member in ours.items():
        assert signature(member) == signature(theirs[name]), name
        assert prose(member) == prose(theirs[name]), name
        assert prose(member), name
    assert stripped(str(inspect.signature(sync))) == stripped(str(inspect.signature(async_)))


def test_what_both_stream_is_documented_too() -> None:
    assert inspect.getdoc(Documents.close) == inspect.getdoc(AsyncDocuments.aclose)


@pytest.mark.parametrize(("sync", "async_"), TWINS, ids=[sync.__name__ for sync, _ in TWINS])
def test_the_async_twin_awaits_what_the_sync_one_waits_for(sync: type[Any], async_: type[Any]) -> None:
    waiting = {name for name, member in members(async_).items() if inspect.iscoroutinefunction(member)}
    queued = {"save", "create", "update", "delete", "discard"} if sync in (Batch, Transaction) else set()
    values = {
        "select", "select_group", "batch", "transaction", "ref_of", "client", "registry", "filter",
        "order_by", "limit", "limit_to_last", "offset", "start_at", "start_after", "end_at", "end_before", "under",
        "at", "on_error", "paginate", "project", "name", "run",
    }  # fmt: skip
    if sync is Backend:
        values.add("get")
    assert waiting == set(members(sync)) - queued - values
