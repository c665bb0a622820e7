"""Commits kept in a file: an SQLite database in WAL mode, one transaction for each commit.

A process that is killed at any moment leaves every commit it acknowledged, and no half of another. (When the whole
computer loses power, the last commits can be lost, and still no half of one is there.)
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NoReturn

from cendry import _fork
from cendry._types.kinds import ROWS, microseconds_of, moment_of
from cendry.errors import CendryError, UsedBeforeForkError

from ._indexes import Version
from ._values import Fields, kind_of, restored

APPLICATION_ID: Final = 0x43454E44
"""Marks the file as one of this library ("CEND"), in its header (https://www.sqlite.org/fileformat.html)."""

FORMAT: Final = 1
"""The version of what is in the file."""

_HEADER_BYTES: Final = 100

_TABLES: Final = (
    "CREATE TABLE documents (path TEXT PRIMARY KEY, data TEXT NOT NULL, create_time INTEGER NOT NULL, "
    "update_time INTEGER NOT NULL, checksum INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE state (last_commit INTEGER NOT NULL, checksums INTEGER NOT NULL, total INTEGER NOT NULL)",
)
_SCHEMA: Final = (
    *_TABLES,
    "INSERT INTO state VALUES (0, 0, 0)",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {FORMAT}",
)
_UPDATE_STATE: Final = "UPDATE state SET last_commit = ?, checksums = checksums + ?, total = checksums + ?"


class StoreFileError(CendryError):
    """The file of a store can't be used: it is another program's, damaged, open elsewhere, or can't be written.

    Attributes:
        path: The file.
    """

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        super().__init__(f"{path!r} {reason}")


class _Inherited:
    """Replaces a connection that a forked child has inherited, and must not even close.

    SQLite would move the log to the main file then, and delete it, while the parent still writes to it.
    """

    in_transaction = False

    def execute(self, *_: Any) -> NoReturn:
        raise sqlite3.ProgrammingError("the file was opened before fork()")

    def close(self) -> None:
        """Leave the file as it is."""


class Journal:
    """The file of a store, open and locked until it is closed.

    Args:
        path: The file; made if it is not there.

    Attributes:
        is_open: Whether it can be written.
        inherited_from: The process that has it open, if this is a forked child of it.

    Raises:
        StoreFileError: The file can't be used; it stays as it was.
    """

    is_open = False

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: str = os.path.abspath(os.fspath(path))
        self.last_commit: datetime | None = None
        self._documents: list[tuple[str, Version]] = []
        self.inherited_from: int | None = None
        self._process = os.getpid()
        _check_header(self.path)
        try:
            connection = _connect(self.path, "mode=rwc")
        except sqlite3.Error as error:
            raise _unusable(self.path, error) from error
        self._connection: sqlite3.Connection | _Inherited = connection
        # SQLite follows links before it names the log.
        log = f"{os.path.realpath(self.path)}-wal"
        try:
            _keep_log_on_close(connection, os.path.exists(log) and os.path.getsize(log) > 0)
            self._open()
            _keep_log_on_close(connection, False)
        except BaseException:
            connection.close()
            raise
        self.is_open = True

    def _open(self) -> None:
        try:
            # Kept until the connection is closed, or the process ends in whatever way.
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._connection.execute("BEGIN EXCLUSIVE")
            if self._value("PRAGMA application_id") == 0 and self._value("SELECT count(*) FROM sqlite_master") == 0:
                for statement in _SCHEMA:
                    self._connection.execute(statement)
            self._check()
            self._load()
            # Not before: to begin already mends what is wrong in the header, for whoever commits.
            self._connection.execute("COMMIT")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise StoreFileError(
                    self.path, "is already open, in this process or another one; close that backend first."
                ) from error
            raise _unusable(self.path, error) from error
        except (sqlite3.Error, ValueError, TypeError, OverflowError, RecursionError, CendryError) as error:
            if isinstance(error, StoreFileError):
                raise
            raise _damaged(self.path, str(error)) from error

    def _value(self, statement: str) -> Any:
        return self._connection.execute(statement).fetchone()[0]

    def _check(self) -> None:
        version = self._value("PRAGMA user_version")
        if version != FORMAT:
            raise StoreFileError(
                self.path, f"has format {version}, and this version of cendry-memory reads format {FORMAT}."
            )
        answer = self._value("PRAGMA quick_check(1)")
        if answer != "ok":
            raise _damaged(self.path, answer)
        if {sql for (sql,) in self._connection.execute("SELECT sql FROM sqlite_master")} != {*_TABLES}:
            raise _damaged(self.path, "its tables are not those of a store")

    def _load(self) -> None:
        [state] = self._connection.execute("SELECT * FROM state")
        last = state[0]
        self.last_commit = moment_of(last) if last else None
        checksums = 0
        for path, data, create_time, update_time, checksum in self._connection.execute("SELECT * FROM documents"):
            if checksum != _checksum(path, data, create_time, update_time):
                raise _damaged(self.path, f"the checksum of document {path!r} is wrong")
            version = Version(decoded(data), moment_of(create_time), moment_of(update_time))
            self._documents.append((path, version))
            checksums += checksum
        # Each document may be as it was written, and yet others be missing or older.
        if state != (last, checksums, last + checksums):
            raise _damaged(self.path, "its documents are not those of its last commit")

    def documents(self) -> Iterator[tuple[str, Version]]:
        """What was kept, once."""
        documents, self._documents = self._documents, []
        return iter(documents)

    def write(self, changes: Iterable[tuple[str, Version | None]], moment: datetime) -> None:
        """Keep the changes of one commit, all or none; they are kept when this returns.

        Raises:
            StoreFileError: They could not be kept, and none of them was.
        """
        try:
            self._connection.execute("BEGIN")
            checksums = 0
            for path, version in changes:
                for (checksum,) in self._connection.execute("SELECT checksum FROM documents WHERE path = ?", (path,)):
                    checksums -= checksum
                if version is None:
                    self._connection.execute("DELETE FROM documents WHERE path = ?", (path,))
                else:
                    row = _row(path, version)
                    self._connection.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?)", row)
                    checksums += row[-1]
            last = microseconds_of(moment)
            self._connection.execute(_UPDATE_STATE, (last, checksums, last + checksums))
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise StoreFileError(self.path, f"could not be written, and nothing was committed: {error}.") from error

    def has(self, moment: datetime) -> bool:
        """Whether an interrupted `write` of the commit of this moment was completed; undo it if it was not.

        Raises:
            StoreFileError: The file can't be read.
        """
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            return bool(self._value("SELECT last_commit FROM state") == microseconds_of(moment))
        except sqlite3.Error as error:
            raise StoreFileError(self.path, f"can't be read: {error}.") from error

    def check_open(self) -> None:
        """Refuse to continue without the file.

        Raises:
            StoreFileError: The file was closed.
            UsedBeforeForkError: The file was opened before this process was forked.
        """
        if self.is_open:
            return
        if self.inherited_from is not None:
            raise inherited(self.path, self.inherited_from)
        raise StoreFileError(self.path, "was closed by this backend; make a new one to open it again.")

    def after_fork(self) -> None:
        """Leave the file to the parent of this process."""
        if self.is_open:
            _fork.keep(self._connection)
            self._connection = _Inherited()
            self.inherited_from = self._process
            self.is_open = False

    def close(self) -> None:
        """Close the file, and let others open it. May be called twice."""
        if self.is_open:
            self._connection.close()
            self.is_open = False

    def __del__(self) -> None:
        # A connection alone would wait for the garbage collector, since it is in a cycle with its statement cache.
        self.close()


class ClosedJournal(Journal):
    """The file of a store, closed."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.last_commit = None
        self.inherited_from = None
        self._documents = []


def inherited(path: str, process: int) -> UsedBeforeForkError:
    """The error of a child process for a file that was opened before the fork."""
    return UsedBeforeForkError(
        "Memory",
        process,
        f"the file {path!r} was open there, and only one process at a time can have it open. Open it after the fork, "
        "in one process.",
    )


def _connect(path: str, options: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{Path(path).as_uri()}?{options}", uri=True, isolation_level=None, check_same_thread=False, timeout=0
    )


def _check_header(path: str) -> None:
    """Refuse a file of another kind, and leave it as it is.

    SQLite reads it, without locks and without its log. A file that is opened and closed outside of SQLite loses the
    locks that this process holds on it, in whatever way; SQLite defers the closing.
    """
    try:
        size = os.path.getsize(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unusable(path, error) from error
    if not size:
        return
    # To SQLite, a file with half a header is an empty one.
    if size < _HEADER_BYTES:
        raise _foreign(path)
    try:
        with closing(_connect(path, "mode=ro&immutable=1")) as connection:
            # Without it, a file is malformed that a process killed while it moved its log to the file left shorter than
            # its header says; SQLite completes it from the log when it is opened.
            connection.execute("PRAGMA writable_schema = ON")
            [found] = connection.execute("PRAGMA application_id").fetchone()
    except sqlite3.OperationalError as error:
        raise _unusable(path, error) from error
    except sqlite3.DatabaseError as error:
        raise (_foreign(path) if "not a database" in str(error) else _damaged(path, str(error))) from error
    if found != APPLICATION_ID:
        raise _foreign(path)


def _unusable(path: str, error: Exception) -> StoreFileError:
    return StoreFileError(path, f"can't be opened: {error}.")


def _foreign(path: str) -> StoreFileError:
    return StoreFileError(path, "is not a file of cendry-memory; it was left as it is.")


def _damaged(path: str, reason: str) -> StoreFileError:
    return StoreFileError(path, f"is damaged, and was left as it is: {reason}.")


def _keep_log_on_close(connection: sqlite3.Connection, keep: bool) -> None:
    # Closing would move what a killed process left in the log to the main file; a damaged one should stay as it is.
    # Pythons before 3.12 can't ask for it.
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep)


# --- rows ---


def _row(path: str, version: Version) -> tuple[str, str, int, int, int]:
    data = encoded(version.data)
    create_time, update_time = microseconds_of(version.create_time), microseconds_of(version.update_time)
    return path, data, create_time, update_time, _checksum(path, data, create_time, update_time)


def _checksum(path: str, data: str, create_time: int, update_time: int) -> int:
    return zlib.crc32(f"{path}\n{create_time}\n{update_time}\n{data}".encode())


_FORMS: Final = {row.python: row.json for row in ROWS if row.json}
_LOADERS: Final = {form.tag: form.load for form in _FORMS.values()}


def _tagged(value: Any) -> dict[str, Any]:
    form = _FORMS[kind_of(value)]
    return {form.tag: form.dump(value)}


def _untagged(fields: dict[str, Any]) -> Any:
    if len(fields) != 1:
        return fields
    [(tag, content)] = fields.items()
    load = _LOADERS.get(tag)
    return fields if load is None else load(content)


_encoder: Final = json.JSONEncoder(default=_tagged, ensure_ascii=False, separators=(",", ":"), check_circular=False)
_decoder: Final = json.JSONDecoder(object_hook=_untagged)


def encoded(fields: Mapping[str, Any]) -> str:
    """Stored fields as JSON; types that it lacks are objects with one reserved name."""
    return _encoder.encode(fields)


def decoded(text: str) -> Fields:
    """Stored fields out of JSON.

    Raises:
        ValueError: The text is not such JSON.
    """
    fields: Any = _decoder.decode(text)
    if kind_of(fields) is not dict:
        raise ValueError("a document's data is not an object")
    return restored(fields)
