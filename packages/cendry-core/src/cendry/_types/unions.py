"""Unions of classes with fields: which field tells the classes apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, cast

from .._interop.google import class_of
from .foreign import declared_fields, substitute
from .shapes import Nullable, OneOf, Record, Shape, Tagged, bare, plain_value

Literals = Callable[[Any], "tuple[Any, ...] | None"]
"""Returns the values of an annotation if it is a `Literal`."""

_TagField = tuple[str, "tuple[Any, ...] | None"]
"""The stored name of a field, and its values if it is a `Literal`."""


def is_member(shape: Shape) -> bool:
    """Whether a member of a union is a class with fields, or several of them."""
    return isinstance(bare(shape), (Record, Tagged))


def members_of(shapes: Iterable[Shape]) -> list[Shape]:
    """Classes with fields, each once; of unions among them, the members."""
    found: dict[Shape, None] = {}
    for shape in shapes:
        found.update(dict.fromkeys(shape.members if isinstance(shape, Tagged) else (shape,)))
    return list(found)


def tagged(members: Sequence[Shape], literals: Literals, field: str | None = None) -> Tagged:
    """The shape of a union of classes with fields.

    The field that tells them apart is the first one of the first class that does: all classes declare it, under one
    name and stored under one name, as a `Literal`, and no two have a value in common.

    Args:
        members: The shapes of the classes.
        literals: Returns the values of an annotation if it is a `Literal`.
        field: The name of the field that has to tell them apart, if it is given.

    Raises:
        TypeError: There is no such field; the message says what is missing.
    """
    records = [cast("Record", bare(member)) for member in members]
    declared = [_fields(record, literals) for record in records]
    names = [name for name in declared[0] if all(name in each for each in declared)]
    if field is not None:
        names = [name for name in names if field in (name, declared[0][name][0])]
        if not names:
            raise TypeError(f"discriminator={field!r} is not a field of {_listed(records, 'and')}")
    faults: dict[str, int] = {}
    for name in names:
        fields = [each[name] for each in declared]
        fault = _fault(name, records, fields)
        if fault is None:
            values = tuple(values or () for _, values in fields)
            return Tagged(tuple(members), name, fields[0][0], values)
        faults.setdefault(*fault)
    if faults:
        # The field that comes nearest.
        raise TypeError(min(faults, key=lambda each: faults[each]))
    raise TypeError(
        f"{_listed(records, 'or')} needs a field that tells the classes apart: declare one as a Literal with different "
        f"values in each, as in kind: Literal[{records[0].python.__name__.lower()!r}]"
    )


_OVERLAP: Final = 0
_ALIASES: Final = 1
_NO_LITERAL: Final = 2
_PLAIN: Final = 3


def _fault(name: str, records: Sequence[Record], fields: Sequence[_TagField]) -> tuple[str, int] | None:
    """Why a field that all classes declare does not tell them apart, and how far it is from doing so."""
    others = [record for record, (_, values) in zip(records, fields, strict=True) if values is None]
    if others:
        what = "is not a Literal" if len(others) == 1 else "are not Literals"
        text = f"{' and '.join(_named(each, name) for each in others)} {what}, so it can't tell the classes apart"
        return f"{text}: {_advice(records)}", _PLAIN if len(others) == len(records) else _NO_LITERAL
    stored = {each: record for record, (each, _) in zip(records, fields, strict=True)}
    if len(stored) > 1:
        where = " and as ".join(f"{each!r} in {record.python.__qualname__}" for each, record in stored.items())
        return f"{name!r}, which tells {_listed(records, 'and')} apart, is stored as {where}: use one alias", _ALIASES
    taken: dict[tuple[type[Any], Any], Record] = {}
    for record, (_, values) in zip(records, fields, strict=True):
        for value in {(class_of(plain_value(each)), plain_value(each)): None for each in values or ()}:
            first = taken.setdefault(value, record)
            if first is not record:
                both = f"{_named(first, name)} and {_named(record, name)}"
                return f"{both} both have {value[1]!r}, and must tell the classes apart", _OVERLAP
    return None


def _advice(records: Sequence[Record]) -> str:
    return f"{_listed(records, 'or')} needs a field that is a Literal with different values in each"


def _named(record: Record, name: str) -> str:
    return f"{record.python.__qualname__}.{name}"


def _listed(records: Sequence[Record], joined: str) -> str:
    return f" {joined} ".join(dict.fromkeys(record.python.__qualname__ for record in records))


def _fields(record: Record, literals: Literals) -> dict[str, _TagField]:
    """The fields of a class by name."""
    known = dict(record.arguments)
    if record.style != "map":
        return {
            each.name: (each.stored, literals(substitute(each.annotation, known)))
            for each in declared_fields(record.python, record.style)
        }
    # Classes refer to each other, so annotations that can't be evaluated yet are left as they are.
    infos = cast("Any", record.python).__cendry_fields__
    return {
        info.name: (info.alias, literals(substitute(info.annotation, known)))
        for info in getattr(infos, "infos", infos).values()
    }


def one_of_several(holder: str, records: Iterable[Record], name: str, path: str) -> str:
    """What to write where classes of a union store fields of one name under different ones.

    Args:
        holder: The source of the field with the union.
        records: The classes.
        name: The name.
        path: The source of a stored path of such a field.
    """
    # Classes of other libraries have no descriptors.
    owner = next((each.python.__qualname__ for each in records if each.style == "map"), None)
    return f"use stored names, as in {path}" if owner is None else f"name the class, as in {holder}[{owner}.{name}]"


def combined(shapes: Iterable[Shape]) -> Shape:
    """A shape that describes values of any of these; it is not compiled."""
    found = list(shapes)
    inner = tuple(dict.fromkeys(each.inner if isinstance(each, Nullable) else each for each in found))
    one = inner[0] if len(inner) == 1 else OneOf(inner)
    return Nullable(one) if any(isinstance(each, Nullable) for each in found) else one
