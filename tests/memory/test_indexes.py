from __future__ import annotations

import random

from cendry_memory._indexes import Document, SortedEntries, Version
from memory.asking import MOMENT


def entry(number: int) -> tuple[bytes, Document]:
    return b"%06d" % number, Document(f"c/{number}", Version({}, MOMENT, MOMENT))


def found(entries: SortedEntries, low: bytes, high: bytes, *, backward: bool = False) -> list[str]:
    walk = entries.backward if backward else entries.forward
    return [document.path for document in walk(low, high)]


def expected(numbers: set[int], low: int, high: int) -> list[str]:
    return [f"c/{number}" for number in sorted(numbers) if low <= number < high]


def test_entries_stay_sorted_through_any_additions_and_removals() -> None:
    rng = random.Random(7)
    numbers = set(rng.sample(range(10_000), 3_000))
    entries = SortedEntries(map(entry, numbers))
    for number in rng.sample(range(10_000), 4_000):
        if number in numbers:
            entries.remove(entry(number)[0])
            numbers.remove(number)
        else:
            entries.add(*entry(number))
            numbers.add(number)
    for _ in range(200):
        low, high = rng.randrange(10_000), rng.randrange(10_000)
        bounds = b"%06d" % low, b"%06d" % high
        assert expected(numbers, low, high) == found(entries, *bounds)
        assert expected(numbers, low, high)[::-1] == found(entries, *bounds, backward=True)
    assert expected(numbers, 0, 10_000) == found(entries, b"", b"\xff")
    assert expected(numbers, 0, 10_000)[::-1] == found(entries, b"", b"\xff", backward=True)


def test_entries_grow_from_nothing_and_shrink_to_nothing() -> None:
    entries = SortedEntries()
    assert found(entries, b"", b"\xff") == found(entries, b"", b"\xff", backward=True) == []
    assert entries.count(b"", b"\xff") == 0
    for number in range(3_000):
        entries.add(*entry(number))
    assert len(found(entries, b"", b"\xff")) == 3_000
    for number in range(3_000):
        entries.remove(entry(number)[0])
    assert found(entries, b"", b"\xff") == []


def test_counts_are_exact_within_a_block_and_near_beyond() -> None:
    entries = SortedEntries(map(entry, range(5_000)))
    assert entries.count(b"000010", b"000020") == 10
    assert entries.count(b"000020", b"000010") == 0
    assert entries.count(b"004000", b"000010") == 0
    assert 3_000 <= entries.count(b"000500", b"004500") <= 5_000
