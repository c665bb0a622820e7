"""Writes values that contain transforms, at any depth outside arrays, and takes the transforms out of the result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING
from typing import Any, cast

from .._interop.google import from_sdk_change
from .._interop.protobuf import EPOCH
from .._types.shapes import FOREIGN_STYLES, Anything, Array, Dict, FixedArray, Record, Shape, Tagged, children
from ..errors import MAX_PROBLEMS
from ..paths import FieldPath
from ..plan import FieldTransform
from ..reference import Ref, is_ref
from ..values import DELETE_FIELD, SERVER_TIMESTAMP, ArrayRemove, ArrayUnion, Increment, Maximum, Minimum, is_transform
from .checker import FAILED, inside
from .leaves import is_array
from .resolve import alternatives, default_of, element_of
from .writer import Writer, python_types

NESTED = "it can't be inside a value that is written as a whole; name the field itself"
"""Why a value does not contain `DELETE_FIELD`."""

UNMERGED = "only update(), merge() and save(merge=True) take it"
"""Why a document that is written as a whole does not contain `DELETE_FIELD`."""


def as_change(value: Any) -> Any:
    """The transform or marker that a value is, or `None`; those of the Google SDK become core's own."""
    found = from_sdk_change(value)
    return found if found is DELETE_FIELD or is_transform(found) else None


class ChangeWriter(Writer):
    """Writes a value as `Writer` does, and leaves transforms and `DELETE_FIELD` where they are.

    Attributes:
        met: The transforms and markers that it has met, accepted or not.

    Args:
        no_removals: Why `DELETE_FIELD` is refused; `None` if it is accepted.
        whole: As in `Writer`; instances with transforms inside are excepted.
    """

    def __init__(self, no_removals: str | None, limit: int = MAX_PROBLEMS, *, whole: bool = False) -> None:
        super().__init__(limit=limit, constraints=True, whole=whole)
        self.met: list[Any] = []
        self._met_before = 0
        self._no_removals = no_removals
        # Why transforms are refused, if they are.
        self._no_transforms: str | None = None

    def another(self) -> ChangeWriter:
        writer = ChangeWriter(self._no_removals, limit=0)
        writer.met, writer._no_transforms = self.met, self._no_transforms
        return writer

    def write(self, shape: Shape, value: Any, path: str = "", depth: int = 0) -> Any:
        change = as_change(value)
        return super().write(shape, value, path, depth) if change is None else self.change(shape, change, path, depth)

    def anything(self, value: Any, path: str, depth: int, in_array: bool = False) -> Any:
        change = as_change(value)
        if change is not None:
            return self.change(Anything(), change, path, depth)
        if is_array(value):
            return self._in_array(super().anything, value, path, depth, in_array)
        return super().anything(value, path, depth, in_array)

    def array(self, shape: Array, value: Any, path: str, depth: int) -> Any:
        return self._in_array(super().array, shape, value, path, depth)

    def fixed_array(self, shape: FixedArray, value: Any, path: str, depth: int) -> Any:
        return self._in_array(super().fixed_array, shape, value, path, depth)

    def tagged(self, shape: Tagged, value: Any, path: str, depth: int) -> Any:
        change = as_change(shape.tag_of(value))
        if change is not None:
            self.met.append(change)
            place = inside(path, shape.name)
            return self.misfit(place, shape.options, change, "the field tells the classes apart; set its value")
        return super().tagged(shape, value, path, depth)

    def dict(self, shape: Dict, value: Any, path: str, depth: int) -> Any:
        return self._whole(super().dict, shape, value, path, depth)

    def any_map(self, value: Mapping[Any, Any], path: str, depth: int) -> Any:
        return self._whole(super().any_map, value, path, depth)

    def _in_array(self, write: Any, *arguments: Any) -> Any:
        return self._without_transforms("transforms can't be inside arrays", write, *arguments)

    def _without_transforms(self, reason: str, write: Any, *arguments: Any) -> Any:
        before, self._no_transforms = self._no_transforms, reason
        found = self._whole(write, *arguments)
        self._no_transforms = before
        return found

    def _whole(self, write: Any, *arguments: Any) -> Any:
        before = self._no_removals
        self._no_removals = before or NESTED
        found = write(*arguments)
        self._no_removals = before
        return found

    def fields(self, record: Record, value: Any, path: str, depth: int) -> Any:
        before = len(self.problems)
        outer, self._met_before = self._met_before, len(self.met)
        if self._no_removals is None:
            self._check_removals(record, value, path)
        if record.style in FOREIGN_STYLES:
            reason = f"{record.python.__qualname__} validates its own values"
            found = self._without_transforms(reason, super().fields, record, value, path, depth)
        else:
            found = super().fields(record, value, path, depth)
        self._met_before = outer
        return FAILED if len(self.problems) > before else found

    def is_complete(self) -> bool:
        return len(self.met) == self._met_before

    def _check_removals(self, record: Record, value: Any, path: str) -> None:
        is_dict = record.style == "typeddict"
        for field in record.fields:
            held = value.get(field.name) if is_dict else getattr(value, field.name, None)
            if field.required and as_change(held) is DELETE_FIELD:
                self.misfit(inside(path, field.name), field.shape, held, "the field is required")

    def change(self, shape: Shape, change: Any, path: str, depth: int) -> Any:
        """A transform with its operands as stored values, or `FAILED` after recording a problem."""
        self.met.append(change)
        if change is DELETE_FIELD:
            return change if self._no_removals is None else self.misfit(path, shape, change, self._no_removals)
        if self._no_transforms is not None:
            return self.misfit(path, shape, change, self._no_transforms)
        # Problems of an operand are problems of the transform, and are reported as such.
        operands = Writer(limit=1, constraints=isinstance(change, ArrayUnion))
        match change:
            case ArrayUnion() | ArrayRemove():
                element = element_of(shape)
                if element is None:
                    return self.misfit(path, shape, change)
                values = operands.walk(_elements, operands, element, change.values, path, depth)
                if values is not FAILED:
                    return type(change)(values)
                return self.misfit(path, shape, change, str(operands.problems[0]))
            case Increment() | Maximum() | Minimum():
                operand = operands.walk(operands.write, shape, change.value, path, depth)
                is_number = isinstance(operand, (int, float)) and not isinstance(operand, bool)
                return type(change)(operand) if is_number else self.misfit(path, shape, change)
            case _:
                moment = operands.walk(operands.write, shape, EPOCH, path, depth)
                return SERVER_TIMESTAMP if type(moment) is type(EPOCH) else self.misfit(path, shape, change)


def _elements(writer: Writer, shape: Shape, values: tuple[Any, ...], path: str, depth: int) -> Any:
    return writer.gather(writer.item(shape, each, f"{path}[{index}]", depth + 1) for index, each in enumerate(values))


def removals(record: Record, value: Any, outer: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The fields of an instance that `DELETE_FIELD` removes, by Python names, and their values from then on."""
    for field in record.fields:
        names = (*outer, field.name)
        held = value.get(field.name) if record.style == "typeddict" else getattr(value, field.name)
        if as_change(held) is DELETE_FIELD:
            yield names, MISSING if record.style == "typeddict" else default_of(field)
            continue
        for shape in alternatives(field.shape):
            if isinstance(shape, Record) and type(held) in python_types(shape):
                yield from removals(shape, held, names)


def place_of(shapes: Sequence[Shape], value: Any, ref: Ref[Any], text: str = "") -> tuple[str, bool] | None:
    """Where a reference is in a stored value: by Python names, and whether the value of a field around is hidden.

    Args:
        shapes: The shapes that the value may have.
        value: The stored value.
        ref: The reference.
        text: The place of the value.
    """
    if is_ref(value):
        return (text, False) if value == ref else None
    forms = [form for shape in shapes for form in alternatives(shape)]
    held: Any = value
    if isinstance(value, list):
        items = [each for form in forms for each in children(form)]
        for index, item in enumerate(held):
            if (found := place_of(items, item, ref, f"{text}[{index}]")) is not None:
                return found
    elif isinstance(value, Mapping):
        for key, item in cast("Mapping[str, Any]", value).items():
            fields = [each for form in forms if isinstance(form, Record) for each in form.fields if each.stored == key]
            inner = [each.shape for each in fields] or [form.value for form in forms if isinstance(form, Dict)]
            found = place_of(inner, item, ref, inside(text, fields[0].name if fields else key))
            if found is not None:
                return found[0], found[1] or any(each.hidden for each in fields)
    return None


def without_changes(
    data: Mapping[str, Any], transforms: list[FieldTransform], outer: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Stored data without the transforms and markers in it; a map of nothing else is left out too.

    Args:
        data: The data, as a `ChangeWriter` returns them.
        transforms: The transforms are added to it, with their paths.
        outer: The path of the data in the document.
    """
    found: dict[str, Any] = {}
    for key, value in data.items():
        if type(value) is dict:
            inner = without_changes(cast("dict[str, Any]", value), transforms, (*outer, key))
            if inner or not value:
                found[key] = inner
        elif is_transform(value):
            transforms.append(FieldTransform(FieldPath(*outer, key), value))
        elif value is not DELETE_FIELD:
            found[key] = value
    return found
