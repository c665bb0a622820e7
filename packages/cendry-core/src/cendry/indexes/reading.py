"""Reads index definitions as the Firebase CLI does, and knows where in a file each of them is."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar, cast

from .._immutable import dataclass
from .definitions import FieldOverride, Index
from .serving import Indexes, problems_in

T = TypeVar("T")

FILE: Final = "firestore.indexes.json"

# Texts are matched too, so that a comment in one is none.
_COMMENT: Final = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n\r]*|/\*.*?\*/', re.DOTALL)
_SPACE: Final = re.compile(r"\s*")
_DECODER: Final = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Span:
    """A value in a text.

    Attributes:
        start: Where it begins.
        end: Where it ends.
        value: The value.
    """

    start: int
    end: int
    value: Any


def without_comments(text: str) -> str:
    """JSON with spaces in place of comments, so that everything else keeps its position."""
    return _COMMENT.sub(lambda found: found[0] if found[0][0] == '"' else re.sub(r"[^\n\r]", " ", found[0]), text)


def line_of(text: str, position: int) -> int:
    """The number of the line of a position."""
    return text.count("\n", 0, position) + 1


def members(plain: str, start: int) -> Iterator[tuple[str, Span]]:
    """The members of the object that begins at a position, which is known to be valid."""
    position = _after(plain, start + 1)
    while plain[position] != "}":
        name, position = _DECODER.raw_decode(plain, position)
        position = _after(plain, _after(plain, position) + 1)
        value, end = _DECODER.raw_decode(plain, position)
        yield name, Span(position, end, value)
        position = _next(plain, end)


def elements(plain: str, start: int) -> Iterator[Span]:
    """The elements of the array that begins at a position, which is known to be valid."""
    position = _after(plain, start + 1)
    while plain[position] != "]":
        value, end = _DECODER.raw_decode(plain, position)
        yield Span(position, end, value)
        position = _next(plain, end)


def _after(plain: str, position: int) -> int:
    return cast("re.Match[str]", _SPACE.match(plain, position)).end()


def _next(plain: str, end: int) -> int:
    position = _after(plain, end)
    return _after(plain, position + 1) if plain[position] == "," else position


class Source:
    """The text of a file of indexes.

    Args:
        text: The text.
        name: The name of the file, for errors.

    Raises:
        ValueError: It is not a JSON object.
    """

    def __init__(self, text: str, name: str = FILE) -> None:
        self.text = text
        self.name = name
        self.plain = plain = without_comments(text)
        try:
            content: object = json.loads(plain)
        except (ValueError, RecursionError) as error:
            line = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
            reason = error.msg if isinstance(error, json.JSONDecodeError) else type(error).__name__
            raise ValueError(f"{name}{line}: this is not JSON: {reason}.") from error
        if not isinstance(content, dict):
            raise ValueError(f"{name!r} does not hold a JSON object.")
        self.start = _after(plain, 0)
        self.members = dict(members(plain, self.start))

    def list_of(self, name: str, *, required: bool) -> list[Span]:
        """The elements of one of its lists.

        Raises:
            ValueError: It is not a list, or is absent though it is required.
        """
        span = self.members.get(name)
        if span is None or (span.value is None and not required):
            if required:
                raise _no_list(name, self.name)
            return []
        if not isinstance(span.value, list):
            raise _no_list(name, f"{self.name}, line {line_of(self.text, span.start)}")
        return list(elements(self.plain, span.start))

    def where(self, position: int) -> str:
        """The file and the line of a position."""
        return f"{self.name}, line {line_of(self.text, position)}"

    def read(self) -> Indexes:
        """What the text declares.

        Raises:
            ValueError: It is not of the form of such files.
        """
        found = [
            _definition(Index.from_json, span.value, f"Index {number} of the declared indexes", self.where(span.start))
            for number, span in enumerate(self.list_of("indexes", required=True))
        ]
        overrides = [
            _definition(
                FieldOverride.from_json,
                span.value,
                f"Field override {number} of the declared indexes",
                self.where(span.start),
            )
            for number, span in enumerate(self.list_of("fieldOverrides", required=False))
        ]
        warnings = [f"{self.name}: {problem}" for problem in problems_in(found, overrides)]
        return Indexes(found, overrides, warnings=warnings)


def parse_indexes(text: str, name: str = FILE) -> Indexes:
    """Read the text of a `firestore.indexes.json`, as the Firebase CLI does: with comments and older spellings.

    Args:
        text: The text.
        name: The name of the file, for errors.

    Raises:
        ValueError: It is not of the form of such files; the message names the file and the line.
    """
    return Source(text, name).read()


def read_indexes(source: str | os.PathLike[str] | Mapping[str, Any]) -> Indexes:
    """Read a `firestore.indexes.json`, as the Firebase CLI does: with comments and older spellings.

    Args:
        source: The path of the file, or its content.

    Raises:
        ValueError: It is not of the form of such files; the message names the file and the line.
        OSError: The file can't be read.
    """
    if not isinstance(source, Mapping):
        name = os.fspath(source)
        try:
            with open(source, encoding="utf-8-sig", newline="") as file:
                text = file.read()
        except UnicodeDecodeError as error:
            raise ValueError(f"{name} is not text in UTF-8.") from error
        return parse_indexes(text, name)
    found = [
        _definition(Index.from_json, value, f"Index {number} of the declared indexes")
        for number, value in enumerate(_list_in(source, "indexes", required=True))
    ]
    overrides = [
        _definition(FieldOverride.from_json, value, f"Field override {number} of the declared indexes")
        for number, value in enumerate(_list_in(source, "fieldOverrides", required=False))
    ]
    return Indexes(found, overrides, warnings=problems_in(found, overrides))


def _list_in(content: Mapping[str, Any], name: str, *, required: bool) -> list[Any]:
    found: list[Any] | None = content.get(name)
    if found is None and not required:
        return []
    if not isinstance(found, list):
        raise _no_list(name)
    return found


def _no_list(name: str, where: str = "") -> ValueError:
    at = f" ({where})" if where else ""
    return ValueError(f"The declared indexes{at} have no list named {name!r}.")


def _definition(read: Callable[[Mapping[str, Any]], T], definition: object, what: str, where: str = "") -> T:
    at = f" ({where})" if where else ""
    if not isinstance(definition, Mapping):
        raise ValueError(f"{what}{at} is not of its form: it is an object, not {definition!r}.")
    try:
        return read(cast("Mapping[str, Any]", definition))
    except ValueError as error:
        raise ValueError(f"{what}{at} is not of its form: {error}.") from error
