"""Tools for the data of years: they work on whole collections, for hours if need be, and go on after a kill."""

from __future__ import annotations

from .backfill import backfill, retry_dead
from .results import BackfillResult
from .rewriting import Diff

__all__ = ["BackfillResult", "Diff", "backfill", "retry_dead"]
