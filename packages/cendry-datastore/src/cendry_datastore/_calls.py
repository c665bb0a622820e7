"""How calls are sent: with the SDK's own retries, or within a bound of seconds that holds for all attempts together."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, cast

from cendry.backend import CallOptions
from google.api_core import exceptions
from google.api_core.gapic_v1.method import DEFAULT
from google.api_core.retry import Retry, if_exception_type

from . import _sdk

# As the SDK retries reads, save for DeadlineExceeded: where a bound is given, that is the bound.
TRANSIENT: Final = (exceptions.ServiceUnavailable,)
NOT_REPEATABLE: Final = ()

# gRPC refuses a timeout of nothing; this ends at once as well.
_LEAST_TIMEOUT: Final = 0.001


class Allowance:
    """The time that a call of Cendry's may take, however many of the SDK's it makes, and its retry policy.

    Args:
        options: What the caller asked for.
    """

    __slots__ = ("_deadline", "_retry", "_timeout")

    def __init__(self, options: CallOptions) -> None:
        self._retry: Any = options.retry
        self._timeout = options.timeout
        self._deadline = None if options.timeout is None else time.monotonic() + options.timeout

    @property
    def seconds_left(self) -> float:
        """What is left of the bound, never quite nothing; infinite if there is none."""
        if self._deadline is None:
            return float("inf")
        return max(self._deadline - time.monotonic(), _LEAST_TIMEOUT)

    def send(self, method: Callable[..., Any], request: Any, transient: tuple[type[Exception], ...] = TRANSIENT) -> Any:
        """Call a method of the generated client.

        Args:
            method: The method.
            request: The request message.
            transient: The errors after which it is called again within a bound.

        Raises:
            DeadlineExceeded: The bound was reached.
        """
        if self._deadline is None:
            return method(request=_sdk.wrapped(request), retry=self._retry or DEFAULT)

        def attempt() -> Any:
            return method(request=_sdk.wrapped(request), retry=None, timeout=self.seconds_left)

        try:
            return self._policy(transient)(attempt)()
        except exceptions.RetryError as error:
            if self._retry is not None:
                raise
            raise self._spent(cast("Any", error).cause) from error.cause

    def _policy(self, transient: tuple[type[Exception], ...]) -> Any:
        if self._retry is None:
            return Retry(predicate=if_exception_type(*transient), initial=0.05, maximum=1.0, timeout=self.seconds_left)
        own = getattr(self._retry, "timeout", None)
        return self._retry.with_timeout(self.seconds_left if own is None else min(own, self.seconds_left))

    def _spent(self, cause: object) -> Any:
        return _sdk.DeadlineExceeded(f"Not done within {self._timeout} seconds; the last failure: {cause}")
