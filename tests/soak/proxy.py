"""A TCP proxy on the loopback that cuts, stalls and refuses connections, and loses what the server answers.

It reads of HTTP/2 only where frames begin, so that a cut falls in the middle of a stream, or between what the server
did and what the client hears of it, for certain and not by chance.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

_T = TypeVar("_T")
_W = TypeVar("_W", bound="Wound")

HOST = "127.0.0.1"
HEADER = 9
DATA, HEADERS = 0, 1
BUFFER = 32 * 1024
"""Bytes that are held for an end that doesn't read; the rest waits at the other end."""

BACKLOG = 100
ANSWER_SECONDS = 10.0


@dataclass(slots=True)
class Frames:
    """Where frames begin in what a server sends, however it comes in pieces."""

    _header: bytearray = field(default_factory=bytearray)
    _left: int = 0

    def feed(self, data: bytes) -> list[tuple[int, int, int, int]]:
        """The frames whose headers end in this piece: where the payload begins, the type, the stream, the length."""
        found = []
        at = 0
        while at < len(data):
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
                at += step
                continue
            taken = data[at : at + HEADER - len(self._header)]
            self._header += taken
            at += len(taken)
            if len(self._header) == HEADER:
                high, low, kind, _, stream = struct.unpack(">BHBBI", self._header)
                self._left = (high << 16) + low
                found.append((at, kind, stream & 0x7FFFFFFF, self._left))
                self._header.clear()
        return found


class Wound:
    """What the proxy is to do to the server's next answers.

    Attributes:
        done: Set when it has been done.
    """

    def __init__(self) -> None:
        self.done = threading.Event()

    def harm(self, pair: Pair, data: bytes, frames: list[tuple[int, int, int, int]]) -> bytes:
        """What of a piece still reaches the client."""
        raise NotImplementedError


class CutInStream(Wound):
    """Says no more so many bytes into an answer, in the middle of a frame, and then ends the connection."""

    def __init__(self, proxy: Proxy, offset: int, silence: float) -> None:
        super().__init__()
        self._silence = silence
        self._proxy = proxy
        self._offset = offset
        self._seen: Counter[tuple[Pair, int]] = Counter()

    def harm(self, pair: Pair, data: bytes, frames: list[tuple[int, int, int, int]]) -> bytes:
        for at, kind, stream, length in frames:
            if kind != DATA:
                continue
            before = self._seen[pair, stream]
            self._seen[pair, stream] += length
            if before < self._offset < before + length:
                self._proxy.heal(self)
                pair.is_silent = True
                asyncio.get_running_loop().call_later(self._silence, pair.close)
                self.done.set()
                return data[: at + self._offset - before]
        return data


class LoseAnswers(Wound):
    """Passes on no answer any more, whereas requests still reach the server; a while later, cuts all connections.

    It begins with an answer that had not begun before: an earlier one may end when its receiver has gone on.
    """

    def __init__(self, proxy: Proxy, seconds: float) -> None:
        super().__init__()
        self._proxy = proxy
        self._seconds = seconds
        self._deaf: set[Pair] = set()
        self._begun = {end.pair: end.pair.begun for end in proxy.ends}
        self.lost: set[tuple[Pair, int]] = set()

    def harm(self, pair: Pair, data: bytes, frames: list[tuple[int, int, int, int]]) -> bytes:
        begun = 0 if pair in self._deaf else self._begun.get(pair, 0)
        answers = [(at, stream) for at, kind, stream, _ in frames if kind in (DATA, HEADERS) and stream > begun]
        if answers and not self.lost:
            asyncio.get_running_loop().call_later(self._seconds, self._end)
        self.lost.update((pair, stream) for _, stream in answers)
        if pair in self._deaf:
            return b""
        if answers:
            self._deaf.add(pair)
            return data[: max(0, answers[0][0] - HEADER)]
        return data

    def _end(self) -> None:
        self._proxy.heal(self)
        self._proxy.abort_all()
        self.done.set()


class Pair:
    """A client's connection and the one to the server that belongs to it."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.client: Any = None
        self.server: Any = None
        self.frames = Frames()
        # The last stream that the server began to answer; a client numbers its streams upwards.
        self.begun = 0
        self.is_silent = False
        # Before Python 3.11, pausing at once doesn't keep the first bytes away.
        self.early: list[bytes] = []

    def abort(self) -> None:
        """End both at once; whoever is connected sees a reset."""
        for transport in (self.client, self.server):
            if transport is not None:
                raw = transport.get_extra_info("socket")
                with contextlib.suppress(OSError):
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                transport.abort()

    def close(self) -> None:
        """End both when what is on its way has been sent."""
        for transport in (self.client, self.server):
            if transport is not None:
                transport.close()


class End(asyncio.Protocol):
    """One of the two connections of a pair."""

    def __init__(self, pair: Pair, is_client: bool) -> None:
        self.pair = pair
        self.is_client = is_client
        self.transport: Any = None
        self.reasons: set[str] = set()

    @property
    def other(self) -> Any:
        return self.pair.server if self.is_client else self.pair.client

    def hold(self, reason: str) -> None:
        self.reasons.add(reason)
        if self.transport is not None:
            with contextlib.suppress(RuntimeError):
                self.transport.pause_reading()

    def release(self, reason: str) -> None:
        self.reasons.discard(reason)
        if not self.reasons and self.transport is not None and not self.transport.is_closing():
            with contextlib.suppress(RuntimeError):
                self.transport.resume_reading()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.set_write_buffer_limits(high=BUFFER)
        proxy = self.pair.proxy
        if self.is_client:
            self.pair.client = transport
            proxy.accepted += 1
            self.hold("connecting")
            task = asyncio.ensure_future(proxy.connect(self))
            proxy.tasks.add(task)
            task.add_done_callback(proxy.tasks.discard)
        else:
            self.pair.server = transport
            transport.writelines(self.pair.early)
            self.pair.early.clear()
        proxy.ends.add(self)
        if proxy.stalled:
            self.hold("stalled")

    def data_received(self, data: bytes) -> None:
        pair = self.pair
        if not self.is_client:
            if pair.is_silent:
                return
            frames = pair.frames.feed(data)
            wound = pair.proxy.wound
            if wound is not None:
                data = wound.harm(pair, data, frames)
            pair.begun = max([pair.begun, *(stream for _, kind, stream, _ in frames if kind in (DATA, HEADERS))])
        if self.other is None:
            pair.early.append(data)
        elif data and not self.other.is_closing():
            self.other.write(data)

    def pause_writing(self) -> None:
        self._partner(End.hold)

    def resume_writing(self) -> None:
        self._partner(End.release)

    def _partner(self, act: Callable[[End, str], None]) -> None:
        for end in self.pair.proxy.ends:
            if end.pair is self.pair and end is not self:
                act(end, "full")

    def connection_lost(self, error: Exception | None) -> None:
        self.pair.proxy.ends.discard(self)
        if self.other is not None:
            self.other.close()


class Proxy:
    """Stands before a server on a port of its own; all its methods may be called from any thread.

    Args:
        target: The server's port.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.accepted = 0
        self.stalled = False
        self.wound: Wound | None = None
        self.ends: set[End] = set()
        self.tasks: set[Any] = set()
        self._taking: set[Any] = set()
        # Keeps the port while nobody listens on it: what is bound and doesn't listen refuses connections.
        self._holder = _bound(0)
        self.port: int = self._holder.getsockname()[1]
        # A reader of our own: asyncio's Server, closed in the turn in which it accepts, leaves the connection open.
        self._listener: socket.socket | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self.accept()

    @property
    def host(self) -> str:
        return f"{HOST}:{self.port}"

    def close(self) -> None:
        """Cut all, and end the proxy's thread."""
        self.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ANSWER_SECONDS)
        self._loop.close()
        self._holder.close()

    def cut(self) -> int:
        """Reset all connections; gives how many there were."""
        return self._do(self.abort_all)

    def stall(self) -> None:
        """Let nothing through, either way, until `flow`."""
        self._do(lambda: self._hold_all(True))

    def flow(self) -> None:
        """End a stall."""
        self._do(lambda: self._hold_all(False))

    def refuse(self) -> None:
        """End all connections and take no new ones until `accept`."""
        self.run(self.stop())

    async def stop(self) -> None:
        """What `refuse` does, in the proxy's loop."""
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        # In each turn of the loop, what was aborted is closed, and what was accepted already is there.
        while self.ends or self.tasks or self._taking:
            self.abort_all()
            for task in list(self.tasks):
                task.cancel()
            await asyncio.sleep(0)

    def accept(self) -> None:
        """Listen, again."""

        async def begin() -> None:
            if self._listener is None:
                self._listener = _bound(self.port)
                self._listener.setblocking(False)
                self._listener.listen(BACKLOG)
                self._loop.add_reader(self._listener, self._take, self._listener)

        self.run(begin())

    def _take(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            taken, _ = listener.accept()
            taken.setblocking(False)
            task = self._loop.create_task(self._loop.connect_accepted_socket(lambda: End(Pair(self), True), taken))
            self._taking.add(task)
            task.add_done_callback(self._taken)

    def _taken(self, task: asyncio.Task[Any]) -> None:
        self._taking.discard(task)
        # What is reset before it is served raises; nobody asks for it.
        task.exception()

    def cut_in_stream(self, offset: int, silence: float = 0.0) -> CutInStream:
        """Cut the next answer that is longer than so many bytes after these, and so many seconds of silence."""
        return self._wounded(lambda: CutInStream(self, offset, silence))

    def lose_answers(self, seconds: float) -> LoseAnswers:
        """Lose the next answer, and all that come within so many seconds from it, then cut all connections."""
        return self._wounded(lambda: LoseAnswers(self, seconds))

    def heal(self, wound: Wound) -> None:
        """Do no more of what was to be done, if it is still that."""
        if self.wound is wound:
            self.wound = None

    def _wounded(self, make: Callable[[], _W]) -> _W:
        def harm() -> _W:
            self.wound = wound = make()
            return wound

        return self._do(harm)

    def abort_all(self) -> int:
        pairs = {end.pair for end in self.ends}
        for pair in pairs:
            pair.abort()
        return len(pairs)

    def _hold_all(self, stalled: bool) -> None:
        self.stalled = stalled
        for end in list(self.ends):
            (end.hold if stalled else end.release)("stalled")

    async def connect(self, end: End) -> None:
        try:
            await self._loop.create_connection(lambda: End(end.pair, False), HOST, self.target)
        except (OSError, asyncio.CancelledError):
            end.pair.abort()
            return
        if end.transport.is_closing():
            end.pair.abort()
        end.release("connecting")

    def _do(self, action: Callable[[], _T]) -> _T:
        async def act() -> _T:
            return action()

        return self.run(act())

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine in the proxy's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(ANSWER_SECONDS)


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((HOST, port))
    return bound
