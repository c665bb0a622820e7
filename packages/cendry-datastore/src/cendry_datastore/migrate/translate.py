"""Entities of Datastore as documents of Firestore, message to message. Nothing here sends or waits.

Names are those that Google's own import gives: `__id7__` for integer ids, `__esc...__` for names that Firestore can't
hold, and key paths as nested paths.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from cendry.errors import CendryError, InvalidDocumentIdError
from cendry.paths import MAX_FIELD_SEGMENTS, quote_segment

from .. import _sdk
from .._keys import Partition, fill_key, partition_name, shown_name
from .reports import Trap
from .sizes import check, check_path
from .transforms import MAX_INFLATED, Tree
from .values import Change, Foreign, Place, Transform

LEGACY_TYPE: Final = "__legacy_entity__"
"""What `__type__` holds in a map that was an embedded entity with a key; the key is in `__name__`."""

_NONE: Final[Mapping[str, Any]] = MappingProxyType({})


class UntranslatableError(CendryError):
    """An entity can't be a document of Firestore.

    Attributes:
        reason: Why it can't.
        field: The path of the field, in Firestore's string form; empty if it isn't one field.
    """

    http_status = 422

    def __init__(self, reason: str, field: str = "") -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.reason = reason
        self.field = field


class Translator:
    """Makes documents of entities.

    It can be used by several threads.

    Args:
        home: The project, database and namespace of the entities.
        target: The database of the documents.
        transforms: Changes of fields, for all kinds.
        foreign: What becomes of keys into another project, database or namespace: `refuse` refuses the entity,
            `rewrite` lets them refer to documents of the target, `string` stores them as text.
        collections: The collection ids of kinds that get another one.
        exempt: The paths of fields without an index, by kind.
    """

    __slots__ = (
        "_collections",
        "_exempt",
        "_foreign",
        "_given",
        "_home",
        "_prefix",
        "_trees",
        "_writers",
        "home",
        "target",
    )

    def __init__(
        self,
        home: Partition,
        target: Place,
        transforms: Sequence[Transform] = (),
        *,
        foreign: Foreign = "refuse",
        collections: Mapping[str, str] = _NONE,
        exempt: Mapping[str, Collection[str]] = _NONE,
    ) -> None:
        self.home = home
        self.target = target
        self._home = home.project, home.database, home.namespace
        self._prefix = f"{target.name}/documents/"
        self._foreign: Foreign = foreign
        self._given = dict(collections)
        self._collections: dict[str, str] = {}
        self._exempt = exempt
        kinds = dict.fromkeys(one.kind for one in transforms)
        self._trees = {kind: Tree(one for one in transforms if one.kind == kind) for kind in kinds}
        self._writers: dict[str | None, Callable[[Any, Any, str, list[Trap]], None]] = {
            "null_value": _write_null,
            "boolean_value": _write_boolean,
            "integer_value": _write_integer,
            "double_value": _write_double,
            "timestamp_value": _write_timestamp,
            "string_value": _write_string,
            "blob_value": _write_bytes,
            "geo_point_value": _write_geo_point,
            "key_value": self._write_key,
            "array_value": self._write_array,
            "entity_value": self._write_entity,
            None: _refuse_unknown,
        }

    def name(self, key: Any) -> str:
        """The full name of the document of an entity.

        Args:
            key: The entity's `Key` message.

        Raises:
            UntranslatableError: No document can have it.
        """
        return self._name(key, [])

    def full_name(self, path: str) -> str:
        """The full name of a document of the target."""
        return self._prefix + path

    def path(self, name: str) -> str:
        """The path of a document of the target."""
        return name[len(self._prefix) :]

    def collection(self, kind: str) -> str:
        """The collection id of a kind.

        Raises:
            UntranslatableError: The kind is Datastore's own.
        """
        return self._collections.get(kind) or self._collection(kind, "")

    def key(self, name: str) -> Any:
        """The `Key` message of the entity that a document is to be made of; `None` if no entity can have one.

        Args:
            name: The full name of the document.
        """
        segments = self.path(name).split("/")
        kinds = {collection: kind for kind, collection in self._given.items()}
        segments[::2] = [shown_name(kinds.get(segment, segment)) for segment in segments[::2]]
        segments[1::2] = [_without_nul(segment) for segment in segments[1::2]]
        key = _sdk.Key()
        try:
            fill_key(key, "/".join(segments), self.home)
        except InvalidDocumentIdError:
            return None
        return key

    def document(self, entity: Any, out: Any) -> list[Trap]:
        """Fill a document.

        Args:
            entity: An `Entity` message, which is not changed.
            out: An empty `Document` message. If an error is raised, it is to be thrown away.

        Returns:
            What becomes another thing in Firestore, or what people should know of.

        Raises:
            UntranslatableError: The entity can't be a document.
        """
        traps: list[Trap] = []
        key = entity.key
        out.name = self._name(key, traps)
        kind = key.path[-1].kind
        properties: Any = entity.properties
        tree = self._trees.get(kind)
        if tree is not None:
            properties = tree.apply(properties, _Notes(traps))
        self._write_fields(out.fields, properties, "", traps)
        if tree is not None:
            # Datastore has the same limit, but not for parts.
            _check_depth(out.fields, "", 1)
        reason = check(out, self._exempt.get(kind, ()))
        # Fields that have no index now are exempted from indexes there.
        if reason is not None and (reason := check(out, {*self._exempt.get(kind, ()), *_unindexed(properties, "")})):
            raise UntranslatableError(reason)
        return traps

    # --- names ---

    def _name(self, key: Any, traps: list[Trap]) -> str:
        partition = key.partition_id
        if self._home != (partition.project_id or self._home[0], partition.database_id, partition.namespace_id):
            raise UntranslatableError(f"it belongs to {_partition(partition, self.home)}, not to {self.home.name}")
        for element in key.path:
            kind = element.kind
            if "/" in kind and kind not in self._given:
                raise UntranslatableError(
                    f"documents of kind {kind!r} could not be reached, as it contains '/'; rename the kind"
                )
        path = self._path(key, "", traps)
        if len(path) > 300:
            reason = check_path(path)
            if reason is not None:
                raise UntranslatableError(reason)
        return self._prefix + path

    def _path(self, key: Any, field: str, traps: list[Trap]) -> str:
        collections, segments = self._collections, list[str]()
        for element in key.path:
            kind = element.kind
            collection = collections.get(kind)
            if collection is None:
                collection = self._collection(kind, field)
            name = element.name
            if name:
                if not name.isalnum():
                    name = _shown(name, field, traps)
            else:
                number = element.id
                if not number:
                    raise UntranslatableError("an incomplete key refers to no document", field)
                name = f"__id{number}__"
            segments.append(f"{collection}/{name}")
        return "/".join(segments)

    def _collection(self, kind: str, field: str) -> str:
        collection = self._given.get(kind)
        if collection is None:
            if kind.startswith("__") and kind.endswith("__"):
                raise UntranslatableError(f"kind {kind!r} is Datastore's own", field)
            collection = shown_name(kind)
        self._collections[kind] = collection
        return collection

    # --- values ---

    def _write_fields(self, fields: Any, properties: Any, above: str, traps: list[Trap]) -> None:
        writers = self._writers
        for name, value in properties.items():
            if value.meaning:
                traps.append(_meaning(value.meaning, above + quote_segment(name)))
            # A string that is not empty proves its kind, and most values are strings.
            text = value.string_value
            if text:
                fields[name].string_value = text
            else:
                path = above + name if name.isascii() and name.isidentifier() else above + quote_segment(name)
                writers[value.WhichOneof("value_type")](fields[name], value, path, traps)

    def _write_array(self, target: Any, value: Any, path: str, traps: list[Trap]) -> None:
        array = target.array_value
        array.SetInParent()
        add, writers = array.values.add, self._writers
        seen = 0
        for element in value.array_value.values:
            if element.meaning and element.meaning != seen:
                seen = element.meaning
                traps.append(_meaning(seen, path))
            text = element.string_value
            if text:
                add(string_value=text)
                continue
            kind = element.WhichOneof("value_type")
            if kind == "array_value":
                raise UntranslatableError("Firestore can't store an array in an array", path)
            writers[kind](add(), element, path, traps)

    def _write_entity(self, target: Any, value: Any, path: str, traps: list[Trap]) -> None:
        entity = value.entity_value
        target.map_value.SetInParent()
        fields = target.map_value.fields
        if entity.HasField("key") and entity.key.path:
            last = entity.key.path[-1]
            if last.name or last.id:
                self._write_reference(fields["__name__"], entity.key, f"{path}.__name__", traps)
                fields["__type__"].string_value = LEGACY_TYPE
            else:
                detail = "the key of an embedded entity is incomplete, and is left out"
                traps.append(Trap("incomplete key", path, detail))
        self._write_fields(fields, entity.properties, f"{path}.", traps)

    def _write_key(self, target: Any, value: Any, path: str, traps: list[Trap]) -> None:
        self._write_reference(target, value.key_value, path, traps)

    def _write_reference(self, target: Any, key: Any, path: str, traps: list[Trap]) -> None:
        partition = key.partition_id
        project, database, namespace = self._home
        if (
            partition.namespace_id == namespace
            and partition.database_id == database
            and partition.project_id in (project, "")
        ):
            target.reference_value = self._prefix + self._path(key, path, traps)
            return
        other = _partition(partition, self.home)
        if self._foreign == "refuse":
            raise UntranslatableError(f"a key into {other}, while foreign keys are refused", path)
        name = self._path(key, path, traps)
        if self._foreign == "rewrite":
            target.reference_value = self._prefix + name
            traps.append(Trap("foreign", path, f"a key into {other} refers to {self.target.name} now"))
        else:
            target.string_value = f"{other}/documents/{name}"
            traps.append(Trap("foreign", path, f"a key into {other} is stored as text"))


def _shown(name: str, field: str, traps: list[Trap]) -> str:
    """The document id for an entity's name, escaped as Google's import does it."""
    if "\0" in name:
        # There is no token for it. Firestore takes it as it is; Cendry has no path with it.
        traps.append(Trap("nul", field, "a name with a NUL character, which Cendry can't address"))
        return f"__esc{name.replace('~', '~0').replace('/', '~1')}__" if "/" in name else name
    shown = shown_name(name)
    if shown != name:
        traps.append(Trap("escaped", field, "a name that Firestore can't hold is escaped"))
    return shown


def _without_nul(document_id: str) -> str:
    """A document id as `fill_key` takes it: in an escaped name, `_shown` writes NUL as it is."""
    is_escaped = document_id.startswith("__esc") and document_id.endswith("__")
    return document_id.replace("\0", "~9") if is_escaped else document_id


def _partition(partition: Any, home: Partition) -> str:
    return partition_name(partition.project_id or home.project, partition.database_id, partition.namespace_id)


_MEANINGS: Final = {20: ("user", "a User of ndb is a map"), 22: ("compressed", "compressed bytes (meaning 22)")}


def _meaning(meaning: int, path: str) -> Trap:
    name, detail = _MEANINGS.get(meaning, ("meaning", f"Firestore has no meanings, and this has number {meaning}"))
    return Trap(name, path, detail)


def _write_null(target: Any, _value: Any, _path: str, _traps: list[Trap]) -> None:
    target.null_value = 0


def _write_boolean(target: Any, value: Any, _path: str, _traps: list[Trap]) -> None:
    target.boolean_value = value.boolean_value


def _write_integer(target: Any, value: Any, _path: str, _traps: list[Trap]) -> None:
    target.integer_value = value.integer_value


def _write_double(target: Any, value: Any, _path: str, _traps: list[Trap]) -> None:
    number = value.double_value
    # Firestore stores one NaN, whatever bits the given one has.
    target.double_value = number if number == number else math.nan


def _write_timestamp(target: Any, value: Any, _path: str, _traps: list[Trap]) -> None:
    target.timestamp_value.CopyFrom(value.timestamp_value)


def _write_string(target: Any, value: Any, _path: str, _traps: list[Trap]) -> None:
    target.string_value = value.string_value


def _write_bytes(target: Any, value: Any, _path: str, _traps: list[Trap]) -> None:
    target.bytes_value = value.blob_value


def _write_geo_point(target: Any, value: Any, _path: str, _traps: list[Trap]) -> None:
    target.geo_point_value.CopyFrom(value.geo_point_value)


def _refuse_unknown(_target: Any, _value: Any, path: str, _traps: list[Trap]) -> None:
    raise UntranslatableError("a value of a kind that this version doesn't know", path)


def _check_depth(fields: Any, above: str, depth: int) -> None:
    for name, value in fields.items():
        kind = value.WhichOneof("value_type")
        if kind == "map_value":
            maps = [value]
        elif kind == "array_value":
            maps = [element for element in value.array_value.values if element.HasField("map_value")]
        else:
            continue
        for inner in maps:
            if depth >= MAX_FIELD_SEGMENTS:
                reason = f"maps would be nested over {MAX_FIELD_SEGMENTS} levels deep"
                raise UntranslatableError(reason, above + quote_segment(name))
            _check_depth(inner.map_value.fields, f"{above}{quote_segment(name)}.", depth + 1)


def _unindexed(properties: Any, above: str) -> Iterator[str]:
    """The paths of the properties of which no value is indexed."""
    for name, value in properties.items():
        path = above + quote_segment(name)
        if _is_unindexed(value):
            yield path
        elif value.HasField("entity_value"):
            yield from _unindexed(value.entity_value.properties, f"{path}.")


def _is_unindexed(value: Any) -> bool:
    if value.HasField("array_value"):
        return all(map(_is_unindexed, value.array_value.values))
    return bool(value.exclude_from_indexes)


class _Notes:
    """What transforms report of one entity, as traps."""

    __slots__ = ("_traps",)

    def __init__(self, traps: list[Trap]) -> None:
        self._traps = traps

    def done(self, path: str, do: Change, size: int) -> None:
        """Nothing: it is what the plan says."""

    def kept(self, path: str, do: Change, reason: str) -> None:
        """Note that a value stays as it is stored."""
        self._traps.append(Trap(do, path, reason))

    def noted(self, path: str, name: str, detail: str) -> None:
        """Note it."""
        self._traps.append(Trap(name, path, detail))

    def too_large(self, path: str) -> None:
        """Refuse the entity.

        Raises:
            UntranslatableError: Always.
        """
        raise UntranslatableError(f"it would have over {MAX_INFLATED:,} bytes when it is inflated", path)
