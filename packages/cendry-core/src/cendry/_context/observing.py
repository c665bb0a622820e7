"""What is told of the operations of a context while they run: spans and durations by OpenTelemetry, and a log.

Spans and measurements have no ids, paths or values; the log has paths, and never values.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from copy import copy
from sys import modules
from time import perf_counter
from typing import Any, Final, TypeAlias, cast

from .._interop.opentelemetry import Attributes, Span, SupportsTracer, Telemetry
from ..errors import InvalidRequestError, UnsupportedByBackendError
from ..paths import split_path
from ..plan import AggregationPlan, Create, Delete, GetPlan, QueryPlan, Set, Update, Write

Recorder: TypeAlias = "Callable[[QueryPlan, AggregationPlan | None], None]"
"""Takes each query that the database answered, with its aggregations, if any."""

TelemetryArgument: TypeAlias = "bool | SupportsTracer | None"
"""The argument of a context: whether there are spans; or the provider that makes them."""

_DEBUG: Final = 10
_SHOWN: Final = 3
"""The number of paths of one operation that the log shows."""

_HTTPS: Final = 443

# A fact about the process, as the log is: queries of all contexts are recorded, also of those that were made before.
_recorder: Recorder | None = None

_VERBS: Final[dict[type, str]] = {Set: "save", Create: "create", Update: "update", Delete: "delete"}


class Observed:
    """An operation that is observed, from its beginning to its end; in a `with`, it is the current span.

    Attributes:
        rows: The number of documents that it returned; `None` if it returns none.
        attempts: The number of attempts at a transaction; 0 for anything else.
        size: The number of writes of a bulk, which is known at its end; else 0.
        span: Its span; `None` without telemetry.
    """

    __slots__ = ("_began", "_inner", "_is_ended", "_log", "_recorded", "_subject", "attempts", "rows", "size", "span")

    def __init__(
        self, log: Any, span: Span | None, subject: str, recorded: QueryPlan | AggregationPlan | None = None
    ) -> None:
        self._log = log
        self._recorded = recorded
        self.span = span
        self._subject = subject
        self._began = perf_counter()
        self._is_ended = False
        self._inner: Any = None
        self.rows: int | None = None
        self.attempts = 0
        self.size = 0

    def around(self, inner: Any) -> Observed:
        """Let a `with` on this enter another context manager, too, and give what that gives."""
        self._inner = inner
        return self

    def __enter__(self) -> Any:
        if self.span is not None:
            self.span.enter()
        if self._inner is None:
            return None
        try:
            return self._inner.__enter__()
        except BaseException as error:
            self._leave(error)
            raise

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._inner is not None:
            self._inner.__exit__(kind, error, trace)
        self._leave(error)

    def _leave(self, error: BaseException | None) -> None:
        if self.span is not None:
            self.span.leave()
        self.end(error)

    @contextmanager
    def current(self) -> Generator[None]:
        """Make it the current span for a while, without ending it."""
        if self.span is None:
            yield
            return
        self.span.enter()
        try:
            yield
        finally:
            self.span.leave()

    def aborted(self, attempt: int) -> None:
        """Note that an attempt at a transaction was aborted."""
        if self._log is not None:
            self._log.debug("transaction: attempt %d was aborted by the database", attempt)
        if self.span is not None:
            self.span.event("cendry.transaction.aborted", {"cendry.transaction.attempt": attempt})

    def end(self, error: BaseException | None = None) -> None:
        """End, with an error or without; later calls do nothing."""
        if self._is_ended:
            return
        self._is_ended = True
        if self._recorded is not None and not isinstance(error, _REFUSED):
            _record(self._recorded)
        if self.span is not None:
            attributes: dict[str, str | int] = {}
            if self.rows is not None:
                attributes["db.response.returned_rows"] = self.rows
            if self.attempts:
                attributes["cendry.transaction.attempts"] = self.attempts
            if self.size > 1:
                attributes["db.operation.batch.size"] = self.size
            self.span.end(error, attributes)
        if self._log is not None:
            self._log.debug("%s: %s in %.1f ms", self._subject, self._outcome(error), self._milliseconds())

    def _milliseconds(self) -> float:
        return (perf_counter() - self._began) * 1000

    def _outcome(self, error: BaseException | None) -> str:
        if error is not None:
            return f"{type(error).__qualname__} raised"
        if self.rows is not None:
            return "1 document" if self.rows == 1 else f"{self.rows} documents"
        if self.attempts:
            return "done, 1 attempt" if self.attempts == 1 else f"done, {self.attempts} attempts"
        if self.size:
            return "1 write" if self.size == 1 else f"{self.size} writes"
        return "done"


class Observer:
    """Observes the operations of a context, if its log or its telemetry wants any.

    Args:
        telemetry: The argument of the context.
        backend: Returns the backend.

    Raises:
        ImportError: Telemetry is wanted, and OpenTelemetry's API is not installed.
        TypeError: The argument is of the wrong kind.
    """

    __slots__ = ("_attributes", "_backend", "_is_enabled", "_logger", "_telemetry", "_whole")

    def __init__(self, telemetry: object, backend: Callable[[], Any]) -> None:
        self._telemetry = None if telemetry is False else Telemetry(telemetry)
        self._backend = backend
        self._logger: Any = None
        self._is_enabled: Any = None
        self._whole: Observed | None = None
        self._attributes: Attributes | None = None
        # Finds the logger, if there is one, and its level: both take a lock, better now than in an operation that may
        # be interrupted.
        self.is_idle()

    def inside(self, whole: Observed | None) -> Observer:
        """An observer of the parts of an operation."""
        if whole is None:
            return self
        inside = copy(self)
        inside._whole = whole
        return inside

    def is_idle(self) -> bool:
        """Whether nothing is to be told of operations that begin now."""
        is_enabled = self._is_enabled
        if is_enabled is None:
            if "logging" not in modules:
                # Slow to import, and until somebody does, nobody listens.
                return self._telemetry is None or not self._telemetry.is_on()
            self._logger = cast("Any", modules["logging"]).getLogger("cendry")
            is_enabled = self._is_enabled = self._logger.isEnabledFor
        return not is_enabled(_DEBUG) and (self._telemetry is None or not self._telemetry.is_on())

    def get(self, operation: str, plan: GetPlan) -> Observed:
        """Begin a read of documents by path."""
        paths = plan.paths
        if len(paths) > 1:
            operation = f"BATCH {operation}"
        return self._begin(operation, [split_path(path)[1] for path in paths], [*paths[:_SHOWN]], len(paths))

    def query(self, operation: str, plan: QueryPlan) -> Observed:
        """Begin a query."""
        if operation == "select" and plan.nearest is not None:
            operation = "find_nearest"
        return self._begin(operation, [plan.collection], [_place(plan)], query=plan)

    def aggregate(self, plan: AggregationPlan) -> Observed:
        """Begin an aggregation."""
        operation = plan.aggregations[0].function if len(plan.aggregations) == 1 else "aggregate"
        return self._begin(operation, [plan.query.collection], [_place(plan.query)], query=plan)

    def explain(self, plan: QueryPlan | AggregationPlan) -> Observed:
        """Begin an explanation of a query."""
        query = plan.query if isinstance(plan, AggregationPlan) else plan
        return self._begin("explain", [query.collection], [_place(query)], query=plan)

    def writes(self, writes: Sequence[Write]) -> Observed:
        """Begin writes that are sent together."""
        verbs = {_verb(write) for write in writes}
        shown = [f"{_verb(write)} {write.path}" for write in writes[:_SHOWN]]
        operation = verbs.pop() if len(verbs) == 1 else ""
        if len(writes) > 1:
            operation = f"BATCH {operation}".rstrip()
        return self._begin(operation, [split_path(write.path)[1] for write in writes], shown, len(writes), verb="")

    def whole(self, operation: str) -> Observed | None:
        """Begin what is made of several operations, a transaction or a bulk; `None` if nothing is to be told of it."""
        return None if self.is_idle() else self._begin(operation, [], [])

    def listens(self, plan: QueryPlan | GetPlan) -> None:
        """Tell that a listener begins; it has no span, since it may run for as long as the program."""
        if _recorder is not None and isinstance(plan, QueryPlan):
            _record(plan)
        if not self.is_idle() and (log := self._log()) is not None:
            log.debug("listen %s: begun", plan.paths[0] if isinstance(plan, GetPlan) else _place(plan))

    def _log(self) -> Any:
        logger = self._logger
        return logger if logger is not None and logger.isEnabledFor(_DEBUG) else None

    def _begin(
        self,
        operation: str,
        collections: Sequence[str],
        shown: list[str],
        count: int = 1,
        verb: str | None = None,
        query: QueryPlan | AggregationPlan | None = None,
    ) -> Observed:
        log, span, subject, whole = self._log(), None, "", self._whole
        telemetry = self._telemetry
        if telemetry is not None and telemetry.is_on():
            common = self._common()
            attributes: dict[str, str | int] = {**common, "db.operation.name": operation}
            target = common.get("db.namespace")
            if collections and collections[0] and (len(collections) == 1 or len(set(collections)) == 1):
                target = attributes["db.collection.name"] = collections[0]
            # Not of the duration: each size would be a series of its own.
            more = {"db.operation.batch.size": count} if count > 1 else {}
            around = None if whole is None else whole.span
            span = telemetry.start(operation, cast("str | None", target), attributes, more, around)
        if log is not None:
            if count > len(shown) and shown:
                shown.append(f"{count - len(shown)} more")
            subject = f"{operation if verb is None else verb} {', '.join(shown)}".strip()
        return Observed(log, span, subject, None if _recorder is None else query)

    def _common(self) -> Attributes:
        """The attributes of all spans, which say which database it is."""
        known = self._attributes
        if known is not None:
            return known
        backend = self._backend()
        found: dict[str, str | int] = {"db.system.name": getattr(backend, "system", None) or backend.name.lower()}
        try:
            namespace = getattr(backend, "namespace", None) or _namespace(getattr(backend, "database", None))
            if namespace:
                found["db.namespace"] = namespace
            server = getattr(backend, "server", None)
            if server is not None:
                found["server.address"], port = server
                if port != _HTTPS:
                    found["server.port"] = port
        except Exception:
            # There is no client, as the operation will say.
            return found
        self._attributes = found
        return found


def record_queries(recorder: Recorder | None) -> Recorder | None:
    """Let a recorder have the queries of all contexts from now on.

    A query is recorded when it ends, and not if the database refused it as malformed or lacks a feature of it; a
    listener is when it begins.

    Args:
        recorder: Called with each query, in any thread; `None` to record nothing.

    Returns:
        The recorder so far.
    """
    global _recorder
    former, _recorder = _recorder, recorder
    # In place of the method, so that operations are not even asked about it while nothing is recorded.
    setattr(Observer, "is_idle", _is_idle if recorder is None else _is_never_idle)  # noqa: B010
    return former


_is_idle: Final = Observer.is_idle

_REFUSED: Final = (InvalidRequestError, UnsupportedByBackendError)


def _is_never_idle(_observer: Observer) -> bool:
    return False


def _record(plan: QueryPlan | AggregationPlan) -> None:
    recorder = _recorder
    if recorder is None:
        return
    if isinstance(plan, AggregationPlan):
        recorder(plan.query, plan)
    else:
        recorder(plan, None)


def _namespace(database: str | None) -> str | None:
    """The parts of `projects/P/databases/D` that are names, joined as the conventions have it."""
    return None if database is None else "|".join(database.split("/")[1::2]) or database


def _place(plan: QueryPlan) -> str:
    name = plan.collection or "everything below"
    return name if plan.parent is None else f"{name} below {plan.parent}" if plan.group else f"{plan.parent}/{name}"


def _verb(write: Write) -> str:
    return "merge" if isinstance(write, Set) and write.is_merge else _VERBS[type(write)]
