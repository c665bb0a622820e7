"""From one state of a listener to the next: changes whose indexes apply one after another."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from typing import Literal, TypeAlias

from .._order import AFTER_ALL, inverted, key_of, path_key
from ..backend import StoredDocument
from ..paths import DOCUMENT_ID
from ..plan import MISSING, GetPlan, QueryPlan, full_orders, value_at

Key: TypeAlias = "Callable[[StoredDocument], bytes]"
"""Where a document is in the order of a query, as bytes that compare as the documents do."""

Step: TypeAlias = "tuple[Literal['added', 'modified', 'removed'], str, int | None, int | None]"
"""The kind of a change, the path of the document, its old index and its new one."""


def steps(before: Mapping[str, StoredDocument], after: Mapping[str, StoredDocument], key: Key) -> Iterator[Step]:
    """The changes that lead from one state to the next, in the order removed, added, modified.

    Each index counts the documents as the changes before it have left them, as in Google's web and Java SDKs: after
    `del rows[old]` and `rows.insert(new, row)` for one change after another, `rows` is the next state.

    Args:
        before: The documents by path, in the order of the query.
        after: The documents of the next state, likewise.
        key: Where a document is in the order of the query; only asked for documents that change.
    """
    rows = [path for path in before if path in after]
    gone = 0
    for index, path in enumerate(before):
        if path not in after:
            yield "removed", path, index - gone, None
            gone += 1
    old_slots, new_slots, modified = _slots(rows, before, after, key)
    taken = [old_slots.get(path, new_slots[path]) for path in rows]
    for path, slot in new_slots.items():
        if path not in before:
            place = bisect_left(taken, slot)
            taken.insert(place, slot)
            yield "added", path, None, place
    for path in modified:
        old = bisect_left(taken, old_slots[path])
        del taken[old]
        new = bisect_left(taken, new_slots[path])
        taken.insert(new, new_slots[path])
        yield "modified", path, old, new


def _slots(
    rows: list[str], before: Mapping[str, StoredDocument], after: Mapping[str, StoredDocument], key: Key
) -> tuple[dict[str, int], dict[str, int], list[str]]:
    """One sequence of the old and the new documents, in which each has a number.

    Returns:
        The numbers of the old documents that are modified, those of all new ones, and the paths of the modified ones,
        both in the new order.
    """
    numbers = {path: number for number, path in enumerate(rows)}
    old_slots: dict[str, int] = {}
    new_slots: dict[str, int] = {}
    modified: list[str] = []
    changing: list[str] = []
    count = done = 0

    def close_gap(until: int) -> None:
        """Merge the old and the new documents between two that stay."""
        nonlocal count, done
        waiting = rows[done:until]
        for path in changing:
            if waiting:
                place = key(after[path])
                while waiting and key(before[waiting[0]]) < place:
                    old_slots[waiting.pop(0)] = count
                    count += 1
            new_slots[path] = count
            count += 1
        for path in waiting:
            old_slots[path] = count
            count += 1
        changing.clear()
        done = until + 1

    for path, document in after.items():
        number = numbers.get(path)
        if number is not None:
            if number >= done and same(before[path], document):
                close_gap(number)
                new_slots[path] = count
                count += 1
                continue
            modified.append(path)
        changing.append(path)
    close_gap(len(rows))
    return old_slots, new_slots, modified


def same(a: StoredDocument | None, b: StoredDocument) -> bool:
    """Whether two results are the same version of a document; without update times, the data are compared."""
    if a is None:
        return False
    return a.data == b.data if b.update_time is None else a.update_time == b.update_time


def sort_key(plan: QueryPlan | GetPlan, *, backwards: bool) -> Key:
    """The order of a query's results.

    Args:
        plan: The query; the result of a `GetPlan` is a single document, which has no order.
        backwards: Whether the results are shown in the opposite order.
    """
    orders = full_orders(plan.where, plan.orders) if isinstance(plan, QueryPlan) else ()

    def key(document: StoredDocument) -> bytes:
        data = document.data or {}
        parts: list[bytes] = []
        for order in orders:
            if order.path == DOCUMENT_ID:
                found = path_key(document.path)
            else:
                value = value_at(data, order.path.segments)
                try:
                    found = AFTER_ALL if value is MISSING else key_of(value)
                except KeyError:
                    # Of a kind that this version doesn't know.
                    found = AFTER_ALL
            parts.append(inverted(found) if order.descending is not backwards else found)
        return b"".join(parts)

    return key
