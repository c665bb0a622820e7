"""The part of a context that all queries need to be compiled."""

from __future__ import annotations

from typing import Protocol

from .._types.registry import TypeRegistry


class TokenSource(Protocol):
    """What queries need to know of a context, to be compiled for it."""

    @property
    def registry(self) -> TypeRegistry:
        """The registry of the context."""
        ...

    @property
    def token_keys(self) -> tuple[bytes, ...]:
        """The keys of page tokens: the first one signs, all of them verify."""
        ...

    @property
    def cursor_backend(self) -> str | None:
        """The name of the backend, if queries continue from opaque cursors of its own; else `None`."""
        ...

    @property
    def database(self) -> str | None:
        """How references name the database; `None` if its backend doesn't say."""
        ...
