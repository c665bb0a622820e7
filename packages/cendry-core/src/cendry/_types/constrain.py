"""Where the rules of an annotation hold: around the values of its type, if they can be applied to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from ..values import Vector
from .rules import Rule, fitted
from .shapes import (
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
    Scalar,
    SdkValue,
    Shape,
    Tagged,
    describe,
    holds_vectors,
)

_SAMPLES: Final[dict[Any, Any]] = {
    "bool": False,
    "int": 1,
    "float": 1.0,
    "str": "",
    "bytes": b"",
    "timestamp": datetime(2000, 1, 1, tzinfo=timezone.utc),
    "vector": Vector([0.0]),
    Decimal: Decimal(1),
    date: date(2000, 1, 1),
    time: time(),
    timedelta: timedelta(1),
    UUID: UUID(int=1),
}
_OPERATORS: Final = {"gt": "__gt__", "ge": "__ge__", "lt": "__lt__", "le": "__le__", "multiple_of": "__mod__"}
_SIZES: Final = frozenset({"min_length", "max_length", "dimension"})


def constrained(shape: Shape, rules: tuple[Rule, ...]) -> Shape:
    """A shape for whose values rules hold; `None` is never checked.

    Raises:
        TypeError: A rule can't be applied to values of the shape; in a union, to those of any member.
    """
    if not rules:
        return shape
    match shape:
        case Nullable(inner):
            return Nullable(constrained(inner, rules))
        case Constrained(inner, others):
            return replace(shape, rules=others + _fitted(inner, rules))
        case OneOf(members):
            return OneOf(_constrained_members(members, rules))
        case Tagged(members):
            return replace(shape, members=_constrained_members(members, rules))
        case _:
            return Constrained(shape, _fitted(shape, rules))


def _constrained_members(members: tuple[Shape, ...], rules: tuple[Rule, ...]) -> tuple[Shape, ...]:
    for rule in rules:
        found: list[Shape] = []
        errors: list[TypeError] = []
        for member in members:
            try:
                found.append(constrained(member, (rule,)))
            except TypeError as error:
                errors.append(error)
                found.append(member)
        if len(errors) == len(members):
            raise errors[0]
        members = tuple(found)
    return members


def _fitted(shape: Shape, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    samples, described = list(_samples(shape)), describe(shape)
    for rule in rules:
        if rule.code == "dimension" and not holds_vectors(shape):
            raise TypeError(f"dimension={rule.bound} is for vectors, not for {described}")
        if not samples and not _may_have(shape, rule):
            raise TypeError(f"{rule.code}={rule.bound!r} can't be applied to {described}")
    return tuple(fitted(rule, samples, described) for rule in rules)


def _samples(shape: Shape) -> Iterator[Any]:
    match shape:
        case Scalar(kind) | SdkValue(kind) if kind in _SAMPLES:
            yield _SAMPLES[kind]
        case Converted(_, python):
            yield _SAMPLES[python]
        case EnumMember(python):
            yield from list(python)[:1]
        case OneValue(values):
            yield values[0]
        case Array(_, python):
            yield python()
        case FixedArray(items, _):
            yield (None,) * len(items)
        case Dict():
            yield {}
        case _:
            pass


def _may_have(shape: Shape, rule: Rule) -> bool:
    """Whether a rule may hold for values of a class of which there is no sample."""
    match shape:
        case Anything():
            return True
        case Record(python) | Handled(python) | AsIs(python) if isinstance(python, type):
            if rule.code in _OPERATORS:
                name = _OPERATORS[rule.code]
                return getattr(python, name, None) is not getattr(object, name, None)
            return rule.code == "predicate" or (rule.code in _SIZES and hasattr(python, "__len__"))
        case _:
            return rule.code == "predicate" or isinstance(shape, (Handled, AsIs))
