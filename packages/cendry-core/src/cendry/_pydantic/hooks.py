"""What pydantic gets from the hooks of Cendry's classes. JSON values are under Python names, as in `from_dict`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, cached_property
from typing import Annotated, Any, cast, get_args, get_origin

from pydantic_core import PydanticCustomError, PydanticSerializationUnexpectedValue, core_schema

from .._interop.google import class_of
from .._types.hints import shape_of
from .._types.json_schema import Schemas
from .._types.shapes import Record, hides, type_name
from .._types.subsets import left_out, text_of
from ..codec import Codec, codec_for
from ..codec.checker import FAILED
from ..codec.inputs import write_fields
from ..codec.leaves import is_map
from ..codec.reader import Reader
from ..codec.reading import Reading
from ..codec.writer import Writer
from ..convert import invalid_id
from ..errors import InvalidDocumentIdError, ValidationError
from ..paths import check_document_id
from .components import Components, Naming, is_of_subset, making, reference_of
from .dumping import chosen, has_id, plain, trimmed
from .errors import refused
from .parts import Part
from .patch import changes_in, is_patch, patch_of


def of_class(source: Any, handler: Any) -> Any:
    """The schema of a Model or a Map."""
    return handler.generate_schema(_ClassType(_codec_of(source), Naming()))


def of_patch(source: Any, handler: Any) -> Any:
    """The schema of `Patch[Task]`.

    Raises:
        TypeError: It has no Model in brackets, or a subset that leaves out a required field of a map.
    """
    arguments = get_args(source)
    inner: Any = arguments[0] if arguments else None
    parts: list[Part] = []
    if get_origin(inner) is Annotated:
        inner, *metadata = get_args(inner)
        parts = [each for each in metadata if isinstance(each, Part)]
    if getattr(inner, "__cendry_kind__", None) != "model" or not isinstance(inner, type):
        raise TypeError(f"{source!r} has to name a Model: Patch[Task], or Patch[Annotated[Task, Without('owner')]].")
    codec: Codec[Any] = codec_for(inner)
    naming = Naming()
    if len(parts) > 1:
        raise _two_parts(codec)
    for part in parts:
        naming = Naming(part.schema_name, part.suffix(codec.shape))
        codec = codec.only(part.of(inner, [codec.shape]))
    return handler.generate_schema(_PatchType(codec, naming))


def of_value(source: Any, handler: Any) -> Any:
    """The schema of one of Firestore's own values."""
    return handler.generate_schema(_ValueType(source))


def _two_parts(codec: Codec[Any]) -> TypeError:
    return TypeError(f"{codec.model.__qualname__} has two of Without and Only; combine them into one.")


def of_part(part: Part, source: Any, handler: Any) -> Any:
    """The schema of a class with some of its fields.

    Raises:
        TypeError: It is no class of ours, or it lacks a field that is named, or has a part already.
    """
    codec = _codec_of(source, part)
    if is_of_subset(handler(source).get("schema_ref", "")):
        raise _two_parts(codec)
    subset = part.of(codec.model, _records(codec))
    naming = Naming(part.schema_name, part.suffix(codec.shape))
    return handler.generate_schema(_ClassType(codec.only(subset), naming))


def _codec_of(source: Any, part: Part | None = None) -> Codec[Any]:
    origin = get_origin(source) or source
    kind = getattr(origin, "__cendry_kind__", None)
    if kind is None or not isinstance(origin, type):
        raise TypeError(f"{part!r} is for a Model or a Map, not for {source!r}: list[Annotated[Task, ...]].")
    codec: Codec[Any] = codec_for(origin)
    if origin is source:
        return codec
    if kind == "model":
        name = origin.__qualname__
        raise TypeError(f"{source!r} has no instances of its own; define a subclass, class Name({name}[...]).")
    return codec.derived(cast("Record", shape_of(source)))


def _records(codec: Codec[Any]) -> list[Record]:
    """The shape of a class, and those of its subclasses in the same collection."""
    classes = () if codec.family is None else codec.family.classes_of(codec.model).values()
    return [codec.shape, *(codec.of(each).shape for each in classes if each is not codec.model)]


@cache
def _reading(id_key: bool) -> Reading:
    # FastAPI parses JSON itself, and then hands over Python values; in these, instances are taken too.
    return Reading("python", python_values=True, extra="as_declared", id_key=id_key, json="also")


class _ClassType:
    """A Model or a Map, perhaps with some of its fields, as something that pydantic asks for its schemas."""

    def __init__(self, codec: Codec[Any], naming: Naming) -> None:
        self._codec = codec
        self._naming = naming
        self.name = naming.of_type(codec.shape)
        self.reference = reference_of(codec.shape, self.name)
        self._has_id = has_id(codec.shape)
        # As pydantic's own unions, those of tagged models are no definitions.
        self._is_union = codec.is_untagged or len(_records(codec)) > 1

    def __get_pydantic_core_schema__(self, source: Any, handler: Any, /) -> Any:
        dump = core_schema.plain_serializer_function_ser_schema(self._dump, info_arg=True)
        reference = None if self._is_union else self.reference
        return core_schema.no_info_plain_validator_function(self._load, ref=reference, serialization=dump)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any, /) -> Any:
        if handler.mode == "validation":
            self._check_complete()
        record, *others = _records(self._codec)
        components = Components(handler, self._naming)
        if self._is_union:
            return components.of_family(record, others)
        with making(self.reference):
            return components.of_type(record)

    @cached_property
    def _missing(self) -> list[str]:
        """The required fields that are left out, for people."""
        shape = self._codec.shape
        return [] if shape.subset is None else [repr(text_of(each)) for each in dict.fromkeys(left_out(shape))]

    def _check_complete(self) -> None:
        if self._missing:
            names = " and ".join(self._missing)
            raise TypeError(
                f"{self.name} is for answers only: it leaves out {names}, which a {self._codec.model.__qualname__} "
                'needs, so it can be neither a body nor otherwise validated (as JSON Schema, use mode="serialization").'
            )

    @cached_property
    def _decode(self) -> Callable[[dict[str, Any], str | None], Any]:
        return self._codec.decoder(_reading(self._has_id))

    def _load(self, data: Any) -> Any:
        codec = self._codec
        if class_of(data) is dict:
            given = cast("dict[str, Any]", data)
        elif isinstance(data, codec.model):
            return data
        else:
            given = None
        self._check_complete()
        if given is None:
            if not is_map(data):
                name = codec.model.__qualname__
                message = f"Input should be an object with the fields of {name}, or a {name}"
                raise PydanticCustomError("model_type", cast("Any", message), {"class_name": name})
            given = dict(data)
        document_id = given.get("id") if self._has_id else None
        try:
            if document_id is not None:
                document_id = check_document_id(document_id)
            return self._decode(given, document_id)
        except ValidationError as error:
            problems = list(error.problems)
        except InvalidDocumentIdError as error:
            problems = [invalid_id(error), *codec.problems(given, _reading(self._has_id))]
        raise refused(self.name, problems, data, hides=hides(codec.shape))

    def _dump(self, instance: Any, info: Any) -> Any:
        codec = self._codec
        if not isinstance(instance, codec.model):
            raise PydanticSerializationUnexpectedValue(f"Expected a {codec.model.__qualname__}")
        if codec.family is not None:
            codec = codec.of(class_of(instance))
        if info.mode == "json":
            found = codec.encode_json_by_name(instance)
            if self._has_id:
                found = {"id": instance.id, **found}
        else:
            found = plain(codec.shape, instance)
        if info.exclude_none or info.exclude_defaults:
            found = trimmed(codec.shape, instance, found, none=info.exclude_none, defaults=info.exclude_defaults)
        if info.include is not None or info.exclude is not None:
            found = chosen(found, info.include, info.exclude)
        return found


class _PatchType:
    """Changes of some fields of a Model, as something that pydantic asks for its schemas."""

    def __init__(self, codec: Codec[Any], naming: Naming) -> None:
        missing = [] if codec.shape.subset is None else [path for path in left_out(codec.shape) if len(path) > 1]
        if missing:
            names = " and ".join(repr(text_of(each)) for each in dict.fromkeys(missing))
            raise TypeError(
                f"A Patch replaces maps as a whole, and {codec.model.__qualname__} needs {names} in them: "
                "leave out the whole map, or nothing of it that is required."
            )
        self._codec = codec
        self._naming = naming
        self._name = f"{naming.of_type(codec.shape)}Patch"
        self._reference = reference_of(codec.shape, self._name)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any, /) -> Any:
        dump = core_schema.plain_serializer_function_ser_schema(self._dump, info_arg=True)
        return core_schema.no_info_plain_validator_function(self._load, ref=self._reference, serialization=dump)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any, /) -> Any:
        with making(self._reference):
            return Components(handler, self._naming).of_patch(self._codec.shape, self._name)

    def _load(self, data: Any) -> Any:
        codec = self._codec
        given = data
        if is_patch(data):
            # One that was made for another type is checked again.
            given = dict(data) if data.model is codec.model else None
        if not is_map(given):
            message = f"Input should be an object with fields of {codec.model.__qualname__}"
            raise PydanticCustomError("model_type", cast("Any", message), {"class_name": codec.model.__qualname__})
        values, problems = changes_in(codec, given, _reading(id_key=False))
        if problems:
            raise refused(self._name, problems, given, hides=hides(codec.shape))
        return patch_of(codec.model, values)

    def _dump(self, patch: Any, info: Any) -> Any:
        codec = self._codec
        if not is_patch(patch) or patch.model is not codec.model:
            raise PydanticSerializationUnexpectedValue(f"Expected a Patch of {codec.model.__qualname__}")
        values = dict(patch)
        if info.mode == "json":
            return write_fields(codec_for(codec.model), values)
        shapes = {field.name: field.shape for field in codec_for(codec.model).shape.fields}
        return {name: plain(shapes[name], value) for name, value in values.items()}


class _ValueType:
    """One of Firestore's own values, as something that pydantic asks for its schemas."""

    def __init__(self, annotation: Any) -> None:
        self._python = get_origin(annotation) or annotation
        self._shape = shape_of(annotation)
        self._name = type_name(annotation)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any, /) -> Any:
        dump = core_schema.plain_serializer_function_ser_schema(self._dump, when_used="json-unless-none")
        return core_schema.no_info_plain_validator_function(self._load, serialization=dump)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any, /) -> Any:
        return Schemas(include_id=True).of(self._shape)

    def _load(self, data: Any) -> Any:
        reader = Reader(_reading(id_key=False))
        found = reader.walk(reader.read, self._shape, data)
        if found is FAILED:
            raise refused(self._name, reader.problems, data)
        return found

    def _dump(self, value: Any) -> Any:
        if not isinstance(value, self._python):
            raise PydanticSerializationUnexpectedValue(f"Expected a {self._name}")
        writer = Writer("python", json=True)
        found = writer.walk(writer.write, self._shape, value)
        if found is FAILED:
            raise ValidationError(self._name, writer.problems)
        return found
