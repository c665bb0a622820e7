"""The basis of both emitters: a module of generated source, its names, and its compilation."""

from __future__ import annotations

import builtins
import itertools
import linecache
import weakref
from collections.abc import Callable, Sequence
from keyword import iskeyword
from typing import Any, Final

from .._types import converted, kinds
from .._types.kinds import Mismatch, refuse
from .._types.shapes import Array, Constrained, Dict, Record, Scalar, Shape, Tagged, bare
from ..paths import exact_text

_serial: Final = itertools.count(1)

MAX_NESTING: Final = 10
"""Maximum nesting of loops in one function. Python allows 20, but CPython 3.12.1 crashes with fewer."""

JSON_KINDS: Final = frozenset[kinds.Kind](("null", "bool", "int", "str"))
"""The kinds whose values JSON holds as they are, all of them."""

Fallback = Callable[..., Any]
"""Converts a value without generated code, or raises `Mismatch`; takes the shape, the value and further arguments."""


class Module:
    """Source that is being generated, and the objects that it refers to."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {"Mismatch": Mismatch, "refuse": refuse, **kinds.NAMES, **converted.NAMES}
        self._bound: dict[tuple[str, int], str] = {}
        self._numbers = itertools.count(1)

    def fresh(self, hint: str) -> str:
        """An unused name; from the hint, only the characters that an identifier can contain."""
        safe = "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in exact_text(hint))
        return f"{'_' if safe[:1].isdigit() else ''}{safe}_{next(self._numbers)}"

    def bind(self, hint: str, value: Any) -> str:
        """A name for an object; always the same one for the same object."""
        key = (hint, id(value))
        if key not in self._bound:
            self._bound[key] = name = self.fresh(hint)
            self.names[name] = value
        return self._bound[key]

    def known(self, name: str, value: Any) -> str:
        """A fixed name for one of the library's own objects."""
        self.names[name] = value
        return name

    def is_exactly(self, python: type[Any], value: str) -> str:
        """The source of a test for an exact type."""
        name = exact_text(python.__name__)
        if python is type(None):
            return f"{value} is None"
        if getattr(builtins, name, None) is not python and self.names.get(name) is not python:
            name = self.bind(name, python)
        return f"type({value}) is {name}"

    def function(self, header: str, body: list[str]) -> None:
        """Add a function."""
        self.lines += [f"def {header}:", *indented(body), ""]

    @property
    def source(self) -> str:
        """The text so far."""
        return "\n".join(self.lines)

    def compile(self, title: str, model: type[Any], function: str) -> Callable[..., Any]:
        """Run the module, generated for a class; returns one of its functions.

        The source stays visible to tracebacks and debuggers as long as the function lives.
        """
        filename = f"<cendry {title} {model.__module__}.{model.__qualname__} {next(_serial)}>"
        source = self.source
        namespace = dict(self.names)
        exec(compile(source, filename, "exec"), namespace)  # noqa: S102 - contains only our own source
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
        found: Callable[..., Any] = namespace[function]
        weakref.finalize(found, linecache.cache.pop, filename, None).atexit = False
        return found


class Emitter:
    """The common part of both: the functions of shapes, and the fallback from the fast path.

    Args:
        module: The module to write to.
        fallback: Converts values that the generated code does not handle.
        passed: The additional arguments of generated functions, as source: `, base`.
        json: Whether values have the forms that JSON holds.
    """

    def __init__(self, module: Module, fallback: Fallback, passed: str, *, json: bool = False) -> None:
        self.module = module
        self.json = json
        self.passed = passed
        self.nesting = 0
        self._fallback = fallback
        self._slow: dict[int, str] = {}
        self._functions: dict[Record | Tagged | int, str] = {}
        self._waiting: list[tuple[Shape, str]] = []

    def slow(self, shape: Shape, value: str) -> str:
        """The call of the fallback for a value."""
        if isinstance(shape, Scalar) and not self.passed and not (self.json and shape.kind not in JSON_KINDS):
            return f"take_{shape.kind}({value})"
        if id(shape) not in self._slow:  # Shapes can hold unhashable objects: registered functions.
            fallback = self._fallback

            def convert(value: Any, *passed: Any) -> Any:
                return fallback(shape, value, *passed)

            self._slow[id(shape)] = self.module.bind("slow", convert)
        return f"{self._slow[id(shape)]}({value}{self.passed})"

    def kept(self, shape: Constrained, value: str) -> str:
        """The rest of a test: that a value keeps the rules."""
        found = ""
        for rule in shape.rules:
            operand = self.module.bind(rule.code, rule.operand)
            if rule.of_keys:
                each = self.module.fresh("k")
                found += f" and all({rule.source.format(v=each, b=operand)} for {each} in {value})"
            else:
                found += f" and {rule.source.format(v=value, b=operand)}"
        return found

    def function_for(self, shape: Shape, hint: str = "part") -> str:
        """The name of the function for a shape; it is written later, since records can contain themselves."""
        key = shape if isinstance(shape, (Record, Tagged)) else id(shape)
        if key not in self._functions:
            self._functions[key] = name = self.module.fresh(hint)
            self._waiting.append((shape, name))
        return self._functions[key]

    inline: tuple[type[Any], ...] = (Array, Dict)
    """The shapes whose inline source is or contains a loop."""

    def is_too_deep(self, shape: Shape) -> bool:
        """Whether the loops for this shape have to be in a separate function."""
        return self.nesting == MAX_NESTING and isinstance(bare(shape), self.inline)

    def document(self, name: str, parameters: str, body: list[str], before: Sequence[str] = ()) -> None:
        """Write the function for a whole document. Errors in it go to `explain`, which the module defines.

        Args:
            name: The name of the function.
            parameters: Its parameters.
            body: Its lines.
            before: Lines before these, whose errors are raised.
        """
        names = ", ".join(each.partition("=")[0] for each in parameters.split(", "))
        body = [*before, "try:", *indented(body), "except Exception as error:", f"    return explain(error, {names})"]
        self.module.function(f"{name}({parameters})", body)
        self.finish()

    def finish(self) -> None:
        """Write the functions for all shapes that need one."""
        while self._waiting:
            self.emit_function(*self._waiting.pop())

    def emit_function(self, shape: Shape, name: str) -> None:
        """Write the function for one shape."""
        raise AssertionError  # pragma: no cover - each emitter overrides it


def attribute(holder: str, name: str) -> str:
    """The source of an attribute; names that Python can't spell are those of classes made at run time."""
    return f"{holder}.{name}" if _is_plain_name(name) else f"getattr({holder}, {name!r})"


def assignment(holder: str, name: str, source: str, *, plain: bool) -> str:
    """The source that sets an attribute; `plain` if the class has no `__setattr__` of its own."""
    return f"{holder}.{name} = {source}" if plain and _is_plain_name(name) else f"put({holder}, {name!r}, {source})"


def _is_plain_name(name: str) -> bool:
    return name.isascii() and name.isidentifier() and not iskeyword(name)


def when(condition: str, result: str, otherwise: str) -> str:
    """A conditional expression."""
    return f"({result} if {condition} else {otherwise})"


def indented(lines: list[str]) -> list[str]:
    """Lines indented as a block."""
    return ["    " + line for line in lines]
