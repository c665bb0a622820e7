"""Cuts a kind into shards: key ranges that are disjoint, and cover all keys. Sends nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from .paging import key_bytes
from .values import Shard

SHARD_SIZE: Final = 20_000
"""Entities of a shard, about."""

SCATTER_PER_SHARD: Final = 32
"""Keys of a random sample for each shard, so that shards differ little in size."""

MAX_SHARDS: Final = 1000
"""Shards of a kind, at most."""


def shard_count(entities: int, size: int = SHARD_SIZE) -> int:
    """How many shards a kind gets.

    Args:
        entities: How many entities it has, about.
        size: How many entities a shard is to have.
    """
    return max(1, min(round(entities / size), MAX_SHARDS))


def key_order(key: Any) -> tuple[tuple[bytes, int, Any], ...]:
    """What a `Key` message is sorted by: its elements from the outermost in, ids before names."""
    return tuple(
        (one.kind.encode("utf-8", "surrogatepass"), 1, one.name.encode("utf-8", "surrogatepass"))
        if one.name
        else (one.kind.encode("utf-8", "surrogatepass"), 0, one.id)
        for one in key.path
    )


def cut_sample(sample: Iterable[Any], shards: int) -> list[bytes]:
    """Where to cut a kind, from a random sample of its keys.

    Args:
        sample: `Key` messages, in any order.
        shards: How many shards there are to be.

    Returns:
        Serialized keys in order, at most one less than the shards.
    """
    ordered = [key_bytes(key) for key in sorted(sample, key=key_order)]
    return _distinct(ordered[len(ordered) * number // shards] for number in range(1, shards) if ordered)


def cut_walk(keys: Iterable[Any], size: int = SHARD_SIZE) -> tuple[list[bytes], int]:
    """Where to cut a kind, from all of its keys.

    Args:
        keys: `Key` messages in the order of the database.
        size: How many entities a shard is to have.

    Returns:
        Serialized keys in order, and how many keys there were.
    """
    cuts: list[bytes] = []
    count = 0
    for count, key in enumerate(keys, 1):
        if count % size == 0:
            cuts.append(key_bytes(key))
    if count and count % size == 0:
        # The last range is open; it would be empty.
        cuts.pop()
    return cuts, count


def shards_of(kind: str, cuts: Sequence[bytes], first: int = 0) -> tuple[Shard, ...]:
    """The shards of a kind: `(start, end]` each, where one begins the one before it ends.

    Args:
        kind: The kind.
        cuts: Where it is cut: serialized keys in order.
        first: The number of the first shard.
    """
    ends = [*_distinct(cuts), b""]
    starts = [b"", *ends[:-1]]
    return tuple(
        Shard(kind, number, start, end) for number, (start, end) in enumerate(zip(starts, ends, strict=True), first)
    )


def _distinct(keys: Iterable[bytes]) -> list[bytes]:
    return [key for key in dict.fromkeys(keys) if key]
