"""Families: tagged models of one collection, and which of them a stored tag means. No data is read or written here."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from operator import itemgetter
from typing import Any, Final

from .. import _fork
from .shapes import TagValue

_lock: Final = _fork.hold(threading.RLock())


class Table(dict[Any, Any]):
    """What is known of tags, such as compiled code; emptied whenever a class joins the family."""

    __slots__ = ("__weakref__",)


class Family:
    """A class with `tag_field=` and its subclasses, as long as they exist.

    Attributes:
        root: The class with `tag_field=`.
        field: The stored name of the tag.

    Args:
        root: As above.
        field: As above.
    """

    __slots__ = ("__weakref__", "_classes", "_tables", "field", "root")

    def __init__(self, root: type[Any], field: str) -> None:
        self.root = root
        self.field = field
        self._classes: dict[TagValue, weakref.ref[type[Any]]] = {}
        self._tables: list[weakref.ref[Table]] = []

    def add(self, cls: type[Any], tag: TagValue) -> None:
        """Let a class that was just defined join; one that was defined before, under the same name, leaves.

        Raises:
            ValueError: Documents with this tag would also be those of another class.
        """
        with _lock:
            if self._conflict(cls, tag):
                # Another class may be one that is not used any more, but still waits for the garbage collector.
                gc.collect()
            conflict = self._conflict(cls, tag)
            if conflict:
                raise ValueError(conflict)
            self._classes = {known: weakref.ref(each) for known, each in self._living()}
            self._classes[tag] = weakref.ref(cls)
            for known in self._tables:
                table = known()
                if table is not None:
                    table.clear()

    def _conflict(self, cls: type[Any], tag: TagValue) -> str:
        for other_tag, other in list(self._living()):
            if _is_like(other, cls):
                continue
            if other_tag == tag:
                return f"the tag {tag!r} is that of {other.__qualname__} already"
            if type(tag) is not type(other_tag):
                return (
                    f"its tag is {tag!r}, and that of {other.__qualname__} is {other_tag!r}: "
                    "in one collection, all tags are a str, or all a tuple of str"
                )
            if isinstance(tag, tuple):
                for inner, lower, outer, higher in ((tag, cls, other_tag, other), (other_tag, other, tag, cls)):
                    name, found_by = higher.__qualname__, outer[-1]
                    if _is_below(lower, higher) and found_by not in inner:
                        return f"its tag {inner!r} has to contain {found_by!r}, by which documents of {name} are found"
                    if found_by in inner and not _is_below(lower, higher):
                        return (
                            f"{found_by!r}, by which documents of {name} are found, is in the tag of "
                            f"{lower.__qualname__}, {inner!r}, which is not a subclass of {name}"
                        )
        return ""

    def _living(self) -> Iterator[tuple[TagValue, type[Any]]]:
        for tag, known in list(self._classes.items()):
            cls = known()
            if cls is not None:
                yield tag, cls

    def table(self) -> Table:
        """A table for a user of the family."""
        table = Table()
        with _lock:
            self._tables = [known for known in self._tables if known() is not None]
            self._tables.append(weakref.ref(table))
        return table

    def class_of(self, tag: Any) -> type[Any] | None:
        """The class with this tag, a `str` or a tuple of `str`; `None` if there is none."""
        known = self._classes.get(tag)
        return None if known is None else known()

    def classes_of(self, cls: type[Any]) -> dict[TagValue, type[Any]]:
        """A class and its subclasses by their tags, in the order of these."""
        return dict(sorted((each for each in self._living() if issubclass(each[1], cls)), key=itemgetter(0)))

    def tags_of(self, cls: type[Any]) -> list[TagValue]:
        """The tags of a class and its subclasses, sorted."""
        return list(self.classes_of(cls))

    def outermost_tags_of(self, cls: type[Any]) -> list[TagValue]:
        """The tags of a class and its subclasses, sorted, without those of subclasses of others among them."""
        every = [(tag, each) for tag, each in self._living() if issubclass(each, cls)]
        return sorted(
            tag for tag, each in every if not any(issubclass(each, other) for _, other in every if other is not each)
        )

    @property
    def takes_any(self) -> bool:
        """Whether documents with an unknown tag, or without one, are read as the root."""
        return bool(self.root.__cendry_tag__ is None)


def _is_like(cls: type[Any], other: type[Any]) -> bool:
    """Whether two classes are one class that was defined again."""
    return (cls.__module__, cls.__qualname__) == (other.__module__, other.__qualname__)


def _is_below(cls: type[Any], other: type[Any]) -> bool:
    """Whether a class is a subclass of another, or of one that was defined before under its name."""
    return any(_is_like(each, other) for each in cls.__mro__)
