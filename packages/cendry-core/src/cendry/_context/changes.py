"""The changes of `update` as a mask, data and transforms, and their effect on an instance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from copy import copy
from dataclasses import MISSING
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar, cast

from .._changes import FieldChange
from .._interop.google import class_of, from_sdk_change
from .._model.metadata import ref_of
from .._model.model import Model, is_frozen
from .._pydantic.patch import is_patch, named_changes
from .._query.cursors import value_at
from .._query.fields import Changes, FieldKey, is_iterable, resolve_key
from .._types.foreign import can_refuse
from .._types.shapes import Anything, AsIs, Dict, Handled, Record, Shape, describe, union_of
from ..codec import Codec, ResolvedField, codec_for
from ..codec.change_writer import without_changes
from ..codec.compiler import unreadable
from ..codec.resolve import alternatives, text_of
from ..errors import CendryError, DecodeError, InvalidValueError
from ..paths import DOCUMENT_ID, FieldPath
from ..plan import FieldTransform, overlap, put_at
from ..values import DELETE_FIELD, ArrayRemove, ArrayUnion, Increment, Maximum, Minimum, is_transform

M = TypeVar("M", bound=Model)


ChangesArgument: TypeAlias = "Changes | Iterable[FieldChange]"
"""Changes as `defaults=` takes them."""

Names: TypeAlias = "tuple[str, ...]"


class Masked:
    """The stored form of some changes.

    Attributes:
        data: The new values, nested as they are stored.
        paths: The fields that are written or removed.
        transforms: The changes that the server computes.
        values: The values of instances after the commit: new values by Python names.
        removed: The fields of `paths` that are removed.
    """

    __slots__ = ("data", "paths", "removed", "transforms", "values")

    def __init__(self) -> None:
        # Not a dataclass: default factories with types are slow, and updates are a hot path.
        self.data: dict[str, Any] = {}
        self.paths: dict[FieldPath, str] = {}
        self.transforms: dict[FieldPath, FieldTransform] = {}
        self.values: list[tuple[Names, Any]] = []
        self.removed: set[FieldPath] = set()

    def put(self, path: FieldPath, text: str, stored: Any) -> None:
        """Write one field."""
        self.paths[path] = text
        put_at(self.data, path.segments, stored)

    def touches(self, path: FieldPath) -> bool:
        """Whether a field, a part of it or a field that contains it is changed."""
        known = [*self.paths, *self.transforms]
        return any(one.is_prefix_of(path) or path.is_prefix_of(one) for one in known)


def masked(codec: Codec[Any], changes: Iterable[tuple[Any, Any]], what: str, known: Model | None) -> Masked:
    """The stored form of the changes passed to `update` or `merge`.

    Args:
        codec: The codec of the model.
        changes: Fields and their new values.
        what: The method.
        known: The instance, if the maps around the fields must be there.

    Raises:
        UnknownFieldError: A name is not declared.
        InvalidValueError: A value doesn't fit its field.
        CendryError: Two changes overlap, or a map is known to be `None`.
    """
    model = codec.model
    fields: list[tuple[ResolvedField, str, Any]] = []
    named: dict[FieldPath, str] = {}
    tag_field = None if codec.family is None else codec.family.field
    for key, value in changes:
        if tag_field is not None and isinstance(key, str) and key == tag_field:
            raise _tag_change(model, tag_field, what)
        into = resolve_key(codec, key, what)
        if tag_field is not None and into.path.segments[0] == tag_field:
            raise _tag_change(model, tag_field, what)
        text = into.text
        if into.path == DOCUMENT_ID:
            raise CendryError(
                f"The id of a document can't be updated; save() this {model.__qualname__} under another id."
            )
        if into.is_tag:
            around = text_of(into.names[:-1])
            raise CendryError(
                f"{text!r} tells which class {around!r} holds in this {model.__qualname__}, so it can't be written "
                f"alone; set {around!r} as a whole."
            )
        if known is not None and len(into.names) > 1:
            into = _chosen(codec, known, into)
        if into.guard is not None:
            name = into.guard.__qualname__
            raise InvalidValueError(
                model.__qualname__, text, f"a whole {name}, which validates its own values", "a part of it"
            )
        if into.path in named:
            raise CendryError(f"The {what} of {model.__qualname__} names {text!r} twice.")
        named[into.path] = text
        fields.append((into, text, from_sdk_change(value)))
    if len(named) > 1:
        _refuse_overlaps(model, named, what)
    found = Masked()
    for into, text, value in fields:
        if value is DELETE_FIELD:
            found.paths[into.path] = text
            found.removed.add(into.path)
            _forget(found, model, into, text)
        elif value is None and into.field is not None and into.field.omits_none:
            found.paths[into.path] = text
            found.removed.add(into.path)
            found.values.append((into.names, None))
        elif is_transform(value):
            found.transforms[into.path] = _transform(into, value)
        else:
            _write(found, into, text, value)
    return found


def _tag_change(model: type[Model], field: str, what: str) -> CendryError:
    return CendryError(
        f"The {what} of {model.__qualname__} names {field!r}, which holds the document's tag and can't be changed; "
        "save() an instance of the other class instead."
    )


# As any classes, since a checker can't know their elements.
_OF_ELEMENTS: Final = cast("tuple[type[Any], ...]", (list, tuple, set, frozenset, ArrayUnion, ArrayRemove))


def _referenced(value: Any) -> Any:
    """A value with references in the place of instances, in a collection too; the same object if there are none."""
    if isinstance(value, Model):
        return ref_of(value)
    if not isinstance(value, _OF_ELEMENTS):
        return value
    elements = value.values if isinstance(value, (ArrayUnion, ArrayRemove)) else value
    if not any(isinstance(each, Model) for each in elements):
        return value
    return type(value)(ref_of(each) if isinstance(each, Model) else each for each in elements)


def check_complete(codec: Codec[Any], found: Masked) -> None:
    """Check that a document that is created from these changes alone can be read.

    Raises:
        CendryError: Required fields are missing.
    """
    tree: dict[str, Any] = {}
    for path in sorted({*found.paths, *found.transforms} - found.removed, key=len):
        inner = tree
        for segment in path.segments[:-1]:
            inner = inner.setdefault(segment, {})
            if inner is None:  # A field around it is written as a whole.
                break
        else:
            inner[path.segments[-1]] = None
    missing = _missing(codec.shape, tree, ())
    if missing:
        names = " and ".join(repr(text_of(each)) for each in missing)
        # A tag is never written alone.
        wholes = [text_of(each[:-1]) for each in missing if codec.resolve(each).is_tag]
        advice = f"set {' and '.join(map(repr, wholes))} as a whole" if wholes else "name that too"
        raise CendryError(
            f"A merge can create the document, and this one would leave a {codec.model.__qualname__} without {names}, "
            f"which can't be read; {advice}, or use update() if the document has to exist."
        )


def _missing(shape: Shape, tree: Mapping[str, Any], outer: Names) -> list[Names]:
    """The required fields that are not among those that are written, by Python names."""
    found: list[list[Names]] = []
    union = union_of(shape)
    for each in alternatives(shape):
        missing: list[Names] = []
        if isinstance(each, Record):
            for declared in each.fields:
                names = (*outer, declared.name)
                if declared.stored not in tree:
                    # A tag has to be there, and is never written alone.
                    if declared.required or (union is not None and declared.name == union.name):
                        missing.append(names)
                elif tree[declared.stored] is not None:
                    missing += _missing(declared.shape, tree[declared.stored], names)
        elif isinstance(each, Dict):
            for key, inner in tree.items():
                if inner is not None:
                    missing += _missing(each.value, inner, (*outer, key))
        elif not isinstance(each, (Anything, Handled, AsIs)):
            continue
        found.append(missing)
    return min(found, key=len)


def _write(found: Masked, into: ResolvedField, text: str, value: Any) -> None:
    try:
        stored = into.encode_new(value)
    except InvalidValueError:
        referenced = _referenced(value)
        if referenced is not value:
            _write(found, into, text, referenced)
            return
        # Checking for transforms is only needed if a value doesn't fit.
        marked = into.encode_changes(value)
        if marked is None:
            raise
        found.paths[into.path] = text
        transforms: list[FieldTransform] = []
        plain = without_changes(marked, transforms, into.path.segments)
        if plain:
            put_at(found.data, into.path.segments, plain)
        found.transforms.update((one.path, one) for one in transforms)
        return
    found.put(into.path, text, stored)
    if into.names:
        try:
            found.values.append((into.names, into.decode(stored)))
        except DecodeError as error:
            raise unreadable(error) from error.__cause__


def _transform(into: ResolvedField, value: Any) -> FieldTransform:
    if isinstance(value, (Increment, Maximum, Minimum)):
        # The common case, by compiled code.
        try:
            if into.encode(value.value) is value.value:
                return FieldTransform(into.path, value)
        except InvalidValueError:
            pass  # What is wrong is explained below.
    stored = into.encode_changes(_referenced(value))
    if isinstance(stored, ArrayUnion) and can_refuse(into.shape):
        _read_back(into, list(stored.values))
    return FieldTransform(into.path, stored)


def _read_back(into: ResolvedField, stored: Any) -> Any:
    try:
        return into.decode(stored)
    except DecodeError as error:
        raise unreadable(error) from error.__cause__


def current_values(instance: Model, fields: object) -> list[tuple[FieldKey, Any]]:
    """The current values of an instance, for `update(x, fields=[...])`.

    Raises:
        UnknownFieldError: A name is not declared.
        CendryError: The instance has no such value.
    """
    if isinstance(fields, (str, FieldPath)) or not is_iterable(fields):
        raise TypeError(f"fields= takes a list of fields, not {fields!r}.")
    codec = codec_for(type(instance))
    return [(one, value_at(instance, resolve_key(codec, one, "fields="))) for one in fields]


def _check_maps(codec: Codec[Any], instance: Model, into: ResolvedField) -> None:
    """Check that the maps around a field of an update are there, as far as the instance knows.

    Raises:
        CendryError: A map is `None` or absent; the update would leave one without its other fields.
    """
    value: Any = instance
    for depth, name in enumerate(into.names[:-1], 1):
        value = _inner(value, name)
        if value is None:
            around = codec.resolve(into.key[:depth])
            if any(isinstance(shape, Record) for shape in alternatives(around.shape)):
                raise CendryError(
                    f"{around.text!r} is None in this {type(instance).__qualname__} (id {instance.id!r}): writing "
                    f"{into.text!r} alone would leave a map without its other fields; set the whole map."
                )


def _chosen(codec: Codec[Any], instance: Model, into: ResolvedField) -> ResolvedField:
    """The field of an update in the classes that the instance has in unions around it.

    Raises:
        CendryError: These classes lack the field; or a map around it is `None` or absent.
    """
    found = into.chosen(instance)
    if found is None:
        names, owners, held = into.lacking(instance)
        around = text_of(names)
        if held is not None:
            raise CendryError(
                f"{into.text!r} is a field of {owners}, and {around!r} of this {type(instance).__qualname__} (id "
                f"{instance.id!r}) holds a {class_of(held).__qualname__}; set {around!r} as a whole."
            )
    _check_maps(codec, instance, into)
    return into if found is None else found


class Pairs(list["tuple[Any, Any]"]):
    """Fields and their values, in order; changes like any other."""

    __slots__ = ()

    def items(self) -> list[tuple[Any, Any]]:
        return self


def items_of(changes: object, what: str) -> Pairs:
    """Fields and their values, in the order given; empty for `None`.

    Raises:
        TypeError: It is neither a mapping nor a sequence of typed changes.
    """
    if changes is None:
        return Pairs()
    if is_patch(changes):
        return Pairs(named_changes(changes))
    if not isinstance(changes, type) and callable(getattr(changes, "items", None)):
        return Pairs(cast("Changes", changes).items())
    if isinstance(changes, FieldChange):
        return Pairs([(changes.field, changes.value)])
    if is_iterable(changes) and not isinstance(changes, (str, bytes)):
        several = list(changes)
        if all(isinstance(each, FieldChange) for each in several):
            return Pairs((each.field, each.value) for each in several)
    raise TypeError(f"{what} as a dict ({{City.name: 'x'}}) or typed (City.name.set('x')), not {_kind(changes)}.")


class New(NamedTuple):
    """The values of a new document, and the argument that has them."""

    values: Pairs
    argument: str


def put_items(defaults: object, create_defaults: object) -> tuple[Pairs, New]:
    """The changes of `update_or_create`, and the values of a new document.

    Raises:
        TypeError: One is neither a mapping nor a sequence of typed changes.
    """
    changes = items_of(defaults, "defaults= takes values")
    if create_defaults is None:
        return changes, New(changes, "defaults")
    return changes, New(items_of(create_defaults, "create_defaults= takes values"), "create_defaults")


def changes_of(given: tuple[Any, ...], what: str) -> Pairs:
    """Fields and their values, from the arguments of `update` and `merge`: one mapping, or typed changes.

    Raises:
        TypeError: They are something else.
    """
    if len(given) == 1 and class_of(given[0]) is dict:
        # The common case, without what others need: updates are a hot path.
        return Pairs(given[0].items())
    if len(given) > 1 and not all(isinstance(each, FieldChange) for each in given):
        raise TypeError(
            f"{what}() takes an instance and changes, or a class, an id and changes; several changes are one dict, "
            "or typed (City.name.set('x'))."
        )
    return items_of(given[0] if len(given) == 1 else given, f"{what}() takes changes")


def _kind(changes: object) -> str:
    # Without the values, which a model may hide.
    return f"a {class_of(changes).__name__}" if isinstance(changes, (list, tuple, set)) else repr(changes)


def built(model: type[M], document_id: str, values: Pairs, what: str) -> M:
    """A new instance from top-level fields by name or descriptor.

    Raises:
        UnknownFieldError: A name is not declared.
        CendryError: A key is not a field of the model itself, or a value is only for updates.
    """
    codec = codec_for(model)
    arguments: dict[str, Any] = {}
    for key, given in values:
        value = _referenced(from_sdk_change(given))
        field = resolve_key(codec, key, what)
        if len(field.names) != 1 or field.path == DOCUMENT_ID:
            raise CendryError(
                f"{field.text!r} can't be in {what} for a new {model.__qualname__}: use whole top-level "
                "fields, and pass the values of a new document to update_or_create() as create_defaults=."
            )
        if is_transform(value) or value is DELETE_FIELD:
            shown = type(value).__name__ if field.hidden else repr(value)
            raise CendryError(
                f"{shown} changes what is stored, and a new {model.__qualname__} has nothing stored: "
                "pass the values of a new document to update_or_create() as create_defaults=."
            )
        if field.names[0] in arguments:
            raise CendryError(f"{what}= for {model.__qualname__} names {field.text!r} twice.")
        arguments[field.names[0]] = value
    return model(id=document_id, **arguments)


def _refuse_overlaps(model: type[Any], named: Mapping[FieldPath, str], what: str) -> None:
    nested = overlap(named)
    if nested is not None:
        outer, inner = nested
        raise CendryError(
            f"The {what} of {model.__qualname__} names {named[outer]!r} and {named[inner]!r}, which is inside it; "
            "name only one of them."
        )


def _forget(found: Masked, model: type[Any], into: ResolvedField, text: str) -> None:
    """Remove a field; an absent field is read as its default, so a field without a default can't be removed."""
    if not into.names:
        return
    declared = into.field
    if declared is None:
        # A key of a dict is simply removed.
        found.values.append((into.names, MISSING))
        return
    if declared.required:
        expected = f"{describe(into.shape)} (the field is required)"
        raise InvalidValueError(model.__qualname__, text, expected, "DELETE_FIELD")
    found.values.append((into.names, into.absent()))


def show(instance: Model, values: Iterable[tuple[Names, Any]]) -> None:
    """Update an instance with the written values; those that it can't hold are left to `refresh`."""
    for names, value in values:
        if len(names) == 1:
            object.__setattr__(instance, names[0], value)
        else:
            if value is not MISSING:
                _open_dicts(instance, names)
            part = getattr(instance, names[0], None)
            changed = _changed(part, names[1:], value)
            if changed is not part:
                object.__setattr__(instance, names[0], changed)


def _changed(holder: Any, names: Names, value: Any, *, is_shared: bool = False) -> Any:
    """A part of an instance after a change: the same object, or a copy of one that is frozen or inside a frozen one."""
    name, *inner = names
    is_dict = isinstance(holder, dict)
    is_shared = is_shared or is_frozen(holder)
    if inner:
        part = cast("Any", holder).get(name) if is_dict else getattr(holder, name, None)
        if part is None:
            return holder
        value = _changed(part, tuple(inner), value, is_shared=is_shared)
    changed = copy(holder) if is_shared else holder
    if is_dict and value is MISSING:
        changed.pop(name, None)
    elif is_dict:
        changed[name] = value
    elif holder is not None and value is not MISSING:
        # Some classes of other libraries allow no changes at all.
        with suppress(AttributeError, TypeError):
            object.__setattr__(changed, name, value)
    return changed


def _open_dicts(instance: Model, names: Names) -> None:
    """Make the dicts around a key that was written, if the instance lacks them; what is frozen is left as it is."""
    holder: Any = instance
    for depth, name in enumerate(names[:-1], 1):
        inner = _inner(holder, name)
        if is_frozen(holder) or (inner is None and not _are_dicts(instance, names, depth)):
            return
        if inner is None:
            made: dict[str, Any] = {}
            inner = made
            if isinstance(holder, dict):
                holder[name] = inner
            else:
                object.__setattr__(holder, name, inner)
        holder = inner


def _inner(holder: Any, name: str) -> Any:
    if isinstance(holder, Mapping):
        return cast("Mapping[str, Any]", holder).get(name)
    return getattr(holder, name, None)


def _are_dicts(instance: Model, names: Names, depth: int) -> bool:
    """Whether a key was written to a dict that is absent, so that the dict, and those in it, are there now."""
    codec = codec_for(type(instance))
    return all(
        any(isinstance(each, (Anything, Dict)) for each in alternatives(codec.resolve(names[:until]).shape))
        for until in range(depth, len(names))
    )
