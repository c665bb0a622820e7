"""Memory and Firestore side by side: each request goes to both, and what comes back has to be the same."""

from __future__ import annotations

import copy
import math
import re
import threading
from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import partial
from typing import Any, NamedTuple

from cendry._context.live import LiveDocuments
from cendry.backend import CallOptions, CommitResult, DocumentResult, ListenResult, StoredDocument
from cendry.errors import CendryError
from cendry.plan import Aggregation, AggregationPlan, GetPlan, QueryPlan, Write
from cendry.reference import Ref
from cendry.values import GeoPoint, Vector
from cendry_firestore import AsyncFirestoreBackend
from cendry_memory import AsyncMemoryBackend
from cendry_memory.testing.driver import LoopThread
from google.api_core.exceptions import FailedPrecondition
from lockstep import searches
from lockstep.reached import reach

_OPTIONS = CallOptions(timeout=20)
_LISTEN_SECONDS = 5.0
_SUMS = 30
_OURS = datetime(2025, 1, 1, tzinfo=timezone.utc)
_FAR = datetime(9000, 1, 1, tzinfo=timezone.utc)


class Both(NamedTuple):
    """One thing as Firestore has it, and as memory has it: a time, a transaction's handle."""

    firestore: Any
    memory: Any


NOBODY = Both(None, None)
"""No transaction."""


class Difference(AssertionError):
    """The two gave different answers."""

    def __init__(self, request: Any, firestore: Any, memory: Any) -> None:
        super().__init__(f"{_shown(request)}\n  Firestore: {_shown(firestore)}\n  memory:    {_shown(memory)}")


def _shown(value: Any) -> str:
    text = re.sub(r"(.)\1{60,}", lambda found: f"{found[1]}<{len(found[0])} times>", repr(value))
    return text if len(text) < 2500 else text[:2500] + "..."


class Refused(NamedTuple):
    """A call that raised: what has to be the same, and what was said."""

    kind: str
    paths: tuple[str, ...]
    said: str


def seen(value: Any) -> Any:
    """A stored value in a form whose equality is sameness: in type, in the sign of zero, NaN as itself."""
    match value:
        case bool():
            return ("bool", value)
        case int():
            return ("int", value)
        case float():
            return ("float", repr(value))
        case datetime():
            # The emulator's clock for SERVER_TIMESTAMP is not that of its update times, and counts milliseconds.
            return ("server time",) if _OURS < value < _FAR else ("time", value.astimezone(timezone.utc).isoformat())
        case GeoPoint():
            return ("geo", repr(float(value.latitude)), repr(float(value.longitude)))
        case Vector():
            return ("vector", *map(repr, value))
        case Ref():
            return ("ref", value.path, value.database)
        case list():
            return ("array", *map(seen, value))
        case dict():
            return {key: seen(each) for key, each in value.items()}
        case _:
            return value


def refused(error: Exception) -> Refused:
    """What is the same about an error on both sides: a Cendry error's type, and the documents that it is about."""
    if isinstance(error, CendryError):
        return Refused(type(error).__name__, tuple(getattr(error, "candidates", ())), str(error))
    if isinstance(error, FailedPrecondition):
        # Those that have a meaning of their own are Cendry's errors by now; FirestoreBackend passes on all others.
        return Refused("InvalidRequestError", (), repr(error))
    # What never gets as far as the database: an integer of 65 bits, a lone surrogate, a value of no kind.
    for kind in (ValueError, TypeError):
        if isinstance(error, kind):
            return Refused(kind.__name__, (), repr(error))
    return Refused(type(error).__name__, (), repr(error))


def _is_rounding(aggregation: Aggregation, documents: list[DocumentResult], one: object, other: object) -> bool:
    """Whether two figures differ at most by the order in which doubles were added, which nobody promises."""
    if seen(one) == seen(other):
        return True
    if aggregation.path is None or not (isinstance(one, float) and isinstance(other, float)):
        return False
    total = 0.0
    for document in documents:
        value: Any = document.data
        for segment in aggregation.path:
            value = value.get(segment) if isinstance(value, dict) else None
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            total += abs(value)
    # So large that adding overflows, everything would count as rounding.
    return total < 1e300 and abs(one - other) <= 1e-12 * total


def _same_refusal(firestore: Refused, memory: Refused) -> bool:
    if firestore.kind == "ValueError" and memory.kind == "InvalidRequestError":
        return True
    return firestore[:2] == memory[:2]


class Times:
    """Moments of both sides that mean the same. They have to keep their order, and stay equal where they are."""

    def __init__(self) -> None:
        self._pairs: dict[datetime, datetime] = {}
        self._back: dict[datetime, datetime] = {}
        self._sorted: list[datetime] = []

    def check(self, request: Any, firestore: datetime | None, memory: datetime | None) -> None:
        """Hold two moments against each other and against all earlier ones."""
        if firestore is None or memory is None:
            if firestore is not memory:
                raise Difference(f"a time of {request}", firestore, memory)
            return
        known = self._pairs.get(firestore), self._back.get(memory)
        if known == (memory, firestore):
            return
        if known != (None, None):
            raise Difference(f"a time of {request}, known as {known}", firestore, memory)
        place = bisect_left(self._sorted, firestore)
        below = self._pairs[self._sorted[place - 1]] if place else None
        above = self._pairs[self._sorted[place]] if place < len(self._sorted) else None
        if (below is not None and memory <= below) or (above is not None and memory >= above):
            raise Difference(f"the order of a time of {request}, between {below} and {above}", firestore, memory)
        insort(self._sorted, firestore)
        self._pairs[firestore] = memory
        self._back[memory] = firestore

    def of(self, memory: datetime | None) -> datetime | None:
        """The moment on Firestore's side of one on memory's."""
        return None if memory is None else self._back[memory]


def _spoil(value: Any) -> None:
    """Change everything in a value that can be changed: whoever kept it instead of a copy shows it later."""
    if isinstance(value, dict):
        for each in value.values():
            _spoil(each)
        value.clear()
        value["spoilt"] = True
    elif isinstance(value, list):
        for each in value:
            _spoil(each)
        value[:] = ["spoilt"]


@dataclass
class Watch:
    """A listener on both sides."""

    plan: QueryPlan | GetPlan
    closings: list[Callable[[], object]] = field(default_factory=list)
    states: tuple[list[Any], list[Any]] = field(default_factory=lambda: ([], []))
    changed: threading.Condition = field(default_factory=threading.Condition)

    def hear(self, side: int) -> Callable[[ListenResult], None]:
        """The callback of one side."""
        documents = LiveDocuments[StoredDocument](self.plan, lambda result: result, backwards=False)
        rows: list[StoredDocument] = []

        def on_change(result: ListenResult) -> None:
            snapshot, _ = documents.take(result)
            if snapshot is None:
                return
            for change in snapshot.changes:
                if change.old_index is not None:
                    del rows[change.old_index]
                if change.new_index is not None:
                    rows.insert(change.new_index, change.document)
            if [id(row) for row in rows] != [id(one) for one in snapshot.documents]:
                self.states[side].append("the changes do not lead to the documents")
                return
            shown = [(document.path, seen(document.data)) for document in snapshot.documents]
            with self.changed:
                self.states[side].append(shown)
                self.changed.notify_all()

        return on_change

    def fail(self, side: int) -> Callable[[BaseException], None]:
        """The error callback of one side."""

        def on_error(error: BaseException) -> None:
            with self.changed:
                self.states[side].append(refused(error) if isinstance(error, Exception) else error)
                self.changed.notify_all()

        return on_error

    def settle(self) -> None:
        """Wait until both show the same state."""

        def is_settled() -> bool:
            if not self.states[0] or not self.states[1]:
                return False
            one, other = self.states[0][-1], self.states[1][-1]
            if isinstance(one, Refused) and isinstance(other, Refused):
                return _same_refusal(one, other)
            return bool(one == other)

        with self.changed:
            if not self.changed.wait_for(is_settled, _LISTEN_SECONDS):
                raise Difference(f"listening to {self.plan}", self.states[0][-1:], self.states[1][-1:])

    def close(self) -> None:
        """Stop listening."""
        for close in self.closings:
            close()


class Pair:
    """Both backends.

    Args:
        firestore: The backend on the emulator.
        memory: The backend that has to be its equal.
    """

    def __init__(self, firestore: Any, memory: Any) -> None:
        self.firestore = firestore
        self.memory = memory
        self.times = Times()
        self.slowest = 0.0

    # --- calls ---

    def _call(self, request: Any, on_firestore: Callable[[], Any], on_memory: Callable[[], Any]) -> Any:
        """Ask both; give the two answers, or `None` if both refused alike."""
        answers: list[Any] = []
        for call in (on_firestore, on_memory):
            try:
                answers.append(call())
            except Exception as error:
                answers.append(refused(error))
        firestore, memory = answers
        if isinstance(firestore, Refused) or isinstance(memory, Refused):
            if not (
                isinstance(firestore, Refused) and isinstance(memory, Refused) and _same_refusal(firestore, memory)
            ):
                raise Difference(request, firestore, memory)
            reach("error", memory.kind)
            return None
        return Both(firestore, memory)

    def _documents(self, request: Any, results: Both, in_order: bool) -> list[DocumentResult]:
        """Hold documents against each other; give those of memory, whose data are the receiver's."""
        lists = [list(each) for each in results]
        if not in_order:
            for each in lists:
                each.sort(key=lambda result: result.path)
        shown = [[(result.path, seen(result.data)) for result in each] for each in lists]
        if shown[0] != shown[1]:
            raise Difference(request, *shown)
        for one, other in zip(*lists, strict=True):
            self.times.check((request, "create_time", one.path), one.create_time, other.create_time)
            self.times.check((request, "update_time", one.path), one.update_time, other.update_time)
        kept = [other._replace(data=copy.deepcopy(other.data)) for other in lists[1]]
        for other in lists[1]:
            _spoil(other.data)
        return kept

    @staticmethod
    def _at(plan: Any, moment: Both | None) -> Both:
        if moment is None:
            return Both(plan, plan)
        return Both(replace(plan, read_time=moment.firestore), replace(plan, read_time=moment.memory))

    def get(self, plan: GetPlan, transaction: Both = NOBODY, moment: Both | None = None) -> list[DocumentResult] | None:
        """Read documents on both sides; `None` if both refused."""
        plans = self._at(plan, moment)
        answers = self._call(
            plan,
            lambda: list(self.firestore.get(plans.firestore, options=_OPTIONS, transaction=transaction.firestore)),
            lambda: list(self.memory.get(plans.memory, transaction=transaction.memory)),
        )
        return None if answers is None else self._documents(plan, answers, in_order=False)

    def run(
        self, plan: QueryPlan, transaction: Both = NOBODY, moment: Both | None = None
    ) -> list[DocumentResult] | None:
        """Run a query on both sides; `None` if both refused."""
        plans = self._at(plan, moment)
        answers = self._call(
            plan,
            lambda: list(self.firestore.run(plans.firestore, options=_OPTIONS, transaction=transaction.firestore)),
            lambda: list(self.memory.run(plans.memory, transaction=transaction.memory)),
        )
        return None if answers is None else self._documents(plan, answers, in_order=True)

    def search(self, plan: QueryPlan, transaction: Both = NOBODY, moment: Both | None = None) -> list[Any] | None:
        """Search by vector on both sides; `None` if both refused.

        Distances may differ by the margin. Documents at one distance stand in one order, unless one side sees a
        difference.
        """
        nearest = plan.nearest
        assert nearest is not None
        plans = self._at(plan, moment)
        answers = self._call(
            plan,
            lambda: list(self.firestore.run(plans.firestore, options=_OPTIONS, transaction=transaction.firestore)),
            lambda: list(self.memory.run(plans.memory, transaction=transaction.memory)),
        )
        if answers is None:
            return None
        firestore, memory = list(answers.firestore), list(answers.memory)
        distances = [[each.distance for each in side] for side in (firestore, memory)]
        size = searches.largest(nearest, [*distances[0], *distances[1]])
        if len(firestore) != len(memory) or not all(
            searches.is_near(one, other, size) for one, other in zip(*distances, strict=True)
        ):
            raise Difference(plan, *([(each.path, each.distance) for each in side] for side in (firestore, memory)))
        for run in searches.runs(distances[0], 3 * size):
            if all(seen(side[run.start]) == seen(each) for side in distances for each in side[run]):
                continue
            is_cut = run.stop == nearest.limit == len(memory)
            places = {each.path: place for place, each in enumerate(memory[run])}
            if is_cut and places.keys() != {each.path for each in firestore[run]}:
                del firestore[run], memory[run]
            else:
                firestore[run] = sorted(firestore[run], key=lambda each: places.get(each.path, -1))
        found = list(memory)
        self._documents(plan, Both(firestore, memory), in_order=True)
        return found

    def aggregate(
        self, plan: AggregationPlan, transaction: Both = NOBODY, moment: Both | None = None
    ) -> tuple[Any, ...] | None:
        """Compute figures on both sides; `None` if both refused."""
        queries = self._at(plan.query, moment)
        plans = Both(replace(plan, query=queries.firestore), replace(plan, query=queries.memory))
        answers = self._call(
            plan,
            lambda: self.firestore.aggregate(plans.firestore, options=_OPTIONS, transaction=transaction.firestore),
            lambda: self.memory.aggregate(plans.memory, transaction=transaction.memory),
        )
        if answers is None:
            return None
        memory: tuple[Any, ...] = answers.memory
        firestore: tuple[Any, ...] = answers.firestore
        documents: list[DocumentResult] | None = None
        for _ in range(_SUMS):
            if seen(list(firestore)) == seen(list(memory)) or not any(isinstance(figure, float) for figure in memory):
                break
            if documents is None:
                documents = list(self.memory.run(plans.memory.query, transaction=transaction.memory))
            if all(map(_is_rounding, plan.aggregations, [documents] * len(memory), firestore, memory)):
                return memory
            # The emulator adds doubles in another order each time; what overflows on the way may not the next time.
            reach("aggregation", "asked again")
            firestore = self.firestore.aggregate(plans.firestore, options=_OPTIONS, transaction=transaction.firestore)
        if seen(list(firestore)) != seen(list(memory)):
            raise Difference(plan, seen(list(firestore)), seen(list(memory)))
        return memory

    def commit(
        self, on_firestore: Sequence[Write], on_memory: Sequence[Write], transaction: Both = NOBODY
    ) -> tuple[CommitResult, CommitResult] | None:
        """Commit on both sides; `None` if both refused."""
        lent = copy.deepcopy(list(on_memory))
        answers = self._call(
            list(on_memory),
            lambda: self.firestore.commit(on_firestore, options=_OPTIONS, transaction=transaction.firestore),
            lambda: self.memory.commit(lent, transaction=transaction.memory),
        )
        for write in lent:
            _spoil(getattr(write, "data", None))
        if answers is None:
            return None
        firestore, memory = answers
        if len(firestore.update_times) != len(memory.update_times):
            raise Difference(on_memory, firestore, memory)
        for one, other in zip(firestore.update_times, memory.update_times, strict=True):
            self.times.check(on_memory, one, other)
        if on_memory:
            self.times.check(on_memory, firestore.commit_time, memory.commit_time)
        return firestore, memory

    def write_many(self, on_firestore: Sequence[Write], on_memory: Sequence[Write]) -> list[Both] | None:
        """Write each by itself on both sides; `None` if both refused them all."""
        lent = copy.deepcopy(list(on_memory))
        answers = self._call(
            list(on_memory),
            lambda: self.firestore.write_many(on_firestore, options=_OPTIONS),
            lambda: self.memory.write_many(lent),
        )
        for write in lent:
            _spoil(getattr(write, "data", None))
        if answers is None:
            return None
        for write, one, other in zip(on_memory, *answers, strict=True):
            ours, theirs = (None if each.error is None else refused(each.error) for each in (one, other))
            if ours is None or theirs is None:
                if ours is not theirs:
                    raise Difference(write, ours, theirs)
                self.times.check(write, one.update_time, other.update_time)
            else:
                if not _same_refusal(ours, theirs):
                    raise Difference(write, ours, theirs)
                reach("error", theirs.kind)
        return [Both(one, other) for one, other in zip(*answers, strict=True)]

    def begin(self, *, read_only: bool) -> Both:
        """Begin a transaction on both sides."""
        return Both(self.firestore.begin(read_only=read_only), self.memory.begin(read_only=read_only))

    def rollback(self, transaction: Both) -> None:
        """End a transaction on both sides, or see both refuse."""
        self._call(
            "rollback",
            lambda: self.firestore.rollback(transaction.firestore, options=_OPTIONS),
            lambda: self.memory.rollback(transaction.memory),
        )

    def listen(self, plan: QueryPlan | GetPlan, twin: str) -> Watch:
        """Listen on both sides, to whole documents, by the backends of one twin."""
        plan = replace(plan, projection=None)
        watch = Watch(plan)
        if twin == "sync":
            for side, backend in enumerate((self.firestore, self.memory)):
                watch.closings.append(backend.listen(plan, watch.hear(side), watch.fail(side)).close)
            return watch
        loop = LoopThread()
        firestore = AsyncFirestoreBackend(project=self.firestore.client.project)
        for side, each in enumerate((firestore, AsyncMemoryBackend(store=self.memory.store))):
            other: Any = each
            handle = loop.call(other.listen, plan, watch.hear(side), watch.fail(side))
            watch.closings.append(partial(loop.call, handle.close))
        watch.closings += [lambda: loop.wait_for(firestore.close()), loop.close]
        return watch

    def through(self, request: Any, on_both: Callable[[Any], Any]) -> bool:
        """Do something with either, and hold the answers, values of any kind, against each other.

        Returns:
            Whether it was done; both refuse alike what was not.
        """
        answers = self._call(request, lambda: on_both(self.firestore), lambda: on_both(self.memory))
        if answers is not None and answers.firestore != answers.memory:
            raise Difference(request, *answers)
        return answers is not None
