"""Errors: facts as attributes, messages that say what to do, pickles."""

from __future__ import annotations

import copy
import pickle

import pytest
from cendry import errors
from cendry.errors import (
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
    StaleDocumentError,
    TransactionContentionError,
    UnknownFieldError,
    UnsupportedByBackendError,
    UsedBeforeForkError,
)

ERRORS = [
    CendryError("It is closed."),
    DecodeError("cities/SF", "City", "name", "str", "int 5"),
    DocumentAlreadyExistsError("cities/SF"),
    DocumentNotFoundError("cities/SF", "cities/LA"),
    DocumentNotFoundError.by_query("cities"),
    DocumentNotFoundError.all_missing(["cities/SF", "cities/LA"]),
    ForeignReferenceError("Ref", "projects/p/databases/d"),
    InvalidDocumentIdError("document id", "a/b", "it contains '/'"),
    InvalidRequestError("too many"),
    InvalidValueError("City", "name", "str", "int 5"),
    MissingIndexError("cities", "make one"),
    MultipleResultsError("cities"),
    StaleDocumentError("cities/SF"),
    TransactionContentionError(3),
    UnknownFieldError("City", "nme", ("name",)),
    UnsupportedByBackendError("OR", "Datastore", "Migrating to Native mode gives it."),
    UsedBeforeForkError("Firestore", 123, "fork first."),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_pickle_and_copy_with_their_facts(error: CendryError) -> None:
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (type(error), str(error), vars(error)) == (type(again), str(again), vars(again))
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
