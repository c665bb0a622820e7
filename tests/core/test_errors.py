"""Errors: facts as attributes, messages that say what to do, pickles."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from cendry import errors
from cendry.errors import (
    BulkError,
    BulkFailure,
    CendryError,
    DecodeError,
    DocumentAlreadyExistsError,
    DocumentNotFoundError,
    ForeignReferenceError,
    InvalidDocumentIdError,
    InvalidRequestError,
    InvalidValueError,
    MissingIndexError,
    MultipleResultsError,
    OutcomeUnknownError,
    Problem,
    StaleDocumentError,
    TransactionContentionError,
    UnknownFieldError,
    UnsupportedByBackendError,
    UsedBeforeForkError,
    ValidationError,
)

ERRORS = [
    BulkError([BulkFailure("cities/SF", DocumentNotFoundError("cities/SF"), 1)], 5),
    CendryError("It is closed."),
    DecodeError("cities/SF", "City", "name", "str", "int 5"),
    DocumentAlreadyExistsError("cities/SF"),
    DocumentNotFoundError("cities/SF", "cities/LA"),
    DocumentNotFoundError.by_query("cities"),
    DocumentNotFoundError.all_missing(["cities/SF", "cities/LA"]),
    ForeignReferenceError("Ref", "projects/p/databases/d"),
    InvalidDocumentIdError("document id", "a/b", "it contains '/'"),
    errors.InvalidEtagError("cities/SF", "x"),
    errors.InvalidPageTokenError("it is not text"),
    InvalidRequestError("too many"),
    errors.JobError("It failed."),
    errors.JobFileError("plan.json", "it holds a list, not an object", line=1),
    errors.JobFileError.of_format("plan.json", 2, 1),
    errors.JobFileError.of_another_job("backfill.json", "x on a", "x on b"),
    errors.JobLockedError("copy", "h", 7, 1_800_000_000.0, 5.0),
    errors.JobStoppedError("copy", 6000),
    errors.JobStoreError("plan.json", "job/plan.json", "written", "No space left on device"),
    errors.LockLostError("copy", "h", 7),
    errors.InvalidUrlError("x", "it does not begin with a scheme"),
    InvalidValueError("City", "name", "str", "int 5"),
    MissingIndexError("cities", "make one"),
    MultipleResultsError("cities"),
    OutcomeUnknownError("cities/SF", detail="503 Socket closed"),
    StaleDocumentError("cities/SF"),
    TransactionContentionError(3),
    UnknownFieldError("City", "nme", ("name",)),
    UnsupportedByBackendError("OR", "Datastore", "Migrating to Native mode gives it."),
    UsedBeforeForkError("Firestore", 123, "fork first."),
    ValidationError("City", [Problem("name", "str", "int 5"), Problem("", "a dict", "int 5")]),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_pickle_and_copy_with_their_facts(error: CendryError) -> None:
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        # Errors are not equal to their copies, and one may hold others.
        assert (type(error), str(error), repr(vars(error))) == (type(again), str(again), repr(vars(again)))
        assert isinstance(again, CendryError)


def test_every_error_is_among_them() -> None:
    public = {each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, CendryError)}
    assert {each for each in public if not each.__name__.startswith("_")} == {type(error) for error in ERRORS}


def test_an_error_about_one_document_names_it() -> None:
    error = DocumentNotFoundError("cities/SF/areas/m")
    assert ("areas", "m", "cities/SF/areas/m") == (error.collection, error.document_id, error.path)
    assert "Document 'cities/SF/areas/m' does not exist." in str(error)


def test_an_error_about_one_of_several_names_the_candidates() -> None:
    error = StaleDocumentError("cities/SF", "cities/LA")
    assert ("cities", None, None) == (error.collection, error.document_id, error.path)
    assert ("cities/SF", "cities/LA") == error.candidates
    assert str(error).endswith("nothing was written: 'cities/SF', 'cities/LA'.")
    assert None is DocumentAlreadyExistsError("cities/SF", "towns/x").collection
    # With several writes of one document, it is that one.
    assert "cities/SF" == StaleDocumentError("cities/SF", "cities/SF").path


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (DocumentNotFoundError.all_missing(["c/a"]), "Document 'c/a' does not exist. Use find()"),
        (DocumentNotFoundError.all_missing(["c/a", "c/b"]), "These documents do not exist: 'c/a', 'c/b'."),
        (DocumentNotFoundError.by_query("c"), "The query on 'c' matches no document."),
        (TransactionContentionError(), "after 1 attempt"),
        (TransactionContentionError(7), "after 7 attempts"),
        (
            UnknownFieldError("City", "nme", ("name", "names")),
            "City has no field 'nme'. Did you mean 'name' or 'names'?",
        ),
        (UnknownFieldError("City", "x"), "City has no field 'x'."),
        (
            DecodeError(None, "City", "n", "int", "nothing"),
            "The data doesn't fit City: n: expected int, found nothing.",
        ),
        (DecodeError("c/a", "City", "n", "int", "x", more=1), "(1 more problem; cendry.validate() lists them all)."),
        (DecodeError("c/a", "City", "n", "int", "x", more=2), "(2 more problems; cendry.validate() lists them all)."),
        (MissingIndexError("c", "make one"), "The query on 'c' needs an index that does not exist: make one"),
    ],
)
def test_messages_say_what_happened(error: CendryError, message: str) -> None:
    assert message in str(error)


DOCUMENT_ERRORS = [DocumentNotFoundError, DocumentAlreadyExistsError, StaleDocumentError, OutcomeUnknownError]


@pytest.mark.parametrize("kind", DOCUMENT_ERRORS)
@pytest.mark.parametrize(
    ("given", "path"),
    [
        (("cities", "SF"), "cities/SF"),
        (("cities/SF",), "cities/SF"),
        (("cities/SF/areas", "m"), "cities/SF/areas/m"),
    ],
)
def test_an_error_about_a_document_takes_its_path_or_collection_and_id(
    kind: type[Any], given: tuple[str, ...], path: str
) -> None:
    error = kind(*given)
    assert path.split("/")[-2:] == [error.collection, error.document_id]
    assert path == error.path
    assert (path,) == error.candidates
    assert repr(path) in str(error)
    assert vars(error) == vars(pickle.loads(pickle.dumps(error)))


@pytest.mark.parametrize("kind", DOCUMENT_ERRORS)
@pytest.mark.parametrize("given", [("cities",), ("cities", "a/b"), ("cities/SF/areas",), ("a", "b", "c"), ("",)])
def test_what_is_not_a_document_is_refused_by_name(kind: type[Any], given: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="takes its path, or its collection and its id"):
        kind(*given)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (CendryError, 500),
        (DecodeError, 500),
        (DocumentAlreadyExistsError, 409),
        (DocumentNotFoundError, 404),
        (ForeignReferenceError, 500),
        (InvalidDocumentIdError, 422),
        (errors.InvalidEtagError, 412),
        (errors.InvalidPageTokenError, 422),
        (InvalidRequestError, 422),
        (errors.InvalidUrlError, 500),
        (InvalidValueError, 422),
        (MissingIndexError, 500),
        (MultipleResultsError, 500),
        (OutcomeUnknownError, 503),
        (StaleDocumentError, 412),
        (TransactionContentionError, 503),
        (UnknownFieldError, 422),
        (UnsupportedByBackendError, 501),
        (errors.UsedBeforeForkError, 500),
    ],
)
def test_each_error_has_an_http_status(kind: type[CendryError], status: int) -> None:
    assert status == kind.http_status


def test_an_unknown_outcome_names_the_documents_and_what_to_do() -> None:
    one = OutcomeUnknownError("cities/SF", detail="503 Socket closed.")
    assert ("cities/SF",) == one.paths
    assert (
        "Whether the write of document 'cities/SF' was applied is unknown. Read it before you write it again. "
        "The answer was lost: 503 Socket closed." == str(one)
    )
    several = OutcomeUnknownError(*(f"c/{number}" for number in range(7)), "c/0")
    assert ("c/0", "c/1", "c/2", "c/3", "c/4", "c/5", "c/6") == several.paths
    assert "to all of its documents or to none, is unknown. Read them" in str(several)
    assert str(several).endswith("'c/0', 'c/1', 'c/2', 'c/3', 'c/4' and 2 more.")


def test_an_order_by_descending_ids_names_its_index() -> None:
    message = str(MissingIndexError.by_descending_id('a"\\b'))
    definition = message[message.index("{") : message.rindex("}") + 1]
    assert {
        "collectionGroup": 'a"\\b',
        "queryScope": "COLLECTION",
        "fields": [{"fieldPath": "__name__", "order": "DESCENDING"}],
    } == json.loads(definition)
    assert "Google's emulator can't run this query" in message


def test_a_request_that_is_not_sent_says_so() -> None:
    error = InvalidRequestError.not_sent("limit takes at most 5, not 6.")
    assert "limit takes at most 5, not 6; nothing was sent." == str(error)
    assert "limit takes at most 5, not 6." == error.detail
    assert str(error) == str(pickle.loads(pickle.dumps(error)))
