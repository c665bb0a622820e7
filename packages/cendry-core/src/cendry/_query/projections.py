"""Projections: some fields of each document of a query; the others are not transferred."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import MISSING as MISSING_DEFAULT
from typing import Any, Final, Literal

from .._immutable import dataclass, replace
from .._types.registry import TypeRegistry
from ..backend import StoredDocument
from ..codec import ResolvedField
from ..codec.reading import Reading
from ..codec.resolve import declared_inside
from ..codec.upgrading import require_current
from ..filters import field_key
from ..paths import DOCUMENT_ID, FieldPath
from ..plan import MISSING, outermost
from .compile import CompiledQuery, compiled
from .fields import FieldKey, FieldRef, named_field, resolved
from .results import Read
from .spec import QuerySpec

_Column = Callable[[dict[str, Any], str], Any]


@dataclass(frozen=True, slots=True)
class Columns:
    """Some fields of each document, as an output of a query.

    Attributes:
        form: What a row is: a tuple of the values, a dict by Python name, or the value of the only field.
        fields: The fields.
    """

    form: Literal["tuple", "dict", "value"]
    fields: tuple[FieldRef, ...]

    def _key(self) -> tuple[Any, ...]:
        return self.form, tuple(map(field_key, self.fields))

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Columns) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        name = "project" if self.form == "dict" else "values"
        flat = ["flat=True"] if self.form == "value" else []
        return f"{name}({', '.join([*map(repr, self.fields), *flat])})"

    def compiled(
        self, spec: QuerySpec, registry: TypeRegistry, *, complete: bool = False
    ) -> tuple[CompiledQuery, Read[Any]]:
        """The query that fetches only these fields, and the function from a result to a row."""
        query = compiled(spec, registry, complete=complete)
        fields = [_optional(resolved(query.codec, field), spec.model) for field in self.fields]
        paths = [path for field in fields for path in (field.path, *field.tags)]
        if complete:
            # The next page begins after the last row, by the values of the fields that the query sorts by.
            paths += [order.path for order in query.plan.orders]
        # A field inside another selected one must not be requested twice.
        evolution = query.codec.evolution
        checks_versions = evolution is not None and any(path != DOCUMENT_ID for path in paths)
        if evolution is not None and checks_versions:
            paths.append(FieldPath(evolution.version_field))
        projection = outermost(path for path in paths if path != DOCUMENT_ID)
        query = replace(query, plan=replace(query.plan, projection=projection, parts=_parts(fields)))
        return query, _READERS[self.form](fields, spec.model if checks_versions else None)


def _optional(field: ResolvedField, model: type[Any]) -> ResolvedField:
    """A field of a subclass, which documents of other kinds in the collection don't have, with the default `None`."""
    if field.owner is model or not field.names or field.field is None:
        return field
    declared = replace(field.field, required=False, default=None, factory=MISSING_DEFAULT)
    return replace(field, field=declared, holders=(None,) * len(field.holders))


def columns(model: type[Any], form: Literal["tuple", "dict"], keys: tuple[FieldKey, ...], *, flat: Any) -> Columns:
    """The columns that a user named.

    Raises:
        TypeError: No field is given, or several with `flat`; or one is not a field of the model.
        UnknownFieldError: A name is not declared.
    """
    name = "project" if form == "dict" else "values"
    if any(isinstance(key, (list, tuple)) for key in keys):
        raise TypeError(f"{name}() takes fields one by one, not in a list: {name}(*fields).")
    if not keys:
        raise TypeError(f"{name}() takes at least one field.")
    if not isinstance(flat, bool):
        raise TypeError(f"values() takes flat=True or flat=False, not {flat!r}.")
    if flat and len(keys) > 1:
        raise TypeError(f"values(flat=True) takes one field, not {len(keys)}.")
    return Columns("value" if flat else form, tuple([named_field(model, key, f"{name}()") for key in keys]))


def _parts(fields: Iterable[ResolvedField]) -> tuple[FieldPath, ...] | None:
    """The fields declared in maps of the columns; `None` if they can't be listed."""
    found: dict[FieldPath, None] = {}
    for field in fields:
        inside = declared_inside(field.shape, field.path)
        if inside is None:
            return None
        found.update(dict.fromkeys(inside))
    return tuple(found)


# From a result to a row


def _column(field: ResolvedField) -> _Column:
    """The function from stored data and the path of its document to the value of a field."""
    if field.path == DOCUMENT_ID:
        return _id
    if len(field.path) > 1:
        return field.read
    [name], decode, absent = field.path.segments, field.decode, field.absent

    def read(data: dict[str, Any], path: str) -> Any:
        value = data.get(name, MISSING)
        return absent(path) if value is MISSING else decode(value, path)

    return read


def _id(data: dict[str, Any], path: str) -> str:  # noqa: ARG001
    return path[path.rfind("/") + 1 :]


class _Columns:
    """The functions of several columns, for results with decode options of their own as well.

    Args:
        fields: The fields.
        versioned: The model, if the versions of documents have to be checked.
    """

    def __init__(self, fields: list[ResolvedField], versioned: type[Any] | None) -> None:
        self._fields = fields
        self._versioned = versioned
        self._plain = [_column(field) for field in fields]
        self._others: dict[Reading, list[_Column]] = {}
        self._data: dict[type[Any], Callable[[Any], dict[str, Any]]] = {}

    def data_of(self, result: StoredDocument) -> dict[str, Any]:
        """The stored data of a result."""
        kind = type(result)
        read = self._data.get(kind)
        if read is None:
            columns = getattr(kind, "columns", None)
            read = self._data[kind] = _stored_data if columns is None else columns(self._fields)
        data = read(result)
        if self._versioned is not None:
            require_current(self._versioned, data, result.path)
        return data

    def of(self, result: StoredDocument) -> list[_Column]:
        """The functions for a result."""
        reading: Reading | None = getattr(result, "reading", None)
        if reading is None:
            return self._plain
        found = self._others.get(reading)
        if found is None:
            found = self._others[reading] = [_column_by(field, reading) for field in self._fields]
        return found


def _stored_data(result: StoredDocument) -> dict[str, Any]:
    return result.data or {}


def _column_by(field: ResolvedField, reading: Reading) -> _Column:
    if field.path == DOCUMENT_ID:
        return _id
    return lambda data, path: field.read(data, path, reading)


def _tuples(fields: list[ResolvedField], versioned: type[Any] | None) -> Read[tuple[Any, ...]]:
    every = _Columns(fields, versioned)

    def read(result: StoredDocument) -> tuple[Any, ...]:
        path, data = result.path, every.data_of(result)
        return tuple([value(data, path) for value in every.of(result)])

    return read


def _values(fields: list[ResolvedField], versioned: type[Any] | None) -> Read[Any]:
    columns = _Columns(fields, versioned)

    def read(result: StoredDocument) -> Any:
        [value] = columns.of(result)
        return value(columns.data_of(result), result.path)

    return read


def _dicts(fields: list[ResolvedField], versioned: type[Any] | None) -> Read[dict[str, Any]]:
    fields = [field for field in fields if field.path != DOCUMENT_ID]
    keys, every = [_key_of(field) for field in fields], _Columns(fields, versioned)

    def read(result: StoredDocument) -> dict[str, Any]:
        path, data = result.path, every.data_of(result)
        row: dict[str, Any] = {"id": _id(data, path)}
        for key, value in zip(keys, every.of(result), strict=True):
            row[key] = value(data, path)
        return row

    return read


def _key_of(field: ResolvedField) -> str:
    """The key of a field in a row, where `id` is always the document's: a stored path of that name keeps its quotes."""
    return "`id`" if field.text == "id" else field.text


_READERS: Final[dict[str, Callable[[list[ResolvedField], type[Any] | None], Read[Any]]]] = {
    "tuple": _tuples,
    "dict": _dicts,
    "value": _values,
}
