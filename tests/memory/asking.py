"""Short ways to say plans, and to read results."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

from cendry.paths import DOCUMENT_ID, FieldPath
from cendry.plan import Bound, Composite, Condition, FieldTransform, GetPlan, Order, QueryPlan, Set, Update
from cendry.reference import Ref

MOMENT = datetime(2024, 1, 1, tzinfo=timezone.utc)


def later(microseconds: int) -> datetime:
    return MOMENT + timedelta(microseconds=microseconds)


def path(text: str) -> FieldPath:
    return DOCUMENT_ID if text == "__name__" else FieldPath.parse(text)


def is_(text: str, op: Any, value: Any = None) -> Condition:
    return Condition(path(text), op, value)


def both(*conditions: Any) -> Composite:
    return Composite("AND", conditions)


def either(*conditions: Any) -> Composite:
    return Composite("OR", conditions)


def by(*texts: str) -> tuple[Order, ...]:
    """Orders: `"-a"` is descending."""
    return tuple(Order(path(text.lstrip("-")), text.startswith("-")) for text in texts)


def at(*values: Any, before: bool = True) -> Bound:
    return Bound(values, before)


def after(*values: Any) -> Bound:
    return Bound(values, False)


def ref(text: str) -> Ref[Any]:
    return Ref.from_path(text)


def changed(text: str, transform: Any) -> FieldTransform:
    return FieldTransform(path(text), transform)


def update(document: str, data: dict[str, Any], *masked: str, **options: Any) -> Update:
    return Update(document, data, tuple(map(path, masked)), **options)


def merge(document: str, data: dict[str, Any], *masked: str, **options: Any) -> Set:
    return Set(document, data, tuple(map(path, masked)), **options)


def fill(backend: Any, collection: str, documents: dict[str, dict[str, Any]]) -> None:
    backend.commit([Set(f"{collection}/{key}", data) for key, data in documents.items()])


def ask(
    backend: Any, where: Any = None, orders: Iterable[str] = (), *, collection: str = "c", **options: Any
) -> list[str]:
    """The ids of what a query finds."""
    plan = QueryPlan(collection, where=where, orders=by(*orders), **options)
    return [result.path.rpartition("/")[2] for result in backend.run(plan)]


def paths(backend: Any, plan: QueryPlan, **options: Any) -> list[str]:
    return [result.path for result in backend.run(plan, **options)]


def stored(backend: Any, document: str, **options: Any) -> Any:
    [result] = backend.get(GetPlan((document,)), **options)
    return result.data


def times(backend: Any, document: str) -> tuple[datetime | None, datetime | None]:
    [result] = backend.get(GetPlan((document,)))
    return result.create_time, result.update_time
