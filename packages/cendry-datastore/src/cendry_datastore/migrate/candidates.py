"""Documents that seem to differ, looked at once more: what each of them is in the end."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final, Literal

from cendry._immutable import dataclass
from cendry._interop.protobuf import to_datetime

from .differences import differing_fields
from .digest import digest_of
from .errors import MomentExpiredError
from .messages import are_same_entities, key_of
from .reports import Difference
from .source import Source
from .target import Document, Target
from .translate import Translator, UntranslatableError

MOST_DIFFERENCES: Final = 100
"""Differences that a proof names."""

_GROUP: Final = 300
What = Literal["missing", "extra", "different"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A document that may differ.

    Attributes:
        name: Its full name.
        key: The serialized `Key` message of its entity; empty if no entity can have it.
        baseline: The moment at which the copy has read the entity.
        digest: The digest of what it is to be; `None` if that is not known.
        is_newer: Whether the entity changed after the baseline; `None` if that is not known.
    """

    name: str
    key: bytes
    baseline: datetime
    digest: bytes | None = None
    is_newer: bool | None = None


class Candidates:
    """Sorts candidates, and counts what they are.

    Args:
        source: The source.
        target: The target.
        translator: Makes documents of entities.
        dead: The serialized keys, in hexadecimal, of the dead letters.
        ttl: For kinds with a TTL policy the field of the moment.
        now: The present.

    Attributes:
        counts: How many are `missing`, `extra`, `different`, `changed`, `dead` and `expired`.
        differences: The first ones.
        entities: How many entities there were.
        documents: How many documents there were.
        names: The names of those that are not equal on both sides.
    """

    def __init__(
        self,
        source: Source,
        target: Target,
        translator: Translator,
        dead: Collection[str],
        ttl: Mapping[str, str],
        now: datetime,
    ) -> None:
        self._source = source
        self._target = target
        self._translator = translator
        self._dead = dead
        self._ttl = ttl
        self._now = now
        self.counts = dict.fromkeys(("missing", "extra", "different", "changed", "dead", "expired"), 0)
        self.differences: list[Difference] = []
        self.entities = 0
        self.documents = 0
        self.names: set[str] = set()

    def sort(self, candidates: Iterable[Candidate]) -> Iterator[int]:
        """Read candidates anew on both sides, and count them.

        Returns:
            How many were read, group by group.

        Raises:
            DatabaseCallError: A database can't be read.
        """
        waiting = iter(candidates)
        while group := list(islice(waiting, _GROUP)):
            self._sort(group)
            yield len(group)

    def note(self, name: str, what: What, fields: tuple[str, ...] = ()) -> None:
        """Count a difference."""
        self.counts[what] += 1
        self.names.add(name)
        if len(self.differences) < MOST_DIFFERENCES:
            self.differences.append(Difference(self._translator.path(name), what, fields))

    def _sort(self, group: Sequence[Candidate]) -> None:
        keys = {one.key: key_of(one.key.hex()) for one in group if one.key}
        entities = self._source.lookup(list(keys.values()))
        documents = self._target.get([one.name for one in group])
        unsure: list[tuple[Candidate, What, Any, Any, Any]] = []
        for one in group:
            entity, document = entities.get(one.key), documents[one.name]
            self.entities += entity is not None
            self.documents += document is not None
            if entity is None and document is None:
                continue
            expected = None if entity is None else document_of(entity, self._translator)
            if expected is None:
                if document is None:
                    self.counts["dead"] += 1
                    continue
                what: What = "extra"
            elif document is None:
                if one.key.hex() in self._dead:
                    self.counts["dead"] += 1
                    continue
                if self._is_expired(entity):
                    self.counts["expired"] += 1
                    continue
                what = "missing"
            elif digest_of(expected) == digest_of(document):
                continue
            else:
                what = "different"
            # Both sides were read before, and may have changed since.
            is_newer = one.digest is not None and (expected is None or digest_of(expected) != one.digest)
            if is_newer or one.is_newer:
                self.counts["changed"] += 1
                self.names.add(one.name)
            elif one.is_newer is None and one.key:
                unsure.append((one, what, entity, expected, document))
            else:
                self._record(one, what, expected, document)
        if unsure:
            self._sort_unsure(unsure)

    def _sort_unsure(self, unsure: Sequence[tuple[Candidate, What, Any, Any, Any]]) -> None:
        """Those of which the database doesn't say when they changed: compared with what the copy has read."""
        before: dict[bytes, Any] = {}
        for moment in {one.baseline for one, *_ in unsure}:
            keys = [key_of(one.key.hex()) for one, *_ in unsure if one.baseline == moment]
            try:
                before.update(self._source.lookup(keys, moment))
            except MomentExpiredError:
                # Nobody can say any more.
                before.update((one.key, entity) for one, _, entity, *_ in unsure if one.baseline == moment)
        for one, what, entity, expected, document in unsure:
            if are_same_entities(before[one.key], entity):
                self._record(one, what, expected, document)
            else:
                self.counts["changed"] += 1
                self.names.add(one.name)

    def _record(self, one: Candidate, what: What, expected: Any, document: Any) -> None:
        self.note(one.name, what, differing_fields(expected, document) if what == "different" else ())

    def _is_expired(self, entity: Any) -> bool:
        field = self._ttl.get(entity.key.path[-1].kind)
        if field is None or field not in entity.properties:
            return False
        value = entity.properties[field]
        return value.HasField("timestamp_value") and to_datetime(value.timestamp_value) < self._now


def document_of(entity: Any, translator: Translator) -> Any:
    """The `Document` message that a translator makes of an entity; `None` if it can't be one."""
    document = Document()
    try:
        translator.document(entity, document)
    except UntranslatableError:
        return None
    return document
