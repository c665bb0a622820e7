"""gRPC calls as both Google backends make them: deadlines, retries, and the mapping of errors.

Imports neither gRPC nor google-api-core: a backend passes the parts that are needed (`ApiCore`).
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final

from .. import _fork
from .._lazy import module
from ..backend import DEFAULT_RETRY, CallOptions
from ..errors import (
    CendryError,
    DocumentAlreadyExistsError,
    InvalidRequestError,
    MissingIndexError,
    TransactionContentionError,
    UsedBeforeForkError,
)
from . import emulator as emulators
from .emulator import Emulator

_log: Final = logging.getLogger("cendry")

Errors = tuple[type[Exception], ...]

# gRPC rejects a timeout of 0; this one expires at once as well.
_LEAST_TIMEOUT: Final = 0.001


class ApiCore:
    """The parts of gRPC and google-api-core that calls need.

    Args:
        exceptions: The module `google.api_core.exceptions`.
        rpc_error: gRPC's `RpcError`, raised by calls that don't go through a generated client.
        retry: `google.api_core.retry.Retry`.
        async_retry: `google.api_core.retry_async.AsyncRetry`.

    Attributes:
        call_errors: The errors that a call may raise.
    """

    __slots__ = ("_rpc_error", "async_retry", "call_errors", "exceptions", "retry")

    def __init__(self, exceptions: Any, rpc_error: type[Exception], retry: Any, async_retry: Any) -> None:
        self._rpc_error = rpc_error
        self.exceptions = exceptions
        self.retry = retry
        self.async_retry = async_retry
        self.call_errors: Errors = (rpc_error, exceptions.GoogleAPICallError)

    def call_error(self, raised: BaseException) -> Any:
        """The error of a call as the `GoogleAPICallError` that the generated client would raise."""
        if not isinstance(raised, self._rpc_error):
            return raised
        error = self.exceptions.from_grpc_error(raised)
        error.__cause__ = raised
        return error


class RetryPolicy:
    """The generated client's settings for a method (tests compare them with the client).

    Attributes:
        api: The parts of Google's packages that calls need.
        seconds: The time limit for all attempts together if the caller sets no timeout.
        transient: The errors that are retried in that case.
        bounded: The errors that are retried within a timeout.
    """

    __slots__ = ("api", "bounded", "seconds", "transient")

    def __init__(self, api: ApiCore, seconds: float, transient: Errors, bounded: Errors) -> None:
        self.api = api
        self.seconds = seconds
        self.transient = transient
        self.bounded = bounded


Start = Callable[[Any, float], Any]
"""Begins a call: takes the request and the timeout in seconds."""


class Method:
    """A method of a database's API.

    Attributes:
        start: Begins a call. For a streaming method it returns the stream: in the sync twin an iterator with `cancel`,
            in the async twin an awaitable of an object with `read` and `cancel`. Otherwise it returns the response, or
            in the async twin an awaitable of it. All messages are plain protobuf messages.
        policy: When and for how long it is retried.
    """

    __slots__ = ("policy", "start")

    def __init__(self, start: Start, policy: RetryPolicy) -> None:
        self.start = start
        self.policy = policy


class Deadline:
    """The deadline of one operation, however many gRPC calls it makes, and the caller's retry policy.

    Args:
        timeout: Seconds for all attempts at all calls; `None` to use the timeout of each call's own policy.
        retry: The caller's retry policy, a `Retry` or `AsyncRetry`; `DEFAULT_RETRY` for that of each call, `None` for
            no retries.
    """

    __slots__ = ("_ends", "_retry", "_timeout")

    def __init__(self, timeout: float | None, retry: Any) -> None:
        self._timeout = timeout
        self._retry = retry
        self._ends = 0.0 if timeout is None else time.monotonic() + timeout

    def begin(self, policy: RetryPolicy) -> float:
        """Begin a call; returns the timeout in seconds of its first attempt."""
        if self._timeout is not None:
            return self.seconds_left
        self._ends = time.monotonic() + policy.seconds
        return policy.seconds

    @property
    def has_retries(self) -> bool:
        """Whether anything may be sent again."""
        return self._retry is not None

    @property
    def is_bounded(self) -> bool:
        """Whether the caller set a timeout."""
        return self._timeout is not None

    @property
    def seconds_left(self) -> float:
        """The seconds left for the latest call; always more than 0."""
        return max(self._ends - time.monotonic(), _LEAST_TIMEOUT)

    def attempt_seconds(self, policy: RetryPolicy) -> float:
        """The timeout of another attempt."""
        # The caller's policy may allow more time than the SDK's.
        return policy.seconds if self._timeout is None and self._retry is not DEFAULT_RETRY else self.seconds_left

    def retries(self, error: Exception, policy: RetryPolicy) -> bool:
        """Whether to retry a call that failed with `error`."""
        if self._retry is None:
            return False
        if self._retry is not DEFAULT_RETRY:
            return bool(self._retry._predicate(error))
        return isinstance(error, policy.transient if self._timeout is None else policy.bounded)

    def retry_by(self, kind: Any, predicate: Callable[[Any], bool]) -> Any:
        """The caller's retry policy, limited to the time left, or a `Retry` or `AsyncRetry` (`kind`).

        Args:
            kind: The class of policies.
            predicate: Whether to retry after an error.
        """
        if self._retry is DEFAULT_RETRY:
            first, longest = (0.05, 1.0) if self.is_bounded else (0.1, 60.0)
            return kind(predicate=predicate, initial=first, maximum=longest, multiplier=1.3, timeout=self.seconds_left)
        retry = self._retry.with_predicate(predicate)
        if self._timeout is None:
            return retry
        own = getattr(retry, "timeout", None)
        return retry.with_timeout(self.seconds_left if own is None else min(own, self.seconds_left))

    def exceeded(self, cause: object, api: ApiCore) -> Any:
        """The error for an expired timeout, the same for all kinds of calls."""
        return api.exceptions.DeadlineExceeded(f"Not completed within {self._timeout} seconds; last failure: {cause}")

    def exhausted(self, error: Any, api: ApiCore) -> Any:
        """The error to raise when the retry policy gives up: its own, unless the caller's timeout expired."""
        return self.exceeded(error.cause, api) if self._retry is DEFAULT_RETRY and self.is_bounded else error


class EmulatorDeadline(Deadline):
    """The deadline of an operation on an emulator that has never been reached, which soon gives up.

    Args:
        emulator: The emulator.
        timeout: As for `Deadline`.
        retry: As for `Deadline`.
    """

    __slots__ = ("_emulator", "_gives_up")

    def __init__(self, emulator: Emulator, timeout: float | None, retry: Any) -> None:
        super().__init__(timeout, retry)
        self._emulator = emulator
        self._gives_up = time.monotonic() + emulators.PATIENCE

    def retries(self, error: Exception, policy: RetryPolicy) -> bool:
        """Whether to retry a call that failed with `error`.

        Raises:
            CendryError: Nothing listens there.
        """
        retries = super().retries(error, policy)
        if status_of(error) not in _UNREACHED or self._emulator.is_reached():
            return retries
        if retries and time.monotonic() < self._gives_up:
            return True
        raise self._emulator.unreachable() from error

    def exceeded(self, cause: object, api: ApiCore) -> Any:
        """The error for an expired timeout."""
        return super().exceeded(cause, api) if self._emulator.is_reached() else self._emulator.unreachable()

    def exhausted(self, error: Any, api: ApiCore) -> Any:
        """The error to raise when the retry policy gives up."""
        return super().exhausted(error, api) if self._emulator.is_reached() else self._emulator.unreachable()


_UNREACHED: Final = ("UNAVAILABLE", "DEADLINE_EXCEEDED")


def log_retry(status: str) -> None:
    """Log that a call is sent again, and the status of its last attempt; a message might hold values."""
    _log.debug("a call is sent again after %s", status)


def pause_after(failures: int, first: float, longest: float) -> float:
    """Seconds to wait after some failures in a row: random, up to `first` doubled each time, at most `longest`."""
    return random.uniform(0, min(first * 2**failures, longest))  # noqa: S311


def status_of(error: BaseException) -> str:
    """The name of the gRPC status of a `GoogleAPICallError`: `ABORTED`; empty for every other error."""
    status = getattr(error, "grpc_status_code", None)
    return "" if status is None else status.name


def text_of(error: BaseException) -> str:
    """The server's message."""
    return str(getattr(error, "message", error))


def meaning_of(
    error: BaseException,
    *,
    collection: str | None = None,
    created: Sequence[str] = (),
    moment: datetime | None = None,
) -> CendryError | None:
    """The Cendry error for a Google error, or `None` if it has no equivalent.

    Args:
        error: The error that the SDK raised.
        collection: The collection id, if a query was run.
        created: The paths that must not exist yet, if writes were committed.
        moment: The past moment that the call was to read at, if there was one.
    """
    text = text_of(error)
    match status_of(error):
        case "ABORTED":
            return TransactionContentionError()
        case "INVALID_ARGUMENT":
            return InvalidRequestError(text)
        case "ALREADY_EXISTS" if created:
            return DocumentAlreadyExistsError(*created)
        case "FAILED_PRECONDITION" if moment is not None and "too old" in text:
            return InvalidRequestError(
                f"{text} That was {moment.isoformat()}; a database can be read as it was within the last hour, and "
                "with point-in-time recovery at whole minutes up to 7 days back."
            )
        # A query fails with this status for other reasons too. The emulator has no indexes, but rejects what never
        # has one by default: names in descending order.
        case "FAILED_PRECONDITION" if collection is not None and "descending key scans" in text:
            return MissingIndexError.by_descending_id(collection)
        case "FAILED_PRECONDITION" if collection is not None and "index" in text:
            return MissingIndexError(collection, text, module("indexes.messages").index_in(text))
        case _:
            return None


def explained(error: BaseException, meaning: BaseException | None) -> BaseException:
    """The error to raise: the Cendry error, with the original as `__cause__`, or the original if there is none."""
    if meaning is None:
        return error
    meaning.__cause__ = error
    return meaning


# A fact about the process, and so global: gRPC's threads and locks are.
_used_in: int | None = None


def note_channel(process: int) -> None:
    """Note that a process has opened a channel: its forked children can't use gRPC any more.

    gRPC makes no promise to them. They often work, with a client of their own too; but what they inherit of gRPC's
    threads and locks may block any of their calls, beyond its timeout, and how often depends on gRPC's version.
    """
    global _used_in
    if _used_in is None:
        _used_in = process


def check_process(database_kind: str) -> None:
    """Check that no process that this one was forked from has used gRPC before.

    Raises:
        UsedBeforeForkError: It has.
    """
    if _used_in is not None and _used_in != _fork.process:
        raise UsedBeforeForkError(
            database_kind,
            _used_in,
            "gRPC, which it uses, does not survive fork(). Fork before the first call to the database, or start the "
            "process by spawn or forkserver.",
        )


class ClientConnection:
    """An open SDK client.

    Attributes:
        client: The SDK's client.
        api: The generated client below it.
        emulator: The emulator that the client uses, if any.
        retry_kind: The class of retry policies of its twin.
        is_closed: Whether the backend has closed it.
        is_inherited: Whether a parent of this process has opened it.
    """

    __slots__ = ("api", "client", "emulator", "is_closed", "is_inherited", "retry_kind")
    database_kind: ClassVar[str]
    """The name of the database in error messages."""

    def __init__(self, client: Any, api: Any, emulator: Emulator | None, retry_kind: Any) -> None:
        self.client = client
        self.api = api
        self.emulator = emulator
        self.retry_kind = retry_kind
        self.is_closed = False
        self.is_inherited = False

    @property
    def server(self) -> tuple[str, int] | None:
        """The host and port of the database or its emulator; `None` if the client doesn't say."""
        if self.emulator is not None:
            return self.emulator.address
        host, _, port = str(getattr(getattr(self.api, "transport", None), "host", "")).rpartition(":")
        return (host, int(port)) if host and port.isdecimal() else None

    def deadline(self, options: CallOptions) -> Deadline:
        """The deadline of an operation that begins now.

        Raises:
            TypeError: The retry policy is not one of the SDK's for this twin.
        """
        retry = options.retry
        if not (retry is DEFAULT_RETRY or retry is None or isinstance(retry, self.retry_kind)):
            raise TypeError(
                f"retry= takes a {self.retry_kind.__name__} of google.api_core here, or None for no retries; left out, "
                f"it is the default of the SDK. It got {retry!r}."
            )
        if self.emulator is None or self.emulator.is_reached():
            return Deadline(options.timeout, options.retry)
        return EmulatorDeadline(self.emulator, options.timeout, options.retry)

    def after_fork(self) -> None:
        """Leave the connection to the parent of this process."""
        self.is_inherited = True
        _fork.keep(self)

    def check_open(self, error: BaseException) -> None:
        """Raise a clear error for a failed read if the connection was closed meanwhile.

        Raises:
            CendryError: The connection was closed.
        """
        if self.is_closed:
            raise CendryError(
                f"The connection to {self.database_kind} was closed in the middle of a read; finish all reads "
                "before closing the context or its backend."
            ) from error


def check_client(client: Any, kind: type[Any], name: str, hint: str = "", **settings: str | None) -> None:
    """Check that a client is one of the SDK's, and not combined with settings that it already has.

    Args:
        client: The client passed to a backend, if any.
        kind: Its class.
        name: The full name of that class.
        hint: A hint for a client of another class.
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
