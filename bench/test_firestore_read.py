"""What reading costs, next to the SDK's `stream()`, `get()` and `to_dict()` in the same run."""

from __future__ import annotations

import asyncio

import pytest
from cendry import AsyncCendry, AsyncFirestoreBackend, Cendry, FirestoreBackend
from cendry.plan import QueryPlan, Set
from codec_model import DATA, City
from figures import Figures, medians, medians_async, shown

DOCUMENTS = 5000
GETS = 200
BUDGET = 1.05


@pytest.fixture(scope="module")
def filled(project: str) -> str:
    """The project, holding the documents."""
    backend = FirestoreBackend(project=project)
    for start in range(0, DOCUMENTS, 500):
        backend.commit([Set(f"cities/c{number:04}", DATA) for number in range(start, start + 500)])
    backend.close()
    return project


def test_a_query_of_models_costs_no_more_than_the_sdks_dicts(filled: str, figures: Figures) -> None:
    with Cendry(project=filled) as ctx:
        backend = FirestoreBackend(ctx.client)
        collection = ctx.client.collection("cities")

        def sdk() -> None:
            assert DOCUMENTS == len([snapshot.to_dict() for snapshot in collection.stream()])

        def models() -> None:
            assert DOCUMENTS == len([city for city in ctx.select(City)])  # noqa: C416

        def backend_alone() -> None:
            assert DOCUMENTS == len([*backend.run(QueryPlan("cities"))])

        found = medians(5, models=models, sdk=sdk, backend=backend_alone)
    figures(
        f"CPU of reading {DOCUMENTS} documents through ctx.select(City)",
        found["models"] / found["sdk"],
        budget=BUDGET,
        detail=shown(found, DOCUMENTS) + " a document",
    )


def test_a_query_of_models_costs_no_more_in_the_async_twin(filled: str, figures: Figures) -> None:
    async def read() -> dict[str, float]:
        async with AsyncCendry(project=filled) as ctx:
            backend = AsyncFirestoreBackend(ctx.client)
            collection = ctx.client.collection("cities")

            async def sdk() -> None:
                assert DOCUMENTS == len([snapshot.to_dict() async for snapshot in collection.stream()])

            async def models() -> None:
                assert DOCUMENTS == len([city async for city in ctx.select(City)])

            async def backend_alone() -> None:
                assert DOCUMENTS == len([result async for result in backend.run(QueryPlan("cities"))])

            return await medians_async(5, models=models, sdk=sdk, backend=backend_alone)

    found = asyncio.run(read())
    figures(
        f"CPU of reading {DOCUMENTS} documents through the async ctx.select(City)",
        found["models"] / found["sdk"],
        budget=BUDGET,
        detail=shown(found, DOCUMENTS) + " a document",
    )


def test_getting_one_document(filled: str, figures: Figures) -> None:
    with Cendry(project=filled) as ctx:
        collection = ctx.client.collection("cities")

        def sdk() -> None:
            for number in range(GETS):
                assert collection.document(f"c{number:04}").get().to_dict()

        def models() -> None:
            for number in range(GETS):
                assert ctx.get(City, f"c{number:04}").name

        found = medians(7, models=models, sdk=sdk)
    figures("CPU of ctx.get(City, id)", found["models"] / found["sdk"], detail=shown(found, GETS))


def test_getting_one_document_in_the_async_twin(filled: str, figures: Figures) -> None:
    async def read() -> dict[str, float]:
        async with AsyncCendry(project=filled) as ctx:
            collection = ctx.client.collection("cities")

            async def sdk() -> None:
                for number in range(GETS):
                    assert (await collection.document(f"c{number:04}").get()).to_dict()

            async def models() -> None:
                for number in range(GETS):
                    assert (await ctx.get(City, f"c{number:04}")).name

            return await medians_async(7, models=models, sdk=sdk)

    found = asyncio.run(read())
    figures("CPU of the async ctx.get(City, id)", found["models"] / found["sdk"], detail=shown(found, GETS))
