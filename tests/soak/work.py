"""What the workers do, written once for threads on `Cendry` and tasks on `AsyncCendry`, and how they judge answers."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from cendry import AsyncCendry, Cendry, Increment, Ref
from cendry.errors import (
    CendryError,
    DocumentAlreadyExistsError,
    DocumentNotFoundError,
    InvalidRequestError,
    OutcomeUnknownError,
    StaleDocumentError,
    TransactionContentionError,
)
from google.api_core import exceptions
from soak.counted import count
from soak.gauges import Pulse
from soak.ledger import (
    ABSENT,
    Entry,
    Epoch,
    Frozen,
    HitCount,
    Hits,
    Ledger,
    Row,
    Tally,
    frozen_text,
    text_of,
    wrong_row,
)
from soak.plan import Weather
from soak.promises import AMBIGUOUS_COMMITS_ARE_TOLD, ASYNC_COUNTS_ARE_SENT_AGAIN

SLACK: Final = 2.0
"""Seconds that a machine under load may add to a bound."""

FROZEN: Final = 250
"""Documents that are written once and then only read, some 1.2 KB each."""

MAX_ATTEMPTS: Final = 4
UNREACHED: Final = (
    exceptions.ServiceUnavailable,
    exceptions.DeadlineExceeded,
    exceptions.RetryError,
    exceptions.InternalServerError,
)
"""The errors of reads, of what begins and ends transactions, and of commits that were never sent."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a context is told to call.

    Attributes:
        name: Its name in the counts.
        timeout: Seconds; `None` for the policy of the SDK.
        retries: Whether calls are sent again.
    """

    name: str
    timeout: float | None
    retries: bool = True

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of a context."""
        return {"timeout": self.timeout} | ({} if self.retries else {"retry": None})


MANNERS: Final = (
    Manner("patient", 30.0),
    Manner("hasty", 1.0),
    Manner("once", 10.0, retries=False),
    Manner("default", None),
)


class Face:
    """A context of either twin, awaited: in tasks, which can be cancelled, or in threads, which block."""

    def __init__(self, manner: Manner, is_async: bool, project: str) -> None:
        self.manner = manner
        self.is_async = is_async
        kind: Any = AsyncCendry if is_async else Cendry
        self.ctx: Any = kind(project=project, **manner.options)
        self.is_lasting = manner.retries and (manner.timeout is None or manner.timeout > 10.0)
        """Whether it outlasts every fault, so that no read fails."""

    async def transaction(self, body: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
        function = body if self.is_async else lambda txn: drive(body(txn))
        return await settle(self.ctx.transaction(function, max_attempts=MAX_ATTEMPTS))


async def settle(answer: Any) -> Any:
    """The answer of either twin."""
    return await answer if inspect.isawaitable(answer) else answer


def drive(work: Coroutine[Any, Any, Any]) -> Any:
    """Run what waits for nothing but the sync twin, which blocks."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("something of the async twin was awaited in a thread")


@dataclass
class Round:
    """What the workers have in common for a while.

    Attributes:
        epoch: The document under which all is written.
        weather: The faults.
        pulse: How long this process did not run.
        is_restart: Whether the emulator is stopped meanwhile, so that documents vanish; then what is written is never
            looked for, and only bounds, kinds of errors and `create` are judged.
        ended: Set to let the workers come to an end.
        failures: What must not be.
    """

    epoch: Ref[Epoch]
    weather: Weather
    pulse: Pulse
    is_restart: bool
    ended: threading.Event = field(default_factory=threading.Event)
    failures: list[str] = field(default_factory=list)
    tallies: list[str] = field(default_factory=lambda: ["tally-0", "tally-1", "tally-2"])
    made: int = 3
    lock: threading.Lock = field(default_factory=threading.Lock)
    longest: dict[str, float] = field(default_factory=dict)

    def retire(self, tally: str) -> None:
        """Go on with another tally: an abandoned transaction keeps the emulator's lock on this one for a minute."""
        with self.lock:
            if tally in self.tallies:
                self.tallies[self.tallies.index(tally)] = f"tally-{self.made}"
                self.made += 1

    def fail(self, message: str) -> None:
        if len(self.failures) < 50:
            self.failures.append(message)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended: `done`, `unknown` (a write may have happened) or `refused` (nothing was written).

    Attributes:
        is_calm: Whether no fault fell into it.
    """

    kind: str
    value: Any
    is_calm: bool

    @property
    def is_done(self) -> bool:
        return self.kind == "done"


class Worker:
    """One thread or task, with documents of its own that no other one writes.

    Args:
        number: Its number, in this round.
        faces: The contexts that it uses.
        around: The round.
        seed: What its choices are drawn from.
    """

    def __init__(self, number: int, faces: list[Face], around: Round, seed: str) -> None:
        self.ledger = Ledger(number)
        self.faces = faces
        self.round = around
        self.epoch = around.epoch
        self.draws = Random(f"{seed} {around.epoch.id} worker {number}")
        self.face = faces[0]

    async def run(self) -> None:
        """Work until the round has ended."""
        try:
            while True:
                deck = [name for name, times in OPERATIONS.items() for _ in range(times)]
                self.draws.shuffle(deck)
                for name in deck:
                    if self.round.ended.is_set():
                        return
                    self.face = self.draws.choice(self.faces)
                    await getattr(self, name)()
        except Exception:
            self.round.fail(f"worker {self.ledger.worker}: {traceback.format_exc()}")

    # --- calls ---

    async def call(self, name: str, act: Callable[[], Any], calls: int = 1, longest: float = 0.0) -> Outcome:
        """Call, measure and judge. `calls` of them have a bound each; `longest` is added to that."""
        face, weather = self.face, self.round.weather
        before, started, late = weather.mark, time.monotonic(), self.round.pulse.late
        value: Any = None
        try:
            value = await settle(act())
            kind = "done"
        except Exception as error:
            kind = self._judge(name, error, weather.was_calm(before))
        # The time for which the machine kept this process from running is not the call's.
        self._measure(name, time.monotonic() - started - (self.round.pulse.late - late), calls, longest)
        twin = "task" if face.is_async else "thread"
        count("operation", name)
        count(f"outcomes of {twin}s, {face.manner.name}", kind)
        return Outcome(kind, value, weather.was_calm(before))

    def _measure(self, name: str, seconds: float, calls: int, longest: float) -> None:
        bound = self.face.manner.timeout
        if bound is None:
            return
        over = seconds - bound * calls - longest
        with self.round.lock:
            self.round.longest[name] = max(self.round.longest.get(name, over), over)
        if over > SLACK:
            self.round.fail(f"{name} ({self._who}) took {seconds:.2f} s, {over:.2f} more than it may")

    @property
    def _who(self) -> str:
        return f"{'async' if self.face.is_async else 'sync'}, {self.face.manner.name}"

    def _judge(self, name: str, error: Exception, is_calm: bool) -> str:
        count("error", type(error).__name__)
        if isinstance(error, OutcomeUnknownError):
            if name in READS:
                self.round.fail(f"{name} ({self._who}) has no outcome: {_shown(error)}")
            return "unknown"
        if isinstance(error, UNREACHED):
            excused = name == "count" and self.face.is_async and not is_calm and not ASYNC_COUNTS_ARE_SENT_AGAIN
            if name in READS and self.face.is_lasting and not self.round.is_restart and not excused:
                self.round.fail(f"{name} ({self._who}) did not go on: {_shown(error)}")
            return "refused"
        if isinstance(error, TransactionContentionError):
            return "refused"
        # All documents are this worker's own, and what it believes of them is certain: each of these is its own work.
        own = (DocumentAlreadyExistsError, StaleDocumentError, DocumentNotFoundError, InvalidRequestError)
        if self.round.is_restart and isinstance(error, CendryError) and not isinstance(error, own[0]):
            return "refused"
        if isinstance(error, own) and name not in READS and not is_calm and not AMBIGUOUS_COMMITS_ARE_TOLD:
            count("own success told as a refusal", f"{name}: {type(error).__name__}")
            return "unknown"
        self.round.fail(f"{name} ({self._who}{', calm' if is_calm else ''}): {_shown(error)}")
        return "unknown"

    # --- writes ---

    def _settle(self, outcome: Outcome, changes: list[tuple[Entry, int, int]]) -> None:
        """Note what may be stored now, of documents that were of one version and should be of another."""
        for entry, before, after in changes:
            if outcome.is_done:
                entry.allowed = {after}
                entry.is_open = outcome.is_calm and after != ABSENT
            elif outcome.kind == "unknown":
                entry.allowed = {before, after}
                entry.is_open = False
            else:
                entry.allowed = {before}
                entry.is_open = False
        if outcome.kind == "unknown" and len(changes) > 1:
            self.ledger.together.append(changes)

    def _note_ids(self, changes: list[tuple[Entry, int, int]]) -> None:
        for entry, _, _ in changes:
            if entry.instance is not None and entry.instance.id is not None:
                if entry.id is not None and entry.id != entry.instance.id:
                    self.round.fail(f"{entry} got another id: {entry.instance.id}")
                entry.id = entry.instance.id
            if not entry.is_open:
                entry.instance = None

    def _one(self) -> Entry | None:
        entries = self.ledger.open_entries()
        return self.draws.choice(entries) if entries else None

    async def create(self) -> None:
        entry, row = self.ledger.new(self.epoch, self.draws.random() < 0.5)
        outcome = await self.call("create", lambda: self.face.ctx.create(row, parent=self.epoch))
        self._settle(outcome, [(entry, ABSENT, 0)])
        self._note_ids([(entry, ABSENT, 0)])

    async def save_new(self) -> None:
        await self._save_new("save", [self.ledger.new(self.epoch, self.draws.random() < 0.3)])

    async def save_many(self) -> None:
        number = self.draws.randint(2, 40)
        await self._save_new("save_many", [self.ledger.new(self.epoch, False) for _ in range(number)])

    async def _save_new(self, name: str, pairs: list[tuple[Entry, Row]]) -> None:
        rows = [row for _, row in pairs]
        changes = [(entry, ABSENT, 0) for entry, _ in pairs]

        def act() -> Any:
            if name == "save":
                return self.face.ctx.save(rows[0], parent=self.epoch)
            return self.face.ctx.save_many(rows, parent=self.epoch)

        outcome = await self.call(name, act)
        for _ in range(3):
            if outcome.kind != "unknown" or self.round.ended.is_set():
                break
            # The ids stay, so that saving again makes no second documents.
            ids = [row.id for row in rows]
            again = await self.call(f"{name} again", act)
            if None in ids or ids != [row.id for row in rows]:
                self.round.fail(f"{name}: after an unknown outcome the ids {ids} became {[row.id for row in rows]}")
            if again.is_done:
                outcome = Outcome("done", again.value, False)
        self._settle(outcome, changes)
        self._note_ids(changes)

    async def save_over(self) -> None:
        entry = self._one()
        if entry is None or entry.instance is None:
            return
        row, before = entry.instance, entry.version
        row.version, row.text = before + 1, text_of(entry.token, before + 1)
        guarded = self.draws.random() < 0.6
        name = "save if_unchanged" if guarded else "save over"
        outcome = await self.call(name, lambda: self.face.ctx.save(row, if_unchanged=guarded))
        self._settle(outcome, [(entry, before, before + 1)])

    async def update(self) -> None:
        entry = self._one()
        if entry is None or entry.instance is None:
            return
        row, before = entry.instance, entry.version
        changes = {Row.version: before + 1, Row.text: text_of(entry.token, before + 1)}
        guarded = self.draws.random() < 0.6
        name = "update if_unchanged" if guarded else "update"
        outcome = await self.call(name, lambda: self.face.ctx.update(row, changes, if_unchanged=guarded))
        self._settle(outcome, [(entry, before, before + 1)])

    async def delete(self) -> None:
        entry = self._one()
        if entry is None or entry.instance is None:
            return
        row, before = entry.instance, entry.version
        must_exist = self.draws.random() < 0.6
        name = "delete must_exist" if must_exist else "delete"
        outcome = await self.call(name, lambda: self.face.ctx.delete(row, must_exist=must_exist))
        self._settle(outcome, [(entry, before, ABSENT)])

    async def increment(self) -> None:
        """Outside a transaction, without a look at what is stored."""
        id = f"hits-{self.ledger.worker:02}"
        hit = self.ledger.hits.get(id)
        if hit is None:
            outcome = await self.call("save", lambda: self.face.ctx.save(Hits(id=id), parent=self.epoch))
            if outcome.is_done and outcome.is_calm:
                self.ledger.hits[id] = HitCount()
            return
        changes = {Hits.times: Increment(1)}
        outcome = await self.call(
            "update with Increment", lambda: self.face.ctx.update(Hits, id, changes, parent=self.epoch)
        )
        hit.told += outcome.is_done
        hit.unknown += outcome.kind == "unknown"

    async def batch(self) -> None:
        entries = self.ledger.open_entries()
        chosen = self.draws.sample(entries, min(len(entries), self.draws.randint(1, 4)))
        changes: list[tuple[Entry, int, int]] = []
        batch = self.face.ctx.batch()
        for entry in chosen:
            if entry.instance is None:
                continue
            row, before = entry.instance, entry.version
            match self.draws.randrange(3):
                case 0:
                    batch.delete(row)
                    changes.append((entry, before, ABSENT))
                case 1:
                    text = text_of(entry.token, before + 1)
                    batch.update(row, {Row.version: before + 1, Row.text: text}, if_unchanged=True)
                    changes.append((entry, before, before + 1))
                case _:
                    row.version, row.text = before + 1, text_of(entry.token, before + 1)
                    batch.save(row)
                    changes.append((entry, before, before + 1))
        for number in range(self.draws.randint(1, 4)):
            entry, row = self.ledger.new(self.epoch, self.draws.random() < 0.5)
            (batch.create if number % 2 else batch.save)(row, parent=self.epoch)
            changes.append((entry, ABSENT, 0))
        outcome = await self.call("batch", batch.commit)
        self._settle(outcome, changes)
        self._note_ids(changes)

    async def transaction(self) -> None:
        """Counts one up, and leaves a receipt: as many receipts as the tally says, whatever is known of outcomes."""
        tally = self.draws.choice(self.round.tallies)
        entry, row = self.ledger.new(self.epoch, True, tally)

        async def body(txn: Any) -> None:
            found = await settle(txn.find(Tally, tally, parent=self.epoch))
            if found is None:
                txn.save(Tally(id=tally, read=1, times=1), parent=self.epoch)
            else:
                if found.read != found.times:
                    self.round.fail(f"{found!r} was seen in the middle of a transaction")
                txn.update(found, {Tally.read: found.read + 1, Tally.times: Increment(1)})
            txn.save(row, parent=self.epoch)

        # To begin, read, commit and roll back, and pauses of up to 0.5, 1 and 2 seconds.
        outcome = await self.call(
            "transaction", lambda: self.face.transaction(body), calls=4 * MAX_ATTEMPTS, longest=3.5
        )
        if not outcome.is_done:
            self.round.retire(tally)
        self._settle(outcome, [(entry, ABSENT, 0)])
        entry.is_open = False
        entry.instance = None

    async def bulk(self) -> None:
        """New documents and some that are there, each by itself, and increments of one in a row."""
        bulk = self.face.ctx.bulk(on_error=lambda failure: None)
        changes: dict[str, tuple[Entry, int, int]] = {}
        hit_id, increments = f"bulk-{self.ledger.worker:02}", 0
        hit = self.ledger.hits.setdefault(hit_id, HitCount())

        async def fill() -> None:
            nonlocal increments
            for number in range(self.draws.randint(5, 300)):
                entry, row = self.ledger.new(self.epoch, self.draws.random() < 0.3)
                act = bulk.create if number % 3 == 0 else bulk.save
                changes[await settle(act(row, parent=self.epoch))] = entry, ABSENT, 0
            entries = [entry for entry in self.ledger.open_entries() if entry.instance is not None]
            for entry in self.draws.sample(entries, min(len(entries), 6)):
                known, before = entry.instance, entry.version
                assert known is not None
                assert known.id is not None
                if self.draws.random() < 0.3:
                    await settle(bulk.delete(known, must_exist=self.draws.random() < 0.5))
                    changes[known.id] = entry, before, ABSENT
                else:
                    update = {Row.version: before + 1, Row.text: text_of(entry.token, before + 1)}
                    await settle(bulk.update(known, update, if_unchanged=self.draws.random() < 0.5))
                    changes[known.id] = entry, before, before + 1
            for _ in range(3):
                # It may not be there yet.
                change = {Hits.times: Increment(1)}
                await settle(bulk.merge(Hits, hit_id, change, parent=self.epoch))
                increments += 1

        async def write() -> None:
            if self.face.is_async:
                async with bulk:
                    await fill()
            else:
                with bulk:
                    await fill()

        async def leave() -> None:
            task = asyncio.ensure_future(write())
            await asyncio.wait([task], timeout=self.draws.uniform(0.0, 0.05))
            task.cancel()
            await asyncio.wait([task])

        is_left = self.face.is_async and self.draws.random() < 0.3
        # A write after another one to its document has a time of its own; each may be sent again until it is over.
        outcome = await self.call("cancelled bulk" if is_left else "bulk", leave if is_left else write, calls=8)
        failed: dict[str, str] = {}
        for failure in bulk.result.failed if outcome.is_done else ():
            kind = self._judge("bulk", failure.error, outcome.is_calm or is_left)
            name = failure.path.rpartition("/")[2]
            hit.unknown += name == hit_id and kind == "unknown"
            failed[name] = kind
            count("outcomes of bulk writes", kind)
        count("outcomes of bulk writes", "done", bulk.result.written)
        if is_left or not outcome.is_done:
            # Which of them were sent, nobody says.
            hit.unknown += increments
            failed = dict.fromkeys(changes, "unknown")
        else:
            hit.told += increments - sum(one.path.endswith(f"/{hit_id}") for one in bulk.result.failed)
        for id, change in changes.items():
            kind = failed.get(id, "done")
            if change[1] == ABSENT and kind != "refused":
                change[0].id = id
            self._settle(Outcome(kind, None, outcome.is_calm and not failed), [change])
            self._note_ids([change])

    async def cancel(self) -> None:
        """Tasks alone can be cancelled in the middle of a write, whose outcome nobody knows then."""
        if not self.face.is_async:
            return
        entry, row = self.ledger.new(self.epoch, True)
        weather = self.round.weather
        before, started = weather.mark, time.monotonic()
        task = asyncio.ensure_future(self.face.ctx.save(row, parent=self.epoch))
        await asyncio.wait([task], timeout=self.draws.uniform(0.0, 0.02))
        task.cancel()
        kind = "unknown"
        try:
            await task
            kind = "done"
        except asyncio.CancelledError:
            pass
        except Exception as error:
            kind = self._judge("cancelled save", error, weather.was_calm(before))
        self._measure("cancelled save", time.monotonic() - started, 1, 0.0)
        count("operation", "cancelled save")
        self._settle(Outcome(kind, None, False), [(entry, ABSENT, 0)])
        entry.instance = None

    # --- reads ---

    async def get(self) -> None:
        entry = self._one()
        if entry is None or entry.id is None:
            return
        outcome = await self.call("get", lambda: self.face.ctx.get(Row, entry.id, parent=self.epoch))
        if outcome.is_done:
            self._check(entry, outcome.value)

    async def get_many(self) -> None:
        entries = [entry for entry in self.ledger.open_entries() if entry.id is not None]
        if not entries:
            return
        chosen = self.draws.sample(entries, min(len(entries), 20))
        ids = [entry.id for entry in chosen]
        outcome = await self.call("get_many", lambda: self.face.ctx.get_many(Row, ids, parent=self.epoch))
        if outcome.is_done:
            if len(outcome.value) != len(chosen):
                self.round.fail(f"get_many gave {len(outcome.value)} of {len(chosen)}")
            for entry, row in zip(chosen, outcome.value, strict=False):
                self._check(entry, row)

    async def query(self) -> None:
        """The documents of a group, in order: those that are certain are there, none comes twice."""
        groups = self.ledger.groups()
        if not groups:
            return
        group = self.draws.choice(list(groups))
        query = self.face.ctx.select(Row, Row.group == group, order_by=Row.token, parent=self.epoch)
        outcome = await self.call("query", query.to_list)
        if not outcome.is_done:
            return
        tokens = [row.token for row in outcome.value]
        if tokens != sorted(set(tokens)):
            self.round.fail(f"query gave {tokens}")
        for row in outcome.value:
            self._check(self.ledger.entries.get(row.token), row)
        lost = [entry for entry in groups[group] if ABSENT not in entry.allowed and entry.token not in tokens]
        if lost and not self.round.is_restart:
            self.round.fail(f"query gave no {lost}")

    async def scan(self) -> None:
        """Iterate over the frozen collection, in the order of a field or of the ids."""
        seen: list[Frozen] = []
        order = self.draws.choice([None, Frozen.number.asc(), Frozen.number.desc()])
        query = self.face.ctx.select(Frozen, order_by=order, parent=self.epoch)

        async def iterate() -> None:
            if self.face.is_async:
                async for row in query:
                    seen.append(row)
            else:
                for row in query:
                    seen.append(row)

        outcome = await self.call("iterate", iterate)
        self._check_frozen("iterate", seen, outcome.is_done, order == Frozen.number.desc())

    async def leave(self) -> None:
        """Begin to iterate, and leave after a few documents, while the server goes on sending."""
        number = self.draws.randint(1, 30)
        seen: list[Frozen] = []
        query = self.face.ctx.select(Frozen, parent=self.epoch)

        async def iterate() -> None:
            rows = aiter(query) if self.face.is_async else iter(query)
            try:
                while len(seen) < number:
                    seen.append(await anext(rows) if self.face.is_async else next(rows))
            except (StopIteration, StopAsyncIteration):
                if not self.round.is_restart:
                    self.round.fail(f"iteration ended after {len(seen)}")
            finally:
                await settle(rows.aclose() if self.face.is_async else rows.close())

        await self.call("iterate and leave", iterate)
        self._check_frozen("iterate and leave", seen, False, False)

    async def list_all(self) -> None:
        query = self.face.ctx.select(Frozen, parent=self.epoch)
        outcome = await self.call("to_list", query.to_list)
        if outcome.is_done:
            self._check_frozen("to_list", outcome.value, True, False)

    async def count_all(self) -> None:
        query = self.face.ctx.select(Frozen, parent=self.epoch)
        outcome = await self.call("count", query.count)
        if outcome.is_done and outcome.value != FROZEN and not self.round.is_restart:
            self.round.fail(f"count gave {outcome.value}")

    def _check(self, entry: Entry | None, row: Row) -> None:
        if not self.round.is_restart and (wrong := wrong_row(entry, row)):
            self.round.fail(f"read ({self._who}): {wrong}")

    def _check_frozen(self, name: str, seen: list[Frozen], is_whole: bool, is_reversed: bool) -> None:
        numbers = [row.number for row in seen]
        expected = list(range(FROZEN))
        if is_reversed:
            expected.reverse()
        # A restart takes documents away; then what came before it is still in order, and nothing comes twice.
        if numbers != (expected if is_whole and not self.round.is_restart else expected[: len(numbers)]):
            self.round.fail(f"{name} ({self._who}) gave {numbers}")
        if any(row.text != frozen_text(row.number) or row.id != f"{row.number:04}" for row in seen):
            self.round.fail(f"{name} gave documents that are not as they were written")
        count("documents of scans", "right", len(seen))


def _shown(error: Exception) -> str:
    cause = "" if error.__cause__ is None else f", because of {error.__cause__!r}"
    return f"{error!r}{cause}"


OPERATIONS: Final = {
    "create": 6,
    "save_new": 5,
    "save_over": 5,
    "save_many": 2,
    "update": 5,
    "increment": 6,
    "delete": 2,
    "batch": 4,
    "transaction": 2,
    "get": 5,
    "get_many": 3,
    "query": 3,
    "scan": 2,
    "leave": 1,
    "bulk": 2,
    "cancel": 1,
    "list_all": 2,
    "count_all": 2,
}
"""How often each is done, in an order that is drawn each time."""

READS: Final = {"get", "get_many", "query", "iterate", "iterate and leave", "to_list", "count"}

REACHED: Final = {
    *READS,
    "create",
    "save",
    "save_many",
    "save over",
    "save if_unchanged",
    "update",
    "update if_unchanged",
    "update with Increment",
    "delete",
    "delete must_exist",
    "batch",
    "bulk",
    "cancelled bulk",
    "transaction",
    "cancelled save",
}
"""What has to be done at least once in each run."""
