"""Tools for the data of years: they work on whole collections, for hours if need be, and go on after a kill."""

from __future__ import annotations

from .backfill import backfill, retry_dead
from .drift import drift
from .infer import infer
from .reports import DriftReport, FieldReport, Misfit, ModelReport
from .results import BackfillResult
from .rewriting import Diff

__all__ = [
    "BackfillResult",
    "Diff",
    "DriftReport",
    "FieldReport",
    "Misfit",
    "ModelReport",
    "backfill",
    "drift",
    "infer",
    "retry_dead",
]
