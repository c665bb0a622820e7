"""Which fields of a class come in and go out, without a second class: metadata of `Annotated`."""

# What fields know about themselves is private, so as not to clash with the fields inside them.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import re
from typing import Any, ClassVar, Final, cast, final

from .._lazy import module
from .._query.fields import check_owner
from .._types.shapes import Record, Subset
from .._types.subsets import check_path, subset_of, text_of
from ..filters import ModelField
from ..paths import FieldPath, exact_text

__all__ = ["Only", "Part", "Without"]

_COMPONENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


class Part:
    """Some fields of a class, by name."""

    __slots__ = ("_owners", "names", "schema_name")
    names: frozenset[tuple[str, ...]]
    schema_name: str | None
    _owners: tuple[ModelField, ...]
    _only: ClassVar[bool]

    def __init__(self, field: str | ModelField, /, *others: str | ModelField, name: str | None = None) -> None:
        kind, fields = type(self).__name__, (field, *others)
        if name is not None and not (isinstance(cast("object", name), str) and _COMPONENT.fullmatch(name)):
            raise TypeError(f"{kind}(name=) takes the name of a schema, such as 'TaskIn', not {name!r}.")
        object.__setattr__(self, "names", frozenset(_path(kind, each) for each in fields))
        object.__setattr__(self, "schema_name", exact_text(name))
        object.__setattr__(self, "_owners", tuple(each for each in fields if isinstance(each, ModelField)))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable; can't set {name!r}.")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable; can't delete {name!r}.")

    def _key(self) -> tuple[Any, ...]:
        return type(self), self.names, self.schema_name

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Part) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        shown = [repr(text_of(each)) for each in sorted(self.names)]
        if self.schema_name is not None:
            shown.append(f"name={self.schema_name!r}")
        return f"{type(self).__name__}({', '.join(shown)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), tuple(text_of(each) for each in sorted(self.names)), self.schema_name)

    def of(self, model: type[Any], records: list[Record]) -> Subset:
        """The fields of a class.

        Args:
            model: The class.
            records: Its shape; of a base of tagged models, also those of its subclasses.

        Raises:
            TypeError: There is no such field, or it is a field of another class, or it tells classes apart.
        """
        for each in self._owners:
            check_owner(model, each)
        for path in self.names:
            check_path(records, path, model.__qualname__, only=self._only)
        return subset_of(sorted(self.names), only=self._only)

    def suffix(self, record: Record) -> str:
        """What the name of the schema has after that of the class: the names, in the order of the class."""
        order = {field.name: index for index, field in enumerate(record.fields)}
        paths = sorted(self.names, key=lambda path: (order.get(path[0], -(path[0] == "id")), path))
        words = "".join(_camel(name) for path in paths for name in path)
        return f"{type(self).__name__}{words}"

    def __get_pydantic_core_schema__(self, source: Any, handler: Any, /) -> Any:
        """The class with these fields, as a type of pydantic."""
        return module("_pydantic.hooks").of_part(self, source, handler)


@final
class Without(Part):
    """A body or an answer without some fields: `Annotated[Task, Without("id", "created")]`.

    In a body, a field that is left out has its default, and naming it is an error, as for any unknown key; a type that
    leaves out a required field is for answers only. Type checkers see the class itself.

    Args:
        field: A Python name, or a field (`Task.created`); a name with dots (`"checklist.done"`) leads into maps, also
            those in lists and dicts.
        others: More of them.
        name: The name of the schema in OpenAPI; by default, one like `TaskWithoutIdCreated`.

    Raises:
        TypeError: There are other values than fields, or the name can't be one of a schema. Names that the class
            doesn't have are reported where pydantic first meets the type, which for FastAPI is at import.
    """

    __slots__ = ()
    _only = False


@final
class Only(Part):
    """A body or an answer with only some fields: `Annotated[Task, Only(Task.title, "checklist.title")]`.

    Otherwise like `Without`.

    Args:
        field: A Python name, or a field (`Task.title`), as in `Without`; the id is one of them, under `"id"`.
        others: More of them.
        name: The name of the schema in OpenAPI; by default, one like `TaskOnlyTitle`.

    Raises:
        TypeError: As for `Without`.
    """

    __slots__ = ()
    _only = True


def _restore(cls: type[Part], names: tuple[str, ...], name: str | None) -> Part:
    return cls(*names, name=name)


def _path(kind: str, field: object) -> tuple[str, ...]:
    if isinstance(field, ModelField):
        return tuple(map(str, field._cendry_names))
    if not isinstance(field, str):
        raise TypeError(f"{kind} takes fields (Task.title, 'title' or 'checklist.title'), not {field!r}.")
    try:
        return FieldPath.parse(field).segments
    except ValueError as error:
        raise TypeError(f"{kind}: {error}") from None


def _camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))
