"""The databases of a migration as the two sides of a mirror: entities by key, and the documents that the plan gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .. import _sdk
from .batches import batches
from .mirror import Mirrored, mirror
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
    """

    __slots__ = ("_source", "_target", "translator")

    def __init__(self, source: Source, target: Target, translator: Translator) -> None:
        self._source = source
        self._target = target
        self.translator = translator

    @classmethod
    def of_plan(cls, plan: Plan, source: Source, target: Target) -> MessageMirror:
        """The mirror that translates as a plan says."""
        translator = Translator(
            source.partition, target.place, plan.transforms, foreign=plan.foreign, collections=plan.collections
        )
        return cls(source, target, translator)

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

    def read(self, names: Sequence[str]) -> Mapping[str, Any]:
        """The entities of some keys; `None` for each one that doesn't exist."""
        found = self._source.lookup([key_of(name) for name in names])
        return {name: found[bytes.fromhex(name)] for name in names}

    def is_same(self, one: Any, other: Any) -> bool:
        """Whether two entities, or `None`, are the same to the last bit."""
        if one is None or other is None:
            return one is other
        return bool(one.SerializeToString(deterministic=True) == other.SerializeToString(deterministic=True))

    def write(self, documents: Mapping[str, Any]) -> Mapping[str, Exception]:
        """Write the documents of entities, or delete those whose entities are gone."""
        errors: dict[str, Exception] = {}
        writes: dict[str, Any] = {}
        names: dict[str, str] = {}
        for name, entity in documents.items():
            try:
                write = self._write(name, entity)
            except UntranslatableError as error:
                errors[name] = error
            else:
                document = write.delete or write.update.name
                writes[document], names[document] = write, name
        waiting = list(batches(writes.values(), self._target.max_bytes))
        while waiting:
            part = waiting.pop()
            try:
                self._target.commit(part)
            except RefusedWritesError as error:
                if len(part) > 1:
                    middle = len(part) // 2
                    waiting += [part[middle:], part[:middle]]
                else:
                    errors[names[part[0].delete or part[0].update.name]] = error
        return errors

    def _write(self, name: str, entity: Any) -> Any:
        if entity is None:
            return Write(delete=self.translator.name(key_of(name)))
        document = Document()
        self.translator.document(entity, document)
        return Write(update=document)


def key_of(name: str) -> Any:
    """The `Key` message that is serialized in hexadecimal digits."""
    key = _sdk.Entity().key
    key.ParseFromString(bytes.fromhex(name))
    return key
