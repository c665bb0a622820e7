"""Documents where they live, and sorted indexes over one field each, built when a query first asks for them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, Final, cast

from cendry._order import key_of, path_key
from cendry.backend import DocumentResult
from cendry.paths import DOCUMENT_ID, FieldPath
from cendry.plan import MISSING, projected, value_at

from ._values import MAX_DOCUMENT_BYTES, Copiers, Fields, copiers_of, copy_of_map, kind_of

Segments = tuple[str, ...]

NAME: Final[Segments] = DOCUMENT_ID.segments
"""Stands for the document's own name where field paths are meant."""

_BLOCK: Final = 512

# Quicker than the class itself, and every read makes some.
_new_result = cast("Callable[[type[DocumentResult], Any], DocumentResult]", cast("Any", tuple).__new__)


class Version:
    """One state of a document; never changed.

    Attributes:
        data: Its fields.
        create_time: When the document was created.
        update_time: When this state was written.
        most_bytes: What Firestore counts for the fields, or more.
    """

    __slots__ = ("_copiers", "create_time", "data", "most_bytes", "update_time")

    def __init__(
        self, data: Fields, create_time: datetime, update_time: datetime, most_bytes: int = MAX_DOCUMENT_BYTES
    ) -> None:
        self.data = data
        self.create_time = create_time
        self.update_time = update_time
        self.most_bytes = most_bytes
        self._copiers: Copiers | None = None

    def copy(self) -> Fields:
        """The fields, for a caller that may change them."""
        copiers = self._copiers
        if copiers is None:
            copiers = self._copiers = copiers_of(self.data)
        data = self.data.copy()
        for name, copier in copiers:
            data[name] = copier(data[name])
        return data


class Document:
    """A document that exists: its name, and its present state."""

    __slots__ = ("name_key", "path", "version")

    def __init__(self, path: str, version: Version) -> None:
        self.path = path
        self.name_key = path_key(path)
        self.version = version


def result_of(
    path: str, version: Version | None, projection: tuple[FieldPath, ...] | None, read_time: datetime
) -> DocumentResult:
    """A state of a document, for a caller that may change it; without a state, the document's absence.

    No field of the projection may lie in another one.
    """
    if version is None:
        return DocumentResult(path, None, None, None, read_time)
    data = version.copy() if projection is None else copy_of_map(projected(version.data, projection))
    return _new_result(DocumentResult, (path, data, version.create_time, version.update_time, read_time))


class SortedEntries:
    """Documents under sorted keys, in blocks, so that adding one moves few others."""

    __slots__ = ("_blocks", "_documents", "_lasts")

    def __init__(self, entries: Iterable[tuple[bytes, Document]] = ()) -> None:
        ordered = sorted(entries, key=lambda entry: entry[0])
        parts = [ordered[start : start + _BLOCK] for start in range(0, len(ordered), _BLOCK)]
        self._blocks = [[key for key, _ in part] for part in parts]
        self._documents = [[document for _, document in part] for part in parts]
        self._lasts = [block[-1] for block in self._blocks]

    def add(self, key: bytes, document: Document) -> None:
        """Put a document under a key that is not there yet."""
        if not self._blocks:
            self._blocks, self._documents, self._lasts = [[key]], [[document]], [key]
            return
        number = min(bisect_left(self._lasts, key), len(self._blocks) - 1)
        block, documents = self._blocks[number], self._documents[number]
        place = bisect_left(block, key)
        block.insert(place, key)
        documents.insert(place, document)
        self._lasts[number] = block[-1]
        if len(block) > 2 * _BLOCK:
            self._blocks.insert(number + 1, block[_BLOCK:])
            self._documents.insert(number + 1, documents[_BLOCK:])
            del block[_BLOCK:], documents[_BLOCK:]
            self._lasts.insert(number, block[-1])

    def remove(self, key: bytes) -> None:
        """Take away the document under a key that is there."""
        number = bisect_left(self._lasts, key)
        block, documents = self._blocks[number], self._documents[number]
        place = bisect_left(block, key)
        del block[place], documents[place]
        if block:
            self._lasts[number] = block[-1]
        else:
            del self._blocks[number], self._documents[number], self._lasts[number]

    def __bool__(self) -> bool:
        return bool(self._blocks)

    @property
    def first_key(self) -> bytes:
        """The first key; there must be one."""
        return self._blocks[0][0]

    @property
    def last_key(self) -> bytes:
        """The last key; there must be one."""
        return self._lasts[-1]

    def pop(self, key: bytes) -> Document:
        """Take away the document under a key that is there, and return it."""
        number, place = self._place(key)
        document = self._documents[number][place]
        self.remove(key)
        return document

    def _place(self, key: bytes) -> tuple[int, int]:
        number = bisect_left(self._lasts, key)
        return (number, bisect_left(self._blocks[number], key)) if number < len(self._blocks) else (number, 0)

    def count(self, low: bytes, high: bytes) -> int:
        """About how many keys there are from `low` up to, but without, `high`; exact within one block."""
        first, start = self._place(low)
        last, end = self._place(high)
        if first == last:
            return max(end - start, 0)
        return max((last - first) * _BLOCK + end - start, 1) if first < last else 0

    def forward(self, low: bytes, high: bytes) -> Iterator[Document]:
        """The documents from `low` up to, but without, `high`."""
        first, start = self._place(low)
        last, end = self._place(high)
        for number in range(first, min(last + 1, len(self._blocks))):
            documents = self._documents[number]
            stop = end if number == last else len(documents)
            # A slice would look at them all, and few may be wanted.
            yield from map(documents.__getitem__, range(start, stop))
            start = 0

    def backward(self, low: bytes, high: bytes) -> Iterator[Document]:
        """The same documents, the last one first."""
        first, start = self._place(low)
        last, end = self._place(high)
        for number in range(min(last, len(self._blocks) - 1), first - 1, -1):
            documents = self._documents[number]
            stop = end if number == last else len(documents)
            yield from map(documents.__getitem__, range(stop - 1, (start if number == first else 0) - 1, -1))


class Index:
    """The documents of one scope by one field.

    Args:
        segments: The field, or `NAME`.
        contains: Whether each element of an array counts, and nothing else, instead of the value.
        documents: What is there already.
    """

    __slots__ = ("_contains", "_segments", "entries")

    def __init__(self, segments: Segments, contains: bool, documents: Iterable[Document]) -> None:
        self._segments = segments
        self._contains = contains
        self.entries = SortedEntries(
            (key, document) for document in documents for key in self._keys(document, document.version)
        )

    def _keys(self, document: Document, version: Version | None) -> tuple[bytes, ...]:
        if version is None:
            return ()
        name_key = document.name_key
        if self._segments is NAME:
            return (name_key,)
        value = value_at(version.data, self._segments)
        if value is MISSING:
            return ()
        if not self._contains:
            return (key_of(value) + name_key,)
        if kind_of(value) is not list:
            return ()
        return tuple({key_of(element) + name_key for element in value})

    def update(self, document: Document, old: Version | None, new: Version | None) -> None:
        """Follow a change of one document."""
        old_keys, new_keys = self._keys(document, old), self._keys(document, new)
        if old_keys == new_keys:
            return
        for key in old_keys:
            if key not in new_keys:
                self.entries.remove(key)
        for key in new_keys:
            if key not in old_keys:
                self.entries.add(key, document)


class Scope(ABC):
    """What one query ranges over: a collection, or all collections of one id.

    Attributes:
        indexes: The indexes that were asked for so far.
    """

    def __init__(self) -> None:
        self.indexes: dict[tuple[Segments, bool], Index] = {}

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def documents(self) -> Iterable[Document]:
        """All documents, in no order."""

    def index(self, segments: Segments, contains: bool = False) -> Index:
        """The index over a field, built now if there is none yet."""
        index = self.indexes.get((segments, contains))
        if index is None:
            index = self.indexes[segments, contains] = Index(segments, contains, self.documents())
        return index


class Collection(Scope):
    """The documents of one collection by their ids."""

    def __init__(self, group: Group) -> None:
        super().__init__()
        self.group = group
        self.by_id: dict[str, Document] = {}

    def __len__(self) -> int:
        return len(self.by_id)

    def documents(self) -> Iterable[Document]:
        """All documents, in no order."""
        return self.by_id.values()

    def put(self, document_id: str, path: str, version: Version | None) -> None:
        """Make `version` the present state of a document; `None` removes it."""
        old = None
        document = self.by_id.get(document_id)
        if version is None:
            if document is None:
                return
            del self.by_id[document_id]
            old = document.version
        elif document is not None:
            old = document.version
            document.version = version
        else:
            document = self.by_id[document_id] = Document(path, version)
        for index in self.indexes.values():
            index.update(document, old, version)
        for index in self.group.indexes.values():
            index.update(document, old, version)


class Group(Scope):
    """All collections of one id, wherever they are."""

    def __init__(self) -> None:
        super().__init__()
        self.collections: list[Collection] = []

    def __len__(self) -> int:
        return sum(map(len, self.collections))

    def documents(self) -> Iterable[Document]:
        """All documents, in no order."""
        return (document for collection in self.collections for document in collection.documents())


class Descendants(Scope):
    """Several collections of any ids, for one query: its indexes don't follow changes."""

    def __init__(self, collections: list[Collection]) -> None:
        super().__init__()
        self._collections = collections

    def __len__(self) -> int:
        return sum(map(len, self._collections))

    def documents(self) -> Iterable[Document]:
        """All documents, in no order."""
        return (document for collection in self._collections for document in collection.documents())
