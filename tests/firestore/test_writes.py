from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from typing import Any

import grpc
import pytest
from cendry.errors import (
    DocumentAlreadyExistsError,
    DocumentNotFoundError,
    InvalidRequestError,
    StaleDocumentError,
)
from cendry.paths import FieldPath
from cendry.plan import Create, Delete, FieldTransform, GetPlan, Set, Update
from cendry.values import SERVER_TIMESTAMP, ArrayRemove, ArrayUnion, GeoPoint, Increment, Maximum, Minimum, Transform
from cendry_firestore import FirestoreBackend
from cendry_firestore._errors import meaning_of
from google.api_core import exceptions

F = FieldPath
SECOND = timedelta(seconds=1)


def change(field: str, transform: Transform) -> FieldTransform:
    return FieldTransform(F(field), transform)


async def test_set_replaces_the_whole_document(firestore: Any) -> None:
    await firestore.commit(Set("c/a", {"old": 1, "kept": 1}))
    await firestore.commit(Set("c/a", {"kept": 2}))
    assert {"kept": 2} == await firestore.data("c/a")


async def test_a_masked_set_writes_what_it_names_and_removes_what_the_data_lacks(firestore: Any) -> None:
    await firestore.commit(Set("c/a", {"m": {"x": 1, "y": 1}, "gone": 1, "other": 1}))
    await firestore.commit(Set("c/a", {"m": {"x": 2}, "unnamed": 9}, mask=(F("m", "x"), F("gone"))))
    assert {"m": {"x": 2, "y": 1}, "other": 1} == await firestore.data("c/a")


async def test_a_masked_set_makes_a_document_that_does_not_exist(firestore: Any) -> None:
    await firestore.commit(Set("c/a", {"m": {"x": 2}}, mask=(F("m", "x"),)))
    assert {"m": {"x": 2}} == await firestore.data("c/a")


async def test_an_empty_mask_changes_no_field(firestore: Any) -> None:
    await firestore.commit(Set("c/a", {"x": 1}))
    await firestore.commit(Set("c/a", {}, mask=()))
    assert {"x": 1} == await firestore.data("c/a")


async def test_create_never_overwrites(firestore: Any) -> None:
    await firestore.commit(Create("c/a", {"x": 1}))
    with pytest.raises(DocumentAlreadyExistsError) as caught:
        await firestore.commit(Create("c/a", {"x": 2}))
    assert ("c/a", "c", "a") == (caught.value.path, caught.value.collection, caught.value.document_id)
    assert isinstance(caught.value.__cause__, exceptions.AlreadyExists)
    assert {"x": 1} == await firestore.data("c/a")


async def test_update_needs_the_document(firestore: Any) -> None:
    with pytest.raises(DocumentNotFoundError) as caught:
        await firestore.commit(Update("c/a/d/b", {"x": 1}, (F("x"),)))
    assert ("c/a/d/b", "d", "b") == (caught.value.path, caught.value.collection, caught.value.document_id)
    assert isinstance(caught.value.__cause__, exceptions.NotFound)
    assert await firestore.data("c/a/d/b") is None


async def test_update_changes_nested_fields_and_removes_masked_ones(firestore: Any) -> None:
    await firestore.commit(Set("c/a", {"m": {"x": 1, "y": 1}, "gone": 1, "other": [1]}))
    await firestore.commit(Update("c/a", {"m": {"x": {"deep": 2}}}, (F("m", "x"), F("gone"))))
    assert {"m": {"x": {"deep": 2}, "y": 1}, "other": [1]} == await firestore.data("c/a")


@pytest.mark.parametrize("name", ["a.b", "a b", "1st", "tick`tick", "back\\slash", "ünï", "a/b", "[0]", "*", "\n"])
async def test_odd_field_names_are_one_segment_everywhere(firestore: Any, name: str) -> None:
    await firestore.commit(Set("c/a", {name: {name: 1}, "a": {"b": "untouched"}}))
    await firestore.commit(Update("c/a", {name: {name: 2}}, (F(name, name),)))
    await firestore.commit(Update("c/a", {}, (), transforms=(FieldTransform(F(name, "n"), Increment(5)),)))
    assert {name: {name: 2, "n": 5}, "a": {"b": "untouched"}} == await firestore.data("c/a")


@pytest.mark.parametrize(
    ("before", "transform", "after"),
    [
        (1, Increment(2), 3),
        (1, Increment(0.5), 1.5),
        (2**63 - 1, Increment(1), 2**63 - 1),
        ("text", Increment(2), 2),
        (3, Maximum(5), 5),
        (3, Minimum(5), 3),
        (3, Minimum(-1.5), -1.5),
        ([1, 2], ArrayUnion([2, 3, {"a": GeoPoint(1, 2)}]), [1, 2, 3, {"a": GeoPoint(1, 2)}]),
        ([1, 2, 1], ArrayRemove([1.0]), [2]),
        ("text", ArrayUnion([1]), [1]),
        ([1], ArrayUnion([]), [1]),
    ],
)
async def test_transforms(firestore: Any, before: Any, transform: Transform, after: Any) -> None:
    await firestore.commit(Set("c/a", {"f": before, "other": 1}))
    await firestore.commit(Update("c/a", {"other": 2}, (F("other"),), transforms=(change("f", transform),)))
    assert {"f": after, "other": 2} == await firestore.data("c/a")


async def test_transforms_come_with_sets_and_creates_too(firestore: Any) -> None:
    await firestore.commit(
        Set("c/a", {"x": 1}, transforms=(change("n", Increment(1)),)),
        Create("c/b", {"x": 1}, transforms=(change("n", Increment(1)), change("l", ArrayUnion([1])))),
    )
    assert {"x": 1, "n": 1} == await firestore.data("c/a")
    assert {"x": 1, "n": 1, "l": [1]} == await firestore.data("c/b")


async def test_the_server_timestamp_is_the_servers(firestore: Any) -> None:
    result = await firestore.commit(Set("c/a", {}, transforms=(change("t", SERVER_TIMESTAMP),)))
    data = await firestore.data("c/a")
    assert abs(data["t"] - result.commit_time) < SECOND


async def test_delete(firestore: Any) -> None:
    await firestore.commit(Set("c/a", {}), Set("c/a/d/child", {}))
    result = await firestore.commit(Delete("c/a"), Delete("c/absent"))
    assert (None, None) == result.update_times
    assert [None, {}] == [await firestore.data("c/a"), await firestore.data("c/a/d/child")]


async def test_delete_can_insist_on_the_document(firestore: Any) -> None:
    with pytest.raises(DocumentNotFoundError):
        await firestore.commit(Delete("c/a", must_exist=True))
    await firestore.commit(Set("c/a", {}))
    await firestore.commit(Delete("c/a", must_exist=True))
    assert await firestore.data("c/a") is None


WRITES_AT = [
    lambda time: Set("c/a", {"x": 2}, update_time=time),
    lambda time: Set("c/a", {"x": 2}, mask=(F("x"),), update_time=time),
    lambda time: Update("c/a", {"x": 2}, (F("x"),), update_time=time),
    lambda time: Delete("c/a", update_time=time),
    lambda time: Delete("c/a", must_exist=True, update_time=time),
]


@pytest.mark.parametrize("write_at", WRITES_AT)
async def test_a_write_at_an_update_time_needs_that_very_version(firestore: Any, write_at: Any) -> None:
    [time] = (await firestore.commit(Set("c/a", {"x": 1}))).update_times
    for wrong in (time - SECOND, time + SECOND, time - timedelta(microseconds=1)):
        with pytest.raises(StaleDocumentError) as caught:
            await firestore.commit(write_at(wrong))
        assert "c/a" == caught.value.path
        assert isinstance(caught.value.__cause__, (exceptions.FailedPrecondition, exceptions.InvalidArgument))
    assert {"x": 1} == await firestore.data("c/a")
    await firestore.commit(write_at(time))
    assert {"x": 1} != await firestore.data("c/a")


@pytest.mark.parametrize("write_at", WRITES_AT)
async def test_a_write_at_an_update_time_is_stale_if_the_document_is_gone(firestore: Any, write_at: Any) -> None:
    with pytest.raises(StaleDocumentError):
        await firestore.commit(write_at(datetime(2024, 1, 1, tzinfo=timezone.utc)))


async def test_a_commit_applies_all_or_nothing(firestore: Any) -> None:
    await firestore.commit(Set("c/there", {"x": 1}))
    with pytest.raises(DocumentAlreadyExistsError) as caught:
        await firestore.commit(Set("c/new", {}), Create("c/there", {}), Create("d/other", {}), Delete("c/there"))
    assert (None, ("c/there", "d/other")) == (caught.value.path, caught.value.candidates)
    assert [None, {"x": 1}] == [await firestore.data("c/new"), await firestore.data("c/there")]


async def test_the_candidates_are_the_writes_that_can_be_at_fault(firestore: Any) -> None:
    [time] = (await firestore.commit(Set("c/there", {"x": 1}))).update_times
    with pytest.raises(DocumentNotFoundError) as missing:
        await firestore.commit(
            Set("c/new", {}), Update("c/a", {}, ()), Delete("c/b", must_exist=True), Delete("c/x"), Create("c/y", {})
        )
    assert ("c/a", "c/b") == missing.value.candidates
    with pytest.raises(StaleDocumentError) as stale:
        await firestore.commit(
            Set("c/new", {}), Set("c/there", {}, update_time=time - SECOND), Delete("c/b", update_time=time)
        )
    assert ("c/there", "c/b") == stale.value.candidates


async def test_writes_are_applied_in_order(firestore: Any) -> None:
    await firestore.commit(
        Create("c/a", {"x": 1}),
        Update("c/a", {}, (), transforms=(change("x", Increment(1)),)),
        Delete("c/b"),
        Set("c/b", {}),
    )
    assert [{"x": 2}, {}] == [await firestore.data("c/a"), await firestore.data("c/b")]


async def test_a_commit_gives_the_times_of_the_versions_it_made(firestore: Any) -> None:
    result = await firestore.commit(Set("c/a", {"x": 1}), Create("c/b", {}), Delete("c/c"))
    [a, b] = await firestore.get("c/a", "c/b")
    assert (a.update_time, b.update_time, None) == result.update_times
    assert (result.commit_time, result.commit_time) == (a.create_time, a.update_time)
    assert timezone.utc == result.commit_time.tzinfo


async def test_a_set_that_changes_nothing_keeps_the_update_time(firestore: Any) -> None:
    first = await firestore.commit(Set("c/a", {"x": 1}))
    second = await firestore.commit(Set("c/a", {"x": 1}))
    assert first.update_times == second.update_times


async def test_what_firestore_refuses_as_malformed_has_its_own_error(firestore: Any) -> None:
    with pytest.raises(InvalidRequestError, match="array value") as caught:
        await firestore.commit(Set("c/a", {"x": [[1]]}))
    assert isinstance(caught.value.__cause__, exceptions.InvalidArgument)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (grpc.StatusCode.ALREADY_EXISTS, exceptions.AlreadyExists),
        (grpc.StatusCode.NOT_FOUND, exceptions.NotFound),
        (grpc.StatusCode.FAILED_PRECONDITION, exceptions.FailedPrecondition),
        (grpc.StatusCode.PERMISSION_DENIED, exceptions.PermissionDenied),
    ],
)
async def test_errors_without_a_cendry_meaning_pass_untouched(
    faulty: Any, make_face: Any, fault: Any, code: grpc.StatusCode, error: type[Exception]
) -> None:
    faulty.faults["Commit"] = [fault(code, "The query requires an index.")]
    # None of these writes can be to blame.
    with pytest.raises(error, match=r"The query requires an index\.") as caught:
        await make_face().commit(Set("c/a", {}), Delete("c/b"))
    assert error is type(caught.value)


def test_a_missing_database_is_no_missing_document() -> None:
    error = exceptions.NotFound("The database nope does not exist for project p.")  # type: ignore[no-untyped-call]
    assert meaning_of(error, writes=(Update("c/a", {}, ()),)) is None


def test_a_missing_document_is_stale_for_a_write_at_an_update_time() -> None:
    # Production answers so where the emulator says FAILED_PRECONDITION.
    error = exceptions.NotFound("No document to update")  # type: ignore[no-untyped-call]
    meaning = meaning_of(error, writes=(Update("c/a", {}, (), update_time=datetime.now(timezone.utc)),))
    assert isinstance(meaning, StaleDocumentError)


def test_of_many_threads_that_create_one_document_one_wins(backend: FirestoreBackend) -> None:
    outcomes: list[Any] = []

    def create(number: int) -> None:
        try:
            backend.commit([Create("c/a", {"n": number})])
            outcomes.append(number)
        except DocumentAlreadyExistsError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [winner] = [outcome for outcome in outcomes if isinstance(outcome, int)]
    assert 8 == len(outcomes)
    assert [{"n": winner}] == [result.data for result in backend.get(GetPlan(("c/a",)))]
