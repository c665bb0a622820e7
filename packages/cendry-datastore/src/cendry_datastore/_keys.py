"""Document paths and Datastore's keys, one to one: the paths are those of Native mode, after a migration.

An integer id is `__id<n>__`; a name that Native mode can't hold is escaped as Google's import escapes it. Neither
form can be a name in Datastore mode, which reserves `__...__`.
"""

from __future__ import annotations

import logging
import re
from dataclasses import field
from typing import Any, Final

from cendry._immutable import dataclass
from cendry.errors import ForeignReferenceError, InvalidDocumentIdError
from cendry.paths import exact_text
from cendry.reference import Ref

_log: Final = logging.getLogger("cendry")
_NUMBERED: Final = re.compile(r"__id(-?[0-9]+)__\Z")
_ESCAPED: Final = re.compile(r"__esc(.*)__\Z", re.DOTALL)
# Google's import has no token for NUL: Firestore takes it in ids, and Cendry refuses it everywhere.
_TOKENS: Final = {"~0": "~", "~1": "/", "~2": ".", "~9": "\0"}
_NUL: Final = "\0"
_DOTS: Final = {".": "~2", "..": "~2~2"}
_NAMESPACE: Final = re.compile(r"[0-9A-Za-z._-]{0,100}\Z")


def check_namespace(namespace: object) -> str:
    """Return a valid namespace, `""` for the default one, or refuse it.

    Raises:
        InvalidDocumentIdError: It isn't 1 to 100 of the characters that Datastore takes
            (https://cloud.google.com/datastore/docs/concepts/multitenancy).
    """
    if namespace is None:
        return ""
    text = exact_text(namespace)
    if type(text) is not str or not _NAMESPACE.match(text):
        reason = "it has up to 100 letters, digits, dots, underscores and dashes; check the namespace= of the backend"
        raise InvalidDocumentIdError("namespace", namespace, reason)
    return text


@dataclass(frozen=True, slots=True)
class Partition:
    """Where the documents of a backend live: Datastore's term for project, database and namespace.

    Attributes:
        project: The project id.
        database: The database id; empty for the default one.
        namespace: The namespace; empty for the default one.
        reported: The kinds and names that Native mode can't hold, and that were reported already.
        max_inflated: The most bytes of a value that ndb compressed; 0 if what ndb stores in its own forms isn't read.
    """

    project: str
    database: str
    namespace: str
    reported: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]], compare=False, repr=False)
    max_inflated: int = field(default=0, compare=False, repr=False)

    @property
    def name(self) -> str:
        """How references from other partitions name this one, as Native mode will."""
        return partition_name(self.project, self.database, self.namespace)

    def report(self, what: str, name: str) -> None:
        """Log, once, a kind or a name that can't be in a path."""
        if (what, name) not in self.reported:
            self.reported.add((what, name))
            shown = shown_name(name)
            _log.warning("The %s %r can't be in Native mode or in a path; it is shown as %r", what, name, shown)

    def fill(self, message: Any) -> None:
        """Fill a `PartitionId` message."""
        message.project_id = self.project
        message.database_id = self.database
        message.namespace_id = self.namespace


def partition_name(project: str, database: str, namespace: str) -> str:
    """`projects/P/databases/D`, and the namespace after it if it isn't the default one."""
    name = f"projects/{project}/databases/{database or '(default)'}"
    return f"{name}/namespaces/{namespace}" if namespace else name


def fill_key(key: Any, path: str, partition: Partition) -> None:
    """Fill a `Key` message from a document path.

    Raises:
        InvalidDocumentIdError: A kind or an id has the form of an escaped name, and no name is escaped so.
    """
    partition.fill(key.partition_id)
    segments = exact_text(path).split("/")
    for kind, document_id in zip(segments[::2], segments[1::2], strict=True):
        element = key.path.add(kind=_unescaped(kind) if kind.startswith("__") else kind)
        if not document_id.startswith("__"):
            element.name = document_id
        elif numbered := _NUMBERED.match(document_id):
            element.id = int(numbered[1])
        else:
            element.name = _unescaped(document_id)


def _unescaped(document_id: str) -> str:
    escaped = _ESCAPED.match(document_id)
    if escaped is None:
        return document_id
    name = re.sub("~[0129]", lambda token: _TOKENS[token[0]], escaped[1])
    if shown_name(name) != document_id:
        raise InvalidDocumentIdError(
            "document id", document_id, "ids of the form __esc...__ stand for names that Native mode can't hold"
        )
    return name


def shown_name(name: str) -> str:
    """The segment of a path for a kind or an entity's name."""
    if "/" in name or _NUL in name:
        return f"__esc{name.replace('~', '~0').replace('/', '~1').replace(_NUL, '~9')}__"
    return f"__esc{_DOTS[name]}__" if name in _DOTS else name


def key_path(key: Any, partition: Partition) -> str:
    """The document path of a complete `Key` message."""
    segments = [f"{_shown('kind', one.kind, partition)}/{shown_id(one, partition)}" for one in key.path]
    return "/".join(segments)


def shown_id(element: Any, partition: Partition) -> str:
    """The document id that one element of a complete key stands for."""
    name = element.name
    if not name:
        return f"__id{element.id}__"
    # Most names are shown as they are: without a call, since this is done for each entity that is read.
    return name if name.isalnum() else _shown("name", name, partition)


def _shown(what: str, name: str, partition: Partition) -> str:
    if "/" in name or _NUL in name or name in _DOTS:
        partition.report(what, name)
        return shown_name(name)
    return name


def decode_key(key: Any, partition: Partition) -> Ref[Any]:
    """A key that is a value, as a reference; one into another partition names it."""
    stored = key.partition_id
    path = key_path(key, partition)
    other = partition_name(stored.project_id or partition.project, stored.database_id, stored.namespace_id)
    if other != partition.name:
        return Ref.from_path(path, database=other)
    try:
        return Ref.from_path(path)
    except InvalidDocumentIdError:
        # A kind that no path can hold; with its partition it can be read.
        return Ref.from_path(path, database=other)


def fill_reference(key: Any, ref: Ref[Any], partition: Partition) -> None:
    """Fill a `Key` message from a reference.

    Raises:
        ForeignReferenceError: It points into another project, database or namespace.
    """
    if ref.database is not None and ref.database != partition.name:
        raise ForeignReferenceError(ref, partition.name)
    fill_key(key, ref.path, partition)
