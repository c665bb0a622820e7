"""What one worker knows of its documents: what may be stored, after all that it was told; and whether it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from cendry import Field, Model, Ref
from cendry import field as model_field

ABSENT: Final = -1
"""The version of a document that isn't there."""

PER_GROUP: Final = 40


class Epoch(Model, collection="epochs"):
    """Holds, as its parent, all that is written in one life of the emulator."""


class Row(Model, collection="rows", parent=Epoch):
    token: Field[str]
    group: Field[str]
    version: Field[int] = model_field(default=0)
    text: Field[str] = model_field(default="")
    tally: Field[str] = model_field(default="")


class Frozen(Model, collection="frozen", parent=Epoch):
    number: Field[int]
    text: Field[str]


class Tally(Model, collection="tallies", parent=Epoch):
    """Counted in transactions alone, twice: by reading and writing, and by an increment."""

    read: Field[int] = model_field(default=0)
    times: Field[int] = model_field(default=0)


class Hits(Model, collection="hits", parent=Epoch):
    """Incremented outside transactions."""

    times: Field[int] = model_field(default=0)


def text_of(token: str, version: int) -> str:
    """What a version of a document says, so that a mixture of two shows."""
    return f"{token} version {version} " * (1 + (version + len(token)) % 7)


def frozen_text(number: int) -> str:
    return f"frozen {number} " * 100


@dataclass(slots=True)
class Entry:
    """One document.

    Attributes:
        token: Its own word, which no other document has.
        instance: The instance that was written, as long as it is written again.
        allowed: The versions that may be stored; several where an outcome is unknown.
        id: Its id, if it is known.
        is_open: Whether it may be written again. Not once a fault fell into a write: an attempt that got lost on its
            way may come late, over what is written afterwards, and no database promises that it doesn't.
        tally: What it is a receipt of.
    """

    token: str
    instance: Row | None
    allowed: set[int]
    id: str | None = None
    is_open: bool = False
    tally: str = ""

    @property
    def version(self) -> int:
        """The version that is stored, of an entry that is certain."""
        [version] = self.allowed
        return version


@dataclass(slots=True)
class HitCount:
    """Increments of one document outside transactions: each is there once, or its outcome is known to be unknown.

    Attributes:
        told: How many were acknowledged.
        unknown: How many have an outcome that is unknown.
    """

    told: int = 0
    unknown: int = 0


@dataclass(slots=True)
class Ledger:
    """One worker's documents of one epoch."""

    worker: int
    entries: dict[str, Entry] = field(default_factory=dict)
    together: list[list[tuple[Entry, int, int]]] = field(default_factory=list)
    """Atomic writes whose outcome is unknown: entries, each with the versions before and after."""
    hits: dict[str, HitCount] = field(default_factory=dict)

    def new(self, epoch: Ref[Epoch], named: bool, tally: str = "") -> tuple[Entry, Row]:
        """A document that isn't written yet."""
        number = len(self.entries)
        token = f"{self.worker:02}-{number:06}"
        group = f"{self.worker:02}-{number // PER_GROUP:04}"
        row = Row(id=token if named else None, token=token, group=group, text=text_of(token, 0), tally=tally)
        entry = self.entries[token] = Entry(token, row, {ABSENT}, row.id, tally=tally)
        return entry, row

    def open_entries(self) -> list[Entry]:
        return [entry for entry in self.entries.values() if entry.is_open]

    def groups(self) -> dict[str, list[Entry]]:
        found: dict[str, list[Entry]] = {}
        for entry in self.entries.values():
            group = f"{self.worker:02}-{int(entry.token[3:]) // PER_GROUP:04}"
            found.setdefault(group, []).append(entry)
        return found


def wrong_row(entry: Entry | None, row: Row) -> str | None:
    """What is wrong with a document that was read."""
    if entry is None:
        return f"{row!r} was never written"
    if entry.id is not None and row.id != entry.id:
        return f"{row!r} should have the id {entry.id}"
    if row.version not in entry.allowed:
        return f"{row!r} should be of version {sorted(entry.allowed)}"
    if row.text != text_of(row.token, row.version) or row.tally != entry.tally:
        return f"{row!r} is a mixture"
    return None


def faults_of(ledgers: Iterable[Ledger], rows: list[Row], tallies: list[Tally], hits: list[Hits]) -> Iterator[str]:
    """What is stored and shouldn't be, or the other way round."""
    ledgers = list(ledgers)
    entries = {token: entry for ledger in ledgers for token, entry in ledger.entries.items()}
    stored = {row.token: row for row in rows}
    for token, number in Counter(row.token for row in rows).items():
        if number > 1:
            yield f"{number} documents have the token {token}: doubled"
    for row in rows:
        if wrong := wrong_row(entries.get(row.token), row):
            yield wrong
    for token, entry in entries.items():
        if token not in stored and ABSENT not in entry.allowed:
            yield f"{entry} is lost"
    for group in [group for ledger in ledgers for group in ledger.together]:
        found = [stored[entry.token].version if entry.token in stored else ABSENT for entry, _, _ in group]
        if found not in ([before for _, before, _ in group], [after for _, _, after in group]):
            yield f"written in part: {list(zip(group, found, strict=True))}"
    yield from _wrong_counts(ledgers, rows, tallies, hits)


def _wrong_counts(ledgers: list[Ledger], rows: list[Row], tallies: list[Tally], hits: list[Hits]) -> Iterator[str]:
    receipts = Counter(row.tally for row in rows if row.tally)
    told = Counter(
        entry.tally
        for ledger in ledgers
        for entry in ledger.entries.values()
        if entry.tally and ABSENT not in entry.allowed
    )
    for tally in tallies:
        if not tally.read == tally.times == receipts[str(tally.id)]:
            yield f"{tally!r} has {receipts[str(tally.id)]} receipts"
    for id in {*receipts, *told} - {tally.id for tally in tallies}:
        yield f"the tally {id} is lost"
    counted = {hit.id: hit.times for hit in hits}
    for ledger in ledgers:
        for id, hit in ledger.hits.items():
            times = counted.get(id, 0)
            if not hit.told <= times <= hit.told + hit.unknown:
                yield f"{id} was incremented {times} times; {hit}"
