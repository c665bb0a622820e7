"""Problems as errors of pydantic, each with its location."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_core import ValidationError as PydanticError

from ..codec.leaves import HIDDEN
from ..errors import Code, Problem

_TYPES: Final[Mapping[Code, str]] = {
    "missing": "missing",
    "unknown": "extra_forbidden",
    "value": "value_error",
    "tag": "union_tag_invalid",
    "gt": "greater_than",
    "ge": "greater_than_equal",
    "lt": "less_than",
    "le": "less_than_equal",
    "multiple_of": "multiple_of",
    "min_length": "too_short",
    "max_length": "too_long",
    "dimension": "vector_dimension",
    "pattern": "string_pattern_mismatch",
    "predicate": "predicate_failed",
    "rule": "value_error",
}
_PART: Final = re.compile(r"\[(\d+)\]|\.?(?:`((?:[^`\\]|\\.)*)`|([^`.\[]+))", re.DOTALL)

Location = tuple["int | str", ...]


def location_of(path: str) -> Location:
    """The keys and indexes of the path of a problem."""
    found: list[int | str] = []
    for index, quoted, bare in _PART.findall(path):
        found.append(int(index) if index else bare or re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL))
    return tuple(found)


def refused(title: str, problems: Sequence[Problem], data: object, *, hides: bool = False) -> PydanticError:
    """The error for data that doesn't fit.

    Args:
        title: The name of the type.
        problems: What is wrong.
        data: The data.
        hides: Whether some values in the data are shown nowhere.
    """
    return PydanticError.from_exception_data(title, [_details(each, data, hides) for each in problems])


def _details(problem: Problem, data: object, hides: bool) -> InitErrorDetails:
    location = location_of(problem.path)
    is_missing = problem.code == "missing"
    context: dict[str, Any] = {"expected": problem.expected}
    if is_missing:
        message = "Field required"
    elif problem.code == "unknown":
        message = "Extra inputs are not permitted"
        if problem.nearest:
            context["nearest"] = list(problem.nearest)
            message += f"; did you mean {' or '.join(map(repr, problem.nearest))}?"
    elif problem.code == "rule":
        # As pydantic tells what its own validators raise.
        message = "Value error, " + problem.found.partition(": ")[2]
    else:
        message = f"Expected {problem.expected}, found {problem.found}"
    # The message is no template: braces in it would be taken for names of the context.
    context = {name: value for name, value in context.items() if f"{{{name}}}" not in message}
    error = PydanticCustomError(cast("Any", _TYPES[problem.code]), cast("Any", message), context)
    # What is around a value, and what an unknown key has, may be meant to be hidden.
    is_hidden = hides and (not location or problem.code in ("missing", "unknown", "rule"))
    is_hidden = is_hidden or HIDDEN in problem.found
    given = HIDDEN if is_hidden else _value_at(data, location[:-1] if is_missing else location)
    return InitErrorDetails(type=error, loc=location, input=given)


def _value_at(data: object, location: Location) -> Any:
    found: Any = data
    for each in location:
        try:
            found = found[each]
        except (LookupError, TypeError):
            # A long key is cut in the path of a problem.
            return None
    return found
