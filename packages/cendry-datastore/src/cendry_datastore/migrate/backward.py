"""Documents of the target as entities of the source, once the target has the truth.

What an entity has keeps its form, its exclusions from indexes and its meanings, so that ndb goes on reading it. What it
does not have yet gets the forms that the transforms of the plan read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass as mutable
from dataclasses import field
from typing import Any, Final

from cendry.backend import StoredDocument
from cendry.errors import InvalidDocumentIdError
from cendry.paths import FieldPath, quote_segment

from .. import _sdk
from .._backend import DatastoreBackend
from .._entities import FoundEntity
from .._keys import Partition, fill_key, key_path
from .._marks import NdbPath, marks_in
from .._ndb_forms import COMPRESSED_HINT, JSON_HINT, LOCAL_HINT, NO_FIELDS, Fields, Form
from .._values import NdbData
from .mirror import Mirrored, mirror
from .sides import BackendSide
from .source import Source
from .target import Target
from .translate import LEGACY_TYPE, Translator, UntranslatableError
from .values import DEFAULT_DATABASE, Change, Plan, Transform

_VECTOR: Final = "__vector__"
_Options = Mapping[str, "str | int | bool"]


class BackwardMirror:
    """Brings documents to the source as they are now in the target.

    Args:
        plan: The plan of the migration.
        source: The database in Datastore mode.
        target: The one in Native mode, which has the truth.
        backend: Writes the source; by default a backend on its client.
    """

    __slots__ = ("_forms", "_home", "_side", "_target", "_translator")

    def __init__(self, plan: Plan, source: Source, target: Target, backend: DatastoreBackend | None = None) -> None:
        self._target = target
        self._home = source.partition
        self._side = BackendSide(DatastoreBackend(source.client) if backend is None else backend)
        self._translator = Translator(
            source.partition, target.place, plan.transforms, foreign=plan.foreign, collections=plan.collections
        )
        kinds = dict.fromkeys(one.kind for one in plan.transforms)
        self._forms = {kind: forms_of(one for one in plan.transforms if one.kind == kind) for kind in kinds}

    def mirror_paths(self, paths: Sequence[str]) -> Mirrored:
        """Write or delete the entities of documents until both databases have the same.

        Args:
            paths: The paths of the documents in the target, without duplicates.

        Returns:
            The outcome, by these paths.
        """
        return mirror(paths, self, self)

    def read(self, names: Sequence[str]) -> Mapping[str, Any]:
        """The documents with these paths, as they are now; `None` for each one that doesn't exist."""
        found = self._target.get([self._translator.full_name(name) for name in names])
        return {name: found[self._translator.full_name(name)] for name in names}

    @staticmethod
    def is_same(one: Any, other: Any) -> bool:
        """Whether two documents, or `None`, have the same fields."""
        if one is None or other is None:
            return one is other
        return bool(one.fields == other.fields)

    def write(self, documents: Mapping[str, Any]) -> Mapping[str, Exception]:
        """Write the entities of documents, or delete those whose documents are gone."""
        errors: dict[str, Exception] = {}
        keys: dict[str, Any] = {}
        entities: dict[str, Any] = {}
        for name, document in documents.items():
            try:
                keys[name] = self._key(name)
                entities[name] = None if document is None else self.entity(document)
            except UntranslatableError as error:
                errors[name] = error
        names = {key_path(keys[name], self._home): name for name in entities}
        try:
            stored: Mapping[str, StoredDocument] = self._side.results(list(names)) if names else {}
        except Exception as error:
            return {**errors, **dict.fromkeys(entities, error)}
        given: dict[str, Any] = {}
        for path, name in names.items():
            entity, before = entities[name], stored[path]
            kind = keys[name].path[-1].kind
            data = None if entity is None else NdbData(entity, self._home, self._forms.get(kind, NO_FIELDS), kind)
            if isinstance(before, FoundEntity):
                path = NdbPath(path, marks_in(before.entity), before.entity.SerializeToString())
            given[path] = data
        errors.update((names[path], error) for path, error in self._side.write(given).items())
        return errors

    def _key(self, path: str) -> Any:
        name = self._translator.full_name(path)
        key = self._translator.key(name)
        if key is None or self._translator.name(key) != name:
            raise UntranslatableError(f"no entity of the source has the document {path!r} in the target")
        return key

    def entity(self, document: Any) -> Any:
        """The `Entity` message of a document, without its key and in no form of ndb's.

        Raises:
            UntranslatableError: Datastore mode can't store it.
        """
        entity = _sdk.Entity()
        self._write_fields(entity.properties, document.fields, "")
        return entity

    def _write_fields(self, properties: Any, fields: Any, above: str) -> None:
        for name, value in fields.items():
            self._write(properties[name], value, above + quote_segment(name))

    def _write(self, target: Any, value: Any, path: str) -> None:
        match value.WhichOneof("value_type"):
            case "bytes_value":
                target.blob_value = value.bytes_value
            case "reference_value":
                target.key_value.CopyFrom(self._key_of(value.reference_value, path))
            case "timestamp_value" | "geo_point_value" as kind:
                getattr(target, kind).CopyFrom(getattr(value, kind))
            case "array_value":
                target.array_value.SetInParent()
                for element in value.array_value.values:
                    self._write(target.array_value.values.add(), element, path)
            case "map_value":
                self._write_map(target.entity_value, value.map_value.fields, path)
            case kind:
                setattr(target, str(kind), getattr(value, str(kind)))

    def _write_map(self, entity: Any, fields: Any, path: str) -> None:
        entity.SetInParent()
        given = dict(fields.items())
        kind = given["__type__"].string_value if "__type__" in given else ""
        if kind == _VECTOR:
            raise UntranslatableError("Datastore mode has no vectors", path)
        if kind == LEGACY_TYPE and "__name__" in given and given["__name__"].HasField("reference_value"):
            # It was an embedded entity with a key.
            entity.key.CopyFrom(self._key_of(given.pop("__name__").reference_value, f"{path}.__name__"))
            del given["__type__"]
        self._write_fields(entity.properties, given, f"{path}.")

    def _key_of(self, name: str, path: str) -> Any:
        """The `Key` message of a reference."""
        if name.startswith(self._translator.full_name("")):
            key = self._translator.key(name)
        else:
            key = _foreign_key(name)
        if key is None:
            raise UntranslatableError(f"no entity has the key that stands for {name!r}", path)
        return key


def _foreign_key(name: str) -> Any:
    """The `Key` message of a document of another database; `None` if no entity can have one."""
    _, project, _, database, _, path = name.split("/", 5)
    key = _sdk.Key()
    try:
        fill_key(key, path, Partition(project, "" if database == DEFAULT_DATABASE else database, ""))
    except InvalidDocumentIdError:
        return None
    return key


@mutable(slots=True)
class _Node:
    """What the transforms of a plan do with one field, and with those below it."""

    do: dict[Change, _Options] = field(default_factory=dict[Change, _Options])
    below: dict[str, _Node] = field(default_factory=dict[str, "_Node"])


def forms_of(transforms: Iterable[Transform]) -> Fields:
    """The forms in which the fields of a kind were stored, before they were transformed.

    Args:
        transforms: The transforms of the kind.
    """
    root = _Node()
    for transform in transforms:
        node = root
        for segment in FieldPath.parse(transform.field).segments:
            node = node.below.setdefault(segment, _Node())
        node.do[transform.do] = transform.options
    return _fields(root)


def _fields(node: _Node) -> Fields:
    return Fields({name: _form(below) for name, below in node.below.items()})


def _form(node: _Node) -> Form:
    do = node.do
    hints = {COMPRESSED_HINT} if "inflate" in do else set[str]()
    if "nest" in do:
        # Only in parts an array must be known as one.
        return Form("map", repeated=bool(do["nest"].get("list")), fields=_fields(node))
    if "json" in do:
        return Form("dict", hints=frozenset({*hints, JSON_HINT}))
    if "unpack" in do or node.below:
        return Form("map", repeated=True, hints=frozenset({*hints, LOCAL_HINT}), fields=_fields(node))
    return Form("text" if do["inflate"].get("text") else "bytes", repeated=True, hints=frozenset(hints))
