"""The targets of context methods: documents by class and id, by reference, or by instance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias, TypeVar, cast

from .._model.metadata import check_instance, remembered
from .._model.model import Model, is_frozen
from .._query.fields import is_iterable
from .._types.families import Family
from ..backend import StoredDocument
from ..codec import codec_for
from ..codec.tagged import is_of
from ..errors import CendryError, DecodeError, ForeignReferenceError
from ..paths import FieldPath, shortened
from ..reference import Ref, document_path, is_ref, located_path

M = TypeVar("M", bound=Model)


Home: TypeAlias = "Callable[[], str | None]"
"""Returns how references name the database of a context; `None` if its backend doesn't say."""


def at_home(located: Any, home: Home) -> Any:
    """A reference that names the database of the context, without that name; anything else as it is.

    Raises:
        ForeignReferenceError: It points into another database.
    """
    if not is_ref(located) or located.database is None:
        return located
    database = home()
    if database is None:
        return located
    if located.database != database:
        raise ForeignReferenceError(located, database)
    return Ref.from_path(located.path, model=located.model)


def locate(target: object, document_id: object, parent: object, home: Home) -> tuple[type[Any], str, Model | None]:
    """The model, the path and the instance, if any, of a method's target.

    Raises:
        ForeignReferenceError: It, or the parent, is a `Ref` into another database.
        TypeError: It is neither an instance, nor a `Ref`, nor a class with an id.
        CendryError: The instance has no id, or the parent is missing.
        InvalidDocumentIdError: The id is not valid.
    """
    if parent is not None:
        parent = at_home(parent, home)
    if isinstance(target, type):
        if document_id is None:
            raise TypeError(f"An id is needed with a class: ({target.__qualname__}, 'id').")
        return target, document_path(target, document_id, parent), None
    if document_id is not None:
        raise TypeError(f"An id goes with a class; {shortened(target)} has its own.")
    if is_ref(target):
        if parent is not None:
            raise TypeError("parent= goes with a class or an instance; a Ref has its own.")
        ref: Ref[Any] = at_home(target, home)
        return model_of(ref), located_path(ref), None
    check_instance(target)
    instance = cast("Model", target)
    return type(instance), existing_path(instance, parent), instance


def check_not_frozen(instance: object, method: str) -> None:
    """Check that a method may change an instance.

    Raises:
        CendryError: Its class is frozen.
    """
    if is_frozen(instance):
        name = type(instance).__qualname__
        by_id = f"name the document: {method}({name}, id, ...)"
        instead = "get() returns a new instance" if method == "refresh" else by_id
        raise CendryError(f"{name} is frozen, and {method}() would change this instance; {instead}.")


def check_kind(instance: Model, fresh: Model, path: str) -> None:
    """Check that a document is still one of the class of an instance, not of a subclass.

    Raises:
        DecodeError: It is of another class.
    """
    model, found = type(instance), type(fresh)
    if found is not model:
        codec = codec_for(model)
        field = "" if codec.family is None else codec.family.field
        expected, kind = f"the tag of {model.__qualname__}", f"that of {found.__qualname__}"
        raise DecodeError(path, model.__qualname__, field, expected, kind, is_other_kind=True)


def model_of(ref: Ref[Any]) -> type[Any]:
    """The class of a reference's document.

    Raises:
        CendryError: The reference has no model.
    """
    if ref.model is None:
        raise CendryError(f"{ref!r} doesn't know the model of its document; use ref.as_model(City).")
    return ref.model


def existing_path(instance: Model, parent: object) -> str:
    """The path of the document of an instance that has an id.

    Raises:
        CendryError: It has none, or the parent is missing.
    """
    if parent is None:
        known = remembered(instance)
        return located_path(instance) if known is None else known.path
    if instance.id is None:
        raise CendryError(f"This {type(instance).__qualname__} has no id; set one, or save() it first.")
    path = document_path(type(instance), instance.id, parent)
    known = remembered(instance)
    # The same path may be of a backend's own class, which knows more about the document.
    return known.path if known is not None and known.path == path else path


def names_only(model: type[Any]) -> tuple[FieldPath, ...]:
    """The projection that shows whether a document of a class exists: its tag, if the class is one of several."""
    family: Family | None = model.__cendry_family__
    return () if family is None or family.root is model else (FieldPath(family.field),)


def is_there(model: type[Any], result: StoredDocument) -> bool:
    """Whether the result of a read with `names_only` is a document of the class."""
    return result.exists and (not names_only(model) or is_of(model, result.data or {}))


def several(values: object, what: str) -> list[Any]:
    """The values as a list; any iterable is accepted.

    Raises:
        TypeError: It is a `str` or not iterable.
    """
    return list(each(values, what))


def each(values: object, what: str) -> Iterator[Any]:
    """The values one by one; any iterable is accepted.

    Raises:
        TypeError: It is a `str` or not iterable.
    """
    if isinstance(values, (str, bytes, Model)) or not is_iterable(values):
        raise TypeError(f"{what} as a list, not {shortened(values)}.")
    return iter(values)


def wanted_documents(
    method: str, target: object, ids: object, parent: object, home: Home
) -> list[tuple[type[Any], str]]:
    """The arguments of `get_many` or `find_many` as models and paths.

    Args:
        method: The name of the method, for errors.
        target: The class, or an iterable of references.
        ids: With a class, the ids.
        parent: With a class, the parent document of the subcollection.
        home: How references name the database of the context.

    Raises:
        TypeError: The arguments are of the wrong kind, or a reference is to a document of another collection.
        CendryError: A reference without a class doesn't know its model.
        InvalidDocumentIdError: An id is not valid.
        ForeignReferenceError: A reference points into another database.
    """
    if isinstance(target, type):
        given = [at_home(one, home) for one in several(ids, f"{method}() takes ids")]
        parent = at_home(parent, home)
        return [
            (target, located_path(_of_collection(target, one)) if is_ref(one) else document_path(target, one, parent))
            for one in given
        ]
    if ids is not None or parent is not None:
        raise TypeError(f"{method}() takes a class and ids, or references alone.")
    refs = [at_home(one, home) for one in several(target, f"{method}() takes references")]
    for one in refs:
        if not is_ref(one):
            raise TypeError(f"{method}() takes a class and ids, or references alone, not {shortened(one)}.")
    return [(model_of(one), located_path(one)) for one in refs]


def deletions(target: object, ids: object) -> Iterator[tuple[Any, Any]]:
    """The arguments of `delete_many` as targets with their ids.

    Raises:
        TypeError: The arguments are of the wrong kind, or a reference is to a document of another collection.
    """
    if isinstance(target, type):
        return (
            (_of_collection(target, one).as_model(target), None) if is_ref(one) else (target, one)
            for one in each(ids, "delete_many() takes ids")
        )
    if ids is not None:
        raise TypeError("delete_many() takes instances, or a class and ids.")
    return ((one, None) for one in each(target, "delete_many() takes instances"))


def _of_collection(model: type[Any], ref: Ref[Any]) -> Ref[Any]:
    if ref.collection != model.__collection__:
        raise TypeError(f"{ref!r} is not a document of {model.__qualname__} ({model.__collection__!r}).")
    return ref
