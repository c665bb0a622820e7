# Generated from core/test_streams_aio.py by tools/twins.py; do not edit.
"""The streams of a query's documents."""

from __future__ import annotations

from typing import Any

from cendry._query.sync.documents import Documents


class Empty:
    """A stream that holds nothing, and so has nothing to close."""

    def __iter__(self) -> Empty:
        return self

    def __next__(self) -> Any:
        raise StopIteration


def test_closing_asks_nothing_of_a_stream_that_holds_nothing() -> None:
    documents = Documents(Empty(), lambda result: result)
    documents.close()
    assert list(documents) == []
