"""`infer`: the source of models that read what is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

from cendry._scan import Histogram, Inferred, module_source
from cendry._types.evolutions import VERSION_FIELD
from cendry.errors import JobError
from cendry.jobs import Progress, Stop

from .ranges import Selection, database_of
from .scanning import scanned
from .targets import Source, opened, selection_of

SAMPLE: Final = 10_000
"""Documents of each collection that are read by default."""


def infer(
    source: Source,
    /,
    *collections: str,
    sample: int | None = SAMPLE,
    group: bool = False,
    on_progress: Callable[[Progress], object] | None = None,
    stop: Stop | None = None,
) -> str:
    """Return the source of a module with a model for each collection, which reads its documents.

    It is a proposal for a person to finish: it passes `mypy --strict` and reads each document that was looked at.
    Fields that all of them have are required, the others optional; up to three kinds of value make a union; maps that
    share their keys are a `Map`; names that Python can't have are aliases. What to decide, such as whether texts are
    those of an enum, is suggested in comments.

    Args:
        source: A context, a backend, or the SDK's client.
        collections: The ids of the collections.
        sample: At most how many documents of each are read, the first ones by key; `None` for all. Each costs a read.
        group: Whether all collections of those ids are meant (collection groups), or only those at the root.
        on_progress: Called with a `Progress` after each page.
        stop: Ends the work early.

    Raises:
        JobError: A collection has no documents.
        JobStoppedError: It was asked to stop.
        TypeError: An argument is of the wrong type.
        ValueError: An argument has a wrong value.
    """
    if not collections:
        raise TypeError("infer() takes the ids of collections, and there are none.")
    selections = [selection_of("infer", each, group) for each in dict.fromkeys(map(_text, collections))]
    with opened(source) as backend:
        found = [_inferred(backend, each, sample, on_progress, stop) for each in selections]
    return module_source(found)


def _text(given: object) -> str:
    if not isinstance(given, str):
        raise TypeError(f"infer() takes the ids of collections, not {given!r}.")
    return given


def _inferred(
    backend: Any,
    selection: Selection,
    sample: int | None,
    on_progress: Callable[[Progress], object] | None,
    stop: Stop | None,
) -> Inferred:
    found = Histogram()
    versions: Counter[str] = Counter()
    below: Counter[str] = Counter()
    for document in scanned(backend, selection, "infer", sample, on_progress, stop):
        data = dict(document.data or {})
        version = data.pop(VERSION_FIELD, None)
        if version is not None:
            versions[repr(version)] += 1
        found.add(data)
        parts = document.path.split("/")
        below[parts[-4] if len(parts) > 2 else ""] += 1
    if not found.count:
        more = "" if selection.group else " If it is below documents, pass group=True (--group)."
        raise JobError(
            f"There are no documents in the collection {selection.collection!r} of {database_of(backend)}: there is "
            f"nothing to infer from.{more}"
        )
    return Inferred(
        singular(selection.collection), selection.collection, found, list(_notes(found.count, below, versions))
    )


def _notes(count: int, below: Counter[str], versions: Counter[str]) -> Iterable[str]:
    """What to know about the class."""
    yield f"inferred from {count:,} {'document' if count == 1 else 'documents'}"
    parents = sorted(set(below) - {""})
    if parents:
        some = "each of them is" if not below[""] and len(parents) == 1 else "some of them are"
        yield f"{some} below documents of {', '.join(map(repr, parents))}: declare parent="
    if versions:
        shown = [version for version, _ in versions.most_common(5)]
        yield f"{VERSION_FIELD} is {', '.join(sorted(shown))}: declare version=, with its upgrades"


def singular(name: str) -> str:
    """The likely singular of the last word of a collection id: `cities` is `city`."""
    for end, instead in _ENDS:
        if name.lower().endswith(end):
            return (name[: len(name) - len(end)] + instead) or name
    return name


_ENDS: Final = (
    ("ss", "ss"),
    ("us", "us"),
    ("is", "is"),
    ("news", "news"),
    ("series", "series"),
    ("ies", "y"),
    ("sses", "ss"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("xes", "x"),
    ("s", ""),
)
