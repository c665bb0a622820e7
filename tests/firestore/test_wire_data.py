"""Messages as core sees them: what was read, what is to be written, and the code that is compiled for it."""

from __future__ import annotations

import gc
import linecache
import threading
import traceback
from collections.abc import MutableMapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Any, NamedTuple, Optional

import pytest
from cendry._interop.protobuf import write_timestamp
from cendry._model.metadata import DocumentMetadata, get_metadata
from cendry._model.model import Model
from cendry._types.registry import TypeRegistry
from cendry.codec import codec_for
from cendry.errors import DecodeError, ForeignReferenceError
from cendry.reference import Ref
from cendry.values import GeoPoint, Vector
from cendry_firestore import _sdk
from cendry_firestore._documents import FoundDocument, new_found
from cendry_firestore._values import DOCUMENTS, DocumentData, decode_value, document_name, document_path
from core.test_codec_values import Level
from firestore.comparing import DATABASE, decode, decoder, document_of, encode, encode_value, encoder, exact
from google.api_core.datetime_helpers import DatetimeWithNanoseconds
from google.cloud import firestore as sdk
from making import make_class, make_map, make_model, one_field

UTC = timezone.utc
CREATED = datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
UPDATED = datetime(2025, 1, 1, tzinfo=UTC)
READ = datetime(2026, 1, 1, tzinfo=UTC)


def result_of(data: dict[str, Any], path: str = "docs/SF") -> FoundDocument:
    document = document_of(data)
    document.name = f"{DATABASE}/documents/{path}"
    write_timestamp(document.create_time, CREATED)
    write_timestamp(document.update_time, UPDATED)
    return new_found(FoundDocument, (document, READ, DATABASE, len(DATABASE + DOCUMENTS)))


# What was read


def test_a_result_is_a_stored_document() -> None:
    result = result_of({"x": [1]}, "docs/SF/areas/a")
    assert (True, "docs/SF/areas/a", {"x": [1]}) == (result.exists, result.path, result.data)
    assert (CREATED, UPDATED, READ) == (result.create_time, result.update_time, result.read_time)
    assert {"x": [1]} == result.top_fields({"x", "y"}) == result.data
    assert f"FoundDocument('docs/SF/areas/a', {{'x': [1]}}, {CREATED!r}, {UPDATED!r})" == repr(result)
    assert result.data is not result.data


def test_results_are_equal_by_identity() -> None:
    first, second = result_of({}), result_of({})
    assert first == first
    assert first != second
    assert {first, second} == {second, first, second}


def test_a_reader_gives_instances_with_their_metadata() -> None:
    model = one_field(int)
    instance = FoundDocument.reader(codec_for(model))(result_of({"x": 5}))
    assert model(id="SF", x=5) == instance
    assert DocumentMetadata("docs/SF", CREATED, UPDATED, READ) == get_metadata(instance)
    assert {datetime} == {type(each) for each in get_metadata(instance)[1:]}
    with pytest.raises(DecodeError, match="docs/SF"):
        FoundDocument.reader(codec_for(model))(result_of({"x": "y"}))


def test_a_reader_takes_documents_of_every_database() -> None:
    read = FoundDocument.reader(codec_for(one_field(int)))
    document = document_of({"x": 5})
    database = "projects/other/databases/there"
    document.name = f"{database}/documents/a/b/docs/i"
    instance = read(new_found(FoundDocument, (document, None, database, len(database + DOCUMENTS))))
    assert ("i", "a/b/docs/i") == (instance.id, get_metadata(instance).path)


# What is to be written


def test_data_is_a_mapping_of_stored_values() -> None:
    data: MutableMapping[str, Any] = encode(make_model({"a": int, "b": Optional[str]})(a=1, b=None))
    assert {"a": 1, "b": None} == data == dict(data)
    assert (2, {"a", "b"}) == (len(data), set(data))
    assert ("a" in data, "b" in data, "c" in data) == (True, True, False)
    assert (1, None, 5) == (data["a"], data.get("b", 5), data.get("c", 5))
    for act in (data.__getitem__, data.__delitem__, data.pop):
        with pytest.raises(KeyError):
            act("c")
    assert {"a", "b"} == set(data)

    data["c"] = {"d": [GeoPoint(1, 2)], "e": Vector([1])}
    data["a"] = "other"
    assert {"d": [GeoPoint(1, 2)], "e": Vector([1])} == data["c"]
    assert "other" == data["a"]
    del data["a"]
    assert {"b", "c"} == set(data)
    assert (None, 5) == (data.pop("b"), data.setdefault("f", 5))
    del data["c"]
    assert "DocumentData({'f': 5})" == repr(data)


def test_what_is_serialized_follows_each_change() -> None:
    data = DocumentData(document_of({"a": 1}), DATABASE)

    def is_up_to_date() -> bool:
        assert data.size == data.message.ByteSize()
        return bool(data.serialized() == data.message.SerializeToString(deterministic=True))

    assert is_up_to_date()
    data["a"] = "longer"
    assert is_up_to_date()
    del data["a"]
    assert is_up_to_date()
    assert 0 == data.size


def test_a_value_that_is_set_is_no_mix_of_the_old_and_the_new() -> None:
    data = DocumentData(document_of({"x": {"a": 1}}), DATABASE)
    data["x"] = {"b": 2}
    assert {"x": {"b": 2}} == data
    data["x"] = []
    assert {"x": []} == data


def test_data_shares_nothing_with_the_instance() -> None:
    instance = one_field(dict[str, Any])(x={"a": [1]})
    data = encode(instance)
    instance.x["a"].append(2)
    assert {"x": {"a": [1]}} == data


# Values


class Text(str):
    __slots__ = ()


class Raw(bytes):
    pass


class Pair(NamedTuple):
    a: int
    b: str


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (Level.HIGH, 2),
        (Text("x"), "x"),
        (Raw(b"x"), b"x"),
        (Pair(1, "b"), [1, "b"]),
        (type("Dict", (dict,), {})(a=1), {"a": 1}),
        (type("Share", (float,), {})(1.5), 1.5),
        (type("Moment", (datetime,), {})(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC)),
        (
            DatetimeWithNanoseconds(2024, 1, 1, nanosecond=1999, tzinfo=UTC),
            datetime(2024, 1, 1, microsecond=1, tzinfo=UTC),
        ),
        (sdk.GeoPoint(1, 2), GeoPoint(1, 2)),
        ({1}, [1]),
        (_sdk.Value(string_value="x"), "x"),
    ],
    # A repr may hold an address, which differs between processes.
    ids=lambda value: type(value).__name__,
)
def test_values_of_classes_that_derive_from_those_of_stored_ones(value: Any, stored: Any) -> None:
    assert exact(stored) == exact(decode_value(encode_value(value, DATABASE), DATABASE))


def test_a_reference_of_this_database_may_say_so_and_one_into_another_is_not_written() -> None:
    name = document_name(DATABASE, "cities/SF")
    assert "cities/SF" == document_path(DATABASE, name)
    assert name == encode_value(Ref.from_path("cities/SF", database=DATABASE), DATABASE).reference_value
    with pytest.raises(ForeignReferenceError):
        encode_value([Ref.from_path("cities/SF", database="projects/other/databases/there")], DATABASE)


# The code


def test_code_is_made_once_per_codec_for_all_databases() -> None:
    model = one_field(int)
    codec = codec_for(model)
    assert decoder(codec) is decoder(codec)
    encoder(codec, DATABASE)
    made = dict(codec.outputs)
    other = encoder(codec, "projects/other/databases/there")
    # What is kept doesn't grow with the databases that a model serves.
    assert made == codec.outputs
    assert "projects/other/databases/there" == other(model(x=1)).base


def test_code_is_made_anew_after_a_registration() -> None:
    registry = TypeRegistry()
    model = one_field(int)
    assert {"x": 5} == encode(model(x=5), registry)
    registry.register(int, serialize=str, deserialize=int)
    assert {"x": "5"} == encode(model(x=5), registry)
    assert 5 == decode(model, document_of({"x": "5"}), registry).x


def titles(name: str) -> list[str]:
    """Which code for a class `linecache`, and so a debugger, knows."""
    return sorted(title.rpartition(" ")[0] for title in linecache.cache if f".{name} " in title)


def test_the_source_is_there_for_debuggers_as_long_as_the_class() -> None:
    def fail(value: Any) -> Any:
        raise ZeroDivisionError

    def use() -> str:
        model = make_class("Visible", Model, {"x": int}, collection="docs")
        registry = TypeRegistry()
        registry.register(int, deserialize=fail)
        encode(model(x=1), registry)
        with pytest.raises(DecodeError) as caught:
            decode(model, document_of({"x": 1}), registry)
        assert ["<cendry document decode of making.Visible", "<cendry document encode of making.Visible"] == [
            title for title in titles("Visible") if " document " in title
        ]
        assert caught.value.__cause__ is not None
        return "".join(traceback.format_tb(caught.value.__cause__.__traceback__))

    shown = use()
    assert "<cendry document decode of making.Visible" in shown or "<cendry decoder of making.Visible" in shown
    assert "o.x = deserialize" in shown
    gc.collect()
    assert [] == titles("Visible")


def test_threads_that_compile_the_same_class_at_once_all_get_working_code() -> None:
    threads = 4
    barrier = threading.Barrier(threads)

    def work(models: list[Any]) -> list[Any]:
        made = []
        for model in models:
            barrier.wait()
            instance = model(id="i", x=[{"a": 1}], y=None)
            codec = codec_for(model)
            data = encoder(codec, DATABASE)(instance)
            made.append(decoder(codec)(data.message.fields, "i", "docs/i", DATABASE) == instance)
        return made

    models = [make_model({"x": list[dict[str, int]], "y": Optional[make_map({"z": int})]}) for _ in range(25)]
    with ThreadPoolExecutor(threads) as pool:
        results = [future.result() for future in [pool.submit(work, models) for _ in range(threads)]]
    assert [[True] * 25] * threads == results
