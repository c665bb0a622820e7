"""The common part of reader and writer: problems with their paths, and values without a declared type."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, TypeVar, final

from .._immutable import dataclass
from .._types.kinds import Mismatch
from .._types.shapes import MAX_DEPTH, Shape, describe
from ..paths import quote_segment
from .leaves import any_leaf, is_array, is_map, show, to_key

Code = Literal["missing", "unknown", "value"]


@final
@dataclass(frozen=True, slots=True)
class Problem:
    """One problem in data.

    Attributes:
        path: The field, from the outermost in: `mayor.name`, `regions[2]`; empty for the data as a whole.
        expected: What the model declares.
        found: What was found.
        code: Whether a required field is `missing`, a key `unknown`, or a `value` doesn't fit.
        nearest: For an unknown key, similar declared ones.
    """

    path: str
    expected: str
    found: str
    code: Code = "value"
    nearest: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.path or 'the data'}: expected {self.expected}, found {self.found}"


@final
class _Failed:
    def __repr__(self) -> str:
        return "FAILED"


FAILED: Final = _Failed()
"""Stands for a value that can't be returned because of a problem."""


def inside(path: str, name: str) -> str:
    """The path of a field or key inside another."""
    quoted = quote_segment(name)
    return f"{path}.{quoted}" if path else quoted


K = TypeVar("K", bound="Checker")


class Checker:
    """Walks over data by its shape and collects every problem. Compiled code stops at the first one instead."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        # Whether the first problem is an error raised by user code.
        self.is_foreign = False

    def problem(
        self, path: str, shape: Shape | str, found: str, code: Code = "value", nearest: tuple[str, ...] = ()
    ) -> Any:
        """Record a problem; returns `FAILED`."""
        expected = shape if isinstance(shape, str) else describe(shape)
        self.problems.append(Problem(path, expected, found, code, nearest))
        return FAILED

    def misfit(self, path: str, shape: Shape | str, value: Any, reason: str = "") -> Any:
        """Record a value that doesn't fit, and why; returns `FAILED`."""
        return self.problem(path, shape, f"{show(value)} ({reason})" if reason else show(value))

    def raised(self, path: str, shape: Shape | str, value: Any, error: Exception) -> Any:
        """Record an error raised by user code; returns `FAILED`."""
        self.is_foreign = self.is_foreign or not self.problems
        return self.misfit(path, shape, value, f"{type(error).__name__}: {error}")

    def too_deep(self, path: str, depth: int) -> bool:
        """Record a problem if a map or array is nested too deep."""
        if depth < MAX_DEPTH:
            return False
        self.problem(path, f"at most {MAX_DEPTH} maps and arrays inside each other", "one more")
        return True

    def key(self, path: str, key: Any) -> Any:
        """A map key, or `FAILED`."""
        try:
            return to_key(key)
        except Mismatch as mismatch:
            return self.misfit(path, "keys that Firestore can hold", key, str(mismatch))

    def gather(self, values: Iterable[Any]) -> Any:
        """A list of these, or `FAILED` if one of them is `FAILED`; all are walked over either way."""
        found = list(values)
        return FAILED if any(value is FAILED for value in found) else found

    def anything(self, value: Any, path: str, depth: int, in_array: bool = False) -> Any:
        """A deep copy of any value that Firestore can store, in its stored form."""
        if is_map(value):
            return self.any_map(value, path, depth)
        if is_array(value):
            if in_array:
                return self.misfit(path, "no array directly in an array", value)
            if self.too_deep(path, depth):
                return FAILED
            items = (self.anything(each, f"{path}[{index}]", depth + 1, True) for index, each in enumerate(value))
            return self.gather(items)
        try:
            return any_leaf(value, in_array)
        except Mismatch as mismatch:
            return self.misfit(path, "a value that Firestore can hold", value, str(mismatch))

    def any_map(self, value: Mapping[Any, Any], path: str, depth: int) -> Any:
        """A deep copy of a map, in its stored form."""
        if self.too_deep(path, depth):
            return FAILED
        found: dict[Any, Any] = {}
        for key, each in value.items():
            name = self.key(path, key)
            found[name] = self.anything(each, inside(path, name if name is not FAILED else str(key)), depth + 1)
        return FAILED if FAILED in found or any(each is FAILED for each in found.values()) else found


def converted(checker: K, convert: Callable[[K, Shape, Any], Any], shape: Shape, value: Any) -> Any:
    """The result of a reader or a writer for a value; `Mismatch` if there is a problem."""
    found = convert(checker, shape, value)
    if checker.problems:
        raise Mismatch
    return found
