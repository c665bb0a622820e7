"""Calls by gRPC as both Google backends make them: deadlines, retries, and what errors mean.

Imports neither gRPC nor google-api-core: a backend hands over what is needed of them (`ApiCore`).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, Final

from ..errors import (
    CendryError,
    DocumentAlreadyExistsError,
    InvalidRequestError,
    MissingIndexError,
    TransactionContentionError,
)

Errors = tuple[type[Exception], ...]

# gRPC refuses a timeout of nothing; this ends at once as well.
_LEAST_TIMEOUT: Final = 0.001


class ApiCore:
    """What calls need of gRPC and google-api-core.

    Args:
        exceptions: The module `google.api_core.exceptions`.
        rpc_error: gRPC's `RpcError`, which calls raise that don't go through a generated client.
        retry: `google.api_core.retry.Retry`.
        async_retry: `google.api_core.retry_async.AsyncRetry`.

    Attributes:
        call_errors: What a call may raise.
    """

    __slots__ = ("_rpc_error", "async_retry", "call_errors", "exceptions", "retry")

    def __init__(self, exceptions: Any, rpc_error: type[Exception], retry: Any, async_retry: Any) -> None:
        self._rpc_error = rpc_error
        self.exceptions = exceptions
        self.retry = retry
        self.async_retry = async_retry
        self.call_errors: Errors = (rpc_error, exceptions.GoogleAPICallError)

    def call_error(self, raised: BaseException) -> Any:
        """What a call raised, as the `GoogleAPICallError` that the generated client raises."""
        if not isinstance(raised, self._rpc_error):
            return raised
        error = self.exceptions.from_grpc_error(raised)
        error.__cause__ = raised
        return error


class RetryPolicy:
    """How the generated client treats a method (tests hold these against it).

    Attributes:
        api: What calls need of Google's packages.
        seconds: What all attempts together may take where the caller sets no timeout.
        transient: The errors that are retried then.
        bounded: The errors that are retried within a timeout.
    """

    __slots__ = ("api", "bounded", "seconds", "transient")

    def __init__(self, api: ApiCore, seconds: float, transient: Errors, bounded: Errors) -> None:
        self.api = api
        self.seconds = seconds
        self.transient = transient
        self.bounded = bounded


Start = Callable[[Any, float], Any]
"""Begins a call: takes the request, and the seconds that it may take."""


class Method:
    """A method of a database's API.

    Attributes:
        start: Begins a call. For a method that streams it gives the stream: an iterator with `cancel` in the sync
            twin, in the async one an awaitable of what has `read` and `cancel`. For others it gives the response, or
            in the async twin an awaitable of it. All messages are plain protobuf ones.
        policy: How often and how long it is tried.
    """

    __slots__ = ("policy", "start")

    def __init__(self, start: Start, policy: RetryPolicy) -> None:
        self.start = start
        self.policy = policy


class Deadline:
    """The time that a call of Cendry's may take, however many calls it makes, and the caller's retry policy.

    Args:
        timeout: Seconds for all attempts at all calls; `None` to give each call the time of its own policy.
        retry: The caller's retry policy, a `Retry` or `AsyncRetry`; `None` for that of each call.
    """

    __slots__ = ("_ends", "_retry", "_timeout")

    def __init__(self, timeout: float | None, retry: Any) -> None:
        self._timeout = timeout
        self._retry = retry
        self._ends = 0.0 if timeout is None else time.monotonic() + timeout

    def begin(self, policy: RetryPolicy) -> float:
        """Begin a call; gives the seconds that its first attempt may take."""
        if self._timeout is not None:
            return self.seconds_left
        self._ends = time.monotonic() + policy.seconds
        return policy.seconds

    @property
    def is_bounded(self) -> bool:
        """Whether the caller set a timeout."""
        return self._timeout is not None

    @property
    def seconds_left(self) -> float:
        """What is left for the call that was begun last, never quite nothing."""
        return max(self._ends - time.monotonic(), _LEAST_TIMEOUT)

    def attempt_seconds(self, policy: RetryPolicy) -> float:
        """What another attempt may take."""
        # A policy of the caller's own may go on for longer than the SDK would.
        return policy.seconds if self._timeout is None and self._retry is not None else self.seconds_left

    def retries(self, error: Exception, policy: RetryPolicy) -> bool:
        """Whether a call that failed with `error` is worth another attempt."""
        if self._retry is not None:
            return bool(self._retry._predicate(error))
        return isinstance(error, policy.transient if self._timeout is None else policy.bounded)

    def retry_by(self, kind: Any, policy: RetryPolicy) -> Any:
        """The caller's retry policy within what is left of the time, or a `Retry` or `AsyncRetry` (`kind`)."""
        if self._retry is None:
            first, longest = (0.05, 1.0) if self.is_bounded else (0.1, 60.0)
            return kind(
                predicate=partial(self.retries, policy=policy),
                initial=first,
                maximum=longest,
                multiplier=1.3,
                timeout=self.seconds_left,
            )
        if self._timeout is None:
            return self._retry
        own = getattr(self._retry, "timeout", None)
        return self._retry.with_timeout(self.seconds_left if own is None else min(own, self.seconds_left))

    def exceeded(self, cause: object, api: ApiCore) -> Any:
        """The error for a timeout that was reached, the same whatever was tried meanwhile."""
        return api.exceptions.DeadlineExceeded(f"Not completed within {self._timeout} seconds; last failure: {cause}")

    def exhausted(self, error: Any, api: ApiCore) -> Any:
        """What to raise when the retry policy gave up: its own error, unless the caller's timeout was the reason."""
        return self.exceeded(error.cause, api) if self._retry is None and self.is_bounded else error


def pause_after(failures: int, first: float, longest: float) -> float:
    """Seconds to wait after so many failures in a row: random, up to `first` doubled by each, at most `longest`."""
    return random.uniform(0, min(first * 2**failures, longest))  # noqa: S311


def status_of(error: BaseException) -> str:
    """The name of the gRPC status of a `GoogleAPICallError`: `ABORTED`; empty for every other error."""
    status = getattr(error, "grpc_status_code", None)
    return "" if status is None else status.name


def text_of(error: BaseException) -> str:
    """What the server said."""
    return str(getattr(error, "message", error))


def meaning_of(
    error: BaseException, *, collection: str | None = None, created: Sequence[str] = ()
) -> CendryError | None:
    """The Cendry error for a Google error, or `None` if there is no such one.

    Args:
        error: What the SDK raised.
        collection: The collection id, if a query was run.
        created: The paths that must not exist yet, if writes were committed.
    """
    text = text_of(error)
    match status_of(error):
        case "ABORTED":
            return TransactionContentionError()
        case "INVALID_ARGUMENT":
            return InvalidRequestError(text)
        case "ALREADY_EXISTS" if created:
            return DocumentAlreadyExistsError(*created)
        # A query fails with this status for other reasons too. The emulator knows no indexes, but refuses what never
        # has one unless it is asked for: names in descending order.
        case "FAILED_PRECONDITION" if collection is not None and ("index" in text or "descending key scans" in text):
            return MissingIndexError(collection, text)
        case _:
            return None


def explained(error: BaseException, meaning: BaseException | None) -> BaseException:
    """What to raise for an error: its meaning, with the error as `__cause__`, or the error if it has none."""
    if meaning is None:
        return error
    meaning.__cause__ = error
    return meaning


class ClientConnection:
    """A client of the SDK, opened.

    Attributes:
        client: The SDK's client.
        api: The generated client below it.
        is_closed: Whether the backend has closed it.
    """

    __slots__ = ("api", "client", "is_closed")
    database_kind: ClassVar[str]
    """How error messages call the database."""

    def __init__(self, client: Any, api: Any) -> None:
        self.client = client
        self.api = api
        self.is_closed = False

    def check_open(self, error: BaseException) -> None:
        """Explain what broke a read, if the connection was closed meanwhile.

        Raises:
            CendryError: It was closed.
        """
        if self.is_closed:
            raise CendryError(
                f"The connection to {self.database_kind} was closed in the middle of a read; finish all reads "
                "before closing the context or its backend."
            ) from error


def check_client(client: Any, kind: type[Any], name: str, hint: str = "", **settings: str | None) -> None:
    """Refuse what is not a client of the SDK, and a client together with what it knows already.

    Args:
        client: The client that a backend was given, if any.
        kind: Its class.
        name: The full name of that class.
        hint: What else to say about a client of another class.
        settings: The other arguments of the backend.

    Raises:
        TypeError: The client is of another class, or comes with one of the settings.
    """
    if client is None:
        return
    if not isinstance(client, kind):
        raise TypeError(f"client= takes a {name}, not {client!r}.{hint}")
    if any(value is not None for value in settings.values()):
        *names, last = settings
        raise TypeError(
            f"Pass either client=, which already has its {', '.join(names)} and {last}, "
            f"or {', '.join(f'{each}=' for each in names)} and {last}=."
        )
