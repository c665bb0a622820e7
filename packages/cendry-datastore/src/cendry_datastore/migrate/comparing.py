"""Reads parts of both sides at one moment: digests of all documents, and what differs where digests do.

What a comparison does in one process and what it does on many machines is the same; who gives out the parts differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from cendry._immutable import dataclass
from cendry._interop.protobuf import to_datetime
from cendry._order import path_key
from cendry.jobs import Store

from .. import _sdk
from ._delta import baseline
from .candidates import Candidate, document_of
from .digest import Digest, bucket_of, digest_of
from .files import check_plan, load_shard
from .messages import translator_of
from .paging import key_bytes
from .source import Source
from .target import Target
from .translate import Translator, UntranslatableError
from .values import Plan, Shard


@dataclass(frozen=True, slots=True)
class Range:
    """A part of the documents of a collection id, in the order of their names.

    Attributes:
        collection: The collection id.
        after: The full name after which it begins; empty for the first document.
        end: The full name of its last document; empty for the last one there is.
    """

    collection: str
    after: str = ""
    end: str = ""


Note = Callable[[int], object]
"""Is told how many entities or documents were read."""

Offer = Callable[[Any, str], object]
"""Is given the key of each entity, and the full name of its document."""


class PartReader:
    """Reads parts of both sides.

    Args:
        plan: The plan.
        source: The source.
        target: The target.
        moment: When both are read.

    Attributes:
        translator: Makes documents of entities.
    """

    def __init__(self, plan: Plan, source: Source, target: Target, moment: datetime) -> None:
        self._source = source
        self._target = target
        self._moment = moment
        self.translator = translator_of(plan, source.partition)

    def add_source(self, digest: Digest, shard: Shard, note: Note, offer: Offer | None = None) -> int:
        """Add what the entities of a shard are to be; returns how many of them can't be documents."""
        untranslatable = 0
        for results in self._entities(shard, note):
            for result in results:
                document = document_of(result.entity, self.translator)
                if document is None:
                    untranslatable += 1
                    continue
                digest.add(document)
                if offer is not None:
                    offer(result.entity.key, document.name)
        return untranslatable

    def add_target(self, digest: Digest, part: Range, note: Note) -> None:
        """Add the documents of a range."""
        for documents in self._documents(part, note):
            for document in documents:
                digest.add(document)

    def expected(self, shard: Shard, buckets: frozenset[int], moment: datetime, note: Note) -> Iterator[Candidate]:
        """What is to be in some buckets, of a shard that was copied at a moment."""
        for results in self._entities(shard, note):
            for result in results:
                key = result.entity.key
                try:
                    name = self.translator.name(key)
                except UntranslatableError:
                    continue
                if bucket_of(name) not in buckets:
                    continue
                document = document_of(result.entity, self.translator)
                if document is not None:
                    is_newer = to_datetime(result.update_time) > moment if result.HasField("update_time") else None
                    yield Candidate(name, key_bytes(key), moment, digest_of(document), is_newer)

    def found(self, part: Range, buckets: frozenset[int], note: Note) -> Iterator[tuple[str, bytes]]:
        """The full names and the digests of the documents in some buckets, of a range."""
        for documents in self._documents(part, note):
            for document in documents:
                if bucket_of(document.name) in buckets:
                    yield document.name, digest_of(document)

    def unexpected(self, name: str, latest: datetime) -> Candidate:
        """A document that no entity was to be.

        Args:
            name: Its full name.
            latest: The last moment at which a shard was copied.
        """
        key = self.translator.key(name)
        return Candidate(name, b"" if key is None else key_bytes(key), latest)

    def _entities(self, shard: Shard, note: Note) -> Iterator[Sequence[Any]]:
        for page in self._source.pages(shard, read_time=self._moment):
            yield page.results
            note(len(page.results))

    def _documents(self, part: Range, note: Note) -> Iterator[Sequence[Any]]:
        for page in self._target.pages(part.collection, after=part.after, end=part.end, read_time=self._moment):
            yield page
            note(len(page))


def collections(plan: Plan, translator: Translator) -> list[Range]:
    """The documents of each collection id as one part."""
    return [Range(one) for one in dict.fromkeys(translator.collection(kind.kind) for kind in plan.kinds)]


def ranges(plan: Plan, translator: Translator) -> list[Range]:
    """The same in smaller parts: they are cut at the documents of those entities at which the shards are."""
    cuts: dict[str, set[str]] = {one.collection: set() for one in collections(plan, translator)}
    for kind in plan.kinds:
        found = cuts[translator.collection(kind.kind)]
        for shard in kind.shards:
            if shard.end:
                key = _sdk.Key()
                key.ParseFromString(shard.end)
                try:
                    found.add(translator.name(key))
                except UntranslatableError:
                    continue
    parts: list[Range] = []
    for collection, names in cuts.items():
        # The order of names isn't that of keys where Native mode must escape them, or kinds have other names.
        bounds = ["", *sorted(names, key=lambda name: path_key(translator.path(name))), ""]
        parts += [Range(collection, after, end) for after, end in pairwise(bounds)]
    return parts


def baselines(plan: Plan, store: Store) -> dict[str, datetime]:
    """For each shard the moment at which it was read last: by the copy, or by a later delta.

    Raises:
        JobFileError: The state belongs to another plan.
        JobStoreError: It can't be read.
    """
    check_plan(store, plan)
    delta = baseline(store)
    moments: dict[str, datetime] = {}
    for shard in plan.shards:
        copied = plan.moment(load_shard(store, plan, shard).plan)
        moments[shard.name] = copied if delta is None else max(copied, delta)
    return moments
