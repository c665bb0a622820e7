"""The source of models that read what a histogram has seen, and that `mypy --strict` accepts."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterable
from typing import Final, NamedTuple

from .histogram import Histogram

MAX_MEMBERS: Final = 3
"""Types of one union; with more, anything is accepted."""

SHARED: Final = 0.9
"""Which part of the maps of one place must have a key, so that it is one of a class."""

_SMALL: Final = 12
_FEW: Final = 8
_MANY: Final = 20

_TYPES: Final = {
    "bool": "bool",
    "int": "int",
    "float": "float",
    "str": "str",
    "bytes": "bytes",
    "timestamp": "datetime",
    "reference": "Ref[Any]",
    "geo_point": "GeoPoint",
    "vector": "Vector",
}
_FROM: Final = {"datetime": "datetime", "Annotated": "typing", "Any": "typing"}
_CENDRY: Final = ("Field", "GeoPoint", "Map", "Model", "Ref", "Vector", "field")
_NAMES: Final = frozenset((*_FROM, *_CENDRY, "bool", "bytes", "dict", "float", "int", "list", "str"))
_WORD: Final = re.compile(r"\w+")


class Inferred(NamedTuple):
    """What one collection has.

    Attributes:
        name: A name for the class, from which characters that Python can't have are left out.
        collection: The collection of the model.
        found: A histogram of whole documents.
        notes: Comments on the class.
    """

    name: str
    collection: str
    found: Histogram
    notes: Iterable[str] = ()


def model_source(name: str, collection: str, found: Histogram, notes: Iterable[str] = ()) -> str:
    """Return the source of a module with one model and its maps, as `module_source` does."""
    return module_source([Inferred(name, collection, found, notes)])


def module_source(collections: Iterable[Inferred]) -> str:
    """Return the source of a module with a model for each collection, and their maps.

    Fields that all documents have are required, the others are optional. Up to three kinds of value make a union;
    maps that share their keys make a `Map`, others a `dict`. Names that Python can't have are aliases. What a person
    should decide, such as whether texts are those of an enum, is suggested in a comment.

    Args:
        collections: The collections.
    """
    module = _Module()
    for each in collections:
        module.model(each.name, each.collection, each.found, each.notes)
    return module.text()


class _Module:
    """A module in the making: its imports and its classes, each after those that it uses."""

    def __init__(self) -> None:
        self.names: set[str] = set(_NAMES)
        self.used: set[str] = {"Field"}
        self.classes: list[str] = []

    def text(self) -> str:
        lines = ["from __future__ import annotations", ""]
        modules = {
            module: sorted(self.used & {each for each in _FROM if _FROM[each] == module}) for module in _FROM.values()
        }
        lines += [f"from {module} import {', '.join(names)}" for module, names in modules.items() if names]
        if len(lines) > 2:
            lines.append("")
        lines.append(f"from cendry import {', '.join(sorted(self.used & set(_CENDRY)))}")
        return "\n".join(lines) + "".join(f"\n\n\n{each}" for each in self.classes) + "\n"

    def model(self, name: str, collection: str, found: Histogram, notes: Iterable[str]) -> None:
        self.used.add("Model")
        name = self.class_name(name)
        base = f"Model, collection={quoted(collection)}"
        self.define(name, base, found, {"id"}, [f"    # {note}" for note in notes])

    def class_name(self, given: str) -> str:
        words = _WORD.findall(unicodedata.normalize("NFKC", given))
        name = "".join(part[:1].upper() + part[1:] for word in words for part in word.split("_"))
        return self.fresh(name if name.isidentifier() and not keyword.iskeyword(name) else f"Model{name}")

    def fresh(self, name: str) -> str:
        chosen, number = name, 2
        while chosen in self.names:
            chosen, number = f"{name}{number}", number + 1
        self.names.add(chosen)
        return chosen

    def define(self, name: str, base: str, found: Histogram, reserved: set[str], lines: list[str]) -> None:
        total = found.kinds["map"]
        types = {key: self.type_of(each, f"{name}_{key}") for key, each in sorted(found.fields.items())}
        names = field_names(types, self.names | reserved)
        for key, each in sorted(found.fields.items()):
            lines += [f"    # {note}" for note in notes_on(each)]
            lines.append(f"    {self.field(names[key], key, types[key], each, total)}")
        if not types:
            lines.append("    pass")
        self.classes.append("\n".join([f"class {name}({base}):", *lines]))

    def field(self, name: str, key: str, python: str, found: Histogram, total: int) -> str:
        options = [] if name == key else [f"alias={quoted(key)}"]
        is_list = python.startswith("list[") and "|" not in _outside(python)
        if found.count >= total:
            if not options:
                return f"{name}: Field[{python}]"
            self.used |= {"Annotated", "field"}
            return f"{name}: Annotated[Field[{python}], field({options[0]})]"
        self.used.add("field")
        if is_list and not found.kinds["null"]:
            options.append("default_factory=list")
        else:
            options.append("default=None")
            if python != "Any" and not _outside(python).endswith("| None"):
                python += " | None"
        return f"{name}: Field[{python}] = field({', '.join(options)})"

    def type_of(self, found: Histogram, name: str) -> str:
        kinds = [kind for kind in sorted(found.kinds) if kind != "null"]
        if "float" in kinds and "int" in kinds and found.is_exact:
            kinds.remove("int")
        is_known = all(kind in _TYPES or kind in ("array", "map") for kind in kinds)
        if not kinds or len(kinds) > MAX_MEMBERS or not is_known:
            self.used.add("Any")
            return "Any"
        members = [self.member(kind, found, name) for kind in kinds]
        for each in members:
            self.used |= set(_WORD.findall(each)) & _NAMES
        return " | ".join([*members, *(["None"] if found.kinds["null"] else [])])

    def member(self, kind: str, found: Histogram, name: str) -> str:
        if kind == "array":
            items = found.items
            return "list[Any]" if items is None or not items.count else f"list[{self.type_of(items, name)}]"
        if kind != "map":
            return _TYPES[kind]
        if not is_record(found):
            inside = "Any" if found.is_cut else self.type_of(found.values(), name)
            return f"dict[str, {inside}]"
        self.used.add("Map")
        chosen = self.class_name(name)
        self.define(chosen, "Map", found, set(), [])
        return chosen


def is_record(found: Histogram) -> bool:
    """Whether maps share their keys, so that they are those of one class."""
    if found.rest is not None or found.is_cut:
        return False
    shared = sum(each.count >= SHARED * found.kinds["map"] for each in found.fields.values())
    return 0 < shared and len(found.fields) <= max(2 * shared, _SMALL)


def field_names(keys: Iterable[str], taken: set[str]) -> dict[str, str]:
    """Names of fields by the names that are stored; most are the same."""
    stored = list(keys)
    names: dict[str, str] = {}
    used = taken | set(stored)
    for key in stored:
        if key not in taken and is_name(key):
            names[key] = key
            continue
        base = "_".join(_WORD.findall(unicodedata.normalize("NFKC", key))).strip("_")
        if base in ("id", "") or not base.isidentifier():
            base = f"stored_{base}" if base else "stored"
        chosen, number = base, 2
        if chosen in used or keyword.iskeyword(chosen):
            chosen += "_"
        while chosen in used:
            chosen, number = f"{base}_{number}", number + 1
        used.add(chosen)
        names[key] = chosen
    return names


def is_name(key: str) -> bool:
    """Whether a stored name can be that of a field."""
    is_same = key.isidentifier() and unicodedata.normalize("NFKC", key) == key
    return is_same and not keyword.iskeyword(key) and not key.startswith("_")


def notes_on(found: Histogram) -> list[str]:
    """What a person should decide about a field."""
    notes: list[str] = []
    texts, count = found.texts, found.kinds["str"]
    if texts and len(texts) <= _FEW and count >= max(_MANY, 4 * len(texts)):
        notes.append(f"an enum? {', '.join(quoted(text) for text in sorted(texts))}")
    if found.kinds["timestamp"] and found.is_midnight:
        notes.append("a date? each is the beginning of a day")
    collections = set(found.collections).union(() if found.items is None else found.items.collections)
    if collections:
        notes.append(f"refers to {', '.join(quoted(each) for each in sorted(collections))}")
    if len(set(found.kinds) - {"null"}) > MAX_MEMBERS:
        notes.append(f"many kinds of value: {', '.join(f'{kind} {n:,}' for kind, n in found.kinds.most_common())}")
    return notes


def quoted(text: str) -> str:
    """The text as a literal in double quotes, as formatters write it, where that needs no escapes."""
    literal = repr(text)
    return f'"{literal[1:-1]}"' if literal[0] == "'" and '"' not in literal and "\\" not in literal else literal


def _outside(python: str) -> str:
    """A type without what is in brackets."""
    text, depth = "", 0
    for character in python:
        depth += character == "["
        text += character if depth == 0 else ""
        depth -= character == "]"
    return text
