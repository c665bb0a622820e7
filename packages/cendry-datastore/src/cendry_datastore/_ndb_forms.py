"""In which forms ndb may have stored the fields of a model: what its annotations, and its metadata for ndb, say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from cendry._types.shapes import (
    Anything,
    Array,
    AsIs,
    Dict,
    Handled,
    OneOf,
    Record,
    Shape,
    Tagged,
    bare,
    kinds_of,
)
from cendry.errors import CendryError

if TYPE_CHECKING:
    from cendry.codec import Codec, ResolvedField

FormKind = Literal["map", "dict", "text", "bytes", "any", "other"]

COMPRESSED_HINT: Final = "compressed"
LOCAL_HINT: Final = "local"
JSON_HINT: Final = "json"
_HINTS: Final = frozenset({COMPRESSED_HINT, LOCAL_HINT, JSON_HINT})
_GROUPS: Final = frozenset({"map", "dict", "any"})
_NO_HINTS: Final[frozenset[str]] = frozenset()


class Form:
    """What a field holds.

    Attributes:
        kind: What one value is: a map with declared fields, another map, text, bytes, anything, or something else.
        repeated: Whether it is an array of them.
        hints: What the metadata of the field says under `"ndb"`.
        required: Whether the model has no default for it.
    """

    __slots__ = ("_fields", "_records", "hints", "kind", "repeated", "required")

    def __init__(
        self,
        kind: FormKind,
        *,
        repeated: bool = False,
        hints: frozenset[str] = _NO_HINTS,
        required: bool = False,
        records: tuple[Record, ...] = (),
        fields: Fields | None = None,
    ) -> None:
        self.kind: FormKind = kind
        self.repeated = repeated
        self.hints = hints
        self.required = required
        self._records = records
        self._fields = fields

    @property
    def fields(self) -> Fields:
        """The fields of a map; made at first use, since maps can contain themselves."""
        if self._fields is None:
            self._fields = fields_of_records(self._records)
        return self._fields

    @property
    def is_group(self) -> bool:
        """Whether it can be stored in parts."""
        return self.kind in _GROUPS and JSON_HINT not in self.hints

    @property
    def is_structural(self) -> bool:
        """Whether Cendry and ndb may store one value in different forms, whatever it is."""
        return self.kind in ("map", "dict") or bool(self.hints)


class Fields(Mapping[str, Form]):
    """The forms of fields by stored name.

    Attributes:
        groups: The names of those that may be stored in parts.
        structural: Those that may be stored in a form of ndb's own without a mark that says so.
        lists: The names of those that have to be there, and that ndb leaves out if they are empty.
        dotted: The names that have a dot of their own, and so are not parts.
        may_be_folded: Whether anything but a compressed value can be in a form of ndb's own.

    Args:
        forms: The forms.
    """

    __slots__ = ("_forms", "dotted", "groups", "lists", "may_be_folded", "structural")

    def __init__(self, forms: Mapping[str, Form]) -> None:
        self._forms = forms
        self.groups = frozenset(name for name, form in forms.items() if form.is_group)
        self.structural = tuple((name, form) for name, form in forms.items() if form.is_structural)
        self.lists = tuple(
            name for name, form in forms.items() if form.required and form.repeated and form.kind == "map"
        )
        self.dotted = frozenset(name for name in forms if "." in name)
        self.may_be_folded = bool(self.groups or self.structural or self.lists)

    def __getitem__(self, name: str) -> Form:
        return self._forms[name]

    def __iter__(self) -> Any:
        return iter(self._forms)

    def __len__(self) -> int:
        return len(self._forms)


NO_FIELDS: Final = Fields({})
ANY: Final = Form("any", fields=NO_FIELDS)
"""The form of what isn't declared."""


class Lists:
    """The dotted paths of arrays of maps in a group, as `nest` wants them.

    Args:
        name: The name of the group.
        form: Its form.
    """

    __slots__ = ("_form", "_skipped")

    def __init__(self, name: str, form: Form) -> None:
        self._skipped = len(name)
        self._form = form

    def __contains__(self, path: object) -> bool:
        form: Form | None = self._form
        for segment in cast("str", path)[self._skipped :].split(".")[1:]:
            form = None if form is None or form.kind != "map" else form.fields.get(segment)
        return form is not None and form.repeated and form.is_group


# --- from models ---


def fields_of_codec(codec: Codec[Any]) -> Fields:
    """The forms of the fields of a class of documents; of all classes of its family."""
    key = "ndb", len(_family(codec))
    known: Fields | None = codec.outputs.get(key)
    if known is None:
        records = [codec.shape, *(codec.of(cls).shape for cls in _family(codec))]
        known = codec.outputs[key] = fields_of_records(records)
    return known


def own_fields_of_codec(codec: Codec[Any]) -> Fields:
    """The forms of the fields of a class of documents alone."""
    known: Fields | None = codec.outputs.get("ndb")
    if known is None:
        known = codec.outputs["ndb"] = fields_of_records((codec.shape,))
    return known


def fields_finder(codec: Codec[Any]) -> Callable[[Mapping[str, Any]], Fields]:
    """A function from the properties of an entity to the forms of the fields of its class."""
    family = codec.family
    if family is None:
        fields = own_fields_of_codec(codec)
        return lambda _: fields

    def find(properties: Mapping[str, Any]) -> Fields:
        value = properties.get(family.field)
        tag: Any = None
        if value is not None:
            elements = tuple(element.string_value for element in value.array_value.values)
            tag = elements or value.string_value
        cls = family.class_of(tag)
        return own_fields_of_codec(codec if cls is None else codec.of(cls))

    return find


def _family(codec: Codec[Any]) -> tuple[type[Any], ...]:
    return () if codec.family is None else tuple(codec.family.classes_of(codec.model).values())


def fields_of_records(records: Iterable[Record]) -> Fields:
    """The forms of the fields of some records; the first that declares a name counts."""
    found: dict[str, Form] = {}
    for record in records:
        infos: Mapping[str, Any] = getattr(record.python, "__cendry_fields__", {})
        for field in record.fields:
            hints = _hints(record.python, field.name, infos.get(field.name))
            form = form_of(field.shape, hints, required=field.required)
            for name in (field.stored, *field.also):
                found.setdefault(name, form)
    return Fields(found)


def _hints(python: type[Any], name: str, info: Any) -> frozenset[str]:
    given = None if info is None else info.metadata.get("ndb")
    if given is None:
        return _NO_HINTS
    hints = frozenset(given.split() if isinstance(given, str) else given)
    if not hints <= _HINTS:
        raise CendryError(
            f"The metadata of {python.__qualname__}.{name} has ndb={given!r}; what ndb stores in a form that the "
            "annotation doesn't show is 'compressed', 'local' (a LocalStructuredProperty) or 'json', or several of "
            "them with spaces between them."
        )
    return hints


def form_of(shape: Shape, hints: frozenset[str] = _NO_HINTS, *, required: bool = False) -> Form:
    """The form of values of a shape."""
    found = bare(shape)
    repeated = isinstance(found, Array)
    if isinstance(found, Array):
        found = bare(found.item)
    records: tuple[Record, ...] = ()
    members: tuple[Shape, ...] = tuple(map(bare, found.members)) if isinstance(found, OneOf) else (found,)
    for member in members:
        if isinstance(member, Record):
            records += (member,)
        elif isinstance(member, Tagged):
            records += member.records
    return Form(
        "map" if records else _kind(found, members), repeated=repeated, hints=hints, required=required, records=records
    )


def _kind(shape: Shape, members: tuple[Shape, ...]) -> FormKind:
    if any(isinstance(member, Dict) for member in members):
        return "dict"
    if isinstance(shape, (Anything, Handled, AsIs)):
        return "any"
    kinds = kinds_of(shape) or ()
    if "bytes" in kinds:
        return "bytes"
    return "text" if "str" in kinds else "other"


def fields_of_columns(columns: Iterable[ResolvedField]) -> Fields:
    """The forms of the fields of a projection, and of the maps around them."""
    return _below([(column.path.segments, column.shape) for column in columns])


def _below(columns: list[tuple[tuple[str, ...], Shape]]) -> Fields:
    found: dict[str, Form] = {}
    deeper: dict[str, list[tuple[tuple[str, ...], Shape]]] = {}
    for (name, *rest), shape in columns:
        if rest:
            deeper.setdefault(name, []).append((tuple(rest), shape))
        else:
            found[name] = form_of(shape)
    for name, inner in deeper.items():
        if name not in found:
            found[name] = Form("map", fields=_below(inner))
    return Fields(found)
