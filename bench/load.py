"""A client for load: many connections at once, and as little CPU of its own as possible.

It knows enough of HTTP/1.1 for the answers of uvicorn, which have a length.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    """What is sent, again and again."""

    method: str
    path: str
    key: str
    body: bytes = b""
    status: int = 200

    def encoded(self) -> bytes:
        return (
            f"{self.method} {self.path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(self.body)}\r\n\r\n"
        ).encode() + self.body


async def send(port: int, request: Request, total: int, concurrency: int) -> None:
    """Send a request `total` times, `concurrency` of them at any time, and check the status of each answer."""
    turns = iter(range(total))
    await asyncio.gather(*(_connection(port, request, turns) for _ in range(concurrency)))


async def _connection(port: int, request: Request, turns: Iterator[int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    content = request.encoded()
    expected = f"HTTP/1.1 {request.status} ".encode()
    for _ in turns:
        writer.write(content)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
        if not head.startswith(expected):
            raise AssertionError(f"{request.method} {request.path}: {head!r} {body[:1_000]!r}")
    writer.close()
    await writer.wait_closed()
