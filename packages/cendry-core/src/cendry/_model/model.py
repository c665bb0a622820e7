"""Model and Map, the base classes. Instances are plain dataclass instances; no database is read or written here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, cast

from typing_extensions import Never, Protocol, dataclass_transform

from .._lazy import module
from .._types.evolutions import Evolution
from .._types.families import Family
from .._types.registry import TypeRegistry
from .._types.shapes import UNTAGGED
from ..errors import CendryError, near_names
from ..paths import join_path, split_path
from ..reference import check_parent
from .definition import DATACLASS_OPTIONS, Keywords, define, resolve, resolve_fields, unknown_keyword
from .fields import FieldDescriptor, FieldInfo, field

__all__ = ["Map", "Model", "ModelMeta", "fields_of", "resolve"]

if TYPE_CHECKING:
    from typing import _ProtocolMeta  # pyright: ignore[reportPrivateUsage]

    from .fields import IdField

    # The metaclass is decorated, since type checkers let the classes that use such a one (Map and Model) be
    # bases of frozen and non-frozen classes alike. They check class keywords against __new__ or __init_subclass__.
    @dataclass_transform(kw_only_default=True)
    class ModelMeta(_ProtocolMeta):
        """Makes type checkers treat every subclass as a dataclass."""

        def __new__(
            cls,
            name: str,
            bases: tuple[type, ...],
            namespace: dict[str, Any],
            /,
            *,
            collection: str | None = None,
            parent: type[Model] | None = None,
            extra: Literal["ignore", "forbid", "keep"] | None = None,
            abstract: bool = False,
            type_registry: TypeRegistry | None = None,
            omit_none: bool | None = None,
            tag_field: str | None = None,
            tag: str | tuple[str, ...] | None = None,
            version: int | None = None,
            version_field: str | None = None,
            oldest: int | None = None,
            frozen: bool | None = None,
            eq: bool | None = None,
            order: bool | None = None,
            unsafe_hash: bool | None = None,
            repr: bool | None = None,  # noqa: A002
        ) -> Any: ...

else:
    # Derived from the metaclass of protocols, so that models can have protocols and abstract classes as bases.
    class ModelMeta(type(Protocol)):
        """Resolves `City.name`, so that no class attribute shadows the instance's own."""

        # The instance check of protocols is slow, and means something else.
        __instancecheck__ = type.__instancecheck__
        __subclasscheck__ = type.__subclasscheck__

        def __getattr__(cls, name: str) -> FieldDescriptor[Any]:
            try:
                return cls._cendry_descriptors[name]
            except KeyError:
                pass
            near = () if name.startswith("_") else near_names(name, cls._cendry_descriptors, 1)
            hint = "".join(f" Did you mean {one!r}?" for one in near)
            raise AttributeError(f"{cls.__qualname__} has no attribute or field {name!r}.{hint}", name=name, obj=cls)

        def __dir__(cls) -> list[str]:
            return sorted({*super().__dir__(), *cls._cendry_descriptors})


_NOT_GIVEN: Final = cast("Any", UNTAGGED)


class _Record:
    __cendry_kind__: ClassVar[Literal["model", "map"]]
    __cendry_fields__: ClassVar[Mapping[str, FieldInfo]]
    __cendry_extra__: ClassVar[Literal["ignore", "forbid", "keep"]] = "ignore"
    # Whether the class itself says extra="ignore", which is the default for documents, but not for data from users.
    __cendry_ignores__: ClassVar[bool] = False
    __cendry_omit_none__: ClassVar[bool] = False
    __cendry_registry__: ClassVar[TypeRegistry | None] = None
    __cendry_family__: ClassVar[Family | None] = None
    __cendry_evolution__: ClassVar[Evolution | None] = None
    _cendry_options: ClassVar[Mapping[str, bool]] = DATACLASS_OPTIONS
    _cendry_descriptors: ClassVar[Mapping[str, FieldDescriptor[Any]]] = {}

    def __init_subclass__(
        cls,
        *,
        collection: str | None = None,
        parent: type[Model] | None = None,
        extra: Literal["ignore", "forbid", "keep"] | None = None,
        abstract: bool = False,
        type_registry: TypeRegistry | None = None,
        omit_none: bool | None = None,
        tag_field: str | None = None,
        tag: str | tuple[str, ...] | None = _NOT_GIVEN,
        version: int | None = None,
        version_field: str | None = None,
        oldest: int | None = None,
        frozen: bool | None = None,
        eq: bool | None = None,
        order: bool | None = None,
        unsafe_hash: bool | None = None,
        repr: bool | None = None,  # noqa: A002
        # For checkers, there are no others.
        **others: Never,
    ) -> None:
        try:
            super().__init_subclass__(**others)
        except TypeError as error:
            known = cast("Any", _Record.__init_subclass__).__func__.__kwdefaults__
            raise unknown_keyword(cls, others, known) if others else error from error
        if _Record in cls.__bases__:
            return
        options = {"frozen": frozen, "eq": eq, "order": order, "unsafe_hash": unsafe_hash, "repr": repr}
        versions = version, version_field, oldest
        known = collection, parent, extra, abstract, type_registry, omit_none, tag_field, tag
        define(cls, Keywords(*known, *versions, options))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any, /) -> Any:
        """The class as a type of pydantic: a field, a body or an answer of FastAPI."""
        return module("_pydantic.hooks").of_class(source, handler)


class Map(_Record, metaclass=ModelMeta):
    """A map that is embedded in documents: it has fields, but neither a collection nor an id.

    A subclass is a dataclass with a keyword-only `__init__`. It can be the type of a field, and a base of other maps
    and of models, which then inherit its fields.

    Keyword Args:
        extra: What happens to undeclared stored fields: `"ignore"` (default), `"forbid"` or `"keep"`.
        type_registry: The types of its fields that the default registry doesn't know. It holds for the fields that the
            class declares, wherever it is embedded, and by default for those of subclasses; the registry of a context
            takes precedence.
        omit_none: Whether `None` in its fields is stored as absence; an absent field is then read as `None`.
        frozen, eq, order, unsafe_hash, repr: As in `dataclasses.dataclass`; by default, those of the base.
    """

    __cendry_kind__: ClassVar[Literal["model", "map"]] = "map"
    __cendry_fields__ = {}  # noqa: RUF012


class Model(_Record, metaclass=ModelMeta):
    """A kind of document: `class City(Model, collection="cities")`.

    A subclass is a dataclass with a keyword-only `__init__`; attributes of instances are plain attributes, and
    `City.name` on the class is a `FieldDescriptor`. The declarations are checked when the class is defined.

    Attributes:
        id: The document id; `None` until it is given or the instance is saved.

    Keyword Args:
        collection: The collection id. Required, unless the class is abstract.
        parent: The Model of the parent documents, if this is a subcollection.
        extra: What happens to undeclared stored fields: `"ignore"` (default; a save removes them),
            `"forbid"` (reading them is an error) or `"keep"` (a save leaves them unchanged).
        abstract: Whether the class is only a base class and has no collection.
        type_registry: The types of its fields that the default registry doesn't know. It holds for the fields that the
            class declares, wherever it is embedded, and by default for those of subclasses; the registry of a context
            takes precedence.
        omit_none: Whether `None` in its fields is stored as absence; an absent field is then read as `None`.
        tag_field: The name under which the collection stores which of several models a document is: this class or
            a subclass of it, each with a `tag`. Subclasses have the collection of this class.
        tag: The value by which documents of this class are recognised: a `str`, or a tuple of `str`, which is stored
            as an array. Without it, only subclasses can be stored; `None`, on the class with `tag_field`, stores none,
            and reads documents with an unknown tag as this class.
        version: The version in which the class stores documents, from 1 on; documents of older versions are brought to
            it by its `upgrade` functions when they are read. Subclasses have the same version and upgrades, unless
            they have a collection of their own and say `version=` again, and then none of them.
        version_field: The name under which the version is stored, which no field can have; by default
            `_cendry_version`. Documents without it are of version 1.
        oldest: The oldest version that is read; older documents are a `DecodeError`.
        frozen, eq, order, unsafe_hash, repr: As in `dataclasses.dataclass`; by default, those of the base.
    """

    __cendry_kind__: ClassVar[Literal["model", "map"]] = "model"
    __cendry_fields__ = {}  # noqa: RUF012
    __collection__: ClassVar[str | None] = None
    __parent__: ClassVar[type[Any] | None] = None
    __cendry_tag__: ClassVar[Any] = UNTAGGED

    if TYPE_CHECKING:
        id: IdField = field()

    def _cendry_path(self) -> str:
        """The document's path: the recorded parent and the current id."""
        cls = type(self)
        if cls.__collection__ is None:
            raise CendryError(f"{cls.__qualname__} is abstract: its instances are not documents.")
        if self.id is None:
            raise CendryError(f"This {cls.__qualname__} has no id; set one, or save() it first.")
        # In the instance's own dict, so that it is copied, pickled and released with the instance.
        known: Any = self.__dict__.get("_cendry_metadata")
        parent = None if known is None else split_path(known.path)[0]
        return join_path(check_parent(cls, parent), cls.__collection__, self.id)


def is_frozen(value: object) -> bool:
    """Whether a value is an instance of a frozen dataclass."""
    parameters = getattr(type(value), "__dataclass_params__", None)
    return parameters is not None and parameters.frozen


def fields_of(cls: type[Any]) -> Mapping[str, FieldInfo]:
    """The declared fields of a Model or Map by Python name, annotations evaluated; without `id`, fields of bases first.

    Raises:
        TypeError: It is neither; or a name in an annotation is still not defined; or Firestore can't store a type.
    """
    return resolve_fields(cls)
