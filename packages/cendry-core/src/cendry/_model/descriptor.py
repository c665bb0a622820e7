"""Field descriptors: `City.name` is a field of a class, and comparing it creates filters. Never touches an instance."""

# The type parameter is covariant, so that one self type covers `T` and `T | None`, and comparisons accept it.
# mypy: disable-error-code="misc, override, overload-overlap"
# pyright: reportGeneralTypeIssues=false, reportIncompatibleMethodOverride=false, reportOverlappingOverload=false

from __future__ import annotations

import builtins
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Final,
    Generic,
    Literal,
    NoReturn,
    Protocol,
    TypeVar,
    cast,
    final,
    overload,
)
from weakref import WeakValueDictionary

from .. import _fork
from .._aggregates import Aggregate
from .._changes import FieldChange
from .._frozen import class_name, redefined
from .._types.hints import shape_of
from .._types.shapes import (
    Anything,
    Array,
    AsIs,
    Constrained,
    Dict,
    FixedArray,
    Handled,
    MemberName,
    Nullable,
    OneOf,
    Record,
    RecordField,
    Shape,
    Tagged,
    hides,
    holds_numbers,
    takes_none,
)
from .._types.shapes import describe as describe_shape
from ..errors import CendryError, UnknownFieldError, near_names, omitted_none
from ..filters import And, Asc, Comparison, Desc, Filter, ModelField
from ..paths import MAX_FIELD_SEGMENTS, check_field_name, exact_text, quote_segment
from ..reference import DocumentLike, Ref
from ..values import ArrayRemove, ArrayUnion, DeleteField, Increment, Maximum, Minimum, ServerTimestamp

T_co = TypeVar("T_co", covariant=True)
E = TypeVar("E")
V = TypeVar("V")
D = TypeVar("D", bound=DocumentLike)


class Values(Protocol[T_co]):
    """Several values: a list, tuple, set, range or similar, but not a `str`, although a `str` is iterable."""

    def __contains__(self, item: object, /) -> bool: ...
    def __iter__(self) -> Iterator[T_co]: ...
    def __len__(self) -> int: ...


class MapLike(Protocol):
    """The part of a `Map` instance that descriptors use."""

    __cendry_kind__: ClassVar[Literal["model", "map"]]


class DataclassLike(Protocol):
    """An instance of a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


_HOLDERS: Final = (Dict, Anything, Handled, AsIs)
"""The shapes that can have any keys."""

_lock: Final = _fork.hold(threading.RLock())


@final
class FieldDescriptor(ModelField, Generic[T_co]):
    """A field of a class: the value of `City.name`. Comparing it creates filters; there is one object per field.

    `City.mayor[Mayor.name]` and `City.mayor.name` are the field inside an embedded map, and `City.attributes["k"]` is a
    key of a dict; such a key is always one segment, whatever characters it contains.
    """

    # No field can have a name that starts with _cendry, as what users could take for a field has here.
    __slots__ = (
        "__weakref__",
        "_cendry_alias",
        "_cendry_parent",
        "_children",
        "_keys",
        "_omits_none",
        "_shape",
        "_text",
    )
    _cendry_alias: str
    _children: dict[object, FieldDescriptor[Any]]
    _keys: WeakValueDictionary[str, FieldDescriptor[Any]] | None
    _omits_none: bool
    _cendry_parent: FieldDescriptor[Any] | None
    _shape: Shape | None
    _text: str

    def __init__(
        self,
        owner: type[Any],
        name: str | MemberName,
        alias: str,
        parent: FieldDescriptor[Any] | None = None,
        shape: Shape | None = None,
        text: str | None = None,
        *,
        hidden: bool = False,
        omits_none: bool = False,
    ) -> None:
        put = object.__setattr__
        put(self, "_cendry_owner", owner)
        put(self, "_cendry_names", (name,) if parent is None else (*parent._cendry_names, name))
        put(self, "_cendry_hidden", hidden or (parent is not None and parent._cendry_hidden))
        put(self, "_cendry_alias", alias)
        put(self, "_children", {})
        put(self, "_keys", None)
        put(self, "_omits_none", omits_none)
        put(self, "_cendry_parent", parent)
        put(self, "_shape", shape)
        put(self, "_text", f"{class_name(owner)}.{name}" if text is None else text)

    @property
    def field_name(self) -> str:
        """The Python name; for a nested field, the names from the document down, joined by dots (`mayor.name`)."""
        return self._own_name()

    @property
    def alias(self) -> str:
        """The stored name; for a nested field, Firestore's string form of the whole stored path."""
        return self._cendry_alias

    @property
    def owner(self) -> type[Any]:
        """The class on which the field was looked up, even if it was declared on one of its bases."""
        return self._cendry_owner

    # Comparisons

    @overload
    def __eq__(self: FieldDescriptor[Ref[D] | None], other: D, /) -> Comparison: ...
    @overload
    def __eq__(self, other: T_co, /) -> Comparison: ...
    @overload
    def __eq__(self, other: object, /) -> bool: ...
    def __eq__(self, other: object, /) -> Any:
        return Comparison(self, "==", other)

    @overload
    def __ne__(self: FieldDescriptor[Ref[D] | None], other: D, /) -> Comparison: ...
    @overload
    def __ne__(self, other: T_co, /) -> Comparison: ...
    @overload
    def __ne__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> Any:
        return Comparison(self, "!=", other)

    def __lt__(self, other: T_co, /) -> Comparison:
        return Comparison(self, "<", other)

    def __le__(self, other: T_co, /) -> Comparison:
        return Comparison(self, "<=", other)

    def __gt__(self, other: T_co, /) -> Comparison:
        return Comparison(self, ">", other)

    def __ge__(self, other: T_co, /) -> Comparison:
        return Comparison(self, ">=", other)

    __hash__ = object.__hash__

    @overload
    def eq(self: FieldDescriptor[Ref[D] | None], value: D, /) -> Comparison: ...
    @overload
    def eq(self, value: T_co, /) -> Comparison: ...
    def eq(self, value: Any, /) -> Comparison:
        """The same as `==`; with `None` or NaN, it tests for these."""
        return Comparison(self, "==", value)

    @overload
    def ne(self: FieldDescriptor[Ref[D] | None], value: D, /) -> Comparison: ...
    @overload
    def ne(self, value: T_co, /) -> Comparison: ...
    def ne(self, value: Any, /) -> Comparison:
        """The same as `!=`. Firestore leaves out documents in which the field is absent or `None`."""
        return Comparison(self, "!=", value)

    def lt(self, value: T_co, /) -> Comparison:
        """The same as `<`."""
        return Comparison(self, "<", value)

    def lte(self, value: T_co, /) -> Comparison:
        """The same as `<=`."""
        return Comparison(self, "<=", value)

    def gt(self, value: T_co, /) -> Comparison:
        """The same as `>`."""
        return Comparison(self, ">", value)

    def gte(self, value: T_co, /) -> Comparison:
        """The same as `>=`."""
        return Comparison(self, ">=", value)

    @overload
    def is_in(self: FieldDescriptor[Ref[D] | None], values: Values[D | Ref[D]], /) -> Comparison: ...
    @overload
    def is_in(self, values: Values[T_co], /) -> Comparison: ...
    def is_in(self, values: Any, /) -> Comparison:
        """The field equals one of these values; at most 30 in one query. Nothing equals one of no values."""
        return Comparison(self, "in", values)

    @overload
    def not_in(self: FieldDescriptor[Ref[D] | None], values: Values[D | Ref[D]], /) -> Comparison: ...
    @overload
    def not_in(self, values: Values[T_co], /) -> Comparison: ...
    def not_in(self, values: Any, /) -> Comparison:
        """The field exists and equals none of these values; at most 10."""
        return Comparison(self, "not-in", values)

    @overload
    def array_contains(self: FieldDescriptor[list[Ref[D]] | None], value: D, /) -> Comparison: ...
    @overload
    def array_contains(self: FieldDescriptor[list[E] | None], value: E, /) -> Comparison: ...
    @overload
    def array_contains(self: FieldDescriptor[builtins.set[E] | None], value: E, /) -> Comparison: ...
    @overload
    def array_contains(self: FieldDescriptor[frozenset[E] | None], value: E, /) -> Comparison: ...
    @overload
    def array_contains(self: FieldDescriptor[tuple[E, ...] | None], value: E, /) -> Comparison: ...
    def array_contains(self, value: Any, /) -> Comparison:
        """The array contains this element."""
        return Comparison(self, "array-contains", value)

    @overload
    def array_contains_any(self: FieldDescriptor[list[E] | None], values: Values[E], /) -> Comparison: ...
    @overload
    def array_contains_any(self: FieldDescriptor[builtins.set[E] | None], values: Values[E], /) -> Comparison: ...
    @overload
    def array_contains_any(self: FieldDescriptor[frozenset[E] | None], values: Values[E], /) -> Comparison: ...
    @overload
    def array_contains_any(self: FieldDescriptor[tuple[E, ...] | None], values: Values[E], /) -> Comparison: ...
    def array_contains_any(self, values: Any, /) -> Comparison:
        """The array contains at least one of these elements; at most 30 in one query. None contains one of none."""
        return Comparison(self, "array-contains-any", values)

    def is_null(self) -> Comparison:
        """The field exists and is `None`."""
        return Comparison(self, "is-null")

    def is_not_null(self) -> Comparison:
        """The field exists and is not `None`."""
        return Comparison(self, "is-not-null")

    def is_nan(self: FieldDescriptor[float | None]) -> Comparison:
        """The field is a float and NaN."""
        return Comparison(self, "is-nan")

    def startswith(self: FieldDescriptor[str | None], prefix: str, /) -> Filter:
        """The text starts with `prefix`: the range from `prefix` up to the next text that doesn't start with it."""
        if not isinstance(cast(object, prefix), str):
            raise TypeError(f"{self!r}.startswith() takes a str, not {self._cendry_source(prefix)}.")
        prefix = exact_text(prefix)
        lower = Comparison(self, ">=", prefix)
        upper = _after_prefix(
            prefix, is_id=self._cendry_names == ("id",) and self._cendry_owner.__cendry_kind__ == "model"
        )
        return lower if upper is None else And(lower, Comparison(self, "<", upper))

    def asc(self) -> Asc:
        """Sort by this field, smallest first."""
        return Asc(self)

    def desc(self) -> Desc:
        """Sort by this field, largest first."""
        return Desc(self)

    # Hidden at run time, where only fields of numbers have them: another field inside a map may have such a name.
    if TYPE_CHECKING:

        @overload
        def sum(self: FieldDescriptor[int | None]) -> Aggregate[int]: ...
        @overload
        def sum(self: FieldDescriptor[float | None]) -> Aggregate[float]: ...
        def sum(self) -> Aggregate[Any]:
            """The sum of the field, for `query.aggregate(...)`."""
            ...

        def avg(self: FieldDescriptor[float | None]) -> Aggregate[float | None]:
            """The average of the field, for `query.aggregate(...)`; `None` if there is no number."""
            ...

    # Changes

    @overload
    def set(self: FieldDescriptor[int | float | None], value: Increment | Maximum | Minimum, /) -> FieldChange: ...
    @overload
    def set(
        self: FieldDescriptor[list[Any] | builtins.set[Any] | frozenset[Any] | tuple[Any, ...] | None],
        value: ArrayUnion | ArrayRemove,
        /,
    ) -> FieldChange: ...
    @overload
    def set(self: FieldDescriptor[datetime | None], value: ServerTimestamp, /) -> FieldChange: ...
    @overload
    def set(self: FieldDescriptor[Ref[D] | None], value: D, /) -> FieldChange: ...
    @overload
    def set(self, value: T_co | DeleteField, /) -> FieldChange: ...
    def set(self, value: Any, /) -> FieldChange:
        """A change of this field, for writes: `ctx.update(city, City.name.set("x"))`.

        Args:
            value: The new value, a transform or `DELETE_FIELD`.

        Raises:
            CendryError: It is the id, which can't be changed.
        """
        if self._cendry_names == ("id",) and self._cendry_owner.__cendry_kind__ == "model":
            raise CendryError(f"{self!r} can't be changed; save() the instance under another id instead.")
        return FieldChange(self, value)

    # What is inside

    @overload
    def __getitem__(self: FieldDescriptor[MapLike], key: FieldDescriptor[V], /) -> FieldDescriptor[V]: ...
    @overload
    def __getitem__(self: FieldDescriptor[MapLike | None], key: FieldDescriptor[V], /) -> FieldDescriptor[V | None]: ...
    @overload
    def __getitem__(self: FieldDescriptor[MapLike | None], key: str, /) -> FieldDescriptor[Any]: ...
    @overload
    def __getitem__(self: FieldDescriptor[Mapping[str, V] | None], key: str, /) -> FieldDescriptor[V | None]: ...
    @overload
    def __getitem__(self: FieldDescriptor[DataclassLike | None], key: str, /) -> FieldDescriptor[Any]: ...
    def __getitem__(self, key: Any, /) -> Any:
        if isinstance(key, FieldDescriptor):
            return self._field_of_map(cast("Any", key))
        if not isinstance(key, str):
            raise TypeError(
                f"{self!r}[{key!r}]: write {self!r}[Map.field] for a field of an embedded map, a str for a key of "
                "a dict. Firestore can't query one element of an array; array_contains() checks all."
            )
        key = exact_text(key)
        found = self._child(key)
        if found is None:
            found = self._key(key)
        if found is not None:
            return found
        names = [each.name for record in self._records() for each in record.fields]
        if names:
            raise UnknownFieldError(repr(self), key, near_names(key, names, 3))
        raise TypeError(f"{self!r} has no field or key {key!r}. {self._advice(key)}")

    def __getattr__(self: FieldDescriptor[MapLike | None], name: str) -> FieldDescriptor[Any]:
        # Special names (looked up by copy, inspect, abc) are never fields.
        found = None if name.startswith("__") else self._child(name)
        if found is not None:
            if name in _EVERY_NAME and (name not in _NOT_OF_MAPS or not self._is_map()):
                raise AttributeError(
                    f"{self!r}.{name} is an attribute of every field, and there is a field of that name inside this "
                    f"one: write {found!r}, or {found._own_name()!r} where names are taken."
                )
            return found
        if name in _OF_NUMBERS:
            return cast("FieldDescriptor[Any]", self._aggregate(name))
        names = [each.name for record in self._records() for each in record.fields] if not name.startswith("__") else []
        hint = "".join(f" Did you mean {near!r}?" for near in near_names(name, names, 1))
        if not names and not name.startswith("_"):
            hint = f" {self._advice(name)}"
        raise AttributeError(f"{self!r} has no attribute or field {name!r}.{hint}")

    def _aggregate(self, function: Any) -> Any:
        shape = self._own_shape()
        if not holds_numbers(shape):
            raise AttributeError(
                f"{self!r} has no {function}(): it is a field that holds {describe_shape(shape)}, not numbers."
            )

        def aggregate() -> Aggregate[Any]:
            return Aggregate(function, self)

        return aggregate

    def _own_name(self) -> str:
        names = tuple(map(str, self._cendry_names))
        return names[0] if self._cendry_parent is None else ".".join(map(quote_segment, names))

    def _advice(self, name: str) -> str:
        """What to write instead of a name inside a field that has no declared parts."""
        shapes = list(_alternatives(self._own_shape()))
        what = f"It holds {describe_shape(self._own_shape())}"
        if any(isinstance(shape, (Array, FixedArray)) for shape in shapes):
            return (
                f"{what}, and Firestore can't look into the elements of an array: "
                f"{self!r}.array_contains() compares whole elements."
            )
        if any(isinstance(shape, _HOLDERS) for shape in shapes):
            return f"For a key of a dict, write {self!r}[{name!r}]."
        return f"{what}, which has no parts."

    def _own_shape(self) -> Shape:
        shape = self._shape
        if shape is None:
            name = self._cendry_names[0]
            if name == "id" and self._cendry_owner.__cendry_kind__ == "model":
                shape = shape_of(str)
            else:
                info = self._cendry_owner.__cendry_fields__[name]
                shape = shape_of(info.annotation, enum_by=info.enum_by, of_class=info.registry)
            object.__setattr__(self, "_shape", shape)
        return shape

    def _records(self) -> list[Record]:
        return [shape for shape in _alternatives(self._own_shape()) if isinstance(shape, Record)]

    def _is_map(self) -> bool:
        """Whether its values are nothing but maps with declared fields."""
        return all(isinstance(shape, Record) for shape in _alternatives(self._own_shape()))

    def _child(self, name: str) -> FieldDescriptor[Any] | None:
        known = self._children.get(name)
        if known is not None:
            return known
        found = self._declared(name)
        return None if not found else self._children.setdefault(name, self._part(name, found))

    def _declared(self, name: str) -> list[tuple[Record, RecordField]]:
        """The fields of a name inside this one; several only in a union."""
        return [(record, each) for record in self._records() for each in record.fields if each.name == name]

    def _part(self, name: str | MemberName, found: list[tuple[Record, RecordField]]) -> FieldDescriptor[Any]:
        """The descriptor of a field inside this one, which some classes declare."""
        from .._types.unions import combined, one_of_several

        owner, first = found[0]
        for other, each in found:
            if each.stored != first.stored:
                classes = class_name(owner.python), class_name(other.python)
                records = [record for record, _ in found]
                advice = one_of_several(repr(self), records, str(name), f"FieldPath(..., {first.stored!r})")
                raise TypeError(
                    f"{self!r}[{str(name)!r}] is stored as {first.stored!r} in {classes[0]} and as {each.stored!r} in "
                    f"{classes[1]}: {advice}."
                )
        if isinstance(name, MemberName):
            text = f"{self!r}[{class_name(cast('type[Any]', name.owner))}.{name}]"
        elif len(found) == 1 and owner.style == "map":
            text = f"{self!r}[{class_name(owner.python)}.{name}]"
        else:
            text = f"{self!r}[{name!r}]"
        hidden, omits = any(each.hidden for _, each in found), all(each.omits_none for _, each in found)
        shape = combined(each.shape for _, each in found)
        return self._nested(name, first.stored, shape, text, hidden=hidden, omits_none=omits)

    def _cendry_member(self, name: MemberName) -> FieldDescriptor[Any]:
        """The field inside this one that the classes declare that a name is of."""
        known = self._children.get(name)
        if known is not None:
            return known
        declared = self._declared(name.name)
        found = [(record, each) for record, each in declared if name.covers(record)]
        if len(found) == len(declared):
            whole: FieldDescriptor[Any] = cast("Any", self)[name.name]
            return whole
        return self._children.setdefault(name, self._part(name, found))

    def _key(self, key: str) -> FieldDescriptor[Any] | None:
        for shape in _alternatives(self._own_shape()):
            if isinstance(shape, _HOLDERS):
                reason = check_field_name(key)
                if reason is not None:
                    raise ValueError(f"{self!r}[{key!r}]: {reason}.")
                inside = shape.value if isinstance(shape, Dict) else Anything()
                # There is no limit to the keys that users pass, so nothing here keeps them alive.
                with _lock:
                    if self._keys is None:
                        object.__setattr__(self, "_keys", WeakValueDictionary())
                    keys = cast("WeakValueDictionary[str, FieldDescriptor[Any]]", self._keys)
                    return keys.setdefault(key, self._nested(key, key, inside, f"{self!r}[{key!r}]"))
        return None

    def _nested(
        self, name: str | MemberName, stored: str, shape: Shape, text: str, **options: bool
    ) -> FieldDescriptor[Any]:
        if len(self._cendry_names) == MAX_FIELD_SEGMENTS:
            raise ValueError(f"{self!r}[{str(name)!r}]: a field path has at most {MAX_FIELD_SEGMENTS} segments.")
        above = quote_segment(self._cendry_alias) if self._cendry_parent is None else self._cendry_alias
        path = f"{above}.{quote_segment(stored)}"
        is_map = any(isinstance(each, Record) for each in _alternatives(shape))
        kind: type[FieldDescriptor[Any]] = _MapDescriptor if is_map else FieldDescriptor
        return kind(self._cendry_owner, name, path, self, shape, text, **options)

    def _cendry_check_null(self) -> None:
        if self._omits_none:
            try:
                shape = self._own_shape()
            except TypeError:  # Its type is not defined yet; the query is checked when it runs.
                return
            if takes_none(shape):
                raise omitted_none(self._cendry_owner.__qualname__, self._own_name())

    def _cendry_source(self, value: Any) -> str:
        try:
            is_hidden = hides(self._own_shape())
        except TypeError:  # Its type is not defined yet.
            is_hidden = True
        return "..." if is_hidden else super()._cendry_source(value)

    def _field_of_map(self, key: FieldDescriptor[Any]) -> FieldDescriptor[Any]:
        known = self._children.get(key)
        if known is not None:
            return known
        maps = [record.python for record in self._records() if record.style == "map"]
        if not any(issubclass(python, key._cendry_owner) for python in maps):
            about = f"{key!r} is a field of {class_name(key._cendry_owner)}, but {self!r}"
            if maps:
                again = "".join(redefined(python, key._cendry_owner) for python in maps)
                raise TypeError(f"{about} holds {' or '.join(map(class_name, maps))}{again and f'; {again}'}.")
            raise TypeError(f"{about} is not an embedded map. {self._advice(str(key._cendry_names[-1]))}")
        first, *inner = key._cendry_names
        found: Any = self._cendry_member(MemberName(str(first), key._cendry_owner))
        for name in inner:
            found = found[name] if isinstance(name, str) else found._cendry_member(name)
        if key._cendry_parent is None:
            self._children[key] = found
        return cast("FieldDescriptor[Any]", found)

    # Common mistakes

    def __bool__(self) -> NoReturn:
        raise TypeError(
            f"{self!r} has no truth value: it is the field, not a value of it. Write {self!r} == True, "
            f"or {self!r}.is_not_null(); for 'in', {self!r}.is_in([...]); for 'and', 'or', join filters by & and |."
        )

    # Hidden from type checkers, which report the misuse then; otherwise they would take a field for an iterable.
    if not TYPE_CHECKING:  # pragma: no branch

        def __iter__(self) -> NoReturn:
            raise TypeError(f"{self!r} can't be iterated over: it is the field, not a value of it.")

        def __contains__(self, item: object) -> NoReturn:
            raise TypeError(f"{self!r} can't be searched with 'in'. Write {self!r}.array_contains({item!r}).")

        def __and__(self, other: object) -> NoReturn:
            raise TypeError(
                f"{self!r} is a field, not a filter, and & and | bind tighter than comparisons. "
                f"Put parentheses around each: ({self!r} == 1) & (...)."
            )

        __rand__ = __or__ = __ror__ = __and__

    def __repr__(self) -> str:
        return self._text

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self._cendry_owner, self._cendry_names)

    def __copy__(self) -> FieldDescriptor[T_co]:
        return self

    def __deepcopy__(self, memo: object) -> FieldDescriptor[T_co]:
        return self


_NOT_OF_MAPS: Final = frozenset({"array_contains", "array_contains_any", "avg", "is_nan", "startswith", "sum"})
"""The methods that only numbers, text or arrays can use."""

_OF_NUMBERS: Final = frozenset({"avg", "sum"})
"""The methods that only fields of numbers have, by `__getattr__`."""

_OWN_NAMES: Final = frozenset(name for name in vars(FieldDescriptor) if not name.startswith("_"))


_EVERY_NAME: Final = _OWN_NAMES | _OF_NUMBERS


class _OwnName:
    """One of the attributes of every field, on a field that may have others inside: one of that name hides it."""

    __slots__ = ("_name", "_own")

    def __init__(self, name: str) -> None:
        self._name = name
        self._own = vars(FieldDescriptor)[name]

    def __get__(self, field: Any, kind: Any = None) -> Any:
        if field is None:
            return self._own.__get__(None, kind)
        try:
            is_hidden = field._child(self._name) is not None or (self._name in _NOT_OF_MAPS and field._is_map())
        except TypeError:  # Its type is not defined yet.
            is_hidden = False
        if is_hidden:
            # Python calls __getattr__ then, which gives the field inside, or says how to name it.
            raise AttributeError
        return self._own.__get__(field, kind)


# Apart, as the attributes of all other fields are looked up as fast as those of any object.
_MapDescriptor: Final = cast(
    "type[FieldDescriptor[Any]]",
    # It is final for users only.
    type(
        "FieldDescriptor",
        (cast("Any", FieldDescriptor),),
        {"__slots__": (), **{name: _OwnName(name) for name in _OWN_NAMES}},
    ),
)


def new_descriptor(
    owner: type[Any], name: str, alias: str, *, may_be_map: bool, hidden: bool, omits_none: bool
) -> FieldDescriptor[Any]:
    """The descriptor of a declared field.

    Args:
        owner: The class.
        name: The Python name.
        alias: The stored name.
        may_be_map: Whether there may be fields inside.
        hidden: Whether its values are shown nowhere.
        omits_none: Whether `None` is stored as absence.
    """
    kind: type[FieldDescriptor[Any]] = _MapDescriptor if may_be_map else FieldDescriptor
    return kind(owner, name, alias, hidden=hidden, omits_none=omits_none)


def _restore(owner: type[Any], names: tuple[Any, ...]) -> FieldDescriptor[Any]:
    found: Any = getattr(owner, names[0])
    for name in names[1:]:
        found = found[name] if isinstance(name, str) else found._cendry_member(name)
    return cast("FieldDescriptor[Any]", found)


def _alternatives(shape: Shape) -> Iterator[Shape]:
    match shape:
        case Nullable(inner) | Constrained(inner):
            yield from _alternatives(inner)
        case OneOf(members) | Tagged(members):
            for member in members:
                yield from _alternatives(member)
        case _:
            yield shape


def _after_prefix(prefix: str, *, is_id: bool) -> str | None:
    """The smallest text, by code points as in Firestore, that is greater than all texts starting with `prefix`."""
    while prefix:
        code = ord(prefix[-1]) + 1
        prefix = prefix[:-1]
        if code == 0xD800:
            # The code points that follow are surrogates, which are not characters.
            code = 0xE000
        if is_id and code == ord("/"):
            # Ids never contain a slash, so skipping it loses nothing.
            code += 1
        if code <= 0x10FFFF:
            return prefix + chr(code)
    return None
