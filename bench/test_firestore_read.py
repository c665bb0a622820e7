"""What reading 5,000 documents of 13 fields costs, next to the SDK's `stream()` and `to_dict()` in the same run."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator

import pytest
from cendry import AsyncCendry, AsyncFirestoreBackend, Cendry, FirestoreBackend
from cendry.plan import QueryPlan, Set
from codec_model import DATA, City
from emulators import EmulatorUnavailableError, emulators_required, running

DOCUMENTS = 5000
ROUNDS = 5
BUDGET = 1.05


@pytest.fixture(scope="module")
def project() -> Iterator[str]:
    """A project of an emulator that holds the documents."""
    try:
        with running():
            name = f"bench-{uuid.uuid4().hex[:12]}"
            backend = FirestoreBackend(project=name)
            for start in range(0, DOCUMENTS, 500):
                backend.commit([Set(f"cities/c{number:04}", DATA) for number in range(start, start + 500)])
            backend.close()
            yield name
    except EmulatorUnavailableError as error:
        if emulators_required():
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))


def medians(**functions: Callable[[], int]) -> dict[str, float]:
    """CPU seconds of each, the median of rounds that take turns, so that the machine's moods hit all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for round_ in range(ROUNDS + 1):
        for name, function in functions.items():
            gc.collect()
            started = time.process_time()
            assert DOCUMENTS == function()
            if round_:  # the first one warms up
                seconds[name].append(time.process_time() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}


def report(title: str, found: dict[str, float], capsys: pytest.CaptureFixture[str]) -> None:
    shown = ", ".join(
        f"{name} {1e6 * seconds / DOCUMENTS:.1f} us/doc ({seconds / found['sdk']:.2f} x)"
        for name, seconds in found.items()
    )
    with capsys.disabled():
        print(f"\n{title}: {shown}")


def test_typed_models_cost_no_more_than_the_sdks_dicts(project: str, capsys: pytest.CaptureFixture[str]) -> None:
    ctx = Cendry(project=project)
    backend = FirestoreBackend(project=project)
    collection = backend.client.collection("cities")
    found = medians(
        sdk=lambda: sum(1 for snapshot in collection.stream() if snapshot.to_dict()),
        models=lambda: sum(1 for city in ctx.select(City) if city.id),
        backend=lambda: sum(1 for result in backend.run(QueryPlan("cities")) if result.data),
    )
    ctx.close()
    backend.close()
    report("CPU of reading", found, capsys)
    assert found["models"] <= BUDGET * found["sdk"]


def test_typed_models_cost_no_more_in_the_async_twin(project: str, capsys: pytest.CaptureFixture[str]) -> None:
    async def read() -> dict[str, float]:
        ctx = AsyncCendry(project=project)
        backend = AsyncFirestoreBackend(project=project)
        collection = backend.client.collection("cities")

        async def sdk() -> int:
            return len([snapshot.to_dict() async for snapshot in collection.stream()])

        async def models() -> int:
            return len([city async for city in ctx.select(City)])

        async def results() -> int:
            return len([result async for result in backend.run(QueryPlan("cities"))])

        found = await medians_async(sdk=sdk, models=models, backend=results)
        await ctx.close()
        await backend.close()
        return found

    found = asyncio.run(read())
    report("CPU of reading, async", found, capsys)
    assert found["models"] <= BUDGET * found["sdk"]


async def medians_async(**functions: Callable[[], Awaitable[int]]) -> dict[str, float]:
    """As `medians`, awaited."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for round_ in range(ROUNDS + 1):
        for name, function in functions.items():
            gc.collect()
            started = time.process_time()
            assert DOCUMENTS == await function()
            if round_:
                seconds[name].append(time.process_time() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}
