"""Google's cases about listeners: a stream of responses, and the snapshots that come of it."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Any, NamedTuple

from cendry import get_metadata
from crosslanguage.calls import COLLECTION, instant, model_of, relative
from crosslanguage.cases import Case
from crosslanguage.server import END, CapturingServer, ListenResponse
from google.protobuf.json_format import ParseDict  # type: ignore[import-untyped]

_SECONDS = 30


class NoEndError(Exception):
    """A listener did not come to an end as it should."""


class SeenDocument(NamedTuple):
    """A document of a snapshot."""

    document_id: str
    a: Any
    create_time: datetime | None
    update_time: datetime | None


class SeenChange(NamedTuple):
    """A change of a snapshot; an index is -1 where there is none."""

    kind: str
    document: SeenDocument
    old_index: int
    new_index: int


class Seen(NamedTuple):
    """A snapshot."""

    documents: tuple[SeenDocument, ...]
    changes: tuple[SeenChange, ...]
    read_time: datetime


def expected(case: Case) -> list[Seen]:
    """The snapshots that Google expects."""
    return [
        Seen(
            tuple(_document(one) for one in snapshot.get("docs", ())),
            tuple(
                SeenChange(one["kind"], _document(one["doc"]), one.get("oldIndex", 0), one.get("newIndex", 0))
                for one in snapshot.get("changes", ())
            ),
            instant(snapshot["readTime"]),
        )
        for snapshot in case.body.get("snapshots", ())
    ]


def heard(case: Case, ctx: Any, server: CapturingServer) -> tuple[list[Seen], str | None]:
    """The snapshots of a listener that is sent the responses of a case, and the error that ended it early.

    Raises:
        NoEndError: It neither took all responses nor ended with an error.
    """
    server.take()
    server.responses = [ParseDict(one, ListenResponse()) for one in case.body["responses"]]
    seen: list[Seen] = []
    errors: list[str] = []
    ended = threading.Event()

    def on_error(error: BaseException) -> None:
        errors.append(str(error))
        ended.set()

    query = ctx.select(model_of({"a"}, COLLECTION), order_by="a")
    with query.on_snapshot(lambda snapshot: seen.append(_seen(snapshot)), on_error=on_error):
        if not ended.wait(_SECONDS):
            raise NoEndError("it waits for more")
    if len(server.take()) > 1:
        raise NoEndError("it listened again, as after an error that passes")
    [error] = errors
    return seen, None if END in error else error


def _document(given: dict[str, Any]) -> SeenDocument:
    [value] = given["fields"].values()
    _, document_id = relative(given["name"])
    created, updated = instant(given["createTime"]), instant(given["updateTime"])
    return SeenDocument(document_id, int(value["integerValue"]), created, updated)


def _seen(snapshot: Any) -> Seen:
    return Seen(
        tuple(map(_seen_document, snapshot.documents)),
        tuple(
            SeenChange(
                one.type.upper(),
                _seen_document(one.document),
                -1 if one.old_index is None else one.old_index,
                -1 if one.new_index is None else one.new_index,
            )
            for one in snapshot.changes
        ),
        snapshot.read_time,
    )


def _seen_document(instance: Any) -> SeenDocument:
    known = get_metadata(instance)
    return SeenDocument(instance.id, instance.a, known.create_time, known.update_time)
