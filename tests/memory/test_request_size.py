"""Commits that are too large for one request of Firestore's."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from enum import IntEnum
from pathlib import Path
from typing import Any

import pytest
from cendry.errors import InvalidRequestError
from cendry.paths import FieldPath
from cendry.plan import Create, Delete, FieldTransform, Set, Update, Write
from cendry.reference import Ref
from cendry.values import SERVER_TIMESTAMP, ArrayRemove, ArrayUnion, GeoPoint, Increment, Maximum, Minimum, Vector
from cendry_firestore._commit import commit_request
from cendry_memory import MemoryBackend
from cendry_memory._request_size import request_size, write_size
from cendry_memory._values import taken_in
from hypothesis import given, settings
from hypothesis import strategies as st
from memory.asking import ask

DATABASE = "projects/some-project/databases/(default)"
PREFIX = len(f"{DATABASE}/documents/")
NOW = datetime(2026, 5, 1, 12, 30, 15, 123456, tzinfo=timezone.utc)


class Count(IntEnum):
    TWO = 2


SCALARS: list[Any] = [
    None,
    True,
    *(sign * number for number in (0, 1, 127, 128, 2**14, 2**62) for sign in (1, -1)),
    -(2**63),
    Count.TWO,
    0.0,
    1.5,
    math.nan,
    "",
    "text",
    "é" * 100,
    "x" * 200,
    b"",
    b"x" * 20_000,
    NOW,
    datetime(1969, 12, 31, 23, 59, 59, 5, tzinfo=timezone.utc),
    datetime(1970, 1, 1, tzinfo=timezone.utc),
    NOW.replace(tzinfo=timezone(timedelta(hours=2))),
    datetime(1, 1, 1, tzinfo=timezone.utc),
    GeoPoint(0, 0),
    GeoPoint(-1, 0),
    GeoPoint(1.5, 2),
    Ref.from_path("c/é"),
]
VALUES: list[Any] = [*SCALARS, Vector([1]), Vector(range(300)), [], SCALARS, (1, "a"), {}, {"a": {"b.c": SCALARS}}]
MASK = (FieldPath("a"), FieldPath("b c", "d"))


def transformed(*changes: Any) -> tuple[FieldTransform, ...]:
    return tuple(FieldTransform(FieldPath(f"t{number}", "x"), change) for number, change in enumerate(changes))


CHANGES = transformed(
    SERVER_TIMESTAMP,
    Increment(1),
    Increment(-1.5),
    Maximum(2**40),
    Minimum(Count.TWO),
    ArrayUnion(SCALARS),
    ArrayRemove([]),
)
WRITES: list[Write] = [
    *(Set("c/a", {"field": value}) for value in VALUES),
    Set("c/é/d/b", {str(number): value for number, value in enumerate(VALUES)}),
    Set("c/a", {}),
    Set("c/a", {"a": 1}, mask=MASK),
    Set("c/a", {"a": 1}, mask=()),
    Set("c/a", {"a": 1}, update_time=NOW, transforms=CHANGES),
    Create("c/a", {"a": 1}),
    Create("c/a", {"a": 1}, transforms=CHANGES),
    Update("c/a", {"a": 1}, mask=MASK),
    Update("c/a", {"a": 1}, mask=MASK, transforms=CHANGES, update_time=NOW),
    Delete("c/a"),
    Delete("c/a", must_exist=True),
    Delete("c/a", update_time=NOW),
    Delete("c/a", must_exist=True, update_time=NOW),
]


def size_of(*writes: Write) -> int:
    sizes = [
        write_size(write, {} if isinstance(write, Delete) else taken_in(write.data)[0], PREFIX) for write in writes
    ]
    return request_size(sizes, DATABASE)


@pytest.mark.parametrize("write", WRITES, ids=lambda write: str(write)[:60])
def test_sizes_are_those_of_firestores_requests(write: Write) -> None:
    assert size_of(write) == len(commit_request([write], DATABASE, None))


def test_sizes_of_several_writes() -> None:
    assert size_of(*WRITES) == len(commit_request(WRITES, DATABASE, None))


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner.filter(lambda value: not isinstance(value, list)))
        | st.dictionaries(st.text("abé.` ", min_size=1), inner)
    ),
    max_leaves=20,
)


@settings(max_examples=60)
@given(st.dictionaries(st.text("abé", min_size=1), values))
def test_sizes_of_any_data(data: dict[str, Any]) -> None:
    assert size_of(Set("c/a", data)) == len(commit_request([Set("c/a", data)], DATABASE, None))


def large(mib: float) -> list[Write]:
    """Writes of so many MiB in all, of half a MiB each."""
    return [Set(f"c/d{number:02}", {"x": "x" * (512 * 1024)}) for number in range(int(mib * 2))]


@pytest.fixture(params=["memory", "file"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    with MemoryBackend(tmp_path / "app.db" if request.param == "file" else None) as backend:
        yield backend


def test_a_commit_over_10_mib_is_refused(backend: MemoryBackend) -> None:
    with pytest.raises(InvalidRequestError, match=r"commit of 22 writes is 11\.0 MiB large, and Firestore takes"):
        backend.commit(large(11))
    assert ask(backend) == []
    backend.commit(large(9.5))
    assert len(ask(backend)) == 19


def test_the_error_is_firestores(backend: MemoryBackend) -> None:
    writes = large(11)
    with pytest.raises(InvalidRequestError) as ours:
        backend.commit(writes)
    with pytest.raises(InvalidRequestError) as theirs:
        commit_request(writes, "projects/p/databases/(default)", None)
    assert str(ours.value) == str(theirs.value)


def test_the_elements_of_transforms_count(backend: MemoryBackend) -> None:
    elements = ArrayUnion(["x" * (512 * 1024)])
    writes = [
        Update(f"c/d{number}", {}, mask=(), transforms=(FieldTransform(FieldPath("x"), elements),))
        for number in range(21)
    ]
    with pytest.raises(InvalidRequestError, match=r"10\.5 MiB"):
        backend.commit(writes)


@pytest.mark.slow
def test_small_values_are_larger_in_a_request() -> None:
    backend = MemoryBackend()
    writes: list[Write] = [Set(f"c/d{number}", {"x": [None] * 300_000}) for number in range(9)]
    with pytest.raises(InvalidRequestError, match=r"10\.3 MiB"):
        backend.commit(writes)
    backend.commit(writes[:8])
    assert len(ask(backend)) == 8
