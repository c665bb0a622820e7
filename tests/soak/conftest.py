"""What the tests of broken connections share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cendry_firestore import AsyncFirestoreBackend, FirestoreBackend
from cendry_memory.emulator import known
from cendry_memory.testing import Database
from soak.ledger import Epoch
from soak.proxy import Proxy
from soak.work import Manner


@pytest.fixture
def proxy(firestore_emulator: str) -> Iterator[Proxy]:
    one = Proxy(int(firestore_emulator.rpartition(":")[2]))
    with known(one.host):
        yield one
    one.close()


@pytest.fixture(params=["sync", "async"])
def twin(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def make(proxy: Proxy, project: str, twin: str) -> Iterator[Callable[[Manner], Any]]:
    """Makes contexts of one twin, connected already, that are used as those of the sync twin."""
    made: list[Database] = []

    def make(manner: Manner) -> Any:
        db = Database((FirestoreBackend if twin == "sync" else AsyncFirestoreBackend)(project=project))
        made.append(db)
        ctx = db.context(**manner.options)
        assert ctx.find(Epoch, "nothing") is None
        return ctx

    yield make
    for db in made:
        db.close()
