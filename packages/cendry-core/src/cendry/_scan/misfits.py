"""Which ways documents don't fit a model, counted without the values that people have stored. Memory is limited."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from .._immutable import dataclass
from ..errors import DecodeError, Problem

MAX_MISFITS: Final = 1_000
"""Different misfits of one model that are told apart."""

MAX_SAMPLES: Final = 3
"""Documents that are named for each misfit."""

_INDEX: Final = re.compile(r"\[\d+\]")
_RAISED: Final = re.compile(r"( raised \w+): .*", re.DOTALL)
_KIND: Final = re.compile(r"[A-Za-z_][\w.]*")
_FOUND_ON_READS: Final = ("missing", "unknown", "value", "tag")


@dataclass(frozen=True, slots=True)
class Misfit:
    """A way in which documents don't fit a model.

    Attributes:
        field: The field, from the outermost in, without the indexes of elements; empty for the document as a whole.
        expected: What the model declares.
        found: What is stored, without values.
        advice: What to do about it; may be empty.
        count: How many documents have it; of a field in arrays, how many elements.
        samples: The paths of some of them.
    """

    field: str
    expected: str
    found: str
    advice: str
    count: int
    samples: tuple[str, ...]


class Misfits:
    """Counts the ways in which documents don't fit a model; iterating gives them, the most frequent first.

    Attributes:
        further: How often there was another one, after 1,000 different ones.
    """

    __slots__ = ("_found", "further")

    def __init__(self) -> None:
        self.further = 0
        self._found: dict[tuple[str, str, str, str], list[Any]] = {}

    def note(self, problem: Problem, path: str, found: str | None = None, advice: str = "") -> None:
        """Count a problem of a document.

        Args:
            problem: The problem.
            path: The path of the document.
            found: What is stored there, without values; by default what `without_values` makes of the problem.
            advice: What to do about it.
        """
        stored = without_values(problem) if found is None else found
        key = _INDEX.sub("[]", problem.path), problem.expected, stored, advice
        known = self._found.get(key)
        if known is None:
            if len(self._found) >= MAX_MISFITS:
                self.further += 1
                return
            known = self._found[key] = list[Any]((0,))
        known[0] += 1
        if len(known) <= MAX_SAMPLES and path not in known:
            known.append(path)

    def __iter__(self) -> Iterator[Misfit]:
        for key, (count, *samples) in sorted(self._found.items(), key=lambda item: (-item[1][0], item[0])):
            yield Misfit(*key, count, tuple(samples))


def found_on_reads(problems: Iterable[Problem], error: DecodeError) -> list[Problem]:
    """The problems of a document that reading it finds, which checks no rules.

    Args:
        problems: All of its problems.
        error: What reading it raised: the only one that a constructor finds.
    """
    found = [each for each in problems if each.code in _FOUND_ON_READS]
    return found or [Problem(error.field or "", error.expected, error.found)]


def without_values(problem: Problem) -> str:
    """What a problem has found, without what people have stored."""
    match problem.code:
        case "missing":
            return "nothing"
        case "unknown":
            return "a field that the model doesn't have"
        case "rule":
            # Of an upgrade or a version. The text of an error of an upgrade may show values.
            return _RAISED.sub(r"\1", problem.found)
        case _:
            kind = _KIND.match(problem.found)
            return kind[0] if kind else "another value"
