"""Writes of some fields of documents that may be of an older version of their model.

An upgrade takes the whole document, and would overwrite what was written to an old one. Such a write is therefore made
together with the upgrade. Nothing is read or sent here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from .._immutable import replace
from .._model.metadata import remembered, upgraded
from .._model.model import Model
from .._query.results import stored_fields
from .._types.evolutions import Evolution, evolution_of
from ..backend import StoredDocument
from ..codec import Codec
from ..codec.upgrading import class_of_document, compared, require_known, version_of
from ..errors import CendryError
from ..paths import FieldPath
from ..plan import Delete, FieldTransform, Set, Update
from ..values import Maximum
from .writes import Changed, Pending, are_current, discard


class Known(NamedTuple):
    """The version of a document that a transaction has read.

    Attributes:
        evolution: The versions that it is one of.
        version: The version.
    """

    evolution: Evolution
    version: int


def note(known: dict[str, Known], value: object) -> None:
    """Remember the version of a document that was read; nothing, if it isn't one of a model with versions."""
    if isinstance(value, Model):
        evolution = evolution_of(type(value))
        if evolution is not None:
            document = remembered(value)
            assert document is not None, "it was just read"
            other = upgraded(value)
            known[document.path] = Known(evolution, evolution.version if other is None else other.version)


def check_current(model: type[Any], what: str) -> None:
    """Check that a class reads no older version than its own, so that changes need not read the version.

    Args:
        model: The class.
        what: What changes documents, as the subject of a sentence.

    Raises:
        CendryError: It reads older ones.
    """
    evolution = evolution_of(model)
    if evolution is not None and not are_current(evolution):
        name, version = model.__qualname__, evolution.version
        raise CendryError(
            f"{what} can't read the stored version of a {name}, which has version={version}, and an older document "
            "would lose the change with its next upgrade. Use the method of the context, or one in a transaction, "
            f"which reads it; or backfill the collection, and then declare oldest={version}."
        )


def without_reading(pending: Pending, what: str) -> Pending:
    """A write as it is made where the version of its document can't be read.

    It writes the version, which a document that it creates has to have, but never lowers one.

    Args:
        pending: The write.
        what: What makes it, as the subject of a sentence.

    Raises:
        CendryError: It depends on the version, and the document may be of an older one.
    """
    evolution, codec = pending.evolution, pending.codec
    if evolution is None or codec is None:
        return pending
    try:
        check_current(codec.model, what)
    except CendryError:
        discard([pending])
        raise
    version = FieldTransform(FieldPath(evolution.version_field), Maximum(evolution.version))
    # An update doesn't depend on the version here, as the document exists.
    write = cast("Set", pending.write)
    pending.write = replace(write, transforms=(*write.transforms, version))
    pending.evolution = None
    return pending


def unknown_paths(pending: Iterable[Pending], known: Mapping[str, Known]) -> tuple[str, ...]:
    """The documents that have to be read before these writes are made.

    Args:
        pending: The writes of a commit.
        known: The versions that its transaction has read.
    """
    found: dict[str, None] = {}
    written: set[str] = set()
    for one in pending:
        path = one.write.path
        if path not in written and one.evolution is not None and not _is_current(one.evolution, known.get(path)):
            found[path] = None
        written.add(path)
    return tuple(found)


def _is_current(evolution: Evolution, known: Known | None) -> bool:
    return known is not None and known.evolution is evolution and known.version >= evolution.version


def completed(pending: Sequence[Pending], stored: Mapping[str, StoredDocument], changed: Changed) -> list[Pending]:
    """The writes of a commit, with the upgrades of the documents that they change.

    Args:
        pending: The writes.
        stored: The documents that had to be read.
        changed: Returns the data of an update in the form that the backend needs.

    Raises:
        DecodeError: A document is of a version that its model doesn't read, or can't be upgraded.
    """
    found: list[Pending] = []
    # Whether a document exists after the writes so far.
    exists: dict[str, bool] = {}
    for one in pending:
        path = one.write.path
        is_first = path not in exists
        if one.evolution is None or (path not in stored if is_first else exists[path]):
            found.append(one)
        else:
            found += _completed(one, stored[path] if is_first else None, changed)
        exists[path] = not isinstance(one.write, Delete)
    return found


def _completed(pending: Pending, found: StoredDocument | None, changed: Changed) -> Sequence[Pending]:
    write, evolution = cast("Set | Update", pending.write), cast("Evolution", pending.evolution)
    codec = cast("Codec[Any]", pending.codec)
    path, model, field = write.path, codec.model, evolution.version_field
    if found is None or not found.exists:
        # An update is refused. All others create the document.
        return [pending] if isinstance(write, Update) else [pending, _upgrade(path, evolution, codec, {}, (), changed)]
    stored = stored_fields(codec, found)
    version = version_of(evolution, stored, path, model)
    if version > evolution.version:
        kind = class_of_document(model, stored, path)
        require_known(evolution, version, path, kind, keeps=cast("Any", kind).__cendry_extra__ == "keep")
    if version >= evolution.version:
        return [pending]
    before = {name: value for name, value in stored.items() if name != field}
    after = codec.upgraded_fields(before, version, path)
    names = sorted(compared(version, before, after).changed)
    data = {name: after[name] for name in names if name in after}
    upgrade = _upgrade(path, evolution, codec, data, names, changed)
    if write.update_time is None:
        return [upgrade, pending]
    # The first write changes the update time.
    upgrade.write = replace(cast("Update", upgrade.write), update_time=write.update_time)
    rest = replace(write, update_time=None)
    return [upgrade, Pending(rest, pending.instance, pending.new_id, pending.values, codec)]


def _upgrade(
    path: str,
    evolution: Evolution,
    codec: Codec[Any],
    data: dict[str, Any],
    names: Sequence[str],
    changed: Changed,
) -> Pending:
    """A write of fields that upgrades have changed, and of the current version."""
    field = evolution.version_field
    mask = tuple([FieldPath(name) for name in (*names, field)])
    return Pending(Update(path, changed(codec, {**data, field: evolution.version}), mask))
