"""A histogram of stored values, which grows by one document at a time and keeps none of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, time
from typing import Any, Final, cast

from ..reference import Ref
from ..values import GeoPoint, Vector

MAX_KEYS: Final = 500
"""Keys of the maps of one place that are counted apart; values of further ones are counted together."""

MAX_TEXTS: Final = 12
"""Different texts of one place that are counted apart; with more, they aren't those of an enum."""

MAX_TEXT: Final = 40
"""Characters of a text that is counted; longer ones aren't those of an enum."""

MAX_PLACES: Final = 10_000
"""Places of one histogram, however deep, that are looked into; of further ones, only the kinds are counted."""

MAX_COLLECTIONS: Final = 100
"""Collections to which the references at one place lead that are counted apart; further ones aren't counted."""

EXACT: Final = 2**53
"""The absolute value up to which each integer is a float as well."""

KINDS: Final[tuple[tuple[type[Any], str], ...]] = (
    (bool, "bool"),
    (int, "int"),
    (float, "float"),
    (str, "str"),
    (bytes, "bytes"),
    (datetime, "timestamp"),
    (Ref, "reference"),
    (GeoPoint, "geo_point"),
    (Vector, "vector"),
    (list, "array"),
    (dict, "map"),
)
"""Classes of stored values and their kinds; a class stands before those that it extends."""

_KIND: Final[dict[type[Any], str]] = {**dict(KINDS), type(None): "null"}


def kind_of(value: object) -> str:
    """The kind of a stored value; the name of its class if it is of none."""
    exact = _KIND.get(type(value))
    if exact is not None:
        return exact
    found: Any = type(value)
    return next((kind for python, kind in KINDS if issubclass(found, python)), str(found.__qualname__))


class Room:
    """How many more places a histogram may look into.

    Attributes:
        left: How many.
    """

    __slots__ = ("left",)

    def __init__(self, left: int = MAX_PLACES) -> None:
        self.left = left

    def take(self) -> bool:
        """Whether there is one more, which is taken."""
        self.left -= 1
        return self.left >= 0


class Histogram:
    """Which kinds of value stand at one place of many documents, and what is inside them. Its memory is limited.

    Attributes:
        count: How many values there are.
        kinds: How many of each kind.
        fields: The values inside maps, by key.
        rest: The values inside maps under further keys, if there are more than 500 different ones.
        items: The values inside arrays, if there are arrays.
        texts: How often each text occurs; `None` if there are many different ones, or long ones.
        collections: How many references there are to each collection.
        is_exact: Whether each integer is a float as well.
        is_midnight: Whether each timestamp is the beginning of a day in UTC.
        dimensions: The dimensions of vectors.
        samples: For each kind, the first document that has a value of it here, if documents are named.
        is_cut: Whether values inside were not looked at, since there are too many places.

    Args:
        room: How many more places are looked into, of this and all inside; by default 10,000.
    """

    __slots__ = (
        "_room",
        "collections",
        "count",
        "dimensions",
        "fields",
        "is_cut",
        "is_exact",
        "is_midnight",
        "items",
        "kinds",
        "rest",
        "samples",
        "texts",
    )

    def __init__(self, room: Room | None = None) -> None:
        self._room = Room() if room is None else room
        self.samples: dict[str, str] = {}
        self.is_cut = False
        self.count = 0
        self.kinds: Counter[str] = Counter()
        self.fields: dict[str, Histogram] = {}
        self.rest: Histogram | None = None
        self.items: Histogram | None = None
        self.texts: Counter[str] | None = Counter()
        self.collections: Counter[str] = Counter()
        self.is_exact = self.is_midnight = True
        self.dimensions: set[int] = set()

    def add(self, value: object, document: str = "") -> None:
        """Count a stored value, and those inside it.

        Args:
            value: The value.
            document: The path of its document, or empty.
        """
        kind = kind_of(value)
        self.count += 1
        self.kinds[kind] += 1
        if document and kind not in self.samples:
            self.samples[kind] = document
        match kind:
            case "map":
                self._add_fields(cast("Mapping[str, object]", value), document)
            case "array":
                self._add_items(cast("list[object]", value), document)
            case "str":
                self._add_text(cast("str", value))
            case "int":
                self.is_exact &= -EXACT <= cast("int", value) <= EXACT
            case "timestamp":
                self.is_midnight &= cast("datetime", value).timetz().replace(tzinfo=None) == time()
            case "reference":
                self._add_collection(cast("Ref[Any]", value).path.split("/")[-2], 1)
            case "vector":
                self.dimensions.add(len(cast("Vector", value)))
            case _:
                pass

    def _add_fields(self, value: Mapping[str, object], document: str) -> None:
        for key, each in value.items():
            found = self._at(key)
            if found is not None:
                found.add(each, document)

    def _add_items(self, value: Iterable[object], document: str) -> None:
        if self.items is None:
            self.items = self._inside()
        if self.items is not None:
            for each in value:
                self.items.add(each, document)

    def _at(self, key: str) -> Histogram | None:
        """The place below a key; `None` if there are too many."""
        found = self.fields.get(key)
        if found is None:
            if len(self.fields) < MAX_KEYS:
                found = self._inside()
                if found is not None:
                    self.fields[key] = found
            else:
                found = self.rest = self.rest or self._inside()
        return found

    def _inside(self) -> Histogram | None:
        if self._room.take():
            return Histogram(self._room)
        self.is_cut = True
        return None

    def _add_collection(self, collection: str, count: int) -> None:
        if collection in self.collections or len(self.collections) < MAX_COLLECTIONS:
            self.collections[collection] += count

    def _add_text(self, text: str) -> None:
        texts = self.texts
        if texts is None:
            return
        texts[text] += 1
        if len(texts) > MAX_TEXTS or len(text) > MAX_TEXT:
            self.texts = None

    def merge(self, other: Histogram) -> None:
        """Count all values of another histogram as well."""
        self.count += other.count
        self.kinds += other.kinds
        self.samples = {**other.samples, **self.samples}
        self.is_cut |= other.is_cut
        for key, found in other.fields.items():
            known = self._at(key)
            if known is not None:
                known.merge(found)
        if other.rest is not None:
            self.rest = self.rest or self._inside()
            if self.rest is not None:
                self.rest.merge(other.rest)
        if other.items is not None:
            self.items = self.items or self._inside()
            if self.items is not None:
                self.items.merge(other.items)
        both = None if self.texts is None or other.texts is None else self.texts + other.texts
        self.texts = None if both is None or len(both) > MAX_TEXTS else both
        for collection, count in other.collections.items():
            self._add_collection(collection, count)
        self.is_exact &= other.is_exact
        self.is_midnight &= other.is_midnight
        self.dimensions |= other.dimensions

    def values(self) -> Histogram:
        """A histogram of the values inside maps, whatever their keys."""
        together = Histogram()
        for found in self.fields.values():
            together.merge(found)
        if self.rest is not None:
            together.merge(self.rest)
        return together
