"""What the tools are called with: the database, the documents, the function."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from cendry._context.holder import backend_of
from cendry._immutable import dataclass
from cendry._types.registry import TypeRegistry, default_registry
from cendry.backend import Backend
from cendry.codec import codec_for
from cendry.codec.resolve import hides_stored
from cendry.paths import check_collection_id
from google.cloud.firestore_v1 import Client

from .._sync import FirestoreBackend
from .chains import Chain
from .ledger import LEDGER
from .ranges import Selection
from .rewriting import Upgrade

if TYPE_CHECKING:
    from cendry import Cendry
    from cendry._types.shapes import Shape

Source: TypeAlias = "Cendry | FirestoreBackend | Client | Backend"
"""A context, a backend, or the SDK's client."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a backfill does.

    Attributes:
        selection: The documents.
        upgrade: The function, or the upgrades of the model.
        name: Its name.
        hides: Whether the values of a field are shown nowhere.
    """

    selection: Selection
    upgrade: Upgrade | Chain
    name: str
    hides: Callable[[str], bool]


def work_of(source: object, target: object, upgrade: object, group: object) -> Work:
    """What is to be done, by the arguments of a backfill.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: An argument has a wrong value.
    """
    selection = selection_of("backfill", target, group)
    if selection.collection == LEDGER:
        raise ValueError(f"{LEDGER!r} is where backfills keep how far they have come; it can't be backfilled.")
    model: Any = None if isinstance(target, str) else target
    registry = registry_of(source)
    hides = _hides_nothing if model is None else partial(_hides, codec_for(model, registry).shape)
    if upgrade is None and model is not None:
        chain = Chain(model, registry)
        return Work(selection, chain, chain.name, hides)
    if not callable(upgrade):
        raise TypeError(f"backfill() takes a function from a dict to a dict or None, not {upgrade!r}.")
    function: Any = upgrade
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    return Work(selection, function, f"{module}.{name}" if module and name else type(function).__qualname__, hides)


def selection_of(what: str, target: object, group: object = None) -> Selection:
    """The documents that a tool works on.

    Args:
        what: The name of the tool.
        target: A model, or the id of a collection.
        group: Whether all collections of that id are meant; `None` for what the model says.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: It is no id of a collection.
    """
    if group is not None and not isinstance(group, bool):
        raise TypeError(f"group= takes True, False or None, not {group!r}.")
    if isinstance(target, str):
        return Selection(check_collection_id(target), bool(group))
    if getattr(target, "__cendry_kind__", None) == "model" and cast("Any", target).__collection__ is not None:
        model: Any = target
        return Selection(model.__collection__, model.__parent__ is not None if group is None else group)
    raise TypeError(f"{what}() takes a model with a collection, or the id of one, not {target!r}.")


def _hides(shape: Shape, name: str) -> bool:
    return hides_stored(shape, (name,))


def _hides_nothing(_name: str) -> bool:
    return False


def registry_of(source: object) -> TypeRegistry:
    """The registry of types of a context, or the default one."""
    sender: Any = getattr(source, "_sender", None)
    registry: TypeRegistry = default_registry if sender is None else sender.registry
    return registry


def is_emulated(backend: Any) -> bool:
    """Whether a backend is on an emulator, which needs no limits."""
    return getattr(getattr(backend, "_connection", None), "emulator", None) is not None


@contextmanager
def opened(source: object) -> Generator[Backend, None, None]:
    """The backend of what a tool was given; closed in the end, if it was made here."""
    if isinstance(source, Client):
        made = FirestoreBackend(source)
        try:
            yield made
        finally:
            made.close()
    else:
        yield backend_of(source)
