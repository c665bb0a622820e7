from __future__ import annotations

import enum
import math
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from cendry.errors import (
    DocumentAlreadyExistsError,
    DocumentNotFoundError,
    ForeignReferenceError,
    InvalidRequestError,
    StaleDocumentError,
)
from cendry.paths import DOCUMENT_ID, FieldPath
from cendry.plan import Create, Delete, GetPlan, Set, Write
from cendry.reference import Ref
from cendry.values import SERVER_TIMESTAMP, ArrayRemove, ArrayUnion, GeoPoint, Increment, Maximum, Minimum, Vector
from cendry_memory import ManualClock, MemoryBackend
from memory.asking import MOMENT, changed, later, merge, ref, stored, times, update


def within(levels: int, value: Any) -> Any:
    """A value below so many levels of maps."""
    for _ in range(levels):
        value = {"k": value}
    return value


EVERYTHING: dict[str, Any] = {
    "null": None,
    "bool": True,
    "int": 2**63 - 1,
    "float": -0.0,
    "str": "é",
    "bytes": b"\0\xff",
    "time": MOMENT,
    "point": GeoPoint(1.0, -2.0),
    "vector": Vector([1.0, math.inf]),
    "ref": ref("c/a"),
    "list": [1, {"a": [1]}],
    "map": {"a": {"b": [None]}},
}


class TestSet:
    def test_what_is_written_is_read(self, backend: MemoryBackend) -> None:
        backend.commit([Set("c/a", EVERYTHING)])
        assert stored(backend, "c/a") == EVERYTHING

    def test_a_set_replaces_the_whole_document(self, backend: MemoryBackend) -> None:
        backend.commit([Set("c/a", {"x": 1, "y": 1})])
        backend.commit([Set("c/a", {"x": 2})])
        assert stored(backend, "c/a") == {"x": 2}

    def test_neither_the_plan_nor_a_result_shares_anything_with_the_store(self, backend: MemoryBackend) -> None:
        data: dict[str, Any] = {"list": [1, {"a": 1}], "map": {"a": [1]}}
        backend.commit([Set("c/a", data)])
        data["list"].append(2)
        data["map"]["a"].append(2)
        read = stored(backend, "c/a")
        read["list"][1]["a"] = 2
        read["map"]["a"].append(3)
        assert stored(backend, "c/a") == {"list": [1, {"a": 1}], "map": {"a": [1]}}

    def test_what_derives_from_a_stored_type_is_stored_as_that(self, backend: MemoryBackend) -> None:
        class Number(enum.IntEnum):
            ONE = 1

        class Text(str):
            __slots__ = ()

        class Moment(datetime):
            pass

        moment = Moment(2024, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
        given = {"int": Number.ONE, "str": Text("x"), "time": moment, "map": OrderedDict(a=1), "list": (1, 2)}
        backend.commit([Set("c/a", given)])
        read = stored(backend, "c/a")
        assert read == {"int": 1, "str": "x", "time": MOMENT, "map": {"a": 1}, "list": [1, 2]}
        assert [type(value) for value in read.values()] == [int, str, datetime, dict, list]

    def test_naive_moments_are_taken_as_utc(self, backend: MemoryBackend) -> None:
        backend.commit([Set("c/a", {"x": datetime(2024, 1, 1)})])
        assert stored(backend, "c/a") == {"x": MOMENT}

    def test_a_reference_forgets_its_model(self, backend: MemoryBackend) -> None:
        class Thing:
            __collection__ = "c"

        backend.commit([Set("c/a", {"x": Ref.from_path("c/b", model=Thing)})])
        assert stored(backend, "c/a")["x"].model is None

    @pytest.mark.parametrize(
        "value",
        [
            [[1]],
            [[]],
            [Vector([1.0])],
            Vector([]),
            Vector([0.0] * 2049),
            Vector([math.nan]),
            {"": 1},
            {"__x__": 1},
            {"a" * 1501: 1},
            {"a" * 1499: 1},
            {"a" * 800: [{"a" * 700: 1}]},
            "\ud800",
            {"\ud800": 1},
            "x" * 1_048_488,
            b"x" * 1_048_488,
            within(21, 1),
            within(20, [1]),
            within(19, [{}]),
        ],
        ids=lambda value: str(type(value).__name__),
    )
    def test_what_firestore_refuses_is_refused(self, backend: MemoryBackend, value: object) -> None:
        with pytest.raises(InvalidRequestError):
            backend.commit([Set("c/a", {"x": value})])
        assert stored(backend, "c/a") is None

    @pytest.mark.parametrize(
        "value",
        [
            within(20, 1),
            within(20, []),
            within(19, [1]),
            {"a" * 1498: 1, "____": 1, "a/b.c": 1},
            Vector([0.0] * 2048),
            "é" * 500_000,
            [{"a": Vector([1.0])}],
            [{"a" * 700: "x" * 2000}, {"a" * 1400: [1]}],
        ],
        ids=lambda value: str(type(value).__name__),
    )
    def test_what_just_fits_is_stored(self, backend: MemoryBackend, value: object) -> None:
        backend.commit([Set("c/a", {"x": value})])
        assert stored(backend, "c/a") == {"x": value}

    def test_a_document_has_at_most_one_mebibyte(self, backend: MemoryBackend) -> None:
        # 37 bytes for the name and the document, 2 for each name, 1 for each string.
        rest = 1_048_576 - 600_000 - (3 + 1 + 16 + 32) - 2 * 2 - 2
        backend.commit([Set("c/a", {"a": "x" * 600_000, "b": "y" * rest})])
        with pytest.raises(InvalidRequestError, match="1048576"):
            backend.commit([Set("c/a", {"a": "x" * 600_000, "b": "y" * (rest + 1)})])
        with pytest.raises(InvalidRequestError, match="1048576"):
            backend.commit([merge("c/a", {"c": 1}, "c")])
        with pytest.raises(InvalidRequestError, match="1048576"):
            backend.commit([merge("c/a", {}, transforms=(changed("c", ArrayUnion(["x"])),))])

    def test_only_what_an_update_leaves_there_counts(self, backend: MemoryBackend) -> None:
        backend.commit([Set("c/a", {"a": "x" * 600_000, "b": 1})])
        for letter in "yz":
            backend.commit([update("c/a", {"a": letter * 600_000}, "a")])
        backend.commit([update("c/a", {"c": "x" * 400_000}, "c")])
        with pytest.raises(InvalidRequestError, match="1048576"):
            backend.commit([update("c/a", {"b": "x" * 100_000}, "b")])
        backend.commit([update("c/a", {"b": "x" * 100_000}, "a", "b")])
        assert stored(backend, "c/a") == {"b": "x" * 100_000, "c": "x" * 400_000}

    @pytest.mark.parametrize("value", [object(), {1, 2}, 1j])
    def test_what_firestore_has_no_type_for_is_a_type_error(self, backend: MemoryBackend, value: object) -> None:
        with pytest.raises(TypeError, match="doesn't store"):
            backend.commit([Set("c/a", {"x": value})])

    def test_a_reference_into_another_database_is_refused(self, backend: MemoryBackend) -> None:
        with pytest.raises(ForeignReferenceError):
            backend.commit([Set("c/a", {"x": [Ref.from_path("c/a", database="projects/p/databases/d")]})])

    def test_names_are_strings(self, backend: MemoryBackend) -> None:
        with pytest.raises(TypeError, match="field name"):
            backend.commit([Set("c/a", {"x": {1: 2}})])

    @pytest.mark.parametrize("value", [2**63, -(2**63) - 1])
    def test_integers_have_64_bits(self, backend: MemoryBackend, value: int) -> None:
        with pytest.raises(ValueError, match="64-bit"):
            backend.commit([Set("c/a", {"x": value})])

    @pytest.mark.parametrize(
        "path",
        ["c/__x__", "c/..", "__x__/a", "c", "c/", "c/a/b", "", "c/" + "a" * 1501, "c/z/s/.", "c/z/s/" + "é" * 751],
    )
    @pytest.mark.parametrize("others", [(), ("c/z", "c/z/s/z")], ids=["first", "beside others"])
    def test_paths_are_checked(self, backend: MemoryBackend, path: str, others: tuple[str, ...]) -> None:
        backend.commit([Set(other, {}) for other in others])
        with pytest.raises(InvalidRequestError):
            backend.commit([Set(path, {})])
        with pytest.raises(InvalidRequestError):
            list(backend.get(GetPlan((path,))))
        with pytest.raises(InvalidRequestError):
            backend.commit([Set("c/a", {"x": _reference(path)})])

    def test_many_odd_names_are_no_trouble(self, backend: MemoryBackend) -> None:
        for start in range(0, 12_000, 1_000):
            backend.commit([Set("c/a", {f"name {number}": 1 for number in range(start, start + 1_000)})])
        assert len(stored(backend, "c/a")) == 1_000


def _reference(path: str) -> Ref[Any]:
    # As a backend can give it: a name that is stored, though nobody would be let write it.
    found = Ref.from_path(path, database="elsewhere")
    object.__setattr__(found, "database", None)
    return found


class TestMasks:
    @pytest.mark.parametrize(
        ("before", "data", "masked", "expected"),
        [
            (None, {"a": {"b": 1}}, ["a.b"], {"a": {"b": 1}}),
            ({"a": 5, "z": 1}, {"a": {"b": 1}}, ["a.b"], {"a": {"b": 1}, "z": 1}),
            ({"a": {"c": 2}}, {"a": {"b": 1}}, ["a.b"], {"a": {"b": 1, "c": 2}}),
            ({"a": 5}, {}, ["a.b"], {"a": 5}),
            ({"z": 5}, {}, ["a.b"], {"z": 5}),
            ({"a": {"b": 1, "c": 2}}, {}, ["a.b"], {"a": {"c": 2}}),
            ({"a": {"b": 1}}, {}, ["a.b"], {"a": {}}),
            ({"a": {"b": 1}}, {}, ["a.b.c"], {"a": {"b": 1}}),
            (None, {}, ["a"], {}),
            ({"z": 5}, {}, [], {"z": 5}),
            ({"z": 5}, {"a": 1, "b": 2}, ["a"], {"a": 1, "z": 5}),
            ({"z": 5}, {"a": {"b": 2}}, ["a", "a.b"], {"a": {"b": 2}, "z": 5}),
            ({"a": {"z": 1}}, {"a": {"b": 2, "c": 3}}, ["a.b"], {"a": {"b": 2, "z": 1}}),
            ({"a": {"z": 1}}, {"a": {"b": 2}}, ["a"], {"a": {"b": 2}}),
            ({"a": {"z": 1}}, {"a": 7}, ["a.b"], {"a": {"z": 1}}),
            ({"a": [{"b": 1}]}, {"a": {"b": 2}}, ["a.b"], {"a": {"b": 2}}),
            ({"a.b": 1}, {"a.b": 2}, ["`a.b`"], {"a.b": 2}),
        ],
    )
    def test_only_what_a_mask_names_is_written(
        self, backend: MemoryBackend, before: Any, data: Any, masked: list[str], expected: Any
    ) -> None:
        if before is not None:
            backend.commit([Set("c/a", before)])
        backend.commit([merge("c/a", data, *masked)])
        assert stored(backend, "c/a") == expected

    def test_the_name_in_a_mask_does_nothing(self, backend: MemoryBackend) -> None:
        backend.commit([Set("c/a", {"x": 1})])
        backend.commit([Set("c/a", {"x": 2}, (DOCUMENT_ID,))])
        assert stored(backend, "c/a") == {"x": 1}

    def test_an_older_state_is_not_changed_by_a_newer_one(self, backend: MemoryBackend) -> None:
        backend.commit([Set("c/a", {"m": {"n": {"x": 1}}})])
        [before] = backend.get(GetPlan(("c/a",)))
        backend.commit([update("c/a", {"m": {"n": {"x": 2}}}, "m.n.x")])
        [then] = backend.get(GetPlan(("c/a",), read_time=before.read_time))
        assert (then.data, stored(backend, "c/a")) == ({"m": {"n": {"x": 1}}}, {"m": {"n": {"x": 2}}})

    @pytest.mark.parametrize("path", [FieldPath("a" * 1500), FieldPath("a" * 750, "a" * 749)])
    def test_paths_that_are_too_long_are_refused(self, backend: MemoryBackend, path: FieldPath) -> None:
        with pytest.raises(InvalidRequestError, match="field path"):
            backend.commit([Set("c/a", {}, (path,))])
        with pytest.raises(InvalidRequestError, match="field path"):
            list(backend.get(GetPlan(("c/a",), (path,))))


TRANSFORMS = [
    (None, Increment(1), 1),
    ("x", Increment(0.5), 0.5),
    (True, Increment(1), 1),
    (5, Increment(1), 6),
    (5, Increment(0.5), 5.5),
    (5, Increment(0.0), 5.0),
    (2.5, Increment(1), 3.5),
    (math.nan, Increment(1), math.nan),
    (2**63 - 1, Increment(1), 2**63 - 1),
    (-(2**63), Increment(-1), -(2**63)),
    (2**62, Increment(2**62), 2**63 - 1),
    (2**53 + 1, Increment(0.0), 2.0**53),
    (-0.0, Increment(0), 0.0),
    (-0.0, Increment(-0.0), -0.0),
    (None, Maximum(5), 5),
    ("x", Minimum(5.0), 5.0),
    (5, Maximum(5.0), 5),
    (5.0, Maximum(5), 5.0),
    (5, Maximum(6.5), 6.5),
    (5, Maximum(4), 5),
    (5, Minimum(4.0), 4.0),
    (5, Minimum(6), 5),
    (0, Minimum(-0.0), 0),
    (-0.0, Maximum(0), -0.0),
    (math.nan, Maximum(5), math.nan),
    (5, Minimum(math.nan), math.nan),
    (None, ArrayUnion([1, 1.0, True]), [1, True]),
    (5, ArrayUnion([]), []),
    ([1, 1], ArrayUnion([1.0, 2]), [1, 1, 2]),
    ([math.nan], ArrayUnion([math.nan, None]), [math.nan, None]),
    ([{"a": 1}], ArrayUnion([{"a": 1.0}]), [{"a": 1}]),
    (None, ArrayRemove([1]), []),
    (5, ArrayRemove([1]), []),
    ([1, 2, 1.0], ArrayRemove([1]), [2]),
    ([0.0, -0.0, None, math.nan], ArrayRemove([0, math.nan]), [None]),
    ([{"a": 1}], ArrayRemove([{"a": 1.0}]), []),
]


class TestTransforms:
    @pytest.mark.parametrize(("before", "transform", "expected"), TRANSFORMS)
    def test_a_transform_gives(self, backend: MemoryBackend, before: Any, transform: Any, expected: Any) -> None:
        if before is not None:
            backend.commit([Set("c/a", {"x": before})])
        backend.commit([merge("c/a", {}, transforms=(changed("x", transform),))])
        found = stored(backend, "c/a")["x"]
        assert (repr(found), type(found)) == (repr(expected), type(expected))

    def test_the_server_timestamp_is_the_time_of_the_commit(self, backend: MemoryBackend) -> None:
        result = backend.commit([Create("c/a", {"x": 1}, (changed("t", SERVER_TIMESTAMP),))])
        assert stored(backend, "c/a") == {"x": 1, "t": result.commit_time}
        assert times(backend, "c/a") == (result.commit_time, result.commit_time)

    def test_transforms_come_after_the_fields_and_one_after_the_other(self, backend: MemoryBackend) -> None:
        twice = (changed("a", Increment(1)), changed("a", Increment(2)))
        backend.commit([Set("c/a", {"a": 10}, None, twice)])
        assert stored(backend, "c/a") == {"a": 13}
        backend.commit([merge("c/a", {}, "a", transforms=twice)])
        assert stored(backend, "c/a") == {"a": 3}

    def test_a_replaced_document_is_transformed_from_nothing(self, backend: MemoryBackend) -> None:
        backend.commit([Set("c/a", {"a": 5})])
        backend.commit([Set("c/a", {"z": 1}, None, (changed("a", Increment(1)),))])
        assert stored(backend, "c/a") == {"z": 1, "a": 1}

    @pytest.mark.parametrize(
        ("before", "expected"), [({"m": 5}, {"n": 1}), ({"m": {"k": 1}}, {"k": 1, "n": 1}), ({}, {"n": 1})]
    )
    def test_a_nested_field_is_transformed_where_it_is(
        self, backend: MemoryBackend, before: Any, expected: Any
    ) -> None:
        backend.commit([Set("c/a", before)])
        backend.commit([merge("c/a", {}, transforms=(changed("m.n", Increment(1)),))])
        assert stored(backend, "c/a") == {"m": expected}

    def test_a_field_and_one_inside_it_cant_be_transformed_at_once(self, backend: MemoryBackend) -> None:
        transforms = (changed("a.b", Increment(1)), changed("a", Increment(1)))
        with pytest.raises(InvalidRequestError, match="inside"):
            backend.commit([Set("c/a", {}, None, transforms)])

    @pytest.mark.parametrize("kind", [ArrayUnion, ArrayRemove])
    def test_an_array_never_gets_an_array_into_it(self, backend: MemoryBackend, kind: Any) -> None:
        with pytest.raises(InvalidRequestError, match="array"):
            backend.commit([Set("c/a", {}, None, (changed("a", kind([[1]])),))])


class TestPreconditions:
    def test_create_meets_a_document(self, backend: MemoryBackend) -> None:
        backend.commit([Create("c/a", {"x": 1})])
        with pytest.raises(DocumentAlreadyExistsError) as caught:
            backend.commit([Set("c/b", {}), Create("c/a", {"x": 2})])
        assert caught.value.path == "c/a"
        assert (stored(backend, "c/a"), stored(backend, "c/b")) == ({"x": 1}, None)

    def test_update_meets_no_document(self, backend: MemoryBackend) -> None:
        with pytest.raises(DocumentNotFoundError) as caught:
            backend.commit([Set("c/b", {}), update("c/a", {"x": 1}, "x")])
        assert (caught.value.path, stored(backend, "c/b")) == ("c/a", None)

    def test_delete_meets_no_document(self, backend: MemoryBackend) -> None:
        backend.commit([Delete("c/a")])
        with pytest.raises(DocumentNotFoundError):
            backend.commit([Delete("c/a", must_exist=True)])

    def test_which_write_of_several_is_at_fault_is_not_told(self, backend: MemoryBackend) -> None:
        with pytest.raises(DocumentNotFoundError) as caught:
            backend.commit([update("c/a", {}, "x"), Set("c/b", {}), Delete("c/c", must_exist=True)])
        assert (caught.value.path, caught.value.candidates) == (None, ("c/a", "c/c"))

    @pytest.mark.parametrize("kind", ["set", "update", "delete"])
    def test_a_stale_update_time_fails(self, backend: MemoryBackend, kind: str) -> None:
        backend.commit([Set("c/a", {"x": 1})])
        now = times(backend, "c/a")[1]
        assert now is not None
        writes: dict[str, Callable[[str, datetime], Write]] = {
            "set": lambda path, moment: Set(path, {"x": 2}, update_time=moment),
            "update": lambda path, moment: update(path, {"x": 2}, "x", update_time=moment),
            "delete": lambda path, moment: Delete(path, update_time=moment),
        }
        write = writes[kind]
        for path, moment in (("c/a", now - timedelta(microseconds=1)), ("c/none", now)):
            with pytest.raises(StaleDocumentError) as caught:
                backend.commit([write(path, moment)])
            assert caught.value.path == path
        backend.commit([write("c/a", now)])
        assert stored(backend, "c/a") == (None if kind == "delete" else {"x": 2})

    def test_the_first_failure_is_the_one_that_is_raised(self, backend: MemoryBackend) -> None:
        backend.commit([Set("c/a", {})])
        missing, there = update("c/none", {}, "x"), Create("c/a", {})
        with pytest.raises(DocumentNotFoundError):
            backend.commit([missing, there])
        with pytest.raises(DocumentAlreadyExistsError):
            backend.commit([there, missing])


class TestSeveralWritesToOneDocument:
    """S set, M merge, C create, U update, D delete, X delete that must exist; with the right update time: s u d."""

    def write(self, letter: str, number: int, now: datetime) -> Any:
        field = f"{letter}{number}"
        return {
            "S": lambda: Set("c/a", {field: 1}),
            "M": lambda: merge("c/a", {field: 1}, field),
            "C": lambda: Create("c/a", {field: 1}),
            "U": lambda: update("c/a", {field: 1}, field),
            "D": lambda: Delete("c/a"),
            "X": lambda: Delete("c/a", must_exist=True),
            "s": lambda: Set("c/a", {field: 1}, update_time=now),
            "u": lambda: update("c/a", {field: 1}, field, update_time=now),
            "d": lambda: Delete("c/a", update_time=now),
            "o": lambda: Set("c/a", {field: 1}, update_time=now - timedelta(days=1)),
        }[letter]()

    def run(self, backend: MemoryBackend, letters: str) -> Any:
        backend.commit([Set("c/a", {"before": 1})])
        now = times(backend, "c/a")[1]
        assert now is not None
        backend.commit([self.write(letter, number, now) for number, letter in enumerate(letters)])
        found = stored(backend, "c/a")
        return None if found is None else " ".join(sorted(found))

    @pytest.mark.parametrize(
        ("letters", "expected"),
        [
            ("SM", "M1 S0"),
            ("SU", "S0 U1"),
            ("SX", None),
            ("MU", "M0 U1 before"),
            ("UD", None),
            ("DC", "C1"),
            ("DM", "M1"),
            ("DD", None),
            ("XC", "C1"),
            ("XD", None),
            ("sS", "S1"),
            ("su", "s0 u1"),
            ("ud", None),
            ("dd", None),
            ("dC", "C1"),
            ("DCU", "C1 U2"),
            ("XSU", "S1 U2"),
            ("usU", "U2 s1"),
        ],
    )
    def test_they_are_done_one_after_the_other(
        self, backend: MemoryBackend, letters: str, expected: str | None
    ) -> None:
        assert self.run(backend, letters) == expected

    @pytest.mark.parametrize(
        "letters",
        ["SC", "CC", "UC", "sC", "DU", "XU", "DX", "XX", "Ds", "du", "dX", "Ss", "Md", "so", "Dd", "DCC", "XSC"],
    )
    def test_some_can_not_stand_in_one_commit(self, backend: MemoryBackend, letters: str) -> None:
        with pytest.raises(InvalidRequestError, match="several times in one commit"):
            self.run(backend, letters)
        assert stored(backend, "c/a") == {"before": 1}

    def test_preconditions_are_those_of_the_first(self, backend: MemoryBackend) -> None:
        with pytest.raises(DocumentAlreadyExistsError):
            self.run(backend, "CS")
        with pytest.raises(DocumentNotFoundError):
            backend.commit([Delete("c/b", must_exist=True), Set("c/b", {})])


class TestTimes:
    def test_a_commit_has_one_time_and_each_later_one_a_later_time(self, clock: ManualClock) -> None:
        backend = MemoryBackend(clock=clock)
        first = backend.commit([Set("c/a", {}), Set("c/b", {}), Delete("c/c")])
        second = backend.commit([Set("c/c", {})])
        assert first == ((clock(), clock(), None), clock())
        assert second.commit_time == clock() + timedelta(microseconds=1)
        assert second.update_times == (second.commit_time,)

    def test_a_clock_that_runs_back_doesnt_bring_times_back(self, clock: ManualClock) -> None:
        backend = MemoryBackend(clock=clock)
        first = backend.commit([Set("c/a", {})]).commit_time
        clock.advance(-3600)
        second = backend.commit([Set("c/a", {"x": 1})]).commit_time
        assert first is not None
        assert second == first + timedelta(microseconds=1)
        [result] = backend.get(GetPlan(("c/a",)))
        assert result.read_time == second

    def test_creating_and_updating_have_times_of_their_own(self, backend: MemoryBackend) -> None:
        first = backend.commit([Set("c/a", {"x": 1})]).commit_time
        second = backend.commit([Set("c/a", {"x": 2})]).commit_time
        assert times(backend, "c/a") == (first, second)
        backend.commit([Delete("c/a")])
        third = backend.commit([Set("c/a", {"x": 2})]).commit_time
        assert times(backend, "c/a") == (third, third)

    @pytest.mark.parametrize(
        ("before", "after", "is_same"),
        [
            (1, 1, True),
            (1, 1.0, False),
            (1, True, False),
            (math.nan, math.nan, True),
            (0.0, -0.0, False),
            ([1, {"a": 1}], [1, {"a": 1}], True),
            ([1], [1, 2], False),
            ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
            ({"a": 1}, {"b": 1}, False),
            (GeoPoint(0.0, 0.0), GeoPoint(0, 0), True),
            (GeoPoint(0.0, 0.0), GeoPoint(-0.0, 0.0), False),
            (Vector([0.0]), Vector([0.0]), True),
            (Vector([0.0]), Vector([-0.0]), False),
            (ref("c/a"), ref("c/a"), True),
            (MOMENT, later(1), False),
        ],
    )
    def test_a_write_that_changes_nothing_keeps_the_update_time(
        self, backend: MemoryBackend, before: Any, after: Any, is_same: bool
    ) -> None:
        first = backend.commit([Set("c/a", {"x": before})])
        second = backend.commit([Set("c/a", {"x": after})])
        assert (second.update_times == first.update_times) is is_same
        assert (second.update_times == (second.commit_time,)) is not is_same

    def test_there_and_back_in_one_commit_changes_nothing(self, backend: MemoryBackend) -> None:
        first = backend.commit([Set("c/a", {"x": 1})]).commit_time
        result = backend.commit([Set("c/a", {"x": 2}), Set("c/a", {"x": 1})])
        assert result.update_times == (first, first)

    def test_deleted_and_written_again_is_a_new_document(self, backend: MemoryBackend) -> None:
        backend.commit([Set("c/a", {"x": 1})])
        result = backend.commit([Delete("c/a"), Set("c/a", {"x": 1}), Set("c/a", {"x": 1})])
        assert result.update_times == (None, result.commit_time, result.commit_time)
        assert times(backend, "c/a") == (result.commit_time, result.commit_time)

    def test_what_is_gone_in_the_end_has_no_time(self, backend: MemoryBackend) -> None:
        assert backend.commit([Create("c/a", {}), Delete("c/a")]).update_times == (None, None)

    def test_an_empty_commit_has_no_time(self, backend: MemoryBackend) -> None:
        assert backend.commit([]) == ((), None)
