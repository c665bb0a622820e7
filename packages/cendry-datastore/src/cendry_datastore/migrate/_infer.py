"""The source of a model that reads the entities of a kind, from what is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from cendry._scan import Histogram, model_source
from cendry.errors import JobError

from .._ndb import json_value, unpack
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
    blobs = Blobs()
    below: Counter[str] = Counter()
    for entity in entities(source, kind, sample):
        properties = entity.properties if tree is None else tree.apply(entity.properties, sink)
        data = decode_properties(properties, source.partition)
        found.add(data)
        if ndb:
            blobs.add(data)
        below[entity.key.path[-2].kind if len(entity.key.path) > 1 else ""] += 1
    if not found.count:
        raise JobError(f"There are no entities of kind {kind!r} in {source.place}: there is nothing to infer from.")
    return model_source(kind, kind, found, [*notes_on(found.count, below), *blobs.notes()])


def _tree_of(kind: str, seen: Iterable[Any]) -> Tree:
    """The transforms that a plan without models would decide on."""
    observer = Observer(kind)
    for entity in seen:
        observer.see(entity)
    return Tree(one.transform for one in observer.decide() if one.is_made)


_FORMS: Final = {
    "entity": 'entities? a Map, with metadata={"ndb": "local"}',
    "JSON": 'JSON? a Map or dict[str, Any]; a list with metadata={"ndb": "json"}',
    "text": "text? str",
}


class Blobs:
    """What the bytes of properties hold, which a model may read: what ndb serializes, JSON, or text."""

    def __init__(self) -> None:
        self._forms: dict[str, set[str]] = {}

    def add(self, data: Mapping[str, object]) -> None:
        """Look at the properties of an entity."""
        for name, value in data.items():
            values = cast("list[object]", value) if isinstance(value, list) else [value]
            for each in values:
                if isinstance(each, bytes) and each:
                    self._forms.setdefault(name, set()).add(form_of(each))

    def notes(self) -> Iterator[str]:
        """What a person should decide, for the properties whose bytes are all of one form."""
        for form, advice in _FORMS.items():
            names = sorted(name for name, forms in self._forms.items() if forms == {form})
            if names:
                yield f"{', '.join(names)}: {advice}"


def form_of(data: bytes) -> str:
    """`entity`, `JSON`, `text` or `bytes`."""
    if unpack(data) is not None:
        return "entity"
    if json_value(data) is not None:
        return "JSON"
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return "bytes"
    return "text" if text and all(each.isprintable() or each.isspace() for each in text) else "bytes"


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
