"""JSON files, read with checks: an error names the file, the line and the place in the data."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timezone
from typing import Any, Final, cast

from cendry.errors import JobFileError

FORMAT: Final = 1
"""The format of the files that this version writes, and the only one that it reads."""

_SHOWN_LENGTH: Final = 60
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
_DECODER: Final = json.JSONDecoder()

Place = tuple["str | int", ...]
"""Keys and positions that lead to a value in JSON data, from the outermost in."""


def moment_text(moment: datetime) -> str:
    """A moment as files have it: `2026-11-28T14:00:00Z`, to the microsecond.

    Args:
        moment: The moment; without a time zone it is UTC.
    """
    moment = moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)
    return moment.isoformat().replace("+00:00", "Z")


def parse_moment(text: str) -> datetime | None:
    """The moment of a text that `moment_text` makes; `None` if it is not one."""
    if not _MOMENT.fullmatch(text):
        return None
    try:
        # Before Python 3.11, fromisoformat takes neither Z nor any number of digits.
        whole, _, fraction = text[:-1].partition(".")
        return datetime.fromisoformat(f"{whole}.{fraction:0<6}+00:00")
    except ValueError:
        return None


class Form:
    """A JSON object in a file.

    Args:
        data: The object.
        file: The name of the file, for errors.
        text: The text of the file, to find lines in; empty if there is none.
        place: Where the object is in the file.
    """

    __slots__ = ("_data", "_file", "_place", "_text")

    def __init__(self, data: Mapping[str, Any], file: str, text: str = "", place: Place = ()) -> None:
        self._data = data
        self._file = file
        self._text = text
        self._place = place

    @classmethod
    def read(cls, source: Mapping[str, Any] | str | bytes, file: str, keys: Collection[str]) -> Form:
        """The object that a file consists of, of the format that this version reads.

        Args:
            source: The bytes or the text of the file, or what is in it.
            file: The name of the file.
            keys: The keys that it may have besides `format`.

        Raises:
            JobFileError: It is not UTF-8, not JSON, not an object, of another format, or has other keys.
        """
        text = ""
        data: object = source
        if not isinstance(source, Mapping):
            try:
                text = source.decode() if isinstance(source, bytes) else source
                data = json.loads(text)
            except UnicodeDecodeError as error:
                line = cast("bytes", source)[: error.start].count(b"\n") + 1
                raise JobFileError(file, "it is not UTF-8", line=line) from error
            except json.JSONDecodeError as error:
                raise JobFileError(file, f"{error.msg[:1].lower()}{error.msg[1:]}", line=error.lineno) from error
            except RecursionError as error:
                raise JobFileError(file, "it is nested too deeply") from error
        if not isinstance(data, Mapping):
            raise JobFileError(file, f"expected an object, found {_shown(data)}", line=1)
        form = cls(cast("Mapping[str, Any]", data), file, text)
        found = form._data.get("format")
        if isinstance(found, bool) or found != FORMAT:
            raise JobFileError.of_format(file, found, FORMAT)
        form.check_keys({"format", *keys})
        return form

    def check_keys(self, keys: Collection[str]) -> None:
        """Refuse keys that this version doesn't know.

        Raises:
            JobFileError: There is one.
        """
        for key in self._data:
            if key not in keys:
                raise self.error(key, "an unknown key")

    def __iter__(self) -> Iterator[str]:
        """The keys of the object."""
        return iter(self._data)

    def has(self, key: str) -> bool:
        """Whether there is such a key."""
        return key in self._data

    def error(self, key: str | None, reason: str) -> JobFileError:
        """The error for one of the values.

        Args:
            key: Its key; `None` for the object itself.
            reason: What is wrong with it.
        """
        place = self._place if key is None else (*self._place, key)
        line = _line(self._text, place) if self._text else None
        return JobFileError(self._file, f"{_named(place)}{reason}", line=line)

    def _get(self, key: str) -> Any:
        if key not in self._data:
            raise self.error(None, f"there is no {key!r}")
        return self._data[key]

    def _typed(self, key: str, kind: type, expected: str) -> Any:
        found = self._get(key)
        if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
            raise self.error(key, f"expected {expected}, found {_shown(found)}")
        return found

    def text(self, key: str, *, may_be_empty: bool = False) -> str:
        """A string.

        Raises:
            JobFileError: There is none.
        """
        found: str = self._typed(key, str, "a string")
        if not found and not may_be_empty:
            raise self.error(key, "expected a string that is not empty")
        return found

    def choice(self, key: str, choices: Collection[str]) -> str:
        """One of some strings.

        Raises:
            JobFileError: It is another value.
        """
        found: str = self._typed(key, str, "a string")
        if found not in choices:
            raise self.error(key, f"expected one of {', '.join(choices)}, found {_shown(found)}")
        return found

    def count(self, key: str) -> int:
        """A number of something.

        Raises:
            JobFileError: It is not an integer, or less than 0.
        """
        found: int = self._typed(key, int, "an integer")
        if found < 0:
            raise self.error(key, f"expected a number of at least 0, found {found}")
        return found

    def flag(self, key: str) -> bool:
        """Whether something is so.

        Raises:
            JobFileError: It is neither true nor false.
        """
        return bool(self._typed(key, bool, "true or false"))

    def number(self, key: str) -> float | None:
        """A number or `null`.

        Raises:
            JobFileError: It is another value.
        """
        found = self._get(key)
        if found is None:
            return None
        if not isinstance(found, (int, float)) or isinstance(found, bool):
            raise self.error(key, f"expected a number or null, found {_shown(found)}")
        return float(found)

    def moment(self, key: str) -> datetime:
        """A moment.

        Raises:
            JobFileError: It is not one such as `2026-11-28T14:00:00Z`.
        """
        found = parse_moment(self.text(key))
        if found is None:
            raise self.error(key, f"expected a moment such as 2026-11-28T14:00:00Z, found {_shown(self._data[key])}")
        return found

    def list_of(self, key: str) -> list[Any]:
        """A list.

        Raises:
            JobFileError: It is another value.
        """
        return cast("list[Any]", self._typed(key, list, "a list"))

    def object(self, key: str) -> Form:
        """An object.

        Raises:
            JobFileError: It is another value.
        """
        found = self._typed(key, Mapping, "an object")
        return Form(found, self._file, self._text, (*self._place, key))

    def objects(self, key: str) -> list[Form]:
        """A list of objects.

        Raises:
            JobFileError: It is another value.
        """
        forms: list[Form] = []
        for index, found in enumerate(self.list_of(key)):
            place = (*self._place, key, index)
            if not isinstance(found, Mapping):
                raise Form({}, self._file, self._text, place).error(None, f"expected an object, found {_shown(found)}")
            forms.append(Form(cast("Mapping[str, Any]", found), self._file, self._text, place))
        return forms

    def plain(self, key: str) -> str | int | bool:
        """A string, a whole number, true or false.

        Raises:
            JobFileError: It is another value.
        """
        found = self._get(key)
        if not isinstance(found, (str, int)):
            raise self.error(key, f"expected a string, a whole number, true or false, found {_shown(found)}")
        return found


def _shown(value: object) -> str:
    text = json.dumps(value, default=repr)
    return text if len(text) <= _SHOWN_LENGTH else f"{text[: _SHOWN_LENGTH - 3]}..."


def _named(place: Place) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")
    return f"{text}: " if text else ""


def _line(text: str, place: Place) -> int:
    """The line of a value in a text that is valid JSON; that of the innermost value on the way that is there."""
    at = _space(text, 0)
    for step in place:
        found = _member(text, at, step)
        if found is None:
            break
        at = found
    return text.count("\n", 0, at) + 1


def _space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def _member(text: str, at: int, step: str | int) -> int | None:
    """Where a member of the object or list that begins at a position begins."""
    is_object = text[at] == "{"
    at = _space(text, at + 1)
    index = 0
    while text[at] not in "}]":
        key: object = index
        if is_object:
            key, at = _DECODER.raw_decode(text, at)
            at = _space(text, _space(text, at) + 1)
        if key == step:
            return at
        _, at = _DECODER.raw_decode(text, at)
        at = _space(text, at)
        if text[at] == ",":
            at = _space(text, at + 1)
        index += 1
    return None
