"""How calls are sent: with the SDK's own retries, or within a bound of seconds that holds for all attempts together."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple, TypeVar, cast

from cendry.backend import CallOptions
from google.api_core import exceptions
from google.api_core.retry import Retry, if_exception_type
from google.api_core.retry_async import AsyncRetry

from . import _sdk

R = TypeVar("R")
Errors = tuple[type[Exception], ...]

# gRPC refuses a timeout of nothing; this ends at once as well.
_LEAST_TIMEOUT: Final = 0.001


class Policy(NamedTuple):
    """How the SDK's generated client treats a method (a test holds these against it).

    Attributes:
        seconds: What all attempts together may take where the caller gives no bound.
        transient: The errors that are retried then.
        bounded: The errors that are retried within a bound: where one is given, that is the bound.
    """

    seconds: float
    transient: Errors
    bounded: Errors


_PASSING: Final[Errors] = (exceptions.InternalServerError, exceptions.ServiceUnavailable)
READ: Final = Policy(300.0, (exceptions.DeadlineExceeded, *_PASSING), _PASSING)
TRANSACT: Final = Policy(60.0, (exceptions.DeadlineExceeded, exceptions.ResourceExhausted, *_PASSING), _PASSING)
COMMIT: Final = Policy(
    60.0,
    (exceptions.ResourceExhausted, exceptions.ServiceUnavailable),
    (exceptions.ResourceExhausted, exceptions.ServiceUnavailable),
)


class Allowance:
    """The time that a call may take, and the retry policy that it has.

    Args:
        options: What the caller asked for.
        policy: What holds for the method.
    """

    __slots__ = ("_deadline", "_policy", "_timeout", "retry")

    def __init__(self, options: CallOptions, policy: Policy) -> None:
        self.retry: Any = options.retry
        self._policy = policy
        self._timeout = options.timeout
        self._deadline = time.monotonic() + (policy.seconds if options.timeout is None else options.timeout)

    def renew(self) -> None:
        """Give a call all of its time, where the caller has no bound: a stream may take several calls, and hours."""
        if self._timeout is None:
            self._deadline = time.monotonic() + self._policy.seconds

    @property
    def is_bounded(self) -> bool:
        """Whether the caller gave a bound."""
        return self._timeout is not None

    @property
    def seconds_left(self) -> float:
        """What is left of the time for all attempts, never quite nothing."""
        return max(self._deadline - time.monotonic(), _LEAST_TIMEOUT)

    @property
    def attempt_seconds(self) -> float:
        """What the next attempt may take."""
        # A policy of the caller's own may go on for longer than the SDK would.
        return self._policy.seconds if self._timeout is None and self.retry is not None else self.seconds_left

    def retries(self, error: Exception) -> bool:
        """Whether what failed with `error` is worth another attempt."""
        if self.retry is not None:
            return bool(self.retry._predicate(error))
        return isinstance(error, self._policy.bounded if self.is_bounded else self._policy.transient)

    def policy(self, kind: Any) -> Any:
        """The retry policy: the caller's own, or one of `kind` (`Retry` or `AsyncRetry`)."""
        if self.retry is None:
            first, longest, errors = (
                (0.05, 1.0, self._policy.bounded) if self.is_bounded else (0.1, 60.0, self._policy.transient)
            )
            return kind(
                predicate=if_exception_type(*errors),
                initial=first,
                maximum=longest,
                multiplier=1.3,
                timeout=self.seconds_left,
            )
        if not self.is_bounded:
            return self.retry
        own = getattr(self.retry, "timeout", None)
        return self.retry.with_timeout(self.seconds_left if own is None else min(own, self.seconds_left))

    def spent(self, cause: object) -> Any:
        """The error of a bound that was reached, told in one way whatever was tried meanwhile."""
        return _sdk.DeadlineExceeded(f"Not done within {self._timeout} seconds; the last failure: {cause}")

    def exhausted(self, error: exceptions.RetryError) -> Any:
        """What to raise when the policy gave up: the SDK's, or the caller's own, tells so itself."""
        return error if self.retry is not None or not self.is_bounded else self.spent(cast("Any", error).cause)


def failure_of(error: Any) -> Any:
    """What a call raised, as the SDK tells it."""
    return _sdk.error_of_rpc(error) if isinstance(error, _sdk.RpcError) else error


def send(attempt: Callable[[float], R], allowance: Allowance) -> R:
    """Make attempts at a call, as the allowance says; each is given the seconds that it may take."""
    allowance.renew()

    def once() -> R:
        try:
            return attempt(allowance.attempt_seconds)
        except _sdk.RpcError as error:
            raise _sdk.error_of_rpc(error) from error

    try:
        return once()
    except exceptions.GoogleAPICallError as error:
        if not allowance.retries(error):
            raise
        failed: list[Exception] = [error]

    def again() -> R:
        # To the policy, the attempt that was made is the first one.
        if failed:
            raise failed.pop()
        return once()

    try:
        return cast("R", allowance.policy(Retry)(again)())
    except exceptions.RetryError as error:
        raise allowance.exhausted(error) from error.cause


async def send_async(attempt: Callable[[float], Awaitable[R]], allowance: Allowance) -> R:
    """Make attempts at a call, as the allowance says; each is given the seconds that it may take."""
    allowance.renew()

    async def once() -> R:
        try:
            return await attempt(allowance.attempt_seconds)
        except _sdk.RpcError as error:
            raise _sdk.error_of_rpc(error) from error

    try:
        return await once()
    except exceptions.GoogleAPICallError as error:
        if not allowance.retries(error):
            raise
        failed: list[Exception] = [error]

    async def again() -> R:
        # To the policy, the attempt that was made is the first one.
        if failed:
            raise failed.pop()
        return await once()

    try:
        return cast("R", await allowance.policy(AsyncRetry)(again)())
    except exceptions.RetryError as error:
        raise allowance.exhausted(error) from error.cause
