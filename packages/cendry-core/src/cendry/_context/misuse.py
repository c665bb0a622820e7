"""Clear errors for one twin used like the other: `with` on an async context, a plain function where one is awaited."""

from __future__ import annotations

from inspect import isasyncgen, isawaitable, iscoroutine, isgenerator
from typing import TYPE_CHECKING, Any, NoReturn


class SyncOnly:
    """For use in a `with`, and not in an `async with`."""

    __slots__ = ()

    # Invisible to type checkers, so that they report the misuse as well.
    if not TYPE_CHECKING:

        def __aenter__(self) -> NoReturn:
            raise TypeError(f"This {_name(self)} is for sync code: use it in a plain 'with', or use the async twin.")

        def __aexit__(self, *_: object) -> NoReturn:
            raise AssertionError("entering has raised")  # pragma: no cover - it can't be reached


class AsyncOnly:
    """For use in an `async with`, and not in a `with`."""

    __slots__ = ()

    if not TYPE_CHECKING:

        def __enter__(self) -> NoReturn:
            raise TypeError(f"This {_name(self)} is for async code: use it in an 'async with', or use the sync twin.")

        def __exit__(self, *_: object) -> NoReturn:
            raise AssertionError("entering has raised")  # pragma: no cover - it can't be reached


def _name(thing: object) -> str:
    return getattr(thing, "_cendry_name", type(thing).__name__)


def check_plain(result: Any) -> None:
    """Reject the result of an async function passed to the sync twin, or of a generator function, which does nothing.

    Raises:
        TypeError: It is a coroutine or a generator.
    """
    if isgenerator(result) or isasyncgen(result):
        raise TypeError("Cendry.transaction() takes a plain function, and this one is a generator: it has a 'yield'.")
    if iscoroutine(result):
        result.close()
        raise TypeError("Cendry.transaction() takes a plain function; use AsyncCendry for an async one.")


def check_awaitable(result: Any) -> None:
    """Reject the result of a plain function passed to the async twin.

    Raises:
        TypeError: It is not awaitable.
    """
    if not isawaitable(result):
        raise TypeError(f"AsyncCendry.transaction() takes an async function; this one returned {result!r}.")
