"""Metadata of instances: the path of the document, and the version that was last read or written."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple, TypeVar, cast

from .._interop.protobuf import EPOCH, MICROSECOND
from .._types.evolutions import UPGRADED, Upgraded
from ..errors import CendryError, InvalidEtagError, UnsupportedByBackendError
from ..paths import exact_text, shortened, split_path
from ..reference import Ref, located_path
from .model import Model

M = TypeVar("M", bound=Model)

# Compiled when the first etag comes: at import it would take longer than the rest of this module.
_ETAG: Final = r'(?P<quote>"?)(?P<time>[0-9a-f]{1,15})-(?P<path>[0-9a-f]{8})(?P=quote)'
# What may be in a list: any etag of anybody (https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3), and ours unquoted.
_ANY_ETAG: Final = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"|[0-9a-f]{1,15}-[0-9a-f]{8}'


class DocumentMetadata(NamedTuple):
    """What the database reported about the document of an instance.

    Attributes:
        path: The document's path: `cities/SF`.
        create_time: When the document was created, to the microsecond, aware; `None` after `save` of an instance
            that was never read.
        update_time: When the version that the instance holds was written, likewise.
        read_time: The moment of the read or of the commit, likewise.
    """

    path: str
    create_time: datetime | None
    update_time: datetime
    read_time: datetime | None

    @property
    def etag(self) -> str:
        """The version as an opaque text, with its quotes: the value of an HTTP header `ETag`, and of `if_unchanged=`.

        Raises:
            UnsupportedByBackendError: The database keeps no times.
        """
        check_times(self)
        return f'"{(self.update_time - EPOCH) // MICROSECOND:x}-{_checksum(self.path):08x}"'


def times_of_etags(text: str, path: str) -> list[datetime]:
    """The update times in the etags of a document, which come from outside, with their quotes or without.

    Args:
        text: One etag, or several, as the header `If-Match` has them. Those of other documents and weak ones are left
            out.
        path: The path of the document.

    Raises:
        InvalidEtagError: It is malformed, or there is none of this document.
    """
    text = exact_text(text)
    empty = r"[ \t,]*"
    if not re.fullmatch(rf"{empty}(?:{_ANY_ETAG})(?:[ \t]*,{empty}(?:{_ANY_ETAG}))*{empty}", text):
        raise InvalidEtagError(path, text)
    own = f"{_checksum(path):08x}"
    times: list[datetime] = []
    for etag in re.findall(_ANY_ETAG, text):
        match = re.fullmatch(_ETAG, etag)
        if match is not None and match["path"] == own:
            try:
                times.append(EPOCH + int(match["time"], 16) * MICROSECOND)
            except OverflowError:
                # No document is as old as that.
                continue
    if not times:
        raise InvalidEtagError(path, text)
    return times


@cache
def _crc32() -> Callable[[bytes], int]:
    # Imported here, since few programs use etags.
    from zlib import crc32

    return crc32


def _checksum(path: str) -> int:
    return _crc32()(path.encode())


class _Deleted(DocumentMetadata):
    """Metadata of a document that was deleted through its instance: the path is kept, but no version."""

    __slots__ = ()


# Faster than calling the class, and reads are a hot path.
new_metadata = cast("Callable[[type[DocumentMetadata], Any], DocumentMetadata]", cast("Any", tuple).__new__)


def get_metadata(instance: Model) -> DocumentMetadata:
    """What the database reported when the document of this instance was last read or written.

    Args:
        instance: An instance that a context read or wrote; copies and unpickled ones keep it.

    Returns:
        The path and the times of the document.

    Raises:
        CendryError: The instance was neither read nor written, or its id was changed or its document deleted since.
        UnsupportedByBackendError: Its database keeps no times; use `ref_of` for the path.
        TypeError: It is not an instance of a model.
    """
    _instance_of_model(instance)
    known = remembered(instance)
    if known is None:
        raise CendryError(
            f"{_shown(instance)} has no metadata: it was neither read nor written through a context, "
            "or its id was changed since. get() or save() it first."
        )
    if isinstance(known, _Deleted):
        raise CendryError(
            f"{_shown(instance)} has no metadata: document {known.path!r} was deleted through this instance."
        )
    check_times(known)
    return known


def check_times(known: DocumentMetadata) -> None:
    """Reject metadata of a database that keeps no times.

    Raises:
        UnsupportedByBackendError: It keeps none.
    """
    if _update_time(known) is None:
        raise UnsupportedByBackendError(
            "create, update and read times",
            f"The database of document {known.path!r}",
            "Firestore in Native mode does, and if_unchanged= relies on them. ref_of() returns where a document lives.",
        )


def ref_of(instance: M) -> Ref[M]:
    """Return a reference to the document of an instance.

    Raises:
        CendryError: The instance has no id, or its model declares a parent that isn't known.
    """
    check_instance(instance)
    return Ref.from_path(located_path(instance), model=type(instance))


def check_instance(value: object) -> None:
    """Check that a value is an instance of a model that has a collection.

    Raises:
        TypeError: It is something else: a class, a `Map`, an instance of an abstract model.
    """
    if not isinstance(value, Model):
        raise _not_an_instance(value)
    model = type(value)
    if model.__collection__ is None:
        raise TypeError(f"{model.__qualname__} is abstract: it has no collection to write to.")


def _instance_of_model(value: object) -> Model:
    if not isinstance(value, Model):
        raise _not_an_instance(value)
    return value


def _not_an_instance(value: object) -> TypeError:
    return TypeError(f"Expected an instance of a Model, not {shortened(value)}.")


def remembered(instance: Model) -> DocumentMetadata | None:
    """The metadata of an instance if it still has the id that it was read or written with, else `None`."""
    known = cast("DocumentMetadata | None", instance.__dict__.get("_cendry_metadata"))
    if known is None:
        return None
    document_id = instance.id
    # Checked here already, since a call would cost more: writes are a hot path.
    if type(document_id) is not str:
        document_id = exact_text(document_id)
    return known if known.path.rpartition("/")[2] == document_id else None


def known_update_time(instance: Model) -> datetime | None:
    """When the version that the instance holds was written, if that is known.

    Raises:
        UnsupportedByBackendError: Its database keeps no times.
    """
    known = remembered(instance)
    if known is None or isinstance(known, _Deleted):
        return None
    check_times(known)
    return known.update_time


def upgraded(instance: Model) -> Upgraded | None:
    """What an instance remembers of its document, if it was read in another version than that of its model.

    `None` for one of the current version, and if the id was changed since: another document is written then.
    """
    known = cast("Upgraded | None", instance.__dict__.get(UPGRADED))
    return None if known is None or remembered(instance) is None else known


def forget_upgraded(instance: Model) -> None:
    """Note that the document of an instance is of the current version now."""
    vars(instance).pop(UPGRADED, None)


def parent_of(instance: Model) -> str | None:
    """The path of the document below which an instance was read or written; kept when the id changes."""
    known = cast("DocumentMetadata | None", instance.__dict__.get("_cendry_metadata"))
    return None if known is None else split_path(known.path)[0]


def attach(
    instance: Model,
    path: str,
    create_time: datetime | None,
    update_time: datetime | None,
    read_time: datetime | None,
) -> None:
    """Record the path of an instance's document and the version that the instance holds."""
    known = new_metadata(DocumentMetadata, (path, create_time, update_time, read_time))
    object.__setattr__(instance, "_cendry_metadata", known)


def attach_deleted(instance: Model, path: str) -> None:
    """Record the path of an instance's deleted document, to which another save writes."""
    object.__setattr__(instance, "_cendry_metadata", _Deleted(path, None, cast("datetime", None), None))


def _update_time(known: DocumentMetadata) -> datetime | None:
    # For a database that keeps no times, only the path is recorded.
    return cast("datetime | None", known.update_time)


def _shown(instance: Model) -> str:
    return f"This {type(instance).__qualname__} (id {instance.id!r})"
