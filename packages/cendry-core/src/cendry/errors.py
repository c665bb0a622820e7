"""Cendry's own errors. Each message is built in one place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, Final, Literal, final

from ._immutable import dataclass

MAX_PROBLEMS: Final = 100
"""Problems that are collected in one set of data, at most, so that data with many faults costs no more than others."""

_SHOWN_PROBLEMS: Final = 3
_SHOWN_PATHS: Final = 5
_MAX_NEAR_LENGTH: Final = 100
_SHOWN_LENGTH: Final = 80


def near_names(name: object, declared: Iterable[str], count: int) -> tuple[str, ...]:
    """Declared names that are similar to another, best match first; for a long one none, since it takes too long."""
    if not isinstance(name, str) or len(name) >= _MAX_NEAR_LENGTH:
        return ()
    return tuple(get_close_matches(name, declared, count))


def _cut(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_LENGTH else f"{text[: _SHOWN_LENGTH - 3]}...")


class CendryError(Exception):
    """The base class of Cendry's errors.

    Details are available as attributes, so callers never have to parse a message. Errors can be pickled.

    Attributes:
        http_status: The HTTP status that suits a response to a request that failed with this error.
    """

    http_status: int = 500

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (type(self), self.args, self.__dict__.copy())


def _revive(kind: type[CendryError], args: tuple[Any, ...], facts: dict[str, Any]) -> CendryError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(facts)
    return error


class _DocumentError(CendryError):
    """An error about one document, or about one of several if the server doesn't say which.

    Args:
        paths: The document's path, or its collection and its id; or the paths of several documents.

    Attributes:
        path: The document's path, or `None` if it is one of several and the server doesn't say which.
        collection: The collection id of that document, or `None`.
        document_id: The id of that document, or `None`.
        candidates: The paths of all documents that the error may be about.
    """

    _one = "Document {path!r} is at fault."
    _several = "One of these documents is at fault: {paths}."

    def __init__(self, *paths: str) -> None:
        paths = _document_paths(paths)
        self.candidates: tuple[str, ...] = paths
        self.path: str | None = paths[0] if len(paths) == 1 else None
        collections = {path.split("/")[-2] for path in paths}
        self.collection: str | None = collections.pop() if len(collections) == 1 else None
        self.document_id: str | None = self.path.rpartition("/")[2] if self.path else None
        template = self._one if self.path else self._several
        shown = ", ".join(map(repr, paths[:_SHOWN_PATHS]))
        if len(paths) > _SHOWN_PATHS:
            shown += f" and {len(paths) - _SHOWN_PATHS} more"
        super().__init__(template.format(path=self.path, paths=shown))


def _document_paths(given: tuple[str, ...]) -> tuple[str, ...]:
    """The paths of documents, which may be given as one collection and one id."""
    if len(given) == 2 and given[0].count("/") % 2 == 0 and "/" not in given[1]:
        given = ("/".join(given),)
    for path in given:
        if path.count("/") % 2 == 0:
            raise ValueError(f"An error about a document takes its path, or its collection and its id, not {given!r}.")
    # A commit may have several writes of a document.
    return tuple(dict.fromkeys(given))


class DocumentNotFoundError(_DocumentError):
    """A document that must exist does not."""

    http_status = 404
    _one = "Document {path!r} does not exist. Use find() to get None instead, or save() to write it."
    _several = "One of these documents does not exist; nothing was written: {paths}."

    @classmethod
    def all_missing(cls, paths: Sequence[str]) -> DocumentNotFoundError:
        """The error for a read of several documents of which these do not exist."""
        error = cls(*paths)
        if len(paths) > 1:
            error.args = (f"These documents do not exist: {', '.join(map(repr, paths))}.",)
        return error

    @classmethod
    def by_query(cls, collection: str) -> DocumentNotFoundError:
        """The error for a query that must match one document and matches none."""
        error = cls()
        error.collection = collection
        error.args = (f"The query on {collection!r} matches no document. Use one_or_none() to get None instead.",)
        return error


class DocumentAlreadyExistsError(_DocumentError):
    """A document to be created already exists; nothing was written."""

    http_status = 409
    _one = "Document {path!r} already exists; nothing was written. Use save() to overwrite it."
    _several = "One of these documents already exists; nothing was written: {paths}."


class StaleDocumentError(_DocumentError):
    """The document of a write with `if_unchanged` has changed since; nothing was written."""

    http_status = 412
    _one = (
        "Document {path!r} has changed since it was read, or was deleted; nothing was written. "
        "refresh() it and try again."
    )
    _several = "One of these documents has changed since it was read, or was deleted; nothing was written: {paths}."


class InvalidEtagError(CendryError):
    """The etag passed as `if_unchanged=` is not one of this document; nothing was sent.

    Args:
        path: The path of the document to be written.
        etag: The etag.

    Attributes:
        path: The path of the document.
        etag: The etag.
    """

    http_status = 412

    def __init__(self, path: str, etag: str) -> None:
        self.path = path
        self.etag = etag
        shown = etag if len(etag) <= 80 else f"{etag[:77]}..."
        super().__init__(
            f"{shown!r} is not an etag of document {path!r}; nothing was written. An etag is what "
            "get_metadata(instance).etag returns; one that starts with W/ compares too weakly for a write."
        )


class OutcomeUnknownError(_DocumentError):
    """The answer to a commit was lost: either all of its writes were applied, or none.

    The error of the lost call is the `__cause__`. To continue, read the documents; a write that may be repeated, such
    as a `save`, can also be made again. Automatic ids stay on their instances, so repeating it adds no second document.

    Args:
        paths: The document's path, or its collection and its id; or the paths of several documents.
        detail: What is known of the call.

    Attributes:
        path: The path of the document, or `None` if there are several.
        collection: The collection id of the documents, or `None` if they have several.
        document_id: The id of the document, or `None` if there are several.
        candidates: The same as `paths`.
        detail: What is known of the call.
    """

    http_status = 503
    _one = "Whether the write of document {path!r} was applied is unknown. Read it before you write it again."
    _several = (
        "Whether this commit was applied, to all of its documents or to none, is unknown. "
        "Read them before you write them again: {paths}."
    )

    def __init__(self, *paths: str, detail: str = "") -> None:
        super().__init__(*dict.fromkeys(paths))
        self.detail = detail
        if detail:
            self.args = (f"{self.args[0]} The answer was lost: {detail}",)

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of the documents that may have been written."""
        return self.candidates


@final
@dataclass(frozen=True, slots=True)
class BulkFailure:
    """A write of a bulk that was not done, or of which that is not known.

    Attributes:
        path: The path of the document.
        error: Why; an `OutcomeUnknownError` if it may have been done all the same.
        attempts: How often it was sent.
    """

    path: str
    error: Exception
    attempts: int


class BulkError(CendryError):
    """Some writes of a bulk were not done; all others were.

    The error of the first one is the `__cause__`.

    Args:
        failed: The failures, at least one.
        written: How many writes were done.

    Attributes:
        failed: The failures, in the order in which they occurred.
        written: How many writes were done.
    """

    def __init__(self, failed: Sequence[BulkFailure], written: int = 0) -> None:
        self.failed: tuple[BulkFailure, ...] = tuple(failed)
        self.written = written
        shown = " ".join(f"{one.path!r}: {one.error}" for one in self.failed[:_SHOWN_PROBLEMS])
        hidden = len(self.failed) - _SHOWN_PROBLEMS
        more = f" And {hidden} more (see .failed)." if hidden > 0 else ""
        total = len(self.failed) + written
        super().__init__(f"{len(self.failed)} of {total} writes of this bulk failed. {shown}{more}")


class MissingIndexError(CendryError):
    """A query needs an index that the database does not have.

    Args:
        collection: The collection id that was queried.
        detail: Which index it is, and what to do.
        index: The index, as below.

    Attributes:
        collection: The collection id that was queried.
        index: The index in the form of `firestore.indexes.json`: an entry of `indexes`, or of `fieldOverrides` if it
            has a `fieldPath`; a list of them if several are needed, one for each part of an OR. `None` if the database
            doesn't say.
    """

    def __init__(
        self, collection: str, detail: str, index: dict[str, Any] | list[dict[str, Any]] | None = None
    ) -> None:
        self.collection = collection
        self.index = index
        super().__init__(f"The query on {collection!r} needs an index that does not exist: {detail}")

    @classmethod
    def by_descending_id(cls, collection: str) -> MissingIndexError:
        """The error for documents by id, the last one first, and by nothing else."""
        fields = '[{"fieldPath": "__name__", "order": "DESCENDING"}]'
        name = collection.replace("\\", r"\\").replace('"', r"\"")
        definition: dict[str, Any] = {"collectionGroup": collection, "queryScope": "COLLECTION"}
        return cls(
            collection,
            "Firestore has none of ids in descending order by itself. Add to indexes in firestore.indexes.json: "
            f'{{"collectionGroup": "{name}", "queryScope": "COLLECTION", "fields": {fields}}}. '
            "Google's emulator can't run this query, whatever the indexes; sort by another field there, or by id "
            "ascending, and reverse the list.",
            {**definition, "fields": [{"fieldPath": "__name__", "order": "DESCENDING"}]},
        )


class TransactionContentionError(CendryError):
    """A commit or a read was aborted because other clients lock or changed the same documents.

    Attributes:
        attempts: The number of attempts.
        outside: The path of a document that the function of the transaction wrote through the context, so outside the
            transaction; or `None`.
    """

    http_status = 503

    def __init__(self, attempts: int = 1, *, outside: str | None = None, method: str = "save") -> None:
        self.attempts = attempts
        self.outside = outside
        tried = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        if outside is None:
            super().__init__(
                f"Aborted by contention on the same documents after {tried}; nothing was written. "
                "Raise max_attempts, or touch fewer documents in one transaction."
            )
        else:
            super().__init__(
                f"Aborted by contention on the same documents after {tried}; the transaction wrote nothing. "
                f"Its function writes {outside!r} through the context, which is outside the transaction, so the two "
                f"contend with each other: use txn.{method}() instead of the context's {method}()."
            )


class InvalidDocumentIdError(CendryError, ValueError):
    """An id, a collection name or a document path that Firestore can't store; nothing was sent.

    Attributes:
        value: The value that was given.
        reason: Why it is not valid.
    """

    http_status = 422

    def __init__(self, what: str, value: object, reason: str) -> None:
        self.value = value
        self.reason = reason
        shown = repr(value)
        if len(shown) > 120:
            shown = shown[:100] + f"... ({len(shown)} characters)"
        super().__init__(f"{shown} is not a valid {what}: {reason}.")


class ForeignReferenceError(CendryError, ValueError):
    """A call names a document of another database, or a write or a query contains a reference to one; nothing was sent.

    Attributes:
        reference: The reference; `None` if it is the value of a field with `repr=False`, which is shown nowhere.
        database: The database of the context: `projects/P/databases/D`.
        model: The name of the model whose field contains the reference, or `None`.
        field: That field, or `None`.
        path: The path of the document that was to be written, or `None`.
    """

    def __init__(self, reference: object, database: str) -> None:
        self.database = database
        self.path: str | None = None
        # A query says from which of its fields a value is.
        model, field, is_hidden = getattr(reference, "_cendry_place", (None, None, False))
        self._tell(reference, model, field, is_hidden)

    def _cendry_locate(self, model: str, field: str | None, path: str | None, *, is_hidden: bool) -> None:
        """Add where the reference is, once that is known."""
        self.path = path
        self._tell(self.reference, model, field, is_hidden)

    def _tell(self, reference: object, model: str | None, field: str | None, is_hidden: bool) -> None:
        self.reference = None if is_hidden else reference
        self.model, self.field = model, field
        shown = "A reference that is not shown" if is_hidden else repr(reference)
        if field is not None:
            shown += f" in {model}.{field}"
        if self.path is not None:
            shown += f" of document {self.path!r}"
        super().__init__(
            f"{shown} points into a database other than {self.database!r}; "
            "Firestore can't follow references across databases, so it can be read but neither written nor followed."
        )


class UnknownFieldError(CendryError, TypeError):
    """A name that the model doesn't declare.

    Attributes:
        model: The name of the model.
        field: The name that was given.
        nearest: Declared names that are similar, best match first.
    """

    http_status = 422

    def __init__(self, model: str, field: str, nearest: tuple[str, ...] = ()) -> None:
        self.model = model
        self.field = field
        self.nearest = nearest
        hint = f" Did you mean {' or '.join(map(_cut, nearest))}?" if nearest else ""
        super().__init__(f"{model} has no field {_cut(field)}.{hint}")


Code = Literal[
    "missing",
    "unknown",
    "value",
    "tag",
    "gt",
    "ge",
    "lt",
    "le",
    "multiple_of",
    "min_length",
    "max_length",
    "dimension",
    "pattern",
    "predicate",
    "rule",
]


class InvalidValueError(CendryError, TypeError, ValueError):
    """A value that doesn't fit its field, or that Firestore can't store; nothing was sent.

    Attributes:
        model: The name of the model.
        field: The path of the field.
        expected: What the field accepts.
        found: What was given.
        code: As in `Problem`.
    """

    http_status = 422

    def __init__(self, model: str, field: str, expected: str, found: str, *, code: Code = "value") -> None:
        self.model = model
        self.field = field
        self.expected = expected
        self.found = found
        self.code: Code = code
        super().__init__(f"{model}.{field}: expected {expected}, found {found}.")


@final
@dataclass(frozen=True, slots=True)
class Problem:
    """One problem in data.

    Attributes:
        path: The field, from the outermost in: `mayor.name`, `regions[2]`; empty for the data as a whole. Keys in it
            are cut at 80 characters.
        expected: What the model declares.
        found: What was found, cut at 80 characters.
        code: Whether a required field is `missing`, a key `unknown`, a `value` doesn't fit, or a `tag` belongs to no
            class of a union. For a value of the declared type that breaks a constraint, its name: `gt`, `max_length`,
            `dimension`, `predicate`, ...; `rule` for what a `__validate__` rejects.
        nearest: For an unknown key, similar declared ones. They are determined for the first unknown keys only.
    """

    path: str
    expected: str
    found: str
    code: Code = "value"
    nearest: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.path or 'the data'}: expected {self.expected}, found {self.found}"


class ValidationError(InvalidValueError):
    """Data for `from_dict`, or an instance that is written, doesn't fit its model; nothing was sent.

    `field`, `expected` and `found` are those of the first problem.

    Attributes:
        problems: All problems, at most 100.
        more: Whether there are more than these.
    """

    def __init__(self, model: str, problems: Sequence[Problem], *, more: bool = False) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems[:MAX_PROBLEMS])
        self.more = more or len(problems) > MAX_PROBLEMS
        first = self.problems[0]
        super().__init__(model, first.path, first.expected, first.found, code=first.code)
        texts = list(map(str, self.problems[:_SHOWN_PROBLEMS]))
        texts[0] = f"{model}.{texts[0]}" if first.path else f"{model}{texts[0].removeprefix('the data')}"
        hidden = len(self.problems) - len(texts)
        if hidden:
            texts.append(f"and {'over ' if self.more else ''}{hidden} more problem{'s' * (hidden > 1)} (see .problems)")
        self.args = (f"{'; '.join(texts)}.",)


def omitted_none(model: str, field: str) -> InvalidValueError:
    """The error for a filter by `None` on a field whose class stores `None` as absence."""
    expected = "a value other than None, which this class stores as absence (omit_none=True): no filter finds that"
    return InvalidValueError(model, field, expected, "None")


class DecodeError(CendryError):
    """A stored document that doesn't fit its model.

    Attributes:
        path: The document's path, or `None` if the data did not come from a document.
        model: The name of the model.
        field: The path of the first field that doesn't fit.
        expected: What the model declares there.
        found: What is stored there.
        is_other_kind: Whether it is a document of another model of the same collection, by its tag; the `http_status`
            is 404 then.
    """

    def __init__(
        self,
        path: str | None,
        model: str,
        field: str,
        expected: str,
        found: str,
        *,
        more: int = 0,
        is_other_kind: bool = False,
    ) -> None:
        self.is_other_kind = is_other_kind
        if is_other_kind:
            self.http_status = 404
        self.path = path
        self.model = model
        self.field = field
        self.expected = expected
        self.found = found
        where = f"Document {path!r}" if path else "The data"
        rest = f" ({more} more problem{'s' * (more > 1)}; cendry.validate() lists them all)" if more else ""
        super().__init__(f"{where} doesn't fit {model}: {field}: expected {expected}, found {found}{rest}.")

    def after_upgrade(self, version: int, current: int) -> None:
        """Add to the message that what was found was made by upgrades from one version to another."""
        self.args = (f"{str(self).removesuffix('.')} (after its upgrade from version {version} to {current}).",)


def _of_version(path: str | None, model: str, field: str, expected: str, found: str, what: str) -> DecodeError:
    """The error about the version of a document, whose stored name is `field`, with a message of its own."""
    error = DecodeError(path, model, field, expected, found)
    error.args = (f"{f'Document {path!r}' if path else 'The data'} {what}",)
    return error


def newer_version(path: str | None, model: str, field: str, version: str, current: int) -> DecodeError:
    """The error for a document of a newer version than that of its model."""
    what = (
        f"was written by a newer model (version {version}); this one is {current}. "
        'Update this program; before the next version, declare extra="keep", which reads newer documents.'
    )
    return _of_version(path, model, field, f"at most version {current}", f"version {version}", what)


def older_version(path: str | None, model: str, field: str, version: int, oldest: int) -> DecodeError:
    """The error for a document of an older version than its model reads."""
    what = (
        f"is of version {version}, and {model} declares oldest={oldest}. "
        "Backfill the collection, or declare a lower oldest=."
    )
    return _of_version(path, model, field, f"at least version {oldest}", f"version {version}", what)


def not_upgraded(path: str | None, model: str, field: str, step: int, function: str, found: str) -> DecodeError:
    """The error for a document whose upgrade to a version fails, and what its function did."""
    what = f"can't be upgraded to version {step} of {model}: {function}() {found}."
    return _of_version(path, model, field, f"an upgrade to version {step}", f"{function}() {found}", what)


def outdated_row(path: str | None, model: str, field: str, version: int, current: int) -> DecodeError:
    """The error for a row of a document of an older version: some fields alone can't be upgraded."""
    what = (
        f"is of version {version}, and {model} of version {current}: an upgrade takes the whole document, "
        "and this query reads only some fields. Read whole documents, or backfill the collection first."
    )
    return _of_version(path, model, field, f"version {current}", f"version {version}", what)


def untagged(model: str) -> CendryError:
    """The error for storing an instance of a class whose subclasses have tags, and which has none itself."""
    return CendryError(
        f"{model} has no tag, so its own instances can't be stored, only those of its subclasses. Create one of a "
        f"subclass, or give {model} a tag= (tag=None stores none)."
    )


def shown_parts(names: Iterable[str], advice: str) -> str:
    """What a `DecodeError` finds where only these parts of a field are stored."""
    first, *others = sorted(names)
    more = f" and {len(others)} more" if others else ""
    return f"only parts of it, {first!r}{more}: {advice}"


class InvalidRequestError(CendryError, ValueError):
    """The database rejected a read or a write as malformed; nothing was written.

    Attributes:
        detail: The message of the database.
    """

    http_status = 422

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(f"The database refused the request, and nothing was written: {detail}")

    @classmethod
    def not_sent(cls, detail: str) -> InvalidRequestError:
        """The error for a request that the database would refuse, and that was not sent.

        Args:
            detail: What is wrong with it, as a sentence.
        """
        error = cls(detail)
        error.args = (f"{detail.removesuffix('.')}; nothing was sent.",)
        return error


class InvalidPageTokenError(CendryError, ValueError):
    """A page token that is not one of its query, or was changed; nothing of it was used.

    Attributes:
        reason: Why it is refused.
    """

    http_status = 422

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The page token can't be used: {reason}. Begin again with the first page.")


class InvalidUrlError(CendryError, ValueError):
    """A URL that names no database; nothing was opened.

    Attributes:
        url: The URL, without credentials and without the values of its query.
        reason: What is wrong with it.
    """

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        self.reason = reason
        super().__init__(f"{url!r} is not the URL of a database: {reason}.")


class UnsupportedByBackendError(CendryError):
    """The backend of this context does not support a feature; nothing was sent.

    Attributes:
        feature: The feature.
        backend: The name of the backend.
    """

    http_status = 501

    def __init__(self, feature: str, backend: str, advice: str) -> None:
        self.feature = feature
        self.backend = backend
        super().__init__(f"{backend} does not support {feature}. {advice}")


class UsedBeforeForkError(CendryError):
    """A forked child process used a backend that does not survive `fork()`; nothing was read or written.

    Attributes:
        backend: The name of the backend.
        process: The id of the process that used the backend before it was forked.
    """

    def __init__(self, backend: str, process: int, reason: str) -> None:
        self.backend = backend
        self.process = process
        super().__init__(
            f"{backend} was used in process {process} before fork(), and can't be used in its child: {reason}"
        )


class MultipleResultsError(CendryError):
    """`one()` or `one_or_none()` found more than one document.

    Attributes:
        collection: The collection id that was queried.
    """

    def __init__(self, collection: str) -> None:
        self.collection = collection
        super().__init__(
            f"The query on {collection!r} matches more than one document; narrow it, or use first() or limit(1)."
        )


class JobError(CendryError):
    """The base class of errors of long jobs: a migration, a backfill.

    Attributes:
        resumable: Whether the same call, repeated later, goes on where the job ended.
    """

    resumable: bool = False


class JobFileError(JobError):
    """A file of a job has content that this version can't use, or does not exist.

    Attributes:
        name: The name of the file in the job's directory.
        reason: What is wrong with it.
        line: The line at fault, from 1, or `None`.
        format_found: The format that the file has, if that is what is wrong.
        format_read: The format that this version reads, if the file has another one.
    """

    def __init__(self, name: str, reason: str, *, line: int | None = None) -> None:
        self.name = name
        self.reason = reason
        self.line = line
        self.format_found: object = None
        self.format_read: int | None = None
        super().__init__(f"{name} can't be read ({reason if line is None else f'line {line}: {reason}'}).")

    @classmethod
    def missing(cls, name: str) -> JobFileError:
        """The error for a file that must exist and does not."""
        error = cls(name, "it does not exist")
        error.args = (f"{name} does not exist in the directory of this job.",)
        return error

    @classmethod
    def of_format(cls, name: str, found: object, read: int) -> JobFileError:
        """The error for a file of another format."""
        reason = f"it is format {found!r}, this version reads {read}"
        if found is None:
            reason = f"it names no format, this version reads {read}"
        error = cls(name, reason)
        error.format_found, error.format_read = found, read
        return error

    @classmethod
    def of_another_job(cls, name: str, found: str, expected: str) -> JobFileError:
        """The error for the file of another job.

        Args:
            name: The name of the file.
            found: What that job is.
            expected: What this one is.
        """
        error = cls(name, f"it belongs to {found}")
        error.args = (f"{name} belongs to {found}, this is {expected}: use a fresh directory.",)
        return error

    @classmethod
    def of_another_plan(cls, name: str, found: str, expected: str) -> JobFileError:
        """The error for the state of another plan, or of a plan that was changed since."""
        error = cls(name, f"it belongs to plan {found}")
        error.args = (
            f"{name} belongs to plan {_short(found)}, this is {_short(expected)}: "
            "use a fresh directory, or the plan it was made with.",
        )
        return error


def _short(digest: str) -> str:
    return digest if len(digest) <= 8 else f"{digest[:8]}\N{HORIZONTAL ELLIPSIS}"


class JobStoreError(JobError):
    """The files of a job can't be read or written: a full disk, missing permissions. What was saved before is complete.

    Attributes:
        name: The name of the file in the job's directory.
        place: Where it is: a path, or a URL.
        operation: `"read"`, `"written"`, `"listed"`, `"deleted"` or `"locked"`.
    """

    resumable = True

    def __init__(self, name: str, place: str, operation: str, reason: str) -> None:
        self.name = name
        self.place = place
        self.operation = operation
        super().__init__(
            f"{place} can't be {operation}: {reason}. What was saved before is complete: mend this, and run the same "
            "command again."
        )


class JobLockedError(JobError):
    """Another process works on this job; nothing was read or written.

    Attributes:
        host: The host of that process, or `None` if it has not registered yet.
        pid: The id of that process, or `None`.
        since: When it began, in seconds since 1970, or `None`.
        age: Seconds since its last sign of life, or `None`.
    """

    resumable = True

    def __init__(
        self, what: str, host: str | None, pid: int | None, since: float | None, age: float | None, other: str = ""
    ) -> None:
        self.host = host
        self.pid = pid
        self.since = since
        self.age = age
        one = f"A {other}" if other not in ("", what) else f"Another {what}"
        if host is None or since is None or age is None:
            found = f"{one} is starting"
        else:
            seen = f"pid {pid}, seen {max(age, 0.0):.0f} s ago"
            found = f"{one} runs on host {host} since {_moment(since)} ({seen})"
        super().__init__(
            f"{found}. Wait for its end, or stop it. If it hangs or is gone, --take-over (take_over=True) goes on "
            "without it."
        )


class LockLostError(JobError):
    """Another process has taken over this job; this one writes nothing more.

    Attributes:
        host: The host of that process, or `None` if the lock was removed.
        pid: The id of that process, or `None`.
    """

    def __init__(self, what: str, host: str | None, pid: int | None) -> None:
        self.host = host
        self.pid = pid
        by = "Its lock was removed" if host is None else f"It was taken over by process {pid} on host {host}"
        super().__init__(f"This {what} has lost its lock. {by}; this process writes nothing more.")


class JobStoppedError(JobError):
    """A job was stopped before its end. All that it did is saved: the same call goes on from there.

    Attributes:
        done: How many documents were done.
    """

    resumable = True

    def __init__(self, what: str, done: int) -> None:
        self.done = done
        super().__init__(f"The {what} was stopped after {done:,} documents. Run the same command again to go on.")


def _moment(seconds: float) -> str:
    # Slow to import, and rarely needed.
    from datetime import datetime, timezone

    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
