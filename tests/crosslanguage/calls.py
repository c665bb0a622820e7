"""Google's cases as calls of Cendry: what a user would write who wants to have the same request sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from cendry import (
    DELETE_FIELD,
    SERVER_TIMESTAMP,
    ArrayRemove,
    ArrayUnion,
    Asc,
    Comparison,
    Desc,
    FieldPath,
    FirestoreValue,
    Map,
    Model,
    field,
)
from making import make_class

COLLECTION = "C"


class UnsayableError(Exception):
    """Cendry has no call for this."""


# --- values, documents, classes ---


def value_of(given: Any) -> Any:
    """A value of a case, with Cendry's own values for those that JSON can't hold."""
    match given:
        case "ServerTimestamp":
            return SERVER_TIMESTAMP
        case "Delete":
            return DELETE_FIELD
        case "NaN":
            return float("nan")
        case ["ArrayUnion", *values]:
            return ArrayUnion([value_of(one) for one in values])
        case ["ArrayRemove", *values]:
            return ArrayRemove([value_of(one) for one in values])
        case list():
            return [value_of(one) for one in given]
        case dict():
            return {key: value_of(one) for key, one in given.items()}
        case _:
            return given


@dataclass(frozen=True)
class Part:
    """Some fields of a document whose class declares each of them, with a `Map` for each nested `Part`."""

    values: dict[str, Any]

    def instance(self, base: type[Any], **keywords: Any) -> Any:
        """An instance of a class that declares these fields, whatever they are called."""
        annotations: dict[str, Any] = {}
        values: dict[str, Any] = {}
        for number, (stored, given) in enumerate(self.values.items()):
            value = given.instance(Map) if isinstance(given, Part) else given
            name = f"field{number}"
            # Only a field that has a default can be removed.
            info = field(alias=stored, default=None) if value is DELETE_FIELD else field(alias=stored)
            annotations[name] = (type(value) if isinstance(given, Part) else FirestoreValue, info)
            values[name] = value
        return make_class("C" if base is Model else "Part", base, annotations, **keywords)(**values)


def model_of(names: set[str], collection: str = COLLECTION) -> Any:
    """A model that declares these fields, which may hold anything."""
    annotations = {name: (FirestoreValue, field(default=None)) for name in names}
    return make_class("C", Model, annotations, collection=collection)


def document_of(part: Part, path: str) -> Any:
    """An instance of a model with these fields, at this path."""
    collection, document_id = relative(path)
    instance = part.instance(Model, collection=collection)
    instance.id = document_id
    return instance


def relative(path: str) -> list[str]:
    """The segments of a document or collection below the root."""
    return path.partition("/documents/")[2].split("/")


def field_path(given: dict[str, Any]) -> FieldPath:
    """A field path of a case."""
    return FieldPath(*given.get("field", ()))


def instant(text: str) -> datetime:
    """A time of a case."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)


# --- writes ---


def create(ctx: Any, body: dict[str, Any]) -> Any:
    return ctx.create(document_of(Part(value_of(json.loads(body["jsonData"]))), body["docRefPath"]))


def set_(ctx: Any, body: dict[str, Any]) -> Any:
    data = value_of(json.loads(body["jsonData"]))
    option = body.get("option")
    if option is None:
        return ctx.save(document_of(Part(data), body["docRefPath"]))
    if option.get("all"):
        return ctx.save(document_of(_all_parts(data), body["docRefPath"]), merge=True)
    collection, document_id = relative(body["docRefPath"])
    changes = _named(data, option["fields"], body.get("isError", False))
    return ctx.merge(model_of(set(), collection), document_id, changes)


def _all_parts(data: dict[str, Any]) -> Part:
    """To merge everything is to declare everything: what a `dict` is replaced by is a `Map`."""
    return Part({key: _all_parts(one) if isinstance(one, dict) and one else one for key, one in data.items()})


def _named(data: dict[str, Any], fields: list[dict[str, Any]], is_error: bool) -> Pairs:
    """To merge some fields is to name these, with their values."""
    found = Pairs()
    for path in map(field_path, fields):
        value: Any = data
        for segment in path:
            if segment not in value:
                raise UnsayableError("A merge has the values of its fields, and no list of fields beside them.")
            value = value[segment]
        found.append((path, value))
    if is_error and data.keys() != {path.segments[0] for path, _ in found}:
        raise UnsayableError("A merge has the values of its fields, and no data besides.")
    return found


class Pairs(list[tuple[Any, Any]]):
    """Changes by field path, which may name one field twice as no dict can."""

    def items(self) -> list[tuple[Any, Any]]:
        return self


def update(ctx: Any, body: dict[str, Any]) -> Any:
    data = json.loads(body["jsonData"])
    # A declared name begins like one of Python's.
    declared = {name for key in data if (name := key.partition(".")[0]).isidentifier()}
    return _update(ctx, body, declared, {key: value_of(value) for key, value in data.items()})


def update_paths(ctx: Any, body: dict[str, Any]) -> Any:
    paths = [field_path(one) for one in body.get("fieldPaths", ())]
    values = [value_of(json.loads(one)) for one in body.get("jsonValues", ())]
    return _update(ctx, body, set(), Pairs(zip(paths, values, strict=True)))


def _update(ctx: Any, body: dict[str, Any], declared: set[str], changes: Any) -> Any:
    collection, document_id = relative(body["docRefPath"])
    precondition = body.get("precondition", {})
    if "exists" in precondition:
        raise UnsayableError("update() takes no precondition about existence: the document has to exist.")
    unchanged = instant(precondition["updateTime"]) if precondition else None
    return ctx.update(model_of(declared, collection), document_id, changes, if_unchanged=unchanged)


def delete(ctx: Any, body: dict[str, Any]) -> Any:
    collection, document_id = relative(body["docRefPath"])
    precondition = body.get("precondition", {})
    unchanged = instant(precondition["updateTime"]) if "updateTime" in precondition else None
    must_exist = precondition.get("exists", False)
    return ctx.delete(model_of(set(), collection), document_id, must_exist=must_exist, if_unchanged=unchanged)


# --- reads ---


def get(ctx: Any, body: dict[str, Any]) -> Any:
    collection, document_id = relative(body["docRefPath"])
    return ctx.find(model_of(set(), collection), document_id)


def query(ctx: Any, body: dict[str, Any]) -> Any:
    [collection] = relative(body["collPath"])
    model = model_of({"a", "b", "c"}, collection)
    found = ctx.select(model)
    orders: list[Any] = []
    projection: list[FieldPath] | None = None
    for clause in body.get("clauses", ()):
        [(name, given)] = clause.items()
        match name:
            case "where":
                value = value_of(json.loads(given["jsonValue"]))
                found = found.filter(Comparison(_field(model, field_path(given["path"])), given["op"], value))
            case "orderBy":
                orders.append(_field(model, field_path(given["path"])))
                found = found.order_by((Desc if given["direction"] == "desc" else Asc)(orders[-1]))
            case "offset":
                found = found.offset(given)
            case "limit":
                found = found.limit(given)
            case "select":
                if projection is not None:
                    raise UnsayableError("A projection ends a query, so there is no second one.")
                projection = [field_path(one) for one in given.get("fields", ())]
            case _:
                found = getattr(found, _CURSORS[name])(_cursor(given, orders, model))
    if projection is None:
        return found.to_list()
    # The names alone are what ids() reads.
    return found.project(*projection).to_list() if projection else found.ids()


def _field(model: Any, path: FieldPath) -> Any:
    """A field as a user would write it, so that an instance can be a cursor: `C.a`, or the path of another field."""
    [name, *inner] = path
    return getattr(model, name) if not inner and name in ("a", "b", "c") else path


_CURSORS = {"startAt": "start_at", "startAfter": "start_after", "endAt": "end_at", "endBefore": "end_before"}


def _cursor(given: dict[str, Any], orders: list[Any], model: Any) -> Any:
    if "docSnapshot" in given:
        snapshot = given["docSnapshot"]
        collection, document_id = relative(snapshot["path"])
        kind = model if collection == model.__collection__ else model_of({"a", "b", "c"}, collection)
        return kind(id=document_id, **json.loads(snapshot["jsonData"]))
    values = [value_of(json.loads(one)) for one in given.get("jsonValues", ())]
    if len(values) > len(orders):
        raise UnsayableError("The values of a cursor have the names of the fields that the query sorts by.")
    return dict(zip(orders, values, strict=False))


CALLS: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "create": create,
    "set": set_,
    "update": update,
    "updatePaths": update_paths,
    "delete": delete,
    "get": get,
    "query": query,
}
"""How a case of each kind is said, but for `listen`."""
