"""Classes as definitions of pydantic's JSON Schema, which FastAPI makes components of OpenAPI."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, cast

from pydantic import TypeAdapter
from pydantic_core import core_schema

from .._types.json_schema import Schema, Schemas, record_name
from .._types.shapes import Record

_SUBSET: Final = "subset "

_being_made: Final[ContextVar[frozenset[str]]] = ContextVar("_being_made", default=frozenset())


def _reference(python: type[Any], name: str, *details: object) -> str:
    """The identity of a definition, as pydantic writes it: it takes the name from what precedes the colon."""
    return f"{python.__module__}.{name}:{'-'.join(map(str, (id(python), *details)))}"


class Naming:
    """The names of the definitions of one type.

    Args:
        own: The name of the class, if it has one of its own.
        suffix: What the names of classes are followed by otherwise.
    """

    def __init__(self, own: str | None = None, suffix: str = "") -> None:
        self._own = own
        self._suffix = suffix

    def of_type(self, record: Record) -> str:
        """The name of the class itself."""
        return self._own or f"{record_name(record)}{self._suffix}"

    def of_part(self, record: Record) -> str:
        """The name of a class inside it, or of a subclass."""
        name = record_name(record)
        if record.subset is None:
            return name
        return f"{self._own}{name}" if self._own else f"{name}{self._suffix}"


class Definition:
    """One definition, as something that pydantic asks for its schemas.

    Args:
        reference: Its identity.
        make: Returns it, given pydantic's handler.
    """

    def __init__(self, reference: str, make: Callable[[Any], Schema]) -> None:
        self._reference = reference
        self._make = make

    def __get_pydantic_core_schema__(self, source: Any, handler: Any, /) -> Any:
        return core_schema.any_schema(ref=self._reference)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any, /) -> Any:
        with making(self._reference):
            return self._make(handler)


@contextmanager
def making(reference: str) -> Generator[None, None, None]:
    """While a definition is made, it is referred to, and not made again."""
    token = _being_made.set(_being_made.get() | {reference})
    yield
    _being_made.reset(token)


class Components(Schemas):
    """The schemas of one type, whose definitions pydantic collects.

    Args:
        handler: Pydantic's.
        naming: The names of the definitions.
    """

    def __init__(self, handler: Any, naming: Naming) -> None:
        super().__init__(include_id=True)
        self._handler = handler
        self._naming = naming

    def of_type(self, record: Record) -> Schema:
        """The schema of the class."""
        return {**self.record(record), "title": self._naming.of_type(record)}

    def of_patch(self, record: Record, name: str) -> Schema:
        """The schema of changes of some fields of the class."""
        found = self.record(record)
        found.pop("required", None)
        properties: Schema = {}
        for field in record.fields:
            properties[field.name] = dict(found["properties"][field.name])
            # Without it, the field is not changed.
            properties[field.name].pop("default", None)
        return {**found, "title": name, "properties": properties, "minProperties": 1}

    def of_family(self, record: Record, others: Sequence[Record]) -> Schema:
        """The schema of a class that shares its collection with its subclasses."""
        assert record.tag is not None
        return self.kinds(record.tag.field, (record, *others))

    def record(self, record: Record) -> Schema:
        found = super().record(record)
        # A class of pydantic is the same definition as for pydantic itself, which says nothing of unknown keys.
        if record.style == "pydantic" or getattr(record.python, "__cendry_ignores__", False):
            found.pop("additionalProperties", None)
        return found

    def define(self, key: Any, hint: str, make: Callable[[], Schema]) -> Schema:  # noqa: ARG002
        if isinstance(key, Record):
            name = self._naming.of_part(key)

            def inner(handler: Any) -> Schema:
                return {**Components(handler, self._naming).record(key), "title": name}

            return self.refer(reference_of(key, name), inner)
        # The name that pydantic gives an enum, which it writes by value.
        python, by = key
        name = python.__qualname__ if by == "value" else f"{python.__qualname__}Name"
        return self.refer(_reference(python, name), lambda _: make())

    def refer(self, reference: str, make: Callable[[Any], Schema]) -> Schema:
        """A reference to a definition, which is made if it isn't there."""
        if reference in _being_made.get():
            schema: Any = core_schema.definition_reference_schema(reference)
        else:
            schema = TypeAdapter(cast("Any", Definition(reference, make))).core_schema
        # A handler makes the schema of the type itself; of what is inside a list, it makes definitions.
        return cast("Schema", self._handler(core_schema.list_schema(schema))["items"])


def reference_of(record: Record, name: str) -> str:
    """The identity of a class with fields, under the name of its definition."""
    outer = record.python.__qualname__.rpartition(".")[0]
    details = [hash(each) for _, each in record.arguments]
    subset = [] if record.subset is None else [f"{_SUBSET}{record.subset}"]
    return _reference(record.python, f"{outer}.{name}" if outer else name, *details, *subset)


def is_of_subset(reference: str) -> bool:
    """Whether this is the identity of a class with some of its fields."""
    return _SUBSET in reference.rpartition(":")[2]
