"""Aggregations: counts, sums and averages over the documents of a query, computed by the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, TypeVar, final, overload

from .._aggregates import Aggregate
from .._types.registry import TypeRegistry
from .._types.shapes import describe, holds_numbers, kinds_of
from ..errors import CendryError, InvalidValueError
from ..filters import ModelField
from ..plan import MAX_AGGREGATIONS, Aggregation, AggregationPlan
from .compile import compiled
from .fields import check_owner, named_field, resolved
from .spec import QuerySpec

T = TypeVar("T")
Figure = int | float | None

_FLOATS: Final = (frozenset({"float"}), frozenset({"float", "null"}))


@final
class AggregateResult(Mapping[str, Any]):
    """The result of `aggregate` with names: `result.total`, `result["total"]`, or by the aggregate itself.

    It is an immutable mapping from the names to the values. `result[City.population.sum()]` has the exact type for type
    checkers.
    """

    __slots__ = ("_aggregates", "_values")
    _aggregates: dict[str, Aggregate[Any]]
    _values: dict[str, Any]

    def __init__(self, aggregates: Mapping[str, Aggregate[Any]], values: tuple[Any, ...]) -> None:
        object.__setattr__(self, "_aggregates", dict(aggregates))
        object.__setattr__(self, "_values", dict(zip(aggregates, values, strict=True)))

    @overload
    def __getitem__(self, key: str, /) -> Any: ...
    @overload
    def __getitem__(self, key: Aggregate[T], /) -> T: ...
    def __getitem__(self, key: Any, /) -> Any:
        if not isinstance(key, str):
            for name, aggregate in self._aggregates.items():
                if aggregate == key:
                    return self._values[name]
        return self._values[key]

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._values:
            return self._values[name]
        near = [] if name.startswith("_") else get_close_matches(name, self._values, 1)
        hint = "".join(f" Did you mean {one!r}?" for one in near)
        raise AttributeError(f"This AggregateResult has no {name!r}.{hint}", name=name, obj=self)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    # Hidden from type checkers, which would allow assignments otherwise.
    if not TYPE_CHECKING:

        def __setattr__(self, name: str, value: object) -> NoReturn:
            raise AttributeError(f"AggregateResult is immutable; can't set {name!r}.")

        def __delattr__(self, name: str) -> NoReturn:
            raise AttributeError(f"AggregateResult is immutable; can't delete {name!r}.")

    def __reduce__(self) -> tuple[Any, ...]:
        return AggregateResult, (self._aggregates, tuple(self._values.values()))

    def __repr__(self) -> str:
        return f"AggregateResult({', '.join(f'{name}={value!r}' for name, value in self._values.items())})"


def wanted_aggregates(given: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[Aggregate[Any], ...]:
    """The arguments of `aggregate`, checked.

    Raises:
        TypeError: There is none, or some have names and others don't; one is not an aggregate; a name is not available.
        CendryError: There are more than 5.
    """
    if given and named:
        raise TypeError("aggregate() takes aggregates by position or by name, not both.")
    every = given or tuple(named.values())
    if not every:
        raise TypeError("aggregate() takes at least one aggregate, such as count() or City.population.sum().")
    for one in every:
        if not isinstance(one, Aggregate):
            raise TypeError(f"aggregate() takes count(), City.population.sum() and the like, not {one!r}.")
    for name in named:
        if hasattr(AggregateResult, name) or name.startswith("_"):
            raise TypeError(f"aggregate() can't use the name {name!r}, which AggregateResult itself has.")
    if len(every) > MAX_AGGREGATIONS:
        raise CendryError(
            f"aggregate() takes at most {MAX_AGGREGATIONS} aggregates in one call, not {len(every)}; nothing was sent."
        )
    return every


def of_field(model: type[Any], function: Literal["sum", "avg"], key: object) -> Aggregate[Any]:
    """The aggregate of a field that the user named.

    Raises:
        TypeError: It is not a field, or one of another model.
        UnknownFieldError: A name is not declared.
    """
    return Aggregate(function, named_field(model, key, f"{function}()"))


def aggregation(
    spec: QuerySpec, registry: TypeRegistry, aggregates: tuple[Aggregate[Any], ...]
) -> tuple[AggregationPlan, Callable[[tuple[Figure, ...]], tuple[Any, ...]]]:
    """The plan of aggregations over a query, and the function that converts their results.

    Raises:
        InvalidValueError: A field doesn't hold numbers.
        TypeError: A field belongs to another model.
        CendryError: The query contradicts itself.
    """
    query = compiled(spec, registry)
    asked: list[Aggregation] = []
    are_floats: list[bool] = []
    for one in aggregates:
        if one.field is None:
            asked.append(Aggregation("count", up_to=one.up_to))
            are_floats.append(False)
            continue
        if isinstance(one.field, ModelField):
            check_owner(spec.model, one.field)
        field = resolved(query.codec, one.field)
        if not holds_numbers(field.shape):
            expected, found = f"a field of numbers for {one.function}()", f"a field that holds {describe(field.shape)}"
            raise InvalidValueError(spec.model.__qualname__, field.text, expected, found)
        asked.append(Aggregation(one.function, field.path))
        # The sum of nothing is the integer 0, and integers may be stored in a field of floats.
        are_floats.append(one.function == "avg" or kinds_of(field.shape) in _FLOATS)

    def read(figures: tuple[Figure, ...]) -> tuple[Any, ...]:
        return tuple(
            [
                float(figure) if is_float and figure is not None else figure
                for figure, is_float in zip(figures, are_floats, strict=True)
            ]
        )

    return AggregationPlan(query.plan, tuple(asked)), read
