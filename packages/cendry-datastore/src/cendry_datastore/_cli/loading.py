"""What the command line names: models, and the directory of a migration."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from inspect import isabstract
from types import ModuleType
from typing import TYPE_CHECKING, TypeGuard

from cendry._model.model import Model
from cendry.jobs import Store, open_store

from ..migrate.values import PLAN_FILE
from .failing import WrongUseError

if TYPE_CHECKING:
    from ..migrate import Plan


def load_models(specs: Iterable[str], *, debug: bool = False) -> list[type[Model]]:
    """Return the models that `app.models` or `app.models:City` names; the working directory can be imported from.

    Args:
        specs: Modules, each with the names of models after a colon, if only some of them are meant.
        debug: Whether an error of the module's own propagates.

    Raises:
        WrongUseError: There is no such module, it can't be imported, or has no such models.
    """
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    models: dict[type[Model], None] = {}
    for spec in specs:
        name, _, wanted = spec.partition(":")
        module = _import(name, debug)
        models.update(dict.fromkeys(_named(module, wanted) if wanted else _all(module)))
    return list(models)


def open_directory(directory: str) -> Store:
    """The store of a directory that has a plan.

    Raises:
        WrongUseError: It has none.
    """
    store = open_store(directory)
    if not store.list(PLAN_FILE):
        raise WrongUseError(
            f"{directory} has no {PLAN_FILE}. Make a plan first (cendry-datastore plan), or name the directory of one."
        )
    return store


def load_plan(directory: str) -> tuple[Store, Plan]:
    """The store and the plan of a directory.

    Raises:
        WrongUseError: It has none.
        JobFileError: The plan can't be read.
    """
    # Imported here, as it imports the SDKs.
    from ..migrate.files import read_plan

    store = open_directory(directory)
    return store, read_plan(store)


def _import(name: str, debug: bool) -> ModuleType:
    try:
        return import_module(name)
    except Exception as error:
        if debug:
            raise
        raise WrongUseError(f"{name} raised {type(error).__name__}: {error}") from error


def _all(module: ModuleType) -> Iterable[type[Model]]:
    models = list(filter(_has_collection, vars(module).values()))
    if not models:
        raise WrongUseError(f"{module.__name__} has no Cendry models")
    return models


def _named(module: ModuleType, wanted: str) -> Iterator[type[Model]]:
    for name in wanted.split(","):
        found = getattr(module, name, None)
        if not _has_collection(found):
            raise WrongUseError(f"{module.__name__}:{name} is not a Cendry model")
        yield found


def _has_collection(found: object) -> TypeGuard[type[Model]]:
    if not isinstance(found, type) or not issubclass(found, Model) or found is Model or isabstract(found):
        return False
    return getattr(found, "__collection__", None) is not None
