"""Commits: what each write does, and what a commit of several does."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest
from cendry.errors import (
    DocumentAlreadyExistsError,
    DocumentNotFoundError,
    InvalidRequestError,
    StaleDocumentError,
)
from cendry.plan import Create, Delete, FieldTransform, Set, Update, Write
from cendry.values import SERVER_TIMESTAMP, ArrayRemove, ArrayUnion, GeoPoint, Increment, Maximum, Minimum, Transform

from .driver import Database, path_of, together
from .features import Feature, needs
from .suite import Suite

SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)
LONG_AGO = datetime(2024, 1, 1, tzinfo=timezone.utc)

ODD_NAMES = ["a.b", "a b", "1st", "tick`tick", "back\\slash", "ünï", "a/b", "[0]", "*", "\n"]

TRANSFORMS: list[tuple[Any, Transform, Any]] = [
    (1, Increment(2), 3),
    (1, Increment(0.5), 1.5),
    (1.5, Increment(1), 2.5),
    (2**63 - 1, Increment(1), 2**63 - 1),
    (-(2**63), Increment(-1), -(2**63)),
    ("text", Increment(2), 2),
    (None, Increment(2), 2),
    (3, Maximum(5), 5),
    (3, Maximum(2.5), 3),
    ("text", Maximum(5), 5),
    (3, Minimum(5), 3),
    (3, Minimum(-1.5), -1.5),
    ([1, 2], ArrayUnion([2, 3, {"a": GeoPoint(1, 2)}]), [1, 2, 3, {"a": GeoPoint(1, 2)}]),
    ([1], ArrayUnion([1.0, 2, 2]), [1, 2]),
    ([1, 1], ArrayUnion([]), [1, 1]),
    ("text", ArrayUnion([1]), [1]),
    ([1, 2, 1], ArrayRemove([1.0]), [2]),
    ([1, None, "a"], ArrayRemove([None, "a", "b"]), [1]),
    ("text", ArrayRemove([1]), []),
]

WRITES_AT: list[Callable[[datetime], Write]] = [
    lambda time: Set("c/a", {"x": 2}, update_time=time),
    lambda time: Set("c/a", {"x": 2}, mask=(path_of("x"),), update_time=time),
    lambda time: Update("c/a", {"x": 2}, (path_of("x"),), update_time=time),
    lambda time: Delete("c/a", update_time=time),
    lambda time: Delete("c/a", must_exist=True, update_time=time),
]


def change(field: str, transform: Transform) -> FieldTransform:
    """A transform of one field."""
    return FieldTransform(path_of(field), transform)


class WriteConformance(Suite):
    """Commits."""

    # --- set ---

    def test_set_replaces_the_whole_document(self, db: Database) -> None:
        db.commit(Set("c/a", {"old": 1, "kept": 1}))
        db.commit(Set("c/a", {"kept": 2}))
        assert {"kept": 2} == db.data("c/a")

    def test_set_takes_names_literally(self, db: Database) -> None:
        db.commit(Set("c/a", {"a.b": 1, "a": {"b": 2, "b.c": {"d": 3}}}))
        assert {"a.b": 1, "a": {"b": 2, "b.c": {"d": 3}}} == db.data("c/a")

    @needs(Feature.MASKS)
    def test_a_masked_set_writes_what_it_names_and_removes_what_the_data_lacks(self, db: Database) -> None:
        db.commit(Set("c/a", {"m": {"x": 1, "y": 1}, "gone": 1, "other": 1}))
        db.commit(Set("c/a", {"m": {"x": 2}, "unnamed": 9}, mask=(path_of("m", "x"), path_of("gone"))))
        assert {"m": {"x": 2, "y": 1}, "other": 1} == db.data("c/a")

    @needs(Feature.MASKS)
    def test_a_masked_set_makes_a_document_that_does_not_exist(self, db: Database) -> None:
        db.commit(Set("c/a", {"m": {"x": 2}}, mask=(path_of("m", "x"),)))
        assert {"m": {"x": 2}} == db.data("c/a")

    @needs(Feature.MASKS)
    def test_an_empty_mask_changes_no_field(self, db: Database) -> None:
        db.commit(Set("c/a", {"x": 1}))
        db.commit(Set("c/a", {}, mask=()), Set("c/b", {}, mask=()))
        assert [{"x": 1}, {}] == [db.data("c/a"), db.data("c/b")]

    # --- create ---

    def test_create_never_overwrites(self, db: Database) -> None:
        db.commit(Create("c/a", {"x": 1}))
        with pytest.raises(DocumentAlreadyExistsError) as caught:
            db.commit(Create("c/a", {"x": 2}))
        assert ("c/a", "c", "a") == (caught.value.path, caught.value.collection, caught.value.document_id)
        assert {"x": 1} == db.data("c/a")

    def test_of_many_that_create_one_document_one_wins(self, db: Database) -> None:
        winners: list[int] = []
        losers: list[int] = []

        def create(number: int) -> None:
            try:
                db.commit(Create("c/a", {"n": number}))
                winners.append(number)
            except DocumentAlreadyExistsError:
                losers.append(number)

        together(*(lambda number=number: create(number) for number in range(8)))
        assert (1, 7) == (len(winners), len(losers))
        assert {"n": winners[0]} == db.data("c/a")

    # --- update ---

    def test_update_needs_the_document(self, db: Database) -> None:
        with pytest.raises(DocumentNotFoundError) as caught:
            db.commit(Update("c/a/d/b", {"x": 1}, (path_of("x"),)))
        assert ("c/a/d/b", "d", "b") == (caught.value.path, caught.value.collection, caught.value.document_id)
        assert db.data("c/a/d/b") is None

    def test_update_changes_nested_fields_and_removes_masked_ones(self, db: Database) -> None:
        db.commit(Set("c/a", {"m": {"x": 1, "y": 1}, "gone": 1, "other": [1]}))
        db.commit(Update("c/a", {"m": {"x": {"deep": 2}}}, (path_of("m", "x"), path_of("gone"), path_of("never"))))
        assert {"m": {"x": {"deep": 2}, "y": 1}, "other": [1]} == db.data("c/a")

    def test_update_makes_the_maps_that_a_path_leads_through(self, db: Database) -> None:
        db.commit(Set("c/a", {"text": "not a map"}))
        db.commit(
            Update("c/a", {"new": {"x": 1}, "text": {"x": {"y": 2}}}, (path_of("new", "x"), path_of("text", "x", "y")))
        )
        assert {"new": {"x": 1}, "text": {"x": {"y": 2}}} == db.data("c/a")

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_odd_field_names_are_one_segment_everywhere(self, db: Database, name: str) -> None:
        db.commit(Set("c/a", {name: {name: 1}, "a": {"b": "untouched"}}))
        db.commit(Update("c/a", {name: {name: 2}}, (path_of(name, name),)))
        assert {name: {name: 2}, "a": {"b": "untouched"}} == db.data("c/a")

    @needs(Feature.TRANSFORMS)
    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_odd_field_names_are_one_segment_in_transforms(self, db: Database, name: str) -> None:
        db.commit(Set("c/a", {name: {name: 1}}))
        db.commit(Update("c/a", {}, (), transforms=(FieldTransform(path_of(name, "n"), Increment(5)),)))
        assert {name: {name: 1, "n": 5}} == db.data("c/a")

    # --- transforms ---

    @needs(Feature.TRANSFORMS)
    @pytest.mark.parametrize(("before", "transform", "after"), TRANSFORMS)
    def test_transforms(self, db: Database, before: Any, transform: Transform, after: Any) -> None:
        db.commit(Set("c/a", {"f": before, "other": 1}))
        db.commit(Update("c/a", {"other": 2}, (path_of("other"),), transforms=(change("f", transform),)))
        assert {"f": after, "other": 2} == db.data("c/a")
        assert type(after) is type((db.data("c/a") or {})["f"])

    @needs(Feature.TRANSFORMS)
    def test_transforms_of_fields_that_are_not_there(self, db: Database) -> None:
        transforms: dict[str, Transform] = {
            "n": Increment(1.5),
            "most": Maximum(-3),
            "least": Minimum(3),
            "more": ArrayUnion([1, 1, 2]),
            "less": ArrayRemove([1]),
        }
        nested = FieldTransform(path_of("m", "x"), Increment(1))
        db.commit(
            Set("c/a", {}, transforms=(*(change(name, transform) for name, transform in transforms.items()), nested))
        )
        assert {"n": 1.5, "most": -3, "least": 3, "more": [1, 2], "less": [], "m": {"x": 1}} == db.data("c/a")

    @needs(Feature.TRANSFORMS)
    def test_incrementing_nan_gives_nan(self, db: Database) -> None:
        db.commit(Set("c/a", {"n": math.nan}))
        db.commit(Update("c/a", {}, (), transforms=(change("n", Increment(1)),)))
        assert math.isnan((db.data("c/a") or {})["n"])

    @needs(Feature.TRANSFORMS)
    def test_transforms_come_with_sets_and_creates_too(self, db: Database) -> None:
        db.commit(
            Set("c/a", {"x": 1}, transforms=(change("n", Increment(1)),)),
            Create("c/b", {"x": 1}, transforms=(change("n", Increment(1)), change("l", ArrayUnion([1])))),
        )
        assert {"x": 1, "n": 1} == db.data("c/a")
        assert {"x": 1, "n": 1, "l": [1]} == db.data("c/b")

    @needs(Feature.TRANSFORMS, Feature.TIMES)
    def test_the_server_timestamp_is_the_servers(self, db: Database) -> None:
        result = db.commit(Set("c/a", {}, transforms=(change("t", SERVER_TIMESTAMP),)))
        data = db.data("c/a")
        assert data is not None
        assert result.commit_time is not None
        assert abs(data["t"] - result.commit_time) < SECOND

    # --- delete ---

    def test_delete_leaves_what_is_below(self, db: Database) -> None:
        db.commit(Set("c/a", {}), Set("c/a/d/child", {}))
        result = db.commit(Delete("c/a"), Delete("c/absent"))
        assert (None, None) == result.update_times
        assert [None, {}] == [db.data("c/a"), db.data("c/a/d/child")]

    def test_delete_can_insist_on_the_document(self, db: Database) -> None:
        with pytest.raises(DocumentNotFoundError) as caught:
            db.commit(Delete("c/a", must_exist=True))
        assert "c/a" == caught.value.path
        db.commit(Set("c/a", {}))
        db.commit(Delete("c/a", must_exist=True))
        assert db.data("c/a") is None

    @needs(Feature.PRECONDITIONS)
    def test_set_can_insist_on_the_document(self, db: Database) -> None:
        with pytest.raises(DocumentNotFoundError) as caught:
            db.commit(Set("c/a", {"x": 1}, must_exist=True))
        assert "c/a" == caught.value.path
        assert db.data("c/a") is None
        db.commit(Set("c/a", {"x": 1}))
        db.commit(Set("c/a", {"x": 2}, must_exist=True))
        assert {"x": 2} == db.data("c/a")

    # --- update times ---

    @needs(Feature.PRECONDITIONS, Feature.MASKS)
    @pytest.mark.parametrize("write_at", WRITES_AT)
    def test_a_write_at_an_update_time_needs_that_very_version(
        self, db: Database, write_at: Callable[[datetime], Write]
    ) -> None:
        [time] = db.commit(Set("c/a", {"x": 1})).update_times
        assert time is not None
        for wrong in (time - SECOND, time + SECOND, time - MICROSECOND):
            with pytest.raises(StaleDocumentError) as caught:
                db.commit(write_at(wrong))
            assert "c/a" == caught.value.path
        assert {"x": 1} == db.data("c/a")
        db.commit(write_at(time))
        assert {"x": 1} != db.data("c/a")

    @needs(Feature.PRECONDITIONS, Feature.MASKS)
    @pytest.mark.parametrize("write_at", WRITES_AT)
    def test_a_write_at_an_update_time_is_stale_if_the_document_is_gone(
        self, db: Database, write_at: Callable[[datetime], Write]
    ) -> None:
        with pytest.raises(StaleDocumentError):
            db.commit(write_at(LONG_AGO))
        assert db.data("c/a") is None

    @needs(Feature.TIMES)
    def test_a_commit_gives_the_times_of_the_versions_it_made(self, db: Database) -> None:
        result = db.commit(Set("c/a", {"x": 1}), Create("c/b", {}), Delete("c/c"))
        [a, b] = db.get("c/a", "c/b")
        assert (a.update_time, b.update_time, None) == result.update_times
        assert (result.commit_time, result.commit_time) == (a.create_time, a.update_time)
        assert result.commit_time is not None
        assert timedelta(0) == result.commit_time.utcoffset()

    @needs(Feature.TIMES)
    def test_times_grow_and_a_document_keeps_the_time_of_its_creation(self, db: Database) -> None:
        times = [db.commit(Set("c/a", {"n": n})).commit_time for n in range(4)]
        assert all(earlier is not None and later is not None and earlier < later for earlier, later in pairwise(times))
        [a] = db.get("c/a")
        assert (times[0], times[-1]) == (a.create_time, a.update_time)
        db.commit(Delete("c/a"))
        again = db.commit(Set("c/a", {}))
        assert again.commit_time == db.get("c/a")[0].create_time

    @needs(Feature.TIMES)
    def test_a_write_that_changes_nothing_keeps_the_update_time(self, db: Database) -> None:
        first = db.commit(Set("c/a", {"x": 1, "m": {"y": [1]}}))
        again = db.commit(Set("c/a", {"m": {"y": [1]}, "x": 1}))
        update = db.commit(Update("c/a", {"x": 1}, (path_of("x"),)))
        assert first.update_times == again.update_times == update.update_times
        assert first.commit_time == db.get("c/a")[0].update_time

    # --- several writes ---

    def test_a_commit_applies_all_or_nothing(self, db: Database) -> None:
        db.commit(Set("c/there", {"x": 1}))
        with pytest.raises(DocumentAlreadyExistsError) as caught:
            db.commit(Set("c/new", {}), Create("c/there", {}), Create("d/other", {}), Delete("c/there"))
        assert "c/there" in caught.value.candidates
        assert {"c/there", "d/other"} >= set(caught.value.candidates)
        assert [None, {"x": 1}, None] == [db.data("c/new"), db.data("c/there"), db.data("d/other")]

    def test_the_candidates_are_the_writes_that_can_be_at_fault(self, db: Database) -> None:
        with pytest.raises(DocumentNotFoundError) as missing:
            db.commit(
                Set("c/new", {}),
                Update("c/a", {}, ()),
                Delete("c/b", must_exist=True),
                Delete("c/x"),
                Create("c/y", {}),
            )
        assert {"c/a", "c/b"} >= set(missing.value.candidates) > set()

    @needs(Feature.PRECONDITIONS)
    def test_the_candidates_of_stale_writes(self, db: Database) -> None:
        [time] = db.commit(Set("c/there", {"x": 1})).update_times
        assert time is not None
        with pytest.raises(StaleDocumentError) as stale:
            db.commit(Set("c/new", {}), Set("c/there", {}, update_time=time - SECOND), Delete("c/b", update_time=time))
        assert {"c/there", "c/b"} >= set(stale.value.candidates) > set()
        assert [None, {"x": 1}] == [db.data("c/new"), db.data("c/there")]

    def test_writes_are_applied_in_order(self, db: Database) -> None:
        db.commit(
            Create("c/a", {"x": 1}),
            Update("c/a", {"y": 2}, (path_of("y"),)),
            Delete("c/b"),
            Set("c/b", {}),
            Set("c/c", {}),
            Delete("c/c"),
        )
        assert [{"x": 1, "y": 2}, {}, None] == [db.data("c/a"), db.data("c/b"), db.data("c/c")]

    def test_a_commit_of_nothing_gives_nothing(self, db: Database) -> None:
        assert () == db.commit().update_times

    # --- what is refused, and what is whose ---

    @needs(Feature.LIMITS)
    @pytest.mark.parametrize(
        "data", [{"x": [[1]]}, {"x": "a" * 1_048_576}, {"__x__": 1}, {"a" * 1501: 1}], ids=lambda data: str(data)[:20]
    )
    def test_what_firestore_refuses_is_refused_and_nothing_is_written(self, db: Database, data: dict[str, Any]) -> None:
        with pytest.raises(InvalidRequestError):
            db.commit(Set("c/fine", {}), Set("c/a", data))
        assert [None, None] == [db.data("c/fine"), db.data("c/a")]

    @needs(Feature.LIMITS)
    def test_maps_and_arrays_go_20_levels_deep(self, db: Database) -> None:
        deepest: Any = 1
        for _ in range(19):
            deepest = {"m": deepest}
        db.commit(Set("c/a", {"m": deepest}))
        assert {"m": deepest} == db.data("c/a")
        with pytest.raises(InvalidRequestError):
            db.commit(Set("c/a", {"m": {"m": {"m": deepest}}}))
        assert {"m": deepest} == db.data("c/a")

    @needs(Feature.LIMITS)
    @pytest.mark.parametrize(
        ("value", "error"), [(2**63, ValueError), (-(2**63) - 1, ValueError), (object(), TypeError)]
    )
    def test_what_cannot_be_sent_is_refused_and_nothing_is_written(
        self, db: Database, value: object, error: type[Exception]
    ) -> None:
        with pytest.raises(error):
            db.commit(Set("c/other", {"fine": 1}), Set("c/a", {"value": value}))
        assert db.data("c/other") is None

    def test_what_was_given_and_what_comes_back_is_not_the_stored_thing(self, db: Database) -> None:
        tags: list[Any] = ["x", {"deep": 1}]
        db.commit(Set("c/a", {"tags": tags}), Set("c/b", {"tags": tags}))
        tags.append("changed")
        tags[1]["deep"] = 2
        first = db.data("c/a") or {}
        assert {"tags": ["x", {"deep": 1}]} == first
        first["tags"][1]["deep"] = 3
        first["tags"].clear()
        first.clear()
        assert [{"tags": ["x", {"deep": 1}]}] * 2 == [db.data("c/a"), db.data("c/b")]
