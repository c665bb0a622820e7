"""Filters and orders as values: what makes them, what they say, and what is refused."""

from __future__ import annotations

import datetime
import decimal
import enum
import math
import pickle
import types
import uuid
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from cendry._frozen import class_name, own_copy, source
from cendry._model.fields import Field, field
from cendry._model.model import Map, Model
from cendry.errors import InvalidValueError
from cendry.filters import And, Asc, Comparison, Desc, Filter, Or, as_filter, as_filters, as_order, freeze
from cendry.paths import FieldPath
from cendry.reference import Ref
from cendry.values import DELETE_FIELD, SERVER_TIMESTAMP, ArrayUnion, GeoPoint, Increment, Vector
from hypothesis import given
from hypothesis import strategies as st


class Status(enum.Enum):
    OPEN = "open"
    SHUT = "shut"


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class Mayor(Map):
    name: Field[str]
    since: Field[float] = field(default=0)


class Pinned(Map, frozen=True):
    at: Field[int]


class City(Model, collection="cities"):
    a: Field[Any] = field(default=None)
    b: Field[Any] = field(default=None)
    name: Field[str]
    population: Field[int] = field(default=0)
    area: Field[float] = field(default=0.0)
    regions: Field[list[str]] = field(default_factory=list)
    mayor: Field[Mayor | None] = field(default=None)
    attributes: Field[dict[str, int]] = field(default_factory=dict)


NAN = float("nan")


def evaluate(text: str) -> Any:
    """What a repr gives when it is evaluated where people have imported what they use."""
    names = {
        each.__name__: each for each in (And, City, Comparison, Asc, Desc, Decimal, FieldPath, GeoPoint, Mayor, Or)
    }
    more = {each.__name__: each for each in (Pinned, Ref, Rights, Status, UUID, Vector, datetime, decimal, uuid)}
    return eval(text, {**names, **more})


# What makes a comparison


@pytest.mark.parametrize(
    ("made", "op", "value"),
    [
        (lambda: City.name == "x", "==", "x"),
        (lambda: City.name != "x", "!=", "x"),
        (lambda: City.population < 3, "<", 3),
        (lambda: City.population <= 3, "<=", 3),
        (lambda: City.population > 3, ">", 3),
        (lambda: City.population >= 3, ">=", 3),
        (lambda: 3 < City.population, ">", 3),
        (lambda: City.name.eq("x"), "==", "x"),
        (lambda: City.name.ne("x"), "!=", "x"),
        (lambda: City.population.lt(3), "<", 3),
        (lambda: City.population.lte(3), "<=", 3),
        (lambda: City.population.gt(3), ">", 3),
        (lambda: City.population.gte(3), ">=", 3),
        (lambda: City.name.is_in(["x", "y"]), "in", ["x", "y"]),
        (lambda: City.name.not_in(("x", "y")), "not-in", ["x", "y"]),
        (lambda: City.name.is_in(each for each in "xy"), "in", ["x", "y"]),  # type: ignore[arg-type]
        (lambda: City.name.is_in({"x": 1}.keys()), "in", ["x"]),
        (lambda: City.population.is_in(range(2)), "in", [0, 1]),
        (lambda: City.name.is_in([]), "in", []),
        (lambda: City.regions.array_contains("x"), "array-contains", "x"),
        (lambda: City.regions.array_contains(None), "array-contains", None),  # type: ignore[arg-type]
        (lambda: City.regions.array_contains_any({"x"}), "array-contains-any", ["x"]),
        (lambda: City.name.is_null(), "is-null", None),
        (lambda: City.name.is_not_null(), "is-not-null", None),
        (lambda: City.area.is_nan(), "is-nan", None),
        (lambda: City.name == None, "is-null", None),  # noqa: E711
        (lambda: City.name != None, "is-not-null", None),  # noqa: E711
        (lambda: City.area == NAN, "is-nan", None),
        (lambda: City.area != NAN, "is-not-nan", None),
        (lambda: City.id == "SF", "==", "SF"),
    ],
)
def test_operators_and_methods_make_comparisons(made: Any, op: Any, value: Any) -> None:
    comparison = made()
    assert isinstance(comparison, Comparison)
    assert isinstance(comparison, Filter)
    assert (op, value) == (comparison.op, comparison.value)
    assert made() == comparison
    assert hash(made()) == hash(comparison)


def test_a_comparison_knows_its_field() -> None:
    assert City.name is (City.name == "x").field
    assert FieldPath("a", "b") == Comparison(FieldPath("a", "b"), "==", 3).field


@pytest.mark.parametrize(
    ("prefix", "text"),
    [
        ("ab", "(City.name >= 'ab') & (City.name < 'ac')"),
        ("", "City.name >= ''"),
        ("a\U0010ffff", "(City.name >= 'a\\U0010ffff') & (City.name < 'b')"),
        ("\U0010ffff", "City.name >= '\\U0010ffff'"),
        ("\ud7ff", "(City.name >= '\\ud7ff') & (City.name < '\\ue000')"),
        ("a.", "(City.name >= 'a.') & (City.name < 'a/')"),
    ],
)
def test_startswith_is_a_range(prefix: str, text: str) -> None:
    made = City.name.startswith(prefix)
    assert text == repr(made)
    assert evaluate(text) == made


def test_startswith_on_the_id_makes_no_slash() -> None:
    assert "(City.id >= 'a.') & (City.id < 'a0')" == repr(City.id.startswith("a."))


@given(st.text(), st.text())
def test_startswith_has_exactly_what_starts_so(prefix: str, text: str) -> None:
    made = City.name.startswith(prefix)
    parts = made.filters if isinstance(made, And) else (made,)
    inside = all(text >= part.value if part.op == ">=" else text < part.value for part in parts)  # type: ignore[attr-defined]
    assert text.startswith(prefix) == inside


# Combining


ONE, TWO, THREE = City.a == 1, City.b == 2, City.name == "c"


def test_and_and_or() -> None:
    assert And(ONE, TWO) == (ONE & TWO)
    assert Or(ONE, TWO) == (ONE | TWO)
    assert (ONE & TWO) != (ONE | TWO)
    assert (ONE & TWO) != (TWO & ONE)
    assert (ONE, TWO) == (ONE & TWO).filters


@pytest.mark.parametrize("kind", [And, Or])
def test_lists_and_generators_of_filters(kind: Any) -> None:
    made = kind(ONE, TWO, THREE)
    assert made == kind([ONE, TWO, THREE]) == kind(ONE, (TWO, THREE)) == kind(each for each in (ONE, [TWO, [THREE]]))


def test_what_says_the_same_is_equal() -> None:
    assert And(ONE, TWO, THREE) == (ONE & TWO) & THREE == ONE & (TWO & THREE)
    assert Or(ONE, TWO, THREE) == (ONE | TWO) | THREE
    assert 2 == len(((ONE | TWO) & THREE).filters)


@pytest.mark.parametrize("kind", [And, Or])
def test_nothing_is_no_filter(kind: Any) -> None:
    with pytest.raises(ValueError, match=f"{kind.__name__} takes at least one filter."):
        kind()
    with pytest.raises(ValueError, match="at least one"):
        kind([])


def test_filters_flatten_in_order() -> None:
    assert (ONE, TWO, THREE) == as_filters([ONE, [TWO, (THREE,)]])
    assert () == as_filters([])


# As values


def test_filters_are_immutable() -> None:
    for value in (ONE, ONE & TWO, City.name.asc()):
        with pytest.raises(AttributeError, match="is immutable; can't set 'x'"):
            value.x = 3
        with pytest.raises(AttributeError, match="is immutable; can't delete '_field'"):
            del value._field  # type: ignore[union-attr]


def test_a_filter_shares_nothing_with_the_value_it_was_given() -> None:
    given_list, given_map = [[1], {"k": {2}}], Mayor(name="x")
    compared, mapped = City.a == given_list, City.mayor == given_map
    included = City.a.is_in([given_list])
    before = hash(compared), hash(mapped), hash(included)
    given_list[0].append(9)  # type: ignore[attr-defined]
    given_list[1]["k"].add(9)  # type: ignore[index]
    given_map.name = "y"
    compared.value.append(3)
    assert [[1], {"k": {2}}] == compared.value
    assert [[[1], {"k": {2}}]] == included.value
    assert "x" == mapped.value.name
    assert before == (hash(compared), hash(mapped), hash(included))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1, 1.0),
        ("1", 1),
        ([1], (1,)),
        ([1], [True]),
        ({"a": 1}, {"a": True}),
        ({1}, frozenset({1})),
        (Decimal("1.0"), Decimal("1.00")),
        (Status.OPEN, "open"),
        (Status.OPEN, Status.SHUT),
        (datetime.datetime(2020, 1, 1), datetime.date(2020, 1, 1)),
        (Mayor(name="x", since=1), Mayor(name="x", since=1.0)),
        (Vector([1]), [1.0]),
        (bytearray(b"x"), bytearray(b"y")),
        (bytearray(b"x"), b"x"),
        (Rights.READ, Rights.READ | Rights.WRITE),
        (0, ""),
    ],
    ids=repr,
)
def test_values_of_other_type_or_value_differ(one: Any, other: Any) -> None:
    assert freeze(one) != freeze(other)
    assert (City.a > one) != (City.a > other)
    assert (City.a > one) == (City.a > own_copy(one))
    assert hash(City.a > one) == hash(City.a > own_copy(one))


@pytest.mark.parametrize("op", ["<", "<=", ">", ">="])
@pytest.mark.parametrize("value", [None, NAN, -NAN])
def test_nothing_is_less_or_greater_than_none_and_nan(op: Any, value: Any) -> None:
    fields: dict[str, Any] = {"City.mayor.name": City.mayor[Mayor.name], "The document.a.`b c`": FieldPath("a", "b c")}
    for name, compared in fields.items():
        with pytest.raises(InvalidValueError, match=rf": expected a value for '{op}' .*, found (None|nan)") as caught:
            Comparison(compared, op, value)
        assert name == f"{caught.value.model}.{caught.value.field}"


def test_nan_equals_nan() -> None:
    assert freeze(NAN) == freeze(-NAN)
    assert (City.a > [NAN]) == (City.a > [math.nan])
    assert (City.a == [NAN, {"x": NAN}]) == (City.a == [float("nan"), {"x": float("nan")}])
    assert (City.a == Vector([NAN])) == (City.a == Vector([float("nan")]))


def test_dicts_compare_in_any_order() -> None:
    assert freeze({"a": 1, "b": [2]}) == freeze({"b": [2], "a": 1})


def test_comparisons_of_other_fields_and_operators_differ() -> None:
    class Town(City, collection="towns"):
        pass

    assert (City.a == 1) != (City.b == 1)
    assert (City.a == 1) != (City.a != 1)
    assert (City.a == 1) != (Town.a == 1)
    assert (City.a == 1) != Comparison(FieldPath("a"), "==", 1)
    assert (City.a == 1) != 3
    assert (City.mayor.name == "x") == (City.mayor[Mayor.name] == "x")


class Stubborn:
    """Refuses to be copied and to be hashed."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stubborn)

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise ValueError("no")


def test_a_foreign_value_that_refuses_to_be_copied_is_kept() -> None:
    value = Stubborn()
    assert value is (City.a == value).value
    assert (City.a == value) == (City.a == Stubborn())
    assert hash(City.a == value) == hash(City.a == Stubborn())
    assert freeze(value) != freeze(3)
    assert freeze(value)[1] != 3


@pytest.mark.parametrize(
    "value",
    [ONE, ONE & TWO | THREE, City.mayor[Mayor.name] == "x", City.attributes["a.b"] > 3, City.name.asc(), Desc("name")],
    ids=repr,
)
def test_filters_and_orders_pickle(value: Any) -> None:
    again = pickle.loads(pickle.dumps(value))
    assert value == again
    assert hash(value) == hash(again)


# Source


@pytest.mark.parametrize(
    "text",
    [
        "City.name == 'CA'",
        "City.name != 'CA'",
        "City.population <= 5",
        "City.name.is_in(['x', 'y'])",
        "City.name.not_in([])",
        "City.regions.array_contains('x')",
        "City.regions.array_contains_any(['x'])",
        "City.a.is_null()",
        "City.a.is_not_null()",
        "City.a.is_nan()",
        "City.a != float('nan')",
        "City.a > [float('nan')]",
        "City.a == [float('inf'), float('-inf'), {'x': float('nan')}]",
        "City.a == (1,)",
        "City.a == (1, 'x')",
        "City.a == ()",
        "City.a == {1}",
        "City.a == set()",
        "City.a == frozenset({1})",
        "City.a == frozenset()",
        "City.a == Vector([1.0, float('nan')])",
        "City.a == GeoPoint(latitude=1, longitude=2)",
        "City.a == Status.OPEN",
        "City.a.is_in([Status.OPEN, Status.SHUT])",
        "City.a == Rights.READ",
        "City.a == Rights(3)",
        "City.a == Decimal('1.00')",
        "City.a == datetime.date(2020, 1, 2)",
        "City.a == Mayor(name='x', since=float('nan'))",
        "City.a == [Pinned(at=3)]",
        "City.a == Ref(City, 'SF')",
        "City.id == 'SF'",
        "City.mayor[Mayor.name] == 'x'",
        "City.attributes['a.b'] > 3",
        "(City.a == 1) & (City.b == 2)",
        "((City.a == 1) | (City.b == 2)) & (City.name == 'c')",
        "(City.a == 1) & (City.b == 2) & (City.name == 'c')",
        "And(City.a == 1)",
        "Or(And(City.a == 1))",
        "Comparison(FieldPath('a', 'b'), '==', 3)",
        "Comparison(FieldPath('a'), 'is-null')",
        "Comparison(FieldPath('a'), 'array-contains', 'x')",
        "City.population.asc()",
        "City.mayor[Mayor.name].desc()",
        "Asc('name')",
        "Desc(FieldPath('a', 'b'))",
    ],
)
def test_repr_is_source_that_gives_the_same(text: str) -> None:
    value = evaluate(text)
    assert text == repr(value)
    assert value == evaluate(repr(value))


ATOMS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.sampled_from(Status)
    | st.dates()
    | st.datetimes(timezones=st.just(datetime.timezone.utc))
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.builds(Pinned, at=st.integers())
)
VALUES = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text(), inner)
        | st.tuples(inner, inner)
        | st.lists(inner).map(tuple)
        | st.frozensets(ATOMS)
    ),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    [City.a, City.b, City.name, City.id, City.mayor[Mayor.name], City.attributes["x.y`"], FieldPath("a", "b c")]
)
COMPARISONS = (
    st.builds(Comparison, FIELDS, st.sampled_from(["==", "!=", "array-contains"]), VALUES)
    | st.builds(
        Comparison,
        FIELDS,
        st.sampled_from(["<", "<=", ">", ">="]),
        VALUES.filter(lambda value: value is not None and not (isinstance(value, float) and math.isnan(value))),
    )
    | st.builds(
        Comparison, FIELDS, st.sampled_from(["in", "not-in", "array-contains-any"]), st.lists(VALUES, max_size=3)
    )
    | st.builds(Comparison, FIELDS, st.sampled_from(["is-null", "is-not-null", "is-nan", "is-not-nan"]))
)
FILTERS = st.recursive(
    COMPARISONS,
    lambda inner: st.lists(inner, min_size=1, max_size=3).flatmap(lambda some: st.sampled_from([And(some), Or(some)])),
    max_leaves=5,
)


@given(FILTERS)
def test_every_filter_round_trips_through_repr_and_pickle(value: Any) -> None:
    for again in (evaluate(repr(value)), pickle.loads(pickle.dumps(value))):
        assert value == again
        assert hash(value) == hash(again)


@given(VALUES, VALUES)
def test_frozen_values_are_equal_when_their_source_is(one: Any, other: Any) -> None:
    assert freeze(one) == freeze(own_copy(one))
    if source(one) == source(other):
        assert freeze(one) == freeze(other)
    if freeze(one) == freeze(other):
        assert type(one) is type(other)


def test_classes_in_functions_are_named_without_the_function() -> None:
    class Local(Map):
        name: Field[str] = "x"  # type: ignore[assignment]

    assert "Local" == class_name(Local)
    assert "Local.name == 'x'" == repr(Local.name == "x")


# What is refused


def refusal(kind: type[Exception], use: Any) -> str:
    with pytest.raises(kind) as caught:
        use()
    return str(caught.value)


SPELLING = (
    "Write (a) & (b) for 'and', (a) | (b) for 'or', City.n.is_in([...]) for 'in', City.n != x for 'not', "
    "and (City.n > 1) & (City.n < 5) for 1 < City.n < 5."
)


@pytest.mark.parametrize(
    "use",
    [
        lambda: bool(ONE),
        lambda: ONE and TWO,  # type: ignore[unreachable]
        lambda: ONE or TWO,  # type: ignore[unreachable]
        lambda: not ONE,
        lambda: 1 < City.a < 5,
        lambda: City.a in [1, 2],
        lambda: 3 if ONE & TWO else 4,
    ],
)
def test_filters_have_no_truth_value(use: Any) -> None:
    message = refusal(TypeError, use)
    assert message.startswith("The filter ")
    assert message.endswith(f" has no truth value. {SPELLING}")


def test_there_is_no_not() -> None:
    message = "Firestore has no NOT: state the opposite of City.a == 1, with !=, not_in() or is_not_null()."
    assert message == refusal(TypeError, lambda: ~ONE)


@pytest.mark.parametrize("values", ["xy", b"xy", 3, None, City.b])
def test_lists_of_values_are_lists(values: Any) -> None:
    message = f"City.a.is_in() takes a list of values, not {values!r}."
    assert message == refusal(TypeError, lambda: City.a.is_in(values))
    assert "City.a.array_contains_any() takes" in refusal(TypeError, lambda: City.a.array_contains_any(values))


def test_fields_are_not_compared_with_fields() -> None:
    message = "Firestore compares a field with a value, not with another field: City.a and City.b."
    assert message == refusal(TypeError, lambda: City.a == City.b)
    assert message == refusal(TypeError, lambda: City.a.is_in([City.b]))


def test_fields_are_not_compared_with_filters_or_orders() -> None:
    message = refusal(TypeError, lambda: City.a == (City.b == 2))
    assert "City.a can't be compared with City.b == 2. Comparisons bind weaker than & and |." in message
    assert "City.a can't be compared with City.b.asc()." in refusal(TypeError, lambda: City.a > City.b.asc())


@pytest.mark.parametrize("value", [DELETE_FIELD, SERVER_TIMESTAMP, Increment(1), ArrayUnion([1])], ids=repr)
def test_fields_are_not_compared_with_what_is_for_writes(value: Any) -> None:
    message = f"City.a can't be compared with {value!r}, which is only for writes."
    assert message == refusal(TypeError, lambda: City.a == value)


def test_a_comparison_needs_a_field_an_operator_and_a_fitting_value() -> None:
    assert "'~' is not a Firestore operator; the operators are !=, <, <=, ==" in refusal(
        ValueError,
        lambda: Comparison(City.a, "~", 3),  # type: ignore[arg-type]
    )
    assert "A filter compares a field (City.name) or a FieldPath('name'), not 'a'." == refusal(
        TypeError,
        lambda: Comparison("a", "==", 3),  # type: ignore[arg-type]
    )
    for value in (3, [3]):
        assert f"The operator 'is-null' takes no value, not {value!r}." == refusal(
            TypeError, lambda value=value: Comparison(City.a, "is-null", value)
        )
    assert "City.name.startswith() takes a str, not 3." == refusal(TypeError, lambda: City.name.startswith(3))  # type: ignore[arg-type]


def test_the_base_of_filters_is_no_filter() -> None:
    assert "Filter is not a filter by itself." == refusal(TypeError, lambda: hash(Filter()))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            True,
            "True is not a filter. It comes from 'and', 'or', 'not', or from a comparison of plain values, such as "
            f"City.name.field_name, which is a str. {SPELLING}",
        ),
        (City.a, "City.a is not a filter. Compare the field with a value: City.a == ..., City.a.is_not_null()."),
        (City.a.asc(), "City.a.asc() is not a filter. Orders go to order_by."),
        ("a", "'a' is not a filter. Write City.name == 'x', or FieldFilter('name', '==', 'x') with the stored name."),
        (None, "None is not a filter. Write City.name == 'x'"),
        (City, "City'> is not a filter."),
        (b"x", "b'x' is not a filter."),
    ],
    ids=repr,
)
def test_what_is_no_filter_is_refused(value: Any, message: str) -> None:
    for use in (
        lambda: as_filter(value),
        lambda: as_filters([value]),
        lambda: And(ONE, value),
        lambda: ONE & value,
        lambda: value | ONE if value is not City.a else Or(ONE, value),  # type: ignore[arg-type]
    ):
        assert message in refusal(TypeError, use)


# Firestore's own


def like(**attributes: Any) -> Any:
    return types.SimpleNamespace(**attributes)


@pytest.mark.parametrize(
    ("op_string", "op"),
    [
        ("==", "=="),
        (">=", ">="),
        ("array_contains", "array-contains"),
        ("array-contains", "array-contains"),
        ("ARRAY_CONTAINS_ANY", "array-contains-any"),
        ("in", "in"),
        ("not-in", "not-in"),
    ],
)
def test_what_looks_like_a_field_filter_is_one(op_string: Any, op: Any) -> None:
    made = as_filter(like(field_path="a.`b.c`", op_string=op_string, value=[1]))
    assert Comparison(FieldPath("a", "b.c"), op, [1]) == made
    assert Comparison(FieldPath("x"), op, [1]) == as_filter(
        like(field_path=FieldPath("x"), op_string=op_string, value=[1])
    )


def test_unknown_operators_of_a_field_filter_are_refused() -> None:
    assert "'~' is not a Firestore operator" in refusal(
        TypeError, lambda: as_filter(like(field_path="a", op_string="~", value=1))
    )


def test_what_looks_like_a_composite_is_one() -> None:
    one = like(field_path="a", op_string="==", value=1)
    made = as_filter(like(operator="OR", filters=[one, like(operator="AND", filters=[one, one])]))
    plain = Comparison(FieldPath("a"), "==", 1)
    assert Or(plain, And(plain, plain)) == made
    assert (ONE & plain) == (ONE & one)
    assert And(plain, ONE) == (one & ONE)
    assert Or(plain, ONE) == (one | ONE)
    assert "its operator is 'NOT', neither AND nor OR" in refusal(
        TypeError, lambda: as_filter(like(operator="NOT", filters=[one]))
    )


def test_the_filters_of_the_sdk() -> None:
    sdk = pytest.importorskip("google.cloud.firestore_v1.base_query", reason="google-cloud-firestore is not installed")
    plain = Comparison(FieldPath("a"), "==", 1)
    one = sdk.FieldFilter("a", "==", 1)
    assert plain == as_filter(one)
    assert Or(plain, And(plain, ONE)) == as_filter(sdk.Or([one, sdk.And([one, ONE])]))
    for op, value, expected in [
        ("==", None, "is-null"),
        ("!=", None, "is-not-null"),
        ("==", NAN, "is-nan"),
        ("!=", NAN, "is-not-nan"),
    ]:
        assert Comparison(FieldPath("a", "b"), expected) == as_filter(sdk.FieldFilter("a.b", op, value))  # type: ignore[arg-type]
    for op in ("array_contains", "array_contains_any", "in", "not-in"):
        assert op.replace("_", "-") == as_filter(sdk.FieldFilter("a", op, [1])).op  # type: ignore[attr-defined]
    assert "is not a filter" in refusal(TypeError, lambda: as_filter(sdk.FieldFilter))


# Orders


def test_orders_say_field_and_direction() -> None:
    assert City.name is City.name.asc().field
    assert not City.name.asc().descending
    assert City.name.desc().descending
    assert Asc(City.name) == City.name.asc()
    assert City.name.asc() != City.name.desc()
    assert City.name.asc() != City.a.asc()
    assert Asc("name") != Asc(City.name)
    assert Asc("name") != 3
    assert 2 == len({Asc("name"), Asc("name"), Asc(FieldPath("name"))})


def test_what_is_taken_as_an_order() -> None:
    assert City.name.desc() == as_order(City.name.desc())
    assert Asc(City.name) == as_order(City.name)
    assert Asc("mayor.name") == as_order("mayor.name")
    assert Asc(FieldPath("a")) == as_order(FieldPath("a"))


@pytest.mark.parametrize("value", [3, None, True, ONE, City])
def test_what_is_no_order_is_refused(value: Any) -> None:
    assert "is not an order. Write City.name.asc(), City.name.desc() or 'name'." in refusal(
        TypeError, lambda: as_order(value)
    )
    assert "Asc takes a field (City.name), its declared name, or a FieldPath, not " in refusal(
        TypeError, lambda: Asc(value)
    )


def test_a_filter_is_taken_as_it_is() -> None:
    one = City.name == "x"
    assert as_filter(one) is one
