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


_MODULES: Final[dict[str, str]] = {
    "backend": "AsyncBackend Backend CallOptions",
    "_context.aio.batch": "AsyncBatch",
    "_context.aio.context": "AsyncCendry",
    "_context.aio.transaction": "AsyncTransaction",
    "_context.sync.batch": "Batch",
    "_context.sync.context": "Cendry",
    "_context.sync.transaction": "Transaction",
    "codec": "Problem",
    "convert": "from_dict to_dict validate",
    "errors": (
        "CendryError DecodeError DocumentAlreadyExistsError DocumentNotFoundError ForeignReferenceError "
        "InvalidDocumentIdError InvalidRequestError InvalidValueError MissingIndexError MultipleResultsError "
        "StaleDocumentError TransactionContentionError UnknownFieldError UnsupportedByBackendError "
        "UsedBeforeForkError"
    ),
    "_model.fields": "Field FieldDescriptor field",
    "filters": "And Asc Comparison Desc Filter Or",
    "_model.metadata": "DocumentMetadata get_metadata ref_of",
    "_model.model": "Map Model resolve",
    "paths": "FieldPath",
    "_query.aio.documents": "AsyncRows",
    "_query.aio.query": "AsyncQuery",
    "_query.snapshots": "Change Listener Snapshot",
    "_query.sync.documents": "Rows",
    "_query.sync.query": "Query",
    "reference": "Ref",
    "_types.kinds": "FirestoreValue",
    "_types.registry": "BaseTypeHandler TypeRegistry default_registry register_type",
    "values": "DELETE_FIELD SERVER_TIMESTAMP ArrayRemove ArrayUnion GeoPoint Increment Maximum Minimum Vector",
}
"""For each of core's modules, its public names."""

OWN: Final[dict[str, tuple[str, str]]] = {
    **{name: (module_name, name) for module_name, names in _MODULES.items() for name in names.split()},
    "AsyncTxn": ("_context.aio.transaction", "AsyncTransaction"),
    "Txn": ("_context.sync.transaction", "Transaction"),
}
"""For each of core's own names, the module that defines it, and its name there."""


MODULES: Final = frozenset({"backend", "codec", "convert", "errors", "filters", "paths", "plan", "reference", "values"})
"""Core's public modules: `cendry.errors` needs no import of its own."""


def module(name: str) -> Any:
    """One of core's modules."""
    return import_module(f"{__package__}.{name}")


def own(name: str) -> Any:
    """The object of one of core's own names."""
    module_name, there = OWN[name]
    return getattr(import_module(f"{__package__}.{module_name}"), there)


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
