"""Source that makes instances from stored data, for what is right at first sight; all else is left to the reader."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from .._interop.google import class_of
from .._types.shapes import (
    STORED_TYPE,
    Anything,
    Array,
    AsIs,
    Converted,
    Dict,
    DocumentId,
    EnumMember,
    FixedArray,
    Handled,
    Nullable,
    OneOf,
    OneValue,
    Record,
    RecordField,
    Reference,
    Scalar,
    Shape,
    can_exceed_depth,
    kinds_of,
)
from ..reference import Ref
from .emit import INT64_TEST, Emitter, Fallback, Module, when
from .leaves import EPOCH_DAY, MIDNIGHT, UTC, copy_stored, deeper_than, enum_members, to_key
from .reader import Reading


class ReadEmitter(Emitter):
    """Emits for one way of reading."""

    def __init__(self, module: Module, reading: Reading, fallback: Fallback) -> None:
        super().__init__(module, fallback)
        self.reading = reading
        self.lenient = reading.python_values
        module.known("missing", MISSING)

    def expression(self, shape: Shape, value: str, otherwise: str | None = None) -> str:
        """The source of a conversion.

        Args:
            shape: What the value should be.
            value: The name of a local variable that holds it.
            otherwise: What to do with a value that isn't right at first sight; the reader, if left out.
        """
        slow = otherwise or self.slow(shape, value)
        match shape:
            case Nullable(inner):
                return when(f"{value} is None", "None", self.expression(inner, value, otherwise))
            case Scalar(kind):
                return when(self.scalar_test(kind, value), value, slow)
            case Reference(model):
                test = self.type_test(Ref, value) + (f" and {value}.database is None" if self.lenient else "")
                return when(
                    test, value if model is None else f"{value}.as_model({self.module.bind('model', model)})", slow
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
                return when(self.type_test(list, value), f"{self.fixed_array(shape)}({value})", slow)
            case Dict(inner):
                return self.dict(inner, value, slow)
            case Record():
                return when(self.type_test(dict, value), f"{self.record_function(shape)}({value})", slow)
            case OneOf():
                return (
                    f"{self.one_of(shape)}({value})"
                    if otherwise is None
                    else when(f"{value} is missing", slow, f"{self.one_of(shape)}({value})")
                )
            case Anything() if self.lenient:
                copy = f"{self.module.known('copy_stored', copy_stored)}({value})"
                return copy if otherwise is None else when(f"{value} is not missing", copy, slow)
            case Anything() | AsIs() | DocumentId() if not self.lenient:
                return value if otherwise is None else when(f"{value} is not missing", value, slow)
            case Handled(_, _, deserialize) if not self.lenient:
                found = value if deserialize is None else f"{self.module.bind('deserialize', deserialize)}({value})"
                return found if otherwise is None else when(f"{value} is not missing", found, slow)
            case _:
                return slow

    def scalar_test(self, kind: Any, value: str) -> str:
        if kind == "null":
            return f"{value} is None"
        test = self.type_test(STORED_TYPE[kind], value)
        if kind == "timestamp":
            return f"{test} and {value}.tzinfo is {self.module.known('UTC', UTC)}"
        if kind == "int" and self.lenient:
            return f"{test} and {INT64_TEST.format(value)}"
        return f"{test} and {value}.isascii()" if kind == "str" and self.lenient else test

    def converted(self, python: type[Any], value: str, slow: str) -> str:
        bind, known = self.module.bind, self.module.known
        if self.lenient and python is not timedelta:
            slow = when(self.type_test(python, value), value, slow)
        if python is Decimal or python is UUID:
            return when(f"type({value}) is str", f"{bind(python.__name__, python)}({value})", slow)
        if python is timedelta:
            return when(self.scalar_test("int", value), f"{bind('timedelta', timedelta)}(0, 0, {value})", slow)
        utc = self.scalar_test("timestamp", value)
        if python is date:
            return when(f"{utc} and {value}.time() == {known('MIDNIGHT', MIDNIGHT)}", f"{value}.date()", slow)
        assert python is time
        return when(f"{utc} and {value}.date() == {known('EPOCH_DAY', EPOCH_DAY)}", f"{value}.time()", slow)

    def enum_member(self, shape: EnumMember, value: str, slow: str) -> str:
        members = enum_members(shape)
        if self.lenient:
            slow = when(self.type_test(shape.python, value), value, slow)
        types = {class_of(stored) for stored in members}
        if types - {str, int} or len(types) != 1:
            return slow
        test = f"{self.type_test(types.pop(), value)} and {value} in {self.module.bind('members', members)}"
        return when(test, f"{self.module.bind('members', members)}[{value}]", slow)

    def one_value(self, values: tuple[Any, ...], value: str, slow: str) -> str:
        types = {class_of(each) for each in values}
        if types - {str, int} or len(types) != 1:
            return slow
        test = self.type_test(types.pop(), value)
        return when(f"{test} and {value} in {self.module.bind('values', frozenset(values))}", value, slow)

    def item(self, shape: Shape, element: str) -> str:
        if isinstance(shape, Anything) and self.lenient:
            return f"{self.module.known('copy_stored', copy_stored)}({element}, True)"
        return self.expression(shape, element)

    def array(self, shape: Array, value: str, slow: str) -> str:
        element = self.module.fresh("e")
        item = self.item(shape.item, element)
        test = self.type_test(list, value)
        if self.lenient and shape.python is not list:
            test = f"({test} or {self.type_test(shape.python, value)})"
        if shape.python is set:
            return when(test, f"{{{item} for {element} in {value}}}", slow)
        made = f"[{item} for {element} in {value}]"
        return when(test, made if shape.python is list else f"{shape.python.__name__}({made})", slow)

    def fixed_array(self, shape: FixedArray) -> str:
        name = self.module.fresh("array")
        places = [f"v{index}" for index in range(len(shape.items))]
        items = "".join(f"{self.item(item, place)}, " for item, place in zip(shape.items, places, strict=True))
        made = (
            f"({items})"
            if shape.python is tuple
            else f"{self.module.bind(shape.python.__name__, shape.python)}({items})"
        )
        body = [f"if len(v) != {len(places)}:", f"    return {self.slow(shape, 'v')}"]
        if places:
            body.append(f"{', '.join(places)}, = v")
        self.module.function(f"{name}(v)", [*body, f"return {made}"])
        return name

    def dict(self, inner: Shape, value: str, slow: str) -> str:
        key, each = self.module.fresh("k"), self.module.fresh("e")
        name = f"{self.module.known('to_key', to_key)}({key})" if self.lenient else key
        made = f"{{{name}: {self.expression(inner, each)} for {key}, {each} in {value}.items()}}"
        return when(self.type_test(dict, value), made, slow)

    def one_of(self, shape: OneOf) -> str:
        name = self.module.fresh("union")
        body: list[str] = []
        for member in shape.members:
            tests = " or ".join(self.type_test(STORED_TYPE[kind], "v") for kind in sorted(kinds_of(member) or ()))
            body += [f"if {tests}:", f"    return {self.expression(member, 'v')}"]
        self.module.function(f"{name}(v)", [*body, f"return {self.slow(shape, 'v')}"])
        return name

    def emit_record(self, record: Record, name: str) -> None:
        self.module.function(f"{name}(data{self.passed})", self.record_body(record))

    def record_body(self, record: Record, document_id: str = "None") -> list[str]:
        """The lines of a function that makes an instance of `data`."""
        body: list[str] = []
        if self.reading.forbids(record):
            keys = {self.reading.key(field) for field in record.fields}
            if record.style == "model" and self.reading.id_key:
                keys.add("id")
            body += self.refuse_others(self.module.bind("keys", frozenset(keys)))
        if record.style in ("model", "map"):
            return body + self.attributes(record, document_id)
        return body + self.arguments(record)

    def refuse_others(self, keys: str) -> list[str]:
        """Lines that refuse `data` with a key that is not in this set."""
        return [f"if not data.keys() <= {keys}:", "    refuse()"]

    def attributes(self, record: Record, document_id: str) -> list[str]:
        python = record.python
        plain = vars(object)["__setattr__"] is python.__setattr__
        if not plain:
            self.module.known("put", object.__setattr__)
        body = [f"o = {self.module.known('new', object.__new__)}({self.module.bind(python.__name__, python)})"]

        def store(attribute: str, source: str) -> str:
            return f"o.{attribute} = {source}" if plain else f"put(o, {attribute!r}, {source})"

        if record.style == "model":
            body.append(store("id", document_id))
        for field in record.fields:
            body += self.attribute(field, store)
        if hasattr(python, "__post_init__"):
            body.append("o.__post_init__()")
        return [*body, "return o"]

    def attribute(self, field: RecordField, store: Callable[[str, str], str]) -> list[str]:
        """Lines that set one attribute; `store` gives the assignment of some source to it."""
        return [*self.fetch(field), store(field.name, self.expression(field.shape, "v", self.absent(field)))]

    def required(self, key: str) -> str:
        """A line that fetches what must be in `data`, and raises if it isn't."""
        return f"v = data[{key!r}]"

    def fetch(self, field: RecordField) -> list[str]:
        key = self.reading.key(field)
        if field.required:
            return [self.required(key)]
        if field.default is None and isinstance(field.shape, Nullable):
            return [f"v = data.get({key!r})"]
        return [f"v = data.get({key!r}, missing)"]

    def absent(self, field: RecordField) -> str | None:
        if field.required or (field.default is None and isinstance(field.shape, Nullable)):
            return None
        return when("v is missing", default_of(self.module, field), self.slow(field.shape, "v"))

    def arguments(self, record: Record) -> list[str]:
        body = ["found = {}"]
        for field in record.fields:
            key, target = self.reading.key(field), f"found[{field.argument!r}]"
            if field.required:
                body += [self.required(key), f"{target} = {self.expression(field.shape, 'v')}"]
            else:
                body += [
                    f"if {key!r} in data:",
                    f"    v = data[{key!r}]",
                    f"    {target} = {self.expression(field.shape, 'v')}",
                ]
        if record.style == "typeddict":
            return [*body, "return found"]
        made = self.module.bind(record.python.__name__, record.python)
        return [
            *body,
            f"return {made}.model_validate(found)" if record.style == "pydantic" else f"return {made}(**found)",
        ]


def default_of(module: Module, field: RecordField) -> str:
    """The source of the value of an absent field that isn't required."""
    if field.factory is MISSING:
        default = field.default
        plain = type(default) in (type(None), bool, int, str)
        return repr(default) if plain else module.bind("default", default)
    builtin = {list: "[]", dict: "{}", set: "set()"}
    return builtin.get(field.factory) or f"{module.bind('factory', field.factory)}()"


def emit_decode(module: Module, record: Record, reading: Reading, fallback: Fallback) -> None:
    """Write `decode(data, document_id=None, path=None)` for a class of documents.

    Whatever goes wrong in it is explained by `explain(error, data, document_id, path)`, which the module must name.
    """
    emitter = ReadEmitter(module, reading, fallback)
    body = emitter.record_body(record, "document_id")
    if reading.python_values and any(can_exceed_depth(field.shape) for field in record.fields):
        module.known("deeper_than", deeper_than)
        body = ["if deeper_than(data, 21):", "    refuse()", *body]
    body = ["try:", *("    " + line for line in body), "except Exception as error:"]
    body.append("    return explain(error, data, document_id, path)")
    module.function("decode(data, document_id=None, path=None)", body)
    emitter.finish()


def emit_read_value(module: Module, shape: Shape, reading: Reading, fallback: Fallback) -> None:
    """Write `read(v)` for one value; it raises whatever it meets."""
    emitter = ReadEmitter(module, reading, fallback)
    module.function("read(v)", [f"return {emitter.expression(shape, 'v')}"])
    emitter.finish()
