"""The order of documents in the results of a query, which the server streams to listeners unsorted."""

from __future__ import annotations

from typing import Any

from cendry._order import AFTER_ALL, inverted, key_of, path_key
from cendry.paths import DOCUMENT_ID, FieldPath
from cendry.plan import Order

from ._values import decode_value, field_at


def sort_key(document: Any, orders: tuple[Order, ...]) -> bytes:
    """Where a `Document` message stands among the results of a query with these orders, the last one by name."""
    keys = (_key_at(document, order.path) for order in orders)
    return b"".join(inverted(key) if order.descending else key for key, order in zip(keys, orders, strict=True))


def _key_at(document: Any, path: FieldPath) -> bytes:
    if path == DOCUMENT_ID:
        return path_key(document.name)
    message = field_at(document.fields, path)
    # Relative to no database, each reference has its own: this one sorts anywhere among others.
    value = None if message is None else decode_value(message, "")
    try:
        return key_of(value)
    except KeyError:
        # A kind that is unknown here.
        return AFTER_ALL + key_of(str(value))
