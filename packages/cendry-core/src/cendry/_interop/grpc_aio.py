"""Attempts at a gRPC call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from .grpc import Deadline, RetryPolicy, log_retry, status_of

R = TypeVar("R")


async def send(
    attempt: Callable[[float], Awaitable[R]],
    deadline: Deadline,
    policy: RetryPolicy,
    may_repeat: Callable[[Any], bool] | None = None,
    begun: float | None = None,
) -> R:
    """Make attempts at a call until one succeeds, a failure is final or the deadline passes.

    Args:
        attempt: Makes one attempt; takes its timeout in seconds.
        deadline: The deadline of all attempts.
        policy: The retry policy of the method, unless the caller sets one.
        may_repeat: Called with the errors of failed attempts; returns whether the policy may decide on another.
        begun: The timeout of the first attempt, if the deadline has begun already.

    Raises:
        GoogleAPICallError: The error of the last attempt, or `DeadlineExceeded`.
        RetryError: A retry policy gave up.
    """
    api = policy.api
    try:
        return await attempt(deadline.begin(policy) if begun is None else begun)
    except api.call_errors as raised:
        failed = [api.call_error(raised)]

    status = ""

    def retries(error: Exception) -> bool:
        nonlocal status
        # Not the error itself, whose traceback has this frame.
        status = status_of(error)
        may = may_repeat is None or may_repeat(error)
        return deadline.retries(error, policy) and may

    if not retries(failed[0]):
        raise failed.pop()

    async def again() -> R:
        # For the policy, the attempt already made is the first one.
        if failed:
            raise failed.pop()
        log_retry(status)
        try:
            return await attempt(deadline.attempt_seconds(policy))
        except api.call_errors as raised:
            failed.append(api.call_error(raised))
        raise failed.pop()

    try:
        return cast("R", await deadline.retry_by(api.async_retry, retries)(again)())
    except api.exceptions.RetryError as error:
        raise deadline.exhausted(error, api) from error.cause
