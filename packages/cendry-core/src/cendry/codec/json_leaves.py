"""Single values in the forms that JSON holds; loaded at first use. Reports why one doesn't fit, never where."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, cast

from .._interop.google import class_of, to_sdk
from .._types.json_forms import FORM_OF, PYTHON_TYPE, reference_from_json, to_json
from .._types.kinds import ROW, STORED_TYPE, refuse
from .._types.shapes import (
    AsIs,
    Converted,
    EnumMember,
    OneValue,
    Reference,
    Scalar,
    SdkValue,
    Shape,
    Tagged,
    plain_value,
)
from .leaves import JSON_VALUES, enum_from_stored, literal_from_stored

_NATIVE: Final = frozenset(PYTHON_TYPE.values())


def leaf_to_json(shape: Shape, value: Any, stored: Any) -> Any:
    """The form in JSON of a value that contains no others; `stored` is its stored value."""
    match shape:
        case Converted(_, python):
            return FORM_OF[python].dump(value)
        case AsIs():
            return JSON_VALUES.copy(stored)
        case _:
            return to_json(stored)


def leaf_from_json(shape: Shape, value: Any) -> Any:
    """The Python value of a form in JSON, of a shape that contains no others."""
    match shape:
        case Scalar(kind):
            form = FORM_OF.get(STORED_TYPE[kind])
            return ROW[kind].take(value) if form is None else form.load(value)
        case SdkValue(kind, python):
            return to_sdk(kind, python, FORM_OF[STORED_TYPE[kind]].load(value))
        case Reference(model):
            return reference_from_json(value, model)
        case Converted(_, python):
            return FORM_OF[python].load(value)
        case EnumMember(python, by):
            forms = {} if by == "name" else _forms(python)
            return _of_form(forms, value) if forms else enum_from_stored(shape, value)
        case OneValue(values):
            forms = _forms(values)
            return _of_form(forms, value) if forms else literal_from_stored(shape, value)
        case _:
            found, python = JSON_VALUES.copy(value), cast("AsIs", shape).python
            return found if not isinstance(python, type) or isinstance(found, python) else refuse()


def _forms(values: Iterable[Any]) -> dict[Any, Any]:
    """Values by their forms in JSON, if one of them is of a type that JSON lacks."""
    forms = {(class_of(form), form): value for value in values for form in (to_json(plain_value(value)),)}
    return {} if all(class_of(plain_value(value)) in _NATIVE for value in values) else forms


def _of_form(forms: Mapping[Any, Any], value: Any) -> Any:
    try:
        return forms[class_of(value), value]
    except (KeyError, TypeError):
        refuse()


def is_object(shape: Shape, value: Any) -> bool:
    """Whether a value is a Python value of a shape, rather than its form in JSON."""
    match shape:
        case Converted(_, python):
            return isinstance(value, python) and not isinstance(value, datetime)
        case EnumMember(python):
            return isinstance(value, python)
        case OneValue():
            return isinstance(value, (enum.Enum, bytes))
        case _:
            return not isinstance(value, tuple(_NATIVE))


def member_of_form(shape: Tagged, tag: Any) -> Shape | None:
    """The member of a union with this tag, given as JSON holds it."""
    for member, values in zip(shape.members, shape.values, strict=True):
        for value in values:
            form = to_json(plain_value(value))
            if class_of(form) is class_of(tag) and form == tag:
                return member
    return None
