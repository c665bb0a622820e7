"""Field paths, document paths and ids: parsing, quoting, validation. All input is untrusted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import Any, Final, final

from .errors import InvalidDocumentIdError

MAX_ID_BYTES: Final = 1500
"""Bytes of UTF-8 in a document id, a collection id or a field name (https://firebase.google.com/docs/firestore/quotas)."""

MAX_PATH_BYTES: Final = 6 * 1024
"""Bytes of a whole document name (https://firebase.google.com/docs/firestore/quotas)."""

MAX_PATH_DEPTH: Final = 100
"""Levels of subcollections (https://firebase.google.com/docs/firestore/quotas)."""

MAX_FIELD_SEGMENTS: Final = 20
"""Names in a field path; maps are nested no deeper."""

MAX_FIELD_PATH_BYTES: Final = 1500
"""Bytes of UTF-8 in a field path."""

_SIMPLE_SEGMENT: Final = re.compile(r"[A-Za-z_][A-Za-z_0-9]*\Z")
_RESERVED: Final = re.compile(r"__.*__\Z", re.DOTALL)
# Matches most document and collection ids, which are valid then. The length is only a bound, far below the limit.
_PLAIN: Final = re.compile(r"(?!__)[A-Za-z0-9_-]{1,200}\Z")
# A shorter path is below both limits: it has a quarter of the bytes at most, and each level takes 4 characters.
_FEW_CHARACTERS: Final = 4 * MAX_PATH_DEPTH
# The same for paths: 12 levels of them are far below both limits.
_PLAIN_PATH: Final = re.compile(
    r"(?:(?!__)[A-Za-z0-9_-]{1,200}/(?!__)[A-Za-z0-9_-]{1,200}/){0,11}"
    r"(?!__)[A-Za-z0-9_-]{1,200}/(?!__)[A-Za-z0-9_-]{1,200}\Z"
)
# Ids that an import from Datastore mode creates: integer ids, and escaped names.
_IMPORTED_ID: Final = re.compile(r"__(?:id(?:-?[1-9][0-9]{0,18})|esc.*)__\Z", re.DOTALL)
_INT64: Final = range(-(2**63), 2**63)


def exact_text(value: Any) -> Any:
    """Text of a subclass of `str` as an exact `str`, and anything else as it is.

    Whatever becomes part of a path, of a name or of source has to pass this: a subclass may have any methods. An enum
    member that is a `str` stands for its value.
    """
    if type(value) is str or not isinstance(value, str):
        return value
    if isinstance(value, Enum) and isinstance(value._value_, str):
        value = value._value_
    return str.__str__(value)


def _checked_text(what: str, value: object) -> str:
    text = exact_text(value)
    if type(text) is not str:
        raise InvalidDocumentIdError(what, value, f"it must be a str, not {type(value).__name__}")
    if reason := _reason_to_refuse(text):
        raise InvalidDocumentIdError(what, text, reason)
    return text


def _reason_to_refuse(value: str) -> str | None:
    if not value:
        return "it is empty"
    if value in (".", ".."):
        return "a lone '.' or '..' is reserved"
    if "/" in value:
        return "it contains '/', which separates path segments"
    if "\0" in value:
        return "it contains a NUL character"
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return "it contains a lone surrogate, which UTF-8 can't hold"
    if size > MAX_ID_BYTES:
        return f"it has {size} bytes of UTF-8, and the limit is {MAX_ID_BYTES}"
    return None


def _is_imported_id(value: str) -> bool:
    if not _IMPORTED_ID.match(value):
        return False
    return value.startswith("__esc") or int(value[4:-2]) in _INT64


def check_document_id(value: object) -> str:
    """Return a document id, as an exact `str`, if it is valid.

    Valid ids are 1 to 1,500 bytes of UTF-8 without `/` and NUL that are not `.`, `..` or `__...__`, except for
    ids that an import from Datastore mode creates (`__id<n>__`, `__esc...__`).

    Raises:
        InvalidDocumentIdError: The id is not valid.
    """
    if type(value) is str and _PLAIN.match(value):
        return value
    text = _checked_text("document id", value)
    if _RESERVED.match(text) and not _is_imported_id(text):
        raise InvalidDocumentIdError("document id", text, "names of the form __...__ are reserved")
    return text


def check_collection_id(value: object) -> str:
    """Return a collection id, as an exact `str`, if it is valid: by the rules of document ids, without exceptions.

    Raises:
        InvalidDocumentIdError: The name is not valid.
    """
    if type(value) is str and _PLAIN.match(value):
        return value
    text = _checked_text("collection name", value)
    if _RESERVED.match(text):
        raise InvalidDocumentIdError("collection name", text, "names of the form __...__ are reserved")
    return text


def check_field_name(value: object) -> str | None:
    """The reason why the `exact_text` of a value can't be a stored field name or map key, or `None` if it can.

    Field names may contain any character, including `/` and `.`; they are 1 to 1,500 bytes of UTF-8 and not `__...__`.
    """
    value = exact_text(value)
    if type(value) is not str:
        return f"a key must be a str, not {type(value).__name__}"
    if not value:
        return "a key must not be empty"
    if _RESERVED.match(value):
        return "keys of the form __...__ are reserved"
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return "a key must not contain a lone surrogate"
    if size > MAX_ID_BYTES:
        return f"a key has at most {MAX_ID_BYTES} bytes of UTF-8, not {size}"
    return None


def join_path(parent: str | None, collection: str, document_id: object) -> str:
    """The path of a document, relative to the database: `cities/SF/areas/mission`.

    Args:
        parent: The path of the parent document; `None` at the root.
        collection: A collection id that was checked when its model was defined.
        document_id: The id, checked here.

    Raises:
        InvalidDocumentIdError: The id is not valid, or the whole path is too long or too deep.
    """
    path = f"{collection}/{check_document_id(document_id)}"
    if parent:
        path = f"{parent}/{path}"
        if len(path) < _FEW_CHARACTERS:
            return path
        size = len(path.encode())
        if size > MAX_PATH_BYTES:
            reason = f"it has {size} bytes, and the limit is {MAX_PATH_BYTES}"
            raise InvalidDocumentIdError("document path", path, reason)
        if path.count("/") // 2 + 1 > MAX_PATH_DEPTH:
            raise InvalidDocumentIdError("document path", path, f"it is over {MAX_PATH_DEPTH} levels deep")
    return path


def check_document_path(path: object) -> str:
    """Return a document path (`collection/id`, repeated), as an exact `str`, if it is valid.

    Raises:
        InvalidDocumentIdError: A segment is not valid, or a collection has no id.
    """
    if type(path) is str and _PLAIN_PATH.match(path):
        return path
    text = exact_text(path)
    if type(text) is not str:
        raise InvalidDocumentIdError("document path", path, f"it must be a str, not {type(path).__name__}")
    segments = text.split("/")
    if len(segments) % 2:
        raise InvalidDocumentIdError("document path", text, "it must alternate collections and ids: 'cities/SF'")
    parent: str | None = None
    for collection, document_id in zip(segments[::2], segments[1::2], strict=True):
        parent = join_path(parent, check_collection_id(collection), document_id)
    assert parent is not None
    return parent


def split_path(path: str) -> tuple[str | None, str, str]:
    """Take a document path apart: the parent document's path (`None` at the root), the collection id, the id."""
    head, _, document_id = path.rpartition("/")
    parent, _, collection = head.rpartition("/")
    return parent or None, collection, document_id


class LongPathError(ValueError):
    """A field path has too many segments or bytes."""


def shortened(value: object) -> str:
    """The repr of a value from outside for a message, cut at 80 characters."""
    try:
        shown = repr(value[:80] if type(value) is str else value)
    except Exception as error:  # A failing repr must not hide what is wrong.
        shown = f"<repr raised {type(error).__name__}>"
    return shown if len(shown) <= 80 else shown[:77] + "..."


def _too_long(text: str) -> LongPathError:
    return LongPathError(
        f"{shortened(text)} is not a field path: it has over {MAX_FIELD_SEGMENTS} segments or over "
        f"{MAX_FIELD_PATH_BYTES} bytes of UTF-8."
    )


@final
class FieldPath:
    """The path of a stored field in a document, segment by segment; segments are never parsed.

    `FieldPath("a", "b")` is the field `b` of the map `a`, and `FieldPath("a.b")` is a field whose name
    contains a dot. Names are the stored ones: aliases are not translated.

    Args:
        segments: The names, from the outermost in: 1 to 20, of 1,500 bytes of UTF-8 with the dots between them.

    Raises:
        ValueError: There is no segment, or one is empty or can't be stored, or the path is too long.
    """

    __slots__ = ("segments",)
    segments: tuple[str, ...]

    def __init__(self, *segments: str) -> None:
        if not segments:
            raise ValueError("FieldPath takes at least one segment.")
        if len(segments) > MAX_FIELD_SEGMENTS:
            raise _too_long(".".join(map(str, segments[:MAX_FIELD_SEGMENTS])))
        segments = tuple(map(exact_text, segments))
        if segments != ("__name__",):
            for segment in segments:
                reason = check_field_name(segment)
                if reason:
                    raise ValueError(f"{shortened(segment)} is not a valid segment of a field path: {reason}.")
            if len(segments) > 1 and len(text := ".".join(segments).encode()) > MAX_FIELD_PATH_BYTES:
                raise _too_long(text.decode())
        object.__setattr__(self, "segments", segments)

    @classmethod
    def parse(cls, text: str) -> FieldPath:
        """Parse Firestore's string form: segments joined by dots, those that need it in backticks (``a.`b.c` ``).

        Raises:
            ValueError: The text is not in that form, or too long.
        """
        return cls(*_parse_segments(exact_text(text)))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"FieldPath is immutable; can't set {name!r}.")

    def __truediv__(self, segment: str) -> FieldPath:
        return FieldPath(*self.segments, segment)

    def __iter__(self) -> Iterator[str]:
        return iter(self.segments)

    def __len__(self) -> int:
        return len(self.segments)

    def __eq__(self, other: object) -> bool:
        return self.segments == other.segments if isinstance(other, FieldPath) else NotImplemented

    def __lt__(self, other: FieldPath) -> bool:
        return self.segments < other.segments

    def __hash__(self) -> int:
        return hash((FieldPath, self.segments))

    def __str__(self) -> str:
        """Firestore's string form, with segments quoted where needed."""
        return ".".join(map(quote_segment, self.segments))

    def __repr__(self) -> str:
        return f"FieldPath({', '.join(map(repr, self.segments))})"

    def __reduce__(self) -> tuple[Any, ...]:
        return FieldPath, self.segments

    def is_prefix_of(self, other: FieldPath) -> bool:
        """Whether `other` is this field or is inside it."""
        return other.segments[: len(self.segments)] == self.segments


DOCUMENT_ID: Final = FieldPath("__name__")
"""The document's own name, for filters, orders and cursors on the id."""


def quote_segment(segment: str) -> str:
    """One segment in Firestore's string form: bare if it is a simple name, otherwise in backticks."""
    if _SIMPLE_SEGMENT.match(segment):
        return segment
    return "`" + segment.replace("\\", "\\\\").replace("`", "\\`") + "`"


# Each character may be escaped, and each segment quoted.
_MAX_TEXT: Final = 2 * MAX_FIELD_PATH_BYTES + 2 * MAX_FIELD_SEGMENTS
_TOKEN: Final = re.compile(r"`((?:[^`\\]|\\.)*)`|([^`.]+)", re.DOTALL)


def _parse_segments(text: str) -> list[str]:
    if len(text) > _MAX_TEXT:
        raise _too_long(text)
    segments: list[str] = []
    position = 0
    while True:
        if len(segments) == MAX_FIELD_SEGMENTS:
            raise _too_long(text)
        token = _TOKEN.match(text, position)
        if token is None:
            raise ValueError(f"{shortened(text)} is not a field path: a segment is empty or a backtick is not closed.")
        quoted, bare = token.groups()
        segments.append(bare if quoted is None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL))
        position = token.end()
        if position == len(text):
            return segments
        if text[position] != ".":
            raise ValueError(f"{shortened(text)} is not a field path: expected '.' at position {position}.")
        position += 1
