"""What contexts do in steps, as flows: written once, driven by both twins. Nothing here waits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from .._interop.google import from_sdk_change
from .._model.metadata import remembered
from .._model.model import Model
from .._query.criteria import ID_PLACE, is_iterable, is_ref, place_of, place_text
from .._query.flow import Flow
from .._query.results import Read, reader
from .._types.registry import TypeRegistry
from ..backend import StoredDocument
from ..codec import codec_for
from ..errors import CendryError, DocumentAlreadyExistsError, DocumentNotFoundError
from ..plan import GetPlan
from ..reference import Located, Ref, document_path, located_path
from ..values import DELETE_FIELD, is_transform
from .changes import Changes
from .writes import Pending, Writer, check_number, commit, discard, items_of, locate

if TYPE_CHECKING:
    from .batch import WriteQueue

M = TypeVar("M", bound=Model)

CREATE_ATTEMPTS = 5
"""How often `get_or_create` looks again when others create and delete the same document meanwhile."""


def find(target: object, document_id: object, parent: object, registry: TypeRegistry) -> Flow[Any]:
    """The document of a class and an id, or of a `Ref`; `None` if there is none."""
    model, path, _ = locate(target, document_id, parent)
    results: list[StoredDocument] = yield GetPlan((path,))
    return reader(codec_for(model, registry))(results[0]) if results[0].exists else None


def get(target: object, document_id: object, parent: object, registry: TypeRegistry) -> Flow[Any]:
    """The same; it must exist."""
    found = yield from find(target, document_id, parent, registry)
    if found is None:
        raise DocumentNotFoundError(locate(target, document_id, parent)[1])
    return found


def exists(target: object, document_id: object, parent: object) -> Flow[bool]:
    """Whether there is such a document."""
    _, path, _ = locate(target, document_id, parent)
    results: list[StoredDocument] = yield GetPlan((path,), projection=())
    return results[0].exists


def get_many(model: type[Any], ids: Iterable[object], parent: object, registry: TypeRegistry) -> Flow[list[Any]]:
    """Documents by id, in the order asked for, each time one of its own."""
    paths = [_path(model, one, parent) for one in several(ids, "get_many() takes ids")]
    if not paths:
        return []
    results: list[StoredDocument] = yield GetPlan(tuple(dict.fromkeys(paths)))
    found = {result.path: result for result in results if result.exists}
    missing = [path for path in dict.fromkeys(paths) if path not in found]
    if missing:
        raise DocumentNotFoundError.all_missing(missing)
    read = reader(codec_for(model, registry))
    return [read(found[path]) for path in paths]


def watched(
    target: object, document_id: object, parent: object, callback: object, registry: TypeRegistry
) -> tuple[GetPlan, Read[Any]]:
    """What to listen to for one document, and how to read it."""
    if not callable(callback):
        raise TypeError(f"on_snapshot() takes a callback, not {callback!r}.")
    model, path, _ = locate(target, document_id, parent)
    return GetPlan((path,)), reader(codec_for(model, registry))


def write(pending: Pending | None) -> Flow[str]:
    """Commit one write, or nothing; gives the id."""
    if pending is None:
        return ""
    yield from commit([pending])
    return pending.write.path.rpartition("/")[2]


def refresh(instance: Model, parent: object, registry: TypeRegistry) -> Flow[None]:
    """Read the document of an instance again, into the instance."""
    model, path, _ = locate(instance, None, parent)
    results: list[StoredDocument] = yield GetPlan((path,))
    if not results[0].exists:
        raise DocumentNotFoundError(path)
    fresh: Model = reader(codec_for(model, registry))(results[0])
    vars(instance).update(vars(fresh))
    object.__setattr__(instance, "_cendry_metadata", remembered(fresh))


def get_or_create(
    model: type[M], document_id: str, defaults: Changes | None, parent: Located | None, writer: Writer
) -> Flow[tuple[M, bool]]:
    """Read a document, or create it: whoever comes first creates it, all others read that."""
    for attempt in range(1, CREATE_ATTEMPTS + 1):
        found = yield from find(model, document_id, parent, writer.registry)
        if found is not None:
            return found, False
        instance = built(model, document_id, defaults, "defaults")
        try:
            yield from commit([writer.create(instance, parent)])
        except DocumentAlreadyExistsError:
            if attempt == CREATE_ATTEMPTS:
                raise
        else:
            return instance, True
    raise AssertionError("the last attempt returns or raises")  # pragma: no cover - it can't be reached


def update_or_create(
    queue: WriteQueue,
    model: type[M],
    document_id: str,
    defaults: Changes | None,
    create_defaults: Changes | None,
    parent: Located | None,
    registry: TypeRegistry,
) -> Flow[tuple[M, bool]]:
    """Inside a transaction: update the document, or create it."""
    found: M | None = yield from find(model, document_id, parent, registry)
    if found is not None:
        if defaults is not None:
            queue.update(found, defaults)
        return found, False
    if create_defaults is None:
        instance = built(model, document_id, defaults, "defaults")
    else:
        instance = built(model, document_id, create_defaults, "create_defaults")
    queue.create(instance, parent=parent)
    return instance, True


def built(model: type[M], document_id: str, values: Changes | None, what: str) -> M:
    """A new instance from top-level fields by name or descriptor.

    Raises:
        UnknownFieldError: A name is not declared.
        CendryError: A key is no field of the model itself, or a value is only for updates.
    """
    arguments: dict[str, Any] = {}
    for key, given in items_of(values, f"{what}= takes values"):
        value = from_sdk_change(given)
        place = place_of(model, key, what)
        if not isinstance(place, tuple) or len(place) != 1 or place == ID_PLACE:
            raise CendryError(
                f"{place_text(place)!r} can't be in {what} for a new {model.__qualname__}: give whole top-level "
                "fields, and with update_or_create() what to create it from in create_defaults=."
            )
        if is_transform(value) or value is DELETE_FIELD:
            raise CendryError(
                f"{value!r} changes what is stored, and a new {model.__qualname__} has nothing stored: "
                "give update_or_create() the values of a new document in create_defaults=."
            )
        arguments[place[0]] = value
    return model(id=document_id, **arguments)


def save_many(instances: object, parent: object, merge: bool, writer: Writer) -> Flow[list[str]]:
    """Save instances, all or none; gives their ids."""
    given = several(instances, "save_many() takes instances")
    check_number(len(given))
    pending: list[Pending] = []
    try:
        pending.extend(writer.save(one, parent, merge, False) for one in given)
    except BaseException:
        discard(pending)
        raise
    yield from commit(pending)
    return [one.write.path.rpartition("/")[2] for one in pending]


def delete_many(target: object, ids: object, parent: object, must_exist: bool, writer: Writer) -> Flow[None]:
    """Delete instances, or documents of a class by id, all or none."""
    if isinstance(target, type):
        given: list[tuple[Any, Any]] = [_target(target, one) for one in several(ids, "delete_many() takes ids")]
    elif ids is not None:
        raise TypeError("delete_many() takes instances, or a class and ids.")
    else:
        given = [(one, None) for one in several(target, "delete_many() takes instances")]
    check_number(len(given))
    yield from commit([writer.delete(one, document_id, parent, must_exist, None) for one, document_id in given])


def _target(model: type[Any], one: Any) -> tuple[Any, Any]:
    if is_ref(one):
        _check_collection(model, one)
        return one, None
    return model, one


def _check_collection(model: type[Any], ref: Ref[Any]) -> None:
    """Refuse a reference to a document of another collection.

    Raises:
        TypeError: It is one.
    """
    if ref.collection != model.__collection__:
        raise TypeError(f"{ref!r} is no document of {model.__qualname__} ({model.__collection__!r}).")


def several(values: object, what: str) -> list[Any]:
    """A list of what was given, generators and tuples included.

    Raises:
        TypeError: It is one value, a `str` or no iterable.
    """
    if isinstance(values, (str, bytes, Model)) or not is_iterable(values):
        raise TypeError(f"{what} as a list, not {values!r}.")
    return list(values)


def _path(model: type[Any], document_id: object, parent: object) -> str:
    if is_ref(document_id):
        _check_collection(model, document_id)
        return located_path(document_id)
    return document_path(model, document_id, parent)
