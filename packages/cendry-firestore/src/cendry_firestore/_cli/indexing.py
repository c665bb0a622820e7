"""Indexes, from the command line: files that are read and written, and what is printed of them. Nothing is sent."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from tempfile import mkstemp
from typing import Any, Final, TypeVar

from cendry._command.failing import FINE, PROBLEMS, WrongUseError
from cendry._command.loading import load_models
from cendry._command.printing import Printer, ask
from cendry._immutable import dataclass
from cendry.errors import JobError
from cendry.indexes import (
    FieldOverride,
    Index,
    IndexConflictError,
    Indexes,
    Need,
    check,
    combine,
    derive,
    from_datastore,
    merge,
    parse_indexes,
    read_recording,
    to_firebase,
    to_gcloud,
    to_terraform,
)
from cendry.indexes.datastore import path_of
from cendry.indexes.recording import other_collections
from cendry.indexes.serving import problems_in
from cendry.paths import FieldPath

T = TypeVar("T")

_BOM: Final = b"\xef\xbb\xbf"


class UnwrittenFileError(JobError):
    """A file can't be written: a full disk, missing permissions. It is as it was."""

    resumable = True

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"{path} can't be written: {reason}. It is unchanged: mend this, and run the same command again."
        )


@dataclass(frozen=True, slots=True)
class Output:
    """The form in which indexes are printed.

    Attributes:
        form: `firebase`, `gcloud` or `terraform`.
        project: The project that commands and resources name, or `None`.
        database: Their database, or `None`.
    """

    form: str
    project: str | None
    database: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """What indexes are wanted for.

    Attributes:
        wanted: What models declare.
        needs: What queries need.
        warnings: What is to be told of both.
        recordings: The files that the needs are from.
    """

    wanted: Indexes
    needs: tuple[Need, ...]
    warnings: tuple[str, ...]
    recordings: tuple[str, ...] = ()


def asked_for(specs: Sequence[str], recordings: Sequence[str], *, debug: bool) -> Asked:
    """Read models and recordings.

    Args:
        specs: The models, as `app.models` or `app.models:City`.
        recordings: The files.
        debug: Whether an error of a module's own propagates.

    Raises:
        WrongUseError: There are no such models, or a file is not a recording, or one of other models.
        IndexConflictError: Two models of one collection contradict each other.
    """
    if not specs and not recordings:
        raise WrongUseError("Name the models, app.models, or a recording of their queries, --recording FILE.")
    models = load_models(specs, debug=debug) if specs else []
    try:
        wanted = derive(*models)
    except TypeError as error:
        raise WrongUseError(str(error)) from error
    needs: dict[Need, None] = {}
    for path in recordings:
        needs.update(dict.fromkeys(_read(path, lambda path: read_recording(path, *models))))
    others = ", ".join(map(repr, other_collections(needs, models)))
    warning = f"Queries on {others} are recorded too, and none of these models is of that collection; they count."
    return Asked(wanted, tuple(needs), (warning,) if others else (), tuple(recordings))


def print_derived(printer: Printer, asked: Asked, output: Output) -> int:
    """Print the indexes that models and queries need; returns the exit code."""
    found = combine(asked.wanted, asked.needs)
    _warn(asked.warnings)
    return _print_indexes(printer, found, output)


def print_translated(printer: Printer, path: str, renamed: Sequence[str], output: Output) -> int:
    """Print what takes the place of the indexes of Datastore mode; returns the exit code.

    Args:
        printer: Prints it.
        path: The `index.yaml`.
        renamed: The collections of kinds that are called otherwise, as `Kind=collection`.
        output: The form.
    """
    collections: dict[str, str] = {}
    for each in renamed:
        kind, _, collection = each.partition("=")
        if not kind or not collection:
            raise WrongUseError(f"--collection takes KIND=COLLECTION, not {each!r}.")
        collections[kind] = collection
    text = _read(path, _text_of).decode("utf-8-sig")
    kinds: set[str] = set()

    def field_of(kind: str, name: str) -> FieldPath:
        kinds.add(kind)
        return path_of(kind, name)

    found = _read(path, lambda path: from_datastore(text, collections, paths=field_of, name=path))
    unknown = sorted(collections.keys() - kinds)
    _warn(f"{path} has no index of the kind {kind!r}, which --collection names." for kind in unknown)
    return _print_indexes(printer, found, output)


def print_check(printer: Printer, path: str, asked: Asked, *, enterprise: bool, again: str) -> int:
    """Compare a file with what is needed, and print what is missing; returns the exit code.

    Args:
        printer: Prints it.
        path: The file.
        asked: What is needed.
        enterprise: Whether the database scans where it has no index, so that missing ones are advice. A time to live
            is not: without it, documents are never deleted.
        again: The arguments of `merge` that add what is missing.
    """
    text = _read(path, _indexes_of).decode("utf-8-sig")
    have = _read(path, lambda path: parse_indexes(text, path))
    found = check(have, asked.needs, asked.wanted, name=path)
    warnings = [*found.warnings, *asked.warnings]
    missing = _entries(found.missing)
    # Without a recording, every index would be one that no recorded query uses.
    unused = _entries(found.unused) if asked.recordings else []
    printer.result({"file": path, "missing": missing, "unused": unused, "warnings": warnings})
    demanded = [each for each in found.missing if not enterprise or _is_expiry(each, have)]
    advised = _entries(each for each in found.missing if each not in demanded)
    if not missing:
        count = len(asked.needs)
        queries = "1 recorded query" if count == 1 else f"{count:,} recorded queries"
        printer.line(f"{path} serves all that is needed{f': {queries}' if asked.recordings else ''}")
    for verb, some in (("missing", _entries(demanded)), ("could be added", advised)):
        for what, entries in (("indexes", _composites(some)), ("fieldOverrides", _overrides(some))):
            if entries:
                printer.line(f"{verb} in {what}:")
                _print_entries(printer, entries)
    if unused:
        printer.line("used by no recorded query, but perhaps by other programs:")
        _print_entries(printer, unused)
    _warn(warnings)
    if advised:
        which = "what could be added" if demanded else "them"
        printer.line(f"The Enterprise edition answers without {which}, by reading more documents.")
    if not demanded:
        return FINE
    printer.line(f"Add them: cendry-firestore indexes merge {again}")
    return PROBLEMS


def _is_expiry(found: Index | FieldOverride, have: Indexes) -> bool:
    """Whether what is missing is a time to live, and not the indexes of its field alone."""
    if not isinstance(found, FieldOverride) or not found.ttl:
        return False
    place = found.collection, found.path
    return not any(each.ttl for each in have.overrides if (each.collection, each.path) == place)


def merge_into(printer: Printer, path: str, asked: Asked, *, prune: bool, yes: bool) -> int:
    """Add to a file what is missing, and print it; returns the exit code.

    Args:
        printer: Prints it.
        path: The file.
        asked: What is needed.
        prune: Whether indexes that no query uses are removed.
        yes: Whether nobody is asked before.
    """
    if prune and not asked.needs:
        raise WrongUseError("--prune removes what no recorded query uses, and none is recorded: pass --recording FILE.")
    raw = _read(path, _indexes_of)
    bom = _BOM if raw.startswith(_BOM) else b""
    text = raw[len(bom) :].decode()
    have = _read(path, lambda path: parse_indexes(text, path))
    found = check(have, asked.needs, asked.wanted, name=path)
    merged = merge(text, asked.wanted, asked.needs, prune=prune, name=path)
    removed = _entries(found.unused) if prune else []
    if removed and not yes:
        _print_entries(printer, removed)
        count = "this index" if len(removed) == 1 else f"these {len(removed)} indexes"
        ask(f"remove {count} from {path}?", "it stays in the database until it is deployed")
    if merged != text:
        _write(path, bom + merged.encode())
    added = _entries(found.missing)
    warnings = [*parse_indexes(merged, path).warnings, *asked.warnings]
    printer.result({"file": path, "added": added, "removed": removed, "warnings": warnings})
    printer.line(f"{path}: {len(added)} added, {len(removed)} removed" if merged != text else f"{path}: unchanged")
    for sign, entries in (("+", added), ("-", removed)):
        _print_entries(printer, entries, sign)
    _warn(warnings)
    return FINE


def with_conflicts(printer: Printer, work: Callable[[], int]) -> int:
    """Do the work of a command; a conflict of what is needed with what is declared is printed, and is exit code 1."""
    try:
        return work()
    except IndexConflictError as error:
        printer.result({"conflict": str(error)})
        sys.stderr.write(f"conflict: {error} Nothing was written.\n")
        return PROBLEMS


# --- files ---


def _text_of(path: str) -> bytes:
    with open(path, "rb") as file:
        raw = file.read()
    raw.decode()
    return raw


def _indexes_of(path: str) -> bytes:
    if not os.path.exists(path):
        missing = os.strerror(errno.ENOENT)
        raise WrongUseError(f"{path}: {missing}. `cendry-firestore indexes derive` prints a new one.")
    return _text_of(path)


def _read(path: str, read: Callable[[str], T]) -> T:
    try:
        return read(path)
    except UnicodeDecodeError as error:
        raise WrongUseError(f"{path} is not text in UTF-8.") from error
    except ValueError as error:
        raise WrongUseError(str(error)) from error
    except OSError as error:
        raise WrongUseError(f"{path}: {error.strerror}.") from error


def _write(path: str, content: bytes) -> None:
    """Replace a file as a whole, so that it is never half written; a link still leads to it.

    Raises:
        UnwrittenFileError: It can't be written; it is as it was, and nothing else is left.
    """
    target = os.path.realpath(path)
    try:
        descriptor, draft = mkstemp(prefix=f"{os.path.basename(target)}.", dir=os.path.dirname(target))
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
            shutil.copymode(target, draft)
            os.replace(draft, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(draft)
            raise
    except OSError as error:
        raise UnwrittenFileError(path, error.strerror or str(error)) from error


# --- printing ---


def _print_indexes(printer: Printer, found: Indexes, output: Output) -> int:
    _warn(problems_in(found.indexes, found.overrides))
    if output.form == "firebase":
        sys.stdout.write(to_firebase(found))
    elif output.form == "gcloud":
        commands = to_gcloud(found, project=output.project, database=output.database)
        printer.result({"commands": commands})
        for command in commands:
            printer.line(command)
    else:
        text = to_terraform(found, project=output.project, database=output.database)
        printer.result({"terraform": text})
        if not printer.as_json:
            sys.stdout.write(text)
    return FINE


def _entries(found: Iterable[Index | FieldOverride]) -> list[dict[str, Any]]:
    return [each.to_json() for each in found]


def _composites(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in entries if "fields" in each]


def _overrides(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in entries if "fields" not in each]


def _print_entries(printer: Printer, entries: list[dict[str, Any]], sign: str = "") -> None:
    for each in entries:
        printer.line(f"  {sign}{' ' if sign else ''}{json.dumps(each, ensure_ascii=False)}")


def _warn(warnings: Iterable[str]) -> None:
    for warning in warnings:
        sys.stderr.write(f"warning: {warning}\n")
