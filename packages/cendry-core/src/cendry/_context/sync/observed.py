# Generated from aio/observed.py by tools/twins.py; do not edit.
"""The results of a query that is observed."""

from __future__ import annotations

from collections.abc import Iterator

from ...backend import StoredDocument
from ...plan import QueryPlan
from ..observing import Observed, Observer


class ObservedStream(Iterator[StoredDocument]):
    """The results of a query as they arrive: an operation that ends with them, or with an error, or is broken off.

    It begins when the first result is asked for, and is the current span only then: between results, the program does
    other things.

    Args:
        results: The results.
        observer: The observer of the context.
        plan: The query.
    """

    __slots__ = ("_observed", "_observer", "_plan", "_results")

    def __init__(self, results: Iterator[StoredDocument], observer: Observer, plan: QueryPlan) -> None:
        self._results = results
        self._observer = observer
        self._plan = plan
        self._observed: Observed | None = None

    def __next__(self) -> StoredDocument:
        observed = self._observed
        try:
            if observed is None:
                observed = self._observed = self._observer.query("select", self._plan)
                observed.rows = 0
                with observed.current():
                    result = next(self._results)
            else:
                result = next(self._results)
        except StopIteration:
            self._end()
            raise
        except BaseException as error:
            self._end(error)
            raise
        observed.rows = (observed.rows or 0) + 1
        return result

    def close(self) -> None:
        """Stop the stream and release its resources."""
        self._end()
        close = getattr(self._results, "close", None)
        if close is not None:
            close()

    def __del__(self) -> None:
        self._end()

    def _end(self, error: BaseException | None = None) -> None:
        if self._observed is not None:
            self._observed.end(error)
