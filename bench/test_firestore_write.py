"""What writing costs, next to the SDK's `batch.set` and `set` in the same run, on a plain client of the SDK's own."""

from __future__ import annotations

import asyncio

from cendry import AsyncCendry, Cendry
from cendry.codec import codec_for
from codec_model import DATA, City
from figures import Figures
from google.cloud.firestore import AsyncClient, Client, GeoPoint
from timing import Times, medians, medians_async

DOCUMENTS = 500
SAVES = 100
CPU, WALL = 0.15, 0.30

# What somebody who uses the SDK alone writes.
SDK_DATA = {**DATA, "place": GeoPoint(DATA["place"].latitude, DATA["place"].longitude)}


def cities() -> list[City]:
    decode = codec_for(City).decode
    return [decode(DATA, f"c{number:04}") for number in range(DOCUMENTS)]


def test_saving_many(project: str, figures: Figures) -> None:
    with Cendry(project=project) as ctx:
        many = cities()
        client = Client(project=project)
        collection = client.collection("written")

        def sdk() -> None:
            batch = client.batch()
            for number in range(DOCUMENTS):
                batch.set(collection.document(f"c{number:04}"), SDK_DATA)
            batch.commit()

        found = medians(models=lambda: ctx.save_many(many), sdk=sdk)
    figures.ratios(f"ctx.save_many of {DOCUMENTS}", found["models"], found["sdk"], cpu=CPU, wall=WALL, each=DOCUMENTS)


def test_saving_many_in_the_async_twin(project: str, figures: Figures) -> None:
    async def write() -> dict[str, Times]:
        async with AsyncCendry(project=project) as ctx:
            many = cities()
            client = AsyncClient(project=project)
            collection = client.collection("written")

            async def sdk() -> None:
                batch = client.batch()
                for number in range(DOCUMENTS):
                    batch.set(collection.document(f"c{number:04}"), SDK_DATA)
                await batch.commit()

            async def models() -> None:
                await ctx.save_many(many)

            return await medians_async(models=models, sdk=sdk)

    found = asyncio.run(write())
    figures.ratios(
        f"the async ctx.save_many of {DOCUMENTS}", found["models"], found["sdk"], cpu=CPU, wall=WALL, each=DOCUMENTS
    )


def test_saving_one(project: str, figures: Figures) -> None:
    with Cendry(project=project) as ctx:
        [city, *_] = cities()
        collection = Client(project=project).collection("written")

        def sdk() -> None:
            for _ in range(SAVES):
                collection.document("one").set(SDK_DATA)

        def models() -> None:
            for _ in range(SAVES):
                ctx.save(city)

        found = medians(models=models, sdk=sdk)
    figures.ratios("ctx.save", found["models"], found["sdk"], each=SAVES, per="call")
