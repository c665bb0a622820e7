"""What a migration costs the client: CPU time of this process per entity, between emulators."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cendry import DatastoreBackend, Field, Model
from cendry.plan import Set
from cendry_datastore._keys import Partition
from cendry_datastore.migrate import Place, Plan, Shard, Source, Target, copy, verify
from cendry_datastore.migrate.target import Document
from cendry_datastore.migrate.translate import Translator
from cendry_datastore.migrate.values import KindPlan, new_id
from cendry_memory.emulator import DATASTORE_MODE, EmulatorUnavailableError, emulators_required, running
from codec_model import DATA
from figures import Figures, best

ENTITIES = 5000
TRANSLATE, COPY, VERIFY = 32, 75, 60


class Town(Model, collection="Town"):
    """Read through its model by `verify`."""

    name: Field[str]


@pytest.fixture(scope="module")
def sides(project: str) -> Iterator[tuple[Source, Target]]:
    """Both databases, the first one filled."""
    try:
        with running(DATASTORE_MODE):
            backend = DatastoreBackend(project=f"bench-{uuid.uuid4().hex[:12]}")
            for start in range(0, ENTITIES, 500):
                backend.commit([Set(f"Town/c{number:04}", DATA) for number in range(start, start + 500)])
            yield Source(backend.client), Target(project=project)
            backend.close()
    except EmulatorUnavailableError as error:
        if emulators_required():
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))


def new_plan(source: Source, target: Target) -> Plan:
    return Plan(
        id=new_id(),
        source=source.place,
        target=target.place,
        read_time=source.now(),
        mode="raw",
        transforms=(),
        kinds=(KindPlan("Town", "Town", ENTITIES, (Shard("Town", 0),)),),
        foreign="refuse",
        tool="bench",
    )


def cpu(work: Callable[[], Any]) -> float:
    """Microseconds of this process for each entity."""
    start = time.process_time()
    work()
    return (time.process_time() - start) / ENTITIES * 1e6


def test_translating(figures: Figures) -> None:
    from cendry_datastore import _sdk
    from cendry_datastore._values import write_properties

    home = Partition("p", "", "")
    entity = _sdk.Entity()
    entity.key.partition_id.project_id = "p"
    entity.key.path.add(kind="Town", name="c0001")
    write_properties(entity.properties, DATA, home)
    translator = Translator(home, Place("p"))
    [seconds] = best(lambda: translator.document(entity, Document()), calls=200)
    what = f"an entity of {len(entity.properties)} properties as a document, in CPU"
    figures(what, seconds * 1e6, unit="us", budget=TRANSLATE)


def test_copying(sides: tuple[Source, Target], tmp_path: Path, figures: Figures) -> None:
    source, target = sides

    def copied(number: int) -> None:
        plan, state = new_plan(source, target), tmp_path / str(number)
        copy(plan, state=state, workers=1, into_existing=True, source=source, target=target)

    found = [cpu(partial(copied, number)) for number in range(3)]
    figures(f"a raw copy of {ENTITIES:,} entities, in CPU of the client each", min(found), unit="us", budget=COPY)


def test_verifying(sides: tuple[Source, Target], tmp_path: Path, figures: Figures) -> None:
    source, target = sides
    plan = new_plan(source, target)
    copy(plan, state=tmp_path, source=source, target=target, into_existing=True)

    def verified() -> None:
        assert verify(plan, state=tmp_path, source=source, target=target, models=[Town]).ok

    found = [cpu(verified) / 2 for _ in range(3)]
    figures(f"verifying {ENTITIES:,} entities, in CPU each and side", min(found), unit="us", budget=VERIFY)
