"""Generates the fast path from Python to stored values; anything unexpected falls back to the interpreting writer."""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from .._interop.google import class_of
from .._types.converted import CONVERSION_OF, Conversion
from .._types.foreign import extras_of, for_json
from .._types.kinds import KIND_OF, ROW, Kind, refuse
from .._types.shapes import (
    MAX_DEPTH,
    Anything,
    Array,
    AsIs,
    Constrained,
    Converted,
    Dict,
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
    Tag,
    Tagged,
    can_exceed_depth,
    plain_value,
)
from .emit import JSON_KINDS, Emitter, Fallback, Module, attribute, when
from .leaves import JSON_VALUES, STORED_VALUES, deeper_than, stable, to_key, validating
from .writer import Names, python_types

C = TypeVar("C")
C_co = TypeVar("C_co", covariant=True)

Entry = tuple[str, str, str, Shape]
"""One field of a record: its key, the source of its value, a test whether it is present, and its shape."""


if TYPE_CHECKING:
    # The program runs without them, and it takes a while to make a protocol.

    class Inside(Protocol[C_co]):
        """Writes an element: its shape, a local variable, the target, and its source unless the variable has it."""

        def __call__(self, shape: Shape, value: str, target: str, got: str = "", /) -> C_co: ...

    class WriteAccess(Protocol[C]):
        """How generated code stores its results: as expressions, or by statements that fill a database's messages.

        Each value goes to a target, which expressions ignore.

        Attributes:
            checks_plain: Whether the limits of plain kinds are checked where they are stored.
            json: Whether the results have the forms that JSON holds.
        """

        checks_plain: bool
        json: bool

        def either(self, test: str, code: C, otherwise: C, /) -> C:
            """A choice."""
            ...

        def store(self, kind: Kind, source: str, target: str, /) -> C:
            """Store the value of some source, which is of this kind."""
            ...

        def store_any(self, source: str, target: str, /) -> C:
            """Store the value of some source, of any kind."""
            ...

        def conditions(self, row: Conversion, /) -> list[str]:
            """Conditions, as source, on a value that `convert` can store."""
            ...

        def convert(self, row: Conversion, value: str, target: str, /) -> C:
            """Store a variable of a standard type that is stored as another."""
            ...

        def array(self, shape: Array, value: str, target: str, inside: Inside[C], /) -> C | None:
            """Store the elements of a collection; `None` if they can only be stored as a whole."""
            ...

        def fixed_array(self, shape: FixedArray, value: str, target: str, inside: Inside[C], /) -> C:
            """Store the elements of a tuple."""
            ...

        def map(self, item: Shape, value: str, target: str, inside: Inside[C], /) -> C:
            """Store the items of a dict."""
            ...

        def call(self, function: str, value: str, target: str, /) -> C:
            """Call the function for another shape."""
            ...

        def function(self, name: str, code: C, /) -> None:
            """Write the function that stores `v`."""
            ...

        def record_function(
            self, name: str, checks: list[str], entries: list[Entry], extras: str, rule: list[str], inside: Inside[C], /
        ) -> None:
            """Write the function that stores the record `o`.

            Args:
                name: The name of the function.
                checks: Lines that come first.
                entries: The fields.
                extras: The source of undeclared values, if any.
                rule: Lines that come last.
                inside: Writes an element.
            """
            ...


class Expressions:
    """Access to plain stored values.

    Args:
        module: The module to write to.
    """

    checks_plain = False
    json = False

    def __init__(self, module: Module) -> None:
        self.module = module

    def either(self, test: str, code: str, otherwise: str) -> str:
        return when(test, code, otherwise)

    def store(self, _kind: Kind, source: str, _target: str, /) -> str:
        return source

    def store_any(self, source: str, _target: str) -> str:
        return source

    def conditions(self, row: Conversion) -> list[str]:
        return [row.write_if] if row.write_if else []

    def convert(self, row: Conversion, value: str, _target: str) -> str:
        return row.write.format(v=value)

    def array(self, shape: Array, value: str, _target: str, inside: Inside[str]) -> str:
        each = self.module.fresh("e")
        made = f"[{inside(shape.item, each, '')} for {each} in {value}]"
        return f"stable({made})" if shape.python in (set, frozenset) else made

    def fixed_array(self, shape: FixedArray, value: str, _target: str, inside: Inside[str]) -> str:
        items = [inside(item, self.module.fresh("e"), "", f"{value}[{at}]") for at, item in enumerate(shape.items)]
        return f"[{', '.join(items)}]"

    def map(self, item: Shape, value: str, _target: str, inside: Inside[str]) -> str:
        key, each = self.module.fresh("k"), self.module.fresh("e")
        return f"{{to_key({key}): {inside(item, each, '')} for {key}, {each} in {value}.items()}}"

    def call(self, function: str, value: str, _target: str) -> str:
        return f"{function}({value})"

    def function(self, name: str, code: str) -> None:
        self.module.function(f"{name}(v)", [f"return {code}"])

    def record_function(
        self, name: str, checks: list[str], entries: list[Entry], extras: str, rule: list[str], inside: Inside[str]
    ) -> None:
        more = [f"found.update({extras})"] if extras else []
        self.module.function(f"{name}(o)", [*checks, *self.record(entries, inside, *more, *rule)])

    def record(self, entries: list[Entry], inside: Inside[str], *checks: str, tag: Tag | None = None) -> list[str]:
        """Lines that make a dict of the record `o`, check it, and return it."""
        always = [] if tag is None or tag.value is None else [f"    {tag.field!r}: {tag.stored!r},"]
        always += [f"    {key!r}: {inside(shape, 'v', '', got)}," for key, got, test, shape in entries if not test]
        more: list[str] = []
        for key, got, test, shape in entries:
            if test:
                more += [f"if {test}:", f"    found[{key!r}] = {inside(shape, 'v', '', got)}"]
        if not more and not checks:
            return ["return {", *always, "}"]
        return ["found = {", *always, "}", *more, *checks, "return found"]


class WriteEmitter(Emitter, Generic[C]):
    """Emits code for stored or Python names, through one kind of access.

    Args:
        module: The module to write to.
        access: How results are stored.
        names: Which names are keys.
        fallback: Converts values that the generated code does not handle.
        by_value: Emits code for values that can only be stored as a whole; by default, this emitter itself.
        constraints: Whether values must keep the rules of their annotations.
        whole: Whether instances must keep the rules of their classes.
    """

    inline = (Array, Dict, FixedArray, OneOf)

    def __init__(
        self,
        module: Module,
        access: WriteAccess[C],
        names: Names,
        fallback: Fallback,
        by_value: WriteEmitter[str] | None = None,
        *,
        constraints: bool = False,
        whole: bool = False,
    ) -> None:
        super().__init__(module, fallback, "", json=access.json)
        self.access = access
        self.names = names
        self.by_value = by_value
        self.constraints = constraints
        self.whole = whole
        for known in (deeper_than, no_array, stable, to_key):
            module.known(known.__name__, known)
        module.known("copy_any", (JSON_VALUES if access.json else STORED_VALUES).copy)

    def write(self, shape: Shape, value: str, target: str = "", got: str = "", /, *, in_array: bool = False) -> C:
        """The code for a value.

        Args:
            shape: The expected shape of the value.
            value: The name of a local variable.
            target: The target; it is used exactly once in each branch.
            got: The source of the value, unless the variable holds it already.
            in_array: Whether it goes into an array.
        """
        access, exactly = self.access, self.module.is_exactly
        given, rules = shape, ""
        if isinstance(shape, Constrained):
            rules = self.kept(shape, value) if self.constraints else ""
            given, shape = shape if rules else shape.inner, shape.inner
        first = f"({value} := {got})" if got else value
        no_arrays = "no_array({})" if in_array and isinstance(shape, Handled) else "{}"
        slow = access.store_any(no_arrays.format(self.slow(given, value)), target)
        inside: Inside[C] = partial(self.inside, in_array=True)
        made: C | None
        match shape:
            case Nullable(inner):
                null = access.store("null", "None", target)
                return access.either(f"{first} is None", null, self.write(inner, value, target, in_array=in_array))
            case Scalar(kind):
                test, made = self.kind_test(kind, value, first), access.store(kind, value, target)
            case Reference(model):
                test, made = self.kind_test("reference", value, first), access.store("reference", value, target)
                if model is not None:
                    known = self.module.bind("model", model)
                    test += f" and ({value}.model is {known} or {value}.model is None)"
            case Converted(_, python):
                row = CONVERSION_OF[python]
                more = "".join(f" and {each.format(v=value)}" for each in access.conditions(row))
                test, made = exactly(python, first) + more, access.convert(row, value, target)
            case EnumMember(python, by) if by == "value" or not issubclass(python, enum.Flag):
                # A combination of flags may have no name.
                test, held = exactly(python, first), f"{value}._{by}_"
                only = "str" if by == "name" else _only_kind([plain_value(member) for member in python])
                if self.json and only not in JSON_KINDS:
                    return access.store_any(self.slow(given, got or value), target)
                made = access.store(only, held, target) if only else access.store_any(held, target)
            case OneValue(values) if (only := _only_kind(values)) in ("str", "int"):
                known = self.module.bind("values", frozenset(values))
                test = f"{exactly(ROW[only].python, first)} and {value} in {known}"
                made = access.store(only, value, target)
            case Array(_, python):
                test, made = exactly(python, first), access.array(shape, value, target, inside)
            case FixedArray(items, python):
                test = exactly(python, first) + (f" and len({value}) == {len(items)}" if python is tuple else "")
                made = access.fixed_array(shape, value, target, inside)
            case Dict(inner):
                test, made = exactly(dict, first), access.map(inner, value, target, self.inside)
            case Record(python, style):
                test = exactly(dict if style == "typeddict" else python, first)
                made = access.call(self.function_for(shape, python.__name__), value, target)
            case Tagged():
                belongs = [self.belongs(shape, index, value) for index in range(len(shape.members))]
                belongs[0] = self.belongs(shape, 0, value, first)
                for member, test in zip(reversed(shape.members), reversed(belongs), strict=True):
                    slow = access.either(test, self.member(member, value, target), slow)
                return slow
            case OneOf(members):
                tests = [[exactly(python, value) for python in python_types(member)] for member in members]
                tests[0][0] = exactly(python_types(members[0])[0], first)
                for member, any_of in zip(reversed(members), reversed(tests), strict=True):
                    slow = access.either(" or ".join(any_of), self.write(member, value, target), slow)
                return slow
            case Anything() if not rules:
                return access.store_any(f"copy_any({got or value}, {in_array})", target)
            case Handled(python, serialize) if serialize is not None and isinstance(python, type):
                function = self.module.bind("serialize", for_json(serialize) if self.json else serialize)
                stored = no_arrays.format(f"copy_any({function}({value}))")
                test, made = exactly(python, first), access.store_any(stored, target)
            case AsIs(python) if isinstance(python, type):
                stored = f"copy_any({value})" if self.json else value
                test, made = exactly(python, first), access.store_any(stored, target)
            case _:
                return access.store_any(no_arrays.format(self.slow(given, got or value)), target)
        if made is None:
            assert self.by_value is not None
            return access.store_any(self.by_value.write(given, value, "", got), target)
        return access.either(test + rules, made, slow)

    def member(self, member: Shape, value: str, target: str) -> C:
        """The code for a value that is known to be of a member of a union."""
        if isinstance(member, Record):
            return self.access.call(self.function_for(member, member.python.__name__), value, target)
        return self.write(member, value, target)

    def belongs(self, shape: Tagged, index: int, value: str, first: str = "") -> str:
        """The source of a test whether a value is of one member of a union: by its class, and by its tag if need be."""
        python, *_ = python_types(shape.members[index])
        test = self.module.is_exactly(python, first or value)
        is_dict = python is dict
        if not is_dict and sum(python in python_types(member) for member in shape.members) == 1:
            return test
        # Compared by type too: 1 is not True.
        tags = self.module.bind("tags", frozenset((class_of(each), each) for each in shape.values[index]))
        tag = f"{value}.get({shape.name!r})" if is_dict else attribute(value, shape.name)
        return f"{test} and (type({tag}), {tag}) in {tags}"

    def inside(self, shape: Shape, value: str, target: str, got: str = "", /, *, in_array: bool = False) -> C:
        """The code for an element, inside a loop."""
        if self.is_too_deep(shape):
            return self.access.call(self.function_for(shape), got or value, target)
        self.nesting += 1
        code = self.write(shape, value, target, got, in_array=in_array)
        self.nesting -= 1
        return code

    def kind_test(self, kind: Kind, value: str, first: str) -> str:
        """The source of a test for a value that is stored as it is."""
        row = ROW[kind]
        test = self.module.is_exactly(row.python, first)
        is_checked = not row.test or (row.plain and self.access.checks_plain)
        if self.json and kind == "float":
            return f"{test} and {value} - {value} == 0"
        return test if is_checked else f"{test} and {row.test.format(v=value)}"

    # Functions

    def emit_function(self, shape: Shape, name: str) -> None:
        """Write the function for one shape."""
        if isinstance(shape, Record):
            self.access.record_function(name, *self.record(shape), self.extras(shape), self.rule(shape), self.write)
        else:
            self.access.function(name, self.write(shape, "v", "t"))

    def record(self, record: Record) -> tuple[list[str], list[Entry]]:
        """Lines that check the record `o`, and its fields."""
        if record.style == "typeddict":
            names = self.module.bind("keys", frozenset(field.name for field in record.fields))
            return [f"if not o.keys() <= {names}:", "    refuse()"], [
                (field.name, f"o[{field.name!r}]", "" if field.required else f"{field.name!r} in o", field.shape)
                for field in record.fields
            ]
        return [], [self.entry(each) for each in record.fields]

    def entry(self, field: RecordField) -> Entry:
        key, source = field.stored if self.names == "stored" else field.name, self.source(field)
        return key, source, f"{source} is not None" if field.omits_none else "", field.shape

    def rule(self, record: Record) -> list[str]:
        """A line that runs the rule for the whole instance `o`, if there is one."""
        if not self.whole or record.validate is None:
            return []
        return [f"{self.module.bind('validate', validating(record))}(o)"]

    def extras(self, record: Record) -> str:
        """The source of the undeclared values of the instance `o`, or nothing if its class keeps none."""
        if record.extra != "allow":
            return ""
        names = frozenset(each.stored if self.names == "stored" else each.name for each in record.fields)
        return f"{self.module.known('copy_extras', copy_extras)}(o, {self.module.bind('keys', names)}, copy_any)"

    def source(self, field: RecordField) -> str:
        """The source of the value of a field of the instance `o`."""
        if field.get is None:
            return attribute("o", field.name)
        return f"{self.module.bind('get', for_json(field.get) if self.json else field.get)}(o)"

    def finish(self) -> None:
        super().finish()
        if self.by_value is not None:
            self.by_value.finish()


def _only_kind(values: Collection[Any]) -> Kind | None:
    types = {class_of(value) for value in values}
    return KIND_OF.get(types.pop()) if len(types) == 1 else None


def copy_extras(instance: Any, declared: frozenset[str], copy: Callable[[Any], Any]) -> dict[str, Any]:
    """The undeclared values of an instance, copied by a function."""
    extras = extras_of(instance)
    return refuse() if extras.keys() & declared else {to_key(key): copy(each) for key, each in extras.items()}


def no_array(value: Any) -> Any:
    """The value, if it can be in an array; otherwise a `Mismatch`, for the writer to explain."""
    return refuse() if type(value) is list else value


def emit_encode(
    module: Module, record: Record, names: Names, fallback: Fallback, ruled: bool, access: Expressions | None = None
) -> None:
    """Write `encode(o)` for a class of documents.

    Errors in it are explained by `explain(error, o)`, which the module must define.
    """
    access = access or Expressions(module)
    emitter = WriteEmitter(module, access, names, fallback, constraints=ruled, whole=ruled)
    _, entries = emitter.record(record)
    is_measured = any(can_exceed_depth(field.shape) for field in record.fields)
    checks = [f"if deeper_than(found, {MAX_DEPTH + 1}):", "    refuse()"] if is_measured else []
    lines = access.record(entries, emitter.write, *checks, *emitter.rule(record), tag=record.tag)
    emitter.document("encode", "o", lines)


def emit_write_value(module: Module, shape: Shape, fallback: Fallback, ruled: bool) -> None:
    """Write `write(v)` for one value; errors are not handled."""
    emitter = WriteEmitter(module, Expressions(module), "stored", fallback, constraints=ruled)
    module.function("write(v)", [f"return {emitter.write(shape, 'v')}"])
    emitter.finish()
