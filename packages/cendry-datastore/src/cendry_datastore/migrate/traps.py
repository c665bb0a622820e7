"""What in an entity becomes another thing in Native mode: counted by kind and field, without any value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from .._keys import Partition, shown_name
from .reports import TrapReport

MAX_FIELDS: Final = 1_000
"""Different traps of one kind that are told apart."""

COMPRESSED: Final = 22

_PLAIN_MEANINGS: Final = (0, 15)
_MAX_SEEN: Final = 1_500
_SHOWN: Final = 40

Found = tuple[str, str, str]
"""The name of a trap, the stored name of the property (empty for the key), and an example."""


class TrapScan:
    """Counts the traps in the entities of a kind.

    Args:
        kind: The kind.
        partition: Where the entities live.
    """

    def __init__(self, kind: str, partition: Partition) -> None:
        self.kind = kind
        self.partition = partition
        self._found: dict[tuple[str, str], list[Any]] = {}

    def see(self, entity: Any) -> None:
        """Count an `Entity` message; each of its traps counts once for a field."""
        traps = {(name, field): example for name, field, example in traps_in(entity, self.partition)}
        for key, example in traps.items():
            known = self._found.get(key)
            if known is not None:
                known[0] += 1
            elif len(self._found) < MAX_FIELDS:
                self._found[key] = [1, example]

    def report(self) -> list[TrapReport]:
        """What was found, sorted."""
        return [
            TrapReport(name, self.kind, field, count, example)
            for (name, field), (count, example) in sorted(self._found.items())
        ]


def traps_in(entity: Any, partition: Partition) -> Iterator[Found]:
    """The traps in an `Entity` message."""
    for element in entity.key.path:
        if element.name and shown_name(element.name) != element.name:
            yield "name that Native mode must escape", "", _shown(element.name)
    for name, value in entity.properties.items():
        yield from _traps_of(name, value, partition)


def _traps_of(field: str, value: Any, partition: Partition) -> Iterator[Found]:
    if value.meaning == COMPRESSED:
        yield "compressed (meaning 22)", field, ""
    elif value.meaning not in _PLAIN_MEANINGS:
        yield f"meaning {value.meaning}, which Native mode doesn't have", field, ""
    match value.WhichOneof("value_type"):
        case "key_value":
            stored = value.key_value.partition_id
            if stored.project_id not in ("", partition.project):
                yield "key into another project", field, stored.project_id
            elif stored.database_id != partition.database:
                yield "key into another database", field, stored.database_id or "(default)"
            elif stored.namespace_id != partition.namespace:
                yield "key into another namespace", field, stored.namespace_id or "the default one"
        case "string_value":
            if len(value.string_value) * 4 > _MAX_SEEN and len(value.string_value.encode()) > _MAX_SEEN:
                yield "text of which queries see the first 1,500 bytes", field, ""
        case "entity_value":
            if value.entity_value.HasField("key"):
                yield "key of an embedded entity, which becomes a field", field, ""
            for name, each in value.entity_value.properties.items():
                yield from _traps_of(f"{field}.{name}", each, partition)
        case "array_value":
            for each in value.array_value.values:
                yield from _traps_of(field, each, partition)
        case _:
            pass


def _shown(name: str) -> str:
    return repr(name if len(name) <= _SHOWN else f"{name[: _SHOWN - 3]}...")
