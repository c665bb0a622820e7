"""`--cendry-record-indexes`: what the queries of a test run need, on memory and on the emulator alike."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

# What a run inside of this one imports is forgotten after it, unless it was there before.
import cendry_firestore  # noqa: F401
import pytest
from cendry import Cendry, Field, MemoryBackend, Model
from cendry.indexes import parse_recording
from cendry_memory._recording import IndexRecorder

pytestmark = pytest.mark.slow

pytest_plugins = ["pytester"]

PLUGIN = [] if list(entry_points(group="pytest11", name="cendry")) else ["-p", "cendry_memory.pytest_plugin"]
PLAIN = [*PLUGIN, "-p", "no:cacheprovider", "-p", "no:benchmark", "-o", "asyncio_default_fixture_loop_scope=function"]
RECORD = "--cendry-record-indexes=recorded.json"

MODELS = """
from functools import cache
import pytest
from cendry import Field, InvalidRequestError, Model, Or, Vector, count, field

@cache
def model(collection):
    class City(Model, collection=collection):
        name: Field[str]
        state: Field[str]
        population: Field[int]
        tags: Field[list[str]] = field(default_factory=list)
        place: Field[Vector | None] = field(default=None, dimension=2)

    return City

def cities(collection):
    return [model(collection)(id=id, name="a", state="b", population=1, place=Vector([1, 2])) for id in ("LA", "SF")]

def select(ctx, collection, order="population", **more):
    City = model(collection)
    return ctx.select(City, City.name == "a", order_by=order, **more)

def either(ctx, collection):
    City = model(collection)
    return ctx.select(City, Or(City.name == "a", City.state == "b"), order_by=City.population.desc())

def contains(ctx, collection):
    City = model(collection)
    return ctx.select(City, City.tags.array_contains("a"), City.name.is_in(["a", "b"]), order_by=City.population)
"""

SYNC = (
    MODELS
    + """
def test_sync(CONTEXT):
    ctx = CONTEXT
    for collection in ("page", "partitions", "update"):
        ctx.save_many(cities(collection))
    select(ctx, "to_list").to_list()
    select(ctx, "first").first()
    select(ctx, "last").last()
    select(ctx, "exists").exists()
    select(ctx, "ids").ids()
    select(ctx, "count").count()
    for _ in select(ctx, "stream"):
        pass
    for _ in select(ctx, "broken-off"):
        break
    select(ctx, "values").values("name").to_list()
    list(select(ctx, "paginate").paginate(1))
    token = select(ctx, "page").page(1).next_token
    before = select(ctx, "page").page(1, after=token).previous_token
    select(ctx, "page").page(1, before=before)
    select(ctx, "cursor").start_after(cities("cursor")[0]).to_list()
    select(ctx, "limit_to_last").limit_to_last(1).to_list()
    select(ctx, "sum", ()).sum("population")
    select(ctx, "aggregate", ()).aggregate(model("aggregate").population.avg(), count())
    assert select(ctx, "update").update({"state": "x"}).written == 2
    select(ctx, "delete").delete()
    either(ctx, "or").to_list()
    contains(ctx, "contains").to_list()
    select(ctx, "nearest", ()).find_nearest("place", [1, 2], limit=1, distance="euclidean").to_list()
    select(ctx, "group", (), group=True).to_list()
    for part in ctx.select(model("partitions"), group=True).partitions(2):
        part.to_list()
    with select(ctx, "snapshots").snapshots() as snapshots:
        next(snapshots)
    with ctx.transaction() as txn:
        select(txn, "transaction").to_list()
        list(select(txn, "stream-in-transaction"))
    with pytest.raises(InvalidRequestError):
        # Nothing is asked for because of a query that is refused anyway.
        select(ctx, "refused").limit(10**10).to_list()
    ctx.find(model("get"), "SF")
    # Never sent.
    select(ctx, "unused")
"""
)

ASYNC = (
    MODELS
    + """
async def test_async(CONTEXT_async):
    ctx = CONTEXT_async
    for collection in ("page", "partitions", "update"):
        await ctx.save_many(cities(collection))
    await select(ctx, "to_list").to_list()
    await select(ctx, "first").first()
    await select(ctx, "last").last()
    await select(ctx, "exists").exists()
    await select(ctx, "ids").ids()
    await select(ctx, "count").count()
    async for _ in select(ctx, "stream"):
        pass
    async for _ in select(ctx, "broken-off"):
        break
    await select(ctx, "values").values("name").to_list()
    [page async for page in select(ctx, "paginate").paginate(1)]
    token = (await select(ctx, "page").page(1)).next_token
    before = (await select(ctx, "page").page(1, after=token)).previous_token
    await select(ctx, "page").page(1, before=before)
    await select(ctx, "cursor").start_after(cities("cursor")[0]).to_list()
    await select(ctx, "limit_to_last").limit_to_last(1).to_list()
    await select(ctx, "sum", ()).sum("population")
    await select(ctx, "aggregate", ()).aggregate(model("aggregate").population.avg(), count())
    assert (await select(ctx, "update").update({"state": "x"})).written == 2
    await select(ctx, "delete").delete()
    await either(ctx, "or").to_list()
    await contains(ctx, "contains").to_list()
    await select(ctx, "nearest", ()).find_nearest("place", [1, 2], limit=1, distance="euclidean").to_list()
    await select(ctx, "group", (), group=True).to_list()
    for part in await ctx.select(model("partitions"), group=True).partitions(2):
        await part.to_list()
    async with select(ctx, "snapshots").snapshots() as snapshots:
        await anext(snapshots)
    async with ctx.transaction() as txn:
        await select(txn, "transaction").to_list()
        [city async for city in select(txn, "stream-in-transaction")]
    with pytest.raises(InvalidRequestError):
        await select(ctx, "refused").limit(10**10).to_list()
    await ctx.find(model("get"), "SF")
    select(ctx, "unused")
"""
)

SORTED = (
    "to_list first last- exists ids count stream broken-off values paginate page page- cursor limit_to_last- sum "
    "aggregate update delete snapshots transaction stream-in-transaction"
)


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in other processes find what this one finds, installed or not."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))


@pytest.fixture
def run(pytester: pytest.Pytester) -> Callable[..., bytes]:
    """Runs tests that record, and returns the recording."""

    def run(source: str, *options: str, passed: int = 1, failed: int = 0) -> bytes:
        pytester.makepyfile(source)
        result = pytester.runpytest_inprocess(*PLAIN, "-o", "asyncio_mode=auto", RECORD, *options)
        result.assert_outcomes(passed=passed, failed=failed)
        return (pytester.path / "recorded.json").read_bytes()

    return run


def test_recordings_are_equal_on_all_backends_and_twins(run: Callable[..., bytes], firestore_emulator: str) -> None:
    recorded = run(SYNC.replace("CONTEXT", "cendry_memory"))
    assert recorded == run(SYNC.replace("CONTEXT", "cendry_emulator"))
    assert recorded == run(ASYNC.replace("CONTEXT", "cendry_memory"))
    assert recorded == run(ASYNC.replace("CONTEXT", "cendry_emulator"))
    found = [
        (index["collectionGroup"], [field["fieldPath"] + ("-" if "DESC" in str(field) else "") for field in fields])
        for index in (need.index.to_json() for need in parse_recording(recorded.decode()))
        for fields in (index["fields"],)
    ]
    by_population = [(name.rstrip("-"), ["name", f"population{'-' * name.endswith('-')}"]) for name in SORTED.split()]
    assert sorted(
        [
            *by_population,
            ("or", ["name", "population-"]),
            ("or", ["state", "population-"]),
            ("contains", ["tags", "name", "population"]),
            ("nearest", ["name", "place"]),
            ("group", ["name"]),
        ]
    ) == sorted(found)


def test_workers_of_xdist_record_to_files_of_their_own(run: Callable[..., bytes], pytester: pytest.Pytester) -> None:
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    source = (
        MODELS
        + """
def test_first(cendry_memory):
    select(cendry_memory, "first").to_list()
    select(cendry_memory, "both").to_list()

def test_second(cendry_memory):
    select(cendry_memory, "second").to_list()
    select(cendry_memory, "both").to_list()
"""
    )
    dies = """
def test_dies(cendry_memory):
    import os

    select(cendry_memory, "both").to_list()
    select(cendry_memory, "first").to_list()
    with open("recorded.json." + os.environ["PYTEST_XDIST_WORKER"], "a") as file:
        file.write('{"collectionGroup": "sec')
    os._exit(1)
"""
    alone = run(source, passed=2)
    assert ["both", "first", "second"] == [need.collection for need in parse_recording(alone.decode())]
    # Of a run that was killed, and of nobody.
    (pytester.path / "recorded.json.gw7").write_text("nonsense")
    (pytester.path / "recorded.json.gwx").write_text("another file")
    assert alone == run(source + dies, "-n", "2", passed=2, failed=1)
    assert ["recorded.json", "recorded.json.gwx"] == sorted(
        path.name for path in pytester.path.iterdir() if path.name.startswith("recorded")
    )


class City(Model, collection="cities"):
    name: Field[str]


def test_a_worker_records_at_once_and_the_controller_joins(tmp_path: Path) -> None:
    file = tmp_path / "recorded.json"
    controller = IndexRecorder(file, None)
    worker = IndexRecorder(file, "gw0")
    with Cendry(backend=MemoryBackend()) as ctx:
        ctx.select(City, City.name == "x").to_list()
        ctx.select(City, City.name == "y").to_list()
        # Nothing is needed for these.
        ctx.select(City).to_list()
    part = tmp_path / "recorded.json.gw0"
    assert 1 == part.read_text().count("\n")
    worker.write()
    worker.end()
    assert not file.exists()
    controller.write()
    controller.end()
    assert ({"recorded.json"}, worker.needs) == ({path.name for path in tmp_path.iterdir()}, controller.needs)
    assert controller.needs == set(parse_recording(file.read_text()))


def test_the_end_of_a_run_says_what_was_recorded(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        MODELS
        + """
def test_one(cendry_memory):
    select(cendry_memory, "first").to_list()
"""
    )
    result = pytester.runpytest_inprocess(*PLAIN, RECORD)
    result.stdout.fnmatch_lines(["cendry: recorded 1 query that needs indexes, in *recorded.json"])
    recorded = (pytester.path / "recorded.json").read_bytes()
    result = pytester.runpytest_inprocess(*PLAIN, RECORD, "--collect-only")
    result.stdout.no_fnmatch_line("cendry: recorded*")
    assert recorded == (pytester.path / "recorded.json").read_bytes()
    assert 0 == pytester.runpytest_inprocess(*PLAIN).ret


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no device that is always full")
def test_a_full_disk_leaves_no_part_of_a_recording(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        MODELS
        + """
def test_one(cendry_memory):
    import os

    select(cendry_memory, "first").to_list()
    os.symlink("/dev/full", "recorded.json")
"""
    )
    result = pytester.runpytest_inprocess(*PLAIN, RECORD)
    assert pytest.ExitCode.INTERNAL_ERROR == result.ret
    result.stdout.fnmatch_lines(["cendry: nothing was recorded: *No space left on device*", "*1 passed*"])
    assert [] == list(pytester.path.glob("recorded*"))


@pytest.mark.parametrize("content", ['{"indexes": []}', "\xff", "nonsense"])
def test_files_that_are_no_recordings_are_left_alone(pytester: pytest.Pytester, content: str) -> None:
    file = pytester.path / "recorded.json"
    file.write_bytes(content.encode("latin-1"))
    result = pytester.runpytest_inprocess(*PLAIN, RECORD)
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines(["*--cendry-record-indexes: *recorded.json is not a recording of queries, as pytest *"])
    assert content.encode("latin-1") == file.read_bytes()


def test_a_folder_that_is_not_there_is_told_before_the_tests(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess(*PLAIN, "--cendry-record-indexes", "missing/recorded.json")
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines(["*--cendry-record-indexes: *No such file or directory*"])
