"""Projections: some fields of each document of a query; the others are not transferred."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .._immutable import replace
from .._types.registry import TypeRegistry
from ..backend import StoredDocument
from ..codec import ResolvedField
from ..codec.reading import STORED
from ..codec.resolve import declared_inside
from ..paths import DOCUMENT_ID, FieldPath
from ..plan import outermost
from .compile import CompiledQuery, compiled
from .fields import resolve_key
from .results import Read
from .spec import QuerySpec


def projection(
    spec: QuerySpec, registry: TypeRegistry, keys: tuple[Any, ...]
) -> tuple[CompiledQuery, Read[dict[str, Any]]]:
    """The query that fetches only these fields, and the function from a result to a dict.

    Raises:
        TypeError: No field is given.
        UnknownFieldError: A name is not declared.
    """
    if not keys:
        raise TypeError("project() takes at least one field.")
    query = compiled(spec, registry)
    fields = [resolve_key(query.codec, key, "project") for key in keys]
    columns = [(_key_of(field), field) for field in fields if field.path != DOCUMENT_ID]

    def read(result: StoredDocument) -> dict[str, Any]:
        row: dict[str, Any] = {"id": result.path[result.path.rfind("/") + 1 :]}
        data, reading = result.data, getattr(result, "reading", STORED)
        for name, field in columns:
            row[name] = field.read(data, result.path, reading)
        return row

    # A field inside another selected one must not be requested twice.
    paths, parts = outermost(field.path for _, field in columns), _parts(field for _, field in columns)
    return replace(query, plan=replace(query.plan, projection=paths, parts=parts)), read


def _parts(fields: Iterable[ResolvedField]) -> tuple[FieldPath, ...] | None:
    found: dict[FieldPath, None] = {}
    for field in fields:
        inside = declared_inside(field.shape, field.path)
        if inside is None:
            return None
        found.update(dict.fromkeys(inside))
    return tuple(found)


def _key_of(field: ResolvedField) -> str:
    """The key of a field in a row, where `id` is always the document's: a stored path of that name keeps its quotes."""
    return "`id`" if field.text == "id" else field.text
