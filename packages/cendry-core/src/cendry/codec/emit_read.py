"""Generates the fast path from stored to Python values; anything unexpected falls back to the interpreting reader."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import MISSING
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, cast

from .._interop.google import class_of
from .._types.converted import CONVERSION_OF
from .._types.kinds import KIND_OF, ROW, STORED_TYPE, Kind
from .._types.shapes import (
    MAX_DEPTH,
    Anything,
    Array,
    AsIs,
    Constrained,
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
    Tagged,
    bare,
    can_exceed_depth,
    kinds_of,
    plain_value,
)
from ..plan import parts_of
from .emit import Emitter, Fallback, Module, assignment, indented, when
from .leaves import deeper_than, enum_members, to_key, validating
from .reader import note_refusal
from .reading import Reading

if TYPE_CHECKING:
    # The program runs without them, and it takes a while to make a protocol.

    class ReadAccess(Protocol):
        """How generated code accesses stored data: in dicts, or in a database's messages.

        Attributes:
            passed: The additional arguments of generated functions, as source.
            missing: Whether a missing key can be looked up, which returns `missing`.
        """

        passed: str
        missing: bool

        def take(self, kind: Kind, value: str, *, checked: bool = True) -> tuple[str, str]:
            """A test for a kind, and source of the stored value once it passed; empty if only the reader can.

            Args:
                kind: The kind.
                value: The local variable.
                checked: Whether the test covers the other conditions on such a value.
            """
            ...

        def array(self, value: str) -> tuple[str, str]:
            """A test for an array, and the source of its elements."""
            ...

        def map(self, value: str) -> tuple[str, str]:
            """A test for a map, and the source of its fields, which can be used any number of times."""
            ...

        def stored(self, value: str) -> str:
            """The source of the stored value, of any kind."""
            ...

        def stored_fields(self, fields: str) -> str:
            """The source of a map as a dict of stored values."""
            ...

        def kind(self, value: str) -> tuple[list[str], Callable[[Kind], str]]:
            """Lines that determine the kind of a value, and a test for each; an empty one if only the reader can."""
            ...

        def refuse_others(self, keys: str) -> list[str]:
            """Lines that reject `data` with a key that is not in this set."""
            ...

        def required(self, key: str) -> str:
            """A line that fetches `v`, which must be in `data`, and raises if it isn't."""
            ...

        def unless_current(self, key: str, version: int) -> list[str]:
            """Lines that leave `data` to `upgrade` unless the version under this key is the given one."""
            ...


class DictRead:
    """Access to plain stored values.

    Args:
        module: The module to write to.
        lenient: Whether Python values are accepted too, and the limits of Firestore are checked.
    """

    passed = ""
    missing = True

    def __init__(self, module: Module, lenient: bool) -> None:
        self.module = module
        self.lenient = lenient

    def take(self, kind: Kind, value: str, *, checked: bool = True) -> tuple[str, str]:
        row = ROW[kind]
        more = row.test if self.lenient else row.stored_test
        test = self.module.is_exactly(row.python, value)
        return (f"{test} and {more.format(v=value)}" if more and checked else test), value

    def array(self, value: str) -> tuple[str, str]:
        return self.module.is_exactly(list, value), value

    def map(self, value: str) -> tuple[str, str]:
        return self.module.is_exactly(dict, value), value

    def stored(self, value: str) -> str:
        return value

    def stored_fields(self, fields: str) -> str:
        return fields

    def kind(self, value: str) -> tuple[list[str], Callable[[Kind], str]]:
        return [], lambda kind: self.module.is_exactly(STORED_TYPE[kind], value)

    def refuse_others(self, keys: str) -> list[str]:
        return [f"if not data.keys() <= {keys}:", "    refuse()"]

    def required(self, key: str) -> str:
        return f"v = data[{key!r}]"

    def unless_current(self, key: str, version: int) -> list[str]:
        current = self.module.known("current", version)
        absent = f", {current}" if version == 1 else ""
        # By identity, since True equals 1: equal integers that are not identical are told apart by `upgrade`.
        return [f"if data.get({key!r}{absent}) is not {current}:", "    return upgrade(data, document_id, path)"]


class ReadEmitter(Emitter):
    """Emits code for some decode options, through one kind of access."""

    def __init__(self, module: Module, access: ReadAccess, reading: Reading, fallback: Fallback) -> None:
        super().__init__(module, fallback, access.passed, json=bool(reading.json))
        self.access = access
        self.reading = reading
        self.lenient = reading.python_values
        self.tables: dict[Tagged, dict[type[Any], str]] = {}
        # Lines that follow all functions.
        self.last: list[str] = []
        module.known("missing", MISSING)
        module.known("note_refusal", note_refusal)

    def expression(self, shape: Shape, value: str, otherwise: str = "") -> str:
        """The source of a conversion.

        Args:
            shape: The expected shape of the value.
            value: The name of a local variable that holds it.
            otherwise: Source for any other value; by default, a call of the reader. Shapes that accept any value
                ignore it.
        """
        slow = otherwise or self.slow(shape, value)
        access = self.access
        match shape:
            case Nullable(inner):
                null, _ = access.take("null", value)
                if _takes_all(inner):
                    return when(null, "None", self.expression(inner, value))
                # Most values are not null, so that is tested last.
                return self.expression(inner, value, when(null, "None", otherwise or self.slow(inner, value)))
            case Constrained(inner):
                found = self.expression(inner, value, otherwise)
                return f"{self.keeper(shape)}({found})" if self.lenient else found
            case Scalar(kind):
                test, found = access.take(kind, value)
                if kind == "float":
                    # Other clients store 1.0 as the integer 1.
                    is_int, whole = access.take("int", value)
                    # A float holds all integers of 53 bits.
                    slow = when(f"{is_int} and {-(2**53)} <= {whole} <= {2**53}", f"float({whole})", slow)
                return when(test, found, slow) if test else slow
            case Reference(model):
                test, found = access.take("reference", value)
                as_model = "" if model is None else f"._cendry_typed({self.module.bind('model', model)})"
                return when(test, found + as_model, slow)
            case Converted(kind, python):
                return self.converted(kind, python, value, slow)
            case EnumMember(python):
                members = enum_members(shape)
                known = self.module.bind("members", members)
                return self.one_of_few(members, value, known, f"{known}[{{}}]", self.or_python(python, "", value, slow))
            case OneValue(values):
                return self.one_of_few(values, value, self.module.bind("values", frozenset(values)), "{}", slow)
            case Array(item, python):
                return self.array(item, python, value, slow)
            case FixedArray():
                test, _ = access.array(value)
                return when(test, f"{self.function_for(shape, 'array')}({value}{self.passed})", slow)
            case Dict(inner):
                test, fields = access.map(value)
                key, each = self.module.fresh("k"), self.module.fresh("e")
                name = f"{self.module.known('to_key', to_key)}({key})" if self.lenient else key
                return when(test, f"{{{name}: {self.inside(inner, each)} for {key}, {each} in {fields}.items()}}", slow)
            case Record(python):
                test, fields = access.map(value)
                return when(test, f"{self.function_for(shape, python.__name__)}({fields}{self.passed})", slow)
            case Tagged():
                test, fields = access.map(value)
                return when(test, f"{self.by_tag(shape, fields)}({fields}{self.passed})", slow)
            case OneOf():
                return f"{self.function_for(shape, 'union')}({value}{self.passed})"
            case Anything() if self.lenient:
                return f"{self.copy()}({value})"
            case Anything() | AsIs() | DocumentId() if not self.lenient:
                return access.stored(value)
            case Handled(_, _, deserialize) if not self.lenient:
                found = access.stored(value)
                return found if deserialize is None else f"{self.module.bind('deserialize', deserialize)}({found})"
            case _:
                return slow

    def inside(self, shape: Shape, value: str) -> str:
        """The source of the conversion of an element, inside a loop."""
        if self.is_too_deep(shape):
            return f"{self.function_for(shape)}({value}{self.passed})"
        self.nesting += 1
        found = self.expression(shape, value)
        self.nesting -= 1
        return found

    def element(self, shape: Shape, value: str) -> str:
        """The same for an element of an array."""
        if isinstance(shape, Anything) and self.lenient:
            return f"{self.copy()}({value}, True)"
        return self.inside(shape, value)

    def copy(self) -> str:
        """The name of the function that copies values without a declared type."""
        return self.module.known("copy_any", self.reading.any_values.copy)

    def or_python(self, python: type[Any], test: str, value: str, slow: str) -> str:
        """Accepts values that are of the Python type already, if such are accepted."""
        more = f" and {test.format(v=value)}" if test else ""
        return when(self.module.is_exactly(python, value) + more, value, slow) if self.reading.objects else slow

    def converted(self, kind: Kind, python: type[Any], value: str, slow: str) -> str:
        row = CONVERSION_OF[python]
        test, found = self.access.take(kind, value)
        source = f"{test}{' and ' if row.read_if else ''}{row.read_if}\0{row.read}"
        if not found.isidentifier():
            # It is assigned where it is first needed.
            name = self.module.fresh("x")
            source = source.replace("{v}", f"({name} := {found})", 1)
            found = name
        test, made = source.replace("{v}", found).split("\0")
        return when(test, made, self.or_python(python, row.write_if, value, slow))

    def one_of_few(self, values: Collection[Any], value: str, known: str, made: str, slow: str) -> str:
        """The source for one of a few values, if all of them are text or all are integers."""
        types = {class_of(each) for each in values}
        if len(types) != 1 or types - {str, int}:
            return slow
        test, found = self.access.take(KIND_OF[types.pop()], value, checked=False)
        return when(f"{test} and {found} in {known}", made.format(found), slow)

    def array(self, item: Shape, python: type[Any], value: str, slow: str) -> str:
        test, elements = self.access.array(value)
        if self.reading.objects and python is not list:
            test = f"({test} or {self.module.is_exactly(python, value)})"
        each = self.module.fresh("e")
        made = f"{self.element(item, each)} for {each} in {elements}"
        match python.__name__:
            case "list":
                return when(test, f"[{made}]", slow)
            case "set":
                return when(test, f"{{{made}}}", slow)
            case name:
                return when(test, f"{name}([{made}])", slow)

    # Functions

    def emit_function(self, shape: Shape, name: str) -> None:
        """Write the function for one shape."""
        match shape:
            case Record():
                self.module.function(f"{name}(data{self.passed})", self.record_body(shape))
            case FixedArray():
                self.module.function(f"{name}(v{self.passed})", self.fixed_array_body(shape))
            case OneOf():
                self.module.function(f"{name}(v{self.passed})", self.one_of_body(shape))
            case Tagged():
                self.module.function(f"{name}(data{self.passed})", self.tagged_body(shape))
            case _:
                self.module.function(f"{name}(v{self.passed})", [f"return {self.expression(shape, 'v')}"])

    def fixed_array_body(self, shape: FixedArray) -> list[str]:
        places = [f"v{index}" for index in range(len(shape.items))]
        items = "".join(f"{self.element(item, place)}, " for item, place in zip(shape.items, places, strict=True))
        body = [f"a = {self.access.array('v')[1]}", f"if len(a) != {len(places)}:"]
        body.append(f"    return {self.slow(shape, 'v')}")
        if places:
            body.append(f"{', '.join(places)}, = a")
        if shape.python is tuple:
            return [*body, f"return ({items})"]
        made = f"return {self.module.bind(shape.python.__name__, shape.python)}(*found)"
        return [*body, f"found = ({items})", *self.constructed(made, shape, self.access.stored("v"))]

    def one_of_body(self, shape: OneOf) -> list[str]:
        body, is_kind = self.access.kind("v")
        for member in shape.members:
            tests = self.member_tests(member, is_kind)
            if tests and all(tests):
                body += [f"if {' or '.join(tests)}:", f"    return {self.expression(member, 'v')}"]
        return [*body, f"return {self.slow(shape, 'v')}"]

    def member_tests(self, member: Shape, is_kind: Callable[[Kind], str]) -> list[str]:
        """The sources of tests whether `v` belongs to a member of a union; an empty one if only the reader can tell."""
        return [is_kind(kind) for kind in sorted(kinds_of(member) or ())]

    def tagged_body(self, shape: Tagged) -> list[str]:
        """The lines of a function that makes an instance of the class that the tag in `data` belongs to."""
        body = [self.access.required(self.tag_key(shape))]
        for python, table in self.tables_of(shape).items():
            if python in KIND_OF:
                test, found = self.access.take(KIND_OF[python], "v", checked=False)
            else:
                test, found = self.module.is_exactly(python, "v"), "v"
            body += [f"if {test}:", f"    return {table}[{found}](data{self.passed})"]
        return [*body, "refuse()"]

    def by_tag(self, shape: Tagged, fields: str) -> str:
        """The source of the function that makes an instance of a class of a union from its fields."""
        tables = self.tables_of(shape)
        if self.access.missing and tables.keys() == {str}:
            # The common case, without a call in between; another tag, or none, raises an error.
            return f"{tables[str]}[{fields}[{self.tag_key(shape)!r}]]"
        return self.function_for(shape, "tagged")

    def tag_key(self, shape: Tagged) -> str:
        """The key of the tag in the data."""
        return shape.stored if self.reading.names == "stored" else shape.name

    def tables_of(self, shape: Tagged) -> dict[type[Any], str]:
        """The names of dicts from the tags of a union to functions, by the type of the tags: 1 is not True."""
        if shape not in self.tables:
            tables: dict[type[Any], dict[str, str]] = {}
            for member, values in zip(shape.members, shape.values, strict=True):
                function = self.member_function(member)
                for value in values:
                    plain = self.tag_in_data(value)
                    tables.setdefault(class_of(plain), {})[repr(plain)] = function
                    if self.reading.objects and value is not plain:
                        tables.setdefault(class_of(value), {})[self.module.bind("tag", value)] = function
            self.tables[shape] = {python: self.table(functions) for python, functions in tables.items()}
        return self.tables[shape]

    def tag_in_data(self, value: Any) -> Any:
        """A value of the field that tells the classes of a union apart, as it is in the data."""
        return plain_value(value)

    def member_function(self, member: Shape) -> str:
        """The name of the function that makes an instance of a class from its fields."""
        record = cast("Record", bare(member))
        function = self.function_for(record, record.python.__name__)
        if not (self.lenient and isinstance(member, Constrained)):
            return function
        kept = f"{self.keeper(member)}({function}(data{self.passed}))"
        wrapper = self.module.fresh("part")
        self.module.function(f"{wrapper}(data{self.passed})", [f"return {kept}"])
        return wrapper

    def keeper(self, shape: Constrained) -> str:
        """The name of a function that returns a value that keeps the rules of a shape, or `None`; it refuses others."""
        name = self.module.fresh("kept")
        kept = self.kept(shape, "v").removeprefix(" and ")
        self.module.function(f"{name}(v)", [f"return v if v is None or {kept} else refuse()"])
        return name

    def table(self, functions: Mapping[str, str]) -> str:
        """The name of a dict of functions, which is made once all of them are written."""
        name = self.module.fresh("by_tag")
        items = ", ".join(f"{key}: {function}" for key, function in functions.items())
        self.last.append(f"{name} = {{{items}}}")
        return name

    def finish(self) -> None:
        super().finish()
        self.module.lines += self.last
        self.last.clear()

    def record_body(self, record: Record, document_id: str = "None") -> list[str]:
        """The lines of a function that makes an instance of `data`."""
        body: list[str] = []
        forbids = self.reading.forbids(record)
        if forbids:
            keys = {key for field in record.fields for key in self.reading.keys(field)}
            more = {"id"} if record.style == "model" and self.reading.id_key else set[str]()
            if record.tag is not None:
                more.add(record.tag.field)
            if record.version_field and not self.lenient:
                more.add(record.version_field)
            body = self.access.refuse_others(self.module.bind("keys", frozenset(keys | more)))
            if self.access.missing and record.style in ("model", "map"):
                # All are there in most data, which their number shows: if none is missing, none is unknown.
                body = [f"some = len(data) != {len(keys | more)}", "if some:", *indented(body)]
                for key in sorted(more - keys):
                    body += [f"elif {key!r} not in data:", "    refuse()"]
        if record.style in ("model", "map"):
            return body + self.attributes(record, document_id, forbids=forbids)
        return body + self.arguments(record)

    def constructed(self, statement: str, shape: Shape, stored: str) -> list[str]:
        """Lines that run a user's constructor or `__post_init__`, which may reject the stored data."""
        note = f"note_refusal(error, {self.module.bind('shape', shape)}, {stored})"
        return ["try:", f"    {statement}", "except Exception as error:", f"    {note}", "    raise"]

    def attributes(self, record: Record, document_id: str, *, forbids: bool) -> list[str]:
        python = record.python
        plain = vars(object)["__setattr__"] is python.__setattr__
        self.module.known("put", object.__setattr__)
        body = [f"o = {self.module.known('new', object.__new__)}({self.module.bind(python.__name__, python)})"]

        def store(attribute: str, source: str) -> str:
            return assignment("o", attribute, source, plain=plain)

        if record.style == "model":
            body.append(store("id", document_id))
        all_required = all(field.required for field in record.fields)
        if self.reading.parts and not all_required:
            body.append("absent = 0")
        for field in record.fields:
            body += self.attribute(field, partial(store, field.name), forbids=forbids)
        body += [store(field.name, default_of(self.module, field)) for field in record.rest]
        if self.reading.parts:
            # Where absent fields are counted, it is known whether there are any undeclared ones.
            count = "len(data)" if all_required else "len(data) + absent"
            others = (record.tag is not None and record.tag.value is not None) + bool(record.version_field)
            some = "data" if self.access.missing else f"{count} > {len(record.fields) + others}"
            body += self.refuse_parts(record, some)
        if hasattr(python, "__post_init__"):
            body += self.constructed("o.__post_init__()", record, self.access.stored_fields("data"))
        if self.lenient and record.validate is not None:
            body.append(f"{self.module.bind('validate', validating(record))}(o)")
        return [*body, "return o"]

    def attribute(self, field: RecordField, store: Callable[[str], str], *, forbids: bool) -> list[str]:
        """Lines that set one attribute.

        Args:
            field: The field.
            store: Returns the assignment of some source to it.
            forbids: Whether undeclared keys are refused, so that `some` says whether keys may be missing.
        """
        key, shape = self.reading.key(field), field.shape
        if field.required:
            return [self.access.required(key), store(self.expression(shape, "v"))]
        default = default_of(self.module, field)
        if not self.access.missing:
            there = [f"v = data[{key!r}]", store(self.expression(shape, "v"))]
            absent = [store(default), "absent += 1"] if self.reading.parts else [store(default)]
            return [f"if {key!r} in data:", *indented(there), "else:", *indented(absent)]
        if forbids:
            default = f"({default} if some else refuse())"
        elif field.default is None and isinstance(shape, Nullable):
            return [f"v = data.get({key!r})", store(self.expression(shape, "v"))]
        if _takes_all(shape):
            found = when("v is missing", default, self.expression(shape, "v"))
        else:
            # Most documents have it, so that is tested last.
            found = self.expression(shape, "v", when("v is missing", default, self.slow(shape, "v")))
        return [f"v = data.get({key!r}, missing)", store(found)]

    def refuse_parts(self, record: Record, condition: str) -> list[str]:
        """Lines that leave it to the reader if there may be parts of declared fields; there are none otherwise."""
        declared = frozenset(key for field in record.fields for key in self.reading.keys(field))

        def has_parts(names: Iterable[str]) -> bool:
            # Names with a dot are rare, and looking for one in all of them is the fastest.
            return "." in "".join(names) and bool(parts_of(names, declared))

        return [f"if {condition} and {self.module.bind('has_parts', has_parts)}(data):", "    refuse()"]

    def arguments(self, record: Record) -> list[str]:
        body = ["found = {}"]
        if record.extra == "allow":
            known = frozenset(key for field in record.fields for key in self.reading.keys(field))
            names = self.module.bind("keys", known)
            found = self.expression(Anything(), "e")
            body = [f"found = {{k: {found} for k, e in data.items() if k not in {names}}}"]
        for field in record.fields:
            key, *others = self.reading.keys(field)
            # The field of a tag is only checked.
            made = f"found[{field.argument!r}] = " if field.argument else ""
            made += self.expression(field.shape, "v")
            if field.required and not others:
                body += [self.access.required(key), made]
                continue
            for index, each in enumerate((key, *others)):
                body += [f"{'el' if index else ''}if {each!r} in data:", f"    v = data[{each!r}]", f"    {made}"]
            if field.required:
                body += ["else:", "    refuse()"]
        if self.reading.parts:
            body += self.refuse_parts(record, "len(data) > len(found)")
        if record.style == "typeddict":
            return [*body, "return found"]
        python = self.module.bind(record.python.__name__, record.python)
        made = f"return {python}.model_validate(found)" if record.style == "pydantic" else f"return {python}(**found)"
        return [*body, *self.constructed(made, record, self.access.stored_fields("data"))]


def _takes_all(shape: Shape) -> bool:
    """Whether a value of any kind is accepted, or checked elsewhere."""
    return isinstance(bare(shape), (OneOf, Anything, AsIs, Handled, DocumentId))


def default_of(module: Module, field: RecordField) -> str:
    """The source of the value of an absent field that isn't required."""
    if field.factory is MISSING:
        default = field.default
        plain = type(default) in (type(None), bool, int, str)
        return repr(default) if plain else module.bind("default", default)
    builtin = {list: "[]", dict: "{}", set: "set()"}
    return builtin.get(field.factory) or f"{module.bind('factory', field.factory)}()"


def dict_reader(module: Module, reading: Reading, fallback: Fallback) -> ReadEmitter:
    """The emitter for stored values."""
    return ReadEmitter(module, DictRead(module, reading.python_values), reading, fallback)


def emit_decode(emitter: ReadEmitter, record: Record, version: int | None = None) -> None:
    """Write `decode(data, document_id=None, path=None)` for a class of documents.

    Errors in it are explained by `explain(error, data, document_id, path)`, which the module must define. With a
    version, documents of any other go to `upgrade(data, document_id, path)`.
    """
    module, reading = emitter.module, emitter.reading
    body = emitter.record_body(record, "document_id")
    if reading.python_values and any(can_exceed_depth(field.shape) for field in record.fields):
        module.known("deeper_than", deeper_than)
        body = [f"if deeper_than(data, {MAX_DEPTH + 1}):", "    refuse()", *body]
    before = () if version is None else emitter.access.unless_current(record.version_field, version)
    emitter.document("decode", "data, document_id=None, path=None", body, before)


def emit_read_value(emitter: ReadEmitter, shape: Shape) -> None:
    """Write `read(v)` for one value; errors are not handled."""
    emitter.module.function("read(v)", [f"return {emitter.expression(shape, 'v')}"])
    emitter.finish()
