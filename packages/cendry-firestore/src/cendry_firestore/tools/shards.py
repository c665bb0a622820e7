"""A worker of a backfill: it takes one part, page by page, to its end. It may be ended after any step."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Final, cast

from cendry._order import path_key
from cendry.backend import Backend, StoredDocument
from cendry.errors import (
    DocumentAlreadyExistsError,
    DocumentNotFoundError,
    InvalidRequestError,
    LockLostError,
    OutcomeUnknownError,
    StaleDocumentError,
    TransactionContentionError,
    UnsupportedByBackendError,
)
from cendry.jobs import AdaptiveThrottle, DeadLetter, DeadLetters, JobLock, Stop, Store
from cendry.plan import GetPlan
from google.api_core import exceptions

from .chains import Chain
from .ledger import Ledger, Position, later, load, moved, name_of, save
from .ranges import BackfillPlan, pages
from .rewriting import Rewrite, Upgrade, rewrite

MAX_WRITES: Final = 499
"""Documents of a commit; the position is one more."""

MAX_BYTES: Final = 2_500_000
"""Bytes of a commit, about: less than any server refuses."""

MAX_ATTEMPTS: Final = 30
"""How often one document is tried that others change meanwhile."""

FIRST_PAUSE: Final = 0.02
LONGEST_PAUSE: Final = 2.0

_google = cast("Any", exceptions)
_CONFLICTS: Final[tuple[type[BaseException], ...]] = (
    StaleDocumentError,
    DocumentAlreadyExistsError,
    DocumentNotFoundError,
    OutcomeUnknownError,
    TransactionContentionError,
    _google.Aborted,
)
"""After these, the position in the database tells whether the commit was applied; if not, it is made anew."""

_REFUSALS: Final[tuple[type[BaseException], ...]] = (
    InvalidRequestError,
    TypeError,
    ValueError,
    _google.InvalidArgument,
)
"""One document is to blame for these."""

_OVERLOAD: Final[tuple[type[BaseException], ...]] = (
    OutcomeUnknownError,
    TransactionContentionError,
    _google.Aborted,
    _google.DeadlineExceeded,
    _google.ResourceExhausted,
    _google.ServiceUnavailable,
)


class Halted(Exception):
    """A worker has ended early since it was asked to."""


class Tools:
    """What the workers of a backfill share.

    Args:
        backend: The database.
        store: Where the files are.
        plan: The backfill.
        upgrade: The function, or the upgrades of the model.
        lock: The lock of the backfill.
        throttle: Its pace.
        stops: The requests to end.
        random: Draws pauses.
        letters: The dead letters of earlier runs, by part.
        note: Called with the number of documents that were read, after each page.
    """

    __slots__ = ("backend", "letters", "lock", "note", "plan", "random", "stops", "store", "throttle", "upgrade")

    def __init__(
        self,
        backend: Backend,
        store: Store,
        plan: BackfillPlan,
        upgrade: Upgrade | Chain,
        lock: JobLock,
        throttle: AdaptiveThrottle,
        stops: Sequence[Stop],
        random: Random,
        letters: Mapping[int, Sequence[DeadLetter]],
        note: Callable[[int], None],
    ) -> None:
        self.backend = backend
        self.store = store
        self.plan = plan
        self.upgrade = upgrade
        self.lock = lock
        self.throttle = throttle
        self.stops = stops
        self.random = random
        self.letters = letters
        self.note = note

    def check(self) -> None:
        """Check that the worker may go on.

        Raises:
            Halted: It was asked to end.
        """
        if any(stop.is_requested for stop in self.stops):
            raise Halted

    def pause(self, seconds: float) -> None:
        """Wait, unless the worker is asked to end.

        Raises:
            Halted: It was asked to end.
        """
        while seconds > 0:
            # Of several requests, one is waited for, and the others are looked at in between.
            self.stops[0].wait(min(seconds, 0.5))
            self.check()
            seconds -= 0.5


class Attempt:
    """A commit that was sent.

    Attributes:
        rewrites: What it rewrites.
        position: The position then.
    """

    __slots__ = ("position", "rewrites")

    def __init__(self, rewrites: Sequence[Rewrite], position: Position) -> None:
        self.rewrites = rewrites
        self.position = position


def letters_by_shard(store: Store, plan: BackfillPlan) -> dict[int, list[DeadLetter]]:
    """The dead letters of a backfill, by the numbers of its parts.

    Raises:
        JobFileError: They can't be read.
    """
    letters = list(DeadLetters.read(store).values())
    found: dict[int, list[DeadLetter]] = {}
    for number, letter in zip(plan.numbers_of(one.path for one in letters), letters, strict=True):
        found.setdefault(number, []).append(letter)
    return found


class Shard:
    """A part of a backfill.

    Args:
        tools: What it works with.
        number: Its number.
    """

    __slots__ = ("_dead", "_ledger", "_letters", "_number", "_position", "_tools")

    def __init__(self, tools: Tools, number: int) -> None:
        self._tools = tools
        self._number = number
        self._ledger = Ledger(tools.backend, tools.plan, number)
        self._letters = DeadLetters(tools.store, name_of(tools.plan, number))
        self._position = Position()
        self._dead = 0

    def run(self) -> None:
        """Take the part to its end.

        Raises:
            Halted: The worker was asked to end.
            CendryError: It failed; what it did is saved.
        """
        tools = self._tools
        tools.check()
        self._position, self._dead = load(tools.store, tools.plan, self._number)
        if self._position.done:
            return
        before = self._position.seen
        written = self._ledger.read()
        if written is not None:
            # After a kill, the file may be one commit behind; never the other way but by what needed none.
            self._position = later(written[1], self._position)
        self._forget_letters()
        # What the last run has not reported.
        tools.note(self._position.seen - before)
        start, end = tools.plan.shard(self._number)
        for page in pages(tools.backend, tools.plan.selection, self._position.after, start, end):
            tools.check()
            self._take(page)
            tools.note(len(page))
        at = self._position
        self._position = Position(at.after, at.rewritten, at.seen, done=True)
        self._save()

    def _forget_letters(self) -> None:
        """Take back the dead letters of documents that are read again, since a kill came before the position moved."""
        after = path_key(self._position.after) if self._position.after else b""
        known = self._tools.letters.get(self._number, ())
        letters = [DeadLetter(one.key, one.path, None) for one in known if path_key(one.path) > after]
        if letters:
            self._tools.lock.check()
            self._letters.extend(letters)

    def _take(self, page: list[StoredDocument]) -> None:
        rewrites = self._rewritten(page)
        before, last = self._position.seen, page[-1].path
        if rewrites:
            # How many were read up to each document: what a commit covers, with those that need none before it.
            counts = {document.path: before + count for count, document in enumerate(page, 1)}
            self._write(rewrites, last, counts)
        if self._position.after != last:
            self._position = moved(self._position, last, seen=before + len(page))
            self._save()

    def _rewritten(self, found: Sequence[StoredDocument]) -> list[Rewrite]:
        """What the function makes of some documents; those on which it fails become dead letters."""
        rewrites: list[Rewrite] = []
        letters: list[tuple[str, str]] = []
        for document in found:
            if document.update_time is None:
                raise UnsupportedByBackendError(
                    "backfills", self._tools.backend.name, "It keeps no time of each document's last change."
                )
            made = rewrite(document, self._tools.upgrade)
            if isinstance(made, str):
                letters.append((document.path, made))
            elif made is not None:
                rewrites.append(made)
        self._bury(letters)
        return rewrites

    def _bury(self, letters: Sequence[tuple[str, str]]) -> None:
        if letters:
            self._tools.lock.check()
            self._letters.extend([DeadLetter(path.encode().hex(), path, error) for path, error in letters])
            self._dead += len(letters)

    def _write(self, waiting: list[Rewrite], last: str, counts: Mapping[str, int]) -> None:
        """Commit rewrites in the order of their keys, in as many commits as it takes.

        Args:
            waiting: The rewrites of a page.
            last: The last document of the page.
            counts: How many documents were read up to each of the page.
        """
        tools, size, attempts = self._tools, MAX_WRITES, 0
        sent: dict[str, Attempt] = {}
        while waiting:
            batch = self._batch(waiting, size)
            after = last if len(batch) == len(waiting) else batch[-1].path
            position = moved(self._position, after, rewritten=len(batch), seen=counts[after])
            commit = secrets.token_hex(8)
            self._acquire(len(batch) + 1)
            sent[commit] = Attempt(batch, position)
            try:
                result = tools.backend.commit([*[one.write for one in batch], self._ledger.write(commit, position)])
            except _CONFLICTS as error:
                tools.throttle.note(accepted=not isinstance(error, _OVERLOAD))
                applied = self._applied(sent)
                if applied is None:
                    attempts += 1
                    # Fewer at once meet fewer others; one alone is tried again and again.
                    size = max(1, len(batch) // 2)
                    tools.pause(tools.random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(attempts, 10))))
                    waiting = (
                        self._again(batch, error if len(batch) == 1 and attempts >= MAX_ATTEMPTS else None)
                        + (waiting[len(batch) :])
                    )
                    continue
                batch, position = list(applied.rewrites), applied.position
            except _REFUSALS as error:
                tools.throttle.note(accepted=True)
                size = max(1, len(batch) // 2)
                if len(batch) == 1:
                    self._bury([(batch[0].path, f"it can't be written: {error}")])
                    waiting = waiting[1:]
                continue
            except _OVERLOAD:
                tools.throttle.note(accepted=False)
                raise
            else:
                tools.throttle.note(accepted=True)
                self._ledger.update_time = result.update_times[-1]
            done = {one.path for one in batch}
            waiting = [one for one in waiting if one.path not in done]
            sent.clear()
            size, attempts = min(MAX_WRITES, size * 2), 0
            self._position = position
            self._save()

    def _batch(self, waiting: list[Rewrite], size: int) -> list[Rewrite]:
        most = max(1, min(size, int(min(self._tools.throttle.burst, MAX_WRITES + 1)) - 1))
        total = 0
        for count, one in enumerate(waiting[:most]):
            total += one.size
            if total > MAX_BYTES and count:
                return waiting[:count]
        return waiting[:most]

    def _acquire(self, count: int) -> None:
        """Wait until some documents may be written, and the lock is still there."""
        tools = self._tools
        while wait := tools.throttle.acquire(count):
            tools.pause(wait)
        tools.check()
        tools.lock.check()

    def _applied(self, sent: dict[str, Attempt]) -> Attempt | None:
        """Which of the commits that were sent was applied, if one was.

        Raises:
            LockLostError: Another process has moved on.
        """
        self._tools.lock.check()
        known = self._ledger.update_time
        found = self._ledger.read()
        if self._ledger.update_time == known and (found is not None or known is None):
            return None
        applied = None if found is None else sent.get(found[0])
        if applied is None:
            raise LockLostError("backfill", None, None)
        return applied

    def _again(self, batch: list[Rewrite], error: BaseException | None) -> list[Rewrite]:
        """Read documents again, and make anew what the function makes of them; give up if that was tried often."""
        if error is not None:
            self._bury([(batch[0].path, f"it was changed {MAX_ATTEMPTS} times while it was rewritten: {error}")])
            return []
        places = {one.path: place for place, one in enumerate(batch)}
        found = [one for one in self._tools.backend.get(GetPlan(tuple(places))) if one.exists]
        return self._rewritten(sorted(found, key=lambda one: places[one.path]))

    def _save(self) -> None:
        tools = self._tools
        tools.lock.check()
        save(tools.store, tools.plan, self._number, self._position, self._dead)
        tools.throttle.save()
