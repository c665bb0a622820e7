"""Models to dicts and back, for everything but databases: APIs, files, tests. Nothing is sent anywhere."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, Union, cast

from ._model.model import Map, Model
from ._types.registry import TypeRegistry, default_registry
from .codec import Codec, Problem, codec_for
from .codec.checker import FAILED
from .codec.reader import Extra, Reading
from .errors import DecodeError, UnknownFieldError
from .paths import check_document_id

__all__ = ["Problem", "from_dict", "to_dict", "validate"]

M = TypeVar("M", bound=Union[Model, Map])


def from_dict(
    model: type[M],
    data: Mapping[str, Any],
    *,
    doc_id: str | None = None,
    include_id: bool = False,
    by_alias: bool = False,
    registry: TypeRegistry | None = None,
    extra: Extra | None = None,
) -> M:
    """Create an instance from a dict; the dict may come from any source and is not kept.

    Stored values and Python values are both accepted (`"OPEN"` and `Status.OPEN`, `"1.5"` and `Decimal("1.5")`, a dict
    and a `Map`); all are checked as on a write.

    Args:
        model: A `Model` or a `Map`.
        data: The fields.
        doc_id: The id of the instance; takes precedence over one in the data.
        include_id: Whether the data contains the id of a `Model`, under `"id"`.
        by_alias: Whether the keys are stored names rather than Python names.
        registry: The type registry; by default `default_registry`.
        extra: How undeclared keys are handled, at any depth: `"forbid"` (the default, whatever the class declares),
            `"ignore"`, or `"keep"`, which means the same as `"ignore"` here.

    Raises:
        TypeError: Required fields are missing; all of them are listed. Or a field is stored as `id`, and both
            `by_alias` and `include_id` are set.
        UnknownFieldError: A key isn't declared, and `extra` is `"forbid"`.
        DecodeError: A value doesn't fit its field.
        InvalidDocumentIdError: The id is not valid.
    """
    codec, reading = _prepare(model, data, include_id, by_alias, registry, extra, "from_dict")
    if doc_id is None and reading.id_key:
        doc_id = data.get("id")
    if doc_id is not None:
        check_document_id(doc_id)
    instance: Any = codec.decoder(reading)(cast("dict[str, Any]", data) if type(data) is dict else dict(data), doc_id)
    if instance is FAILED:
        raise _error(model, codec.problems(data, reading))
    return cast(M, instance)


def to_dict(
    instance: Model | Map, *, by_alias: bool = False, include_id: bool = False, registry: TypeRegistry | None = None
) -> dict[str, Any]:
    """Return the stored values of an instance as a dict that shares nothing with it.

    Args:
        instance: A `Model` or a `Map`.
        by_alias: Whether the keys are stored names rather than Python names, at any depth.
        include_id: Whether to include the id of a `Model`, under `"id"`.
        registry: The type registry; by default `default_registry`.

    Raises:
        InvalidValueError: A value doesn't fit its field.
        TypeError: It is not an instance of a model; or a field is stored as `id`, and both `by_alias` and `include_id`
            are set.
    """
    codec = codec_for(type(instance), registry or default_registry)
    found = codec.encode(instance) if by_alias else codec.encode_by_name(instance)
    if include_id and codec.shape.style == "model":
        if by_alias:
            _check_keys(codec)
        return {"id": cast(Any, instance).id, **found}
    return found


def validate(
    model: type[Model | Map],
    data: Mapping[str, Any],
    *,
    include_id: bool = False,
    by_alias: bool = False,
    registry: TypeRegistry | None = None,
    extra: Extra | None = None,
) -> list[Problem]:
    """Return all problems of a dict, each with its path; an empty list if `from_dict` would accept it.

    No instance is created, so errors that a `__post_init__` would raise are not included.

    Args:
        model: A `Model` or a `Map`.
        data: The fields, as in `from_dict`.
        include_id: As in `from_dict`.
        by_alias: As in `from_dict`.
        registry: As in `from_dict`.
        extra: As in `from_dict`.
    """
    codec, reading = _prepare(model, data, include_id, by_alias, registry, extra, "validate")
    problems = codec.problems(data, reading)
    if reading.id_key and data.get("id") is not None:
        try:
            check_document_id(data["id"])
        except ValueError as error:
            problems.insert(0, Problem("id", "a valid document id", str(error)))
    return problems


def _prepare(
    model: type[M],
    data: object,
    include_id: bool,
    by_alias: bool,
    registry: TypeRegistry | None,
    extra: Extra | None,
    what: str,
) -> tuple[Codec[M], Reading]:
    if not isinstance(data, Mapping):
        raise TypeError(f"{what} takes a dict of the fields of {model.__qualname__}, not {type(data).__name__}.")
    if extra not in (None, "ignore", "forbid", "keep"):
        raise ValueError(f'extra= takes "ignore", "forbid" or "keep", not {extra!r}.')
    codec = codec_for(model, registry or default_registry)
    id_key = include_id and codec.shape.style == "model"
    if id_key and by_alias:
        _check_keys(codec)
    return codec, _reading(by_alias, extra or "forbid", id_key)


def _check_keys(codec: Codec[Any]) -> None:
    """Check that stored names leave the key `"id"` to the document's id."""
    for field in codec.shape.fields:
        if field.stored == "id":
            model = codec.model.__qualname__
            raise TypeError(
                f"{model}.{field.name} is stored as 'id', so with by_alias=True and include_id=True one key would "
                f"hold two values. Use Python names (by_alias=False), or pass the id of the {model} apart."
            )


@functools.cache
def _reading(by_alias: bool, extra: Extra, id_key: bool) -> Reading:
    return Reading("stored" if by_alias else "python", python_values=True, extra=extra, id_key=id_key)


def _error(model: type[Any], problems: list[Problem]) -> Exception:
    """The error for all problems: missing fields before unknown keys before values that don't fit."""
    name = model.__qualname__
    missing = [each.path for each in problems if each.code == "missing"]
    unknown = [each for each in problems if each.code == "unknown"]
    if missing:
        fields = "field" if len(missing) == 1 else "fields"
        also = f" Not declared: {_listed(each.path for each in unknown)}." if unknown else ""
        return TypeError(f"{name} is missing the required {fields} {_listed(missing)}.{also}")
    first = problems[0]
    if unknown:
        return UnknownFieldError(name, unknown[0].path, unknown[0].nearest)
    return DecodeError(None, name, first.path, first.expected, first.found, more=len(problems) - 1)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))
