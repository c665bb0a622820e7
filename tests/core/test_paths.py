"""Ids, names and paths are untrusted: what can't be stored, or reaches elsewhere, is refused."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from cendry import FieldPath, InvalidDocumentIdError
from cendry.paths import (
    check_collection_id,
    check_document_id,
    check_document_path,
    check_field_name,
    join_path,
    quote_segment,
    split_path,
)
from hypothesis import given
from hypothesis import strategies as st

LEGAL_IDS = ["SF", "a b", "ä", "😀", ".a", "...", "a.b", "__", "_", "__id7__", "__id-7__", "__esca~1b__", "x" * 1500]
ILLEGAL_IDS = [
    ("", "it is empty"),
    (".", "a lone '.' or '..' is reserved"),
    ("..", "a lone '.' or '..' is reserved"),
    ("a/b", "it contains '/', which separates path segments"),
    ("a\0b", "it contains a NUL character"),
    ("\ud800", "it contains a lone surrogate, which UTF-8 can't hold"),
    ("ä" * 751, "it has 1502 bytes of UTF-8, and the limit is 1500"),
    ("__x__", "names of the form __...__ are reserved"),
    ("____", "names of the form __...__ are reserved"),
    ("__a\nb__", "names of the form __...__ are reserved"),
    (None, "it must be a str, not NoneType"),
    (7, "it must be a str, not int"),
]


@pytest.mark.parametrize("value", LEGAL_IDS)
def test_legal_ids_pass(value: str) -> None:
    assert value == check_document_id(value)


@pytest.mark.parametrize(("value", "reason"), ILLEGAL_IDS)
def test_illegal_ids_are_refused_with_the_reason(value: Any, reason: str) -> None:
    with pytest.raises(InvalidDocumentIdError) as caught:
        check_document_id(value)
    assert (value, reason) == (caught.value.value, caught.value.reason)
    assert "is not a valid document id: " in str(caught.value)
    with pytest.raises(InvalidDocumentIdError, match="is not a valid collection name: "):
        check_collection_id(value)


@pytest.mark.parametrize("value", ["__id0__", "__id007__", "__idx__", f"__id{2**63}__", "__id--1__"])
def test_integer_ids_have_one_spelling(value: str) -> None:
    with pytest.raises(InvalidDocumentIdError):
        check_document_id(value)


def test_integer_ids_span_64_bits() -> None:
    for number in (2**63 - 1, -(2**63)):
        assert check_document_id(f"__id{number}__")
    with pytest.raises(InvalidDocumentIdError):
        check_document_id(f"__id{-(2**63) - 1}__")


def test_collections_have_no_integer_names() -> None:
    with pytest.raises(InvalidDocumentIdError):
        check_collection_id("__id7__")


def test_a_long_value_is_shortened_in_the_message() -> None:
    with pytest.raises(InvalidDocumentIdError) as caught:
        check_document_id("x" * 2000)
    assert "... (2002 characters) is not a valid document id" in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a", None),
        ("a.b/c `d`", None),
        ("", "a key must not be empty"),
        (3, "a key must be a str, not int"),
        ("__x__", "keys of the form __...__ are reserved"),
        ("\udfff", "a key must not contain a lone surrogate"),
        ("x" * 1501, "a key has at most 1500 bytes of UTF-8, not 1501"),
    ],
)
def test_field_names(name: Any, reason: str | None) -> None:
    assert reason == check_field_name(name)


def test_paths_join_and_split() -> None:
    assert "cities/SF" == join_path(None, "cities", "SF")
    assert "cities/SF/areas/m" == join_path("cities/SF", "areas", "m")
    assert (None, "cities", "SF") == split_path("cities/SF")
    assert ("cities/SF", "areas", "m") == split_path("cities/SF/areas/m")
    assert "cities/SF/areas/m" == check_document_path("cities/SF/areas/m")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("cities", "it must alternate collections and ids: 'cities/SF'"),
        ("cities/SF/areas", "it must alternate collections and ids: 'cities/SF'"),
        ("", "it must alternate collections and ids: 'cities/SF'"),
        (3, "it must be a str, not int"),
        ("cities/..", "a lone '.' or '..' is reserved"),
        ("__x__/SF", "names of the form __...__ are reserved"),
        ("/SF", "it is empty"),
    ],
)
def test_illegal_paths_are_refused(path: Any, reason: str) -> None:
    with pytest.raises(InvalidDocumentIdError) as caught:
        check_document_path(path)
    assert reason == caught.value.reason


_PARTS = st.sampled_from(["c", "x" * 200, "x" * 201, "a-b_c", "__a", "__a__", "__id7__", "..", "", "é", "a\n", "a.b"])


@given(st.lists(_PARTS, min_size=1, max_size=6))
def test_a_plain_path_is_judged_as_its_parts_are(parts: list[str]) -> None:
    def by_parts() -> str:
        if len(parts) % 2:
            raise InvalidDocumentIdError("document path", "/".join(parts), "it must alternate collections and ids")
        path = None
        for collection, document_id in zip(parts[::2], parts[1::2], strict=True):
            path = join_path(path, check_collection_id(collection), document_id)
        assert path is not None
        return path

    expected: object
    try:
        expected = by_parts()
    except InvalidDocumentIdError:
        expected = InvalidDocumentIdError
    try:
        found: object = check_document_path("/".join(parts))
    except InvalidDocumentIdError:
        found = InvalidDocumentIdError
    assert expected == found


def test_paths_that_are_too_long_or_too_deep_are_refused() -> None:
    with pytest.raises(InvalidDocumentIdError, match="bytes, and the limit is 6144"):
        check_document_path("/".join(["c", "x" * 1500] * 5))
    for depth in (12, 13, 100):
        assert check_document_path("/".join(["c", "x"] * depth))
    with pytest.raises(InvalidDocumentIdError, match="over 100 levels deep"):
        join_path("/".join(["c", "x"] * 100), "c", "x")
    with pytest.raises(InvalidDocumentIdError, match="it is over 100 levels deep"):
        check_document_path("/".join(["c", "x"] * 101))


# Field paths


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("a", ("a",)),
        ("a.b", ("a", "b")),
        ("a.`b.c`", ("a", "b.c")),
        ("`a\\`b`", ("a`b",)),
        ("`a\\\\b`.c", ("a\\b", "c")),
        ("0.ä b", ("0", "ä b")),
    ],
)
def test_field_paths_are_read(text: str, segments: tuple[str, ...]) -> None:
    assert FieldPath(*segments) == FieldPath.parse(text)


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", "`a", "`a`b", "a.`b`c"])
def test_what_is_no_field_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a field path"):
        FieldPath.parse(text)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9), min_size=1, max_size=4))
def test_writing_a_field_path_undoes_reading_it(segments: list[str]) -> None:
    if any(check_field_name(segment) for segment in segments):
        return
    path = FieldPath(*segments)
    assert path == FieldPath.parse(str(path))
    assert path == eval(repr(path))
    assert path == pickle.loads(pickle.dumps(path))


def test_field_paths_are_values() -> None:
    path = FieldPath("a", "b")
    assert (("a", "b"), 2, "a.b") == (tuple(path), len(path), str(path))
    assert path == FieldPath("a") / "b"
    assert path != ("a", "b")
    assert {path: 1} == {FieldPath("a", "b"): 1}
    assert FieldPath("a") < path < FieldPath("b")
    assert FieldPath("a").is_prefix_of(path)
    assert not path.is_prefix_of(FieldPath("a"))
    assert "`a b`" == quote_segment("a b")
    with pytest.raises(AttributeError, match="FieldPath is immutable"):
        path.segments = ("c",)


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ((), "FieldPath takes at least one segment."),
        (("a", ""), "'' is not a valid segment of a field path: a key must not be empty."),
        (("__x__",), "'__x__' is not a valid segment of a field path: keys of the form __...__ are reserved."),
        ((3,), "3 is not a valid segment of a field path: a key must be a str, not int."),
    ],
)
def test_illegal_segments_are_refused(segments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match="FieldPath|segment") as caught:
        FieldPath(*segments)
    assert message == str(caught.value)
