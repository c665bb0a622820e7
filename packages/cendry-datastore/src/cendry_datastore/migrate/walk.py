"""Work on many shards by some threads, which ends at whole pages: when it is asked to, or one of them fails."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeVar

from cendry.errors import JobStoppedError
from cendry.jobs import Stop

T = TypeVar("T")

_JOIN_SECONDS = 1.0


def run_shards(shards: Iterable[T], work: Callable[[T], None], *, workers: int, stop: Stop) -> None:
    """Work on each shard, several at a time.

    Args:
        shards: The shards, or anything else.
        work: Does one; it ends early if `stop.is_requested`.
        workers: How many threads.
        stop: Asks the threads to end. It is requested as well if one of them fails.

    Raises:
        BaseException: The first error of the threads, when all have ended.
    """
    waiting = deque(shards)
    errors: list[BaseException] = []

    def live() -> None:
        while not stop.is_requested:
            try:
                shard = waiting.popleft()
            except IndexError:
                return
            try:
                work(shard)
            except BaseException as error:
                errors.append(error)
                stop.request()

    threads = [threading.Thread(target=live, name=f"cendry-migrate-{n}", daemon=True) for n in range(workers)]
    for thread in threads[: len(waiting)]:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive():
                thread.join(_JOIN_SECONDS)
    except BaseException:
        stop.request()
        raise
    if errors:
        # One that only ended for the others' sake is not the reason.
        raise next((error for error in errors if not isinstance(error, JobStoppedError)), errors[0])
