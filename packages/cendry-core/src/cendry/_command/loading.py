"""Models by their name on the command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from inspect import isabstract
from types import ModuleType
from typing import Final, TypeGuard

from .._model.model import Model
from ..errors import near_names
from .failing import WrongUseError

_ABSENT: Final = object()


def load_models(specs: Iterable[str], *, debug: bool = False) -> list[type[Model]]:
    """Return the models that `app.models` or `app.models:City` names; the working directory can be imported from.

    Args:
        specs: Modules, each with the names of models after a colon, if only some of them are meant.
        debug: Whether an error of the module's own propagates.

    Raises:
        WrongUseError: The module doesn't exist, can't be imported, or doesn't have these models.
    """
    models: dict[type[Model], None] = {}
    for spec in specs:
        name, _, wanted = spec.partition(":")
        module = _import(name, debug)
        models.update(dict.fromkeys(_named(module, wanted) if wanted else _all(module)))
    return list(models)


def load_model(spec: str, *, debug: bool = False) -> type[Model]:
    """Return the one model that `app.models:City` names.

    Args:
        spec: A module with the name of a model after a colon; without it, the module must have one model alone.
        debug: Whether an error of the module's own propagates.

    Raises:
        WrongUseError: The module doesn't exist, can't be imported, or has several models or none of that name.
    """
    models = load_models([spec], debug=debug)
    if len(models) > 1:
        names = ", ".join(model.__name__ for model in models)
        raise WrongUseError(f"{spec} names {len(models)} models ({names}); name one: {spec.partition(':')[0]}:NAME.")
    return models[0]


def load_object(spec: str, *, debug: bool = False) -> object:
    """Return what `app.upgrades:split_name` names.

    Args:
        spec: A module and a name.
        debug: Whether an error of the module's own propagates.

    Raises:
        WrongUseError: The module doesn't exist, can't be imported, or doesn't have the name.
    """
    name, _, wanted = spec.partition(":")
    if not wanted:
        raise WrongUseError(f"{spec} names no function: write MODULE:NAME.")
    found: object = _import(name, debug)
    place, dot = name, ":"
    for part in wanted.split("."):
        inner = getattr(found, part, _ABSENT)
        if inner is _ABSENT:
            raise _absent(place, part, [each for each in dir(found) if not each.startswith("_")])
        found, place, dot = inner, f"{place}{dot}{part}", "."
    return found


def _import(name: str, debug: bool) -> ModuleType:
    if not name:
        raise WrongUseError("The name of a module is missing: write MODULE or MODULE:NAME.")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return import_module(name)
    except (Exception, SystemExit) as error:
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
        found = getattr(module, name, _ABSENT)
        if found is _ABSENT:
            models = [each for each, value in vars(module).items() if _has_collection(value)]
            raise _absent(module.__name__, name, models)
        if not _has_collection(found):
            raise WrongUseError(f"{module.__name__}:{name} is not a Cendry model")
        yield found


def _absent(place: str, name: str, names: Iterable[str]) -> WrongUseError:
    hint = "".join(f" Did you mean {near!r}?" for near in near_names(name, names, 1))
    return WrongUseError(f"{place} has no {name!r}.{hint}")


def _has_collection(found: object) -> TypeGuard[type[Model]]:
    if not isinstance(found, type) or not issubclass(found, Model) or found is Model or isabstract(found):
        return False
    return getattr(found, "__collection__", None) is not None
