"""A server that captures requests, contexts of both twins that send to it, and Google's cases."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from cendry import AsyncCendry, Cendry
from crosslanguage.cases import Case, NoCasesError, read_cases
from crosslanguage.server import CapturingServer

REQUIRED_VARIABLE = "CENDRY_REQUIRE_CROSSLANGUAGE"


@pytest.fixture(scope="session")
def cases(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    """All cases; without them a test is skipped, or fails if `CENDRY_REQUIRE_CROSSLANGUAGE` is 1."""
    kept = getattr(request.config, "cache", None)
    cache: Path = tmp_path_factory.mktemp("sdist") if kept is None else kept.mkdir("crosslanguage")
    try:
        return read_cases(cache)
    except NoCasesError as error:
        give_up = pytest.fail if os.environ.get(REQUIRED_VARIABLE) == "1" else pytest.skip
        give_up(f"no cross-language cases: {error}")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[CapturingServer]:
    """A server that the contexts of this test send to."""
    server = CapturingServer()
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", server.host)
    yield server
    server.close()


@pytest.fixture(params=["sync", "async"])
async def ctx(request: pytest.FixtureRequest, server: CapturingServer) -> AsyncIterator[Any]:
    """A context of either twin, on the database that the cases speak of."""
    if request.param == "sync":
        with Cendry(project="projectID") as sync:
            yield sync
    else:
        async with AsyncCendry(project="projectID") as asynchronous:
            yield asynchronous
