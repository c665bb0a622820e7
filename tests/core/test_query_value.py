from __future__ import annotations

import copy
import pickle
from datetime import datetime, timezone
from functools import partial
from typing import Any

import pytest
from cendry import (
    And,
    Asc,
    AsyncQuery,
    Cendry,
    CendryError,
    Desc,
    FieldPath,
    InvalidRequestError,
    Or,
    Query,
    Ref,
    UnknownFieldError,
)
from cendry.filters import Comparison
from core.documents import Area, Base, City, Mayor, Status
from core.recording import RecordingBackend

NAMES: dict[str, Any] = {
    "Query": Query, "AsyncQuery": AsyncQuery, "City": City, "Area": Area, "Mayor": Mayor, "Status": Status, "Ref": Ref,
    "FieldPath": FieldPath, "Comparison": Comparison, "Asc": Asc, "Desc": Desc, "And": And, "Or": Or,
    "datetime": __import__("datetime"),
}  # fmt: skip

SF = City(id="SF", name="San Francisco", population=5)

QUERIES = [
    (Query(City), "Query(City)"),
    (Query(City, City.state == "CA", limit=10), "Query(City, City.state == 'CA', limit=10)"),
    (
        Query(City, City.state == "CA", City.status == Status.OPEN),
        "Query(City, City.state == 'CA', City.status == Status.OPEN)",
    ),
    (Query(City, order_by=City.population), "Query(City, order_by=City.population.asc())"),
    (
        Query(City, order_by=[City.population.desc(), "name"]),
        "Query(City, order_by=[City.population.desc(), City.name.asc()])",
    ),
    (Query(City, order_by="mayor.name"), "Query(City, order_by=City.mayor[Mayor.name].asc())"),
    (Query(City, order_by=Desc("id")), "Query(City, order_by=City.id.desc())"),
    (Query(City, order_by=FieldPath("a b")), "Query(City, order_by=Asc(FieldPath('a b')))"),
    (Query(City, limit_to_last=3, order_by="id"), "Query(City, order_by=City.id.asc(), limit_to_last=3)"),
    (Query(City, offset=2), "Query(City, offset=2)"),
    (
        Query(City, order_by=City.population, start_at={City.population: 5}, end_before={"population": 9}),
        "Query(City, order_by=City.population.asc(), start_at={'population': 5}, end_before={'population': 9})",
    ),
    (
        Query(City, start_after={FieldPath("a b"): 1}, end_at={FieldPath("a b"): 2}),
        "Query(City, start_after={FieldPath('a b'): 1}, end_at={FieldPath('a b'): 2})",
    ),
    (
        Query(City, City.population > 1, start_after=SF),
        "Query(City, City.population > 1, start_after={'population': 5, 'id': 'SF'})",
    ),
    (
        Query(City, (City.population > 1) | (City.area < 2), start_after=SF),
        "Query(City, (City.population > 1) | (City.area < 2), start_after={'area': 0.0, 'population': 5, 'id': 'SF'})",
    ),
    (
        Query(City, order_by=City.population, start_at=SF, end_before={"population": 9}),
        "Query(City, order_by=City.population.asc(), start_at={'population': 5, 'id': 'SF'}, "
        "end_before={'population': 9})",
    ),
    (
        Query(City, start_at={City.attributes["a.b"]: 1}),
        "Query(City, start_at={'attributes.`a.b`': 1})",
    ),
    (Query(Area, parent=Ref(City, "SF")), "Query(Area, parent=Ref.from_path('cities/SF'))"),
    (Query(Area, group=True), "Query(Area, group=True)"),
    (
        Query(City, read_time=datetime(2026, 1, 1, tzinfo=timezone.utc)),
        "Query(City, read_time=datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))",
    ),
    (AsyncQuery(City, City.state == "CA"), "AsyncQuery(City, City.state == 'CA')"),
]


@pytest.mark.parametrize(("query", "shown"), QUERIES, ids=[shown for _, shown in QUERIES])
def test_repr_gives_back_an_equal_query(query: Any, shown: str) -> None:
    assert repr(query) == shown
    again = eval(shown, NAMES)
    assert again == query
    assert hash(again) == hash(query)


@pytest.mark.parametrize("query", [query for query, _ in QUERIES], ids=[shown for _, shown in QUERIES])
def test_queries_travel_by_pickle_and_copy(query: Any) -> None:
    assert pickle.loads(pickle.dumps(query)) == query
    assert copy.deepcopy(query) == query
    assert copy.copy(query) == query


def test_builders_give_new_queries_and_say_the_same_as_arguments() -> None:
    query = Query(City)
    built = (
        query.filter(City.state == "CA", [City.population > 1])
        .order_by(City.population.desc())
        .order_by("name")
        .limit(3)
        .offset(1)
        .start_at({"population": 9})
        .end_at({"population": 2})
        .under(Ref(City, "SF"))
        .at(datetime(2026, 1, 1, tzinfo=timezone.utc))
    )
    assert built == Query(
        City,
        City.state == "CA",
        City.population > 1,
        order_by=[Desc(City.population), City.name],
        limit=3,
        offset=1,
        start_at={City.population: 9},
        end_at={City.population: 2},
        parent=Ref(City, "SF"),
        read_time=datetime(2026, 1, 1, tzinfo=timezone.utc),
    )
    assert query == Query(City)
    assert query.limit(2).limit_to_last(3) == Query(City, limit_to_last=3)
    assert query.limit_to_last(3).limit(2) == Query(City, limit=2)
    assert query.start_at({"id": "a"}).start_after({"id": "b"}) == Query(City, start_after={"id": "b"})
    assert query.end_at({"id": "a"}).end_before({"id": "b"}) == Query(City, end_before={"id": "b"})


def test_none_is_no_limit_and_no_offset() -> None:
    for query in (Query(City), AsyncQuery(City)):
        assert type(query)(City, limit=None, limit_to_last=None, offset=None) == query
        assert query.limit(3).limit(None) == query
        assert query.limit_to_last(3).limit(None) == query
        assert query.limit(3).limit_to_last(None) == query
        assert query.offset(3).offset(None) == query


@pytest.mark.parametrize("count", [2**31, 2**63, 10**5000], ids=["32 bits", "64 bits", "more than Python writes"])
@pytest.mark.parametrize("name", ["limit", "limit_to_last", "offset"])
def test_a_count_over_32_bits_is_refused(name: str, count: int) -> None:
    kinds: tuple[Any, ...] = (Query, AsyncQuery)
    for kind in kinds:
        query = kind(City)
        for call in (partial(kind, City, **{name: count}), partial(getattr(query, name), count)):
            with pytest.raises(InvalidRequestError, match=f"{name} takes at most 2147483647, not ") as caught:
                call()
            assert caught.value.http_status == 422
        with pytest.raises(ValueError, match=f"{name} takes . or more, not "):
            getattr(query, name)(-count)
        assert getattr(query, name)(2**31 - 1) == kind(City, **{name: 2**31 - 1})


def test_equality_is_by_type_and_value() -> None:
    assert Query(City, limit=1) != Query(City, limit=2)
    assert Query(City) != AsyncQuery(City)
    assert Query(City) != Query(Area)
    assert Query(City) != "Query(City)"
    assert Query(City, start_at={"population": 1}) != Query(City, start_at={"population": True})
    assert Query(City, start_at={"population": 1}) != Query(City, start_after={"population": 1})
    assert Query(City, order_by=City.name) != Query(City, order_by=City.name.desc())
    assert len({Query(City, City.name == "a"), Query(City, City.name == "a")}) == 1


def test_a_query_keeps_its_own_copy_of_what_it_was_given() -> None:
    city = City(id="SF", name="San Francisco", population=5)
    values: dict[str, Any] = {"regions": ["west"]}
    by_instance, by_dict = Query(City, order_by="population", start_at=city), Query(City, start_at=values)
    shown = repr(by_instance), repr(by_dict)
    city.population = 6
    values["regions"].append("east")
    assert (repr(by_instance), repr(by_dict)) == shown


def test_the_binding_takes_no_part_in_equality_repr_and_pickle() -> None:
    with Cendry(backend=RecordingBackend()) as ctx:
        bound = ctx.select(City, City.name == "a", on_error=print)
        assert bound == Query(City, City.name == "a")
        assert repr(bound) == "Query(City, City.name == 'a')"
        revived = pickle.loads(pickle.dumps(bound))
        assert revived == bound
        with pytest.raises(CendryError, match=r"^This query is not bound to a context, .* use ctx\.select\(query\)\.$"):
            revived.first()


def test_an_error_handler_is_a_function() -> None:
    with pytest.raises(TypeError, match="on_error takes a function of one argument, the DecodeError, not 5"):
        Query(City).on_error(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="on_error takes a function of one argument, the DecodeError, not None"):
        Query(City).on_error(None)  # type: ignore[arg-type]


def test_an_unbound_query_says_how_to_run_it() -> None:
    with pytest.raises(CendryError, match=r"ctx\.select\(query\)"):
        list(Query(City))
    with pytest.raises(CendryError, match=r"ctx\.select\(query\)"):
        Query(City).first()
    with pytest.raises(CendryError, match=r"ctx\.select\(rows\)"):
        list(Query(City).project(City.name))
    with pytest.raises(CendryError, match=r"ctx\.select\(query\)"):
        AsyncQuery(City).__aiter__()


def test_no_order_is_no_order() -> None:
    assert Query(City, order_by=[]) == Query(City)
    assert Query(City).order_by() == Query(City)
    assert Query(City, order_by=(one for one in (City.name, "state"))) == Query(City, order_by=["name", City.state])


class Plain:
    pass


WRONG: list[tuple[Any, type[Exception], str]] = [
    (lambda: Query(5), TypeError, "A query takes a Model class first, not 5."),  # type: ignore[arg-type]
    (lambda: Query(Mayor), TypeError, "A query takes a Model class first, not <class 'core.documents.Mayor'>."),  # type: ignore[type-var]
    (lambda: Query(Base), TypeError, "Base is abstract: it has no collection to query."),
    (lambda: Query(City, True), TypeError, "True is not a filter."),  # type: ignore[arg-type]
    (lambda: Query(City, "name"), TypeError, "'name' is not a filter."),  # type: ignore[arg-type]
    (lambda: Query(City, City.name), TypeError, "City.name is not a filter."),  # type: ignore[arg-type]
    (lambda: Query(City, [City.name == "a", 5]), TypeError, "5 is not a filter."),  # type: ignore[list-item]
    (lambda: Query(City, Area.name == "a"), TypeError, "Area.name is a field of Area, not of City."),
    (
        lambda: Query(City, Mayor.name == "a"),
        TypeError,
        "Mayor.name is a field of Mayor, not of City. For an embedded map, write City.<field>[Mayor.name].",
    ),
    (lambda: Query(City, (City.name == "a") | (Area.name == "b")), TypeError, "Area.name is a field of Area"),
    (lambda: Query(City, order_by=Area.name), TypeError, "Area.name is a field of Area, not of City."),
    (
        lambda: Query(City, order_by="popluation"),
        UnknownFieldError,
        "City has no field 'popluation'. Did you mean 'population'?",
    ),
    (
        lambda: Query(City, order_by=5),  # type: ignore[arg-type]
        TypeError,
        "5 is not an order. Write City.name.asc(), City.name.desc() or 'name'.",
    ),
    (lambda: Query(City, limit=0), ValueError, "limit takes 1 or more, not 0."),
    (lambda: Query(City, limit=True), TypeError, "limit takes an int, not True."),
    (lambda: Query(City).limit_to_last(-1), ValueError, "limit_to_last takes 1 or more, not -1."),
    (lambda: Query(City, limit=1, limit_to_last=1), CendryError, "A query takes limit= or limit_to_last=, not both."),
    (lambda: Query(City, offset=-1), ValueError, "offset takes 0 or more, not -1."),
    (lambda: Query(City, offset="1"), TypeError, "offset takes an int, not '1'."),  # type: ignore[arg-type]
    (lambda: Query(City).at("now"), TypeError, "A read time is a datetime, not 'now'."),  # type: ignore[arg-type]
    (
        lambda: Query(City).at(datetime(2026, 1, 1)),
        InvalidRequestError,
        "A read time is an aware datetime, and datetime.datetime(2026, 1, 1, 0, 0) is naive; add a time zone",
    ),
    (lambda: Query(City, read_time=datetime(2026, 1, 1)), InvalidRequestError, "is naive"),
    (
        lambda: Query(City, start_at={"id": "a"}, start_after={"id": "b"}),
        CendryError,
        "A query takes start_at= or start_after=, not both.",
    ),
    (
        lambda: Query(City, end_at={"id": "a"}, end_before={"id": "b"}),
        CendryError,
        "A query takes end_before= or end_at=, not both.",
    ),
    (
        lambda: Query(City, start_at=5),  # type: ignore[arg-type]
        TypeError,
        "start_at takes a dict of field values, an instance of City, or a page token, not 5.",
    ),
    (
        lambda: Query(City).end_at(Area(name="a")),
        TypeError,
        "end_at takes a dict of field values, an instance of City, or a page token",
    ),
    (lambda: Query(City, start_at={}), TypeError, "start_at takes at least one value; the dict is empty."),
    (lambda: Query(City, start_at={"nmae": 1}), UnknownFieldError, "City has no field 'nmae'. Did you mean 'name'?"),
    (
        lambda: Query(City, start_at={5: 1}),  # type: ignore[dict-item]
        TypeError,
        "start_at takes a field of City (City.name, 'name' or FieldPath), not 5.",
    ),
    (lambda: Query(City, parent="cities/SF"), TypeError, "parent= takes a model instance or a Ref, not 'cities/SF'."),  # type: ignore[arg-type]
    (lambda: Query(Area).under(Ref(Area, "x", parent=Ref(City, "y"))), CendryError, "Area is a subcollection of City"),
    (lambda: hash(Query(City, start_at=City(name="a"))), CendryError, "This City can't be a cursor: it has no id."),
    (
        lambda: repr(Query(City, order_by="mayor.name", start_at=SF)),
        CendryError,
        "This City (id 'SF') has no value for 'mayor.name'.",
    ),
    (
        lambda: repr(Query(City, order_by=City.attributes["k"], start_at=SF)),
        CendryError,
        "This City (id 'SF') has no value for 'attributes.k'.",
    ),
    (
        lambda: repr(Query(City, order_by=FieldPath("x"), start_at=SF)),
        CendryError,
        "FieldPath('x') is a stored path, but values of an instance are found by Python name: "
        "use a declared field of City.",
    ),
]


@pytest.mark.parametrize(("wrong", "error", "message"), WRONG, ids=[message for _, _, message in WRONG])
def test_wrong_arguments_are_refused_at_once(wrong: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        wrong()
    assert message in str(caught.value)


def test_a_query_of_one_twin_tells_about_the_other() -> None:
    with pytest.raises(TypeError, match="AsyncQuery runs in async code: iterate over it with 'async for'"):
        list(AsyncQuery(City))  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="Query runs in sync code: iterate over it with 'for'"):
        Query(City).__aiter__()  # type: ignore[attr-defined]
