"""The source of a model that reads the entities of a kind, from what is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from cendry._scan import Histogram, model_source
from cendry.errors import JobError

from .._values import decode_properties
from .choices import Observer
from .transforms import Tree
from .values import Shard

if TYPE_CHECKING:
    from .source import Source

SAMPLE: Final = 1_000
"""Entities that are read by default."""


def infer(source: Source, kind: str, *, sample: int | None = SAMPLE, ndb: bool = False) -> str:
    """Return the source of a module with a model that reads the entities of a kind.

    It is a proposal for a person to finish: it passes `mypy --strict` and reads each entity that was looked at. Fields
    that all of them have are required, the others optional. What to decide, such as whether texts are those of an
    enum, is suggested in comments.

    Args:
        source: The database.
        kind: The kind.
        sample: At most how many entities are read, the first ones by key; `None` for all. Each costs a read, with
            `ndb=True` two.
        ndb: Whether the model is for `DatastoreBackend(ndb=True)`, and for the documents after a migration with ndb's
            transforms: what is stored in parts is a map, and what is compressed is text or bytes.

    Raises:
        JobError: There are no entities of this kind.
    """
    tree = _tree_of(kind, entities(source, kind, sample)) if ndb else None
    sink = Observer(kind)
    found = Histogram()
    below: Counter[str] = Counter()
    for entity in entities(source, kind, sample):
        properties = entity.properties if tree is None else tree.apply(entity.properties, sink)
        found.add(decode_properties(properties, source.partition))
        below[entity.key.path[-2].kind if len(entity.key.path) > 1 else ""] += 1
    if not found.count:
        raise JobError(f"There are no entities of kind {kind!r} in {source.place}: there is nothing to infer from.")
    return model_source(kind, kind, found, notes_on(found.count, below))


def _tree_of(kind: str, seen: Iterable[Any]) -> Tree:
    """The transforms that a plan without models would decide on."""
    observer = Observer(kind)
    for entity in seen:
        observer.see(entity)
    return Tree(one.transform for one in observer.decide() if one.is_made)


def entities(source: Source, kind: str, sample: int | None) -> Iterator[Any]:
    """The `Entity` messages of a kind, by key."""
    left = sample
    for page in source.pages(Shard(kind, 0)):
        for result in page.results:
            if left is not None:
                if left == 0:
                    return
                left -= 1
            yield result.entity


def notes_on(count: int, below: Counter[str]) -> Iterable[str]:
    """What to know about the class."""
    yield f"inferred from {count:,} {'entity' if count == 1 else 'entities'}"
    parents = sorted(set(below) - {""})
    if parents:
        some = "each" if not below[""] and len(parents) == 1 else "some"
        yield f"{some} of them have a parent of kind {', '.join(parents)}: declare parent="
