"""Stored values, core's to Datastore's and back. What is excluded from indexes is not decided here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from cendry._interop.protobuf import write_geo_point
from cendry._types.messages import MessageData, MessageValues
from cendry.errors import DecodeError, shown_parts
from cendry.paths import FieldPath
from cendry.plan import MISSING, outermost, parts_of, projected, value_at
from cendry.reference import Ref
from cendry.values import Vector

from . import _sdk
from ._exclusions import is_excessive
from ._keys import Partition, decode_key, fill_reference, key_path
from ._marks import mark_value, marks_at, marks_in, marks_of
from ._unsupported import PARTS, unsupported

if TYPE_CHECKING:
    from ._ndb_forms import Fields


class DatastoreValues(MessageValues):
    """Stored values in Datastore's `Value` messages; the base is the partition.

    An embedded entity is read as a map, without the key that it may have.
    """

    markers = False
    other_fields: ClassVar = {"bytes": "blob_value", "reference": "key_value", "map": "entity_value"}
    inner = "properties"

    def decode_reference(self, value: Any, base: Any) -> Any:
        """The key in a message, as a `Ref`."""
        return decode_key(value.key_value, base)

    def write_reference(self, target: Any, ref: Ref[Any], base: Any) -> None:
        """Write a `Ref` to a document of this partition.

        Raises:
            ForeignReferenceError: It refers to another project, database or namespace.
        """
        fill_reference(target.key_value, ref, base)

    def is_own(self, value: Any) -> bool:
        """Whether a value is one of the SDK's entities, which are dicts."""
        return isinstance(value, _sdk.SdkEntity)

    def write_own(self, target: Any, value: Any) -> None:
        """Write the SDK's `Key`, `Entity` and `GeoPoint`, and `Value` messages.

        Raises:
            TypeError: It is of no kind that Datastore stores.
            UnsupportedByBackendError: It is a vector.
        """
        if isinstance(value, _sdk.Value):
            target.CopyFrom(value)
        elif isinstance(value, _sdk.SdkKey):
            target.key_value.CopyFrom(_sdk.key_message(value))
        elif isinstance(value, _sdk.SdkEntity):
            target.entity_value.CopyFrom(_sdk.entity_message(value))
        elif isinstance(value, _sdk.SdkGeoPoint):
            write_geo_point(target, value)
        elif isinstance(value, Vector):
            raise unsupported("vectors")
        else:
            raise TypeError(f"{type(value).__qualname__} is of no kind that Datastore stores.")


_NOTHING: Final = _sdk.Value()

VALUES: Final = DatastoreValues()
decode_properties, decode_value = VALUES.decode_fields, VALUES.decode_value
write_properties, write_value = VALUES.write_fields, VALUES.write_value


class EntityData(MessageData):
    """The stored fields of a document to be written, in an `Entity` without a key; the base is the partition."""

    __slots__ = ()
    translator = VALUES


class NdbData(EntityData):
    """The same for a model whose entities ndb writes as well.

    Attributes:
        fields: The forms of its fields.
        model: Its name.

    Args:
        message: The message.
        base: The partition.
        fields: As above.
        model: As above.
    """

    __slots__ = ("fields", "model")

    def __init__(self, message: Any, base: Any, fields: Fields, model: str) -> None:
        super().__init__(message, base)
        self.fields = fields
        self.model = model


class NdbChanges(dict[str, Any]):
    """Changes of an entity that ndb writes as well.

    Attributes:
        fields: The forms of the model's fields.
        model: Its name.

    Args:
        data: The changes.
        fields: As above.
        model: As above.
    """

    def __init__(self, data: Mapping[str, Any], fields: Fields, model: str) -> None:
        super().__init__(data)
        self.fields = fields
        self.model = model


def decode_projected(properties: Any, paths: Sequence[FieldPath], partition: Partition) -> dict[str, Any]:
    """Some properties of an entity, nested as they are stored; absent ones are left out.

    Of a property that is stored in parts, the parts are there, under their own names.
    """
    names = {path.segments[0] for path in paths}
    # Asking a protobuf map for what it lacks would add it.
    data = {name: decode_value(properties[name], partition) for name in names if name in properties}
    for parts in parts_of(properties, names).values():
        data.update((name, decode_value(properties[name], partition)) for name in parts)
    found = projected(data, outermost(paths))
    for path in paths:
        _add_parts(found, data, path)
    return found


def _add_parts(found: dict[str, Any], data: dict[str, Any], path: FieldPath) -> None:
    """Add the parts of a field, or of a map around it, if it is not there itself."""
    for depth, segment in enumerate(path.segments):
        value = data.get(segment)
        if value is None and (parts := parts_of(data, (segment,))):
            for around in path.segments[:depth]:
                found = found.setdefault(around, {})
            found.update((name, data[name]) for name in parts[segment])
        if not isinstance(value, dict):
            return
        data = cast("dict[str, Any]", value)


def write_masked(entity: Any, data: Mapping[str, Any], mask: Sequence[FieldPath], partition: Partition) -> None:
    """Change the masked properties of a stored entity, in place; all others stay, bit for bit.

    A masked property that `data` lacks is removed; one that is written keeps its marks.
    """
    properties = entity.properties
    _refuse_parts(entity, mask, partition)
    before = marks_in(entity) if is_excessive(entity) else None
    for path in mask:
        *parents, last = path.segments
        value = value_at(data, path.segments)
        if value is MISSING:
            _remove(properties, parents, last)
        else:
            target = _parent_of(properties, parents)[last]
            marks = marks_of(target) if before is None else marks_at(before, path.segments)
            target.Clear()
            write_value(target, value, partition)
            mark_value(target, marks)


def _refuse_parts(entity: Any, mask: Sequence[FieldPath], partition: Partition) -> None:
    """Refuse to change what is stored in parts: the whole would be stored beside them.

    Raises:
        DecodeError: It is, and the parts aren't changed as well, by their own names.
    """
    written = {path.segments[0] for path in mask}
    for path in mask:
        properties, names = entity.properties, written
        for index, segment in enumerate(path.segments):
            value = properties.get(segment, _NOTHING)
            if value.WhichOneof("value_type") in (None, "null_value"):
                parts = parts_of(properties, {segment, *names}).get(segment)
                if parts:
                    document = key_path(entity.key, partition)
                    kind = entity.key.path[-1].kind
                    field = ".".join(path.segments[: index + 1])
                    raise DecodeError(document, kind, field, "all of it in one property", shown_parts(parts, PARTS))
            if not value.HasField("entity_value"):
                break
            properties, names = value.entity_value.properties, set[str]()


def _parent_of(properties: Any, parents: Sequence[str]) -> Any:
    for segment in parents:
        value = properties[segment]
        if value.WhichOneof("value_type") != "entity_value":
            # Firestore, too, replaces what isn't a map by one, if a path leads through it.
            excluded = marks_of(value).excluded
            value.Clear()
            value.entity_value.SetInParent()
            value.exclude_from_indexes = excluded
        properties = value.entity_value.properties
    return properties


def _remove(properties: Any, parents: Sequence[str], last: str) -> None:
    for segment in parents:
        if segment not in properties:
            return
        properties = properties[segment].entity_value.properties
    if last in properties:
        del properties[last]
