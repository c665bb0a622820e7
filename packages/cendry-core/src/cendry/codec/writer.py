"""The interpreting writer, from Python to stored data: finds every problem, and handles what compiled code does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from .._frozen import redefined
from .._interop.google import class_of
from .._types.converted import CONVERSION_OF
from .._types.foreign import extras_of, for_json
from .._types.kinds import ROW, STORED_TYPE, Mismatch, refuse, to_reference
from .._types.shapes import (
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
    Reference,
    Scalar,
    SdkValue,
    Shape,
    Tagged,
    hides,
)
from ..errors import MAX_PROBLEMS
from ..reference import Ref
from .checker import FAILED, Checker, inside
from .leaves import JSON_VALUES, brief, enum_to_stored, is_array, is_map, is_set, literal_to_stored, show, stable

Names = Literal["stored", "python"]
"""Which names are the keys of maps."""


class Writer(Checker):
    """Writes one value.

    Args:
        names: Whether the keys of the result are stored names or Python names.
        limit: How many problems are collected.
        constraints: Whether values must keep the rules of their annotations.
        whole: Whether instances must keep the rules of their classes.
        json: Whether the result has the forms that JSON holds.
    """

    def __init__(
        self,
        names: Names = "stored",
        limit: int = MAX_PROBLEMS,
        *,
        constraints: bool = False,
        whole: bool = False,
        json: bool = False,
    ) -> None:
        super().__init__(limit)
        self.json = json
        if json:
            self.any_values = JSON_VALUES
        self.names: Names = names
        self.constraints = constraints
        self.whole = whole

    def another(self) -> Writer:
        """A writer of the same kind that collects no problems, for an attempt."""
        return Writer(self.names, limit=0, constraints=self.constraints, whole=self.whole, json=self.json)

    def write(self, shape: Shape, value: Any, path: str = "", depth: int = 0) -> Any:
        """The stored value, which shares nothing with the given one, or `FAILED` after recording problems.

        Args:
            shape: The expected shape of the value.
            value: The Python value.
            path: The path of the value.
            depth: The number of maps and arrays around the value.
        """
        match shape:
            case Nullable(inner):
                return None if value is None else self.write(inner, value, path, depth)
            case Constrained(inner):
                found = self.write(inner, value, path, depth)
                if found is FAILED or not self.constraints:
                    return found
                # The stored form of a plain value is the value itself, of the declared type.
                given = found if isinstance(inner, Scalar) else value
                return found if self.broken(path, shape, given) is given else FAILED
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
                return self.anything(value, path, depth)
            case Handled():
                return self.handled(shape, value, path, depth)
            case _:
                try:
                    found = self.leaf(shape, value)
                    return self.leaf_to_json(shape, value, found) if self.json else found
                except Mismatch as mismatch:
                    return self.misfit(path, shape, value, str(mismatch))

    def leaf(self, shape: Shape, value: Any) -> Any:
        match shape:
            case Scalar(kind) | SdkValue(kind):
                return ROW[kind].take(value)
            case Reference(model):
                if hasattr(class_of(value), "__collection__"):
                    refuse("ref_of() returns the reference of an instance")
                found = to_reference(value)
                known = found.model
                if model is not None and known is not None and not issubclass(known, model):
                    refuse(f"a reference to {known.__qualname__}")
                return found
            case Converted(_, python):
                return CONVERSION_OF[python].to_stored(value) if isinstance(value, python) else refuse()
            case EnumMember():
                return enum_to_stored(shape, value)
            case OneValue():
                return literal_to_stored(shape, value)
            case AsIs(python):
                return value if not isinstance(python, type) or isinstance(value, python) else refuse()
            case _:  # A document id, which is checked when paths are built.
                return value

    def leaf_to_json(self, shape: Shape, value: Any, stored: Any) -> Any:
        """The form of a value in JSON."""
        from .json_leaves import leaf_to_json

        return leaf_to_json(shape, value, stored)

    def array(self, shape: Array, value: Any, path: str, depth: int) -> Any:
        unordered = shape.python in (set, frozenset)
        if not (is_set(value) if unordered else is_array(value)):
            return self.misfit(path, shape, value)
        if self.too_deep(path, depth):
            return FAILED
        items = self.gather(
            self.item(shape.item, each, f"{path}[{index}]", depth + 1) for index, each in enumerate(value)
        )
        return stable(items) if unordered and items is not FAILED else items

    def item(self, shape: Shape, value: Any, path: str, depth: int) -> Any:
        if isinstance(shape, Anything):
            return self.anything(value, path, depth, True)
        found = self.write(shape, value, path, depth)
        if type(found) is list:
            return self.misfit(path, "no array directly in an array", value)
        return found

    def fixed_array(self, shape: FixedArray, value: Any, path: str, depth: int) -> Any:
        if not isinstance(value, shape.python if shape.python is not tuple else (tuple, list)):
            return self.misfit(path, shape, value)
        if len(value) != len(shape.items):
            return self.misfit(path, shape, value, f"{len(value)} elements")
        if self.too_deep(path, depth):
            return FAILED
        return self.gather(
            self.item(each, item, f"{path}[{index}]", depth + 1)
            for index, (each, item) in enumerate(zip(shape.items, value, strict=True))
        )

    def dict(self, shape: Dict, value: Any, path: str, depth: int) -> Any:
        if not is_map(value):
            return self.misfit(path, shape, value)
        if self.too_deep(path, depth):
            return FAILED
        found: dict[Any, Any] = {}
        for key, each in value.items():
            name = self.key(path, key)
            found[name] = self.write(shape.value, each, inside(path, key), depth + 1)
        return FAILED if FAILED in found or any(each is FAILED for each in found.values()) else found

    def one_of(self, shape: OneOf, value: Any, path: str, depth: int) -> Any:
        for member in shape.members:
            if type(value) in python_types(member):
                return self.write(member, value, path, depth)
        for member in shape.members:
            attempt = self.another()
            found = attempt.walk(attempt.write, member, value, path, depth)
            if found is not FAILED:
                return found
        return self.misfit(path, shape, value)

    def tagged(self, shape: Tagged, value: Any, path: str, depth: int) -> Any:
        member = shape.of_instance(value)
        if member is not None:
            return self.write(member, value, path, depth)
        if isinstance(value, dict) and (typed := shape.of_dicts):
            tag = shape.tag_of(value)
            other = shape.of_tag(tag)
            if other is None:
                return self.wrong_tag(typed, tag, inside(path, shape.name))
            return self.misfit(path, other, value, hidden=hides(shape))
        return self.misfit(path, shape, value)

    def handled(self, shape: Handled, value: Any, path: str, depth: int) -> Any:
        if isinstance(shape.python, type) and not isinstance(value, shape.python):
            return self.misfit(path, shape, value)
        try:
            stored = value if shape.serialize is None else self.function(shape.serialize)(value)
        except Exception as error:
            return self.raised(path, shape, value, error)
        return self.anything(stored, path, depth)

    def record(self, record: Record, value: Any, path: str, depth: int) -> Any:
        if record.style == "typeddict":
            fits = isinstance(value, dict)
        else:
            fits = type(value) is record.python
        if not fits:
            subclass = record.style != "typeddict" and isinstance(value, record.python)
            lost = "a subclass, whose own fields would be lost"
            return self.misfit(path, record, value, lost if subclass else redefined(class_of(value), record.python))
        if self.too_deep(path, depth):
            return FAILED
        return self.fields(record, value, path, depth + 1)

    def fields(self, record: Record, value: Any, path: str, depth: int) -> Any:
        """A map from an instance; `depth` is that of the map's values."""
        before = len(self.problems)
        tag = record.tag
        found: dict[str, Any] = {} if tag is None or tag.value is None else {tag.field: tag.stored}
        for field in record.fields:
            place = inside(path, field.name)
            key = field.stored if self.names == "stored" else field.name
            if record.style == "typeddict":
                if field.name in value:
                    found[key] = self.write(field.shape, value[field.name], place, depth)
                elif field.required:
                    self.problem(place, field.shape, "nothing", "missing")
            else:
                try:
                    attribute = field.value_of(value) if field.get is None else self.function(field.get)(value)
                except AttributeError:
                    self.problem(place, field.shape, "nothing (the attribute is not set)", "missing")
                except Exception as error:  # A serializer of the class can raise anything.
                    self.raised(place, field.shape, value, error)
                else:
                    if attribute is None and field.omits_none:
                        continue
                    found[key] = self.part(field, place, self.write, field.shape, attribute, place, depth)
        if record.extra == "allow":
            self.extras(found, value, path, depth)
        if record.style == "typeddict":
            names = {field.name for field in record.fields}
            for key in value:
                if key not in names:
                    self.problem(
                        inside(path, key), f"only the keys of {record.python.__qualname__}", brief(key), "unknown"
                    )
        if self.whole and record.validate is not None and len(self.problems) == before and self.is_complete():
            self.validated(path, record, value)
        return FAILED if len(self.problems) > before else found

    def function(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """A function of a class of another library that returns what is stored, or its replacement."""
        return for_json(function) if self.json else function

    def is_complete(self) -> bool:
        """Whether the instance that was written last has all its values, so that the rule of its class applies."""
        return True

    def extras(self, found: Any, value: Any, path: str, depth: int) -> None:
        """Add the values that the class of an instance does not declare."""
        for name, each in extras_of(value).items():
            if name in found:
                self.problem(inside(path, name), "a name that no field is stored under", show(each))
            else:
                found[self.key(path, name)] = self.anything(each, inside(path, name), depth)


def python_types(shape: Shape) -> tuple[type[Any], ...]:
    """The exact Python types of values of a shape that can be in a union."""
    match shape:
        case Constrained(inner):
            return python_types(inner)
        case Scalar(kind):
            return (STORED_TYPE[kind],)
        case Converted(_, python) | SdkValue(_, python) | EnumMember(python) | Array(_, python) | FixedArray(_, python):
            return (python,)
        case OneValue(values):
            return tuple(dict.fromkeys(map(type, values)))
        case Record(python, style):
            return (dict,) if style == "typeddict" else (python,)
        case Tagged(members):
            return tuple(dict.fromkeys(python for member in members for python in python_types(member)))
        case Dict():
            return (dict,)
        case _:  # A reference; other shapes are in no union.
            return (Ref,)
