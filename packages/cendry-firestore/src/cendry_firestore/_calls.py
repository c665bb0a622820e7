"""How calls are sent: with the SDK's own retries, or within a bound of seconds that holds for all attempts together."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, cast

from cendry.backend import CallOptions
from google.api_core import exceptions
from google.api_core.gapic_v1.method import DEFAULT
from google.api_core.retry import Retry, if_exception_type
from google.api_core.retry_async import AsyncRetry

from . import _sdk

# As the SDK retries them, save for DeadlineExceeded: where a bound is given, that is the bound.
TRANSIENT: Final = (exceptions.InternalServerError, exceptions.ServiceUnavailable)
TRANSIENT_COMMIT: Final = (exceptions.ResourceExhausted, exceptions.ServiceUnavailable)

# gRPC refuses a timeout of nothing; this ends at once as well.
_LEAST_TIMEOUT: Final = 0.001


class Allowance:
    """The time that a call may take, and the retry policy that it has.

    Args:
        options: What the caller asked for.
        transient: The errors that are retried within a bound.
    """

    __slots__ = ("_deadline", "_timeout", "retry", "transient")

    def __init__(self, options: CallOptions, transient: tuple[type[Exception], ...] = TRANSIENT) -> None:
        self.retry: Any = options.retry
        self.transient = transient
        self._timeout = options.timeout
        self._deadline = None if options.timeout is None else time.monotonic() + options.timeout

    @property
    def is_bounded(self) -> bool:
        """Whether there is a bound at all."""
        return self._deadline is not None

    @property
    def seconds_left(self) -> float:
        """What is left of the bound, never quite nothing; infinite if there is none."""
        if self._deadline is None:
            return float("inf")
        return max(self._deadline - time.monotonic(), _LEAST_TIMEOUT)

    def retries(self, error: Exception) -> bool:
        """Whether a stream that broke with `error` is worth another attempt."""
        if self.retry is not None:
            return bool(self.retry._predicate(error))
        return isinstance(error, self.transient) or (
            not self.is_bounded and isinstance(error, exceptions.DeadlineExceeded)
        )

    def policy(self, kind: Any) -> Any:
        """The retry policy within the bound: the caller's own, or one of `kind` (`Retry` or `AsyncRetry`)."""
        if self.retry is None:
            return kind(
                predicate=if_exception_type(*self.transient), initial=0.05, maximum=1.0, timeout=self.seconds_left
            )
        own = getattr(self.retry, "timeout", None)
        return self.retry.with_timeout(self.seconds_left if own is None else min(own, self.seconds_left))

    def spent(self, cause: object) -> Any:
        """The error of a bound that was reached, told in one way whatever was tried meanwhile."""
        return _sdk.DeadlineExceeded(f"Not done within {self._timeout} seconds; the last failure: {cause}")

    def exhausted(self, error: exceptions.RetryError) -> Any:
        """What to raise when the policy gave up: the caller's own tells so itself."""
        return error if self.retry is not None else self.spent(cast("Any", error).cause)


def send(method: Callable[..., Any], request: Any, metadata: Any, allowance: Allowance) -> Any:
    """Call a method of the generated client, as the allowance says."""
    if not allowance.is_bounded:
        return method(request=request, metadata=metadata, retry=allowance.retry or DEFAULT)

    def attempt() -> Any:
        # The SDK's own deadline keeper starts over when less than a second is left, so it gets no policy.
        return method(request=request, metadata=metadata, retry=None, timeout=allowance.seconds_left)

    try:
        return allowance.policy(Retry)(attempt)()
    except exceptions.RetryError as error:
        raise allowance.exhausted(error) from error.cause


async def send_async(method: Callable[..., Any], request: Any, metadata: Any, allowance: Allowance) -> Any:
    """Call a method of the generated async client, as the allowance says."""
    if not allowance.is_bounded:
        return await method(request=request, metadata=metadata, retry=allowance.retry or DEFAULT)

    async def attempt() -> Any:
        return await method(request=request, metadata=metadata, retry=None, timeout=allowance.seconds_left)

    try:
        return await allowance.policy(AsyncRetry)(attempt)()
    except exceptions.RetryError as error:
        raise allowance.exhausted(error) from error.cause
