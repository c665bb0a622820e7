"""The interpreting reader, from stored data to Python: finds every problem, and handles what compiled code does not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, TypeAlias, cast

from .._frozen import freeze
from .._immutable import dataclass
from .._interop.google import to_sdk
from .._types.converted import CONVERSION_OF
from .._types.kinds import ROW, STORED_TYPE, Mismatch, refuse, to_reference
from .._types.shapes import (
    FOREIGN_STYLES,
    MAX_DEPTH,
    Anything,
    Array,
    AsIs,
    Constrained,
    Converted,
    Dict,
    EnumMember,
    FixedArray,
    Handled,
    Nullable,
    OneOf,
    OneValue,
    Record,
    RecordField,
    Reference,
    Scalar,
    SdkValue,
    Shape,
    Tagged,
    bare,
    describe,
    hides,
    kinds_of,
)
from ..errors import MAX_PROBLEMS, near_names, shown_parts
from ..plan import parts_of
from ..reference import Ref
from .checker import FAILED, Checker, inside
from .leaves import (
    HIDDEN,
    brief,
    enum_from_stored,
    is_array,
    is_map,
    is_plain,
    is_set,
    literal_from_stored,
)
from .reading import STORED as STORED
from .reading import Reading as Reading
from .writer import Writer, python_types

# Finding similar names takes long, and unknown keys come from outside.
_MAX_NEAR: Final = 3


Compiled: TypeAlias = "tuple[Callable[[Any], Any], bool, bool, bool]"
"""Reads values of a shape; whether that runs user code; whether the depth must be checked; whether it has no limit."""

_FREE: Final = (Anything, Handled, AsIs)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Data rejected by a user's constructor or `__post_init__`.

    Attributes:
        shape: The shape of the instance.
        data: The stored data.
        error: The error that it raised.
    """

    shape: Record | FixedArray
    data: Any
    error: Exception


_REFUSAL: Final = "_cendry_refusal"


def note_refusal(error: Exception, shape: Record | FixedArray, data: Any) -> None:
    """Attach the rejected data to the error, so that user code isn't run again to explain it."""
    # An exception can have a __setattr__ of its own.
    object.__setattr__(error, _REFUSAL, Refusal(shape, data, error))


def refusal_of(error: Exception) -> Refusal | None:
    """The rejected data of an error, which is removed from it."""
    return cast("Refusal | None", vars(error).pop(_REFUSAL, None))


class Reader(Checker):
    """Reads one piece of data.

    Args:
        reading: The decode options.
        building: Whether instances are created; otherwise only problems are collected.
        raising: Whether errors of a user's constructor propagate, with the rejected data attached.
        refusal: The rejection that stopped compiled code on the same data. Nothing before it is created again.
        limit: How many problems are collected.
        compiled: Returns the compiled code for a shape, which raises for anything that this reader has to explain.
    """

    def __init__(
        self,
        reading: Reading,
        *,
        building: bool = True,
        raising: bool = False,
        refusal: Refusal | None = None,
        limit: int = MAX_PROBLEMS,
        compiled: Callable[[Shape], Compiled] | None = None,
    ) -> None:
        super().__init__(limit)
        self.any_values = reading.any_values
        self.compiled = compiled
        self.is_inside_deep = False
        self.reading = reading
        self.building = building
        self.raising = raising
        self.refusal = refusal
        self._compared: Any = None
        self._near = 0

    def read(self, shape: Shape, value: Any, path: str = "", depth: int = 0) -> Any:
        """The Python value, or `FAILED` after recording problems.

        Args:
            shape: The expected shape of the value.
            value: The data.
            path: The path of the value.
            depth: The number of maps and arrays around the value.
        """
        match shape:
            case Nullable(inner):
                return None if value is None else self.read(inner, value, path, depth)
            case Constrained(inner):
                found = self.read(inner, value, path, depth)
                # Without instances, there is nothing that a rule could be applied to.
                is_checked = self.reading.python_values and found is not FAILED and found is not None
                return self.broken(path, shape, found) if is_checked else found
            case Record():
                return self.record(shape, value, path, depth)
            case Array():
                return self.array(shape, value, path, depth)
            case FixedArray():
                return self.fixed_array(shape, value, path, depth)
            case Dict():
                return self.dict(shape, value, path, depth)
            case OneOf():
                return self.one_of(shape, value, path, depth)
            case Tagged():
                return self.tagged(shape, value, path, depth)
            case Anything():
                return self.anything(value, path, depth) if self.reading.python_values else value
            case Handled():
                return self.handled(shape, value, path, depth)
            case _:
                try:
                    return self.leaf(shape, value)
                except Mismatch as mismatch:
                    return self.misfit(path, shape, value, str(mismatch))

    def described(self, shape: Shape) -> str:
        if not self.reading.json:
            return describe(shape)
        from .._types.json_forms import describe_in_json

        return describe_in_json(shape)

    def leaf(self, shape: Shape, value: Any) -> Any:
        if self.reading.json:
            from .json_leaves import is_object, leaf_from_json

            if not (self.reading.objects and is_object(shape, value)):
                return leaf_from_json(shape, value)
        lenient = self.reading.python_values
        match shape:
            case Scalar(kind):
                return ROW[kind].take(value)
            case Reference(model):
                found = value if type(value) is Ref and not lenient else to_reference(value)
                return found if model is None else found._cendry_typed(model)  # pyright: ignore[reportPrivateUsage]
            case Converted(_, python):
                if lenient and isinstance(value, python) and not isinstance(value, datetime):
                    return value
                return CONVERSION_OF[python].from_stored(value)
            case SdkValue(kind, python):
                return value if isinstance(value, python) else to_sdk(kind, python, ROW[kind].take(value))
            case EnumMember(python):
                return value if lenient and isinstance(value, python) else enum_from_stored(shape, value)
            case OneValue(values):
                if lenient and any(value is option for option in values):
                    return value
                return literal_from_stored(shape, value)
            case AsIs(python):
                fits = not lenient or not isinstance(python, type) or isinstance(value, python)
                return value if fits else refuse()
            case _:  # A document id, which is part of a document name that was read.
                return value

    def array(self, shape: Array, value: Any, path: str, depth: int) -> Any:
        unordered = self.reading.objects and shape.python in (set, frozenset)
        if not is_array(value) and not (unordered and is_set(value)):
            return self.misfit(path, shape, value)
        if self.too_deep(path, depth):
            return FAILED
        # Only here it is known that an array can't be an element.
        is_free = isinstance(bare(shape.item), _FREE)
        read, is_deep = (_failed, False) if is_free else self.quickly(shape.item, depth + 1)
        before = self.is_inside_deep
        items: list[Any] = []
        for index, each in enumerate(value):
            found = read(each)
            if found is FAILED:
                self.is_inside_deep = before or is_deep
                found = self.item(shape.item, each, f"{path}[{index}]", depth + 1)
                self.is_inside_deep = before
            items.append(found)
        whole = self.gather(items)
        if whole is FAILED or shape.python is list:
            return whole
        try:
            return cast("Callable[[Any], Any]", shape.python)(whole)
        except TypeError as error:
            return self.misfit(path, shape, value, str(error))

    def quickly(self, shape: Shape, depth: int) -> tuple[Callable[[Any], Any], bool]:
        """A function that reads one of many values, or returns `FAILED` if it has to be read with its path.

        The second value is whether a value of the shape can contain others of any depth. What is inside a value that
        was tried in vain isn't tried again then: much data in the depth would be read again at each level above.
        """
        if self.compiled is None:
            return _failed, False
        read, runs_user_code, is_measured, is_deep = self.compiled(shape)
        is_forbidden = runs_user_code and (self.refusal is not None or not self.building)
        if is_forbidden or (is_deep and self.is_inside_deep):
            return _failed, is_deep

        def attempt(value: Any) -> Any:
            try:
                return FAILED if is_measured and not is_plain(value, MAX_DEPTH - depth) else read(value)
            except Exception:
                return FAILED

        return attempt, is_deep

    def item(self, shape: Shape, value: Any, path: str, depth: int) -> Any:
        if self.reading.python_values and isinstance(shape, Anything):
            return self.anything(value, path, depth, True)
        return self.read(shape, value, path, depth)

    def fixed_array(self, shape: FixedArray, value: Any, path: str, depth: int) -> Any:
        if not is_array(value):
            return self.misfit(path, shape, value)
        if not shape.required <= len(value) <= len(shape.items):
            return self.misfit(path, shape, value, f"{len(value)} elements")
        if self.too_deep(path, depth):
            return FAILED
        items = self.gather(
            self.item(each, item, f"{path}[{index}]", depth + 1)
            for index, (each, item) in enumerate(zip(shape.items, value, strict=False))
        )
        if items is FAILED:
            return FAILED
        return tuple(items) if shape.python is tuple else self.build(shape, lambda: shape.python(*items), path, value)

    def dict(self, shape: Dict, value: Any, path: str, depth: int) -> Any:
        if not is_map(value):
            return self.misfit(path, shape, value)
        if self.too_deep(path, depth):
            return FAILED
        found: dict[Any, Any] = {}
        read, is_deep = self.quickly(shape.value, depth + 1)
        before = self.is_inside_deep
        for key, each in value.items():
            name = self.key(path, key) if self.reading.python_values else key
            made = read(each)
            if made is FAILED:
                self.is_inside_deep = before or is_deep
                made = self.read(shape.value, each, inside(path, key), depth + 1)
                self.is_inside_deep = before
            found[name] = made
        return FAILED if FAILED in found or any(each is FAILED for each in found.values()) else found

    def one_of(self, shape: OneOf, value: Any, path: str, depth: int) -> Any:
        for member in shape.members:
            if type(value) in self.types_of(member):
                return self.read(member, value, path, depth)
        # No exact kind: the first member that accepts the value, as float accepts an int.
        for member in shape.members:
            attempt = Reader(self.reading, building=self.building, raising=self.raising, limit=0)
            found = attempt.walk(attempt.read, member, value, path, depth)
            if found is not FAILED:
                return found
        return self.misfit(path, shape, value)

    def types_of(self, shape: Shape) -> Iterable[type[Any]]:
        """The exact types of data for a member of a union."""
        if not self.reading.json:
            return (STORED_TYPE[kind] for kind in kinds_of(shape) or ())
        from .._types.json_forms import PYTHON_TYPE, json_types

        types = (PYTHON_TYPE[each] for each in json_types(shape))
        return (*types, *python_types(shape)) if self.reading.objects else types

    def tagged(self, shape: Tagged, value: Any, path: str, depth: int) -> Any:
        if self.reading.objects and (member := shape.of_instance(value)) is not None:
            return self.read(member, value, path, depth)
        if not is_map(value):
            return self.misfit(path, shape, value)
        key = shape.stored if self.reading.names == "stored" else shape.name
        tag = value.get(key, MISSING)
        member = shape.of_tag(tag)
        if member is None and self.reading.json:
            from .json_leaves import member_of_form

            member = member_of_form(shape, tag)
        if member is None:
            return self.wrong_tag(shape, tag, inside(path, key if self.reading.python_values else shape.name))
        return self.read(member, value, path, depth)

    def handled(self, shape: Handled, value: Any, path: str, depth: int) -> Any:
        python = shape.python
        is_python = self.reading.objects and isinstance(python, type) and isinstance(value, python)
        if is_python and python not in STORED_TYPE.values():
            return value
        stored = self.anything(value, path, depth) if self.reading.python_values else value
        if stored is FAILED or shape.deserialize is None:
            return stored
        try:
            return shape.deserialize(stored)
        except Exception as error:
            return value if is_python else self.raised(path, shape, value, error)

    def record(self, record: Record, value: Any, path: str, depth: int) -> Any:
        if self.reading.objects and record.style != "typeddict" and isinstance(value, record.python):
            return self.instance(record, value, path, depth)
        if not is_map(value):
            return self.misfit(path, record, value)
        if self.too_deep(path, depth):
            return FAILED
        if self.building or record.style not in FOREIGN_STYLES:
            return self.fields(record, value, path, depth + 1)
        # The class itself has to say whether the data are valid.
        self.building = True
        found = self.fields(record, value, path, depth + 1)
        self.building = False
        return found

    def instance(self, record: Record, value: Any, path: str, depth: int) -> Any:
        writer = Writer("python", self.limit, constraints=True, whole=True)
        writer.problems, writer.hidden = self.problems, self.hidden
        return FAILED if writer.write(record, value, path, depth) is FAILED else value

    def fields(
        self, record: Record, data: Mapping[Any, Any], path: str, depth: int, document_id: str | None = None
    ) -> Any:
        """An instance from a mapping; `depth` is that of the map's values."""
        before = len(self.problems)
        known: set[Any] = {"id"} if record.style == "model" and self.reading.id_key else set()
        if record.tag is not None:
            known.add(record.tag.field)
        if record.version_field and not self.reading.python_values:
            known.add(record.version_field)
        found: dict[str, Any] = {}
        declared = {key for field in record.fields for key in self.reading.keys(field)} if self.reading.parts else ()
        parts = parts_of(data, declared) if declared else {}
        for field in record.fields:
            keys = self.reading.keys(field)
            known.update(keys)
            key = next((each for each in keys if each in data), keys[0])
            if key in parts and data.get(key) is None:
                found_parts = shown_parts(parts[key], self.reading.parts)
                self.problem(self.place(path, field), field.shape, found_parts, "missing")
            elif key in data:
                place = self.place(path, field)
                found[field.name] = self.part(field, place, self.read, field.shape, data[key], place, depth)
            elif field.required:
                absent = (
                    "nothing"
                    if key == field.name or self.reading.names == "python"
                    else f"nothing (it is stored as {key!r})"
                )
                self.problem(self.place(path, field), field.shape, absent, "missing")
        if self.reading.forbids(record):
            self.unknown(record, known, data, path)
        extras: dict[str, Any] = {}
        if record.extra == "allow":
            extra = self.anything if self.reading.python_values else _as_stored
            extras = {key: extra(each, inside(path, key), depth) for key, each in data.items() if key not in known}
        if len(self.problems) > before:
            return FAILED
        built = self.build(record, lambda: build(record, found, document_id, extras), path, data)
        is_checked = self.reading.python_values and record.validate is not None
        return self.validated(path, record, built) if is_checked and isinstance(built, record.python) else built

    def place(self, path: str, field: RecordField) -> str:
        return inside(path, self.reading.key(field) if self.reading.python_values else field.name)

    def unknown(self, record: Record, known: set[Any], data: Mapping[Any, Any], path: str) -> None:
        expected = f"only declared fields of {describe(record)}"
        for key in data:
            if key in known:
                continue
            near: tuple[str, ...] = ()
            if self._near < _MAX_NEAR:
                self._near += 1
                near = near_names(key, sorted(known), 2)
            found = f"the key {brief(key)}"
            if near:
                found += f" (did you mean {' or '.join(map(repr, near))}?)"
            elif key == "id" and record.style == "model":
                found += " (include_id=True reads it as the document id)"
            nearest = tuple(inside(path, name) for name in near)
            self.problem(inside(path, key), expected, found, "unknown", nearest)

    def build(self, shape: Record | FixedArray, construct: Callable[[], Any], path: str, value: Any) -> Any:
        """Call a user's constructor or `__post_init__`, which may reject the data, or has done so already."""
        refusal = self.refusal
        if refusal is not None and refusal.shape == shape and self.is_same(refusal.data, value):
            self.refusal = None
            return self.refused(path, Refusal(shape, value, refusal.error))
        if refusal is not None or not self.building:
            return None
        try:
            return construct()
        except Exception as error:
            if self.raising:
                note_refusal(error, shape, value)
                raise
            return self.refused(path, Refusal(shape, value, error))

    def is_same(self, rejected: Any, value: Any) -> bool:
        """Whether a value equals the rejected data."""
        if rejected is value:
            return True
        if len(rejected) != len(value):
            return False
        if self._compared is None:
            self._compared = freeze(rejected)
        return bool(self._compared == freeze(value))

    def refused(self, path: str, refusal: Refusal) -> Any:
        """Record data that a constructor rejected; returns `FAILED`."""
        shape = refusal.shape
        expected, hidden = f"what {shape.python.__qualname__} accepts", hides(shape)
        if hidden and isinstance(shape, Record) and shape.style not in ("model", "map"):
            # What other libraries say contains the values.
            return self.problem(path, expected, HIDDEN)
        return self.raised(path, expected, refusal.data, refusal.error, hidden=hidden)


def _failed(_: Any) -> Any:
    return FAILED


def _as_stored(value: Any, _path: str, _depth: int) -> Any:
    return value


def build(
    record: Record,
    values: Mapping[str, Any],
    document_id: str | None = None,
    extras: Mapping[str, Any] = MappingProxyType({}),
) -> Any:
    """Create an instance of a record from the values of its fields; absent ones get their defaults."""
    python = record.python
    arguments = {each.argument: values[each.name] for each in record.fields if each.argument and each.name in values}
    match record.style:
        case "typeddict":
            return dict(values)
        case "pydantic":
            return python.model_validate({**extras, **arguments})
        case "dataclass" | "attrs" | "msgspec":
            return python(**arguments)
        case _:
            instance = object.__new__(python)
            if record.style == "model":
                object.__setattr__(instance, "id", document_id)
            for field in record.fields:
                object.__setattr__(instance, field.name, values[field.name] if field.name in values else default(field))
            for field in record.rest:
                object.__setattr__(instance, field.name, default(field))
            if hasattr(python, "__post_init__"):
                instance.__post_init__()
            return instance


def default(field: RecordField) -> Any:
    """The value of an absent field that isn't required."""
    return field.default if field.factory is MISSING else field.factory()
