"""How far a migration has come, and whether the application may cut over to the target, with all reasons against it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import field
from datetime import datetime, timezone
from typing import Any, Final, cast

from cendry._immutable import dataclass
from cendry.jobs import DeadLetters, JobFileError, ShardState, Store, find_json, open_store

from ._delta import last_run
from .comparisons import Compared, last_compared
from .forms import moment_text
from .indexing import INDEX_YAML
from .intents import open_intents
from .reports import VERIFY_FILE, Proof
from .steps import steps
from .values import PLAN_FILE, Plan
from .writers import Record, Writer, record_of, writers

COPY_FILE: Final = "copy.json"
INDEXES_FILE: Final = "firestore.indexes.json"

_FACTS: Final = (
    "phase shards shards_done copied total dead open_intents failed_intents mode writers compared mismatches"
)


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a migration.

    Attributes:
        phase: `planned`, `copying`, `copied` or `verified`; the mode of dual writes is in `mode`.
        shards: How many shards the plan has.
        shards_done: How many of them are copied.
        copied: How many documents were copied, so far.
        total: How many entities there were when the migration was planned; an estimate.
        dead: How many entities were given up, without those that are waived.
        open_intents: How many dual writes are under way, or could not be mirrored.
        failed_intents: How many of them could not be mirrored.
        mode: The mode in which processes register to write both databases; `None` if none ever has.
        writers: How many processes may write now.
        compared: How many of the last reads were compared.
        mismatches: How many of these differed.
        verified: When the source was read for the last proof; `None` without one.
        reasons: Why the application must not cut over; empty if it may.
        notes: What the files of the migration can't show.
    """

    phase: str
    shards: int
    shards_done: int
    copied: int
    total: int
    dead: int
    open_intents: int
    failed_intents: int
    mode: str | None
    writers: int
    compared: int
    mismatches: int
    verified: datetime | None
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def can_cut_over(self) -> bool:
        """Whether nothing speaks against the cut-over."""
        return not self.reasons

    def to_json(self) -> dict[str, Any]:
        """The state in JSON."""
        return {
            **{name: getattr(self, name) for name in _FACTS.split()},
            "verified": None if self.verified is None else moment_text(self.verified),
            "can_cut_over": self.can_cut_over,
            "reasons": list(self.reasons),
            "notes": list(self.notes),
        }


def status(
    state: str | os.PathLike[str] | Store,
    *,
    indexes_checked: bool = False,
    waive: Collection[str] = (),
    clock: Callable[[], float] = time.time,
) -> Status:
    """Read the state of a migration. Neither database is asked.

    Args:
        state: The directory or store of the migration.
        indexes_checked: Whether the target has all indexes that the application needs, in state READY.
        waive: Dead letters that don't hold back the cut-over: their paths, or their keys in hexadecimal digits.
        clock: Returns the seconds since 1970.

    Raises:
        JobFileError: There is no plan, or a file can't be read.
        JobStoreError: The store can't be read.
    """
    store, now = open_store(state), clock()
    content = store.get(PLAN_FILE)
    if content is None:
        raise JobFileError.missing(PLAN_FILE)
    plan = Plan.from_json(content)
    reasons: list[str] = []
    notes: list[str] = []
    copied, done = _shards(store, plan)
    copy = find_json(store, COPY_FILE)
    is_copied = copy is not None and copy.get("ended") is not None and done == len(plan.shards)
    if not is_copied:
        reasons.append(f"the copy has not ended: {done} of {len(plan.shards)} shards are done")
    letters = DeadLetters.read(store).values()
    dead = [letter for letter in letters if letter.path not in waive and letter.key not in waive]
    if dead:
        reasons.append(f"{_count(len(dead), 'dead letter')}, the first of {dead[0].path!r}")
    delta = last_run(store)
    if delta is not None and not delta[1]:
        reasons.append("the last delta has not ended")
    proof = _proof(store)
    reasons += _proof_reasons(plan, proof)
    verified = None if proof is None else proof.source_time
    if verified is not None:
        reasons += _age_reasons(verified, copy, steps(store))
    everyone, record = list(writers(store)), record_of(store)
    if record is None:
        notes.append(
            "no process has registered to write both databases: nothing here shows whether the source was written "
            "after it was verified"
        )
    elif record.mode == "switched":
        reasons.append("the application has cut over already: processes register in 'switched'")
    elif verified is not None:
        reasons += _writer_reasons(verified.timestamp(), record, everyone)
    intents = list(open_intents(store))
    failed = sum(intent.error is not None for intent in intents)
    if intents:
        path = intents[0].paths[0]
        reasons.append(f"{_count(len(intents), 'open intent')} of dual writes, the first of {path!r}: repair")
    compared = last_compared(store)
    reasons += _mismatch_reasons(compared)
    if not indexes_checked:
        reasons += _index_reasons(store)
    phase = "verified" if proof is not None and proof.ok else "copied" if is_copied else "copying"
    return Status(
        phase="planned" if copy is None and not done else phase,
        shards=len(plan.shards),
        shards_done=done,
        copied=copied,
        total=plan.count,
        dead=len(dead),
        open_intents=len(intents),
        failed_intents=failed,
        mode=None if record is None else record.mode,
        writers=sum(writer.mode != "frozen" and writer.is_live(now) for writer in everyone),
        compared=compared.compared,
        mismatches=compared.mismatches,
        verified=verified,
        reasons=tuple(reasons),
        notes=tuple(notes),
    )


def _shards(store: Store, plan: Plan) -> tuple[int, int]:
    """How many documents were copied, and how many shards are done."""
    copied = done = 0
    for shard in plan.shards:
        name = f"state/{shard.name}.json"
        found = find_json(store, name)
        if found is None:
            continue
        state = ShardState.from_json(name, found)
        if state.plan not in plan.hashes:
            raise JobFileError.of_another_plan(name, state.plan, plan.hash)
        copied += state.copied
        done += state.done
    return copied, done


def _proof(store: Store) -> Proof | None:
    content = store.get(VERIFY_FILE)
    return None if content is None else Proof.from_json(content)


def _proof_reasons(plan: Plan, proof: Proof | None) -> Iterator[str]:
    if proof is None:
        yield "it was not verified"
        return
    if proof.plan not in plan.hashes:
        yield "verify.json belongs to another plan: verify again"
    if not proof.ok:
        yield f"verify found missing {proof.missing}, extra {proof.extra}, different {proof.different}"
    if proof.changed:
        entities = _count(proof.changed, "entity", "entities")
        yield f"{entities} had changed when it was verified: delta, then verify again"
    if proof.sample is not None:
        yield f"only a sample was verified ({proof.sample:.0%})"
    if proof.source_time is None:
        yield "verify.json doesn't say when the source was read: verify again"


def _age_reasons(verified: datetime, copy: dict[str, Any] | None, noted: dict[str, float]) -> Iterator[str]:
    ends = dict(noted)
    if copy is not None:
        ends["copy"] = max(copy.get("ended") or copy["started"], noted.get("copy", 0.0))
    for step, ended in ends.items():
        if step != "verify" and ended > verified.timestamp():
            yield f"verify is older than the last {step}: verify again"


def _writer_reasons(verified: float, record: Record, everyone: list[Writer]) -> Iterator[str]:
    """Why the source may have been written, and not the target, after it was verified."""
    dual = [writer for writer in everyone if writer.mode != "frozen" and writer.until > verified]
    if record.mode == "frozen" and not dual:
        since = max([record.since, *(writer.since for writer in everyone if writer.mode == "frozen")])
        if since > verified:
            yield f"writes are frozen since {_moment(since)}, and it was verified before: verify again"
        return
    for writer in dual:
        if writer.since > verified:
            yield (
                f"process {writer.pid} on host {writer.host!r} writes both databases since {_moment(writer.since)}, "
                "and it was verified before: verify again"
            )


def _mismatch_reasons(compared: Compared) -> Iterator[str]:
    if compared.mismatches:
        first = f", the first of {compared.paths[0]!r}" if compared.paths else ""
        count = _count(compared.mismatches, "mismatch", "mismatches")
        yield f"{count} in the last {compared.compared:,} compared reads{first}"


def _index_reasons(store: Store) -> Iterator[str]:
    indexes = (find_indexes(store) or {}).get("indexes")
    if indexes:
        count = _count(len(indexes), "composite index", "composite indexes")
        yield f"{count} of {INDEXES_FILE} must be READY in the target: check that, then --indexes-checked"
    elif not store.list(INDEX_YAML):
        yield (
            "which composite indexes the application needs is not known, as plan was not given an --index-yaml: check "
            "that those of the target are READY, then --indexes-checked"
        )


def find_indexes(store: Store) -> dict[str, Any] | None:
    """The indexes that the plan says are needed; `None` if it doesn't say. The file is Firebase's, without a format."""
    from json import JSONDecodeError, loads

    content = store.get(INDEXES_FILE)
    if content is None:
        return None
    try:
        found: Any = loads(content)
    except JSONDecodeError as error:
        raise JobFileError(INDEXES_FILE, error.msg, line=error.lineno) from None
    if not isinstance(found, dict):
        raise JobFileError(INDEXES_FILE, "it holds no object")
    return cast("dict[str, Any]", found)


def _count(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _moment(seconds: float) -> str:
    return moment_text(datetime.fromtimestamp(seconds, timezone.utc))
