"""Source that makes instances from a database's own messages, for what is right at first sight.

All else goes the long way, by stored values and the reader.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from .._interop.google import class_of
from .._interop.protobuf import EPOCH
from .._types.shapes import (
    Anything,
    Array,
    AsIs,
    Converted,
    Dict,
    EnumMember,
    FixedArray,
    Handled,
    Kind,
    Nullable,
    OneOf,
    OneValue,
    Record,
    RecordField,
    Reference,
    Scalar,
    Shape,
    kinds_of,
)
from ..reference import Ref
from ..values import GeoPoint
from .dialect import Dialect
from .emit import Fallback, Module, when
from .emit_read import ReadEmitter, default_of
from .leaves import EPOCH_DAY, MIDNIGHT, enum_members
from .reader import STORED

_PLAIN: Final = frozenset[Kind](("int", "float", "str", "bytes"))


class MessageReadEmitter(ReadEmitter):
    """Emits for messages: `data` is a map of value messages, and `base` is what the dialect needs to read them."""

    passed = ", base"

    def __init__(self, module: Module, dialect: Dialect, fallback: Fallback) -> None:
        super().__init__(module, STORED, fallback)
        self.dialect = dialect

    def has(self, value: str, kind: Kind) -> str:
        """The source of a test for a kind."""
        return f"{value}.HasField({self.dialect.fields[kind]!r})"

    def is_map(self, value: str, fields: str) -> str:
        """A test for a map; it leaves the map's own fields in `fields`."""
        own = f"({fields} := {value}.{self.dialect.fields['map']}.{self.dialect.inner})"
        if self.dialect.has_vectors:
            return f"({self.has(value, 'map')} and '__type__' not in {own})"
        # The map itself may be empty, and so untrue.
        return f"({self.has(value, 'map')} and {own} is not None)"

    def expression(self, shape: Shape, value: str, otherwise: str | None = None) -> str:
        """The source of a conversion of a `Value` message.

        Args:
            shape: What the value should be.
            value: The name of a local variable that holds the message.
            otherwise: What to do with a value that isn't right at first sight; the reader, if left out.
        """
        slow = otherwise or self.slow(shape, value)
        match shape:
            case Nullable(inner):
                if isinstance(inner, (OneOf, Anything, AsIs, Handled)):
                    return when(self.has(value, "null"), "None", self.expression(inner, value))
                # Most values are not null, so that is asked last.
                return self.expression(inner, value, when(self.has(value, "null"), "None", self.slow(inner, value)))
            case Scalar(kind):
                return self.scalar(kind, value, slow)
            case Reference(model):
                found = self.module.fresh("r")
                made = f"{self.module.known('decode_reference', self.dialect.decode_reference)}({value}, base)"
                # Names that are no document's come as something else.
                test = f"{self.has(value, 'reference')} and {self.type_test(Ref, f'({found} := {made})')}"
                return when(
                    test, found if model is None else f"{found}.as_model({self.module.bind('model', model)})", slow
                )
            case Converted(_, python):
                return self.converted(python, value, slow)
            case EnumMember():
                return self.enum_member(shape, value, slow)
            case OneValue(values):
                return self.one_value(values, value, slow)
            case Array():
                return self.array(shape, value, slow)
            case FixedArray():
                return when(self.has(value, "array"), f"{self.fixed_array(shape)}({value}, base)", slow)
            case Dict(inner):
                return self.dict(inner, value, slow)
            case Record():
                fields = self.module.fresh("f")
                return when(self.is_map(value, fields), f"{self.record_function(shape)}({fields}, base)", slow)
            case OneOf():
                return f"{self.one_of(shape)}({value}, base)"
            case Anything() | AsIs():
                return self.stored(value)
            case Handled(_, _, deserialize):
                found = self.stored(value)
                return found if deserialize is None else f"{self.module.bind('deserialize', deserialize)}({found})"
            case _:  # pragma: no cover - an id is in the name of a document, in no field
                return slow

    def stored(self, value: str) -> str:
        """The stored value of a message, of whatever kind."""
        return f"{self.module.known('decode_value', self.dialect.decode_value)}({value}, base)"

    def scalar(self, kind: Kind, value: str, slow: str) -> str:
        if kind in _PLAIN:
            found = self.module.fresh("x")
            if kind == "float":
                # Other clients store 1.0 as the integer 1.
                slow = when(self.has(value, "int"), f"float({value}.{self.dialect.fields['int']})", slow)
            return when(self.plain(kind, value, found), found, slow)
        match kind:
            case "bool":
                return when(
                    f"{value}.{self.dialect.fields['bool']}", "True", when(self.has(value, "bool"), "False", slow)
                )
            case "timestamp":
                return when(self.has(value, "timestamp"), self.moment(value), slow)
            case "null":
                return when(self.has(value, "null"), "None", slow)
            case "geo_point":
                made, point = self.module.bind("GeoPoint", GeoPoint), self.module.fresh("p")
                place = f"({point} := {value}.{self.dialect.fields['geo_point']}).latitude, {point}.longitude"
                return when(self.has(value, "geo_point"), f"{made}({place})", slow)
            case _:
                return slow

    def plain(self, kind: Kind, value: str, found: str) -> str:
        """A test that a message is of a kind which Python holds as protobuf does; it leaves the value in `found`.

        A value that is true proves its kind; the others have to be asked.
        """
        field = self.dialect.fields[kind]
        return f"(({found} := {value}.{field}) or {value}.HasField({field!r}))"

    def moment(self, value: str) -> str:
        stamp, field = self.module.fresh("t"), self.dialect.fields["timestamp"]
        made = f"{self.module.known('timedelta', timedelta)}(0, ({stamp} := {value}.{field}).seconds, "
        return f"{self.module.known('EPOCH', EPOCH)} + {made}{stamp}.nanos // 1000)"

    def converted(self, python: type[Any], value: str, slow: str) -> str:
        bind, known, found = self.module.bind, self.module.known, self.module.fresh("x")
        if python is Decimal or python is UUID:
            return when(self.plain("str", value, found), f"{bind(python.__name__, python)}({found})", slow)
        if python is timedelta:
            return when(self.plain("int", value, found), f"{known('timedelta', timedelta)}(0, 0, {found})", slow)
        moment = f"{self.has(value, 'timestamp')} and ({found} := {self.moment(value)})"
        if python is date:
            return when(f"{moment}.time() == {known('MIDNIGHT', MIDNIGHT)}", f"{found}.date()", slow)
        assert python is time
        return when(f"{moment}.date() == {known('EPOCH_DAY', EPOCH_DAY)}", f"{found}.time()", slow)

    def enum_member(self, shape: EnumMember, value: str, slow: str) -> str:
        members = enum_members(shape)
        kind = _only_kind(members)
        if kind is None:
            return slow
        found, known = self.module.fresh("x"), self.module.bind("members", members)
        return when(f"{self.plain(kind, value, found)} and {found} in {known}", f"{known}[{found}]", slow)

    def one_value(self, values: tuple[Any, ...], value: str, slow: str) -> str:
        kind = _only_kind(values)
        if kind is None:
            return slow
        found, known = self.module.fresh("x"), self.module.bind("values", frozenset(values))
        return when(f"{self.plain(kind, value, found)} and {found} in {known}", found, slow)

    def array(self, shape: Array, value: str, slow: str) -> str:
        element = self.module.fresh("e")
        each = f"{self.expression(shape.item, element)} for {element} in {value}.{self.dialect.fields['array']}.values"
        match shape.python.__name__:
            case "list":
                made = f"[{each}]"
            case "set":
                made = f"{{{each}}}"
            case name:
                made = f"{name}([{each}])"
        return when(self.has(value, "array"), made, slow)

    def fixed_array(self, shape: FixedArray) -> str:
        name = self.module.fresh("array")
        places = [f"v{index}" for index in range(len(shape.items))]
        items = "".join(f"{self.expression(item, place)}, " for item, place in zip(shape.items, places, strict=True))
        made = (
            f"({items})"
            if shape.python is tuple
            else f"{self.module.bind(shape.python.__name__, shape.python)}({items})"
        )
        body = [
            f"a = v.{self.dialect.fields['array']}.values",
            f"if len(a) != {len(places)}:",
            f"    return {self.slow(shape, 'v')}",
        ]
        if places:
            body.append(f"{', '.join(places)}, = a")
        self.module.function(f"{name}(v, base)", [*body, f"return {made}"])
        return name

    def dict(self, inner: Shape, value: str, slow: str) -> str:
        key, each, fields = self.module.fresh("k"), self.module.fresh("e"), self.module.fresh("f")
        made = f"{{{key}: {self.expression(inner, each)} for {key}, {each} in {fields}.items()}}"
        return when(self.is_map(value, fields), made, slow)

    def one_of(self, shape: OneOf) -> str:
        name = self.module.fresh("union")
        body = ["kind = v.WhichOneof('value_type')"]
        for member in shape.members:
            kinds = kinds_of(member) or frozenset()
            # A map can be a vector as well; then the reader has to tell.
            if "vector" in kinds:
                continue
            tests = " or ".join(f"kind == {self.dialect.fields[kind]!r}" for kind in sorted(kinds))
            body += [f"if {tests}:", f"    return {self.expression(member, 'v')}"]
        self.module.function(f"{name}(v, base)", [*body, f"return {self.slow(shape, 'v')}"])
        return name

    def refuse_others(self, keys: str) -> list[str]:
        return ["for key in data:", f"    if key not in {keys}:", "        refuse()"]

    def attribute(self, field: RecordField, store: Callable[[str, str], str]) -> list[str]:
        key = self.reading.key(field)
        found = store(field.name, self.expression(field.shape, "v"))
        if field.required:
            return [self.required(key), found]
        lines = [f"if {key!r} in data:", f"    v = data[{key!r}]", f"    {found}", "else:"]
        return [*lines, f"    {store(field.name, default_of(self.module, field))}"]

    def required(self, key: str) -> str:
        # Asking a protobuf map for what it lacks would add it.
        return f"v = data[{key!r}] if {key!r} in data else refuse()"


def _only_kind(values: Any) -> Kind | None:
    types = {class_of(value) for value in values}
    if types == {str}:
        return "str"
    return "int" if types == {int} else None


def emit_message_decode(module: Module, record: Record, dialect: Dialect, fallback: Fallback) -> None:
    """Write `decode(data, document_id, path, base)` for a class of documents.

    Whatever goes wrong in it is explained by `explain(error, data, document_id, path, base)`, which the module must
    name.
    """
    emitter = MessageReadEmitter(module, dialect, fallback)
    body = ["try:", *("    " + line for line in emitter.record_body(record, "document_id"))]
    body += ["except Exception as error:", "    return explain(error, data, document_id, path, base)"]
    module.function("decode(data, document_id, path, base)", body)
    emitter.finish()
