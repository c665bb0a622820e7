"""Which transforms a plan needs, by what models ask for and what entities hold. Nothing here sends or waits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass as mutable
from typing import Any, Final

from cendry._immutable import dataclass
from cendry._types.shapes import Anything, Array, Constrained, Dict, Nullable, OneOf, Record, Scalar, Shape, Tagged
from cendry.codec import codec_for
from cendry.paths import FieldPath

from .._ndb import COMPRESSED, TooLarge, inflate
from .transforms import MAX_INFLATED, Tree
from .values import CHANGES, Change, Transform

_Options = Mapping[str, "str | int | bool"]
_NO_OPTIONS: Final[_Options] = {}
_LIST: Final[_Options] = {"list": True}
_TEXT: Final[_Options] = {"text": True}
_WHOLE: Final[_Options] = {"whole": True}

# --- what models ask for ---


def asked_by(models: Iterable[type[Any]]) -> tuple[Transform, ...]:
    """The transforms that models ask for, where their entities are stored in one of ndb's forms.

    Args:
        models: Model classes; subclasses that share a collection are included.
    """
    found: dict[tuple[str, str, Change], Transform] = {}
    for model in models:
        cls: Any = model
        family = cls.__cendry_family__
        for each in {cls: None, **dict.fromkeys(family.classes_of(cls).values() if family else ())}:
            record = codec_for(each).shape
            for transform in _of_record(cls.__collection__, record, (), (record,)):
                # Of two classes that declare a field differently, the first one says what it holds.
                found.setdefault((transform.kind, transform.field, transform.do), transform)
    return tuple(found.values())


def _of_record(kind: str, record: Record, above: tuple[str, ...], inside: tuple[Record, ...]) -> Iterator[Transform]:
    for declared in record.fields:
        for name in (declared.stored, *declared.also):
            yield from _of_shape(kind, declared.shape, (*above, name), inside, in_list=False)


def _of_shape(
    kind: str, shape: Shape, path: tuple[str, ...], inside: tuple[Record, ...], *, in_list: bool
) -> Iterator[Transform]:
    def asks(do: Change, options: _Options = _NO_OPTIONS) -> Transform:
        return Transform(kind, str(FieldPath(*path)), do, dict(options))

    match shape:
        case Nullable(inner) | Constrained(inner):
            yield from _of_shape(kind, inner, path, inside, in_list=in_list)
        case OneOf(members) | Tagged(members):
            for member in members:
                yield from _of_shape(kind, member, path, inside, in_list=in_list)
        case Array(item):
            yield from _of_shape(kind, item, path, inside, in_list=True)
            if not in_list and not _is_bytes(item):
                # A list in one piece of JSON, unless its elements are pieces of their own.
                yield asks("json", _WHOLE)
        case Record():
            yield asks("nest", _LIST if in_list else _NO_OPTIONS)
            yield asks("inflate")
            yield asks("unpack")
            yield asks("json")
            if shape not in inside:
                yield from _of_record(kind, shape, path, (*inside, shape))
        case Dict() | Anything():
            yield asks("nest", _LIST if in_list else _NO_OPTIONS)
            yield asks("inflate")
            yield asks("json")
        case Scalar("str"):
            yield asks("inflate", _TEXT)
        case Scalar("bytes"):
            yield asks("inflate")
        case _:
            # No other kind of value has a form of its own in ndb.
            return


def _is_bytes(shape: Shape) -> bool:
    match shape:
        case Nullable(inner) | Constrained(inner):
            return _is_bytes(inner)
        case OneOf(members):
            return any(map(_is_bytes, members))
        case Scalar(kind):
            return kind == "bytes"
        case _:
            return False


# --- what entities need ---


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about a transform.

    Attributes:
        transform: The transform.
        count: How many values it changes.
        largest: The bytes of the largest value that it gives; 0 if it gives none that are larger.
        kept: Why values stay as they are stored, if some have to; a transform without any other values is not made, nor
            is one to JSON.
        is_made: Whether the transform is to be in the plan.
    """

    transform: Transform
    count: int
    largest: int = 0
    kept: str = ""
    is_made: bool = True


@mutable(slots=True)
class _Seen:
    count: int = 0
    largest: int = 0
    kept: str = ""


class Observer:
    """Decides which transforms the entities of a kind need, after all of them were seen.

    Args:
        kind: The kind.
        asked: The transforms that models ask for; those of other kinds are left out.
    """

    def __init__(self, kind: str, asked: Sequence[Transform] = ()) -> None:
        self._kind = kind
        self._asked = {(one.field, one.do): one for one in asked if one.kind == kind}
        self._tree = Tree(self._asked.values())
        self._seen: dict[tuple[str, Change], _Seen] = {}
        # Of groups of which no model says what they are: whether all their parts are arrays, equally long.
        self._groups: dict[tuple[str, ...], bool] = {}

    def see(self, entity: Any) -> None:
        """Look at an `Entity` message."""
        self._tree.apply(entity.properties, self)
        self._look_at(entity.properties, ())

    def decide(self) -> tuple[Decision, ...]:
        """What the entities that were seen need, in the order of paths."""
        decided: dict[tuple[tuple[str, ...], int], Decision] = {}
        lists: list[tuple[str, ...]] = []
        for segments in sorted(self._groups):
            is_list = self._groups[segments] and not any(segments[: len(one)] == one for one in lists)
            if is_list:
                lists.append(segments)
            path = str(FieldPath(*segments))
            options = _LIST if is_list else _NO_OPTIONS
            self._asked.setdefault((path, "nest"), Transform(self._kind, path, "nest", options))
        for (path, do), seen in self._seen.items():
            transform = self._asked.get((path, do)) or Transform(self._kind, path, do)
            # A field whose values are JSON in some entities alone would be of two types.
            is_made = seen.count > 0 and not (do == "json" and seen.kept)
            place = FieldPath.parse(path).segments, CHANGES.index(do)
            decided[place] = Decision(transform, seen.count, seen.largest, seen.kept, is_made)
        return tuple(decided[place] for place in sorted(decided))

    # --- what the tree tells ---

    def done(self, path: str, do: Change, size: int) -> None:
        """Count a value."""
        seen = self._seen.setdefault((path, do), _Seen())
        seen.count += 1
        seen.largest = max(seen.largest, size)

    def kept(self, path: str, do: Change, reason: str) -> None:
        """Keep the reason."""
        self._seen.setdefault((path, do), _Seen()).kept = reason

    def noted(self, path: str, name: str, detail: str) -> None:
        """Nothing: the copy reports it."""

    def too_large(self, path: str) -> None:
        """Keep the reason."""
        self.kept(path, "inflate", f"it would have over {MAX_INFLATED:,} bytes")

    # --- what no model says ---

    def _look_at(self, properties: Any, above: tuple[str, ...]) -> None:
        groups: dict[tuple[str, ...], list[Any]] = {}
        for name, value in properties.items():
            path = (*above, name)
            if "." in name and all(segments := name.split(".")):
                path = (*above, *segments)
                for end in range(len(above) + 1, len(path)):
                    groups.setdefault(path[:end], []).append(value)
            self._look_inside(value, path)
        for path, values in groups.items():
            text = _text(path)
            if text is None or (text, "nest") in self._asked:
                continue
            lengths = {len(one.array_value.values) if one.HasField("array_value") else -1 for one in values}
            is_list = len(lengths) == 1 and -1 not in lengths
            self._groups[path] = self._groups.get(path, True) and is_list
            self.done(text, "nest", 0)

    def _look_inside(self, value: Any, path: tuple[str, ...]) -> None:
        match value.WhichOneof("value_type"):
            case "entity_value":
                self._look_at(value.entity_value.properties, path)
            case "array_value":
                for element in value.array_value.values:
                    self._look_inside(element, path)
            case "blob_value" if value.meaning == COMPRESSED:
                text = _text(path)
                if text is not None and (text, "inflate") not in self._asked:
                    content = inflate(value, MAX_INFLATED)
                    if isinstance(content, bytes):
                        self.done(text, "inflate", len(content))
                    elif content is TooLarge:
                        self.too_large(text)
                    else:
                        self.kept(text, "inflate", "it is marked as compressed, and isn't")
            case _:
                return


def _text(segments: Sequence[str]) -> str | None:
    """The path of a field in Firestore's string form; `None` if there can't be one with that path."""
    try:
        return str(FieldPath(*segments))
    except ValueError:
        return None
