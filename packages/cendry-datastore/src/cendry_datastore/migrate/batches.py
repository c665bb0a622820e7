"""Writes in groups that one commit takes. Sends nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

MAX_WRITES: Final = 500
"""Documents of one commit."""

MAX_BYTES: Final = 9_000_000
"""Bytes of one commit; Firestore takes 10 MiB."""

MAX_EMULATOR_BYTES: Final = 3_000_000
"""Bytes of one commit to the emulator, which takes 4 MiB."""

# The tag and the length of a write in a commit.
_OVERHEAD: Final = 8


def batches(writes: Iterable[Any], max_bytes: int = MAX_BYTES, max_writes: int = MAX_WRITES) -> Iterator[list[Any]]:
    """Group `Write` messages, in order.

    Args:
        writes: The messages.
        max_bytes: Bytes of a group, at most, unless it is a single write.
        max_writes: Writes of a group, at most.
    """
    group: list[Any] = []
    size = 0
    for write in writes:
        own = write.ByteSize() + _OVERHEAD
        if group and (len(group) == max_writes or size + own > max_bytes):
            yield group
            group, size = [], 0
        group.append(write)
        size += own
    if group:
        yield group
