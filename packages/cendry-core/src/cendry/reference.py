"""References: typed names of documents. A reference never reads or writes."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, Protocol, TypeGuard, cast, final, runtime_checkable

from typing_extensions import TypeVar

from ._lazy import module
from .errors import CendryError
from .paths import check_document_path, exact_text, join_path, shortened, split_path


class DocumentLike(Protocol):
    """The part of a `Model` instance that references use."""

    __collection__: ClassVar[str | None]


M_co = TypeVar("M_co", bound=DocumentLike, covariant=True, default=Any)


@runtime_checkable
class Located(Protocol):
    """Anything that knows the path of its document: a model instance that has an id, or a `Ref`."""

    def _cendry_path(self) -> str: ...


@final
class Ref(Generic[M_co]):
    """A reference to one document of the model `M`; a small immutable value that is stored as a reference.

    Args:
        model: The class of the document.
        id: The document id.
        parent: The parent document (an instance or a `Ref`), for documents of subcollections. If it names its database,
            so does the new reference.

    Raises:
        InvalidDocumentIdError: The id is not valid.
        CendryError: The model declares `parent=`, and none is given, or one of another collection.
    """

    # The place is set on values of queries alone: the model and field, for errors, and whether it is shown nowhere.
    __slots__ = ("_cendry_place", "database", "model", "path")
    model: type[M_co] | None
    path: str
    database: str | None

    def __init__(self, model: type[M_co], id: str, *, parent: Located | None = None) -> None:
        collection = collection_of(model)
        above, database = parent_place(parent)
        _init(self, model, join_path(check_parent(model, above), collection, id), database)

    @classmethod
    def from_path(cls, path: str, *, model: type[M_co] | None = None, database: str | None = None) -> Ref[M_co]:
        """A reference to a stored document whose model may be unknown.

        Args:
            path: The path relative to the database: `cities/SF`.
            model: The class of the document, if known.
            database: `projects/P/databases/D`, or `None` for the database of the context that uses it. With the name
                of another database, a reference can be read, but neither written nor followed.

        Raises:
            InvalidDocumentIdError: It is not the path of a document.
            TypeError: The model is not a `Model` class.
        """
        if model is not None:
            _check_model("model=", model)
        ref: Ref[M_co] = object.__new__(cls)
        _init(ref, model, exact_text(path) if database else check_document_path(path), exact_text(database))
        return ref

    def as_model(self, model: type[Any]) -> Ref[Any]:
        """The same reference, typed as a reference to a document of `model`.

        Raises:
            TypeError: It is not a `Model` class.
        """
        _check_model("as_model()", model)
        return self._cendry_typed(model)

    def _cendry_typed(self, model: type[Any]) -> Ref[Any]:
        """As `as_model`, without a check: for codecs, which read many."""
        ref: Ref[Any] = object.__new__(Ref)
        _init(ref, model, self.path, self.database)
        return ref

    @property
    def id(self) -> str:
        """The document id: the last segment of the path."""
        return self.path.rpartition("/")[2]

    @property
    def collection(self) -> str:
        """The collection id: the second to last segment of the path."""
        return split_path(self.path)[1]

    @property
    def parent(self) -> Ref[Any] | None:
        """The document that holds the subcollection, or `None` at the root."""
        parent = split_path(self.path)[0]
        return None if parent is None else Ref.from_path(parent, database=self.database)

    def _cendry_path(self) -> str:
        if self.database is not None:
            raise CendryError(f"{self!r} points into another database, {self.database!r}; this context can't reach it.")
        return self.path

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Ref is immutable; can't set {name!r}.")

    def __eq__(self, other: object) -> bool:
        """Two references are equal if they name the same document; the model is ignored."""
        if not isinstance(other, Ref):
            return NotImplemented
        return self.path == other.path and self.database == other.database

    def __hash__(self) -> int:
        return hash((Ref, self.path, self.database))

    def __repr__(self) -> str:
        parent, collection, document_id = split_path(self.path)
        model: Any = self.model
        if model is None or self.database is not None or model.__collection__ != collection:
            options = f", database={self.database!r}" if self.database is not None else ""
            shown = f", model={model.__qualname__}" if model is not None else ""
            return f"Ref.from_path({self.path!r}{shown}{options})"
        above = f", parent={self.parent!r}" if parent is not None else ""
        return f"Ref({model.__qualname__}, {document_id!r}{above})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.model, self.path, self.database)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any, /) -> Any:
        """A type of pydantic: the path of a document, or its id, if the model has its collection at the root."""
        return module("_pydantic.hooks").of_value(source, handler)


def _check_model(what: str, model: object) -> None:
    if not isinstance(model, type) or not hasattr(model, "__collection__"):
        raise TypeError(f"{what} takes a Model class, not {shortened(model)}.")


def _init(ref: Ref[Any], model: type[Any] | None, path: str, database: str | None) -> None:
    object.__setattr__(ref, "model", model)
    object.__setattr__(ref, "path", path)
    object.__setattr__(ref, "database", database)


def _restore(model: type[Any] | None, path: str, database: str | None) -> Ref[Any]:
    ref: Ref[Any] = object.__new__(Ref)
    _init(ref, model, path, database)
    return ref


def placed_ref(ref: Ref[Any], model: str, field: str, *, is_hidden: bool) -> Ref[Any]:
    """The same reference, as a value for a field of a query, which errors name."""
    placed = _restore(ref.model, ref.path, ref.database)
    object.__setattr__(placed, "_cendry_place", (model, field, is_hidden))
    return placed


def is_ref(value: object) -> TypeGuard[Ref[Any]]:
    """Whether it is a reference; with `isinstance` alone, type checkers would lose the type argument."""
    return isinstance(value, Ref)


def located_path(located: Located) -> str:
    """The path of an instance or a `Ref`.

    Raises:
        CendryError: It is an instance without an id, or a `Ref` into another database.
    """
    return cast("str", cast("Any", located)._cendry_path())


def parent_path(parent: object) -> str | None:
    """The path of the `parent=` argument.

    Raises:
        TypeError: It is neither an instance nor a `Ref`.
        CendryError: It is an instance without an id.
    """
    if parent is None:
        return None
    # Quicker than asking for the protocol; classes have no path, only instances.
    if not hasattr(type(parent), "_cendry_path"):
        raise TypeError(f"parent= takes a model instance or a Ref, not {shortened(parent)}.")
    return located_path(cast("Located", parent))


def parent_place(parent: object) -> tuple[str | None, str | None]:
    """The path of the `parent=` argument, and the database that it names, if it is a `Ref` that does.

    Raises:
        TypeError: It is neither an instance nor a `Ref`.
        CendryError: It is an instance without an id.
    """
    if is_ref(parent):
        return (parent.path, None) if parent.database is None else (check_document_path(parent.path), parent.database)
    return parent_path(parent), None


def check_parent(model: type[Any], path: str | None) -> str | None:
    """Check a parent's path against the `parent=` that the model declares, and against those which that one declares.

    A document is known by its path alone: a parent may be an instance of another class of the same collection.

    Raises:
        CendryError: The model declares a parent, and it is missing or of another collection.
    """
    declared = cast("type[Any] | None", getattr(model, "__parent__", None))
    if declared is None:
        return path
    if path is None:
        raise CendryError(
            f"{model.__qualname__} is a subcollection of {declared.__qualname__}: "
            "pass the document that it belongs to as parent=."
        )
    if not _is_of(declared, path):
        raise CendryError(
            f"{model.__qualname__} is a subcollection of {declared.__qualname__} ({_place_of(declared)!r}); "
            f"{path!r} is not a document of that collection."
        )
    return path


def _is_of(model: type[Any], path: str) -> bool:
    """Whether a path can be that of a document of `model`, whichever class its documents are read as."""
    above, collection, _ = split_path(path)
    declared = cast("type[Any] | None", model.__parent__)
    return collection == model.__collection__ and (declared is None or (above is not None and _is_of(declared, above)))


def _place_of(model: type[Any]) -> str:
    """The collection of a model, below those that it declares as its parents, for messages."""
    declared = cast("type[Any] | None", model.__parent__)
    return cast("str", model.__collection__) if declared is None else f"{_place_of(declared)}/*/{model.__collection__}"


def document_path(model: type[Any], document_id: object, parent: object = None) -> str:
    """The path of a document of `model`, with every part checked.

    Raises:
        InvalidDocumentIdError: The id is not valid.
        CendryError: The parent doesn't match the model's declaration.
    """
    collection = collection_of(model)
    return join_path(check_parent(model, parent_path(parent)), collection, document_id)


def collection_of(model: type[Any]) -> str:
    """The collection of a model.

    Raises:
        TypeError: It has none.
    """
    collection: str | None = getattr(model, "__collection__", None)
    if collection is None or not isinstance(cast("Any", model), type):
        raise TypeError(f"{shortened(model)} has no collection: it is not a Model, or it is abstract.")
    return collection
