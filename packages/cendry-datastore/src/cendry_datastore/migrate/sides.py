"""A backend of Cendry as one side of a mirror: documents by path, with their stored values."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

from cendry._stored import same
from cendry.backend import Backend, CallOptions, StoredDocument
from cendry.errors import CendryError, OutcomeUnknownError
from cendry.paths import exact_text
from cendry.plan import Delete, GetPlan, Set, Write

from .mirror import Rest

TIMEOUT: Final = 10.0
"""Seconds that a read or write of a mirror may take: the caller of a dual write waits for it."""

MAX_WRITES: Final = 250
"""Documents in one commit."""


class BackendSide:
    """A backend, as the original or the replica of a mirror.

    Args:
        backend: The backend.
        timeout: Seconds that each call may take.
        clock: Returns a time in seconds that never runs back.
    """

    __slots__ = ("_options", "_rest", "backend")

    def __init__(
        self, backend: Backend, timeout: float = TIMEOUT, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.backend = backend
        self._options = CallOptions(timeout=timeout)
        self._rest = Rest(clock)

    def read(self, names: Sequence[str]) -> Mapping[str, Any]:
        """The stored fields of documents by path; `None` for each one that doesn't exist."""
        return {name: result.data for name, result in self._results(names)}

    def results(self, names: Sequence[str]) -> Mapping[str, StoredDocument]:
        """The results of the backend for some documents, by path.

        Raises:
            Exception: The database can't be read, or is left alone for a while.
        """
        if (resting := self._rest.error) is not None:
            raise resting
        try:
            return dict(self._results(names))
        except Exception as error:
            self._rest.begin(error)
            raise

    def _results(self, names: Sequence[str]) -> Iterator[tuple[str, StoredDocument]]:
        for result in self.backend.get(GetPlan(tuple(names)), options=self._options):
            yield cast("str", exact_text(result.path)), result

    @staticmethod
    def data_of(result: Any) -> Any:
        """The stored fields of a result of the backend; `None` if there is no such document."""
        return result.data

    def is_same(self, one: Any, other: Any) -> bool:
        """Whether the stored fields of two documents are the same, in kind and value."""
        return same(one, other)

    def write(self, documents: Mapping[str, Any]) -> Mapping[str, Exception]:
        """Write or delete documents; one that is refused doesn't keep the others from being written."""
        if (resting := self._rest.error) is not None:
            return dict.fromkeys(documents, resting)
        writes = [_write(path, data) for path, data in documents.items()]
        errors: dict[str, Exception] = {}
        waiting = [writes[start : start + MAX_WRITES] for start in range(0, len(writes), MAX_WRITES)]
        while waiting:
            part = waiting.pop()
            try:
                self.backend.commit(part, options=self._options)
            except Exception as error:
                if not _is_refusal(error):
                    self._rest.begin(error)
                elif len(part) > 1:
                    middle = len(part) // 2
                    waiting += [part[middle:], part[:middle]]
                    continue
                errors.update((write.path, error) for write in part)
        return errors


def _write(path: str, data: Mapping[str, Any] | None) -> Write:
    return Delete(path) if data is None else Set(path, data)


def _is_refusal(error: Exception) -> bool:
    """Whether an error may be the fault of one document, rather than of the database or the network."""
    return isinstance(error, (CendryError, TypeError, ValueError)) and not isinstance(error, OutcomeUnknownError)


def different_fields(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The names of the fields that two documents don't have in common, sorted; none if a document is missing."""
    if one is None or other is None:
        return ()
    names = sorted(one.keys() | other.keys())
    missing = object()
    return tuple(name for name in names if not same(one.get(name, missing), other.get(name, missing)))
