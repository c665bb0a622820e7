"""The databases of a migration as the two sides of a mirror: entities by key, and the documents that the plan gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .. import _sdk
from .._keys import Partition, fill_key
from .batches import batches
from .mirror import Mirrored, Rest, mirror
from .paging import key_bytes
from .source import Source
from .target import Document, RefusedWritesError, Target, Write
from .translate import Translator, UntranslatableError
from .values import Plan


class MessageMirror:
    """Brings entities to the target as they are now, also while others write either database.

    Args:
        source: The database that has the truth.
        target: The other one.
        translator: Makes documents of entities.
        is_patient: Whether to wait for a target that does not answer, as the steps of a migration do. If not, what is
            to be written there fails, as it does for some seconds after that.
    """

    __slots__ = ("_rest", "_source", "_target", "translator")

    def __init__(self, source: Source, target: Target, translator: Translator, *, is_patient: bool = True) -> None:
        self._source = source
        self._target = target
        self._rest = None if is_patient else Rest()
        self.translator = translator

    @classmethod
    def of_plan(cls, plan: Plan, source: Source, target: Target, *, is_patient: bool = True) -> MessageMirror:
        """The mirror that translates as a plan says."""
        return cls(source, target, translator_of(plan, source.partition), is_patient=is_patient)

    def mirror(self, keys: Iterable[Any]) -> Mirrored:
        """Write or delete the documents of entities until both databases have the same.

        Args:
            keys: `Key` messages, without duplicates.

        Returns:
            The outcome; names are serialized keys in hexadecimal digits.

        Raises:
            DatabaseCallError: A database can't be read or written; the call may be repeated.
        """
        return mirror([key_bytes(key).hex() for key in keys], self, self)

    def mirror_paths(self, paths: Sequence[str]) -> Mirrored:
        """The same for documents by path, as the backend of the source names them; so are those of the outcome.

        Raises:
            DatabaseCallError: A database can't be read or written; the call may be repeated.
        """
        keys = {path: key_of_path(path, self._source.partition) for path in paths}
        names = {key_bytes(key).hex(): path for path, key in keys.items()}
        outcome = self.mirror(keys.values())
        failed = {names[name]: error for name, error in outcome.failed.items()}
        return Mirrored(tuple(names[name] for name in outcome.done), failed)

    def data_of(self, entity: Any) -> dict[str, Any] | None:
        """The stored fields of the document of an entity; `None` for none.

        Raises:
            UntranslatableError: It can't be a document.
        """
        if entity is None:
            return None
        document = Document()
        self.translator.document(entity, document)
        return self._target.fields(document)

    def read_paths(self, paths: Sequence[str]) -> dict[str, Any]:
        """The same for the entities of some paths, as they are now.

        Raises:
            UntranslatableError: One can't be a document.
            DatabaseCallError: The source can't be read.
        """
        keys = {path: key_of_path(path, self._source.partition) for path in paths}
        found = self._source.lookup(list(keys.values()))
        return {path: self.data_of(found[key_bytes(key)]) for path, key in keys.items()}

    def target_paths(self, paths: Sequence[str]) -> dict[str, str]:
        """The paths in the target of the documents of some entities, by those of the entities.

        Raises:
            UntranslatableError: One can't be a document.
        """
        translator, home = self.translator, self._source.partition
        return {path: translator.path(translator.name(key_of_path(path, home))) for path in paths}

    def read(self, names: Sequence[str]) -> Mapping[str, Any]:
        """The entities of some keys; `None` for each one that doesn't exist."""
        found = self._source.lookup([key_of(name) for name in names])
        return {name: found[bytes.fromhex(name)] for name in names}

    def is_same(self, one: Any, other: Any) -> bool:
        """Whether two entities, or `None`, are the same to the last bit."""
        return are_same_entities(one, other)

    def write(self, documents: Mapping[str, Any]) -> Mapping[str, Exception]:
        """Write the documents of entities, or delete those whose entities are gone."""
        if self._rest is not None and (resting := self._rest.error) is not None:
            return dict.fromkeys(documents, resting)
        errors: dict[str, Exception] = {}
        writes: dict[str, Any] = {}
        names: dict[str, str] = {}
        for name, entity in documents.items():
            try:
                write = self._write(name, entity)
            except UntranslatableError as error:
                errors[name] = error
            else:
                writes[_document(write)], names[_document(write)] = write, name
        waiting = list(batches(writes.values(), self._target.max_bytes))
        while waiting:
            part = waiting.pop()
            try:
                if self._rest is None:
                    self._target.commit(part)
                else:
                    self._target.commit(part, wait=_not_at_all)
            except RefusedWritesError as error:
                if len(part) > 1:
                    middle = len(part) // 2
                    waiting += [part[middle:], part[:middle]]
                else:
                    errors[names[_document(part[0])]] = error
            except Exception as error:
                if self._rest is None:
                    raise
                self._rest.begin(error)
                errors.update((names[_document(write)], error) for write in part)
        return errors

    def _write(self, name: str, entity: Any) -> Any:
        if entity is None:
            return Write(delete=self.translator.name(key_of(name)))
        document = Document()
        self.translator.document(entity, document)
        return Write(update=document)


def translator_of(plan: Plan, partition: Partition) -> Translator:
    """What makes documents of the entities of a partition as a plan says."""
    return Translator(partition, plan.target, plan.transforms, foreign=plan.foreign, collections=plan.collections)


def are_same_entities(one: Any, other: Any) -> bool:
    """Whether two `Entity` messages, or `None`, are the same to the last bit."""
    if one is None or other is None:
        return one is other
    return bool(one.SerializeToString(deterministic=True) == other.SerializeToString(deterministic=True))


def _document(write: Any) -> str:
    name: str = write.delete or write.update.name
    return name


def _not_at_all(_seconds: float) -> bool:
    """Wait for no further attempt."""
    return True


def key_of_path(path: str, partition: Partition) -> Any:
    """The `Key` message of a document's path."""
    key = _sdk.Entity().key
    fill_key(key, path, partition)
    return key


def key_of(name: str) -> Any:
    """The `Key` message that is serialized in hexadecimal digits."""
    key = _sdk.Entity().key
    key.ParseFromString(bytes.fromhex(name))
    return key
