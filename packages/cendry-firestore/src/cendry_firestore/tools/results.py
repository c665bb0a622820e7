"""What a backfill has done."""

from __future__ import annotations

from cendry._immutable import dataclass
from cendry.jobs import DeadLetter, DeadLetters, Store

from .ledger import load
from .ranges import BackfillPlan
from .rewriting import Diff


@dataclass(frozen=True, slots=True)
class BackfillResult:
    """What a backfill has done, in all its runs together.

    Attributes:
        rewritten: How many documents were rewritten; with `dry_run`, how many would be.
        unchanged: How many were left as they are.
        dead: How many were given up: their paths and the reasons are in the directory `dead` of the state.
        seconds: How long this run took.
        diffs: With `dry_run`, the first three changes.
        failures: With `dry_run`, the first three documents that would be given up, with the reasons.
    """

    rewritten: int
    unchanged: int
    dead: int
    seconds: float
    diffs: tuple[Diff, ...] = ()
    failures: tuple[DeadLetter, ...] = ()


def result_of(store: Store, plan: BackfillPlan, seconds: float) -> BackfillResult:
    """What a backfill and all tries of its dead letters have done.

    Args:
        store: Where its state is.
        plan: The backfill.
        seconds: How long this run took.
    """
    positions = [load(store, plan, number)[0] for number in range(len(plan.cuts) + 1)]
    again = load(store, plan, None)[0].rewritten
    rewritten, seen = sum(one.rewritten for one in positions) + again, sum(one.seen for one in positions)
    dead = len(DeadLetters.read(store))
    return BackfillResult(rewritten, max(seen - rewritten - dead, 0), dead, seconds)
