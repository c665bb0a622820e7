"""What writing costs, next to the SDK's batches in the same run. Budgets for it come with the work on speed."""

from __future__ import annotations

import asyncio

from cendry import AsyncCendry, Cendry
from cendry.codec import codec_for
from codec_model import DATA, City
from figures import Figures, medians, medians_async, shown
from google.cloud.firestore import GeoPoint

DOCUMENTS = 500
SAVES = 100

# What somebody who uses the SDK alone writes.
SDK_DATA = {**DATA, "place": GeoPoint(DATA["place"].latitude, DATA["place"].longitude)}


def cities() -> list[City]:
    decode = codec_for(City).decode
    return [decode(DATA, f"c{number:04}") for number in range(DOCUMENTS)]


def test_saving_many(project: str, figures: Figures) -> None:
    with Cendry(project=project) as ctx:
        many = cities()
        collection = ctx.client.collection("written")

        def sdk() -> None:
            batch = ctx.client.batch()
            for number in range(DOCUMENTS):
                batch.set(collection.document(f"c{number:04}"), SDK_DATA)
            batch.commit()

        found = medians(7, models=lambda: ctx.save_many(many), sdk=sdk)
    figures(
        f"CPU of save_many of {DOCUMENTS}",
        found["models"] / found["sdk"],
        detail=shown(found, DOCUMENTS) + " a document",
    )


def test_saving_many_in_the_async_twin(project: str, figures: Figures) -> None:
    async def write() -> dict[str, float]:
        async with AsyncCendry(project=project) as ctx:
            many = cities()
            collection = ctx.client.collection("written")

            async def sdk() -> None:
                batch = ctx.client.batch()
                for number in range(DOCUMENTS):
                    batch.set(collection.document(f"c{number:04}"), SDK_DATA)
                await batch.commit()

            async def models() -> None:
                await ctx.save_many(many)

            return await medians_async(7, models=models, sdk=sdk)

    found = asyncio.run(write())
    figures(
        f"CPU of the async save_many of {DOCUMENTS}",
        found["models"] / found["sdk"],
        detail=shown(found, DOCUMENTS) + " a document",
    )


def test_saving_one(project: str, figures: Figures) -> None:
    with Cendry(project=project) as ctx:
        [city, *_] = cities()
        collection = ctx.client.collection("written")

        def sdk() -> None:
            for _ in range(SAVES):
                collection.document("one").set(SDK_DATA)

        def models() -> None:
            for _ in range(SAVES):
                ctx.save(city)

        found = medians(7, models=models, sdk=sdk)
    figures("CPU of ctx.save(city)", found["models"] / found["sdk"], detail=shown(found, SAVES))
