"""Access to a database's own messages, and the source that fills them from instances.

Anything else falls back to stored values and the writer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._types.converted import Conversion
from .._types.kinds import ROW, ROWS, Kind, refuse
from .._types.messages import MessageValues
from .._types.shapes import (
    MAX_DEPTH,
    Anything,
    Array,
    Dict,
    FixedArray,
    Nullable,
    Record,
    Shape,
    Tag,
    can_exceed_depth,
)
from .dialect import Dialect
from .emit import Fallback, Module, attribute, indented
from .emit_write import Expressions, WriteEmitter
from .leaves import any_leaf, is_array, is_map, to_key

if TYPE_CHECKING:
    from .emit_write import Entry, Inside

Lines = list[str]


class Statements:
    """Access to messages: targets are the sources of `Value` messages, and `base` is what the dialect needs.

    Args:
        module: The module to write to.
        dialect: The dialect of the messages.
    """

    checks_plain = True
    json = False

    def __init__(self, module: Module, dialect: Dialect) -> None:
        self.module = module
        self.fields, self.inner, self.reference = dialect.values.fields, dialect.values.inner, dialect.reference
        module.known("write_value", dialect.values.write_value)

    def either(self, test: str, code: Lines, otherwise: Lines) -> Lines:
        head, *rest = otherwise
        if head.startswith("if "):
            return [f"if {test}:", *indented(code), f"el{head}", *rest]
        return [f"if {test}:", *indented(code), "else:", *indented(otherwise)]

    def store(self, kind: Kind, source: str, target: str, /) -> Lines:
        row, field = ROW[kind], self.fields.get(kind)
        if kind == "reference":
            return [self.reference(self.module, target, source)]
        if field is None or row.marker:
            return self.store_any(source, target)
        if row.plain:
            return [f"{target}.{field} = {source}"]
        return [(row.write_source or f"write_{kind}({{m}}, {{v}})").format(m=target, field=field, v=source)]

    def conditions(self, row: Conversion) -> list[str]:
        return [row.write_if] if row.write_if else []

    def convert(self, row: Conversion, value: str, target: str) -> Lines:
        return self.store(row.kind, row.write.format(v=value), target)

    def store_any(self, source: str, target: str) -> Lines:
        return [f"write_value({target}, {source}, base)"]

    def array(self, shape: Array, value: str, target: str, inside: Inside[Lines]) -> Lines | None:
        if shape.python not in (list, tuple):
            return None
        lines, add = self.opened_array(target)
        each, one = self.module.fresh("e"), self.module.fresh("t")
        body = [f"{one} = {add}()", *inside(shape.item, each, one)]
        return [*lines, f"for {each} in {value}:", *indented(body)]

    def fixed_array(self, shape: FixedArray, value: str, target: str, inside: Inside[Lines]) -> Lines:
        lines, add = self.opened_array(target)
        each, one = self.module.fresh("e"), self.module.fresh("t")
        for index, item in enumerate(shape.items):
            lines += [f"{each} = {value}[{index}]", f"{one} = {add}()", *inside(item, each, one)]
        return lines

    def opened_array(self, target: str) -> tuple[Lines, str]:
        """Lines that store an array in a message, and the name of the function that adds an element."""
        array, add = self.module.fresh("a"), self.module.fresh("add")
        lines = [f"{array} = {target}.{self.fields['array']}", f"{array}.SetInParent()"]
        return [*lines, f"{add} = {array}.values.add"], add

    def map(self, item: Shape, value: str, target: str, inside: Inside[Lines]) -> Lines:
        fields, key, each, one = (self.module.fresh(hint) for hint in ("f", "k", "e", "t"))
        body = [f"{one} = {fields}[to_key({key})]", *inside(item, each, one)]
        return [*self.opened_map(target, fields), f"for {key}, {each} in {value}.items():", *indented(body)]

    def opened_map(self, target: str, fields: str) -> Lines:
        """Lines that store a map in a message, and name its fields."""
        lines = [f"{fields} = {target}.{self.fields['map']}", f"{fields}.SetInParent()"]
        return [*lines, f"{fields} = {fields}.{self.inner}"]

    def call(self, function: str, value: str, target: str) -> Lines:
        return [f"{function}({target}, {value}, base)"]

    def tag(self, tag: Tag) -> Lines:
        """Lines that store the tag of a class, if there is one, among the fields `f`."""
        target = f"f[{tag.field!r}]"
        if tag.value is None:
            return []
        if isinstance(tag.value, str):
            return self.store("str", repr(tag.value), target)
        lines, add = self.opened_array(target)
        return [*lines, *[line for part in tag.value for line in self.store("str", repr(part), f"{add}()")]]

    def function(self, name: str, code: Lines) -> None:
        self.module.function(f"{name}(t, v, base)", code)

    def record_function(
        self, name: str, checks: list[str], entries: list[Entry], extras: str, rule: list[str], inside: Inside[Lines]
    ) -> None:
        lines = [*checks, *self.opened_map("t", "f")]
        for key, got, test, shape in entries:
            one = [f"v = {got}", *inside(shape, "v", f"f[{key!r}]")]
            lines += [f"if {test}:", *indented(one)] if test else one
        if extras:
            lines += [f"for k, e in {extras}.items():", "    write_value(f[k], e, base)"]
        self.module.function(f"{name}(t, o, base)", [*lines, *rule])


def free_writer(values: MessageValues) -> Callable[[Any, Any, Any, int], None]:
    """`write(target, value, base, levels)`: fills a message with a value that has no declared type, in one walk.

    The levels are those of maps and arrays that are still allowed. It raises for values that can't be stored, and for
    some that need a closer look; the message is then of no use.
    """
    fields, inner, write_value = values.fields, values.inner, values.write_value
    text, map_field = fields["str"], fields["map"]
    plain = {row.python: fields[row.name] for row in ROWS if row.plain and row.python is not str}

    def write(target: Any, value: Any, base: Any, levels: int, in_array: bool = False) -> None:
        kind = value.__class__
        if kind is dict:
            if not levels:
                refuse()
            message = getattr(target, map_field)
            message.SetInParent()
            found = getattr(message, inner)
            for key, each in value.items():
                if key.__class__ is not str:
                    refuse()
                name = to_key(key)
                kind = each.__class__
                if kind is str and each.isascii():
                    setattr(found[name], text, each)
                elif kind in plain:
                    setattr(found[name], plain[kind], each)
                else:
                    write(found[name], each, base, levels - 1)
        elif kind is list:
            if not levels or in_array:
                refuse()
            array = target.array_value
            array.SetInParent()
            add = array.values.add
            for each in value:
                kind = each.__class__
                if kind is str and each.isascii():
                    setattr(add(), text, each)
                elif kind in plain:
                    setattr(add(), plain[kind], each)
                else:
                    write(add(), each, base, levels - 1, True)
        elif is_map(value):
            write(target, dict(value.items()), base, levels)
        elif is_array(value):
            write(target, list(value), base, levels, in_array)
        else:
            write_value(target, any_leaf(value, in_array), base)

    return write


def _free_containers(shape: Shape) -> tuple[type[Any], ...]:
    """The classes of values that `free_writer` can write, of a field of this shape."""
    while isinstance(shape, Nullable):
        shape = shape.inner
    match shape:
        case Anything():
            return dict, list
        case Dict(Anything()):
            return (dict,)
        case Array(Anything(), python) if python is list:
            return (list,)
        case _:
            return ()


def emit_message_encode(module: Module, record: Record, dialect: Dialect, fallback: Fallback) -> None:
    """Write `encode(o, message, base)` for a class of documents, which fills a message of a document.

    Errors in it are explained by `explain(error, o, message, base)`, which the module must define; otherwise it
    returns the message.
    """
    by_value = WriteEmitter(module, Expressions(module), "stored", fallback, constraints=True, whole=True)
    access = Statements(module, dialect)
    emitter = WriteEmitter(module, access, "stored", fallback, by_value, constraints=True, whole=True)
    body = [f"f = message.{dialect.values.inner}"]
    if record.tag is not None:
        body += access.tag(record.tag)
    for field in record.fields:
        body.append(f"v = {attribute('o', field.name)}")
        if can_exceed_depth(field.shape):
            # Before anything is written to a message, which protobuf would nest to any depth.
            lines = [f"v = {by_value.write(field.shape, 'v')}", f"if deeper_than(v, {MAX_DEPTH}):", "    refuse()"]
            lines.append(f"write_value(f[{field.stored!r}], v, base)")
            if containers := _free_containers(field.shape):
                write_free = module.known("write_free", free_writer(dialect.values))
                is_free = " or ".join(f"v.__class__ is {python.__name__}" for python in containers)
                fast = f"{write_free}(f[{field.stored!r}], v, base, {MAX_DEPTH})"
                lines = [f"if {is_free}:", f"    {fast}", "else:", *indented(lines)]
        else:
            lines = emitter.write(field.shape, "v", f"f[{field.stored!r}]")
        body += ["if v is not None:", *indented(lines)] if field.omits_none else lines
    emitter.document("encode", "o, message, base", [*body, *emitter.rule(record), "return message"])
