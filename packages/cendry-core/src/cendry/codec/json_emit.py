"""Generates code for the forms that JSON holds, both ways; loaded at first use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._types.converted import CONVERSION_OF, Conversion
from .._types.json_forms import FORM_OF, PYTHON_TYPE, json_types, names, to_json
from .._types.kinds import STORED_TYPE, Kind
from .._types.shapes import Reference, Shape, plain_value
from .emit import Fallback, Module, when
from .emit_read import DictRead, ReadEmitter
from .emit_write import Expressions
from .reading import Reading


class JsonRead(DictRead):
    """Access to values in the forms that JSON holds.

    Args:
        module: The module to write to.
    """

    def __init__(self, module: Module) -> None:
        super().__init__(module, True)
        module.names.update(names())

    def take(self, kind: Kind, value: str, *, checked: bool = True) -> tuple[str, str]:
        form = FORM_OF.get(STORED_TYPE[kind])
        if form is None:
            return super().take(kind, value, checked=checked)
        test = self.module.is_exactly(PYTHON_TYPE[form.type], value)
        if kind == "float" and checked:
            test += f" and {form.write_if.format(v=value)}"
        return test, form.read.format(v=value)


class JsonReadEmitter(ReadEmitter):
    """Emits code that reads forms in JSON."""

    def expression(self, shape: Shape, value: str, otherwise: str = "") -> str:
        if isinstance(shape, Reference) and shape.model is not None:
            made = f"reference_from_json({value}, {self.module.bind('model', shape.model)})"
            return when(self.module.is_exactly(str, value), made, otherwise or self.slow(shape, value))
        return super().expression(shape, value, otherwise)

    def converted(self, kind: Kind, python: type[Any], value: str, slow: str) -> str:
        made = FORM_OF[python].read.format(v=value, x=self.module.fresh("x"))
        given = self.or_python(python, CONVERSION_OF[python].write_if, value, slow)
        return when(self.module.is_exactly(str, value), made, given)

    def member_tests(self, member: Shape, is_kind: Callable[[Kind], str]) -> list[str]:
        return [self.module.is_exactly(PYTHON_TYPE[each], "v") for each in sorted(json_types(member))]

    def tag_in_data(self, value: Any) -> Any:
        return to_json(plain_value(value))


def json_reader(module: Module, reading: Reading, fallback: Fallback) -> ReadEmitter:
    """The emitter for forms in JSON."""
    return JsonReadEmitter(module, JsonRead(module), reading, fallback)


class JsonExpressions(Expressions):
    """Access to the forms that JSON holds."""

    json = True

    def __init__(self, module: Module) -> None:
        super().__init__(module)
        module.names.update(names())

    def store(self, kind: Kind, source: str, _target: str, /) -> str:
        form = FORM_OF.get(STORED_TYPE[kind])
        return source if form is None else form.write.format(v=source)

    def conditions(self, row: Conversion) -> list[str]:
        own = FORM_OF[row.python].write_if
        return [*super().conditions(row), *([own] if own else [])]

    def convert(self, row: Conversion, value: str, _target: str) -> str:
        return FORM_OF[row.python].write.format(v=value)
