"""Upgrades of stored documents: which version a document has, and the chain that brings it to that of its model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from .._frozen import class_name
from .._interop.google import class_of
from .._stored import copied, copied_but, same
from .._types.evolutions import UPGRADED, Evolution, Upgrade, Upgraded, evolution_of
from .._types.families import Family
from .._types.hints import record_of
from .._types.registry import default_registry
from .._types.shapes import MAX_DEPTH, hides
from ..errors import DecodeError, Problem, newer_version, not_upgraded, older_version, outdated_row
from ..paths import shortened
from ..plan import MISSING, shown_int
from .checker import FAILED
from .leaves import HIDDEN, deeper_than, show, shown_error
from .reading import Extra
from .tagged import Mistagged, class_by_stored
from .writer import Writer

M = TypeVar("M")


def version_of(evolution: Evolution, data: Mapping[str, Any], path: str | None, model: type[Any]) -> int:
    """The version of stored data; 1 if they have none.

    Args:
        evolution: The versions of the model.
        data: The stored fields.
        path: The path of the document, for the error.
        model: The class that is read.

    Raises:
        DecodeError: What is stored is not a version.
    """
    found: Any = data.get(evolution.version_field, MISSING)
    if found is MISSING:
        return 1
    if type(found) is not int or found < 1:
        shown = f"int {shown_int(found)}" if type(found) is int else show(found)
        name = model.__qualname__
        raise DecodeError(path, name, evolution.version_field, "a version, which is an int of at least 1", shown)
    return found


def require_known(evolution: Evolution, version: int, path: str | None, model: type[Any], *, keeps: bool) -> None:
    """Check that documents of a version are read.

    Args:
        evolution: The versions of the model.
        version: The version.
        path: The path of the document, for the error.
        model: The class that is read.
        keeps: Whether newer ones are read.

    Raises:
        DecodeError: They aren't.
    """
    name, field = model.__qualname__, evolution.version_field
    if version > evolution.version and not keeps:
        raise newer_version(path, name, field, shown_int(version), evolution.version)
    if evolution.oldest is not None and version < evolution.oldest:
        raise older_version(path, name, field, version, evolution.oldest)


def require_current(model: type[Any], data: Mapping[str, Any], path: str) -> None:
    """Check that some stored fields are of the current version of their model: they can't be upgraded alone.

    Args:
        model: A class with `version=`.
        data: The fields, with the version.
        path: The path of the document.

    Raises:
        DecodeError: They are not.
    """
    evolution = cast("Evolution", evolution_of(model))
    version = version_of(evolution, data, path, model)
    if version != evolution.version:
        require_known(evolution, version, path, model, keeps=cast("Any", model).__cendry_extra__ == "keep")
        if version < evolution.version:
            field = evolution.version_field
            raise outdated_row(path, model.__qualname__, field, version, evolution.version)


def outdated(
    evolution: Evolution,
    model: type[M],
    current: Callable[..., M],
    data: dict[str, Any],
    document_id: str | None,
    path: str | None,
) -> M:
    """An instance of a document whose version is not the current one, or was not recognised as such.

    Args:
        evolution: The versions of the model.
        model: The class that is read.
        current: The decoder for documents of the current version.
        data: The stored fields.
        document_id: The id of the document.
        path: Its path.

    Raises:
        DecodeError: Its version is not one that is read, an upgrade fails, or its fields don't fit.
    """
    version = version_of(evolution, data, path, model)
    if version == evolution.version:
        return current(data, document_id, path)
    if version > evolution.version or version < (evolution.oldest or 1):
        kind = class_of_document(model, data, path)
        require_known(evolution, version, path, kind, keeps=cast("Any", kind).__cendry_extra__ == "keep")
        instance = current(data, document_id, path)
        known = Upgraded(version)
    else:
        before = {**data}
        before.pop(evolution.version_field, None)
        after = run_upgrades(model, before, version, path)
        known = compared(version, before, after)
        try:
            instance = current(after, document_id, path)
        except DecodeError as error:
            error.after_upgrade(version, evolution.version)
            raise
    object.__setattr__(instance, UPGRADED, known)
    return instance


class Outdated(Exception):
    """Data for `from_dict` whose version is not one that can be read.

    Attributes:
        problem: What is wrong.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.path)
        self.problem = problem


def current_data(
    evolution: Evolution | None,
    model: type[Any],
    data: Mapping[str, Any],
    version: int | None,
    *,
    by_alias: bool,
    extra: Extra | None,
    mode: str,
) -> dict[str, Any]:
    """Data for `from_dict` in the current version, and without it.

    Args:
        evolution: The versions of the model.
        model: The class.
        data: The data. They are not changed.
        version: The version of data that don't contain it; `None` for the current one.
        by_alias: Whether their keys are stored names.
        extra: How undeclared keys are handled.
        mode: What values look like.

    Raises:
        Outdated: They can't be brought to the current version.
        TypeError: `version` can't be given here, or is not a version.
    """
    is_stored = by_alias and mode == "python"
    if version is not None:
        if evolution is None:
            raise TypeError(f"version= is for models with version=, and {class_name(model)} has none.")
        if type(version) is not int or version < 1:
            raise TypeError(f"version= takes an int of at least 1, not {shortened(version)}.")
        if not is_stored:
            raise TypeError('version= is for data as they are stored: pass by_alias=True, and no mode="json".')
    assert evolution is not None
    field = evolution.version_field
    if version is None and field not in data:
        return cast("dict[str, Any]", data)
    rest = {key: value for key, value in data.items() if key != field}
    try:
        found = version_of(evolution, data, None, model) if version is None or field in data else version
        keeps = extra == "keep" or cast("Any", model).__cendry_extra__ == "keep"
        require_known(evolution, found, None, model, keeps=keeps)
        if found >= evolution.version:
            return rest
        if is_stored:
            # What is nested too deep is reported when it is read.
            return rest if deeper_than(rest, MAX_DEPTH + 1) else run_upgrades(model, rest, found)
    except DecodeError as error:
        raise Outdated(Problem(error.field, error.expected, error.found)) from error.__cause__
    advice = "data with stored names, by_alias=True, are upgraded" if mode == "python" else "JSON is not upgraded"
    expected = f"version {evolution.version}"
    raise Outdated(Problem(field, expected, f"version {found} ({advice})"))


def class_of_document(model: type[Any], data: Mapping[str, Any], path: str | None) -> type[Any]:
    """The class of a document by its tag.

    Raises:
        DecodeError: It is neither the class that is read nor a subclass.
    """
    family: Family | None = cast("Any", model).__cendry_family__
    if family is None:
        return model
    try:
        return class_by_stored(family, model, data.get(family.field, MISSING))
    except Mistagged as error:
        raise error.decode_error(path, model) from None


def run_upgrades(
    model: type[Any], data: dict[str, Any], stored_version: int, path: str | None = None
) -> dict[str, Any]:
    """Upgrade the stored fields of a document to the current version of its class.

    Args:
        model: A class with `version=`.
        data: The stored fields, without the version. They are neither changed nor passed to an upgrade: each gets a
            copy, so that a change of it is noticed.
        stored_version: Their version. For the current one, they are returned as they are.
        path: The path of the document, for errors.

    Returns:
        The stored fields, without the version. Inside, they may share values with `data`.

    Raises:
        DecodeError: The version is newer than that of the class, or older than it reads; or an upgrade raises an
            error, returns no dict, or changes the dict that it was given.
        TypeError: The class has no version, or an upgrade is missing.
    """
    evolution = evolution_of(model)
    if evolution is None:
        raise TypeError(f"{class_name(model)} has no version=.")
    evolution.check()
    require_known(evolution, stored_version, path, model, keeps=False)
    field = evolution.version_field
    for step in range(stored_version + 1, evolution.version + 1):
        function = evolution.upgrades[step]
        given = copied(data)

        def failed(found: str, step: int = step, function: Upgrade = function) -> DecodeError:
            return not_upgraded(path, model.__qualname__, field, step, _name_of(function), found)

        try:
            found: Any = function(given)
            # What it returns may be a value that it keeps, and instances are changed.
            result = copied_but(given, found) if isinstance(cast("object", found), dict) else None
        except Exception as error:
            # Its text may contain values.
            is_hidden = _hides(model)
            shown = type(error).__name__ if is_hidden else shown_error(error)
            raise failed(f"raised {shown}") from (None if is_hidden else error)
        if result is None:
            shown = "None" if found is None else f"an object of {class_of(found).__name__}"
            raise failed(f"returned {shown}, which is not a dict")
        if not _is_equal(given, data):
            raise failed("changed the dict that it was given; return a new one, such as {**data, ...}")
        data = result
        data.pop(field, None)
    return data


def compared(version: int, before: dict[str, Any], after: dict[str, Any]) -> Upgraded:
    """What upgrades did to the stored fields of a document."""
    removed = before.keys() - after.keys()
    changed = [
        name
        for name, value in after.items()
        if name not in before or (before[name] is not value and not same(before[name], value))
    ]
    return Upgraded(version, frozenset(removed), frozenset((*removed, *changed)))


def storable(
    model: type[Any], version: int, before: dict[str, Any], after: dict[str, Any], path: str | None
) -> dict[str, Any]:
    """What upgrades made of the stored fields of a document, as it may be written.

    Args:
        model: The class.
        version: The version that was upgraded.
        before: The stored fields.
        after: What the upgrades made of them.
        path: The path of the document, for the error.

    Raises:
        DecodeError: A name or a value that they made can't be stored.
    """
    changed = compared(version, before, after).changed
    found = stored_form({name: value for name, value in after.items() if name in changed})
    if isinstance(found, Problem):
        shown = HIDDEN if _hides(model) else found.found
        raise DecodeError(path, model.__qualname__, found.path or "the document", found.expected, shown)
    return {**{name: value for name, value in after.items() if name not in changed}, **found}


def stored_form(fields: dict[Any, Any]) -> dict[str, Any] | Problem:
    """Values of undeclared fields in their stored form, or the first problem if they can't be stored."""
    writer = Writer(limit=1)
    # The fields of a document are in no map.
    found = writer.walk(writer.any_map, fields, "", -1)
    return writer.problems[0] if found is FAILED else found


def _is_equal(given: dict[str, Any], data: dict[str, Any]) -> bool:
    """Whether an upgrade left its dict as it was; quickly, as values that it didn't change are the same objects."""
    try:
        return bool(given == data)
    except Exception:  # What it put there may not be comparable.
        return False


def _name_of(function: Any) -> str:
    return getattr(function, "__qualname__", type(function).__qualname__).rpartition("<locals>.")[2]


def _hides(model: type[Any]) -> bool:
    """Whether values of some fields of a class, or of a subclass that shares its collection, are shown nowhere."""
    family: Family | None = cast("Any", model).__cendry_family__
    classes = () if family is None else family.classes_of(model).values()
    try:
        return any(hides(record_of(each, "model", default_registry.known)) for each in {model, *classes})
    except TypeError:  # A name in the annotations of a subclass is not defined yet.
        return True
