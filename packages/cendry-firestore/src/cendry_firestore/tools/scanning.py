"""Documents of a collection, each read once, page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

from cendry.backend import Backend, StoredDocument
from cendry.errors import JobStoppedError
from cendry.jobs import Progress, Stop, Tracker

from .ranges import Selection, make_plan, pages


def scanned(
    backend: Backend,
    selection: Selection,
    what: str,
    sample: int | None,
    on_progress: Callable[[Progress], object] | None,
    stop: Stop | None,
) -> Iterator[StoredDocument]:
    """The documents of a collection, by key.

    Args:
        backend: Where they are.
        selection: Which they are.
        what: What is done, for progress.
        sample: At most how many; `None` for all.
        on_progress: Called with a `Progress` after each page.
        stop: Ends the work early.

    Raises:
        JobStoppedError: It was asked to stop.
        TypeError: `sample` is no number.
        ValueError: It is not positive.
    """
    if sample is not None and (not isinstance(cast("object", sample), int) or isinstance(sample, bool)):
        raise TypeError(f"sample= takes a number of documents, or None for all, not {sample!r}.")
    if sample is not None and sample < 1:
        raise ValueError(f"sample= takes a number of documents from 1, not {sample!r}.")
    count = make_plan(backend, selection, "", divides=False).count
    tracker = Tracker(what, count if sample is None else min(count, sample))
    for page in pages(backend, selection, "", "", "", most=sample):
        if stop is not None and stop.is_requested:
            raise JobStoppedError(what, tracker.done)
        yield from page
        tracker.note(len(page))
        if on_progress is not None:
            on_progress(tracker.progress())
