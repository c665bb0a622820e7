"""A backend that writes two databases: the one that answers, and the one that is to have the same.

Two databases can't be written atomically. What is promised is that every divergence is in the log of intents, or is
found by `verify`.
"""

from __future__ import annotations

import logging
import os
import random
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar, cast

from cendry import _fork
from cendry.backend import (
    DEFAULT_OPTIONS,
    Backend,
    CallOptions,
    CommitResult,
    DocumentResult,
    ExplainResult,
    ListenHandle,
    StoredDocument,
    WriteResult,
)
from cendry.errors import CendryError, OutcomeUnknownError, TransactionContentionError, UnsupportedByBackendError
from cendry.jobs import Store, open_store
from cendry.paths import exact_text
from cendry.plan import AggregationPlan, GetPlan, QueryPlan, Write

from ._errors import DualStateError, ModeChangeError, WritesFrozenError
from .migrate.comparisons import Comparer, Fields, Mismatch
from .migrate.intents import Intent, IntentLog
from .migrate.mirror import Mirrored, described, mirror
from .migrate.planned import PlannedReader, PlannedShadow, planned_mirrors
from .migrate.sides import BackendSide
from .migrate.writers import MODES, Mode, Registration

__all__ = ["DualBackend", "Mismatch", "Mode"]

_log: Final = logging.getLogger("cendry")
T = TypeVar("T")

_DELEGATED: Final = frozenset(
    {
        "check_read_time",
        "client",
        "database",
        "encoder",
        "has_cursors",
        "initial_rate",
        "namespace",
        "partition",
        "server",
        "system",
    }
)
"""What a backend may have beside the methods that each one has."""

_OWN: Final = {"explain": "_explain", "write_many": "_write_many"}
"""The same, where it is not simply that of the backend that answers."""


class _DualTransaction(NamedTuple):
    """A transaction of the database that answered when it was begun."""

    backend: Backend
    handle: Any


class DualBackend:
    """Two databases behind one backend, for `Cendry`, while the documents of one are moved to the other.

    The primary database answers, and each document that is written is then mirrored to the shadow: read from the
    primary, written to the shadow, and read again until both are the same. Errors of the shadow are logged in the state
    and never raised.

    | mode | answers | mirrored | reads compared | writes |
    |---|---|---|---|---|
    | `shadow-write` | primary | yes | no | yes |
    | `shadow-read` | primary | yes | `get` and `get_many` | yes |
    | `frozen` | as before | no | no | refused, with `WritesFrozenError` |
    | `switched` | shadow | to the primary | no | yes |

    Between `shadow-read` and `switched`, in both directions, all processes have to be `frozen`.

    Args:
        primary: The database that is left: usually a `DatastoreBackend`.
        shadow: The database that is moved to: usually a `FirestoreBackend`. Both backends stay open when this is
            closed.
        state: The directory or `Store` of the migration, which all processes share.
        mode: The mode.
        compare: Whether the stored fields of a document are the same in both databases, given as mappings or `None`;
            by default they must be the same in kind and value.
        on_mismatch: Called with each `Mismatch`, in a thread of this backend's own.
        sample: The share of the calls of `get` and `get_many` that are compared, from 0 to 1.

    Raises:
        TypeError: A backend is not one of the sync twin.
        ValueError: The mode or the share is not valid, or both backends are the same.
        ModeChangeError: The mode contradicts that of other processes, or open intents.
        JobFileError: The state can't be read.
    """

    def __init__(
        self,
        primary: Backend,
        shadow: Backend,
        *,
        state: str | os.PathLike[str] | Store,
        mode: Mode = "shadow-write",
        compare: Callable[[Fields, Fields], bool] | None = None,
        on_mismatch: Callable[[Mismatch], object] | None = None,
        sample: float = 1.0,
    ) -> None:
        _check_backend("primary", primary)
        _check_backend("shadow", shadow)
        if primary is shadow:
            raise ValueError("primary and shadow are the same backend.")
        _check_mode(mode)
        share = cast("object", sample)
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
            raise ValueError(f"sample= takes a number from 0 to 1, not {sample!r}.")
        self._primary, self._shadow = primary, shadow
        self._store = open_store(Path(state) if isinstance(state, os.PathLike) else state)
        self._compare, self._on_mismatch, self._sample = compare, on_mismatch, sample
        self._changing = threading.Condition()
        self._under_way = 0
        self._is_changing = False
        self._registration = Registration(self._store)
        self._begin()
        self._registration.register(mode)
        _fork.register(self)

    def _begin(self) -> None:
        process = self._registration.process
        self._intents = IntentLog(self._store, process)
        self._sides = BackendSide(self._primary), BackendSide(self._shadow)
        self._planned = planned_mirrors(self._store, self._primary, self._shadow)
        primary: BackendSide | PlannedReader
        shadow: BackendSide | PlannedShadow
        primary, shadow = self._sides
        if self._planned is not None:
            primary, shadow = PlannedReader(self._planned), PlannedShadow(self._planned, self._sides[1])
        self._comparer = Comparer(
            self._store,
            process,
            primary,
            shadow,
            compare=self._compare,
            on_mismatch=self._on_mismatch,
            data_of=primary.data_of,
        )

    def after_fork(self) -> None:
        """Become a process of its own, with a lease and a log of its own."""
        self._changing = threading.Condition()
        self._under_way = 0
        self._is_changing = False
        self._registration.after_fork()
        self._begin()

    def __repr__(self) -> str:
        return f"DualBackend({self._primary.name} and {self._shadow.name}, mode={self.mode!r})"

    # --- modes ---

    @property
    def mode(self) -> Mode:
        """The mode."""
        return self._registration.mode

    def change_mode(self, mode: Mode) -> None:
        """Change the mode of this process, once the writes that are under way have ended.

        Raises:
            ValueError: The mode is not valid.
            ModeChangeError: The mode contradicts that of other processes, or open intents; it stays as it is.
            JobFileError: The state can't be read.
        """
        _check_mode(mode)
        with self._changing:
            self._changing.wait_for(lambda: not self._is_changing)
            self._is_changing = True
            self._changing.wait_for(lambda: not self._under_way)
        try:
            self._registration.register(mode)
        finally:
            with self._changing:
                self._is_changing = False
                self._changing.notify_all()

    @property
    def _active(self) -> Backend:
        """The database that answers."""
        return self._primary if self._registration.direction == "forward" else self._shadow

    @property
    def name(self) -> str:
        """The name of the database that answers."""
        return self._active.name

    @property
    def client(self) -> Any:
        """The client of the database that answers."""
        return self._active.client

    def __getattr__(self, name: str) -> Any:
        """What the backend that answers has beside the methods that each one has."""
        if name in _DELEGATED:
            return getattr(self._active, name)
        if name in _OWN and hasattr(self._active, name):
            return getattr(self, _OWN[name])
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    # --- reads ---

    def get(
        self, plan: GetPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> Iterator[StoredDocument]:
        """Read documents by path from the database that answers; in `shadow-read`, they are compared later."""
        backend, handle = self._for_reading(transaction)
        results = backend.get(plan, options=options, transaction=handle)
        is_comparable = transaction is None and plan.projection is None and plan.read_time is None
        if self.mode != "shadow-read" or not is_comparable or random.random() >= self._sample:  # noqa: S311
            return results
        return self._compared(results)

    def run(
        self, plan: QueryPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> Iterator[StoredDocument]:
        """Stream the documents of a query from the database that answers."""
        backend, handle = self._for_reading(transaction)
        return backend.run(plan, options=options, transaction=handle)

    def aggregate(
        self, plan: AggregationPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> tuple[int | float | None, ...]:
        """Compute figures over a query by the database that answers."""
        backend, handle = self._for_reading(transaction)
        return backend.aggregate(plan, options=options, transaction=handle)

    def _explain(self, plan: QueryPlan | AggregationPlan, *, transaction: Any = None, **options: Any) -> ExplainResult:
        backend, handle = self._for_reading(transaction)
        result: ExplainResult = cast("Any", backend).explain(plan, transaction=handle, **options)
        return result

    def _for_reading(self, transaction: Any) -> _DualTransaction:
        return _DualTransaction(self._active, None) if transaction is None else cast("_DualTransaction", transaction)

    def _compared(self, results: Iterator[StoredDocument]) -> Iterator[StoredDocument]:
        found: dict[str, Any] = {}
        try:
            for result in results:
                found[exact_text(result.path)] = _kept(result)
                yield result
        finally:
            close = getattr(results, "close", None)
            if close is not None:
                close()
        self._comparer.submit(found)

    def drain(self) -> None:
        """Wait until all reads so far are compared, and save the sums in the state."""
        self._comparer.drain()

    # --- writes ---

    def commit(
        self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> CommitResult:
        """Apply all writes, in order, or none, to the database that answers; then mirror their documents.

        Raises:
            WritesFrozenError: The mode is `frozen`.
            DualStateError: The state can't be written; nothing was.
        """
        if not writes:
            backend, handle = self._for_reading(transaction)
            return backend.commit(writes, options=options, transaction=handle)
        with self._writing(writes, transaction) as intent:
            backend, handle = self._for_reading(transaction)
            with self._settling(intent):
                result = backend.commit(writes, options=options, transaction=handle)
            self._mirror(intent, intent.paths, {})
        return result

    def _write_many(self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS) -> Sequence[WriteResult]:
        with self._writing(writes, None) as intent:
            with self._settling(intent):
                results: Sequence[WriteResult] = cast("Any", self._active).write_many(writes, options=options)
            written, lost = list[str](), dict[str, str]()
            for write, result in zip(writes, results, strict=True):
                if result.error is None:
                    written.append(exact_text(write.path))
                elif result.is_lost:
                    lost[exact_text(write.path)] = described(result.error)
            self._mirror(intent, written, lost)
        return results

    @contextmanager
    def _writing(self, writes: Sequence[Write], transaction: _DualTransaction | None) -> Generator[Intent, None, None]:
        """Let no mode change while something is written, and log which documents that is."""
        paths = list(dict.fromkeys(exact_text(write.path) for write in writes))
        with self._changing:
            self._changing.wait_for(lambda: not self._is_changing)
            self._under_way += 1
        try:
            if self.mode == "frozen":
                raise WritesFrozenError(paths[0])
            if transaction is not None and transaction.backend is not self._active:
                # It has read what the other database had.
                raise TransactionContentionError
            try:
                self._registration.renew()
                intent = self._intents.open(paths, self._registration.direction)
            except ModeChangeError:
                raise
            except Exception as error:
                raise DualStateError(error) from error
            yield intent
        finally:
            with self._changing:
                self._under_way -= 1
                self._changing.notify_all()

    @contextmanager
    def _settling(self, intent: Intent) -> Generator[None, None, None]:
        """If a commit fails, decide whether the intent is still needed."""
        try:
            yield
        except BaseException as error:
            if _wrote_nothing(error):
                self._note(self._intents.done, intent)
            else:
                reason = f"whether it was written is unknown: {described(error)}"
                self._note(self._intents.failed, intent, dict.fromkeys(intent.paths, reason))
            raise

    def _mirror(self, intent: Intent, paths: Sequence[str], lost: dict[str, str]) -> None:
        """Mirror documents that were written; what fails stays in the log.

        Args:
            intent: The intent.
            paths: The paths of the documents.
            lost: Documents that may have been written, with the reason: they stay in the log.
        """
        primary, shadow = self._sides
        try:
            if self._planned is None:
                sides = (primary, shadow) if intent.direction == "forward" else (shadow, primary)
                outcome = mirror(paths, *sides)
            elif intent.direction == "forward":
                outcome = self._planned().forward.mirror_paths(paths)
            else:
                outcome = self._planned().backward.mirror_paths(paths)
        except Exception as error:
            outcome = Mirrored((), dict.fromkeys(paths, described(error)))
        except BaseException as error:
            # Only what ends a thread: KeyboardInterrupt, for example.
            self._note(self._intents.failed, intent, {**dict.fromkeys(paths, described(error)), **lost})
            raise
        failed = {**outcome.failed, **lost}
        if not failed:
            self._note(self._intents.done, intent)
            return
        path, reason = next(iter(failed.items()))
        _log.warning("%d documents were not mirrored, the first %r: %s", len(failed), path, reason)
        self._note(self._intents.failed, intent, failed)

    @staticmethod
    def _note(note: Callable[..., None], *arguments: Any) -> None:
        """Write to the log of intents after a commit; if that fails, the intent stays open, and is repaired later."""
        try:
            note(*arguments)
        except Exception as error:
            _log.warning("An intent could not be closed, and stays open: %s", described(error))

    # --- transactions ---

    def begin(self, *, read_only: bool = False, retry_of: Any = None) -> Any:
        """Return the handle of a new transaction of the database that answers."""
        backend = self._active
        before = retry_of.handle if retry_of is not None and retry_of.backend is backend else None
        return _DualTransaction(backend, backend.begin(read_only=read_only, retry_of=before))

    def rollback(self, transaction: Any, *, options: CallOptions = DEFAULT_OPTIONS) -> None:
        """End a transaction without writing."""
        transaction.backend.rollback(transaction.handle, options=options)

    # --- others ---

    def listen(
        self,
        plan: QueryPlan | GetPlan,
        on_change: Callable[..., None],
        on_error: Callable[[BaseException], None],
    ) -> ListenHandle:
        """Listen to the database that answers now."""
        return self._active.listen(plan, on_change, on_error)

    def async_twin_error(self) -> UnsupportedByBackendError:
        """The error that `AsyncCendry` raises for this backend."""
        advice = "The backend of Datastore mode has no async twin; use Cendry."
        return UnsupportedByBackendError("the async twin", "DualBackend", advice)

    def close(self) -> None:
        """End comparing, and give the lease back; both backends stay open. May be called twice."""
        self._comparer.close()
        self._registration.leave()

    def __enter__(self) -> DualBackend:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _check_backend(name: str, backend: object) -> None:
    commit = getattr(backend, "commit", None)
    if not callable(commit):
        raise TypeError(f"{name} takes a backend, not {backend!r}.")
    if iscoroutinefunction(commit):
        raise TypeError(f"{name} takes a backend for Cendry, and {backend!r} is one for AsyncCendry.")


def _check_mode(mode: object) -> None:
    if mode not in MODES:
        raise ValueError(f"mode= takes one of {', '.join(map(repr, MODES))}, not {mode!r}.")


def _kept(result: StoredDocument) -> Any:
    """A result whose data can be read later: core's own belongs to the caller, who may change it."""
    if not isinstance(result, DocumentResult):
        return result
    return result._replace(data=deepcopy(result.data))


def _wrote_nothing(error: BaseException) -> bool:
    """Whether a commit that failed is known to have written nothing."""
    return isinstance(error, (CendryError, TypeError, ValueError)) and not isinstance(error, OutcomeUnknownError)
