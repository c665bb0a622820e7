"""The conformance suite: what every backend of Cendry has to do, as tests that run against yours. Needs pytest."""

from __future__ import annotations

from .atomicity import AtomicityConformance
from .bulk import BulkConformance
from .contexts import ContextConformance
from .declarations import DeclarationConformance
from .driver import Database
from .evolution import EvolutionConformance
from .features import ALL_FEATURES, Feature, needs
from .listening import ListenConformance
from .moments import MomentConformance
from .names import NameConformance
from .nearest import NearestConformance
from .queries import QueryConformance
from .references import ReferenceConformance
from .refusals import RefusalConformance
from .rows import RowsConformance
from .rules import ConstraintConformance, FrozenConformance, RuleConformance
from .selections import SelectConformance
from .suite import Suite
from .tagged import TaggedConformance
from .transactions import TransactionConformance
from .unions import UnionConformance
from .upgrades import UpgradeConformance
from .values import ValueConformance
from .writes import WriteConformance

__all__ = ["ALL_FEATURES", "BackendConformance", "Database", "Feature", "Suite", "needs"]


class BackendConformance(
    WriteConformance,
    ValueConformance,
    QueryConformance,
    TransactionConformance,
    ListenConformance,
    ContextConformance,
    DeclarationConformance,
    UnionConformance,
    NameConformance,
    RuleConformance,
    ConstraintConformance,
    FrozenConformance,
    AtomicityConformance,
    BulkConformance,
    SelectConformance,
    RowsConformance,
    TaggedConformance,
    EvolutionConformance,
    MomentConformance,
    ReferenceConformance,
    NearestConformance,
    RefusalConformance,
    UpgradeConformance,
):
    """What every backend has to do, sync or async.

    Subclass it under a name that pytest collects, give it a fixture `backend` that makes a backend without any
    documents (the suite closes it), and say in `features` what it has. Tests of what it lacks are skipped, and the
    backend has to refuse it with `UnsupportedByBackendError`.

    Attributes:
        features: What the backend has; by default everything that Firestore has.
    """
