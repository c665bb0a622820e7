"""Ids, paths and field names from outside: refused with a typed error, or taken for exactly what they are."""

from __future__ import annotations

import enum
import re
from typing import Any

import pytest
from cendry import Cendry, CendryError, Field, FieldPath, InvalidDocumentIdError, Map, Model, Ref, field
from cendry.paths import check_collection_id, check_document_id, check_document_path, join_path, split_path
from cendry_memory import MemoryBackend
from fuzz.fuzzing import cpu_limit, fuzz, hostile_text
from google.cloud.firestore_v1.field_path import FieldPath as SdkFieldPath
from hypothesis import strategies as st

SECONDS = 2.0


class Part(Map):
    name: Field[str]


class Doc(Model, collection="docs"):
    name: Field[str | None] = field(default=None)
    any: Field[Any] = field(default=None)
    inner: Field[Part | None] = field(default=None, alias="in-ner")
    parts: Field[dict[str, Part]] = field(default_factory=dict)


# The rules once more, in other words than those of the package.


def is_storable(text: str) -> bool:
    try:
        return 1 <= len(text.encode()) <= 1500
    except UnicodeEncodeError:
        return False


def is_reserved(text: str) -> bool:
    return len(text) >= 4 and text[:2] == "__" == text[-2:]


def is_legal_name(text: str) -> bool:
    return is_storable(text) and "/" not in text and "\0" not in text and text not in (".", "..")


def is_imported(text: str) -> bool:
    number = text[4:-2]
    if text.startswith("__id") and re.fullmatch("-?[0-9]+", number, re.ASCII):
        return str(int(number)) == number and number != "0" and -(2**63) <= int(number) < 2**63
    return text.startswith("__esc") and len(text) >= 7


def is_legal_id(text: str) -> bool:
    return is_legal_name(text) and (not is_reserved(text) or is_imported(text))


def is_legal_collection(text: str) -> bool:
    return is_legal_name(text) and not is_reserved(text)


not_text = st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=3) | st.lists(st.text("a/"))


@fuzz(hostile_text | not_text)
def test_an_id_is_refused_or_is_itself(value: Any) -> None:
    for check, is_legal in ((check_document_id, is_legal_id), (check_collection_id, is_legal_collection)):
        try:
            found = check(value)
        except InvalidDocumentIdError as error:
            assert not (isinstance(value, str) and is_legal(value))
            # Whoever prints or logs it must not fail.
            str(error).encode()
        else:
            assert is_legal(value)
            assert (str, value) == (type(found), found)


@fuzz(hostile_text)
def test_an_id_reaches_no_other_document(value: str) -> None:
    with Cendry(backend=MemoryBackend()) as ctx:
        ctx.save(Doc(id="victim", name="before"))
        try:
            ctx.save(Doc(id=value, name="after"))
        except InvalidDocumentIdError:
            assert not is_legal_id(value)
            assert ["victim"] == ctx.select(Doc).ids()
        else:
            assert is_legal_id(value)
            assert sorted({"docs/victim", f"docs/{value}"}) == sorted(ctx.select_group(Doc).ids())
            assert "after" == ctx.get(Doc, value).name
        for call in (ctx.find, ctx.delete):
            try:
                call(Doc, value)
            except InvalidDocumentIdError:
                assert not is_legal_id(value)
        if value != "victim":
            assert "before" == ctx.get(Doc, "victim").name


@fuzz(st.lists(st.sampled_from(["a", "docs", "é", "__id7__"]) | hostile_text, max_size=6).map("/".join))
def test_a_path_is_refused_or_alternates_legal_collections_and_ids(path: str) -> None:
    segments = path.split("/")
    is_legal = (
        len(segments) % 2 == 0
        and all(map(is_legal_collection, segments[::2]))
        and all(map(is_legal_id, segments[1::2]))
        and (len(segments) == 2 or len(path.encode()) <= 6 * 1024)
    )
    for read in (check_document_path, lambda text: Ref.from_path(text).path):
        try:
            found = read(path)
        except InvalidDocumentIdError as error:
            assert not is_legal
            str(error).encode()
        else:
            assert is_legal
            assert path == found
    if is_legal:
        parent, collection, document_id = split_path(path)
        assert path == join_path(parent, collection, document_id)


@fuzz(st.lists(hostile_text, min_size=1, max_size=4))
def test_a_field_path_is_refused_or_written_as_the_sdk_writes_it(segments: list[str]) -> None:
    try:
        path = FieldPath(*segments)
    except ValueError as error:
        assert ["__name__"] != segments
        is_long = len(segments) > 20 or not is_storable(".".join(segments))
        assert is_long or not all(is_storable(one) and not is_reserved(one) for one in segments)
        str(error).encode()
        return
    assert tuple(segments) == path.segments
    assert path == FieldPath.parse(str(path))
    assert SdkFieldPath(*segments).to_api_repr() == str(path)


@fuzz(hostile_text)
def test_the_text_of_a_field_path_is_refused_or_read_in_one_way(text: str) -> None:
    try:
        path = FieldPath.parse(text)
    except ValueError as error:
        str(error).encode()
        return
    assert path == FieldPath.parse(str(path))
    if "`" not in text:
        assert tuple(text.split(".")) == path.segments


@fuzz(hostile_text, st.integers(1, 3))
def test_a_name_in_a_query_or_a_change_is_declared_or_refused(text: str, times: int) -> None:
    name = ".".join([text] * times)
    with Cendry(backend=MemoryBackend()) as ctx:
        ctx.save(Doc(id="a", name="before", inner=Part(name="x")))
        before = ctx.get(Doc, "a")
        calls = (
            lambda: ctx.select(Doc).order_by(name).to_list(),
            lambda: ctx.select(Doc).project(name).to_list(),
            lambda: ctx.select(Doc).start_at({name: 1}).to_list(),
            lambda: ctx.update(Doc, "a", {name: "changed"}),
        )
        for call in calls:
            with cpu_limit(SECONDS):
                try:
                    call()
                except (CendryError, ValueError) as error:
                    str(error).encode()
        after = ctx.get(Doc, "a")
        if not name.startswith(("name", "any", "inner", "parts", "`")):
            assert before == after


class Code(str, enum.Enum):
    US = "us"


class Smuggled(str):
    def __contains__(self, other: object) -> bool:
        return False


@pytest.mark.parametrize(("value", "text"), [(Code.US, "us"), (Smuggled("a/b/c"), None)], ids=["enum", "smuggled"])
def test_text_of_a_subclass_is_its_text(value: str, text: str | None) -> None:
    try:
        found = check_document_id(value)
    except InvalidDocumentIdError:
        assert text is None
    else:
        assert (str, text) == (type(found), found)


@pytest.mark.parametrize(
    "name",
    [
        *("any" + ".a" * 16_000, "any.`" + "a" * 2_000_000 + "`", "name" + ".a" * 100_000, "`" * 1_000_001),
        *("any." + "`\\``." * 9_999, "any." + "a" * 1497, "parts" + ".a" * 20, "y" * 5_000_000, "any" + ".é" * 700),
    ],
    ids=lambda name: f"{name[:12]} {len(name)}",
)
def test_a_long_name_is_refused_at_once(name: str) -> None:
    with Cendry(backend=MemoryBackend()) as ctx:
        ctx.save(Doc(id="a"))
        calls = (
            lambda: ctx.select(Doc).order_by(name),
            lambda: ctx.select(Doc).project(name),
            lambda: ctx.select(Doc).start_at({name: 1}),
            lambda: ctx.update(Doc, "a", {name: 1}),
            lambda: ctx.update(Doc(id="a"), fields=[name]),
            lambda: FieldPath.parse(name),
        )
        for call in calls:
            with cpu_limit(SECONDS / 4), pytest.raises((CendryError, ValueError)) as caught:
                call()
            assert len(str(caught.value)) < 400
