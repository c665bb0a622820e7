"""What reading costs, next to the SDK's `stream()`, `get()` and `to_dict()` in the same run.

The SDK's side has a plain client of its own, since Cendry may open the channel of one that it makes in another
way.
"""

from __future__ import annotations

import asyncio
import os

import grpc
import pytest
from cendry import AsyncCendry, Cendry, FirestoreBackend
from cendry.plan import GetPlan, Set
from cendry_firestore import _stream
from cendry_firestore._threads import READS_VARIABLE
from codec_model import DATA, City
from figures import Figures
from google.cloud.firestore import AsyncClient, Client
from google.cloud.firestore_v1 import types
from timing import Times, medians, medians_async

DOCUMENTS = 5000
GETS = 200
PAGE, PAGES = 50, 20


@pytest.fixture(scope="module")
def filled(project: str) -> str:
    """The project, holding the documents."""
    backend = FirestoreBackend(project=project)
    for start in range(0, DOCUMENTS, 500):
        backend.commit([Set(f"cities/c{number:04}", DATA) for number in range(start, start + 500)])
    # The emulator is as quick as it gets only after some thousands of calls; its time is in all walls.
    for number in range(DOCUMENTS):
        assert list(backend.get(GetPlan((f"cities/c{number:04}",))))
    backend.close()
    return project


# Queries


def read_all(ctx: Cendry) -> None:
    # As an application reads: one after the other, none kept.
    assert DOCUMENTS == sum(1 for city in ctx.select(City) if city.name)


@pytest.fixture(scope="module")
def queries(filled: str) -> dict[str, Times]:
    """The times of all three, which take turns."""
    with Cendry(project=filled) as made, Cendry(client=Client(project=filled)) as passed:
        collection = Client(project=filled).collection("cities")

        def sdk() -> None:
            assert DOCUMENTS == sum(1 for snapshot in collection.stream() if snapshot.to_dict())

        return medians(made=lambda: read_all(made), passed=lambda: read_all(passed), sdk=sdk)


@pytest.mark.parametrize(
    ("client", "of_client", "cpu", "wall"),
    [("made", "client made by Cendry", 0.18, 0.28), ("passed", "client passed in", 0.32, 0.40)],
)
def test_a_query(
    client: str, of_client: str, cpu: float, wall: float, queries: dict[str, Times], figures: Figures
) -> None:
    what = f"a query of {DOCUMENTS:,}, {of_client}"
    figures.ratios(what, queries[client], queries["sdk"], cpu=cpu, wall=wall, each=DOCUMENTS)


def test_a_query_in_the_async_twin(filled: str, figures: Figures) -> None:
    async def read() -> dict[str, Times]:
        async with AsyncCendry(project=filled) as ctx:
            collection = AsyncClient(project=filled).collection("cities")

            async def sdk() -> None:
                assert DOCUMENTS == len([None async for snapshot in collection.stream() if snapshot.to_dict()])

            async def models() -> None:
                assert DOCUMENTS == len([None async for city in ctx.select(City) if city.name])

            async def sdk_list() -> None:
                assert DOCUMENTS == len([snapshot.to_dict() async for snapshot in collection.stream()])

            async def models_list() -> None:
                assert DOCUMENTS == len(await ctx.select(City).to_list())

            return await medians_async(models=models, sdk=sdk, models_list=models_list, sdk_list=sdk_list)

    found = asyncio.run(read())
    figures.ratios(
        f"an async query of {DOCUMENTS:,}, iterated", found["models"], found["sdk"], cpu=0.15, wall=0.42, each=DOCUMENTS
    )
    figures.ratios(
        f"an async query of {DOCUMENTS:,}, by to_list()",
        found["models_list"],
        found["sdk_list"],
        cpu=0.20,
        wall=0.42,
        each=DOCUMENTS,
    )


@pytest.mark.parametrize("number", [5, 30, 100, 300, 1000])
def test_where_reads_in_threads_begin_to_pay(
    number: int, filled: str, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are made of queries without a limit, or with one over 100."""
    monkeypatch.setattr(_stream, "LARGE", 0)

    async def read() -> dict[str, Times]:
        async with AsyncCendry(project=filled) as ctx, AsyncCendry(project=filled) as other:
            monkeypatch.setenv(READS_VARIABLE, "0")
            await other.select(City, limit=1).to_list()
            monkeypatch.delenv(READS_VARIABLE)

            async def in_threads() -> None:
                assert number == len(await ctx.select(City, limit=number).to_list())

            async def in_the_loop() -> None:
                assert number == len(await other.select(City, limit=number).to_list())

            return await medians_async(in_threads=in_threads, in_the_loop=in_the_loop)

    found = asyncio.run(read())
    figures.ratios(
        f"an async query of {number:,}, read in a thread, next to one read in the loop",
        found["in_threads"],
        found["in_the_loop"],
        each=number,
    )


# Rows


def test_rows_of_two_fields(filled: str, figures: Figures) -> None:
    def models() -> None:
        read_all(ctx)

    def tuples() -> None:
        rows = ctx.select(City).values(City.name, City.population)
        assert DOCUMENTS == sum(1 for name, _ in rows if name)

    with Cendry(project=filled) as ctx:
        found = medians(models=models, tuples=tuples)
    what = f"values of 2 of 13 fields, {DOCUMENTS:,} documents; compared with the models"
    figures.ratios(what, found["tuples"], found["models"], cpu=0.6, each=DOCUMENTS)


# Pages


def test_a_page_with_tokens(filled: str, figures: Figures) -> None:
    with Cendry(project=filled) as ctx:
        query = ctx.select(City, order_by=City.name)
        limited = query.limit(PAGE)

        def lists() -> None:
            for _ in range(PAGES):
                assert PAGE == len(limited.to_list())

        def pages() -> None:
            for _ in range(PAGES):
                assert PAGE == len(query.page(PAGE))

        found = medians(lists=lists, pages=pages)
    what = f"page({PAGE}); compared with limit({PAGE}).to_list()"
    figures.ratios(what, found["pages"], found["lists"], cpu=1.1, each=PAGES, per="page")


# One document


def test_getting_one_document(filled: str, figures: Figures) -> None:
    with Cendry(project=filled) as ctx:
        collection = Client(project=filled).collection("cities")

        def sdk() -> None:
            for number in range(GETS):
                assert collection.document(f"c{number:04}").get().to_dict()

        def models() -> None:
            for number in range(GETS):
                assert ctx.get(City, f"c{number:04}").name

        found = medians(models=models, sdk=sdk)
    figures.ratios("ctx.get", found["models"], found["sdk"], cpu=0.50, wall=0.60, each=GETS, per="call")


def test_getting_one_document_in_the_async_twin(filled: str, figures: Figures) -> None:
    async def read() -> dict[str, Times]:
        async with AsyncCendry(project=filled) as ctx:
            collection = AsyncClient(project=filled).collection("cities")

            async def sdk() -> None:
                for number in range(GETS):
                    assert (await collection.document(f"c{number:04}").get()).to_dict()

            async def models() -> None:
                for number in range(GETS):
                    assert (await ctx.get(City, f"c{number:04}")).name

            # The floor: gRPC's own call of the same method, once as a stream and once not, whose answer nobody decodes.
            database = f"projects/{filled}/databases/(default)"
            channel = grpc.aio.insecure_channel(os.environ["FIRESTORE_EMULATOR_HOST"])
            method = "/google.firestore.v1.Firestore/BatchGetDocuments"
            serialize = types.BatchGetDocumentsRequest.serialize
            start_stream = channel.unary_stream(method, request_serializer=serialize)
            call = channel.unary_unary(method, request_serializer=serialize)
            requests = [
                types.BatchGetDocumentsRequest(
                    database=database, documents=[f"{database}/documents/cities/c{number:04}"]
                )
                for number in range(GETS)
            ]
            metadata = (("google-cloud-resource-prefix", database), ("authorization", "Bearer owner"))

            async def stream() -> None:
                for request in requests:
                    assert await start_stream(request, metadata=metadata, timeout=60).read()

            async def unary() -> None:
                for request in requests:
                    assert await call(request, metadata=metadata, timeout=60)

            times = await medians_async(models=models, sdk=sdk, stream=stream, unary=unary)
            await channel.close()
            return times

    found = asyncio.run(read())
    for kind in ("stream", "unary"):
        what = f"a bare {kind} call of gRPC's asyncio twin"
        figures.ratios(what, found[kind], found["sdk"], each=GETS, per="call")
    figures.ratios("the async ctx.get", found["models"], found["sdk"], cpu=0.55, wall=0.65, each=GETS, per="call")
