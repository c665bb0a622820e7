"""Models to dicts and back, and as JSON Schema, for everything but databases: APIs, files, tests. Nothing is sent."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Literal, NoReturn, TypeVar, Union, cast, get_origin

from ._model.model import Map, Model
from ._types.json_schema import schema_of
from ._types.registry import TypeRegistry, default_registry
from ._types.shapes import type_name
from .codec import Codec, codec_for
from .codec.leaves import show
from .codec.reading import Extra, Reading
from .codec.upgrading import Outdated, current_data
from .errors import MAX_PROBLEMS, InvalidDocumentIdError, Problem, ValidationError
from .paths import check_document_id

__all__ = ["Problem", "from_dict", "json_schema", "to_dict", "validate"]

M = TypeVar("M", bound=Union[Model, Map])

Mode = Literal["python", "json"]
"""What values look like: those of Python and of the database, or those that JSON holds."""


def from_dict(
    model: type[M],
    data: Mapping[str, Any],
    *,
    doc_id: str | None = None,
    include_id: bool = False,
    by_alias: bool = False,
    registry: TypeRegistry | None = None,
    extra: Extra | None = None,
    mode: Mode = "python",
    version: int | None = None,
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
        mode: `"json"` for data as `json.loads` returns them, with the forms of `to_dict(mode="json")`, and nothing
            that JSON lacks.
        version: For a model with `version=` and stored names, the version of data that don't contain it: 1 for those of
            a document that was stored before there were versions. By default, such data are current. Older data are
            upgraded.

    Raises:
        TypeError: A field is stored as `id`, and both `by_alias` and `include_id` are set; or values of a union look
            alike in JSON; or `version` is not an int of at least 1, or is given for a model without versions, without
            `by_alias`, or in JSON.
        ValidationError: The data don't fit the model, or its `__post_init__` rejects them. The error has all problems,
            at most 100: missing fields, values that don't fit, keys that aren't declared, an invalid id.
        InvalidDocumentIdError: `doc_id` is not valid.
    """
    codec = _codec(model, registry or default_registry)
    options = ("from_dict", include_id, by_alias, extra, mode)
    prepared: tuple[Callable[[dict[str, Any], str | None], M], Reading] | None = codec.outputs.get(options)
    if prepared is None:
        reading = _prepare(codec, include_id, by_alias, extra, mode)
        prepared = codec.outputs[options] = codec.decoder(reading), reading
    decode, reading = prepared
    given: dict[str, Any] = cast("Any", data)
    if type(data) is not dict:
        if not isinstance(cast("object", data), Mapping):
            raise ValidationError(model.__qualname__, [_no_dict(model, data)])
        given = dict(data)
    if codec.evolution is not None or version is not None:
        try:
            given = current_data(codec.evolution, model, given, version, by_alias=by_alias, extra=extra, mode=mode)
        except Outdated as error:
            raise ValidationError(model.__qualname__, [error.problem]) from error.__cause__
    if doc_id is not None:
        doc_id = check_document_id(doc_id)
    elif reading.id_key and given.get("id") is not None:
        try:
            doc_id = check_document_id(given["id"])
        except InvalidDocumentIdError as error:
            problems = [invalid_id(error), *codec.problems(given, reading)]
            raise ValidationError(model.__qualname__, problems) from error
    return decode(given, doc_id)


def to_dict(
    instance: Model | Map,
    *,
    by_alias: bool = False,
    include_id: bool = False,
    registry: TypeRegistry | None = None,
    mode: Mode = "python",
) -> dict[str, Any]:
    """Return the stored values of an instance as a dict that shares nothing with it.

    Args:
        instance: A `Model` or a `Map`.
        by_alias: Whether the keys are stored names rather than Python names, at any depth.
        include_id: Whether to include the id of a `Model`, under `"id"`.
        registry: The type registry; by default `default_registry`.
        mode: `"json"` for values that `json.dumps` takes: ISO 8601 for dates and times, Base64 for bytes, text for
            `Decimal` and `UUID`, paths for references, and so on.

    Raises:
        ValidationError: Values don't fit their fields; or JSON can't hold them, such as NaN, or a datetime in a field
            of any type.
        TypeError: It is not an instance of a model; or a field is stored as `id`, and both `by_alias` and `include_id`
            are set; or values of a union look alike in JSON.
    """
    codec = codec_for(type(instance), registry or default_registry)
    if mode == "python":
        found = codec.encode_unruled(instance) if by_alias else codec.encode_by_name(instance)
    elif mode == "json":
        found = codec.encode_json(instance) if by_alias else codec.encode_json_by_name(instance)
    else:
        _no_mode(mode)
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
    mode: Mode = "python",
    version: int | None = None,
) -> list[Problem]:
    """Return the problems of a dict, each with its path, at most 100; an empty list if `from_dict` would accept it.

    Instances are created only for a class with rules; for others, errors that a `__post_init__` would raise are not
    included.

    Args:
        model: A `Model` or a `Map`.
        data: The fields, as in `from_dict`.
        include_id: As in `from_dict`.
        by_alias: As in `from_dict`.
        registry: As in `from_dict`.
        extra: As in `from_dict`.
        mode: As in `from_dict`.
        version: As in `from_dict`.
    """
    codec = _codec(model, registry or default_registry)
    reading = _prepare(codec, include_id, by_alias, extra, mode)
    if not isinstance(cast("object", data), Mapping):
        return [_no_dict(model, data)]
    if codec.evolution is not None or version is not None:
        try:
            data = current_data(codec.evolution, model, data, version, by_alias=by_alias, extra=extra, mode=mode)
        except Outdated as error:
            return [error.problem]
    problems = codec.problems(data, reading)
    if reading.id_key and data.get("id") is not None:
        try:
            check_document_id(data["id"])
        except InvalidDocumentIdError as error:
            problems = [invalid_id(error), *problems][:MAX_PROBLEMS]
    return problems


def json_schema(model: type[Model | Map], *, include_id: bool = True) -> dict[str, Any]:
    """Return a JSON Schema (draft 2020-12) of a class: what its instances look like in JSON, under Python names.

    Maps and enums are definitions under `$defs`. Constraints, defaults and `title`, `description`, `examples` and
    `deprecated` in the `metadata=` of a field are part of it; predicates and `__validate__` are not. A union by a
    `Literal`, or a base of tagged models, is a `oneOf` with a `discriminator`, as OpenAPI has it. Types with
    registered handlers accept anything.

    Args:
        model: A `Model` or a `Map`.
        include_id: Whether a `Model` has its `id`.

    Raises:
        TypeError: The class is neither, or a name in its annotations is not defined yet.
    """
    codec = _codec(model, default_registry)
    family = codec.family
    classes = () if family is None else family.classes_of(model).values()
    others = [codec.of(each).shape for each in classes if each is not model]
    return schema_of(codec.shape, others, include_id=include_id)


def _no_dict(model: type[Any], data: object) -> Problem:
    return Problem("", f"a dict of the fields of {model.__qualname__}", show(data))


def invalid_id(error: InvalidDocumentIdError) -> Problem:
    """The problem of data with an id that is not valid."""
    return Problem("id", "a valid document id", f"{show(error.value)} ({error.reason})")


def _codec(model: type[M], registry: TypeRegistry) -> Codec[M]:
    if isinstance(cast("object", model), type):
        return codec_for(model, registry)
    if hasattr(get_origin(model), "__cendry_kind__"):
        name = type_name(model)
        raise TypeError(f"{name} has no instances of its own; define a subclass, class Name({name}), and pass that.")
    raise TypeError(f"{model!r} is neither a Model nor a Map; pass a class.")


def _prepare(codec: Codec[Any], include_id: bool, by_alias: bool, extra: Extra | None, mode: Mode) -> Reading:
    """The decode options for some arguments, which are checked."""
    if extra not in (None, "ignore", "forbid", "keep"):
        raise ValueError(f'extra= takes "ignore", "forbid" or "keep", not {extra!r}.')
    id_key = include_id and codec.shape.style == "model"
    if id_key and by_alias:
        _check_keys(codec)
    if mode not in ("python", "json"):
        _no_mode(mode)
    return _reading(by_alias, extra or "forbid", id_key, mode)


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
def _reading(by_alias: bool, extra: Extra, id_key: bool, mode: Mode) -> Reading:
    return Reading(
        "stored" if by_alias else "python",
        python_values=True,
        extra=extra,
        id_key=id_key,
        json="only" if mode == "json" else "",
    )


def _no_mode(mode: object) -> NoReturn:
    raise ValueError(f'mode= takes "python" or "json", not {mode!r}.')
