"""The settings of a context: its arguments, checked once for all its calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any, cast

from .._types.registry import TypeRegistry, default_registry
from ..backend import CallOptions
from .observing import Observer
from .targets import Home
from .writes import Changed, Encoder, Writer, utc_now


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings that apply to all calls of a context."""

    registry: TypeRegistry
    options: CallOptions
    writer: Writer
    random: Random
    observer: Observer
    token_keys: tuple[bytes, ...] = field(repr=False, default=())


def settings(
    registry: TypeRegistry | None,
    timeout: Any,
    retry: Any,
    clock: Callable[[], datetime] | None,
    random: Random | None,
    encoder: Encoder,
    changed: Changed,
    home: Home,
    observer: Observer,
    token_key: str | bytes | Sequence[str | bytes] | None = None,
) -> Settings:
    """Check the arguments of a context.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: The timeout is not a number of seconds, or a key is empty.
    """
    if registry is not None and not isinstance(cast(object, registry), TypeRegistry):
        raise TypeError(f"type_registry= takes a TypeRegistry, not {registry!r}.")
    if clock is not None and not callable(clock):
        raise TypeError(f"clock= takes a function that returns the time, not {clock!r}.")
    registry = default_registry if registry is None else registry
    writer = Writer(registry, utc_now if clock is None else clock, encoder, changed, home)
    random = Random() if random is None else random  # noqa: S311
    return Settings(registry, CallOptions(timeout, retry), writer, random, observer, _token_keys(token_key))


def _token_keys(given: Any) -> tuple[bytes, ...]:
    if given is None:
        return ()
    keys = [given] if isinstance(given, (str, bytes)) else given
    if not isinstance(keys, (list, tuple)) or not all(isinstance(key, (str, bytes)) for key in cast("Any", keys)):
        # The value is not shown, since it may be a key after all.
        raise TypeError(f"token_key= takes a str, bytes or a list of them, not a {type(given).__name__}.")
    found = tuple([key.encode() if isinstance(key, str) else bytes(key) for key in cast("Any", keys)])
    if not all(found) or not found:
        raise ValueError("token_key= takes at least one key, and none may be empty.")
    return found
