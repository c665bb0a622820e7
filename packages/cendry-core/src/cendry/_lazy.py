"""Names that are imported when they are first used: core's own, and those of other installed distributions."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

NAMES: Final[dict[str, tuple[str, str]]] = {
    "FirestoreBackend": ("cendry_firestore", "firestore"),
    "AsyncFirestoreBackend": ("cendry_firestore", "firestore"),
    "FieldFilter": ("cendry_firestore", "firestore"),
    "DatastoreBackend": ("cendry_datastore", "datastore"),
    "MemoryBackend": ("cendry_memory", "memory"),
    "AsyncMemoryBackend": ("cendry_memory", "memory"),
}
"""For each name, the package that defines it and the extra of `cendry` that installs that package."""

SCHEMES: Final[dict[str, tuple[str, str]]] = {
    "memory": ("MemoryBackend", "AsyncMemoryBackend"),
    "firestore": ("FirestoreBackend", "AsyncFirestoreBackend"),
    "datastore": ("DatastoreBackend", "DatastoreBackend"),
}
"""For each scheme of a database's URL, the backends of both twins. Datastore's own says that there is no async one."""

MODULES: Final = frozenset(
    {"backend", "codec", "convert", "errors", "filters", "indexes", "jobs", "paths", "plan", "reference", "values"}
)
"""Core's public modules: `cendry.errors` needs no import of its own."""


def module(name: str) -> Any:
    """One of core's modules."""
    return import_module(f"{__package__}.{name}")


def origins(names_of: dict[str, str]) -> dict[str, tuple[str, str]]:
    """For each of core's own names, the module that defines it, and its name there.

    Args:
        names_of: For each module, its names; `new=name` is another name for one.
    """
    given = [(each, module_name) for module_name, names in names_of.items() for each in names.split()]
    return {each.partition("=")[0]: (module_name, each.rpartition("=")[2]) for each, module_name in given}


def load(name: str) -> Any:
    """The object of a lazy name.

    Raises:
        ImportError: The package that defines it is not installed; the message names the extra.
    """
    package, extra = NAMES[name]
    try:
        module = import_module(package)
    except ModuleNotFoundError as error:
        # If the package is installed and one of its own imports fails, that error is the one to report.
        if error.name != package:
            raise
        raise ImportError(
            f"{name} is in the package {package!r}, which is not installed. Install it with: "
            f"pip install 'cendry[{extra}]'",
            name=package,
        ) from None
    return getattr(module, name)


def installed() -> list[str]:
    """The lazy names that can be loaded here."""
    there = {package: _is_there(package) for package, _ in NAMES.values()}
    return [name for name, (package, _) in NAMES.items() if there[package]]


def _is_there(package: str) -> bool:
    if package in sys.modules:
        # None in sys.modules blocks an import.
        return bool(sys.modules[package])
    try:
        return find_spec(package) is not None
    except ImportError:  # Some finders raise where others return None.
        return False


def installed_version(distribution: str) -> str | None:
    """The version of a distribution; `None` if it is not installed, even if its sources are on the path."""
    # Imported here, as it is slow to import.
    from importlib import metadata

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
