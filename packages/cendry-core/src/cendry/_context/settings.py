"""The settings of a context: its arguments, checked once for all its calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, cast

from .._types.registry import TypeRegistry, default_registry
from ..backend import CallOptions
from .writes import Encoder, Writer, utc_now


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings that apply to all calls of a context."""

    registry: TypeRegistry
    options: CallOptions
    writer: Writer
    random: Random


def settings(
    registry: TypeRegistry | None,
    timeout: Any,
    retry: Any,
    clock: Callable[[], datetime] | None,
    random: Random | None,
    encoder: Encoder,
) -> Settings:
    """Check the arguments of a context.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: The timeout is not a number of seconds.
    """
    if registry is not None and not isinstance(cast(object, registry), TypeRegistry):
        raise TypeError(f"type_registry= takes a TypeRegistry, not {registry!r}.")
    if clock is not None and not callable(clock):
        raise TypeError(f"clock= takes a function that returns the time, not {clock!r}.")
    registry = default_registry if registry is None else registry
    writer = Writer(registry, utc_now if clock is None else clock, encoder)
    return Settings(registry, CallOptions(timeout, retry), writer, Random() if random is None else random)  # noqa: S311
