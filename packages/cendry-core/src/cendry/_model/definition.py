"""How a class statement becomes a model: annotations read, everything checked, a dataclass built; once per class."""

from __future__ import annotations

import dataclasses
import inspect
import keyword
import sys
import types
import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING
from datetime import date, time
from typing import Annotated, Any, Final, Union, cast, get_args, get_origin

from typing_extensions import get_original_bases

from .._frozen import class_name
from .._immutable import dataclass
from .._types.evolutions import MAX_VERSION, VERSION_FIELD, Evolution
from .._types.families import Family
from .._types.foreign import style_of, substitute
from .._types.hints import shape_of
from .._types.registry import TypeRegistry
from .._types.rules import Dimension, rules_in
from .._types.shapes import (
    UNTAGGED,
    Anything,
    AsIs,
    Converted,
    EnumMember,
    Handled,
    Record,
    Scalar,
    Shape,
    TagValue,
    bare,
    children,
    type_name,
)
from ..errors import InvalidDocumentIdError, near_names
from ..paths import check_collection_id, check_field_name, exact_text, shortened
from ..plan import shown_int
from ..values import MAX_DIMENSIONS
from .annotations import (
    NOT_YET,
    Declaration,
    Scope,
    Unresolved,
    declares_field,
    own_annotations,
    read_declaration,
    remember_class,
)
from .descriptor import new_descriptor
from .fields import EnumBy, Field, FieldDescriptor, FieldInfo, FieldOptions

DATACLASS_OPTIONS: Final[Mapping[str, bool]] = types.MappingProxyType(
    {"frozen": False, "eq": True, "order": False, "unsafe_hash": False, "repr": True}
)
"""The class keywords that `dataclasses.dataclass` takes, and their defaults."""

_EXTRA: Final = ("ignore", "forbid", "keep")
_ENUM_BY: Final = ("value", "name")
_MAX_TAG_BYTES: Final = 1500
"""Longer text is not indexed as a whole (https://firebase.google.com/docs/firestore/quotas#indexes)."""

_AUTOMATIC_TYPES: Final = (Scalar("timestamp"), Converted("timestamp", date), Converted("timestamp", time))

_VERSION_KEYWORDS: Final = ("version", "version_field", "oldest")

_pending: Final[weakref.WeakSet[type[Any]]] = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class Keywords:
    """The class keywords as given; `None` for those left out."""

    collection: str | None
    parent: Any
    extra: str | None
    abstract: bool
    type_registry: object
    omit_none: bool | None
    tag_field: str | None
    tag: Any
    version: Any
    version_field: Any
    oldest: Any
    dataclass_options: Mapping[str, bool | None]


class LazyFields(Mapping[str, FieldInfo]):
    """The fields of a class with annotations that can't be evaluated yet: evaluated when one is accessed."""

    __slots__ = ("_cls", "infos")

    def __init__(self, cls: type[Any], infos: Mapping[str, FieldInfo]) -> None:
        self._cls = cls
        self.infos = infos

    def __getitem__(self, name: str) -> FieldInfo:
        return resolve_fields(self._cls)[name]

    def __contains__(self, name: object) -> bool:
        return name in self.infos

    def __iter__(self) -> Iterator[str]:
        return iter(self.infos)

    def __len__(self) -> int:
        return len(self.infos)


class _Shadow:
    """Returns `City.name` where Python would find something else: a method of a base or of the metaclass."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: Any) -> Any:
        if instance is None:
            return owner._cendry_descriptors[self._name]
        raise AttributeError(f"{owner.__name__!r} object has no attribute {self._name!r}")


def define(cls: Any, keywords: Keywords) -> None:
    """Turn a class that was just created into a model or a map.

    Raises:
        TypeError: Something in it is not valid; the message names the class, the field and the type.
    """
    _check_bases(cls)
    if "model" in [base.__dict__.get("__cendry_kind__") for base in cls.__mro__]:
        # Set again, since a Map before the Model among the bases would make it a map.
        cls.__cendry_kind__ = "model"
    _read_keywords(cls, keywords)
    own = _own_fields(cls)
    infos = {**_inherited_fields(cls), **own}
    cls._cendry_own = frozenset((*own, "id") if cls.__cendry_kind__ == "model" else own)
    _check_names(cls, infos)
    family: Family | None = cls.__cendry_family__
    if family is not None:
        _check_beside_tag(cls, infos, family.field)
    evolution: Evolution | None = cls.__cendry_evolution__
    if evolution is not None:
        _check_beside_version(cls, infos, evolution)
    if inspect.iscoroutinefunction(cls.__dict__.get("__validate__")):
        raise _fault(cls, None, "__validate__ is not awaited; define it without async")
    _build_dataclass(cls, own, keywords)
    for name, info in infos.items():
        if cls._cendry_options["frozen"] and (info.auto_now or info.auto_now_add):
            option = "auto_now" if info.auto_now else "auto_now_add"
            raise _fault(cls, name, f"{option}= sets the field on write, but {class_name(cls)} is frozen")
    _uncover(cls, infos)
    descriptors: dict[str, FieldDescriptor[Any]] = {
        name: new_descriptor(
            cls,
            name,
            info.alias,
            may_be_map=_may_be_map(info.annotation),
            hidden=not info.repr,
            omits_none=cls.__cendry_omit_none__,
        )
        for name, info in infos.items()
    }
    cls._cendry_descriptors = descriptors
    if cls.__cendry_kind__ == "model":
        descriptors["id"] = FieldDescriptor(cls, "id", "__name__")
    if any(isinstance(info.annotation, Unresolved) for info in infos.values()):
        cls.__cendry_fields__ = LazyFields(cls, types.MappingProxyType(infos))
        _pending.add(cls)
    else:
        cls.__cendry_fields__ = types.MappingProxyType(infos)
    for info in infos.values():
        if not isinstance(info.annotation, Unresolved) and not _is_checked(cls, info):
            _check_type(cls, info)
    if family is not None and cls.__cendry_tag__ not in (None, UNTAGGED):
        try:
            family.add(cls, cast("TagValue", cls.__cendry_tag__))
        except ValueError as error:
            raise _fault(cls, None, error) from None
    remember_class(cls)


def resolve(*models: type[Any]) -> None:
    """Evaluate annotations with names that were not defined yet. This also happens automatically at first use.

    Args:
        models: The classes; by default, all that were defined so far.

    Raises:
        TypeError: A name is still not defined, or Firestore can't store the type.
    """
    for cls in models or tuple(_pending):
        resolve_fields(cls)


def resolve_fields(cls: Any) -> Mapping[str, FieldInfo]:
    """The fields of a class by Python name, with all annotations evaluated; without `id`, fields of bases first.

    Raises:
        TypeError: It is not a model class, a name is still not defined, or Firestore can't store a type.
    """
    fields = getattr(cls, "__cendry_fields__", None)
    if fields is None:
        raise TypeError(f"{cls!r} is neither a Model nor a Map.")
    if not isinstance(fields, LazyFields):
        return cast("Mapping[str, FieldInfo]", fields)
    found: dict[str, FieldInfo] = {}
    for name, info in fields.infos.items():
        if isinstance(info.annotation, Unresolved):
            info = dataclasses.replace(info, annotation=_resolve(cls, info))
            _check_type(cls, info)
            _tell_dataclass(cls, info)
        found[name] = info
    resolved = types.MappingProxyType(found)
    cls.__cendry_fields__ = resolved
    _pending.discard(cls)
    return resolved


def _resolve(cls: Any, info: FieldInfo) -> Any:
    try:
        return info.annotation.resolve()
    except NOT_YET as error:
        advice = "Define or import it where the class is; names imported only under TYPE_CHECKING can't be found"
        raise _fault(cls, info.name, f"{error}. {advice}") from error
    except Exception as error:  # Evaluating user code can raise anything.
        raise _fault(cls, info.name, str(error).rstrip(".")) from error


def _tell_dataclass(cls: Any, info: FieldInfo) -> None:
    if info.name in cls._cendry_own:
        cls.__dataclass_fields__[info.name].type = cls.__annotations__[info.name] = info.annotation
        written: dict[str, Any] = getattr(cls.__init__, "__annotations__", {})
        if info.name in written:
            written[info.name] = info.annotation


def _fault(cls: type[Any], name: str | None, what: object) -> TypeError:
    return TypeError(f"{class_name(cls)}{'' if name is None else '.' + name}: {what}.")


# Bases and keywords


def _is_record(cls: type[Any]) -> bool:
    return hasattr(cls, "__cendry_kind__")


def _check_bases(cls: type[Any]) -> None:
    for base in cls.__mro__[1:]:
        if _is_record(base) or base is object:
            continue
        if "__dataclass_fields__" in base.__dict__:
            raise _fault(
                cls, None, f"{class_name(base)} is a dataclass; to contribute fields to a model, it must be a Map"
            )
        for name, annotation in own_annotations(base).items():
            if declares_field(annotation, Field, Scope(base, frozenset())):
                raise _fault(
                    cls,
                    name,
                    f"it is declared by {class_name(base)}, which is neither a Map nor a Model; make it a Map",
                )


def _read_keywords(cls: Any, keywords: Keywords) -> None:
    if keywords.extra is not None:
        if keywords.extra not in _EXTRA:
            raise _fault(cls, None, f"extra= must be 'ignore', 'forbid' or 'keep', not {keywords.extra!r}")
        cls.__cendry_extra__ = exact_text(keywords.extra)
        cls.__cendry_ignores__ = keywords.extra == "ignore"
    if keywords.omit_none is not None:
        cls.__cendry_omit_none__ = keywords.omit_none
    registry = keywords.type_registry
    if registry is not None:
        if not isinstance(registry, TypeRegistry):
            raise _fault(cls, None, f"type_registry= takes a TypeRegistry, not {registry!r}")
        registry.serve_classes()
        cls.__cendry_registry__ = registry
    collection, parent = keywords.collection, keywords.parent
    if cls.__cendry_kind__ == "map":
        if collection is not None or parent is not None or keywords.abstract:
            raise _fault(cls, None, "a Map is stored inside documents: it takes no collection=, parent= or abstract=")
        if keywords.tag_field is not None or keywords.tag is not UNTAGGED:
            raise _fault(cls, None, "a Map is stored inside documents: tag_field= and tag= are for Models")
        for name in _VERSION_KEYWORDS:
            if getattr(keywords, name) is not None:
                raise _fault(cls, None, f"a Map is stored inside documents: {name}= is for Models")
        return
    family = _family_above(cls, keywords)
    if keywords.abstract and collection is not None:
        raise _fault(
            cls, None, f"an abstract Model has no collection: leave out abstract=True or collection={collection!r}"
        )
    if family is not None and not keywords.abstract:
        collection = cast("Any", family.root).__collection__
    elif not keywords.abstract:
        if collection is None:
            raise _fault(
                cls,
                None,
                'a Model needs collection="...", which is never guessed, or abstract=True if it is only a base class',
            )
        try:
            collection = check_collection_id(collection)
        except InvalidDocumentIdError as error:
            raise _fault(cls, None, str(error).rstrip(".")) from error
    cls.__collection__ = collection
    if parent is not None:
        if getattr(parent, "__cendry_kind__", None) != "model" or parent.__collection__ is None:
            raise _fault(
                cls, None, f"parent= takes the Model of the parent documents, with a collection, not {parent!r}"
            )
        cls.__parent__ = parent
    _read_tag(cls, keywords, family)
    _read_version(cls, keywords, family)


def _family_above(cls: Any, keywords: Keywords) -> Family | None:
    """The family of the bases; a class that belongs to one takes its collection from there."""
    families = {base.__dict__.get("__cendry_family__"): base for base in cls.__mro__[1:]}
    families.pop(None, None)
    if len(families) > 1:
        names = " and ".join(sorted(class_name(each.root) for each in families))
        raise _fault(cls, None, f"its bases belong to two collections, those of {names}")
    if not families:
        return None
    family: Family = families.popitem()[0]
    root = cast("Any", family.root)
    for name in ("collection", "parent", "tag_field", *_VERSION_KEYWORDS):
        if getattr(keywords, name) is not None:
            where = f"it is a subclass of {class_name(root)}, and its documents are in {root.__collection__!r} too"
            raise _fault(cls, None, f"{where}; leave out {name}=")
    return family


def _read_tag(cls: Any, keywords: Keywords, family: Family | None) -> None:
    field, tag = keywords.tag_field, keywords.tag
    if family is None and field is None:
        if tag is not UNTAGGED:
            advice = f'write tag_field="type" on the base, or here: class {class_name(cls)}(..., tag_field="type")'
            raise _fault(cls, None, f"tag={tag!r} needs the name under which tags are stored; {advice}")
        return
    if keywords.abstract and (field is not None or tag is not UNTAGGED):
        given = "tag_field=" if field is not None else "tag="
        raise _fault(cls, None, f"an abstract Model has no documents to tell apart; leave out abstract=True or {given}")
    if field is not None:
        cls.__cendry_family__ = Family(cls, _checked_tag_field(cls, field))
    elif tag is None:
        root = class_name(cast("Family", family).root)
        raise _fault(cls, None, f"tag=None is for {root}, the class with tag_field=; here, leave out tag=")
    cls.__cendry_tag__ = tag if tag is UNTAGGED or tag is None else _checked_tag(cls, tag)


def _checked_tag_field(cls: Any, given: Any) -> str:
    field = exact_text(given)
    reason = check_field_name(field)
    if reason is None and field.startswith("_cendry"):
        reason = "names that start with _cendry are reserved"
    if reason is None and field == "id":
        reason = "that is the document's id; store tags under another name"
    if reason is not None:
        raise _fault(cls, None, f"tag_field={given!r} is not valid: {reason}")
    return cast("str", field)


def _checked_tag(cls: Any, given: Any) -> TagValue:
    is_array = isinstance(given, tuple)
    parts: tuple[Any, ...] = tuple(map(exact_text, cast("Any", given) if is_array else (given,)))
    for part in parts:
        if type(part) is not str:
            raise _fault(cls, None, f"tag= takes a str or a tuple of str, not {given!r}")
        if not part or part != part.encode(errors="replace").decode() or len(part.encode()) > _MAX_TAG_BYTES:
            raise _fault(cls, None, f"tag= takes text of 1 to {_MAX_TAG_BYTES} bytes, not {given!r:.100}")
    if not parts:
        raise _fault(cls, None, "tag= takes a str or a tuple of str, and this tuple is empty")
    return parts if is_array else cast("str", parts[0])


def _read_version(cls: Any, keywords: Keywords, family: Family | None) -> None:
    if keywords.version is None:
        for name in ("version_field", "oldest"):
            if getattr(keywords, name) is not None:
                raise _fault(cls, None, f"{name}= is for a class with version=, which has to be beside it")
        _check_inherited_versions(cls, family)
        return
    version = _checked_version(cls, "version", keywords.version, MAX_VERSION)
    oldest = None if keywords.oldest is None else _checked_version(cls, "oldest", keywords.oldest, version)
    field = VERSION_FIELD if keywords.version_field is None else _checked_version_field(cls, keywords.version_field)
    cls.__cendry_evolution__ = Evolution(cls, version, field, oldest)


def _checked_version(cls: Any, keyword: str, given: Any, most: int) -> int:
    if type(given) is not int:
        raise _fault(cls, None, f"{keyword}= takes an int of at least 1, not {shortened(given)}")
    if given < 1:
        raise _fault(cls, None, f"{keyword}= takes an int of at least 1, not {shown_int(given)}")
    if given > most:
        limit = f"version={most}" if keyword == "oldest" else f"the largest int that Firestore stores, {most}"
        raise _fault(cls, None, f"{keyword}={shown_int(given)} is more than {limit}")
    return given


def _checked_version_field(cls: Any, given: Any) -> str:
    field = exact_text(given)
    reason = check_field_name(field)
    if reason is None and field.startswith("_cendry") and field != VERSION_FIELD:
        reason = "names that start with _cendry are reserved"
    if reason is None and field == "id":
        reason = "that is the document's id; store versions under another name"
    if reason is not None:
        raise _fault(cls, None, f"version_field={shortened(given)} is not valid: {reason}")
    return cast("str", field)


def _check_inherited_versions(cls: Any, family: Family | None) -> None:
    """Check that a class without a version of its own inherits no more than one: with tags, that of its collection."""
    if family is not None and cls.__cendry_evolution__ is not (expected := family.root.__cendry_evolution__):
        root, owner = class_name(family.root), class_name(cls.__cendry_evolution__.owner)
        what = "no versions" if expected is None else "other versions"
        raise _fault(cls, None, f"{owner}, one of its bases, has version=, and documents of {root} have {what}")
    found: list[Evolution | None] = [base.__cendry_evolution__ for base in cls.__bases__ if _is_record(base)]
    known = [each for each in dict.fromkeys(found) if each is not None]
    for one in known:
        for other in known:
            if not (issubclass(one.owner, other.owner) or issubclass(other.owner, one.owner)):
                names = f"{class_name(one.owner)} and {class_name(other.owner)}"
                raise _fault(cls, None, f"its bases have versions of their own, those of {names}; give it version=")


_FIXED: Final = ("init", "kw_only", "match_args", "weakref_slot")


def unknown_keyword(cls: type[Any], given: Iterable[str], known: Iterable[str]) -> TypeError:
    """The error for class keywords that neither models nor the other bases of a class take."""
    name = next(each for each in given)
    if name == "slots":
        return _fault(
            cls, None, "slots=True is not supported: instances keep what they know of their document in their __dict__"
        )
    if name in _FIXED:
        return _fault(cls, None, f"{name}= can't be changed: __init__ is generated and takes keyword arguments only")
    near = near_names(name, known, 1)
    hint = f"the nearest is {near[0]}=" if near else f"the keywords are {', '.join(f'{each}=' for each in known)}"
    return _fault(cls, None, f"there is no class keyword {name}=; {hint}")


# Fields


def _own_fields(cls: Any) -> dict[str, FieldInfo]:
    annotations = own_annotations(cls)
    scope = Scope(cls, frozenset(annotations))
    own: dict[str, FieldInfo] = {}
    for given, annotation in annotations.items():
        name = exact_text(given)
        try:
            declaration = read_declaration(annotation, Field, scope)
        except Exception as error:  # Evaluating user code can raise anything.
            raise _fault(cls, name, str(error).rstrip(".")) from error
        if declaration is not None:
            _check_name(cls, name)
            own[name] = _field_info(cls, name, declaration, cls.__dict__.get(name, MISSING))
    if cls.__cendry_kind__ == "model" and "id" in cls.__dict__:
        raise _fault(cls, "id", "every Model has an id of its own; rename the attribute")
    for name, value in cls.__dict__.items():
        if isinstance(value, FieldOptions) and name not in own:
            raise _fault(cls, name, "it has field() but no annotation; write name: Field[...] = field(...)")
    return own


def _check_name(cls: Any, name: str) -> None:
    if name == "id" and cls.__cendry_kind__ == "model":
        advice = "for a stored field of that name, write stored_id: Field[...] = field(alias='id')"
        raise _fault(cls, name, f"every Model has an id of its own; {advice}")
    if not name.isidentifier() or keyword.iskeyword(name):
        advice = f"give the field another name, with field(alias={name!r})"
        raise _fault(cls, name, f"the name is not a Python identifier, so {cls.__name__}(...) can't take it; {advice}")
    if name.startswith("_cendry") or (name.startswith("__") and name.endswith("__")):
        raise _fault(cls, name, "the name is reserved: fields can't have dunder names or names that start with _cendry")


def _field_info(cls: Any, name: str, declaration: Declaration, assigned: Any) -> FieldInfo:
    options = _merged_options(cls, name, declaration.extras, assigned)
    default, factory = options.default, options.default_factory
    if default is not MISSING and factory is not MISSING:
        raise _fault(cls, name, "it has both default= and default_factory=")
    if factory is not MISSING and not callable(factory):
        raise _fault(cls, name, f"default_factory= takes a function without arguments, not {factory!r}")
    if default is not MISSING and type(default).__hash__ is None:
        raise _fault(
            cls,
            name,
            f"its default, of type {type(default).__name__}, is mutable, and all instances would share it; "
            "use default_factory=",
        )
    if options.enum_by not in (None, *_ENUM_BY):
        raise _fault(cls, name, f"enum_by= must be 'value' or 'name', not {options.enum_by!r}")
    if options.auto_now or options.auto_now_add:
        if options.auto_now and options.auto_now_add:
            raise _fault(cls, name, "auto_now= includes auto_now_add=; use only one of them")
        if (default is not MISSING and default is not None) or factory is not MISSING:
            raise _fault(
                cls, name, "a field with auto_now= or auto_now_add= is None by default and can't have another default"
            )
        default = None
    if options.metadata is not None and not isinstance(cast("object", options.metadata), Mapping):
        raise _fault(cls, name, f"metadata= takes a mapping, not {options.metadata!r}")
    dimension: object = options.dimension
    if dimension is not None and (type(dimension) is not int or not 1 <= dimension <= MAX_DIMENSIONS):
        raise _fault(cls, name, f"dimension= takes an int from 1 to {MAX_DIMENSIONS}, not {dimension!r}")
    for option in ("index", "ttl"):
        if type(given := getattr(options, option)) is not bool:
            raise _fault(cls, name, f"{option}= takes True or False, not {given!r}")
    required = default is MISSING and factory is MISSING
    alias = name if options.alias is None else exact_text(options.alias)
    enum_by: EnumBy = exact_text(options.enum_by) or "value"
    automatic = (options.auto_now, options.auto_now_add)
    return FieldInfo(
        name,
        alias,
        _with_rules(cls, name, declaration, options.dimension),
        default,
        factory,
        enum_by,
        *automatic,
        required,
        registry=cls.__cendry_registry__,
        repr=options.repr,
        compare=options.compare,
        hash=options.hash,
        metadata=types.MappingProxyType(dict(options.metadata or {})),
        dimension=options.dimension,
        index=options.index,
        ttl=options.ttl,
    )


def _with_rules(cls: Any, name: str, declaration: Declaration, dimension: int | None) -> Any:
    """The type with the constraints that stand around `Field[...]`, as in `Annotated[Field[int], Gt(0)]`."""
    metadata = tuple(extra for extra in declaration.extras if not isinstance(extra, FieldOptions))
    if dimension is not None:
        metadata += (Dimension(dimension),)
    try:
        if not any(True for _ in rules_in(metadata)):
            return declaration.annotation
    except TypeError as error:
        raise _fault(cls, name, str(error).rstrip(".")) from error

    def annotated(found: Any) -> Any:
        arguments = (found, *metadata)
        return cast(Any, Annotated)[arguments]

    annotation = declaration.annotation
    return annotation.then(annotated) if isinstance(annotation, Unresolved) else annotated(annotation)


def _merged_options(cls: Any, name: str, extras: tuple[Any, ...], assigned: Any) -> FieldOptions:
    if isinstance(assigned, dataclasses.Field):
        raise _fault(cls, name, "use cendry.field(), not dataclasses.field()")
    if isinstance(assigned, types.MemberDescriptorType):
        raise _fault(cls, name, "__slots__ can't hold fields; remove it")
    if isinstance(assigned, FieldOptions):
        given = [assigned]
    else:
        given = [] if assigned is MISSING else [FieldOptions(default=assigned)]
    given += [extra for extra in extras if isinstance(extra, FieldOptions)]
    merged: dict[str, Any] = {}
    blank = FieldOptions()
    for options in given:
        for each in dataclasses.fields(FieldOptions):
            value = getattr(options, each.name)
            if value is not getattr(blank, each.name):
                if each.name in merged:
                    raise _fault(cls, name, f"{each.name}= is given twice, in the annotation and beside it")
                merged[each.name] = value
    return FieldOptions(**merged)


def _inherited_fields(cls: Any) -> dict[str, FieldInfo]:
    arguments: dict[Any, dict[Any, Any]] = {}
    for base in get_original_bases(cls):
        origin: Any = get_origin(base)
        if isinstance(origin, type) and _is_record(origin):
            arguments[origin] = dict(zip(cast(Any, origin).__parameters__, base.__args__, strict=False))
    found: dict[str, FieldInfo] = {}
    for base in reversed(cls.__mro__[1:]):
        known = arguments.get(base)
        found.update({name: _specialised(info, known) if known else info for name, info in _infos_of(base).items()})
    return found


def _infos_of(cls: type[Any]) -> Mapping[str, FieldInfo]:
    fields: Mapping[str, FieldInfo] = cls.__dict__.get("__cendry_fields__", {})
    return fields.infos if isinstance(fields, LazyFields) else fields


def _specialised(info: FieldInfo, arguments: dict[Any, Any]) -> FieldInfo:
    if isinstance(info.annotation, Unresolved):
        return dataclasses.replace(info, annotation=info.annotation.then(lambda found: substitute(found, arguments)))
    found = substitute(info.annotation, arguments)
    return info if found is info.annotation else dataclasses.replace(info, annotation=found)


def _may_be_map(annotation: Any) -> bool:
    """Whether a type may be one with fields of its own; whether it is one is only known when it is used."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _may_be_map(get_args(annotation)[0])
    if origin is Union or origin is types.UnionType:
        return any(map(_may_be_map, get_args(annotation)))
    python: Any = origin or annotation
    return style_of(python) is not None if isinstance(python, type) else python is not None


def _check_names(cls: Any, infos: Mapping[str, FieldInfo]) -> None:
    if cls.__cendry_kind__ == "model" and "id" in infos:
        raise _fault(cls, "id", "it comes from a Map, and every Model has an id of its own")
    by_alias: dict[str, str] = {}
    for name, info in infos.items():
        alias = info.alias
        reason = check_field_name(alias)
        if reason is not None:
            raise _fault(cls, name, f"the stored name {alias!r} is not valid: {reason}")
        if alias in by_alias:
            raise _fault(cls, name, f"it has the same stored name as {by_alias[alias]!r}: {alias!r}")
        if alias in infos and not _is_swapped(name, infos):
            raise _fault(cls, name, f"the alias {alias!r} shadows the field of that name")
        by_alias[alias] = name


def _check_beside_tag(cls: Any, infos: Mapping[str, FieldInfo], field: str) -> None:
    for name, info in infos.items():
        if field in (info.alias, name):
            root = class_name(cls.__cendry_family__.root)
            what = "stored name" if info.alias == field else "name"
            raise _fault(cls, name, f"{root} stores tags as {field!r}, so no field can have that {what}")


def _check_beside_version(cls: Any, infos: Mapping[str, FieldInfo], evolution: Evolution) -> None:
    field, owner = evolution.version_field, class_name(evolution.owner)
    family: Family | None = cls.__cendry_family__
    if family is not None and family.field == field:
        raise _fault(cls, None, f"its tags and its versions would both be stored as {field!r}; change one name")
    for name, info in infos.items():
        if field in (info.alias, name):
            what = "stored name" if info.alias == field else "name"
            raise _fault(cls, name, f"{owner} stores versions as {field!r}, so no field can have that {what}")


def _is_swapped(name: str, infos: Mapping[str, FieldInfo]) -> bool:
    """Whether stored names, followed from field to field, lead back to the first: `a` is stored as `b`, `b` as `a`."""
    seen = {name}
    alias = infos[name].alias
    while alias in infos and alias not in seen:
        seen.add(alias)
        alias = infos[alias].alias
    return alias == name


def _is_checked(cls: Any, info: FieldInfo) -> bool:
    return any(_infos_of(base).get(info.name) is info for base in cls.__mro__[1:])


def _check_type(cls: Any, info: FieldInfo) -> None:
    try:
        shape = shape_of(info.annotation, enum_by=info.enum_by, of_class=info.registry)
    except TypeError as error:
        raise _fault(cls, info.name, str(error).rstrip(".")) from error
    if info.enum_by == "name" and not _holds_enum(shape):
        raise _fault(
            cls,
            info.name,
            f"enum_by='name' is for enums, and {type_name(info.annotation)} is none and contains none; leave it out",
        )
    for python in _embedded(shape):
        for each in _infos_of(python).values():
            if each.auto_now or each.auto_now_add:
                inner = f"{class_name(python)}.{each.name} has {'auto_now' if each.auto_now else 'auto_now_add'}="
                raise _fault(cls, info.name, f"{inner}, which is never set inside a map, only on documents")
    if (info.auto_now or info.auto_now_add) and bare(shape) not in _AUTOMATIC_TYPES:
        option = "auto_now" if info.auto_now else "auto_now_add"
        raise _fault(
            cls,
            info.name,
            f"{option}= sets the time, and {type_name(info.annotation)} is not a datetime, date or time",
        )


def _holds_enum(shape: Shape) -> bool:
    """Whether values of this shape may be enums that the field stores; classes inside have their own setting."""
    if isinstance(shape, Record):
        return False
    # What is not known yet, or by a context alone, may be one.
    return isinstance(shape, (EnumMember, Anything, Handled, AsIs)) or any(map(_holds_enum, children(shape)))


def _embedded(shape: Shape, inside: tuple[Record, ...] = ()) -> Iterator[type[Any]]:
    """The Cendry maps in values of this shape, without those inside of them, which are checked with them."""
    if isinstance(shape, Record):
        if shape in inside:
            return
        inside = (*inside, shape)
        if shape.style == "map":
            yield shape.python
            return
    for child in children(shape):
        yield from _embedded(child, inside)


# The dataclass


def _build_dataclass(cls: Any, own: Mapping[str, FieldInfo], keywords: Keywords) -> None:
    given = {name: value for name, value in keywords.dataclass_options.items() if value is not None}
    options = {**cls._cendry_options, **given}
    for base in cls.__mro__[1:]:
        params = base.__dict__.get("__dataclass_params__")
        if params is not None and params.frozen != options["frozen"]:
            frozen, other = (cls, base) if options["frozen"] else (base, cls)
            raise _fault(
                cls, None, f"{class_name(frozen)} is frozen and {class_name(other)} is not; both must be, or neither"
            )
    cls._cendry_options = types.MappingProxyType(options)
    annotations: dict[str, Any] = {}
    if cls.__cendry_kind__ == "model" and "id" not in getattr(cls, "__dataclass_fields__", ()):
        annotations["id"] = cast(Any, str | None)
        cls.id = dataclasses.field(default=None)
    for name, info in own.items():
        annotations[name] = info.annotation
        shown: dict[str, Any] = {each: getattr(info, each) for each in ("repr", "compare", "hash", "metadata")}
        if info.default_factory is not MISSING:
            setattr(cls, name, dataclasses.field(default_factory=info.default_factory, **shown))
        else:
            setattr(cls, name, dataclasses.field(default=info.default, **shown))
    others = {name: each for name, each in own_annotations(cls).items() if name not in annotations}
    cls.__annotations__ = annotations
    has_init = "__init__" in cls.__dict__
    try:
        dataclasses.dataclass(kw_only=True, match_args=False, **options)(cls)
    except (TypeError, ValueError) as error:
        raise _fault(cls, None, str(error).rstrip(".")) from error
    # Libraries that read dataclasses by get_type_hints() expect the types of the values, not Field[...].
    cls.__annotations__ = {**others, **{name: _as_written(each) for name, each in annotations.items()}}
    if sys.version_info >= (3, 14) and not has_init:  # pragma: no cover - CI has no Python 3.14
        # Unverified, as below: there, the annotations of __init__ are read from the class on access.
        cls.__init__.__annotations__ = {**{each.name: each.type for each in dataclasses.fields(cls)}, "return": None}
    # An attribute left on the class would slow down reading the instance's own.
    for name in annotations:
        if name in cls.__dict__:
            delattr(cls, name)


def _as_written(annotation: Any) -> Any:
    return annotation.written if isinstance(annotation, Unresolved) else annotation


def _uncover(cls: Any, infos: Mapping[str, FieldInfo]) -> None:
    """Ensure that `City.name` is found by the metaclass, and `city.name` in the instance."""
    machinery = {name for base in type(cls).__mro__ for name in base.__dict__}
    for name in (*infos, "id") if cls.__cendry_kind__ == "model" else infos:
        covering = [base for base in cls.__mro__ if _has_attribute(base, name)]
        declaring = next(base for base in cls.__mro__ if name in base.__dict__.get("_cendry_own", ()))
        if covering and cls.__mro__.index(covering[0]) <= cls.__mro__.index(declaring):
            raise _fault(
                cls,
                name,
                f"an attribute of {class_name(covering[0])} hides the field of {class_name(declaring)}; rename one",
            )
        if covering or name in machinery:
            setattr(cls, name, _Shadow(name))


def _has_attribute(cls: type[Any], name: str) -> bool:
    return name in cls.__dict__ and not isinstance(cls.__dict__[name], _Shadow)
