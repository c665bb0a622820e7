"""Access to a database's own messages, and the source that fills them from instances.

Anything else falls back to stored values and the writer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._types.kinds import ROW, Kind
from .._types.shapes import MAX_DEPTH, Array, FixedArray, Record, Shape, Tag, can_exceed_depth
from .dialect import Dialect
from .emit import Fallback, Module, attribute, indented
from .emit_write import Expressions, WriteEmitter

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

    def __init__(self, module: Module, dialect: Dialect) -> None:
        self.module = module
        self.fields, self.inner, self.reference = dialect.values.fields, dialect.values.inner, dialect.reference
        module.known("write_value", dialect.values.write_value)

    def either(self, test: str, code: Lines, otherwise: Lines) -> Lines:
        head, *rest = otherwise
        if head.startswith("if "):
            return [f"if {test}:", *indented(code), f"el{head}", *rest]
        return [f"if {test}:", *indented(code), "else:", *indented(otherwise)]

    def store(self, kind: Kind, source: str, target: str) -> Lines:
        row, field = ROW[kind], self.fields.get(kind)
        if kind == "reference":
            return [self.reference(self.module, target, source)]
        if field is None or row.marker:
            return self.store_any(source, target)
        if row.plain:
            return [f"{target}.{field} = {source}"]
        return [(row.write_source or f"write_{kind}({{m}}, {{v}})").format(m=target, field=field, v=source)]

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
        else:
            lines = emitter.write(field.shape, "v", f"f[{field.stored!r}]")
        body += ["if v is not None:", *indented(lines)] if field.omits_none else lines
    emitter.document("encode", "o, message, base", [*body, *emitter.rule(record), "return message"])
