"""What a migration costs the client: CPU time of this process per entity, between emulators."""

from __future__ import annotations

import time
import uuid
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cendry import DatastoreBackend, Field, Model
from cendry.jobs import LocalStore, ShardState
from cendry.plan import Set
from cendry_datastore import _sdk
from cendry_datastore._keys import Partition
from cendry_datastore._values import write_properties
from cendry_datastore.migrate import Place, Plan, Shard, Source, Target, Transform, copy, verify
from cendry_datastore.migrate.cut import cut_walk, shards_of
from cendry_datastore.migrate.files import save_shard, write_plan
from cendry_datastore.migrate.target import Document
from cendry_datastore.migrate.translate import Translator
from cendry_datastore.migrate.values import KindPlan, new_id
from cendry_memory.emulator import DATASTORE_MODE, EmulatorUnavailableError, emulators_required, running
from codec_model import DATA
from figures import Figures, best

ENTITIES = 5000
TRANSLATE, COPY, VERIFY = 32, 75, 60
NDB_COPY = 120
SHARDS, RESUME = 1000, 2
TRANSFORMS = (
    Transform("Shop", "address", "nest"),
    Transform("Shop", "bio", "inflate", {"text": True}),
    Transform("Shop", "local", "unpack"),
    Transform("Shop", "settings", "json"),
)


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


def new_plan(source: Source, target: Target, kind: str = "Town", transforms: tuple[Transform, ...] = ()) -> Plan:
    return Plan(
        id=new_id(),
        source=source.place,
        target=target.place,
        read_time=source.now(),
        mode="ndb" if transforms else "raw",
        transforms=transforms,
        kinds=(KindPlan(kind, kind, ENTITIES, (Shard(kind, 0),)),),
        foreign="refuse",
        tool="bench",
    )


def shop() -> dict[str, Any]:
    """The properties of an entity as ndb stores it: 13, of which three are parts, and three are blobs."""
    local = _sdk.Entity(properties={"city": {"string_value": "Nice"}, "zip": {"integer_value": 6000}})
    return {
        "name": _sdk.Value(string_value="Bread"),
        "address.city": _sdk.Value(string_value="San Francisco"),
        "address.street": _sdk.Value(string_value="1 Market Street"),
        "address.zip": _sdk.Value(integer_value=94105),
        "tags": _sdk.Value(array_value={"values": [{"string_value": text} for text in ("bread", "cake")]}),
        "owner": _sdk.Value(string_value="A. Baker"),
        "bio": _sdk.Value(blob_value=zlib.compress(b"About this shop. " * 20), meaning=22, exclude_from_indexes=True),
        "local": _sdk.Value(blob_value=local.SerializeToString(), exclude_from_indexes=True),
        "settings": _sdk.Value(blob_value=b'{"open":[9,18],"days":{"mo":true}}', exclude_from_indexes=True),
        "rating": _sdk.Value(double_value=4.5),
        "is_open": _sdk.Value(boolean_value=True),
        "employees": _sdk.Value(integer_value=12),
        "since": _sdk.Value(timestamp_value={"seconds": 1_500_000_000}),
    }


def cpu(work: Callable[[], Any]) -> float:
    """Microseconds of this process for each entity."""
    start = time.process_time()
    work()
    return (time.process_time() - start) / ENTITIES * 1e6


def test_translating(figures: Figures) -> None:
    home = Partition("p", "", "")
    entity = _sdk.Entity()
    entity.key.partition_id.project_id = "p"
    entity.key.path.add(kind="Town", name="c0001")
    write_properties(entity.properties, DATA, home)
    translator = Translator(home, Place("p"))
    [seconds] = best(lambda: translator.document(entity, Document()), calls=200)
    what = f"an entity of {len(entity.properties)} properties as a document, in CPU"
    figures(what, seconds * 1e6, unit="us", budget=TRANSLATE)


def test_copying_what_ndb_stored(sides: tuple[Source, Target], tmp_path: Path, figures: Figures) -> None:
    source, target = sides
    put_shops(source)

    def copied(number: int) -> None:
        plan, state = new_plan(source, target, "Shop", TRANSFORMS), tmp_path / str(number)
        result = copy(plan, state=state, workers=1, into_existing=True, source=source, target=target)
        assert (ENTITIES, 0) == (result.copied, result.dead)

    found = [cpu(partial(copied, number)) for number in range(3)]
    what = f"a copy of {ENTITIES:,} entities of ndb, of 13 properties with 6 transformed, in CPU of the client each"
    figures(what, min(found), unit="us", budget=NDB_COPY)


def put_shops(source: Source) -> None:
    properties = shop()
    for start in range(0, ENTITIES, 500):
        request = _sdk.CommitRequest(project_id=source.place.project, mode="NON_TRANSACTIONAL")
        for number in range(start, start + 500):
            entity = request.mutations.add().upsert
            entity.key.partition_id.project_id = source.place.project
            entity.key.path.add(kind="Shop", name=f"c{number:04}")
            for name, value in properties.items():
                entity.properties[name].CopyFrom(value)
        source.client._datastore_api.commit(request=_sdk.wrapped(request))


def test_resuming(sides: tuple[Source, Target], tmp_path: Path, figures: Figures) -> None:
    """Until the first page of a copy of which 999 shards are done."""
    source, target = sides
    moment = source.now()
    cuts, count = cut_walk(source.keys("Town", moment), ENTITIES // SHARDS)
    shards = shards_of("Town", cuts, 0)
    assert (ENTITIES, SHARDS) == (count, len(shards))
    plan = replace(new_plan(source, target), kinds=(KindPlan("Town", "Town", count, shards),))
    store = LocalStore(tmp_path)
    write_plan(store, plan)
    for shard in shards[:-1]:
        save_shard(store, shard, ShardState(plan.hash, shard.end.hex(), 5, 0, done=True))
    first: list[float] = []
    start = time.perf_counter()
    copy(
        plan,
        state=store,
        into_existing=True,
        source=source,
        target=target,
        on_progress=lambda _: first.append(time.perf_counter() - start),
    )
    figures(f"resuming a copy of {SHARDS:,} shards, until its first page", first[0], unit="s", budget=RESUME)


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
