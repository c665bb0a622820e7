"""Filters and orders as immutable values. Nothing here knows models, converts values or queries a database."""

# What fields know about their values is private, so as not to clash with the fields inside them.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, Final, NoReturn, Protocol, TypeAlias, cast, final, get_args

from ._frozen import ATOMS, freeze, own_copy, source
from .errors import InvalidValueError
from .paths import FieldPath, exact_text, quote_segment
from .plan import Operator
from .values import DELETE_FIELD, is_transform

__all__ = [
    "And",
    "Asc",
    "Comparison",
    "CompositeLike",
    "Desc",
    "FieldFilterLike",
    "Filter",
    "FilterLike",
    "ModelField",
    "Or",
    "OrderLike",
    "as_filter",
    "as_filters",
    "as_order",
    "freeze",
]

_OPERATORS: Final[frozenset[str]] = frozenset(get_args(Operator))
_UNARY: Final = {"is-null": "is_null", "is-not-null": "is_not_null", "is-nan": "is_nan"}
_LISTS: Final = {"in": "is_in", "not-in": "not_in", "array-contains-any": "array_contains_any"}
_METHODS: Final = {"array-contains": "array_contains", **_LISTS}

_SPELLING: Final = (
    "Write (a) & (b) for 'and', (a) | (b) for 'or', City.n.is_in([...]) for 'in', City.n != x for 'not', "
    "and (City.n > 1) & (City.n < 5) for 1 < City.n < 5."
)


class ModelField:
    """A field as an attribute of a class, as used in filters, orders and changes.

    The base of `FieldDescriptor`, which adds the public interface.
    """

    __slots__ = ("_cendry_hidden", "_cendry_names", "_cendry_owner")
    _cendry_owner: type[Any]
    # Besides text, names that say whose they are; they are text when written.
    _cendry_names: tuple[Any, ...]
    _cendry_hidden: bool

    def _cendry_source(self, value: Any) -> str:
        """A value of the field as source code, or `...` for a field that is shown nowhere."""
        return "..." if self._cendry_hidden else source(value)

    def _cendry_check_null(self) -> None:
        """Check that documents can be found by `None`."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{self!r} is immutable; can't set {name!r}.")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{self!r} is immutable; can't delete {name!r}.")


class FieldFilterLike(Protocol):
    """The interface of Firestore's own `FieldFilter`."""

    @property
    def field_path(self) -> str:
        """The stored field, in Firestore's string form; aliases are not translated."""
        ...

    @property
    def op_string(self) -> Any:
        """The operator."""
        ...

    @property
    def value(self) -> Any:
        """The value to compare the field with."""
        ...


class CompositeLike(Protocol):
    """The interface of Firestore's own `And` and `Or`."""

    @property
    def operator(self) -> Any:
        """AND or OR."""
        ...

    @property
    def filters(self) -> Sequence[Any]:
        """The parts."""
        ...


class Filter:
    """A condition on documents: a comparison, or several joined by AND or OR. Immutable; compares by type and value."""

    __slots__ = ()

    def _key(self) -> tuple[Any, ...]:
        raise TypeError(f"{type(self).__name__} is not a filter by itself.")

    def __and__(self, other: FilterLike) -> And:
        return And(self, other)

    def __rand__(self, other: FilterLike) -> And:
        return And(other, self)

    def __or__(self, other: FilterLike) -> Or:
        return Or(self, other)

    def __ror__(self, other: FilterLike) -> Or:
        return Or(other, self)

    def __invert__(self) -> NoReturn:
        raise TypeError(f"Firestore has no NOT: state the opposite of {self!r}, with !=, not_in() or is_not_null().")

    def __bool__(self) -> NoReturn:
        raise TypeError(f"The filter {self!r} has no truth value. {_SPELLING}")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash((type(self), self._key()))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable; can't set {name!r}.")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable; can't delete {name!r}.")


@final
class Comparison(Filter):
    """One field, one operator, one value; the result of `City.population > 5`.

    Args:
        field: A field (`City.population`), or a `FieldPath` of stored names.
        op: The operator, in Firestore's spelling. `==` and `!=` with `None` or NaN become the operators for these.
        value: A Python value; converted by the field's type when the query runs. For `in`, `not-in` and
            `array-contains-any`, any iterable of values; for operators without a value, `None`.

    Attributes:
        field: The field: a descriptor, or the path of a stored field.
        op: The operator, in Firestore's spelling.

    Raises:
        TypeError: The field or the value can't be used in a filter.
        ValueError: There is no such operator.
    """

    __slots__ = ("_value", "field", "op")
    field: ModelField | FieldPath
    op: Operator
    _value: Any

    def __init__(self, field: ModelField | FieldPath, op: Operator, value: Any = None) -> None:
        # A quick check that most filters pass: queries are built on hot paths.
        is_plain = type(value) in _PLAIN_VALUES and _type_of(op) is str and op in _PLAIN
        if not is_plain or not isinstance(field, _FIELDS):
            op, value = _checked(field, op, value)
        _set_field(self, field)
        _set_op(self, op)
        _set_value(self, value)

    @property
    def value(self) -> Any:
        """The Python value, not yet converted; a new copy on each access."""
        return own_copy(self._value)

    def _key(self) -> tuple[Any, ...]:
        return (field_key(self.field), self.op, freeze(self._value))

    def __repr__(self) -> str:
        field, op = self.field, self.op
        if isinstance(field, FieldPath):
            value = "" if op in _WITHOUT_VALUE else f", {source(self._value)}"
            return f"Comparison({field!r}, {op!r}{value})"
        if op in _METHODS:
            return f"{field!r}.{_METHODS[op]}({field._cendry_source(self._value)})"
        if op in _UNARY:
            return f"{field!r}.{_UNARY[op]}()"
        if op == "is-not-nan":
            return f"{field!r} != float('nan')"
        return f"{field!r} {op} {field._cendry_source(self._value)}"

    def __reduce__(self) -> tuple[Any, ...]:
        return Comparison, (self.field, self.op, self._value)


# Any, since type checkers consider the test unnecessary.
_FIELDS: Final[Any] = (ModelField, FieldPath)
_type_of: Final = cast("Callable[[Any], Any]", type)
_NULL_FORMS: Final[dict[str, Operator]] = {"==": "is-null", "!=": "is-not-null"}
_NAN_FORMS: Final[dict[str, Operator]] = {"==": "is-nan", "!=": "is-not-nan"}
_RANGES: Final = frozenset({"<", "<=", ">", ">="})
_WITHOUT_VALUE: Final = frozenset({"is-null", "is-not-null", "is-nan", "is-not-nan"})

# The slots' own setters: faster than object.__setattr__, and queries are built on hot paths.
_set_field: Final = Comparison.__dict__["field"].__set__
_set_op: Final = Comparison.__dict__["op"].__set__
_set_value: Final = Comparison.__dict__["_value"].__set__


_PLAIN: Final = frozenset({"==", "!=", "<", "<=", ">", ">=", "array-contains"})
_PLAIN_VALUES: Final = ATOMS - {type(None), float}


def _checked(field: object, op: Operator, value: Any) -> tuple[Operator, Any]:
    """The operator and the value of a comparison, each in the form that filters hold."""
    op = exact_text(op)
    if op not in _OPERATORS:
        raise ValueError(f"{op!r} is not a Firestore operator; the operators are {', '.join(sorted(_OPERATORS))}.")
    if not isinstance(field, (ModelField, FieldPath)):
        raise TypeError(f"A filter compares a field (City.name) or a FieldPath('name'), not {field!r}.")
    if op in _LISTS:
        value = _list_of_values(field, op, value)
    elif type(value) not in ATOMS:
        _refuse(field, value)
        value = own_copy(value)
    if op in _WITHOUT_VALUE:
        if value is not None:
            raise TypeError(f"The operator {op!r} takes no value, not {_shown(field, value)}.")
    elif op in _NULL_FORMS:
        if value is None:
            op = _NULL_FORMS[op]
        elif isinstance(value, float) and math.isnan(value):
            return _NAN_FORMS[op], None
    elif op in _RANGES and (value is None or (isinstance(value, float) and math.isnan(value))):
        raise _unordered(field, op, value)
    if op == "is-null" and isinstance(field, ModelField):
        field._cendry_check_null()
    return op, value


def _unordered(field: ModelField | FieldPath, op: str, value: Any) -> InvalidValueError:
    if isinstance(field, ModelField):
        model, names = field._cendry_owner.__qualname__, tuple(map(str, field._cendry_names))
    else:
        model, names = "The document", field.segments
    expected = f"a value for {op!r} that others can be less or greater than"
    return InvalidValueError(model, ".".join(map(quote_segment, names)), expected, repr(value))


def _list_of_values(field: ModelField | FieldPath, op: str, values: Any) -> list[Any]:
    if isinstance(values, (str, bytes, ModelField)) or not isinstance(values, Iterable):
        raise TypeError(f"{field!r}.{_LISTS[op]}() takes a list of values, not {_shown(field, values)}.")
    found = list(cast("Any", values))
    for value in found:
        _refuse(field, value)
    return [own_copy(value) for value in found]


def _refuse(field: ModelField | FieldPath, value: object) -> None:
    if isinstance(value, ModelField):
        raise TypeError(f"Firestore compares a field with a value, not with another field: {field!r} and {value!r}.")
    if isinstance(value, (Filter, _Order)):
        raise TypeError(
            f"{field!r} can't be compared with {value!r}. Comparisons bind weaker than & and |. {_SPELLING}"
        )
    if value is DELETE_FIELD or is_transform(value):
        raise TypeError(f"{field!r} can't be compared with {_shown(field, value)}, which is only for writes.")


def _shown(field: ModelField | FieldPath, value: object) -> str:
    hidden = isinstance(field, ModelField) and field._cendry_source(value) == "..."
    return "..." if hidden else repr(value)


def field_key(field: ModelField | FieldPath | str) -> tuple[Any, ...]:
    """The basis of equality and hash of a field in a filter, an order or a cursor."""
    if isinstance(field, ModelField):
        named: Any = field
        return (named._cendry_owner, named._cendry_names)
    return (type(field), field)


class _Composite(Filter):
    __slots__ = ("_filters",)
    _filters: tuple[Filter, ...]
    _symbol: ClassVar[str]

    def __init__(self, *filters: FilterLike | Iterable[FilterLike]) -> None:
        found: list[Filter] = []
        for part in as_filters(filters):
            # Nested ANDs and nested ORs are flattened, so that (a & b) & c equals And(a, b, c).
            found.extend(part._filters if type(part) is type(self) else (part,))
        if not found:
            raise ValueError(f"{type(self).__name__} takes at least one filter.")
        object.__setattr__(self, "_filters", tuple(found))

    @property
    def filters(self) -> tuple[Filter, ...]:
        """The parts, at least one; none of them is of the same kind as the whole."""
        return self._filters

    def _key(self) -> tuple[Any, ...]:
        return self._filters

    def __repr__(self) -> str:
        if len(self._filters) == 1:
            return f"{type(self).__name__}({self._filters[0]!r})"
        return f" {self._symbol} ".join(f"({part!r})" for part in self._filters)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._filters


@final
class And(_Composite):
    """All of the filters must hold; the same as `a & b`.

    Args:
        filters: One or more filters, or lists of them.

    Raises:
        TypeError: An argument is not a filter.
        ValueError: No filter is given.
    """

    __slots__ = ()
    _symbol = "&"


@final
class Or(_Composite):
    """At least one of the filters must hold; the same as `a | b`.

    Args:
        filters: One or more filters, or lists of them.

    Raises:
        TypeError: An argument is not a filter.
        ValueError: No filter is given.
    """

    __slots__ = ()
    _symbol = "|"


class _Order:
    __slots__ = ("_field",)
    _field: ModelField | FieldPath | str
    descending: ClassVar[bool]

    def __init__(self, field: ModelField | FieldPath | str) -> None:
        if not isinstance(cast(object, field), (ModelField, FieldPath, str)):
            raise TypeError(
                f"{type(self).__name__} takes a field (City.name), its declared name, or a FieldPath, not {field!r}."
            )
        object.__setattr__(self, "_field", field)

    @property
    def field(self) -> ModelField | FieldPath | str:
        """The field to sort by: a descriptor, a declared name, or the path of a stored field."""
        return self._field

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return field_key(self._field) == field_key(other._field)

    def __hash__(self) -> int:
        return hash((type(self), field_key(self._field)))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable; can't set {name!r}.")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable; can't delete {name!r}.")

    def __repr__(self) -> str:
        if isinstance(self._field, ModelField):
            return f"{self._field!r}.{'desc' if self.descending else 'asc'}()"
        return f"{type(self).__name__}({self._field!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._field,)


@final
class Asc(_Order):
    """Sort by a field, smallest first; the same as `City.name.asc()`.

    Args:
        field: A field (`City.name`), its declared name (`"name"`, `"mayor.name"`), or a `FieldPath` of stored names.
    """

    __slots__ = ()
    descending: ClassVar[bool] = False


@final
class Desc(_Order):
    """Sort by a field, largest first; the same as `City.name.desc()`.

    Args:
        field: A field (`City.name`), its declared name (`"name"`, `"mayor.name"`), or a `FieldPath` of stored names.
    """

    __slots__ = ()
    descending: ClassVar[bool] = True


FilterLike: TypeAlias = Filter | FieldFilterLike | CompositeLike
"""Anything accepted as a filter: Cendry's own, or Firestore's `FieldFilter`, `And`, `Or`."""

OrderLike: TypeAlias = Asc | Desc | ModelField | FieldPath | str
"""Anything accepted as an order; a field by itself means ascending."""


def as_filter(value: object) -> Filter:
    """Return a filter: Cendry's own as it is; Firestore's `FieldFilter`, `And` and `Or` converted.

    Raises:
        TypeError: It is something else; the message explains how to write a filter.
    """
    if isinstance(value, Filter):
        return value
    if not isinstance(value, (type, ModelField)):
        if hasattr(value, "field_path") and hasattr(value, "op_string"):
            return _from_field_filter(cast("Any", value))
        if hasattr(value, "operator") and hasattr(value, "filters"):
            return _from_composite(cast("Any", value))
    raise TypeError(f"{value!r} is not a filter. {_advice(value)}")


def as_filters(values: Iterable[object]) -> tuple[Filter, ...]:
    """Collect filters, and lists of filters, into one flat tuple.

    Raises:
        TypeError: An argument is not a filter.
    """
    return tuple(_flattened(values))


def as_order(value: object) -> Asc | Desc:
    """Return an order; a field, a declared name or a `FieldPath` by itself means ascending.

    Raises:
        TypeError: It is something else.
    """
    if isinstance(value, (Asc, Desc)):
        return value
    if isinstance(value, (ModelField, FieldPath, str)):
        return Asc(value)
    raise TypeError(f"{value!r} is not an order. Write City.name.asc(), City.name.desc() or 'name'.")


def _flattened(values: Iterable[object]) -> Iterator[Filter]:
    for value in values:
        # The most common case; testing whether something is iterable is slow.
        if isinstance(value, Filter):
            yield value
        elif isinstance(value, Iterable) and not isinstance(value, (str, bytes, type, ModelField)):
            yield from _flattened(cast("Iterable[object]", value))
        else:
            yield as_filter(value)


def _advice(value: object) -> str:
    if isinstance(value, bool):
        return (
            "It comes from 'and', 'or', 'not', or from a comparison of plain values, such as City.name.field_name, "
            f"which is a str. {_SPELLING}"
        )
    if isinstance(value, ModelField):
        return f"Compare the field with a value: {value!r} == ..., {value!r}.is_not_null()."
    if isinstance(value, _Order):
        return "Orders go to order_by."
    return "Write City.name == 'x', or FieldFilter('name', '==', 'x') with the stored name."


def _from_field_filter(value: FieldFilterLike) -> Comparison:
    path = cast(Any, value.field_path)
    op = value.op_string
    # The SDK spells some with underscores, and uses enum members for operators without a value.
    spelt = str(exact_text(op) if isinstance(op, str) else getattr(op, "name", op)).lower().replace("_", "-")
    if spelt not in _OPERATORS:
        raise TypeError(f"{op!r} is not a Firestore operator; the operators are {', '.join(sorted(_OPERATORS))}.")
    operand = None if spelt in _WITHOUT_VALUE else value.value
    where = path if isinstance(path, FieldPath) else FieldPath.parse(path if isinstance(path, str) else str(path))
    return Comparison(where, cast(Operator, spelt), operand)


def _from_composite(value: CompositeLike) -> Filter:
    given = value.operator
    operator = str(exact_text(given) if isinstance(given, str) else getattr(given, "name", given)).upper()
    if operator not in ("AND", "OR"):
        raise TypeError(f"{value!r} is not a filter: its operator is {value.operator!r}, neither AND nor OR.")
    return (And if operator == "AND" else Or)(*value.filters)
