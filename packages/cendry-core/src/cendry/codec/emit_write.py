"""Source that makes stored data from instances, for what is right at first sight; all else is left to the writer."""

from __future__ import annotations

import enum
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from .._interop.google import class_of
from .._types.shapes import (
    MAX_DEPTH,
    STORED_TYPE,
    Anything,
    Array,
    AsIs,
    Converted,
    Dict,
    EnumMember,
    FixedArray,
    Handled,
    Nullable,
    OneOf,
    OneValue,
    Record,
    Reference,
    Scalar,
    Shape,
    can_exceed_depth,
)
from ..reference import Ref
from .emit import INT64_TEST, Emitter, Fallback, Module, when
from .leaves import EPOCH_DAY, MICROSECOND, MIDNIGHT, UTC, copy_stored, deeper_than, refuse, stable, to_key
from .writer import Names, python_types


class WriteEmitter(Emitter):
    """Emits for stored or for Python names."""

    def __init__(self, module: Module, names: Names, fallback: Fallback) -> None:
        super().__init__(module, fallback)
        self.names = names

    def expression(self, shape: Shape, value: str, got: str = "") -> str:
        """The source of a conversion.

        Args:
            shape: What the value should be.
            value: The name of a local variable.
            got: Source that gives the value, if the variable doesn't hold it yet.
        """
        first = f"({value} := {got})" if got else value
        slow = self.slow(shape, value)
        bind, known = self.module.bind, self.module.known
        match shape:
            case Nullable(inner):
                return when(f"{first} is None", "None", self.expression(inner, value))
            case Scalar(kind):
                return when(self.scalar_test(kind, value, first), value, slow)
            case Reference(model):
                test = f"{self.type_test(Ref, first)} and {value}.database is None"
                if model is not None:
                    test += f" and ({value}.model is {bind('model', model)} or {value}.model is None)"
                return when(test, value, slow)
            case Converted(_, python):
                return self.converted(python, value, first, slow)
            case EnumMember(python, by):
                test = self.type_test(python, first)
                if by == "value":
                    return when(test, f"{value}._value_", slow)
                if issubclass(python, enum.Flag):  # A combination may have no name.
                    return self.slow(shape, got or value)
                return when(test, f"{value}._name_", slow)
            case OneValue(values):
                types = {class_of(each) for each in values}
                if types - {str, int} or len(types) != 1:
                    return self.slow(shape, got or value)
                test = f"{self.type_test(types.pop(), first)} and {value} in {bind('values', frozenset(values))}"
                return when(test, value, slow)
            case Array():
                return self.array(shape, value, first, slow)
            case FixedArray(_, python):
                return when(self.type_test(python, first), f"{self.fixed_array(shape)}({value})", slow)
            case Dict(inner):
                key, each = self.module.fresh("k"), self.module.fresh("e")
                entry = f"{known('to_key', to_key)}({key}): {self.expression(inner, each)}"
                return when(self.type_test(dict, first), f"{{{entry} for {key}, {each} in {value}.items()}}", slow)
            case Record(python, style):
                test = self.type_test(dict if style == "typeddict" else python, first)
                return when(test, f"{self.record_function(shape)}({value})", slow)
            case OneOf():
                return f"{self.one_of(shape)}({got or value})"
            case Anything():
                return f"{known('copy_stored', copy_stored)}({got or value})"
            case Handled(python, serialize) if serialize is not None and isinstance(python, type):
                made = f"{known('copy_stored', copy_stored)}({bind('serialize', serialize)}({value}))"
                return when(self.type_test(python, first), made, slow)
            case AsIs(python) if isinstance(python, type):
                return when(self.type_test(python, first), value, slow)
            case _:
                return self.slow(shape, got or value)

    def scalar_test(self, kind: Any, value: str, first: str) -> str:
        if kind == "null":
            return f"{first} is None"
        test = self.type_test(STORED_TYPE[kind], first)
        match kind:
            case "int":
                return f"{test} and {INT64_TEST.format(value)}"
            case "str":
                return f"{test} and {value}.isascii()"
            case "timestamp":
                return f"{test} and {value}.tzinfo is {self.module.known('UTC', UTC)}"
            case _:
                return test

    def converted(self, python: type[Any], value: str, first: str, slow: str) -> str:
        known = self.module.known
        test = self.type_test(python, first)
        if python is Decimal or python is UUID:
            return when(test, f"str({value})", slow)
        known("UTC", UTC)
        combine = known("combine", datetime.combine)
        if python is date:
            return when(test, f"{combine}({value}, {known('MIDNIGHT', MIDNIGHT)}, UTC)", slow)
        if python is time:
            made = f"{combine}({known('EPOCH_DAY', EPOCH_DAY)}, {value}, UTC)"
            return when(f"{test} and {value}.tzinfo is None", made, slow)
        assert python is timedelta
        # 2**63 microseconds are a little over 106,751,991 days.
        made = f"{value} // {known('MICROSECOND', MICROSECOND)}"
        return when(f"{test} and -106751991 < {value}.days < 106751991", made, slow)

    def item(self, shape: Shape, element: str) -> str:
        if isinstance(shape, Nullable):
            return when(f"{element} is None", "None", self.item(shape.inner, element))
        if isinstance(shape, Anything):
            return f"{self.module.known('copy_stored', copy_stored)}({element}, True)"
        if isinstance(shape, Handled):
            return f"{self.module.known('no_array', no_array)}({self.expression(shape, element)})"
        return self.expression(shape, element)

    def array(self, shape: Array, value: str, first: str, slow: str) -> str:
        element = self.module.fresh("e")
        made = f"[{self.item(shape.item, element)} for {element} in {value}]"
        if shape.python in (set, frozenset):
            made = f"{self.module.known('stable', stable)}({made})"
        return when(self.type_test(shape.python, first), made, slow)

    def fixed_array(self, shape: FixedArray) -> str:
        name = self.module.fresh("array")
        places = [f"v{index}" for index in range(len(shape.items))]
        items = ", ".join(self.item(item, place) for item, place in zip(shape.items, places, strict=True))
        body: list[str] = []
        if shape.python is tuple:  # A NamedTuple can't have another length.
            body = [f"if len(v) != {len(places)}:", f"    return {self.slow(shape, 'v')}"]
        if places:
            body.append(f"{', '.join(places)}, = v")
        self.module.function(f"{name}(v)", [*body, f"return [{items}]"])
        return name

    def one_of(self, shape: OneOf) -> str:
        name = self.module.fresh("union")
        body: list[str] = []
        for member in shape.members:
            tests = " or ".join(self.type_test(python, "v") for python in python_types(member))
            body += [f"if {tests}:", f"    return {self.expression(member, 'v')}"]
        self.module.function(f"{name}(v)", [*body, f"return {self.slow(shape, 'v')}"])
        return name

    def emit_record(self, record: Record, name: str) -> None:
        self.module.function(f"{name}(o)", self.record_body(record))

    def record_body(self, record: Record) -> list[str]:
        """The lines of a function that makes a map of `o`."""
        if record.style == "typeddict":
            return self.typed_dict_body(record)
        entries: list[str] = []
        for field in record.fields:
            key = field.stored if self.names == "stored" else field.name
            entries.append(f"    {key!r}: {self.expression(field.shape, 'v', f'o.{field.name}')},")
        return ["return {", *entries, "}"]

    def typed_dict_body(self, record: Record) -> list[str]:
        names = self.module.bind("keys", frozenset(field.name for field in record.fields))
        body = [f"if not o.keys() <= {names}:", "    refuse()", "found = {}"]
        for field in record.fields:
            line = f"found[{field.name!r}] = {self.expression(field.shape, 'v', f'o[{field.name!r}]')}"
            body += [line] if field.required else [f"if {field.name!r} in o:", "    " + line]
        return [*body, "return found"]


def no_array(value: Any) -> Any:
    """The value, if it can be in an array; else a `Mismatch`, for the writer to explain."""
    return refuse() if type(value) is list else value


def emit_encode(module: Module, record: Record, names: Names, fallback: Fallback) -> None:
    """Write `encode(o)` for a class of documents.

    Whatever goes wrong in it is explained by `explain(error, o)`, which the module must name.
    """
    emitter = WriteEmitter(module, names, fallback)
    body = emitter.record_body(record)
    if any(can_exceed_depth(field.shape) for field in record.fields):
        module.known("deeper_than", deeper_than)
        body = ["found = {", *body[1:], f"if deeper_than(found, {MAX_DEPTH + 1}):", "    refuse()", "return found"]
    body = ["try:", *("    " + line for line in body), "except Exception as error:", "    return explain(error, o)"]
    module.function("encode(o)", body)
    emitter.finish()


def emit_write_value(module: Module, shape: Shape, fallback: Fallback) -> None:
    """Write `write(v)` for one value; it raises whatever it meets."""
    emitter = WriteEmitter(module, "stored", fallback)
    module.function("write(v)", [f"return {emitter.expression(shape, 'v')}"])
    emitter.finish()
