"""What both emitters build on: a module of generated source, its names, and its compilation."""

from __future__ import annotations

import builtins
import itertools
import linecache
import weakref
from collections.abc import Callable
from typing import Any, Final

from .._types.shapes import Record, Shape
from .leaves import Mismatch, refuse

_serial: Final = itertools.count(1)

INT64_TEST: Final = "-9223372036854775808 <= {0} <= 9223372036854775807"

Fallback = Callable[..., Any]
"""Converts a value the interpreted way, or raises `Mismatch`; takes the shape, the value and what emitters pass on."""


class Module:
    """Source that is being generated, and the objects that it names."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {"Mismatch": Mismatch, "refuse": refuse}
        self._bound: dict[tuple[str, int], str] = {}
        self._numbers = itertools.count(1)

    def fresh(self, hint: str) -> str:
        """A name that is used nowhere else; of the hint, only what an identifier can have."""
        safe = "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in hint)
        return f"{'_' if safe[:1].isdigit() else ''}{safe}_{next(self._numbers)}"

    def bind(self, hint: str, value: Any) -> str:
        """A name for an object; the same one for the same object."""
        key = (hint, id(value))
        if key not in self._bound:
            self._bound[key] = name = self.fresh(hint)
            self.names[name] = value
        return self._bound[key]

    def known(self, name: str, value: Any) -> str:
        """A fixed name for one of the library's own objects."""
        self.names[name] = value
        return name

    def function(self, header: str, body: list[str]) -> None:
        """Add a function."""
        self.lines += [f"def {header}:", *("    " + line for line in body), ""]

    @property
    def source(self) -> str:
        """The text so far."""
        return "\n".join(self.lines)

    def compile(self, title: str, owner: object) -> dict[str, Any]:
        """Run the module; its source stays visible to tracebacks and debuggers as long as `owner` lives."""
        filename = f"<cendry {title} {next(_serial)}>"
        source = self.source
        namespace = dict(self.names)
        exec(compile(source, filename, "exec"), namespace)  # noqa: S102 - nothing but our own words is in it
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
        weakref.finalize(owner, linecache.cache.pop, filename, None).atexit = False
        return namespace


class Emitter:
    """The common part of all: which record has which function, and what happens off the fast path."""

    passed = ""
    """What generated functions take and pass on besides the value, as source: `, base`."""

    def __init__(self, module: Module, fallback: Fallback) -> None:
        self.module = module
        self._fallback = fallback
        self._slow: dict[int, str] = {}
        self._functions: dict[Record, str] = {}
        self._shapes: list[Shape] = []
        self._waiting: list[tuple[Record, str]] = []

    def type_test(self, python: type[Any], value: str) -> str:
        """The source of a test for an exact type."""
        builtin = getattr(builtins, python.__name__, None) is python
        return f"type({value}) is {python.__name__ if builtin else self.module.bind(python.__name__, python)}"

    def slow(self, shape: Shape, value: str) -> str:
        """The call that converts a value the interpreted way."""
        if id(shape) not in self._slow:
            self._shapes.append(shape)  # Keeps it alive, and its id its own.
            fallback = self._fallback

            def convert(value: Any, *passed: Any) -> Any:
                return fallback(shape, value, *passed)

            self._slow[id(shape)] = self.module.bind("slow", convert)
        return f"{self._slow[id(shape)]}({value}{self.passed})"

    def record_function(self, record: Record) -> str:
        """The name of the function for a record inside; it is written later, since records can contain themselves."""
        if record not in self._functions:
            name = self.module.fresh(record.python.__name__)
            self._functions[record] = name
            self._waiting.append((record, name))
        return self._functions[record]

    def finish(self) -> None:
        """Write the functions for all records inside."""
        while self._waiting:
            self.emit_record(*self._waiting.pop())

    def emit_record(self, record: Record, name: str) -> None:
        """Write the function for one record."""
        raise AssertionError  # pragma: no cover - each emitter has its own


def when(condition: str, result: str, otherwise: str) -> str:
    """A conditional expression."""
    return f"({result} if {condition} else {otherwise})"
