"""What the tests of pipelines share: both sides, on the emulators, as the tests of migrations have them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cendry_datastore.migrate import Plan, Source, Target
from google.cloud import datastore
from migrate.copies import plan_of, seed
from migrate.seeding import entity, put

KINDS, EACH = 6, 200
COUNT = KINDS * EACH
BAD = 12


@pytest.fixture(scope="module")
def seeded(cendry_datastore_mode_host: str) -> Iterator[Source]:
    """A source with some kinds, of which some entities can't be documents."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATASTORE_EMULATOR_HOST", cendry_datastore_mode_host)
        client: Any = datastore.Client(project=f"beam-{uuid.uuid4().hex[:12]}")
    seed(client, KINDS, EACH)
    foreign = datastore.Key("X", 1, project="elsewhere")
    put(client, [entity(client, f"K{number % KINDS:02}", f"bad {number}", to=foreign) for number in range(BAD)])
    yield Source(client)
    client.close()


@pytest.fixture
def target(firestore_emulator: str, project: str) -> Iterator[Target]:
    with Target(project=project) as target:
        yield target


@pytest.fixture
def plan(seeded: Source, target: Target, monkeypatch: pytest.MonkeyPatch) -> Plan:
    # For the steps, which open both sides anew.
    monkeypatch.setenv("DATASTORE_EMULATOR_HOST", str(seeded.emulator))
    return plan_of(seeded, target.place, 60)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "migration"
