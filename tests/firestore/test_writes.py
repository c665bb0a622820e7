from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from cendry.errors import (
    DocumentAlreadyExistsError,
    DocumentNotFoundError,
    InvalidRequestError,
    StaleDocumentError,
)
from cendry.plan import Create, Delete, Set, Update, Write
from cendry_firestore._errors import meaning_of
from cendry_memory.testing import Database
from firestore.faulty import Fault, FaultyServer
from google.api_core import exceptions

# The emulator has two words for a version that is not there.
MISMATCH = (exceptions.FailedPrecondition, exceptions.InvalidArgument)


def test_the_candidates_are_the_writes_that_can_be_at_fault(db: Database) -> None:
    [time] = db.commit(Set("c/there", {"x": 1})).update_times
    assert time is not None
    early = time - timedelta(seconds=1)
    with pytest.raises(DocumentAlreadyExistsError) as existing:
        db.commit(Set("c/new", {}), Create("c/there", {}), Create("d/other", {}), Delete("c/there"))
    with pytest.raises(DocumentNotFoundError) as missing:
        db.commit(
            Set("c/new", {}), Update("c/a", {}, ()), Delete("c/b", must_exist=True), Delete("c/x"), Create("c/y", {})
        )
    with pytest.raises(StaleDocumentError) as stale:
        db.commit(Set("c/new", {}), Set("c/there", {}, update_time=early), Delete("c/b", update_time=time))
    assert ("c/there", "d/other") == existing.value.candidates
    assert ("c/a", "c/b") == missing.value.candidates
    assert ("c/there", "c/b") == stale.value.candidates
    assert [None] * 3 == [existing.value.path, missing.value.path, stale.value.path]


def test_errors_with_a_meaning_are_caused_by_the_sdks(db: Database) -> None:
    db.commit(Set("c/there", {"x": 1}))
    refused: list[tuple[Write, type[Exception], Any]] = [
        (Create("c/there", {}), DocumentAlreadyExistsError, exceptions.AlreadyExists),
        (Update("c/none", {}, ()), DocumentNotFoundError, exceptions.NotFound),
        (Set("c/there", {}, update_time=datetime(2024, 1, 1, tzinfo=timezone.utc)), StaleDocumentError, MISMATCH),
        (Set("c/a", {"x": [[1]]}), InvalidRequestError, exceptions.InvalidArgument),
    ]
    for write, error, cause in refused:
        with pytest.raises(error) as caught:
            db.commit(write)
        assert isinstance(caught.value.__cause__, cause)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (grpc.StatusCode.ALREADY_EXISTS, exceptions.AlreadyExists),
        (grpc.StatusCode.NOT_FOUND, exceptions.NotFound),
        (grpc.StatusCode.FAILED_PRECONDITION, exceptions.FailedPrecondition),
        (grpc.StatusCode.PERMISSION_DENIED, exceptions.PermissionDenied),
    ],
)
def test_errors_without_a_cendry_meaning_pass_untouched(
    faulty: FaultyServer,
    make_db: Callable[..., Database],
    fault: type[Fault],
    code: grpc.StatusCode,
    error: type[Exception],
) -> None:
    faulty.faults["Commit"] = [fault(code, "The query requires an index.")]
    # None of these writes can be to blame.
    with pytest.raises(error, match=r"The query requires an index\.") as caught:
        make_db().commit(Set("c/a", {}), Delete("c/b"))
    assert error is type(caught.value)


def test_a_missing_database_is_no_missing_document() -> None:
    error = exceptions.NotFound("The database nope does not exist for project p.")
    assert meaning_of(error, writes=(Update("c/a", {}, ()),)) is None


def test_a_missing_document_is_stale_for_a_write_at_an_update_time() -> None:
    # Production answers so where the emulator says FAILED_PRECONDITION.
    error = exceptions.NotFound("No document to update")
    meaning = meaning_of(error, writes=(Update("c/a", {}, (), update_time=datetime.now(timezone.utc)),))
    assert isinstance(meaning, StaleDocumentError)
