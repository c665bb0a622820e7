"""The plan of faults, drawn from a seed, and how each is carried out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Final

from soak.counted import count
from soak.process import Emulator
from soak.proxy import Proxy

KINDS: Final = ("cut", "cut in a stream", "answers lost", "stalled", "refused", "paused")
ENDS: Final = ("stopped", "killed")
RESTART_SECONDS: Final = 4.0
STREAMS: Final = 5
"""Answers that are cut, one after the other."""

FIRST_OFFSET: Final = 3_000
LONGEST_OFFSET: Final = 250_000
"""Bytes; a scan of the frozen documents is some 310,000 long."""

PATIENCE: Final = 3.0
"""Seconds to wait for an answer that can be cut or lost; then there is no fault."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens, for how many seconds, after a pause; `offset` is where in an answer it is cut."""

    kind: str
    pause: float
    seconds: float
    offset: int


@dataclass(frozen=True, slots=True)
class Life:
    """One life of the emulator: for so many seconds; the faults in it; and how it ends."""

    seconds: float
    faults: tuple[Fault, ...]
    end: str


def draw(seed: str, seconds: float) -> list[Life]:
    """Lives that take about so many seconds together, restarts included."""
    draws = Random(f"{seed} faults")
    number = max(2, min(round(seconds / 10), 3 + round(seconds / 60)))
    each = max(2.0, (seconds - RESTART_SECONDS * (number - 1)) / number)
    first_end = draws.randrange(len(ENDS))
    deck: list[str] = []
    lives = []
    for life in range(number):
        faults: list[Fault] = []
        spent = 0.0
        # Short lives still have half of the kinds each.
        while spent < each - 0.5 or len(faults) < len(KINDS) // 2:
            if not deck:
                deck = draws.sample(KINDS, len(KINDS))
            kind = deck.pop()
            longest = min(3.0, each / 6)
            fault = Fault(
                kind, draws.uniform(0.05, 0.5), draws.uniform(0.2, longest), draws.randint(FIRST_OFFSET, LONGEST_OFFSET)
            )
            faults.append(fault)
            spent += fault.pause + (fault.seconds if kind in ("stalled", "refused", "paused") else 0.3)
        lives.append(Life(each, tuple(faults), ENDS[(first_end + life) % len(ENDS)]))
    return lives


class Weather:
    """Carries faults out, and tells whether one fell into a call.

    Attributes:
        over: Set to end the pauses early.
    """

    def __init__(self, emulator: Emulator, proxy: Proxy) -> None:
        self.over = threading.Event()
        self._emulator = emulator
        self._proxy = proxy
        self._turns = 0

    @property
    def mark(self) -> tuple[int, bool]:
        """Compare two of them by `was_calm`."""
        return self._turns, self._turns % 2 == 0

    def was_calm(self, before: tuple[int, bool]) -> bool:
        """Whether there has been no fault since, and is none."""
        return before[1] and before == self.mark

    @contextmanager
    def storm(self) -> Iterator[None]:
        """Whatever is under way in here may be hit."""
        self._turns += 1
        try:
            yield
        finally:
            self._turns += 1

    def bring(self, fault: Fault) -> None:
        """Carry one fault out, and end it."""
        proxy, wait = self._proxy, self.over.wait
        with self.storm():
            match fault.kind:
                case "cut":
                    happened = proxy.cut() > 0
                case "cut in a stream":
                    # One costs little, and falls to one twin in one manner.
                    offsets = [max(FIRST_OFFSET, fault.offset // part) for part in range(1, 1 + STREAMS)]
                    cuts = [self._wound(proxy.cut_in_stream(offset)) for offset in offsets]
                    count("answers", "cut in the middle", sum(cuts))
                    happened = any(cuts)
                case "answers lost":
                    happened = self._wound(lost := proxy.lose_answers(0.05))
                    count("answers", "lost", len(lost.lost))
                case "stalled":
                    proxy.stall()
                    wait(fault.seconds)
                    proxy.flow()
                    happened = True
                case "refused":
                    proxy.refuse()
                    wait(fault.seconds)
                    proxy.accept()
                    happened = True
                case _:
                    self._emulator.pause()
                    try:
                        wait(fault.seconds)
                    finally:
                        self._emulator.resume()
                    happened = True
        count("fault", fault.kind if happened else f"{fault.kind}: nothing to hit")

    def restart(self, end: str) -> None:
        """Stop or kill the emulator, and start it again, without its documents."""
        with self.storm():
            if end == "killed":
                self._emulator.kill()
            else:
                self._emulator.stop()
            self._emulator.start()
        count("fault", end)

    def _wound(self, wound: object) -> bool:
        happened = bool(wound.done.wait(PATIENCE))  # type: ignore[attr-defined]
        self._proxy.heal(wound)  # type: ignore[arg-type]
        return happened
