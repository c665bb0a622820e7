"""Evolutions: the versions of a model, and the upgrades that bring stored documents from one to the next.

Upgrades see stored names and stored values. Nothing is decoded or written here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from .._frozen import class_name

Upgrade = Callable[[dict[str, Any]], dict[str, Any]]
"""Takes the stored fields of a document of one version, and returns those of the next."""

VERSION_FIELD: Final = "_cendry_version"
"""The default name under which the version of a document is stored."""

MAX_VERSION: Final = 2**63 - 1
"""The largest integer that Firestore stores."""

UPGRADED: Final = "_cendry_upgraded"
"""The name in an instance's `__dict__` of its `Upgraded`."""


class Upgraded(NamedTuple):
    """What an instance remembers of a document that was stored by another version of its model.

    Attributes:
        version: The version that was stored.
        removed: The stored names that upgrades removed.
        changed: The stored names whose values upgrades changed, added or removed.
    """

    version: int
    removed: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()


class Evolution:
    """The versions of a class, and of the subclasses that inherit them.

    Attributes:
        owner: The class with `version=`.
        version: The current version.
        version_field: The stored name of the version.
        oldest: The oldest version that is read; `None` for any.
        upgrades: The functions, by the versions to which they lead.

    Args:
        owner: As above.
        version: As above.
        version_field: As above.
        oldest: As above.
    """

    __slots__ = ("_is_complete", "oldest", "owner", "upgrades", "version", "version_field")

    def __init__(self, owner: type[Any], version: int, version_field: str, oldest: int | None) -> None:
        self.owner = owner
        self.version = version
        self.version_field = version_field
        self.oldest = oldest
        self.upgrades: dict[int, Upgrade] = {}
        self._is_complete = False

    def check(self) -> None:
        """Check that there is an upgrade for each step.

        Raises:
            TypeError: One is missing.
        """
        if self._is_complete:
            return
        first = (self.oldest or 1) + 1
        gap = next((step for step in range(first, self.version + 1) if step not in self.upgrades), None)
        if gap is not None:
            name = class_name(self.owner)
            raise TypeError(
                f"{name} has version={self.version} and no upgrade to version {gap}: decorate one with "
                f"@upgrade({name}, to={gap}), in a module that is imported before {name} is used, or declare "
                f"oldest={gap}."
            )
        self._is_complete = True


def evolution_of(model: type[Any]) -> Evolution | None:
    """The versions of a class, its own or those that it inherits; `None` if it has none."""
    found: Evolution | None = getattr(model, "__cendry_evolution__", None)
    return found
