"""Cendry: a typed object-document mapper for Firestore.

Names are imported when they are first used: a program that only defines models does not load contexts, and a backend
loads only what it needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _lazy

__all__ = [
    "DELETE_FIELD",
    "SERVER_TIMESTAMP",
    "Aggregate",
    "AggregateResult",
    "And",
    "ArrayRemove",
    "ArrayUnion",
    "Asc",
    "AsyncBackend",
    "AsyncBatch",
    "AsyncBulk",
    "AsyncCendry",
    "AsyncQuery",
    "AsyncRows",
    "AsyncSnapshots",
    "AsyncTransaction",
    "AsyncTxn",
    "Backend",
    "BaseTypeHandler",
    "Batch",
    "Bulk",
    "BulkError",
    "BulkFailure",
    "BulkProgress",
    "BulkResult",
    "CallOptions",
    "Cendry",
    "CendryError",
    "Change",
    "Comparison",
    "DecodeError",
    "Desc",
    "DocumentAlreadyExistsError",
    "DocumentMetadata",
    "DocumentNotFoundError",
    "ExecutionStats",
    "Explanation",
    "Field",
    "FieldChange",
    "FieldDescriptor",
    "FieldPath",
    "Filter",
    "FirestoreValue",
    "ForeignReferenceError",
    "GeoPoint",
    "Increment",
    "InvalidDocumentIdError",
    "InvalidEtagError",
    "InvalidPageTokenError",
    "InvalidRequestError",
    "InvalidUrlError",
    "InvalidValueError",
    "Listener",
    "Map",
    "Maximum",
    "Minimum",
    "MissingIndexError",
    "Model",
    "MultipleResultsError",
    "Neighbor",
    "Only",
    "Or",
    "OutcomeUnknownError",
    "Page",
    "Patch",
    "PlanSummary",
    "Problem",
    "Query",
    "Ref",
    "Rows",
    "Snapshot",
    "Snapshots",
    "StaleDocumentError",
    "Transaction",
    "TransactionContentionError",
    "Txn",
    "TypeRegistry",
    "UnknownFieldError",
    "UnsupportedByBackendError",
    "UsedBeforeForkError",
    "ValidationError",
    "Vector",
    "Without",
    "count",
    "default_registry",
    "field",
    "from_dict",
    "get_metadata",
    "json_schema",
    "ref_of",
    "register_type",
    "resolve",
    "to_dict",
    "upgrade",
    "validate",
]

if TYPE_CHECKING:
    from cendry_datastore import DatastoreBackend as DatastoreBackend
    from cendry_firestore import AsyncFirestoreBackend as AsyncFirestoreBackend
    from cendry_firestore import FieldFilter as FieldFilter
    from cendry_firestore import FirestoreBackend as FirestoreBackend
    from cendry_memory import AsyncMemoryBackend as AsyncMemoryBackend
    from cendry_memory import MemoryBackend as MemoryBackend

    from ._aggregates import Aggregate, count
    from ._changes import FieldChange
    from ._context.aio.batch import AsyncBatch
    from ._context.aio.bulk import AsyncBulk
    from ._context.aio.context import AsyncCendry
    from ._context.aio.transaction import AsyncTransaction
    from ._context.aio.transaction import AsyncTransaction as AsyncTxn
    from ._context.sync.batch import Batch
    from ._context.sync.bulk import Bulk
    from ._context.sync.context import Cendry
    from ._context.sync.transaction import Transaction
    from ._context.sync.transaction import Transaction as Txn
    from ._model.fields import Field, FieldDescriptor, field
    from ._model.metadata import DocumentMetadata, get_metadata, ref_of
    from ._model.model import Map, Model, resolve
    from ._model.upgrades import upgrade
    from ._pydantic.parts import Only, Without
    from ._pydantic.patch import Patch
    from ._query.aggregates import AggregateResult
    from ._query.aio.query import AsyncQuery
    from ._query.aio.rows import AsyncRows
    from ._query.aio.snapshots import AsyncSnapshots
    from ._query.explain import Explanation
    from ._query.nearest import Neighbor
    from ._query.pages import Page
    from ._query.snapshots import Change, Listener, Snapshot
    from ._query.sync.query import Query
    from ._query.sync.rows import Rows
    from ._query.sync.snapshots import Snapshots
    from ._types.kinds import FirestoreValue
    from ._types.registry import BaseTypeHandler, TypeRegistry, default_registry, register_type
    from .backend import AsyncBackend, Backend, CallOptions, ExecutionStats, PlanSummary
    from .convert import from_dict, json_schema, to_dict, validate
    from .errors import (
        BulkError,
        BulkFailure,
        CendryError,
        DecodeError,
        DocumentAlreadyExistsError,
        DocumentNotFoundError,
        ForeignReferenceError,
        InvalidDocumentIdError,
        InvalidEtagError,
        InvalidPageTokenError,
        InvalidRequestError,
        InvalidUrlError,
        InvalidValueError,
        MissingIndexError,
        MultipleResultsError,
        OutcomeUnknownError,
        Problem,
        StaleDocumentError,
        TransactionContentionError,
        UnknownFieldError,
        UnsupportedByBackendError,
        UsedBeforeForkError,
        ValidationError,
    )
    from .filters import And, Asc, Comparison, Desc, Filter, Or
    from .jobs.results import BulkProgress, BulkResult
    from .paths import FieldPath
    from .reference import Ref
    from .values import (
        DELETE_FIELD,
        SERVER_TIMESTAMP,
        ArrayRemove,
        ArrayUnion,
        GeoPoint,
        Increment,
        Maximum,
        Minimum,
        Vector,
    )
else:
    _OWN = _lazy.origins(
        {
            "_aggregates": "Aggregate count",
            "backend": "AsyncBackend Backend CallOptions ExecutionStats PlanSummary",
            "_changes": "FieldChange",
            "_context.aio.batch": "AsyncBatch",
            "_context.aio.bulk": "AsyncBulk",
            "_context.aio.context": "AsyncCendry",
            "_context.aio.transaction": "AsyncTransaction AsyncTxn=AsyncTransaction",
            "_context.sync.batch": "Batch",
            "_context.sync.bulk": "Bulk",
            "_context.sync.context": "Cendry",
            "_context.sync.transaction": "Transaction Txn=Transaction",
            "convert": "from_dict json_schema to_dict validate",
            "errors": (
                "BulkError BulkFailure "
                "CendryError DecodeError DocumentAlreadyExistsError DocumentNotFoundError ForeignReferenceError "
                "InvalidDocumentIdError InvalidEtagError InvalidPageTokenError InvalidRequestError "
                "InvalidUrlError InvalidValueError MissingIndexError MultipleResultsError OutcomeUnknownError "
                "StaleDocumentError TransactionContentionError UnknownFieldError UnsupportedByBackendError "
                "UsedBeforeForkError ValidationError Problem"
            ),
            "jobs.results": "BulkProgress BulkResult",
            "_model.fields": "Field FieldDescriptor field",
            "filters": "And Asc Comparison Desc Filter Or",
            "_model.metadata": "DocumentMetadata get_metadata ref_of",
            "_model.model": "Map Model resolve",
            "_model.upgrades": "upgrade",
            "paths": "FieldPath",
            "_pydantic.parts": "Only Without",
            "_pydantic.patch": "Patch",
            "_query.aggregates": "AggregateResult",
            "_query.aio.query": "AsyncQuery",
            "_query.aio.rows": "AsyncRows",
            "_query.aio.snapshots": "AsyncSnapshots",
            "_query.explain": "Explanation",
            "_query.nearest": "Neighbor",
            "_query.pages": "Page",
            "_query.snapshots": "Change Listener Snapshot",
            "_query.sync.query": "Query",
            "_query.sync.rows": "Rows",
            "_query.sync.snapshots": "Snapshots",
            "reference": "Ref",
            "_types.kinds": "FirestoreValue",
            "_types.registry": "BaseTypeHandler TypeRegistry default_registry register_type",
            "values": "DELETE_FIELD SERVER_TIMESTAMP ArrayRemove ArrayUnion GeoPoint Increment Maximum Minimum Vector",
        }
    )

    def __getattr__(name: str) -> Any:
        if name in _OWN:
            module_name, there = _OWN[name]
            found = getattr(_lazy.module(module_name), there)
        elif name in _lazy.NAMES:
            found = _lazy.load(name)
        elif name in _lazy.MODULES:
            return _lazy.module(name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=None)
        # From now on it is an ordinary attribute.
        globals()[name] = found
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__, *_lazy.installed()})
