"""The parts of a backfill: ranges of keys, each read in pages. Only reads are sent."""

from __future__ import annotations

import secrets
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Any, Final, cast

from cendry._immutable import dataclass
from cendry._order import path_key
from cendry.backend import Backend, StoredDocument
from cendry.errors import JobFileError
from cendry.jobs import Store, find_json, write_json
from cendry.paths import DOCUMENT_ID
from cendry.plan import AggregationPlan, Bound, Order, QueryPlan
from cendry.reference import Ref

from .rewriting import size_of

PLAN_FILE: Final = "backfill.json"

SHARD: Final = 10_000
"""Documents of a part, about."""

MAX_SHARDS: Final = 1000

PAGE: Final = 500
FIRST_PAGE: Final = 50
"""Documents of a page, at most, and of the first one, whose size shows how many fit."""

PAGE_BYTES: Final = 2 * 1024 * 1024
"""Bytes of documents after which a page ends."""

_BY_ID: Final = (Order(DOCUMENT_ID),)


@dataclass(frozen=True, slots=True)
class Selection:
    """The documents of a backfill.

    Attributes:
        collection: The collection id.
        group: Whether all collections of this id are meant, or only that at the root.
    """

    collection: str
    group: bool

    def query(self, **options: Any) -> QueryPlan:
        """A query for some of them, by key."""
        return QueryPlan(self.collection, group=self.group, orders=_BY_ID, **options)


@dataclass(frozen=True, slots=True)
class BackfillPlan:
    """A backfill, as its first run has found it.

    Attributes:
        id: Differs for each.
        database: Where the documents are.
        selection: Which they are.
        function: The name of the function.
        count: How many documents there were.
        cuts: The paths at which parts begin, in the order of keys.
    """

    id: str
    database: str
    selection: Selection
    function: str
    count: int
    cuts: tuple[str, ...]

    def shard(self, number: int) -> tuple[str, str]:
        """The paths at which a part begins and ends; empty where it has no bound."""
        ends = ("", *self.cuts, "")
        return ends[number], ends[number + 1]

    def numbers_of(self, paths: Iterable[str]) -> list[int]:
        """For each document, the number of the part that has it."""
        begins = [path_key(cut) for cut in self.cuts]
        return [bisect_right(begins, path_key(path)) for path in paths]


def open_plan(
    store: Store, backend: Backend, selection: Selection, function: str, *, may_make: bool = True
) -> BackfillPlan:
    """The plan of a backfill: the one in its store, or a new one, which is stored.

    Args:
        store: Where the plan is.
        backend: Where the documents are.
        selection: Which they are.
        function: The name of the function.
        may_make: Whether a new one is made if there is none.

    Raises:
        JobFileError: The store has the plan of another backfill, or none that it must have.
        JobStoreError: It can't be read or written.
    """
    database = database_of(backend)
    found = find_json(store, PLAN_FILE)
    if found is not None:
        plan = _plan_of(found)
        expected = (database, selection, function)
        if (plan.database, plan.selection, plan.function) != expected:
            raise JobFileError.of_another_job(PLAN_FILE, _described(plan), _described_parts(*expected))
        return plan
    if not may_make:
        raise JobFileError.missing(PLAN_FILE)
    plan = make_plan(backend, selection, function)
    write_json(
        store,
        PLAN_FILE,
        {
            "id": plan.id,
            "database": plan.database,
            "collection": selection.collection,
            "group": selection.group,
            "function": plan.function,
            "count": plan.count,
            "cuts": [cut.encode().hex() for cut in plan.cuts],
        },
    )
    return plan


def make_plan(backend: Backend, selection: Selection, function: str, *, divides: bool = True) -> BackfillPlan:
    """A new plan; it is not stored.

    Args:
        backend: Where the documents are.
        selection: Which they are.
        function: The name of the function.
        divides: Whether it has parts.
    """
    [count] = backend.aggregate(AggregationPlan(selection.query()))
    number = min(int(count or 0) // SHARD + 1, MAX_SHARDS) if divides else 1
    cuts = _cuts(backend, selection, number) if number > 1 else []
    return BackfillPlan(secrets.token_hex(8), database_of(backend), selection, function, int(count or 0), tuple(cuts))


def database_of(backend: Backend) -> str:
    """How plans name the database of a backend."""
    return str(getattr(backend, "database", None) or backend.name)


def pages(
    backend: Backend, selection: Selection, after: str, start: str, end: str, most: int | None = None
) -> Iterator[list[StoredDocument]]:
    """The documents of a part, page by page, each by a query of its own: what is read is never old.

    Args:
        backend: Where they are.
        selection: Which they are.
        after: The path of the last one that is done, or empty.
        start: Where the part begins, or empty.
        end: Where it ends, or empty.
        most: At most how many documents; `None` for all.
    """
    stop = Bound((_ref(end),), before=True) if end else None
    limit = FIRST_PAGE
    while most is None or most > 0:
        if most is not None:
            limit = min(limit, most)
        begin = Bound((_ref(after or start),), before=not after) if after or start else None
        page, size = _page(backend, selection.query(start=begin, end=stop, limit=limit))
        if not page:
            return
        yield page
        after = page[-1].path
        if most is not None:
            most -= len(page)
        # As many as fit into half of what ends a page.
        limit = max(1, min(PAGE, limit * 2, PAGE_BYTES // 2 // max(1, size // len(page))))


def _page(backend: Backend, plan: QueryPlan) -> tuple[list[StoredDocument], int]:
    found: list[StoredDocument] = []
    size = 0
    results = backend.run(plan)
    for result in results:
        found.append(result)
        size += _size(result)
        if size >= PAGE_BYTES:
            break
    close = getattr(results, "close", None)
    if close is not None:
        close()
    return found, size


def _size(result: StoredDocument) -> int:
    # Firestore's results have the message, which knows its size.
    message: Any = cast("Any", result)[0] if isinstance(result, tuple) else None
    size: int = message.ByteSize() if hasattr(message, "ByteSize") else size_of(cast("Any", result).data)
    return size


def _ref(path: str) -> Ref[Any]:
    return Ref.from_path(path)


def _cuts(backend: Backend, selection: Selection, number: int) -> list[str]:
    """Paths at which parts begin: the server's, or found by reading all keys, where it has none to offer."""
    # Servers divide collection groups only.
    partition = getattr(backend, "partition", None)
    group = QueryPlan(selection.collection, group=True, orders=_BY_ID)
    found: list[str] = [] if partition is None else partition(group, number)
    own = sorted({path for path in found if selection.group or path.count("/") == 1}, key=path_key)
    if own:
        return own[: number - 1]
    cuts: list[str] = []
    for place, result in enumerate(backend.run(selection.query(projection=()))):
        if place and place % SHARD == 0:
            cuts.append(result.path)
    return cuts[: MAX_SHARDS - 1]


def _described(plan: BackfillPlan) -> str:
    return _described_parts(plan.database, plan.selection, plan.function)


def _described_parts(database: str, selection: Selection, function: str) -> str:
    of = "collection group" if selection.group else "collection"
    return f"{function} on the {of} {selection.collection!r} of {database}"


def _plan_of(found: dict[str, Any]) -> BackfillPlan:
    match found:
        case {
            "id": str(id),
            "database": str(database),
            "collection": str(collection),
            "group": bool(group),
            "function": str(function),
            "count": int(count),
            "cuts": [*cuts],
        } if all(isinstance(cut, str) for cut in cuts):
            try:
                paths = tuple([bytes.fromhex(cut).decode() for cut in cuts])
            except ValueError as error:
                raise JobFileError(PLAN_FILE, f"'cuts' are not keys in hexadecimal: {error}") from None
            return BackfillPlan(id, database, Selection(collection, group), function, count, paths)
        case _:
            raise JobFileError(PLAN_FILE, "it is not the plan of a backfill")
