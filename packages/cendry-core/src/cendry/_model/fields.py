"""How fields are declared: `Field[T]`, `field()`, and what a class keeps of each. Never touches an instance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING
from dataclasses import field as dataclass_field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from .._immutable import dataclass
from .._types.registry import TypeRegistry
from .descriptor import FieldDescriptor

__all__ = ["EnumBy", "Field", "FieldDescriptor", "FieldInfo", "FieldOptions", "field"]

T = TypeVar("T")

EnumBy = Literal["value", "name"]
"""How an enum is stored."""


class Field(Generic[T]):
    """Declares a field of a model: `name: Field[str]`.

    On the class, `City.name` is a `FieldDescriptor[str]`; on an instance, `city.name` is a plain `str`. At run time
    this class is only an annotation: it has no instances and leaves nothing on the model.
    """

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: type[Any]) -> FieldDescriptor[T]: ...
        @overload
        def __get__(self, instance: object, owner: type[Any] | None = None) -> T: ...
        def __get__(self, instance: object, owner: type[Any] | None = None) -> Any: ...
        def __set__(self, instance: object, value: T) -> None: ...


if TYPE_CHECKING:

    class IdField(Field[str | None]):
        """Declares the document id: `None` only in instances that have none yet, never in the database."""

        @overload
        def __get__(self, instance: None, owner: type[Any]) -> FieldDescriptor[str]: ...
        @overload
        def __get__(self, instance: object, owner: type[Any] | None = None) -> str | None: ...
        def __get__(self, instance: object, owner: type[Any] | None = None) -> Any: ...


def _missing() -> Any:
    return MISSING


def _no_metadata() -> Mapping[Any, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FieldOptions:
    """The arguments of `field()`, until the class is built."""

    default: Any = dataclass_field(default_factory=_missing)
    default_factory: Any = dataclass_field(default_factory=_missing)
    alias: str | None = None
    enum_by: EnumBy | None = None
    auto_now: bool = False
    auto_now_add: bool = False
    repr: bool = True
    compare: bool = True
    hash: bool | None = None
    metadata: Mapping[Any, Any] | None = None
    dimension: int | None = None
    index: bool = True
    ttl: bool = False


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """A declared field.

    Attributes:
        name: The Python name.
        alias: The stored name; the Python name if none was given.
        annotation: The `T` of `Field[T]`; while a name in it isn't defined yet, an `annotations.Unresolved`.
        default: The default value, or `dataclasses.MISSING`.
        default_factory: The function that creates the default value, or `dataclasses.MISSING`.
        enum_by: How enums are stored.
        auto_now: Whether every write sets it to the current time.
        auto_now_add: Whether the first write sets it to the current time.
        required: Whether a value must be given: there is neither a default nor a factory.
        registry: The registry of the class that declares it, or `None`.
        repr: Whether its value is shown in reprs, error messages and problems.
        compare: As in `dataclasses.field`.
        hash: As in `dataclasses.field`.
        metadata: What `field(metadata=...)` was given.
        dimension: The length of its vectors, or `None` if none is declared.
        index: Whether Firestore keeps indexes of it by itself.
        ttl: Whether documents are deleted at the time in it.
    """

    name: str
    alias: str
    annotation: Any
    default: Any = dataclass_field(default_factory=_missing)
    default_factory: Any = dataclass_field(default_factory=_missing)
    enum_by: EnumBy = "value"
    auto_now: bool = False
    auto_now_add: bool = False
    required: bool = True
    registry: TypeRegistry | None = None
    repr: bool = True
    compare: bool = True
    hash: bool | None = None
    metadata: Mapping[Any, Any] = dataclass_field(default_factory=_no_metadata)
    dimension: int | None = None
    index: bool = True
    ttl: bool = False


@overload
def field(
    *,
    default: T,
    alias: str | None = None,
    enum_by: EnumBy | None = None,
    repr: bool = True,
    compare: bool = True,
    hash: bool | None = None,
    metadata: Mapping[Any, Any] | None = None,
    dimension: int | None = None,
    index: bool = True,
    ttl: bool = False,
) -> Field[T]: ...
@overload
def field(
    *,
    default_factory: Callable[[], T],
    alias: str | None = None,
    enum_by: EnumBy | None = None,
    repr: bool = True,
    compare: bool = True,
    hash: bool | None = None,
    metadata: Mapping[Any, Any] | None = None,
    dimension: int | None = None,
    index: bool = True,
    ttl: bool = False,
) -> Field[T]: ...
@overload
def field(
    *,
    alias: str | None = None,
    enum_by: EnumBy | None = None,
    auto_now: bool = False,
    auto_now_add: bool = False,
    repr: bool = True,
    compare: bool = True,
    hash: bool | None = None,
    metadata: Mapping[Any, Any] | None = None,
    dimension: int | None = None,
    index: bool = True,
    ttl: bool = False,
) -> Any: ...
def field(
    *,
    default: Any = MISSING,
    default_factory: Any = MISSING,
    alias: str | None = None,
    enum_by: EnumBy | None = None,
    auto_now: bool = False,
    auto_now_add: bool = False,
    repr: bool = True,  # noqa: A002
    compare: bool = True,
    hash: bool | None = None,  # noqa: A002
    metadata: Mapping[Any, Any] | None = None,
    dimension: int | None = None,
    index: bool = True,
    ttl: bool = False,
) -> Any:
    """Set options of a field beyond its type.

    `population: Field[int] = field(default=0, alias="pop")` has a default and is stored as `pop`.

    A required field is best written as `name: Annotated[Field[str], field(alias="displayName")]`, since type checkers
    treat every field with a `=` as one with a default.

    Args:
        default: The value of a field that isn't given, or is absent from a document. Must not be mutable.
        default_factory: Called without arguments to create that value.
        alias: The name under which the field is stored; any text that Firestore accepts, including dots and spaces.
        enum_by: Store enums by `"value"` (default) or by `"name"`, which is refused for a field that holds none.
        auto_now: Set the field to the current time (UTC, the client's clock) on every save, create and update.
        auto_now_add: Set it if it is `None` on save and create. Like `auto_now`, only for `datetime`, `date` and `time`
            fields, and with an implicit default of `None`.
        repr: Whether its value is shown. With `False`, neither the repr of an instance, a filter or a query nor an
            error message or a problem contains it.
        compare: Whether `==` and the order of instances compare it, as in `dataclasses.field`.
        hash: Whether it is part of the hash; by default, if it is compared.
        metadata: A mapping for your own use, as in `dataclasses.field`; also `FieldInfo.metadata`.
        dimension: The length of the vectors of a `Vector` field, from 1 to 2,048. Vectors of another length are refused
            in writes, by `from_dict` and `validate`, and by `find_nearest`; stored ones are read.
        index: With `False`, `cendry.indexes.derive` exempts the field from the indexes that Firestore keeps of each,
            which cost storage and limit the rate of writes. It changes no query and no write.
        ttl: With `True`, `cendry.indexes.derive` declares that Firestore deletes documents at the time in the field, a
            `datetime`, within a day or so. One field of a collection.

    Returns:
        The right-hand side of the declaration. The options are checked when the class is built.
    """
    return FieldOptions(
        default,
        default_factory,
        alias,
        enum_by,
        auto_now,
        auto_now_add,
        repr,
        compare,
        hash,
        metadata,
        dimension,
        index,
        ttl,
    )
