"""What bulk writes cost, next to the SDK's `BulkWriter` in the same run; and that their memory doesn't grow.

Without a limit of the rate, on either side: at 500 documents per second, both would wait most of the time.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from cendry import AsyncCendry, AsyncFirestoreBackend, Cendry, FirestoreBackend
from cendry.codec import codec_for
from codec_model import City
from figures import Figures
from google.cloud.firestore import Client
from google.cloud.firestore_v1.bulk_writer import BulkWriterOptions
from test_firestore_memory import peak
from test_firestore_write import DATA, SDK_DATA
from timing import Times, medians, medians_async

DOCUMENTS = 20_000
ROUNDS = 1
CPU, WALL = 0.15, 1.0
UNLIMITED = 1_000_000
FEW, MANY = 10_000, 60_000
PEAK = 1.1


class Unlimited(FirestoreBackend):
    """Firestore without the slow start."""

    initial_rate = None


class AsyncUnlimited(AsyncFirestoreBackend):
    """The async twin."""

    initial_rate = None


@pytest.fixture
def many() -> Iterator[list[City]]:
    """What is written; programs hold no such lists, so the garbage collector leaves it alone, for either side."""
    decode = codec_for(City).decode
    yield [decode(DATA, f"c{number:05}") for number in range(DOCUMENTS)]
    gc.unfreeze()


def write_by_sdk(client: Client) -> None:
    writer = client.bulk_writer(BulkWriterOptions(initial_ops_per_second=UNLIMITED, max_ops_per_second=UNLIMITED))
    collection = client.collection("written")
    for number in range(DOCUMENTS):
        writer.set(collection.document(f"c{number:05}"), SDK_DATA)
    writer.close()


def note(what: str, found: dict[str, Times], figures: Figures) -> None:
    figures.ratios(what, found["models"], found["sdk"], cpu=CPU, wall=WALL, each=DOCUMENTS)


def test_saving_very_many(project: str, many: list[City], figures: Figures) -> None:
    with Cendry(backend=Unlimited(project=project)) as ctx:
        client = Client(project=project)
        gc.freeze()

        def models() -> None:
            with ctx.bulk() as bulk:
                for city in many:
                    bulk.save(city)

        found = medians(ROUNDS, models=models, sdk=lambda: write_by_sdk(client))
        assert DOCUMENTS == ctx.select(City).count()
    note(f"ctx.bulk() of {DOCUMENTS:,} saves", found, figures)


def test_saving_very_many_in_the_async_twin(project: str, many: list[City], figures: Figures) -> None:
    async def write() -> dict[str, Times]:
        async with AsyncCendry(backend=AsyncUnlimited(project=project)) as ctx:
            client = Client(project=project)
            gc.freeze()

            async def models() -> None:
                async with ctx.bulk() as bulk:
                    for city in many:
                        await bulk.save(city)

            async def sdk() -> None:
                write_by_sdk(client)

            return await medians_async(ROUNDS, models=models, sdk=sdk)

    note(f"the async ctx.bulk() of {DOCUMENTS:,} saves", asyncio.run(write()), figures)


WRITE = """
import sys
from cendry import Cendry
from test_bulk import Unlimited
from test_firestore_memory import Place

project, count = sys.argv[1], int(sys.argv[2])
with Cendry(backend=Unlimited(project=project)) as ctx:
    with ctx.bulk() as bulk:
        for number in range(count):
            bulk.save(Place(id=f"p{number:06}", name=f"place {number}", number=number))
    assert bulk.result.written == count
"""

WRITE_ASYNC = """
import asyncio, sys
from cendry import AsyncCendry
from test_bulk import AsyncUnlimited
from test_firestore_memory import Place

project, count = sys.argv[1], int(sys.argv[2])

async def write():
    async with AsyncCendry(backend=AsyncUnlimited(project=project)) as ctx, ctx.bulk() as bulk:
        for number in range(count):
            await bulk.save(Place(id=f"p{number:06}", name=f"place {number}", number=number))
    assert bulk.result.written == count

asyncio.run(write())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peaks are asked of Linux")
@pytest.mark.parametrize(("how", "code"), [("ctx.bulk()", WRITE), ("the async ctx.bulk()", WRITE_ASYNC)])
def test_bulk_writes_take_the_same_memory(how: str, code: str, project: str, figures: Figures) -> None:
    few, many = (peak(code, project, count) for count in (FEW, MANY))
    figures(
        f"peak memory of {how} with {MANY:,} saves / with {FEW:,}",
        many / few,
        budget=PEAK,
        detail=f"{many:.1f} MB and {few:.1f} MB, the whole process",
    )
