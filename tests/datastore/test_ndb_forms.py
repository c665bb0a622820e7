"""What ndb stores in forms of its own, read by pure functions: groups, compressed values, serialized entities, JSON."""

from __future__ import annotations

import json
import struct
import tracemalloc
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from cendry_datastore import _sdk
from cendry_datastore._ndb import (
    COMPRESSED,
    MAX_INFLATED,
    TooLarge,
    inflate,
    json_value,
    nest,
    parts_below,
    unpack,
    unpack_v1,
    unpack_v3,
)
from cendry_datastore._values import decode_properties, decode_value, write_properties, write_value
from google.cloud.ndb._legacy_entity_pb import EntityProto
from hypothesis import given
from hypothesis import strategies as st


def entity_of(data: dict[str, Any]) -> Any:
    """An entity without a key."""
    entity = _sdk.Entity()
    write_properties(entity.properties, data, None)
    return entity


def nested(data: dict[str, Any], name: str, *lists: str) -> Any:
    """A group, decoded."""
    properties = entity_of(data).properties
    before = dict(decode_properties(properties, None))
    found = nest(properties, name, lists)
    assert before == decode_properties(properties, None)
    return None if found is None else decode_value(found.value, None)


# --- groups ---

leaves = st.none() | st.integers(-5, 5) | st.text(max_size=3) | st.binary(max_size=3)
names = st.sampled_from(["a", "b", "c", "ab"])
trees = st.recursive(leaves, lambda inner: st.dictionaries(names, inner, min_size=1, max_size=3), max_leaves=8)
groups = st.dictionaries(names, trees, min_size=1, max_size=3)


def flat(prefix: str, data: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """As ndb stores a map."""
    for name, value in data.items():
        path = f"{prefix}.{name}"
        if isinstance(value, dict):
            yield from flat(path, value)
        else:
            yield path, value


@given(groups)
def test_a_group_is_what_was_stored_in_parts(data: dict[str, Any]) -> None:
    assert data == nested(dict(flat("home", data)) | {"homes.a": 1, "hom": 2}, "home")


def keys_of(data: dict[str, Any]) -> list[str]:
    """The names of a flat map."""
    return [name for name, _ in flat("", data)]


@given(st.lists(groups, min_size=1, max_size=4))
def test_a_list_of_groups_is_what_was_stored_in_arrays(data: list[dict[str, Any]]) -> None:
    # In a list, all have the same names.
    first = data[0]
    rows = [dict(flat("s", first))] + [dict.fromkeys(dict(flat("s", first)), n) for n in range(len(data) - 1)]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    found = nested(columns, "s", "s")
    assert rows == [dict(flat("s", one)) for one in found]
    assert first == found[0]


def test_lists_of_unequal_length_are_filled_up() -> None:
    properties = entity_of({"s.city": ["a", "b", "c"], "s.zip": [1], "s.deep.x": ["d"]}).properties
    found = nest(properties, "s", {"s"})
    assert found is not None
    assert (True, False, ("s.city", "s.deep.x", "s.zip")) == (found.uneven, found.both, found.parts)
    expected: list[Any] = [
        {"city": "a", "zip": 1, "deep": {"x": "d"}},
        {"city": "b", "zip": None, "deep": {"x": None}},
        {"city": "c", "zip": None, "deep": {"x": None}},
    ]
    assert expected == decode_value(found.value, None)
    even = nest(entity_of({"s.city": ["a"], "s.zip": [1]}).properties, "s", {"s"})
    assert even is not None
    assert not even.uneven


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"d.s.city": ["a", "b"]}, {"s": [{"city": "a"}, {"city": "b"}]}),
        ({"d.s.city": [], "d.x": 1}, {"s": [], "x": 1}),
        ({"d": None, "d.x": 1}, {"x": 1}),
        ({"d": {"x": 2, "y": 3}, "d.x": 1}, {"x": 1, "y": 3}),
        ({"d": {"z": {"u": 2, "v": 3}}, "d.z.u": 1}, {"z": {"u": 1, "v": 3}}),
        ({"d.z": None, "d.z.u": 1}, {"z": {"u": 1}}),
        ({"d": "text", "d.x": 1}, {"x": 1}),
        ({"d.": 1, "d..x": 2, "dx": 3}, None),
        ({"d": {"x": 1}}, None),
        ({}, None),
    ],
)
def test_parts_and_wholes(data: dict[str, Any], expected: Any) -> None:
    assert expected == nested(data, "d", "d.s")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"s": [], "s.x": [1]}, []),
        ({"s": None, "s.x": [1]}, [{"x": 1}]),
        ({"s": [{"x": 0, "y": 5}, {"x": 7}], "s.x": [1]}, [{"x": 1, "y": 5}, {"x": 7}]),
        ({"s.x": []}, []),
        ({"s.x": 1}, [{"x": 1}]),
    ],
)
def test_lists_and_wholes(data: dict[str, Any], expected: Any) -> None:
    assert expected == nested(data, "s", "s")


def test_which_names_are_parts() -> None:
    assert ("a.b", "a.b.c") == parts_below(["a.b.c", "a", "ab.c", "a.b", "b.a.c", "a.", "a..b"], "a")


# --- compressed values ---


def compressed(data: bytes, meaning: int = COMPRESSED) -> Any:
    """A value as ndb stores it."""
    return _sdk.Value(blob_value=data, meaning=meaning, exclude_from_indexes=True)


@given(st.binary(max_size=100))
def test_what_is_compressed_is_inflated(data: bytes) -> None:
    assert data == inflate(compressed(zlib.compress(data)))
    assert data == inflate(compressed(zlib.compress(data)), len(data))
    if data:
        assert inflate(compressed(zlib.compress(data)), len(data) - 1) is TooLarge
    assert inflate(compressed(zlib.compress(data)[:-1])) is None
    assert inflate(compressed(zlib.compress(data), 15)) is None


def test_what_is_not_compressed_is_kept() -> None:
    assert inflate(compressed(b"not zlib")) is None
    assert inflate(compressed(b"")) is None
    assert inflate(_sdk.Value(string_value="x", meaning=COMPRESSED)) is None


def test_a_zip_bomb_fills_no_memory() -> None:
    packer = zlib.compressobj(9)
    zeros = bytes(1024 * 1024)
    bomb = b"".join([packer.compress(zeros) for _ in range(256)]) + packer.flush()
    tracemalloc.start()
    try:
        assert inflate(compressed(bomb), 100_000) is TooLarge
        small = tracemalloc.get_traced_memory()[1]
        assert inflate(compressed(bomb)) is TooLarge
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(bomb) < 1024 * 1024
    assert small < 2 * 1024 * 1024
    assert most < 3 * MAX_INFLATED


# --- serialized entities of today ---


def test_an_entity_of_today() -> None:
    entity = entity_of({"city": "Rome", "zip": 1, "deep": {"x": None}})
    data = entity.SerializeToString()
    assert entity == unpack(data) == unpack_v1(data)
    assert unpack_v3(data) is None
    entity.key.path.add(kind="Address", id=5)
    assert entity == unpack(entity.SerializeToString())
    assert _sdk.Entity() == unpack(b"") == unpack_v1(b"")
    assert unpack_v3(b"") is None


@pytest.mark.parametrize(
    "data", [b'{"a": 1}', b"plain text", b"\x80\x04\x95", b"\x1a\x05\x0a", b"\x0a\x02\xff\xff", b"\x00"]
)
def test_other_bytes_are_no_entity(data: bytes) -> None:
    assert unpack(data) is None


@given(st.binary(max_size=30))
def test_no_bytes_raise_an_error(data: bytes) -> None:
    unpack(data)
    json_value(data)
    unpack(b"\x72" + bytes([len(data)]) + data)
    unpack(b"\x72" + bytes([len(data) + 5]) + b"\x1a\x01a\x2a" + bytes([len(data)]) + data)


# --- App Engine's own serialized entities, by hand ---


def varint(number: int) -> bytes:
    """A number on the wire."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def tagged(number: int, kind: int, data: bytes = b"") -> bytes:
    """A field on the wire."""
    return varint(number << 3 | kind) + data


def bytes_field(number: int, data: bytes) -> bytes:
    """A field with bytes."""
    return tagged(number, 2, varint(len(data)) + data)


def group(number: int, data: bytes) -> bytes:
    """A group of fields."""
    return tagged(number, 3) + data + tagged(number, 4)


def stored(
    name: bytes, value: bytes | None, *, meaning: int = 0, uri: bytes = b"", multiple: bool = False, raw: bool = False
) -> bytes:
    """A property of an EntityProto."""
    data = tagged(1, 0, varint(meaning)) if meaning else b""
    data += bytes_field(2, uri) if uri else b""
    data += bytes_field(3, name) + tagged(4, 0, varint(multiple))
    data += b"" if value is None else bytes_field(5, value)
    return bytes_field(15 if raw else 14, data)


def text(data: bytes) -> bytes:
    """A string or bytes."""
    return bytes_field(3, data)


STEP = group(1, bytes_field(2, b"Shop") + tagged(3, 0, b"\x07"))
KEY = bytes_field(13, bytes_field(13, b"s~app") + bytes_field(14, STEP))
GROUP = bytes_field(16, b"")


def test_an_entity_of_app_engine() -> None:
    inner = KEY + GROUP + stored(b"city", text(b"Bern"))
    reference = (
        bytes_field(13, b"s~app")
        + bytes_field(20, b"space")
        + bytes_field(23, b"base")
        + group(14, bytes_field(15, b"A") + tagged(16, 0, b"\x07"))
        + group(14, bytes_field(15, b"B") + bytes_field(17, b"name"))
        + tagged(99, 0, b"\x01")
    )
    user = bytes_field(9, b"a@b.c") + bytes_field(10, b"b.c") + bytes_field(19, b"12")
    data = (
        KEY
        + GROUP
        + stored(b"none", None)
        + stored(b"minus", tagged(1, 0, varint(2**64 - 5)))
        + stored(b"when", tagged(1, 0, varint(1_500_000)), meaning=7)
        + stored(b"before", tagged(1, 0, varint(2**64 - 1)), meaning=7)
        + stored(b"yes", tagged(2, 0, b"\x01"))
        + stored(b"text", text("é".encode()), meaning=15, raw=True)
        + stored(b"half", tagged(4, 1, struct.pack("<d", 0.5)))
        + stored(b"point", group(5, tagged(6, 1, struct.pack("<d", 1.5)) + tagged(7, 1, struct.pack("<d", -2.5))))
        + stored(b"user", group(8, user))
        + stored(b"key", group(12, reference))
        + stored(b"blob", text(b"\xff\x00"), meaning=14, raw=True)
        + stored(b"bytes", text(b"b"), meaning=16)
        + stored(b"odd", text(b"\xff"))
        + stored(b"file", text(b"f"), meaning=17)
        + stored(b"zip", text(zlib.compress(b"z")), meaning=14, uri=b"ZLIB", raw=True)
        + stored(b"inner", text(inner), meaning=19, raw=True)
        + stored(b"tags", text(b"x"), multiple=True)
        + stored(b"tags", text(b"y"), multiple=True)
        + stored(b"empty", None, meaning=24)
        + stored(b"s.city", text(b"Rome"))
    )
    found = unpack(data)
    assert found == unpack_v3(data)
    assert unpack_v1(data) is None
    properties = found.properties
    moments = [properties[name].timestamp_value for name in ("when", "before")]
    assert [(1, 500_000_000), (-1, 999_999_000)] == [(one.seconds, one.nanos) for one in moments]
    assert (1.5, -2.5) == (properties["point"].geo_point_value.latitude, properties["point"].geo_point_value.longitude)
    key = properties["key"].key_value
    assert ("app", "space", "base") == (
        key.partition_id.project_id,
        key.partition_id.namespace_id,
        key.partition_id.database_id,
    )
    assert [("A", 7, ""), ("B", 0, "name")] == [(one.kind, one.id, one.name) for one in key.path]
    assert {"email": "a@b.c", "auth_domain": "b.c", "user_id": "12"} == decode_value(properties["user"], None)
    assert b"z" == inflate(properties["zip"])
    plain = {
        name: decode_value(value, None)
        for name, value in properties.items()
        if name not in ("when", "before", "point", "key", "user", "zip")
    }
    assert {
        "none": None,
        "minus": -5,
        "yes": True,
        "text": "é",
        "half": 0.5,
        "blob": b"\xff\x00",
        "bytes": b"b",
        "odd": b"\xff",
        "file": "f",
        "inner": {"city": "Bern"},
        "tags": ["x", "y"],
        "empty": [],
        "s.city": "Rome",
    } == plain
    assert {"text", "blob", "zip", "inner"} == {name for name, one in properties.items() if one.exclude_from_indexes}
    assert {"user": 20, "file": 17, "zip": 22} == {name: one.meaning for name, one in properties.items() if one.meaning}


def test_what_ndb_reads_of_it_is_the_same() -> None:
    data = KEY + GROUP + stored(b"city", text(b"Rome")) + stored(b"zip", tagged(1, 0, b"\x05")) + stored(b"no", None)
    theirs = EntityProto()
    theirs.MergePartialFromString(data)
    ours = decode_properties(unpack(data).properties, None)
    assert ours == {
        name: value.decode() if isinstance(value, bytes) else value for name, value in theirs.entity_props().items()
    }


@pytest.mark.parametrize(
    "data",
    [
        GROUP + bytes_field(14, b""),
        GROUP + stored(b"a", text(b"x") + text(b"y")),
        GROUP + stored(b"a", tagged(4, 5, b"1234")),
        GROUP + stored(b"a", group(5, tagged(6, 1, bytes(8)))),
        GROUP + stored(b"a", tagged(9, 0, b"\x01")),
        GROUP + stored(b"\xff", None),
        GROUP + stored(b"a", text(b"not an entity"), meaning=19),
        GROUP + tagged(5, 4),
        GROUP + group(4, tagged(5, 4)),
        GROUP + tagged(4, 3),
        GROUP + tagged(4, 0, b"\xff" * 11),
        GROUP + tagged(4, 6),
        GROUP + bytes_field(2, b"x"),
        GROUP + b"\x72\x7f",
        b"\x23" * 100,
    ],
)
def test_what_is_not_quite_an_entity_of_app_engine(data: bytes) -> None:
    assert unpack(data) is None


def test_entities_inside_each_other_have_an_end() -> None:
    data = GROUP
    for _ in range(60):
        data = GROUP + stored(b"a", text(data), meaning=19)
    assert unpack(data) is None


# --- JSON ---

plain = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=3)
json_names = st.text("ab.", min_size=1, max_size=3)
json_data = st.recursive(
    plain,
    lambda inner: (
        st.dictionaries(json_names, inner, max_size=3)
        | st.lists(inner.filter(lambda one: not isinstance(one, list)), max_size=3)
    ),
    max_leaves=6,
)


@given(json_data)
def test_json_is_the_value_that_it_says(data: Any) -> None:
    value = json_value(json.dumps(data).encode())
    expected = _sdk.Value()
    write_value(expected, data, None)
    assert expected == value
    assert expected == json_value(json.dumps(data).encode(), strict=False)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff", b"9223372036854775808", b'"\\ud800"', b"[" * 100_000, b"1" * 5_000, b"nul"]
)
def test_what_is_no_json_value(data: bytes) -> None:
    assert json_value(data) is None
    assert json_value(data, strict=False) is None


@pytest.mark.parametrize("data", [b"[[1]]", b'{"__a__": 1}', b'{"": 1}', b"NaN", b'{"a":' * 21 + b"1" + b"}" * 21])
def test_what_native_mode_would_not_store(data: bytes) -> None:
    assert json_value(data) is None
    assert json_value(data, strict=False) is not None
