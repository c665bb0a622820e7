"""Firestore's rules for plans: the orders that it adds to a query, and fields that lie in other fields."""

from __future__ import annotations

import math
from typing import Any

import pytest
from cendry.paths import DOCUMENT_ID, FieldPath
from cendry.plan import (
    INEQUALITIES,
    MISSING,
    Composite,
    Condition,
    Order,
    full_orders,
    inequality_fields,
    outermost,
    overlap,
    projected,
    put_at,
    value_at,
)
from hypothesis import given
from hypothesis import strategies as st

A, B, INNER = FieldPath("a"), FieldPath("b"), FieldPath("a", "b")
NAME = Order(DOCUMENT_ID)

segments = st.sampled_from(["a", "b", "a-b", "a.b", "1", "é", "A"])
paths = st.builds(lambda parts: FieldPath(*parts), st.lists(segments, min_size=1, max_size=3))


def above(*fields: FieldPath) -> Composite:
    return Composite("AND", tuple(Condition(field, ">", 0) for field in fields))


class TestFullOrders:
    def test_all_queries_are_sorted_by_name(self) -> None:
        assert full_orders(None, ()) == (NAME,)

    @pytest.mark.parametrize("op", sorted(INEQUALITIES - {"not-in"}))
    def test_fields_of_inequalities_are_sorted_by(self, op: Any) -> None:
        assert full_orders(Condition(A, op, 1), ()) == (Order(A), NAME)

    @pytest.mark.parametrize("op", ["==", "in", "array-contains", "array-contains-any", "is-null", "is-nan"])
    def test_other_fields_are_not(self, op: Any) -> None:
        assert full_orders(Condition(A, op, [1]), ()) == (NAME,)

    def test_below_or_as_well(self) -> None:
        either = Composite("OR", (Condition(B, ">", 1), Composite("AND", (Condition(A, "!=", 1),))))
        assert full_orders(either, ()) == (Order(A), Order(B), NAME)

    @pytest.mark.parametrize("value", [None, math.nan])
    @pytest.mark.parametrize("op", ["<", "<=", ">", ">="])
    def test_what_matches_nothing_is_not_an_inequality(self, op: Any, value: Any) -> None:
        assert full_orders(Condition(A, op, value), ()) == (NAME,)

    @pytest.mark.parametrize(("values", "sorts"), [([None], False), ([None, 1], True), ([math.nan], True)])
    def test_not_in_of_null_alone_is_not_an_inequality(self, values: list[Any], sorts: bool) -> None:
        assert list(inequality_fields(Condition(A, "not-in", values))) == [A] * sorts

    def test_the_last_explicit_order_gives_the_direction(self) -> None:
        orders = (Order(FieldPath("y")), Order(FieldPath("x"), descending=True))
        assert full_orders(above(B, A), orders) == (*orders, Order(A, True), Order(B, True), Order(DOCUMENT_ID, True))

    def test_an_explicit_order_is_not_added_again(self) -> None:
        orders = (Order(B, descending=True),)
        assert full_orders(above(A, B), orders) == (*orders, Order(A, True), Order(DOCUMENT_ID, True))

    @pytest.mark.parametrize("orders", [(Order(DOCUMENT_ID, True),), (Order(B), NAME)])
    def test_nothing_follows_an_explicit_name(self, orders: tuple[Order, ...]) -> None:
        assert full_orders(above(A), orders) == orders

    def test_an_inequality_on_the_name_adds_nothing_before_it(self) -> None:
        assert full_orders(above(DOCUMENT_ID, B), ()) == (Order(B), NAME)

    @pytest.mark.parametrize("name", ["zip-code", "1st", "display name", "über", "a.b", "A`B", "\U0001f600", "\uffff"])
    @pytest.mark.parametrize("other", ["Z", "_", "a", "b", "zz"])
    def test_names_are_compared_as_they_are_not_as_they_are_written(self, name: str, other: str) -> None:
        odd, plain = FieldPath(name), FieldPath(other)
        expected = [odd, plain] if name < other else [plain, odd]
        assert [order.path for order in full_orders(above(odd, plain), ())] == [*expected, DOCUMENT_ID]
        assert [order.path for order in full_orders(above(plain, odd), ())] == [*expected, DOCUMENT_ID]

    def test_a_field_comes_before_what_lies_in_it_and_both_before_longer_names(self) -> None:
        longer = FieldPath("a-b")
        found = full_orders(above(longer, INNER, A), ())
        assert [order.path for order in found] == [A, INNER, longer, DOCUMENT_ID]


class TestFieldsWithinFields:
    def test_outermost(self) -> None:
        assert outermost([FieldPath("a-b"), INNER, B, A, INNER, B]) == (A, FieldPath("a-b"), B)

    @given(st.lists(paths, max_size=8))
    def test_outermost_fields_hold_all_others_and_one_another_never(self, given_paths: list[FieldPath]) -> None:
        found = outermost(given_paths)
        assert set(found) <= set(given_paths)
        for path in given_paths:
            assert [outer for outer in found if outer.is_prefix_of(path)] != []
        for outer in found:
            assert [inner for inner in found if outer.is_prefix_of(inner)] == [outer]

    @given(st.lists(paths, max_size=8))
    def test_overlap_finds_a_field_within_another(self, given_paths: list[FieldPath]) -> None:
        found = overlap(given_paths)
        pairs = {(outer, inner) for outer in given_paths for inner in given_paths if outer.is_prefix_of(inner)}
        pairs = {(outer, inner) for outer, inner in pairs if outer != inner}
        assert found in pairs if pairs else found is None

    def test_value_at(self) -> None:
        data = {"a": {"b": None, "c": [1]}, "a.b": 1}
        assert value_at(data, ("a", "b")) is None
        assert value_at(data, ("a", "c")) is data["a"]["c"]  # type: ignore[index]
        assert value_at(data, ("a.b",)) == 1
        for absent in (("b",), ("a", "d"), ("a", "c", "0"), ("a", "b", "c"), ("a", "d", "e")):
            assert value_at(data, absent) is MISSING

    def test_put_at_keeps_what_stands_beside(self) -> None:
        data: dict[str, Any] = {"a": {"b": 1}}
        put_at(data, ("a", "c", "d"), 2)
        put_at(data, ("e",), 3)
        assert data == {"a": {"b": 1, "c": {"d": 2}}, "e": 3}

    def test_a_projection_has_the_named_fields_that_are_there(self) -> None:
        data = {"a": {"b": 1, "c": 2}, "d": {}, "e": {"f": 1}, "g": None}
        named = [INNER, FieldPath("a", "z"), FieldPath("d", "x"), FieldPath("g"), DOCUMENT_ID, FieldPath("z")]
        assert projected(data, named) == {"a": {"b": 1}, "g": None}

    def test_a_projection_leaves_what_it_is_taken_from_alone(self) -> None:
        data = {"a": {"b": {"c": 1}, "d": 2}}
        found = projected(data, [FieldPath("a", "b", "c"), FieldPath("a", "d")])
        found["a"]["b"]["c"] = 5
        assert data == {"a": {"b": {"c": 1}, "d": 2}}
