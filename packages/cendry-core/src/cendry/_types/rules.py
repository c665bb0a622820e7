"""Rules on values: the constraints of annotations, and the `__validate__` methods of models and maps.

Constraints of other libraries are recognised by their attributes; none of these libraries is imported.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any, Final, cast

from .._immutable import dataclass
from ..errors import Code

_VALIDATORS: Final = ("AfterValidator", "BeforeValidator", "PlainValidator", "ValidateAs", "WrapValidator")
_PREDICATES: Final = ("Not", "Predicate")
_MAX_SHOWN: Final = 80


@dataclass(frozen=True, slots=True)
class Dimension:
    """The dimension of a vector field, as metadata of its annotation."""

    count: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One constraint on values.

    Attributes:
        code: The code of problems with it.
        bound: What the library's constraint says.
        text: Its description, for messages.
        source: The source of a test: `{v}` is the value, and `{b}` is `operand`.
        operand: What the test compares with.
        allows: The same test as a function.
        of_keys: Whether it holds for each key of a dict.
    """

    code: Code
    bound: Any
    text: str
    source: str
    operand: Any
    allows: Callable[[Any], Any]
    of_keys: bool = False

    # Bounds may have no hash, and need not say when they are equal.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def breaks(self, value: Any) -> bool:
        """Whether a value breaks the rule; values that can't be compared break it."""
        try:
            return not self.allows(value)
        except (TypeError, ValueError, ArithmeticError):
            return True


_ORDER: Final[dict[Code, tuple[str, Callable[[Any, Any], Any]]]] = {
    "gt": (">", lambda value, bound: value > bound),
    "ge": (">=", lambda value, bound: value >= bound),
    "lt": ("<", lambda value, bound: value < bound),
    "le": ("<=", lambda value, bound: value <= bound),
}
_LENGTH: Final[dict[Code, tuple[str, Callable[[Any, Any], Any]]]] = {
    "min_length": (">=", lambda value, bound: len(value) >= bound),
    "max_length": ("<=", lambda value, bound: len(value) <= bound),
}
_NAMES: Final[tuple[Code, ...]] = (*_ORDER, "multiple_of", *_LENGTH, "pattern")


def rules_in(metadata: Iterable[object]) -> Iterator[Rule]:
    """The rules in the metadata of an annotation; other metadata is ignored.

    Raises:
        TypeError: There is a validator of pydantic, which only pydantic can run, or a bad regular expression.
    """
    for each in metadata:
        name = _class_in(each, _VALIDATORS, "pydantic.functional_validators")
        if name is not None:
            raise TypeError(
                f"pydantic's {name} can't be used here, since only pydantic runs it; "
                "use constraints, __validate__, or a pydantic class"
            )
        if isinstance(each, (type, str, re.Pattern)):
            continue
        if _class_in(each, _PREDICATES, "annotated_types") is not None:
            yield _predicate(each)
        elif getattr(type(each), "__is_annotated_types_grouped_metadata__", False):
            yield from rules_in(cast("Iterable[object]", each))
        elif isinstance(inner := getattr(each, "metadata", None), list):
            yield from rules_in(cast("list[object]", inner))
        elif isinstance(each, Dimension):
            yield _dimension(each.count)
        else:
            for code in _NAMES:
                bound = getattr(each, code, None)
                if bound is not None and not callable(bound):
                    yield _rule(code, bound)


def discriminator_in(metadata: Iterable[object]) -> str | None:
    """The field that tells the classes of a union apart, where an annotation names it as pydantic does."""
    found = (getattr(each, "discriminator", None) for each in metadata if not isinstance(each, type))
    return next((each for each in found if isinstance(each, str)), None)


def _class_in(value: Any, names: Iterable[str], module: str) -> str | None:
    """The name of the library's class of which a value is an instance, if it is one of these."""
    loaded = sys.modules.get(module)
    classes = ((name, getattr(loaded, name, None)) for name in names)
    return next((name for name, cls in classes if cls is not None and isinstance(value, cls)), None)


def _predicate(predicate: Any) -> Rule:
    function: Any = getattr(predicate, "func", predicate) if not callable(predicate) else predicate
    name = getattr(function, "__qualname__", None) or repr(function)
    return Rule("predicate", predicate, f"accepted by {_short(name)}", "{b}({v})", function, function)


def _rule(code: Code, bound: Any) -> Rule:
    if code in _ORDER:
        sign, test = _ORDER[code]
        return Rule(code, bound, f"{sign} {_short(repr(bound))}", f"{{v}} {sign} {{b}}", bound, _with(test, bound))
    if code in _LENGTH:
        sign, test = _LENGTH[code]
        text = f"of length {sign} {_short(repr(bound))}"
        return Rule(code, bound, text, f"len({{v}}) {sign} {{b}}", bound, _with(test, bound))
    if code == "multiple_of":

        def is_multiple(value: Any) -> bool:
            return _is_multiple(value, bound)

        return Rule(code, bound, f"a multiple of {_short(repr(bound))}", "{b}({v})", is_multiple, is_multiple)
    try:
        search = re.compile(bound).search
    except (re.error, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise TypeError(f"{bound!r} is not a regular expression: {error}") from None
    text = f"matching {_short(repr(getattr(bound, 'pattern', bound)))}"
    return Rule(code, bound, text, "{b}({v})", search, search)


def _dimension(count: int) -> Rule:
    text = f"of {count} dimension{'s' * (count > 1)}"
    return Rule("dimension", count, text, "len({v}) == {b}", count, lambda value: len(value) == count)


def _with(test: Callable[[Any, Any], Any], bound: Any) -> Callable[[Any], Any]:
    return lambda value: test(value, bound)


def _is_multiple(value: Any, of: Any) -> bool:
    if isinstance(value, float) or isinstance(of, float):
        # As pydantic does it: 0.3 is a multiple of 0.1, which no binary fraction is exactly.
        if value - value != 0:  # NaN and the infinities.
            return False
        rest, tolerance = abs(value % of), abs(value) / 1e9
        return bool(rest <= tolerance or abs(rest - abs(of)) <= tolerance)
    return not value % of


def _short(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 3]}..."


def fitted(rule: Rule, samples: Iterable[Any], described: str) -> Rule:
    """The rule for values of a type, given some values of it.

    Raises:
        TypeError: It can't be applied to them.
    """
    samples = list(samples)
    bound = rule.bound
    if rule.code in _ORDER or rule.code == "multiple_of":
        if isinstance(bound, datetime) and bound.tzinfo is None and any(isinstance(each, datetime) for each in samples):
            # A naive datetime is taken as UTC, as everywhere.
            rule = _rule(rule.code, bound.replace(tzinfo=timezone.utc))
        elif isinstance(bound, float) and any(isinstance(each, Decimal) for each in samples):
            rule = _rule(rule.code, Decimal(repr(bound)))
    if rule.code == "predicate":
        return rule
    for sample in samples:
        try:
            rule.allows(sample)
        except (TypeError, ValueError, ArithmeticError) as error:
            raise TypeError(f"{rule.code}={bound!r} can't be applied to {described}: {error}") from None
    return rule


def whole_rule(cls: type[Any]) -> Callable[[Any], None] | None:
    """Calls each `__validate__` that a class and its bases define, those of bases first; `None` if there are none."""
    functions = [base.__dict__["__validate__"] for base in reversed(cls.__mro__) if "__validate__" in base.__dict__]
    if not functions:
        return None

    def validate(instance: Any) -> None:
        for function in functions:
            function.__get__(instance, type(instance))()

    return validate
