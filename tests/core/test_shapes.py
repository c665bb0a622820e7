"""Shapes as values: what they are stored as, what is inside them, how messages call them."""

from __future__ import annotations

import enum
from datetime import date
from typing import Any, Literal, Optional, Union

import pytest
from cendry._types.hints import shape_of
from cendry._types.shapes import (
    MAX_DEPTH,
    Anything,
    AsIs,
    DocumentId,
    Handled,
    OneValue,
    can_exceed_depth,
    children,
    describe,
    kinds_of,
)
from cendry.reference import Ref
from making import make_map, make_model


class Color(enum.Enum):
    RED = "red"


class Mixed(enum.Enum):
    ONE = 1
    TWO = "two"


City = make_model({"name": str})
Part = make_map({"a": int, "b": list[str]})


@pytest.mark.parametrize(
    ("annotation", "kinds", "text"),
    [
        (None, {"null"}, "None"),
        (int, {"int"}, "int"),
        (date, {"timestamp"}, "date (stored as a datetime at midnight UTC)"),
        (Ref[City], {"reference"}, "Ref to Doc"),  # type: ignore[valid-type]
        (Ref, {"reference"}, "Ref"),
        (Color, {"str"}, "Color by value ('red')"),
        (Mixed, {"int", "str"}, "Mixed by value (1, 'two')"),
        (Literal["a", 1], {"str", "int"}, "one of 'a', 1"),
        (list[int], {"array"}, "list of int"),
        (tuple[int, str], {"array"}, "tuple of 2 (int, str)"),
        (dict[str, int], {"map"}, "dict of str to int"),
        (Part, {"map"}, "Part"),
        (Optional[list[Optional[int]]], {"array", "null"}, "list of int or None or None"),
        (Union[int, str, None], {"int", "str", "null"}, "int or str or None"),
        (Any, None, "a value that Firestore can hold"),
    ],
)
def test_kinds_and_descriptions(annotation: Any, kinds: Any, text: str) -> None:
    shape = shape_of(annotation)
    assert kinds == kinds_of(shape)
    assert text == describe(shape)


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        (Handled(Color, None, None), "Color"),
        (AsIs(list[int]), "list[int]"),
        (DocumentId(), "a document id"),
    ],
)
def test_shapes_that_can_be_stored_as_anything(shape: Any, text: str) -> None:
    assert kinds_of(shape) is None
    assert text == describe(shape)


def test_enums_by_name_are_text() -> None:
    shape = shape_of(Mixed, enum_by="name")
    assert {"str"} == kinds_of(shape)  # type: ignore[comparison-overlap]
    assert "Mixed by name ('ONE', 'TWO')" == describe(shape)


def test_equal_values_of_other_types_are_other_literals() -> None:
    assert OneValue((1,)) != OneValue((True,))
    assert OneValue((1,)) == OneValue((1,))
    assert len({OneValue((1,)), OneValue((True,)), OneValue((1,))}) == 2
    assert OneValue((1,)) != 1


def test_children() -> None:
    part = shape_of(Part)
    assert [shape_of(int), shape_of(list[str])] == list(children(part))
    assert [shape_of(int)] == list(children(shape_of(Optional[int])))
    assert [shape_of(int), shape_of(str)] == list(children(shape_of(Union[int, str])))
    assert [] == list(children(Anything()))


def test_depth() -> None:
    annotation: Any = int
    for _ in range(MAX_DEPTH):
        annotation = dict[str, annotation]
    assert not can_exceed_depth(shape_of(annotation))
    assert can_exceed_depth(shape_of(dict[str, annotation]))
    assert can_exceed_depth(shape_of(Any))
    assert can_exceed_depth(AsIs(int))
    assert not can_exceed_depth(shape_of(Part))
    assert not can_exceed_depth(shape_of(make_map({})))
