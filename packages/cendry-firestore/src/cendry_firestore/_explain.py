"""Queries that are explained: requests that ask for it, and explanations in responses. Nothing here sends or waits."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from cendry.backend import CallOptions, ExecutionStats, ExplainResult, PlanSummary, StoredDocument
from cendry.errors import UnsupportedByBackendError
from cendry.plan import AggregationPlan, QueryPlan

from . import _sdk
from ._channel import Connection
from ._requests import aggregation_request, aggregation_result
from ._stream import QueryStream, ReadStream
from ._transactions import TransactionHandle

_EMULATOR: Final = "Its emulator runs queries without explaining them; a database in production explains them."


class ExplainedQuery(QueryStream):
    """A query that is explained. Once documents have come, it doesn't go on after a break: its figures would be wrong.

    Args:
        plan: The query.
        connection: Where it is sent.
        transaction: The transaction that reads, or `None`.
        options: The options of the call.
        analyze: Whether it is run as well.
    """

    def __init__(
        self,
        plan: QueryPlan,
        connection: Connection,
        transaction: TransactionHandle | None,
        options: CallOptions,
        analyze: bool,
    ) -> None:
        super().__init__(plan, connection, transaction, options)
        self._explained = _Explained(analyze)

    def request(self) -> Any:
        """The next request."""
        return self._explained.asked(super().request())

    def result(self, response: Any) -> StoredDocument | None:
        """The document in a response, if there is one."""
        self._explained.see(response, has_result=response.HasField("document"))
        return super().result(response)

    def _found(self, document: Any, read_time: datetime | None) -> StoredDocument:
        found = super()._found if self._plan.nearest is None else self._near
        return found(document, read_time)

    def pause_after(self, error: Any) -> float:
        """Decide on a stream that broke, as for every read, unless documents have come.

        Raises:
            GoogleAPICallError: The error itself, if the query can't begin again.
        """
        pause = super().pause_after(error)
        if self._last is not None:
            raise error
        return pause

    def explanation(self, documents: list[StoredDocument]) -> ExplainResult:
        """What was found, with its explanation."""
        return self._explained.result_of(documents)


class ExplainedAggregation(ReadStream):
    """Aggregations that are explained.

    Args:
        plan: The aggregations.
        connection: Where it is sent.
        transaction: The transaction that reads, or `None`.
        options: The options of the call.
        analyze: Whether they are computed as well.
    """

    is_complete = False

    def __init__(
        self,
        plan: AggregationPlan,
        connection: Connection,
        transaction: TransactionHandle | None,
        options: CallOptions,
        analyze: bool,
    ) -> None:
        super().__init__(connection, connection.transport.explain_aggregate, transaction, options, plan.query.read_time)
        self.collection = plan.query.collection
        self._plan = plan
        self._figures: list[Any] = []
        self._explained = _Explained(analyze)

    def goes_on(self) -> bool:
        """Whether there is more to ask for: it is one request."""
        return False

    def request(self) -> Any:
        """The next request."""
        self._figures.clear()
        return self._explained.asked(aggregation_request(self._plan, self._database, self.transaction))

    def result(self, response: Any) -> StoredDocument | None:
        """Keep the figures in a response, if there are any; documents there are none."""
        has_figures = response.HasField("result")
        self._explained.see(response, has_result=has_figures)
        if has_figures:
            self._figures.append(aggregation_result(self._plan, response, self._database))
        return None

    def explanation(self, _documents: list[StoredDocument]) -> ExplainResult:
        """The figures, with their explanation."""
        return self._explained.result_of(self._figures)


class _Explained:
    """What explains a query, while its responses come."""

    __slots__ = ("_analyze", "_metrics")

    def __init__(self, analyze: bool) -> None:
        self._analyze = analyze
        self._metrics: Any = None

    def asked(self, request: Any) -> Any:
        """The same request, to be explained."""
        request.explain_options.analyze = self._analyze
        request.explain_options.SetInParent()
        return request

    def see(self, response: Any, *, has_result: bool) -> None:
        """Take the metrics from a response.

        Raises:
            UnsupportedByBackendError: The server runs a query that it was only to plan.
        """
        if response.HasField("explain_metrics"):
            self._metrics = response.explain_metrics
        elif has_result and not self._analyze:
            raise _unsupported()

    def result_of(self, results: list[Any]) -> ExplainResult:
        """The results, with what explains them.

        Raises:
            UnsupportedByBackendError: The server explained nothing.
        """
        metrics = self._metrics
        if metrics is None:
            raise _unsupported()
        indexes = tuple([_sdk.message_to_dict(index) for index in metrics.plan_summary.indexes_used])
        stats = _stats_of(metrics.execution_stats) if metrics.HasField("execution_stats") else None
        return ExplainResult(results, PlanSummary(indexes), stats)


def _stats_of(stats: Any) -> ExecutionStats:
    return ExecutionStats(
        stats.results_returned,
        stats.execution_duration.ToTimedelta(),
        stats.read_operations,
        _sdk.message_to_dict(stats.debug_stats),
    )


def _unsupported() -> UnsupportedByBackendError:
    return UnsupportedByBackendError("explain()", "Firestore", _EMULATOR)
