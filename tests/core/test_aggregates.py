"""Counts, sums and averages over the documents of a query."""

from __future__ import annotations

import copy
import enum
import math
import pickle
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

import annotated_types as at
import pytest
from cendry import (
    Aggregate,
    AggregateResult,
    AsyncQuery,
    CendryError,
    Field,
    FieldPath,
    InvalidValueError,
    Map,
    Model,
    Query,
    TypeRegistry,
    UnknownFieldError,
    count,
    field,
)
from cendry.plan import Aggregation
from core.documents import Area, City, Mayor


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Rating(Map):
    avg: Field[float]
    sum: Field[str] = field(default="")
    votes: Field[int] = field(default=0)


class Custom:
    pass


class Shop(Model, collection="shops"):
    rating: Field[Rating | None] = field(default=None)
    name: Field[str] = field(default="")
    open: Field[bool] = field(default=True)
    price: Field[float] = field(default=0.0)
    stock: Field[int | None] = field(default=None, alias="in stock")
    rooms: Field[Annotated[int, at.Gt(0)] | None] = field(default=None)
    mixed: Field[int | Rating] = field(default=0)
    either: Field[int | str] = field(default=0)
    level: Field[Level] = field(default=Level.LOW)
    size: Field[Literal[1, 2]] = field(default=1)
    anything: Field[Any] = field(default=None)
    counters: Field[dict[str, int]] = field(default_factory=dict)
    names: Field[dict[str, str]] = field(default_factory=dict)
    worth: Field[Decimal] = field(default=Decimal(0))
    lasts: Field[timedelta] = field(default=timedelta())
    numbers: Field[list[int]] = field(default_factory=list)


NUMBERS: list[Any] = [
    Shop.price,
    Shop.stock,
    Shop.rooms,
    City.area,
    Shop.either,
    Shop.level,
    Shop.size,
    Shop.anything,
    Shop.anything["k"],
    Shop.counters["k"],
    Shop.rating[Rating.votes],
    Rating.avg,
]

OTHERS: list[Any] = [
    Shop.name,
    Shop.open,
    Shop.rating,
    Shop.counters,
    Shop.names["k"],
    Shop.worth,
    Shop.lasts,
    Shop.numbers,
    Shop.id,
]


@pytest.fixture
def cities(ctx: Any, backend: Any) -> Any:
    """Five cities with populations 0 to 4; all but the first have an area, of which one is an integer."""
    for index, name in enumerate("abcde"):
        area = {"area": 2 if index == 1 else index + 0.5} if index else {}
        backend.put(f"cities/{name}", {"displayName": name, "population": index, "attributes": {"k.x": index}, **area})
    backend.calls.clear()
    return ctx.select(City, order_by=City.population)


def test_a_sum_and_an_average(cities: Any) -> None:
    assert (cities.sum(City.population), cities.avg(City.population)) == (10, 2.0)
    assert (cities.sum("population"), cities.avg("population")) == (10, 2.0)
    assert (cities.sum(FieldPath("population")), cities.avg(FieldPath("attributes", "k.x"))) == (10, 2.0)
    assert cities.sum(City.attributes["k.x"]) == 10
    assert cities.filter(City.population > 2).limit(1).sum(City.population) == 3
    assert cities.limit_to_last(2).sum(City.population) == 7
    assert cities.offset(4).avg(City.population) == 4.0
    assert cities.start_at({"population": 3}).sum(City.area) == 8.0


def test_sums_and_averages_of_nothing(cities: Any) -> None:
    nothing = cities.filter(City.name == "?")
    assert (nothing.sum(City.population), nothing.avg(City.population)) == (0, None)
    assert nothing.aggregate(count(), City.population.sum(), City.population.avg()) == (0, 0, None)


def test_results_have_the_type_of_their_field(cities: Any) -> None:
    nothing = cities.filter(City.name == "?")
    one = cities.filter(City.name == "b")
    figures = [nothing.sum(City.population), one.sum(City.population), nothing.sum(City.area), one.sum(City.area)]
    assert [(type(each), each) for each in figures] == [(int, 0), (int, 1), (float, 0.0), (float, 2.0)]
    assert type(one.avg(City.area)) is float
    assert type(nothing.sum(FieldPath("area"))) is int


def test_counting_stops_at_a_number(cities: Any, backend: Any) -> None:
    assert (cities.count(up_to=3), cities.count(3), cities.count(up_to=9), cities.count(up_to=None)) == (3, 3, 5, 5)
    assert cities.limit(2).count(up_to=3) == 2
    assert [plan.aggregations[0].up_to for plan in backend.plans("aggregate")] == [3, 3, 9, None, 3]


@pytest.mark.parametrize(
    ("up_to", "error", "message"),
    [
        (0, ValueError, "count takes up_to= of 1 to 9223372036854775807, not 0."),
        (-1, ValueError, "count takes up_to= of 1 to 9223372036854775807, not -1."),
        (2**63, ValueError, "count takes up_to= of 1 to 9223372036854775807, not 9223372036854775808."),
        (True, TypeError, "count takes an int as up_to=, not True."),
        (1.0, TypeError, "count takes an int as up_to=, not 1.0."),
    ],
)
def test_where_counting_can_stop(cities: Any, backend: Any, up_to: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        cities.count(up_to=up_to)
    with pytest.raises(error, match=message):
        count(up_to)
    assert backend.calls == []
    assert cities.count(up_to=2**63 - 1) == 5


def test_several_aggregates_are_one_request(cities: Any, backend: Any) -> None:
    found = cities.aggregate(count(), City.population.sum(), City.population.avg())
    assert found == (5, 10, 2.0)
    [(call, plan)] = backend.calls
    assert call == "aggregate"
    path = FieldPath("population")
    assert plan.aggregations == (Aggregation("count"), Aggregation("sum", path), Aggregation("avg", path))
    assert cities.aggregate(count(up_to=2)) == (2,)
    assert cities.aggregate(*[count()] * 5) == (5,) * 5


def test_aggregates_together_see_documents_that_have_all_their_fields(cities: Any) -> None:
    assert cities.aggregate(count(), City.population.sum(), City.area.sum()) == (4, 10, 12.5)
    assert cities.aggregate(City.mayor[Mayor.since].avg(), count()) == (None, 0)


def test_aggregates_by_name(cities: Any) -> None:
    total = City.population.sum()
    result = cities.aggregate(n=count(), total=total, self=City.population.avg())
    assert (result.n, result.total, result.self) == (5, 10, 2.0)
    assert (result["n"], result[total], result[City.population.sum()]) == (5, 10, 10)
    assert dict(result) == {"n": 5, "total": 10, "self": 2.0} == result
    assert (len(result), list(result), "n" in result, total in result) == (3, ["n", "total", "self"], True, True)
    assert {**result}.keys() == result.keys()
    assert repr(result) == "AggregateResult(n=5, total=10, self=2.0)"
    for key in ("m", City.area.sum(), None):
        with pytest.raises(KeyError):
            result[key]
    with pytest.raises(AttributeError, match="This AggregateResult has no 'totl'. Did you mean 'total'"):
        result.totl  # noqa: B018
    assert not hasattr(result, "_n")


def test_results_by_name_are_values() -> None:
    result = AggregateResult({"n": count(), "total": City.population.sum()}, (5, 10))
    for other in (pickle.loads(pickle.dumps(result)), copy.copy(result), copy.deepcopy(result)):
        assert other == result
        assert other[City.population.sum()] == 10
    with pytest.raises(AttributeError, match="AggregateResult is immutable; can't set 'n'"):
        result.n = 3  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="AggregateResult is immutable; can't delete 'n'"):
        del result.n
    with pytest.raises(AttributeError):
        object.__new__(AggregateResult).n  # noqa: B018


@pytest.mark.parametrize("name", ["keys", "items", "values", "get", "_values", "__len__", "_x"])
def test_names_that_results_have_themselves(cities: Any, backend: Any, name: str) -> None:
    with pytest.raises(TypeError, match=f"can't use the name '{name}', which AggregateResult itself has"):
        cities.aggregate(**{name: count()})
    assert backend.calls == []


WRONG: list[tuple[Any, type[Exception], str]] = [
    (lambda query: query.aggregate(), TypeError, r"aggregate\(\) takes at least one aggregate"),
    (lambda query: query.aggregate(count(), n=count()), TypeError, "by position or by name, not both"),
    (lambda query: query.aggregate("count"), TypeError, r"takes count\(\), .* and the like, not 'count'"),
    (lambda query: query.aggregate(n=City.population), TypeError, "and the like, not City.population"),
    (lambda query: query.aggregate(*[count()] * 6), CendryError, "at most 5 aggregates in one call, not 6; nothing"),
    (lambda query: query.aggregate(**{f"n{i}": count() for i in range(6)}), CendryError, "at most 5 aggregates"),
    (lambda query: query.aggregate(Area.rank.sum()), TypeError, "Area.rank is a field of Area, not of City"),
    (lambda query: query.sum(Area.rank), TypeError, "Area.rank is a field of Area, not of City"),
    (lambda query: query.sum(City.name), InvalidValueError, r"a field of numbers for sum\(\), found .* holds str"),
    (lambda query: query.avg(City.id), InvalidValueError, r"City.id: expected a field of numbers for avg\(\)"),
    (lambda query: query.avg("mayor"), InvalidValueError, r"City.mayor: expected a field of numbers for avg\(\)"),
    (lambda query: query.sum("popluation"), UnknownFieldError, "Did you mean 'population'"),
    (lambda query: query.sum(5), TypeError, r"sum\(\) takes a field of City"),
    (lambda query: query.avg(City.population.avg()), TypeError, r"avg\(\) takes a field of City"),
]


@pytest.mark.parametrize(("ask", "error", "message"), WRONG)
def test_wrong_aggregates_are_refused_before_anything_is_sent(
    cities: Any, backend: Any, ask: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ask(cities)
    assert backend.calls == []


@pytest.mark.parametrize("number", NUMBERS, ids=repr)
def test_fields_of_numbers_have_aggregates(number: Any) -> None:
    assert (number.sum(), number.avg()) == (Aggregate("sum", number), Aggregate("avg", number))


@pytest.mark.parametrize("other", OTHERS, ids=repr)
def test_other_fields_have_none(ctx: Any, backend: Any, other: Any) -> None:
    for function in ("sum", "avg"):
        if other is not Shop.rating:
            with pytest.raises(AttributeError, match=rf"has no {function}\(\): it is a field that holds .*, not"):
                getattr(other, function)
        with pytest.raises(InvalidValueError, match=rf"expected a field of numbers for {function}\(\)"):
            getattr(ctx.select(Shop), function)(other)
    assert backend.calls == []


def test_a_field_inside_a_map_can_be_called_like_an_aggregate(ctx: Any, backend: Any) -> None:
    rating: Any = Shop.rating
    assert rating.avg is Shop.rating[Rating.avg]
    assert rating.sum is Shop.rating[Rating.sum]
    backend.put("shops/a", {"rating": {"avg": 4.5, "votes": 3}})
    assert ctx.select(Shop).sum(rating.avg) == 4.5
    assert ctx.select(Shop).aggregate(rating.avg.sum(), rating.votes.avg()) == (4.5, 3.0)
    with pytest.raises(InvalidValueError, match=r"Shop.rating.sum: expected a field of numbers"):
        ctx.select(Shop).sum(Shop.rating[Rating.sum])


def test_a_field_that_is_a_number_or_a_map_says_which_is_meant() -> None:
    mixed: Any = Shop.mixed
    with pytest.raises(AttributeError, match=r"Shop.mixed.avg is an attribute .* write Shop.mixed\[Rating.avg\]"):
        mixed.avg()


def test_a_type_of_ones_own_may_hold_numbers(make: Any, backend: Any) -> None:
    registry = TypeRegistry()
    registry.register(Custom, serialize=lambda custom: 1, deserialize=lambda number: Custom())

    class Owned(Model, collection="owned", type_registry=registry):
        custom: Field[Custom]

    backend.put("owned/a", {"custom": 3})
    assert make(backend=backend).select(Owned).sum(Owned.custom) == 3


def test_numbers_that_are_not_finite(ctx: Any, backend: Any) -> None:
    backend.put("shops/a", {"price": math.inf})
    backend.put("shops/b", {"price": "text", "in stock": 2**62})
    backend.put("shops/c", {"in stock": 2**62})
    shops = ctx.select(Shop)
    assert (shops.sum(Shop.price), shops.avg(Shop.price)) == (math.inf, math.inf)
    assert shops.sum(Shop.stock) == 2.0**63


def test_aggregates_in_transactions(ctx: Any, cities: Any, backend: Any) -> None:
    def total(txn: Any) -> Any:
        found = txn.select(City).aggregate(count(), City.population.sum())
        txn.update(City, "a", {City.population: found[1]})
        return found

    assert ctx.transaction(total) == (5, 10)
    assert cities.sum(City.population) == 20


def test_aggregates_are_values() -> None:
    every: list[Any] = [count(), count(up_to=3), City.population.sum(), City.population.avg(), City.area.sum()]
    assert len({*every, *pickle.loads(pickle.dumps(every)), *copy.deepcopy(every)}) == len(every)
    for index, one in enumerate(every):
        assert [one == other for other in every] == [index == number for number in range(len(every))]
        assert eval(repr(one)) == one
    assert every[0] != "count()"
    assert [*map(repr, every[:3])] == ["count()", "count(up_to=3)", "City.population.sum()"]


def test_an_unbound_query_says_how_to_run_it() -> None:
    with pytest.raises(CendryError, match=r"use ctx\.select\(query\)"):
        Query(City).sum(City.population)
    assert AsyncQuery(City) == AsyncQuery(City)
