"""The decorator of upgrades: functions that bring stored documents of a model from one version to the next."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from .._frozen import class_name
from .._types.evolutions import evolution_of
from ..paths import shortened
from ..plan import shown_int
from .model import Model

F = TypeVar("F", bound=Callable[[dict[str, Any]], dict[str, Any]])


def upgrade(model: type[Model], /, *, to: int) -> Callable[[F], F]:
    """Make a function the upgrade of a model's documents to one version, from the version before.

    The function takes the stored fields of a document as a dict, and returns those of the next version. It sees stored
    names and stored values, as `DocumentResult.data` has them: `datetime`, `GeoPoint`, `Ref`, `Vector`, lists and
    dicts, and not the version itself. It is called whenever an older document is read, so it has to be pure: it must
    not change the dict, nor anything inside, but may return it as it is.

    Args:
        model: The class with `version=`.
        to: The version of what the function returns, from 2 to that of the class. Each version needs one upgrade, but
            for those up to `oldest=`.

    Returns:
        A decorator, which returns the function unchanged.

    Raises:
        TypeError: The class has no version of its own, or a version has two upgrades; or an argument is of another
            kind. A version without upgrade is a `TypeError` when the class is used for the first time.
    """
    given: Any = model
    if not (isinstance(given, type) and issubclass(given, Model)):
        raise TypeError(f"upgrade() takes a Model with version=, not {shortened(model)}.")
    evolution = evolution_of(model)
    if evolution is None:
        raise TypeError(f"{class_name(model)} has no version=, which upgrades are for: give it one.")
    name = class_name(model)
    if evolution.owner is not model:
        owner = class_name(evolution.owner)
        raise TypeError(f"{name} has the version and the upgrades of {owner}: write @upgrade({owner}, to=...).")
    if type(to) is not int:
        raise TypeError(f"@upgrade({name}) takes to= as an int, not {shortened(to)}.")
    if not 2 <= to <= evolution.version:
        most = evolution.version
        known = f"its upgrades lead to versions 2 to {most}" if most > 1 else "there are no upgrades to that"
        raise TypeError(f"@upgrade({name}, to={shown_int(to)}): {name} has version={most}; {known}.")

    def add(function: F) -> F:
        if not callable(function):
            raise TypeError(f"@upgrade({name}, to={to}) decorates a function, not {shortened(function)}.")
        if inspect.iscoroutinefunction(function):
            raise TypeError(f"@upgrade({name}, to={to}): an upgrade is not awaited; define it without async.")
        known = evolution.upgrades.setdefault(to, function)
        if known is not function:
            shown = getattr(known, "__qualname__", repr(known))
            raise TypeError(f"{name} has an upgrade to version {to} already, {shown}; each version has one.")
        return function

    return add
