"""What a function makes of a stored document: the fields to write, or why it can't be written. Nothing here sends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias, cast

from cendry._immutable import dataclass
from cendry._stored import copied, same
from cendry.backend import StoredDocument
from cendry.codec.upgrading import stored_form
from cendry.errors import DecodeError, Problem
from cendry.paths import FieldPath
from cendry.plan import Update

from .chains import Chain

Upgrade: TypeAlias = "Callable[[dict[str, Any]], dict[str, Any] | None]"
"""Stored names and values in, and out; `None` leaves the document as it is. It may change what it is given."""

HIDDEN: Final = "<hidden>"
"""Stands for the values of fields with `repr=False`."""

_SCALAR: Final = 8
_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Diff:
    """How a document would change.

    Attributes:
        path: Its path.
        before: The stored values of the fields that would change, without those that would be added.
        after: Their values then, without those that would be removed.
    """

    path: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    def __str__(self) -> str:
        lines = [self.path]
        for name in sorted({*self.before, *self.after}):
            lines += [f"  - {name}: {_shown(self.before[name])}"] if name in self.before else []
            lines += [f"  + {name}: {_shown(self.after[name])}"] if name in self.after else []
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A document that a function changes.

    Attributes:
        path: Its path.
        update_time: When the version that it was made of was written.
        before: As in `Diff`.
        after: As in `Diff`.
        size: About how many bytes are written.
    """

    path: str
    update_time: datetime
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    size: int

    @property
    def write(self) -> Update:
        """The write, which fails if the document has changed since it was read."""
        mask = tuple([FieldPath(name) for name in {**self.before, **self.after}])
        return Update(self.path, self.after, mask, update_time=self.update_time)

    def diff(self, hides: Callable[[str], bool]) -> Diff:
        """The change, for people.

        Args:
            hides: Whether the values of a field are shown nowhere.
        """
        shown = [
            {name: HIDDEN if hides(name) else value for name, value in fields.items()}
            for fields in (self.before, self.after)
        ]
        return Diff(self.path, shown[0], shown[1])


def rewrite(found: StoredDocument, upgrade: Upgrade | Chain) -> Rewrite | str | None:
    """What a function makes of a document.

    Args:
        found: The document, which exists.
        upgrade: The function, or the upgrades of a model.

    Returns:
        What to write; `None` if nothing; text if the function fails on it, or gives what can't be written.
    """
    before = found.data or {}
    if isinstance(upgrade, Chain):
        try:
            upgraded = upgrade.upgraded(found.path, before)
        except DecodeError as error:
            return str(error)
        return None if upgraded is None else _compared(found, before, upgraded)
    try:
        # It may change what it is given.
        after = cast("object", upgrade(copied(before)))
    except Exception as error:
        return f"the function raised {type(error).__name__}: {error}"
    if after is None:
        return None
    if not isinstance(after, dict):
        return f"the function returned a {type(after).__name__}, not a dict or None"
    return _compared(found, before, cast("Any", after))


def _compared(found: StoredDocument, before: dict[str, Any], after: dict[Any, Any]) -> Rewrite | str | None:
    changed = {name: value for name, value in after.items() if name not in before or not same(before[name], value)}
    if not changed and len(after) == len(before):
        return None
    for name in changed:
        if not isinstance(name, str):
            return f"the function returned the name {name!r}, which is not text"
        try:
            FieldPath(name)
        except ValueError as error:
            return f"the function returned a field that can't be stored: {error}"
    stored = stored_form(changed)
    if isinstance(stored, Problem):
        return f"the function returned a value that can't be stored: {stored}"
    old = {name: value for name, value in before.items() if name in changed or name not in after}
    update_time = cast("datetime", found.update_time)
    size = len(found.path.encode()) + 2 * sum(size_of(name) for name in {**old, **stored}) + size_of(stored)
    return Rewrite(found.path, update_time, old, stored, size)


def size_of(value: Any) -> int:
    """About how many bytes a stored value takes in a request."""
    if isinstance(value, str):
        return 4 + len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, bytes):
        return 4 + len(value)
    if isinstance(value, dict):
        fields: dict[Any, Any] = cast("Any", value)
        return _SCALAR + sum(size_of(each) for pair in fields.items() for each in pair)
    if isinstance(value, (list, tuple)):
        elements: list[Any] = cast("Any", value)
        return _SCALAR + sum(map(size_of, elements))
    return _SCALAR + len(getattr(value, "path", ())) + _SCALAR * len(getattr(value, "values", ()))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
