"""The common part of reader and writer: problems with their paths, and values without a declared type."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sized
from dataclasses import MISSING
from typing import Any, Final, TypeVar, cast, final

from .._types.kinds import Mismatch
from .._types.shapes import (
    MAX_DEPTH,
    Constrained,
    Record,
    RecordField,
    Shape,
    Tagged,
    describe,
    hides,
)
from ..errors import MAX_PROBLEMS, Code, Problem
from ..paths import quote_segment
from .leaves import (
    HIDDEN,
    MAX_SHOWN,
    STORED_VALUES,
    AnyValues,
    brief,
    is_array,
    is_map,
    show,
    shown_error,
    to_key,
)


@final
class _Failed:
    def __repr__(self) -> str:
        return "FAILED"


FAILED: Final = _Failed()
"""Stands for a value that can't be returned because of a problem."""


class Enough(Exception):
    """There are more problems than the checker collects."""


def inside(path: str, key: object) -> str:
    """The path of a field or key inside another, for messages: a long key is cut."""
    if isinstance(key, str):
        name = str.__str__(key) if len(key) <= MAX_SHOWN else f"{str.__getitem__(key, slice(MAX_SHOWN - 3))}..."
    else:
        name = brief(key)
    if not name.isascii():
        # Lone surrogates could be neither printed nor sent.
        name = name.encode(errors="backslashreplace").decode()
    quoted = quote_segment(name)
    return f"{path}.{quoted}" if path else quoted


K = TypeVar("K", bound="Checker")
V = TypeVar("V")


class Checker:
    """Walks over data by its shape and collects its problems. Compiled code stops at the first one instead.

    Args:
        limit: How many problems are collected; at the next one, it raises `Enough`.
    """

    def __init__(self, limit: int = MAX_PROBLEMS) -> None:
        self.limit = limit
        # What is accepted where no type is declared.
        self.any_values: AnyValues = STORED_VALUES
        self.problems: list[Problem] = []
        self.more = False
        # The path and shape of the field around, if its value is shown nowhere.
        self.hidden: tuple[str, Shape] | None = None
        # The first error raised by user code, and whether it is the first problem.
        self.foreign: Exception | None = None
        self.is_foreign = False

    def walk(self, function: Callable[..., V], *arguments: Any) -> V:
        """Call one of the checker's functions; if there are too many problems, the result is `FAILED`."""
        try:
            return function(*arguments)
        except Enough:
            self.more = True
            return cast("V", FAILED)

    def problem(
        self, path: str, shape: Shape | str, found: str, code: Code = "value", nearest: tuple[str, ...] = ()
    ) -> Any:
        """Record a problem; returns `FAILED`.

        Raises:
            Enough: There are too many.
        """
        if len(self.problems) == self.limit:
            raise Enough
        if self.hidden is not None:
            path, shape = self.hidden
            found, code, nearest = HIDDEN, "value", ()
        expected = shape if isinstance(shape, str) else self.described(shape)
        self.problems.append(Problem(path, expected, found, code, nearest))
        return FAILED

    def described(self, shape: Shape) -> str:
        """The description of a shape in problems."""
        return describe(shape)

    def misfit(self, path: str, shape: Shape | str, value: Any, reason: str = "", *, hidden: bool = False) -> Any:
        """Record a value that doesn't fit, and why; returns `FAILED`."""
        found = HIDDEN if hidden or (not isinstance(shape, str) and hides(shape)) else show(value)
        return self.problem(path, shape, f"{found} ({reason})" if reason else found)

    def wrong_tag(self, shape: Tagged, tag: Any, path: str) -> Any:
        """Record that a tag is absent (`MISSING`) or belongs to no class of a union; returns `FAILED`."""
        if tag is MISSING:
            return self.problem(path, shape.options, "nothing", "missing")
        return self.problem(path, shape.options, HIDDEN if shape.is_hidden else show(tag), "tag")

    def broken(self, path: str, shape: Constrained, value: Any) -> Any:
        """The value, or `FAILED` after recording that it breaks a rule."""
        rule = shape.broken(value)
        if rule is None:
            return value
        found = next(each for each in value if rule.breaks(each)) if rule.of_keys else value
        shown = show(found)
        if rule.code == "dimension" and isinstance(found, Sized):
            # The components of a vector say nothing to a reader.
            shown = f"one of {len(found)}"
        elif rule.code in ("min_length", "max_length") and shown.endswith("..."):
            # Nor does the beginning of a value that is too long.
            shown += f" (length {len(found)})"
        return self.problem(path, shape, HIDDEN if hides(shape) else shown, rule.code)

    def validated(self, path: str, record: Record, instance: Any) -> Any:
        """The instance, or `FAILED` after recording that it breaks the rule of its class for the whole."""
        try:
            cast("Callable[[Any], None]", record.validate)(instance)
        except ValueError as error:
            if self.foreign is None and self.hidden is None:
                self.foreign, self.is_foreign = error, not self.problems
            return self.problem(path, f"a valid {describe(record)}", shown_error(error), "rule")
        return instance

    def part(self, field: RecordField, path: str, walk: Callable[..., V], *arguments: Any) -> V:
        """Call one of the checker's functions for a field; of a hidden one, there is one problem that tells nothing."""
        if not field.hidden or self.hidden is not None:
            return walk(*arguments)
        before = len(self.problems)
        self.hidden = (path, field.shape)
        found = walk(*arguments)
        self.hidden = None
        del self.problems[before + 1 :]
        return found

    def raised(self, path: str, shape: Shape | str, value: Any, error: Exception, *, hidden: bool = False) -> Any:
        """Record an error raised by user code; returns `FAILED`."""
        # Its text may contain the value.
        if self.foreign is None and self.hidden is None:
            self.foreign = error
            self.is_foreign = not self.problems
        return self.misfit(path, shape, value, shown_error(error), hidden=hidden)

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
            # Most elements need no path.
            is_leaf = self.any_values.is_trusted
            items = (
                each if is_leaf(each) else self.anything(each, f"{path}[{index}]", depth + 1, True)
                for index, each in enumerate(value)
            )
            return self.gather(items)
        try:
            return self.any_values.leaf(value, in_array)
        except Mismatch as mismatch:
            return self.misfit(path, f"a value that {self.any_values.holder} can hold", value, str(mismatch))

    def any_map(self, value: Mapping[Any, Any], path: str, depth: int) -> Any:
        """A deep copy of a map, in its stored form."""
        if self.too_deep(path, depth):
            return FAILED
        found: dict[Any, Any] = {}
        is_leaf = self.any_values.is_trusted
        for key, each in value.items():
            name = self.key(path, key)
            found[name] = each if is_leaf(each) else self.anything(each, inside(path, key), depth + 1)
        return FAILED if FAILED in found or any(each is FAILED for each in found.values()) else found


def converted(checker: K, convert: Callable[[K, Shape, Any], Any], shape: Shape, value: Any) -> Any:
    """The result of a reader or a writer that collects nothing; `Mismatch` if there is a problem."""
    found = checker.walk(convert, checker, shape, value)
    if found is FAILED:
        raise Mismatch
    return found
