"""The indexes that models declare: of vectors, exemptions, and times to live."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .._model.model import Model
from .._types.kinds import Kind
from .._types.shapes import Record, bare, dimension_of, kinds_of
from ..codec import codec_for
from ..paths import FieldPath
from .definitions import AUTOMATIC, FieldOverride, Index
from .serving import IndexConflictError, Indexes


def derive(*models: type[Model]) -> Indexes:
    """The indexes that models declare by their fields, those of embedded maps included.

    | field | declares |
    |---|---|
    | `field(dimension=768)` of a `Vector` | the index that `find_nearest` without filters needs |
    | `field(index=False)` | that Firestore keeps no index of it |
    | `field(ttl=True)` | that documents are deleted at the time in it |

    What queries need besides is found by `needs_of`.

    Args:
        models: Classes with a collection.

    Raises:
        TypeError: A class has no collection, or a time to live is not a `datetime`.
        IndexConflictError: Two models of one collection declare one field differently, or it has two times to live.
    """
    indexes: dict[Index, None] = {}
    overrides: dict[tuple[str, FieldPath], FieldOverride] = {}
    indexed: dict[tuple[str, FieldPath], type[Model]] = {}
    for model in models:
        collection = model.__collection__
        if collection is None:
            raise TypeError(f"{model.__qualname__} has no collection, and so no indexes.")
        for path, info, shape in _fields(codec_for(model).shape):
            place = collection, path
            dimension = dimension_of(shape)
            if dimension is not None:
                indexes[Index(collection, (), vector=(path, dimension))] = None
            if info.ttl and kinds_of(bare(shape)) != frozenset[Kind](("timestamp",)):
                field = f"{model.__qualname__}.{path}"
                raise TypeError(f"{field} can't be a time to live (ttl=True): it is not a datetime.")
            override = FieldOverride(
                collection, path, frozenset() if not info.index else AUTOMATIC, True if info.ttl else None
            )
            other = indexed.setdefault(place, model)
            if other is not model and override != overrides.get(place, FieldOverride(collection, path, AUTOMATIC)):
                raise IndexConflictError(
                    f"{other.__qualname__} and {model.__qualname__} are of one collection, {collection!r}, and declare "
                    f"index= or ttl= of the field {path} differently."
                )
            if info.ttl or not info.index:
                overrides[place] = override
    expiring: dict[str, FieldPath] = {}
    for (collection, path), override in overrides.items():
        if override.ttl and expiring.setdefault(collection, path) != path:
            raise IndexConflictError(
                f"{collection!r} has times to live in two fields, {expiring[collection]} and {path}, and Firestore "
                "takes one."
            )
    return Indexes(indexes, overrides.values())


def _fields(
    record: Record, outer: tuple[str, ...] = (), inside: tuple[type[Any], ...] = ()
) -> Iterator[tuple[FieldPath, Any, Any]]:
    infos: Mapping[str, Any] = getattr(record.python, "__cendry_fields__", {})
    for field in record.fields:
        info = infos.get(field.name)
        if info is not None:
            segments = (*outer, field.stored)
            yield FieldPath(*segments), info, field.shape
            inner = bare(field.shape)
            if isinstance(inner, Record) and inner.python not in inside:
                yield from _fields(inner, segments, (*inside, inner.python))
