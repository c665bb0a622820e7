"""What documents are, in few bytes, so that two databases can be compared without keeping either. Nothing here sends.

Digests hold for one build of protobuf, so both sides are to be computed in one process.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, Final
from zlib import crc32

BUCKETS: Final = 4096
"""Buckets that documents fall into, by name."""

_MODULUS: Final = 1 << 128
_FRACTIONS: Final = 1 << 32


def bucket_of(name: str) -> int:
    """The bucket of a document, by its full name in the target."""
    return crc32(name.encode()) % BUCKETS


def is_in_sample(name: str, share: float) -> bool:
    """Whether a document belongs to a sample, by its name; the same in each run and on both sides.

    Args:
        name: The full name of the document in the target.
        share: The share of all documents, 0 to 1.
    """
    found = int.from_bytes(blake2b(name.encode(), digest_size=4).digest(), "big")
    return found < share * _FRACTIONS


def digest_of(document: Any) -> bytes:
    """The digest of a `Document` message: of its name and fields, without its times. They are cleared."""
    document.ClearField("create_time")
    document.ClearField("update_time")
    # Entries of maps are sorted.
    return blake2b(document.SerializeToString(deterministic=True), digest_size=16).digest()


class Digest:
    """What one side has: for each bucket the number of its documents, and the sum of their digests modulo 2^128.

    A sum, other than an XOR, isn't the same if documents have swapped their fields twice, as names are part of it.
    """

    __slots__ = ("counts", "sums")

    def __init__(self) -> None:
        self.counts = [0] * BUCKETS
        self.sums = [0] * BUCKETS

    def add(self, document: Any) -> None:
        """Add a document, whose times are cleared."""
        bucket = bucket_of(document.name)
        self.counts[bucket] += 1
        self.sums[bucket] = (self.sums[bucket] + int.from_bytes(digest_of(document), "big")) % _MODULUS

    def merge(self, other: Digest) -> None:
        """Add all documents of another one."""
        for bucket in range(BUCKETS):
            self.counts[bucket] += other.counts[bucket]
            self.sums[bucket] = (self.sums[bucket] + other.sums[bucket]) % _MODULUS

    @property
    def count(self) -> int:
        """How many documents were added."""
        return sum(self.counts)

    def differing(self, other: Digest) -> frozenset[int]:
        """The buckets in which two sides differ."""
        return frozenset(self._differing(other))

    def _differing(self, other: Digest) -> Iterator[int]:
        mine, others = zip(self.counts, self.sums, strict=True), zip(other.counts, other.sums, strict=True)
        for bucket, (one, two) in enumerate(zip(mine, others, strict=True)):
            if one != two:
                yield bucket
