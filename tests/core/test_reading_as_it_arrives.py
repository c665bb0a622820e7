"""Lists of documents are read while they arrive: no result is held beside its instance, and streams are closed."""

from __future__ import annotations

from typing import Any

import pytest
from cendry import DecodeError, DocumentNotFoundError, Field, Model, field
from core.documents import City
from core.recording import AsyncRecordingBackend, RecordingBackend

LOG: list[str] = []


class Noted(Model, collection="noted"):
    n: Field[int] = field(default=0)

    def __post_init__(self) -> None:
        LOG.append(f"read {self.n}")


class Streaming(RecordingBackend):
    """Notes what it gives."""

    def run(self, *arguments: Any, **options: Any) -> Any:
        return self.noting(super().run(*arguments, **options))

    def get(self, *arguments: Any, **options: Any) -> Any:
        return self.noting(super().get(*arguments, **options))

    @staticmethod
    def noting(results: Any) -> Any:
        try:
            for result in results:
                LOG.append(f"sent {result.path[-1]}")
                yield result
        finally:
            LOG.append("closed")


class AsyncStreaming(AsyncRecordingBackend):
    """The async twin."""

    def run(self, *arguments: Any, **options: Any) -> Any:
        return self.noting(super().run(*arguments, **options))

    def get(self, *arguments: Any, **options: Any) -> Any:
        return self.noting(super().get(*arguments, **options))

    @staticmethod
    async def noting(results: Any) -> Any:
        try:
            async for result in results:
                LOG.append(f"sent {result.path[-1]}")
                yield result
        finally:
            LOG.append("closed")
            await results.aclose()


class Plain(RecordingBackend):
    """Its streams can't be closed."""

    def run(self, *arguments: Any, **options: Any) -> Any:
        return iter(list(super().run(*arguments, **options)))


class AsyncPlain(AsyncRecordingBackend):
    """The async twin."""

    def run(self, *arguments: Any, **options: Any) -> Any:
        return Iterating(super().run(*arguments, **options))


class Iterating:
    """An async iterator and nothing else."""

    def __init__(self, results: Any) -> None:
        self._results = results

    def __aiter__(self) -> Iterating:
        return self

    async def __anext__(self) -> Any:
        return await anext(self._results)


@pytest.fixture
def noted(make: Any, twin: str) -> Any:
    """A context with three documents."""
    backend: Any = Streaming() if twin == "sync" else AsyncStreaming()
    for number in (1, 2, 3):
        backend.put(f"noted/{number}", {"n": number})
    LOG.clear()
    return make(backend=backend)


def test_to_list_reads_each_result_before_the_next_one_is_sent(noted: Any) -> None:
    assert [1, 2, 3] == [one.n for one in noted.select(Noted).to_list()]
    assert ["sent 1", "read 1", "sent 2", "read 2", "sent 3", "read 3", "closed"] == LOG


def test_the_last_documents_are_read_so_too_and_come_in_order(noted: Any) -> None:
    assert [2, 3] == [one.n for one in noted.select(Noted, order_by=Noted.n).limit_to_last(2).to_list()]
    assert ["sent 3", "read 3", "sent 2", "read 2", "closed"] == LOG


def test_get_many_reads_each_result_before_the_next_one_is_sent(noted: Any) -> None:
    found = noted.get_many(Noted, ["1", "3", "1"])
    assert [1, 3, 1] == [one.n for one in found]
    assert found[0] is not found[2]
    # This backend answers in another order.
    assert ["sent 3", "read 3", "sent 1", "read 1", "read 1", "closed"] == LOG


def test_a_document_that_does_not_fit_ends_the_stream(noted: Any) -> None:
    noted._sender.holder.backend().put("noted/2", {"n": "two"})
    with pytest.raises(DecodeError, match="noted/2"):
        noted.select(Noted).to_list()
    assert ["sent 1", "read 1", "sent 2", "closed"] == LOG


def test_a_handler_is_told_while_the_rest_arrives(noted: Any) -> None:
    noted._sender.holder.backend().put("noted/2", {"n": "two"})
    query = noted.select(Noted, on_error=lambda error: LOG.append("told"))
    assert [1, 3] == [one.n for one in query.to_list()]
    assert ["sent 1", "read 1", "sent 2", "told", "sent 3", "read 3", "closed"] == LOG


def test_an_error_of_the_handler_ends_the_stream(noted: Any) -> None:
    noted._sender.holder.backend().put("noted/1", {"n": "one"})

    def fail(error: DecodeError) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError):
        noted.select(Noted, on_error=fail).to_list()
    assert ["sent 1", "closed"] == LOG


def test_streams_that_cannot_be_closed_are_left(make: Any, twin: str) -> None:
    backend: Any = Plain() if twin == "sync" else AsyncPlain()
    backend.put("noted/1", {"n": "one"})
    with pytest.raises(DecodeError):
        make(backend=backend).select(Noted).to_list()


def test_absent_documents_come_before_those_that_do_not_fit(noted: Any) -> None:
    noted._sender.holder.backend().put("noted/2", {"n": "two"})
    noted._sender.holder.backend().put("noted/3", {"n": "three"})
    with pytest.raises(DocumentNotFoundError, match="noted/9"):
        noted.get_many(Noted, ["2", "9"])
    for method in (noted.get_many, noted.find_many):
        with pytest.raises(DecodeError, match="noted/3"):
            method(Noted, ["1", "3", "2"])
    LOG.clear()
    assert ([], []) == (noted.get_many(Noted, []), noted.find_many(City, []))
    assert [] == LOG
