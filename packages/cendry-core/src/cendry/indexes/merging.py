"""Compares a file of indexes with what is needed, and adds what it lacks; everything else in it stays as it is."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from .._immutable import dataclass, replace
from .definitions import AUTOMATIC, FieldIndex, FieldOverride, Index, forms_of
from .needs import Need
from .reading import FILE, Source, Span, elements, members
from .serving import IndexConflictError, Indexes


@dataclass(frozen=True, slots=True)
class IndexCheck:
    """How indexes compare with what queries need.

    Attributes:
        missing: What to declare, as one index for each need and one override for each field.
        unused: Composite indexes that none of the queries uses. Other programs may.
        warnings: What is surely wrong in the file, as sentences, and where it indexes a field for a query although its
            model exempts it.
    """

    missing: tuple[Index | FieldOverride, ...]
    unused: tuple[Index, ...]
    warnings: tuple[str, ...]


def check(
    indexes: Indexes, needs: Iterable[Need] = (), wanted: Indexes | None = None, *, name: str = FILE
) -> IndexCheck:
    """Compare indexes with what queries need and models declare. Where Firestore is uncertain, nothing is missing.

    Args:
        indexes: The indexes that are declared.
        needs: What queries need, as `needs_of` returns it, or `read_recording`.
        wanted: What models declare, as `derive` returns it.
        name: The name of the file that declares them, for errors.

    Raises:
        IndexConflictError: A field that a model exempts from indexes is needed by a query, or the file ends a time to
            live that a model declares.
    """
    needs = list(dict.fromkeys(needs))
    wanted = wanted or Indexes()
    joined = _joined(indexes, wanted, needs, name)
    declared = set(indexes.overrides)
    missing: list[Index | FieldOverride] = [*joined.indexes[len(indexes.indexes) :]]
    missing += [each for each in joined.overrides if each not in declared]
    used = {index for need in needs for index in indexes.used_for(need)}
    asked = {_bare(index) for index in wanted.indexes}
    unused = [index for index in indexes.indexes if index not in used and _bare(index) not in asked]
    told = (*indexes.warnings, *_exempted(indexes, needs), *_indexed_all_the_same(indexes, wanted, needs, name))
    return IndexCheck(tuple(missing), tuple(unused), told)


def _exempted(indexes: Indexes, needs: Iterable[Need]) -> list[str]:
    """What is to be told of fields that are exempted from indexes, and that queries use all the same."""
    found: dict[str, None] = {}
    for need in needs:
        if need.is_uncertain or indexes.serves(need):
            continue
        for path in sorted(need.fields):
            if not indexes.modes(need.collection, path):
                what = f"The field {path} of {need.collection!r} is exempted from indexes"
                found[f"{what}, and a recorded query filters or sorts by it."] = None
    return list(found)


def _indexed_all_the_same(indexes: Indexes, wanted: Indexes, needs: Iterable[Need], name: str) -> list[str]:
    """What is to be told of queries that the file serves by a field that its model exempts from indexes."""
    exempt = {(each.collection, each.path): each for each in wanted.overrides if each.indexes == frozenset()}
    found: list[str] = []
    for own in indexes.overrides:
        exemption = exempt.get((own.collection, own.path))
        if exemption is None or not own.indexes:
            continue
        as_declared = Indexes(indexes.indexes, [exemption if each is own else each for each in indexes.overrides])
        if any(not need.is_uncertain and indexes.serves(need) and not as_declared.serves(need) for need in needs):
            found.append(
                f"The field {own.path} of {own.collection!r} is exempted by its model (index=False), and {name} "
                "indexes it, which a recorded query needs. Remove index=False."
            )
    return found


def combine(wanted: Indexes, needs: Iterable[Need]) -> Indexes:
    """Return what models declare, with what queries need besides.

    Args:
        wanted: What models declare, as `derive` returns it.
        needs: What queries need, as `needs_of` returns it, or `read_recording`.

    Raises:
        IndexConflictError: A field that a model exempts from indexes is needed by a query.
    """
    return _joined(Indexes(), wanted, list(dict.fromkeys(needs)), FILE)


def _joined(have: Indexes, wanted: Indexes, needs: Iterable[Need], name: str) -> Indexes:
    """Indexes with what they lack: those that are there come first, and overrides replace those of their fields.

    Raises:
        IndexConflictError: What is needed contradicts what is declared.
    """
    known = {_bare(index) for index in have.indexes}
    indexes = [*have.indexes, *(each for each in dict.fromkeys(wanted.indexes) if _bare(each) not in known)]
    overrides = {(each.collection, each.path): each for each in have.overrides}
    for override in wanted.overrides:
        place = override.collection, override.path
        overrides[place] = _united(overrides.get(place), override, name)
    exempt = {(each.collection, each.path) for each in wanted.overrides if each.indexes == frozenset()}
    added = _added(Indexes(indexes, overrides.values()), [need for need in needs if not need.is_uncertain])
    for override in added.overrides:
        place = override.collection, override.path
        if place in exempt:
            raise IndexConflictError(
                f"A query needs an index of the field {override.path} of {override.collection!r}, and its model "
                "exempts it (index=False). Index it, or filter by another field."
            )
        overrides[place] = override
    return Indexes((*indexes, *added.indexes), overrides.values())


def _bare(index: Index) -> Index:
    """An index without what is carried of it and plays no part in which queries it serves."""
    return replace(index, settings=()) if index.settings else index


def _added(have: Indexes, needs: Iterable[Need]) -> Indexes:
    """What to add to indexes so that they serve all needs."""
    indexes: dict[Index, None] = {}
    overrides: dict[Any, FieldOverride] = {}
    for need in needs:
        if have.serves(need):
            continue
        found = have.to_add(need)
        if isinstance(found, Index):
            # Declared at once, one may also serve what follows.
            indexes[found] = None
            have = Indexes((*have.indexes, found), have.overrides)
        else:
            others = [each for each in have.overrides if (each.collection, each.path) != (found.collection, found.path)]
            ttl = next((each.ttl for each in have.overrides if each.path == found.path and each not in others), None)
            found = FieldOverride(found.collection, found.path, found.indexes, ttl)
            overrides[found.collection, found.path] = found
            have = Indexes(have.indexes, (*others, found))
    return Indexes(indexes, overrides.values())


def merge(
    text: str,
    wanted: Indexes | None = None,
    needs: Iterable[Need] = (),
    *,
    prune: bool = False,
    name: str = FILE,
) -> str:
    """Add what a `firestore.indexes.json` lacks; all that is in it stays, byte for byte.

    What a file serves already is not added, in whichever form it does. Indexes of one field are united with those that
    it has. The result is the same text if nothing is missing.

    Args:
        text: The text of the file.
        wanted: What models declare, as `derive` returns it.
        needs: What queries need, as `needs_of` returns it, or `read_recording`.
        prune: Whether composite indexes are removed that none of these queries uses, and no model declares. What is
            declared of single fields stays in any case.
        name: The name of the file, for errors.

    Raises:
        ValueError: The text is not of the form of such files; or `prune` was given without any queries.
        IndexConflictError: A field that a model exempts from indexes is needed by a query, or the file ends a time to
            live that a model declares.
    """
    source = Source(text, name)
    have = source.read()
    needs = list(dict.fromkeys(needs))
    wanted = wanted or Indexes()
    if prune:
        if not needs:
            raise ValueError("No queries were recorded, so all indexes would be removed as unused.")
        unused = check(have, needs, wanted).unused
        removed = [place for place, index in enumerate(have.indexes) if index in unused]
        if removed:
            return merge(_without(source, removed), wanted, needs, name=name)
    joined = _joined(have, wanted, needs, name)
    declared = {(each.collection, each.path) for each in have.overrides}
    changed = {(each.collection, each.path): each for each in joined.overrides}
    new = joined.indexes[len(have.indexes) :]
    edits = _Edits(source)
    if new:
        edits.append(source.members["indexes"], [each.to_json() for each in new])
    fresh = [each.to_json() for place, each in changed.items() if place not in declared]
    if fresh:
        span = source.members.get("fieldOverrides")
        if span is None:
            edits.add_members(_whole(source), {"fieldOverrides": fresh})
        elif span.value is None:
            edits.replace(span, edits.shown(fresh, edits.indent_at(span.start)))
        else:
            edits.append(span, fresh)
    for span in source.list_of("fieldOverrides", required=False):
        override = FieldOverride.from_json(span.value)
        edits.change(span, override, changed[override.collection, override.path])
    return edits.result()


def _united(have: FieldOverride | None, wanted: FieldOverride, name: str) -> FieldOverride:
    if have is None:
        return wanted
    if wanted.ttl and have.ttl is False:
        raise IndexConflictError(
            f"{name} ends the time to live in the field {have.path} of {have.collection!r}, and its model declares one."
        )
    indexes = wanted.indexes if have.indexes is None else have.indexes
    if indexes is not None and wanted.ttl is None:
        # Those beside a time to live are only the automatic ones, which a file may have exempted.
        indexes |= wanted.indexes or frozenset()
    return FieldOverride(have.collection, have.path, indexes, have.ttl if wanted.ttl is None else wanted.ttl)


def _without(source: Source, removed: list[int]) -> str:
    """The text without some of its indexes, and without the lines that they alone take; comments stay."""
    spans = source.list_of("indexes", required=True)
    text, plain = source.text, source.plain
    cuts: list[tuple[int, int]] = []
    last = max((place for place in range(len(spans)) if place not in removed), default=len(spans))
    if last + 1 < len(spans):
        comma = plain.index(",", spans[last].end)
        cuts.append((comma, comma + 1))
    for place in removed:
        start, end = spans[place].start, spans[place].end
        if place + 1 < len(spans):
            comma = plain.index(",", end)
            if text[end:comma].strip():
                cuts.append((comma, comma + 1))
            else:
                end = comma + 1
        begin, line_end = text.rfind("\n", 0, start) + 1, text.find("\n", end)
        if begin and line_end >= 0 and not text[begin:start].strip() and not text[end:line_end].strip():
            start, end = begin, line_end + 1
        else:
            end += len(text[end:]) - len(text[end:].lstrip(" "))
        cuts.append((start, end))
    for start, end in sorted(cuts, reverse=True):
        text = text[:start] + text[end:]
    return text


def _whole(source: Source) -> Span:
    return Span(source.start, len(source.plain.rstrip()), None)


class _Edits:
    """Insertions into a text, which are made at once."""

    def __init__(self, source: Source) -> None:
        self.text = source.text
        self.plain = source.plain
        self.newline = "\r\n" if "\r\n" in source.text else "\n"
        self.edits: list[tuple[int, int, str]] = []

    def result(self) -> str:
        text = self.text
        # From the end, so that positions hold; of several at one position, the first one comes first.
        edits = self.edits[::-1]
        edits.sort(key=lambda edit: edit[0], reverse=True)
        for start, end, new in edits:
            text = text[:start] + new + text[end:]
        return text

    def replace(self, span: Span, new: str) -> None:
        self.edits.append((span.start, span.end, new))

    def change(self, span: Span, have: FieldOverride, wanted: FieldOverride) -> None:
        found = dict(members(self.plain, span.start))
        new: dict[str, Any] = {}
        if wanted.ttl is not None and have.ttl is None:
            new["ttl"] = wanted.ttl
        missing: frozenset[FieldIndex] = (wanted.indexes or frozenset()) - (have.indexes or frozenset())
        if have.indexes is not None and missing:
            self.append(found["indexes"], forms_of(missing))
        elif have.indexes is None and (missing or new):
            new["indexes"] = forms_of(AUTOMATIC if wanted.indexes is None else wanted.indexes)
        if new:
            self.add_members(span, new)

    def append(self, span: Span, values: list[Any]) -> None:
        """Add elements to the array of a span."""
        ends = [each.end for each in elements(self.plain, span.start)]
        first = next((each.start for each in elements(self.plain, span.start)), None)
        self._insert(span, first, ends[-1] if ends else None, ["" for _ in values], values)

    def add_members(self, span: Span, values: dict[str, Any]) -> None:
        """Add members to the object of a span."""
        found = [each for _, each in members(self.plain, span.start)]
        names = [f"{json.dumps(name)}: " for name in values]
        self._insert(span, found[0].start, found[-1].end, names, list(values.values()))

    def _insert(self, span: Span, first: int | None, last: int | None, names: list[str], values: list[Any]) -> None:
        close = span.end - 1
        line = self.text.rfind("\n", 0, close)
        outer = self.indent_at(span.start)
        is_spread = line > (span.start if last is None else last)
        if last is not None:
            self.edits.append((last, last, ","))
        if last is None and not is_spread:
            inner = outer + "  "
            pieces = [inner + name + self.shown(each, inner) for name, each in zip(names, values, strict=True)]
            new = self.newline + f",{self.newline}".join(pieces) + self.newline + outer
            self.edits.append((close, close, new))
        elif is_spread:
            is_below = first is not None and self.text.rfind("\n", span.start, first) >= 0
            inner = self.indent_at(first) if first is not None and is_below else outer + "  "
            pieces = [inner + name + self.shown(each, inner) for name, each in zip(names, values, strict=True)]
            place = line - 1 if self.text[line - 1] == "\r" else line
            self.edits.append((place, place, self.newline + f",{self.newline}".join(pieces)))
        else:
            pieces = [name + json.dumps(each, ensure_ascii=False) for name, each in zip(names, values, strict=True)]
            self.edits.append((close, close, " " + ", ".join(pieces)))

    def indent_at(self, position: int) -> str:
        """The indentation of the line of a position."""
        line = self.plain[self.plain.rfind("\n", 0, position) + 1 : position]
        return line[: len(line) - len(line.lstrip())]

    def shown(self, value: Any, indent: str) -> str:
        return json.dumps(value, indent=2, ensure_ascii=False).replace("\n", self.newline + indent)
