"""Source that fills a database's own messages from instances, for what is right at first sight.

All else goes the long way, by stored values and the writer.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any, Final

from .._interop.google import class_of
from .._types.shapes import (
    MAX_DEPTH,
    STORED_TYPE,
    Anything,
    Array,
    Dict,
    EnumMember,
    FixedArray,
    Handled,
    Kind,
    Nullable,
    OneOf,
    OneValue,
    Record,
    Reference,
    Scalar,
    Shape,
    can_exceed_depth,
    plain_value,
)
from ..reference import Ref
from .dialect import Dialect
from .emit import Emitter, Fallback, Module
from .emit_write import WriteEmitter
from .leaves import UTC, deeper_than, refuse, to_key
from .writer import python_types

_PLAIN: Final[dict[type[Any], Kind]] = {bool: "bool", int: "int", float: "float", str: "str", bytes: "bytes"}
"""What protobuf checks by itself when it is set: an int has 64 bits, a str has no lone surrogates."""

MAX_LOOPS: Final = 10
"""Loops in each other. Python takes 20 blocks in one function; few types go so deep, and the rest of them by value."""

Lines = list[str]


class MessageWriteEmitter(Emitter):
    """Emits statements that fill messages; `base` is what the dialect needs to write them."""

    passed = ", base"

    def __init__(self, module: Module, dialect: Dialect, fallback: Fallback) -> None:
        super().__init__(module, fallback)
        self.dialect = dialect
        module.known("write_value", dialect.write_value)
        # For what has no quicker way than its stored value.
        self.by_value = WriteEmitter(module, "stored", fallback)
        self.loops = 0

    def set(self, target: str, kind: type[Any], value: str) -> str:
        """The statement that sets what protobuf holds as Python does."""
        return f"{target}.{self.dialect.fields[_PLAIN[kind]]} = {value}"

    def statements(self, shape: Shape, value: str, target: str) -> Lines:
        """The statements that write a value.

        Args:
            shape: What the value should be.
            value: The name of a local variable that holds it.
            target: Source of the `Value` message to fill; it stands in each branch just once.
        """
        match shape:
            case Nullable(inner):
                return _either(
                    f"{value} is None",
                    [f"{target}.{self.dialect.fields['null']} = 0"],
                    self.statements(inner, value, target),
                )
            case Scalar(kind):
                return self.scalar(kind, shape, value, target)
            case Reference(model):
                test = f"{self.type_test(Ref, value)} and {value}.database is None"
                if model is not None:
                    known = self.module.bind("model", model)
                    test += f" and ({value}.model is {known} or {value}.model is None)"
                return self.checked(test, [self.dialect.reference(self.module, target, value)], shape, value, target)
            case EnumMember(python, by):
                return self.enum_member(python, by, shape, value, target)
            case OneValue(values):
                kinds = {class_of(each) for each in values}
                if len(kinds) != 1 or not kinds <= {str, int}:
                    return self.generic(shape, value, target)
                plain = kinds.pop()
                test = f"{self.type_test(plain, value)} and {value} in {self.module.bind('values', frozenset(values))}"
                return self.checked(test, [self.set(target, plain, value)], shape, value, target)
            case Array(item, python) if python in (list, tuple) and not _may_be_array(item):
                return self.checked(
                    self.type_test(python, value), self.array(item, value, target), shape, value, target
                )
            case FixedArray(items, python) if not any(map(_may_be_array, items)):
                test = f"{self.type_test(python, value)} and len({value}) == {len(items)}"
                return self.checked(test, self.fixed_array(items, value, target), shape, value, target)
            case Dict(inner):
                return self.checked(self.type_test(dict, value), self.dict(inner, value, target), shape, value, target)
            case Record(python, style):
                test = self.type_test(dict if style == "typeddict" else python, value)
                fill = f"{self.record_function(shape)}({target}.{self.dialect.fields['map']}, {value}, base)"
                return self.checked(test, [fill], shape, value, target)
            case OneOf(members):
                return self.one_of(members, shape, value, target)
            case _:
                return self.generic(shape, value, target)

    def generic(self, shape: Shape, value: str, target: str) -> Lines:
        """Writes the stored value, as the codec makes it."""
        stored = self.by_value.expression(shape, value)
        return [f"write_value({target}, {stored}, base)"]

    def checked(self, test: str, lines: Lines, shape: Shape, value: str, target: str) -> Lines:
        """Statements for a value that passes a test; all others go the interpreted way."""
        return _either(test, lines, [f"write_value({target}, {self.by_value.slow(shape, value)}, base)"])

    def scalar(self, kind: Kind, shape: Shape, value: str, target: str) -> Lines:
        known = self.module.known
        python = STORED_TYPE[kind]
        test = f"{value} is None" if kind == "null" else self.type_test(python, value)
        match kind:
            case "null":
                lines = [f"{target}.{self.dialect.fields['null']} = 0"]
            case "timestamp":
                # In another zone it may be outside the years that there are in UTC.
                test += f" and {value}.tzinfo is {known('UTC', UTC)}"
                lines = [
                    f"{known('write_timestamp', self.dialect.write_timestamp)}"
                    f"({target}.{self.dialect.fields['timestamp']}, {value})"
                ]
            case "geo_point":
                lines = [f"{known('write_geo_point', self.dialect.write_geo_point)}({target}, {value})"]
            case _ if python in _PLAIN:
                lines = [self.set(target, python, value)]
            case _:
                return self.generic(shape, value, target)
        return self.checked(test, lines, shape, value, target)

    def enum_member(self, python: type[enum.Enum], by: str, shape: Shape, value: str, target: str) -> Lines:
        test = self.type_test(python, value)
        if by == "name":
            if issubclass(python, enum.Flag):  # A combination may have no name.
                return self.generic(shape, value, target)
            return self.checked(test, [f"{target}.{self.dialect.fields['str']} = {value}._name_"], shape, value, target)
        kinds = {class_of(plain_value(member)) for member in python}
        if len(kinds) != 1 or not kinds <= _PLAIN.keys():
            return self.generic(shape, value, target)
        return self.checked(test, [self.set(target, kinds.pop(), f"{value}._value_")], shape, value, target)

    def array(self, item: Shape, value: str, target: str) -> Lines:
        array, add, each = (self.module.fresh(hint) for hint in ("a", "add", "e"))
        one = self.module.fresh("t")
        return [
            f"{array} = {target}.{self.dialect.fields['array']}",
            f"{array}.SetInParent()",
            f"{add} = {array}.values.add",
            f"for {each} in {value}:",
            f"    {one} = {add}()",
            *self.loop_body(item, each, one),
        ]

    def fixed_array(self, items: Iterable[Shape], value: str, target: str) -> Lines:
        array, add, each = (self.module.fresh(hint) for hint in ("a", "add", "e"))
        one = self.module.fresh("t")
        lines = [
            f"{array} = {target}.{self.dialect.fields['array']}",
            f"{array}.SetInParent()",
            f"{add} = {array}.values.add",
        ]
        for index, item in enumerate(items):
            lines += [f"{each} = {value}[{index}]", f"{one} = {add}()", *self.statements(item, each, one)]
        return lines

    def dict(self, inner: Shape, value: str, target: str) -> Lines:
        fields, key, each, one = (self.module.fresh(hint) for hint in ("f", "k", "e", "t"))
        return [
            f"{fields} = {target}.{self.dialect.fields['map']}",
            f"{fields}.SetInParent()",
            f"{fields} = {fields}.{self.dialect.inner}",
            f"for {key}, {each} in {value}.items():",
            f"    {one} = {fields}[{self.module.known('to_key', to_key)}({key})]",
            *self.loop_body(inner, each, one),
        ]

    def loop_body(self, shape: Shape, value: str, target: str) -> Lines:
        """The lines inside a loop, which writes one element of an array or a map."""
        self.loops += 1
        write = self.statements if self.loops < MAX_LOOPS else self.generic
        lines = _inside(write(shape, value, target))
        self.loops -= 1
        return lines

    def one_of(self, members: Iterable[Shape], shape: Shape, value: str, target: str) -> Lines:
        lines = [f"write_value({target}, {self.by_value.slow(shape, value)}, base)"]
        for member in reversed([*members]):
            test = " or ".join(self.type_test(python, value) for python in python_types(member))
            lines = _either(test, self.statements(member, value, target), lines)
        return lines

    def emit_record(self, record: Record, name: str) -> None:
        body = ["m.SetInParent()", f"f = m.{self.dialect.inner}", *self.record_body(record)]
        self.module.function(f"{name}(m, o, base)", body)

    def record_body(self, record: Record) -> Lines:
        """The lines of a function that fills the map of messages `f` from `o`."""
        if record.style == "typeddict":
            return self.typed_dict_body(record)
        lines: Lines = []
        for field in record.fields:
            lines += [f"v = o.{field.name}", *self.field(field.shape, field.stored)]
        return lines

    def field(self, shape: Shape, stored: str) -> Lines:
        """Statements that write `v` as one field."""
        return self.statements(shape, "v", f"f[{stored!r}]")

    def typed_dict_body(self, record: Record) -> Lines:
        names = self.module.bind("keys", frozenset(field.name for field in record.fields))
        lines = [f"if not o.keys() <= {names}:", "    refuse()"]
        for field in record.fields:
            one = [f"v = o[{field.name!r}]", *self.field(field.shape, field.stored)]
            lines += one if field.required else [f"if {field.name!r} in o:", *_inside(one)]
        return lines

    def document_body(self, record: Record) -> Lines:
        """The lines that fill `f` from a whole document `o`, with what can lie too deep measured."""
        lines: Lines = []
        for field in record.fields:
            lines.append(f"v = o.{field.name}")
            if not can_exceed_depth(field.shape):
                lines += self.field(field.shape, field.stored)
                continue
            self.module.known("deeper_than", deeper_than)
            lines += [
                f"v = {self.by_value.expression(field.shape, 'v')}",
                f"if deeper_than(v, {MAX_DEPTH}):",
                "    refuse()",
                f"write_value(f[{field.stored!r}], v, base)",
            ]
        return lines

    def finish(self) -> None:
        super().finish()
        self.by_value.finish()


def _may_be_array(shape: Shape) -> bool:
    """Whether only a stored value tells that it is none, which matters in an array."""
    return isinstance(shape.inner if isinstance(shape, Nullable) else shape, (Anything, Handled))


def _inside(lines: Lines) -> Lines:
    return ["    " + line for line in lines]


def _either(test: str, lines: Lines, otherwise: Lines) -> Lines:
    head = otherwise[0]
    if head.startswith("if "):
        return [f"if {test}:", *_inside(lines), f"el{head}", *otherwise[1:]]
    return [f"if {test}:", *_inside(lines), "else:", *_inside(otherwise)]


def emit_message_encode(module: Module, record: Record, dialect: Dialect, fallback: Fallback) -> None:
    """Write `encode(o, message, base)` for a class of documents, which fills a message of a document.

    Whatever goes wrong in it is explained by `explain(error, o, base)`, which the module must name; else it gives the
    message.
    """
    module.known("refuse", refuse)
    emitter = MessageWriteEmitter(module, dialect, fallback)
    body = ["try:", f"    f = message.{dialect.inner}", *_inside(emitter.document_body(record)), "    return message"]
    body += ["except Exception as error:", "    return explain(error, o, base)"]
    module.function("encode(o, message, base)", body)
    emitter.finish()
