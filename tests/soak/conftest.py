"""What the tests of broken connections share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from cendry_memory.emulator import known
from soak.ledger import Epoch
from soak.proxy import Proxy
from soak.work import Face, Manner, settle


@pytest.fixture
def proxy(firestore_emulator: str) -> Iterator[Proxy]:
    one = Proxy(int(firestore_emulator.rpartition(":")[2]))
    with known(one.host):
        yield one
    one.close()


@pytest.fixture(params=["sync", "async"])
async def make_face(
    proxy: Proxy, project: str, request: pytest.FixtureRequest
) -> AsyncIterator[Callable[[Manner], Awaitable[Face]]]:
    """Makes contexts of one twin, connected already."""
    made: list[Face] = []

    async def make(manner: Manner) -> Face:
        face = Face(manner, request.param == "async", project)
        made.append(face)
        assert await settle(face.ctx.find(Epoch, "nothing")) is None
        return face

    yield make
    for face in made:
        await settle(face.ctx.close())
