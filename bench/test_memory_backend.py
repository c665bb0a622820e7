"""The embedded backend next to what a test would do without it: plain dicts, and Google's emulator."""

from __future__ import annotations

import copy
import gc
import itertools
import math
import random
import statistics
import time
import tracemalloc
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from cendry import Cendry, Field, MemoryBackend, Model, Vector, field
from cendry.codec import codec_for
from cendry.plan import Set
from codec_model import DATA, City, GeoPoint
from emulators import new_emulator
from figures import Figures, best

MANY = 100_000
WANTED = 10
# A fiftieth.
QUERY_BUDGET = 2.0
SMALL_TEST_BUDGET = 2.0
OLD = 10_000
"""Calls after which an emulator is about as quick as it gets."""
MEMORY_BUDGET = 3.0
COMMIT = 500
MEASURED = 20_000
VECTORS = 10_000
DIMENSIONS = 256
NEAREST_BUDGET = 5.0


def stored(number: int) -> dict[str, Any]:
    """A document of its own, as Firestore keeps it: ten of them have one name, and no two one population."""
    return {
        **DATA,
        "displayName": f"city {number // WANTED}",
        "population": number * 7919 % MANY,
        "area": number * 1.5,
        "regions": [f"region {number}", "west coast", "california"],
        "mayor": {"name": f"mayor {number}", "since": number},
        "former": [{"name": f"former {number}", "since": number}, {"name": "Edsger", "since": 2004}],
        "place": GeoPoint(number / MANY, -122.42),
        "budget": f"{number}.25",
    }


# One document


@pytest.fixture
def city() -> City:
    return codec_for(City).decode(DATA, "c1")


def test_getting_costs_less_than_a_copy_of_the_dict(city: City, figures: Figures) -> None:
    with Cendry(backend=MemoryBackend()) as ctx:
        ctx.save(city)
        get, copied = best(lambda: ctx.get(City, "c1"), lambda: copy.deepcopy(DATA), calls=200)
    figures("memory: ctx.get(City, id) / copy.deepcopy", get / copied, budget=1.0, detail=times(get, copied))


def test_saving_costs_as_much_as_a_few_copies_of_the_dict(city: City, figures: Figures) -> None:
    numbers = itertools.count()
    with Cendry(backend=MemoryBackend()) as ctx:

        def save() -> None:
            # Writing what is there already would be less work.
            city.population = next(numbers)
            ctx.save(city)

        saved, copied = best(save, lambda: copy.deepcopy(DATA), calls=200)
    figures("memory: ctx.save(city) / copy.deepcopy", saved / copied, budget=2.5, detail=times(saved, copied))


def times(ours: float, copied: float) -> str:
    return f"{1e6 * ours:.1f} us, copy.deepcopy of the same plain dict {1e6 * copied:.1f} us"


# A small test of an application


def small_test(ctx: Cendry) -> None:
    with ctx:
        for number in range(20):
            ctx.save(codec_for(City).decode({**DATA, "population": number}, f"c{number}"))
        assert ctx.select(City, City.name == DATA["displayName"]).count() == 20
        large = ctx.select(City, City.population >= 10, order_by=City.population.desc()).to_list()
        assert [city.population for city in large] == [*range(19, 9, -1)]
        for number in range(20):
            ctx.update(City, f"c{number}", {City.capital: number % 2 == 0})
        assert len(ctx.select(City, City.capital == True).ids()) == 10  # noqa: E712
        assert ctx.get(City, "c18").capital


def test_a_small_test_takes_a_fiftieth_of_the_emulators_time(figures: Figures) -> None:
    # Who tests in process runs no emulator meanwhile, and one that compiles itself takes half of a small machine.
    memory = small_tests(30, on_memory)
    with new_emulator():
        young = small_tests(11, on_emulator)
        small_tests(OLD // 44, on_emulator)
        old = small_tests(11, on_emulator)
    memory += small_tests(30, on_memory)
    for emulator, seconds, budget in (
        (f"that has answered {OLD:,} calls", old, None),
        ("in its first 500 calls", young, SMALL_TEST_BUDGET),
    ):
        ours, its = statistics.median(memory), statistics.median(seconds)
        figures(
            f"memory: a test with 20 saves, 20 updates and 4 reads / the same on an emulator {emulator}",
            100 * ours / its,
            unit="%",
            budget=budget,
            detail=f"1/{its / ours:.0f}: {1e3 * ours:.1f} ms, emulator {1e3 * its:.0f} ms, waiting included; "
            f"the quickest of each 1/{min(seconds) / min(memory):.0f}",
        )


def on_memory() -> Cendry:
    return Cendry(backend=MemoryBackend())


def on_emulator() -> Cendry:
    return Cendry(project=f"bench-{uuid.uuid4().hex[:12]}")


def small_tests(count: int, make: Callable[[], Cendry]) -> list[float]:
    """The seconds of each, but for the first one."""
    seconds: list[float] = []
    for _ in range(count + 1):
        gc.collect()
        # Not CPU time: whoever runs tests waits for the emulator as well.
        started = time.perf_counter()
        small_test(make())
        seconds.append(time.perf_counter() - started)
    return seconds[1:]


# Memory


def test_memory(figures: Figures) -> None:
    tracemalloc.start()
    try:
        plain = [stored(number) for number in range(MEASURED)]
        dicts = taken()
        with Cendry(backend=MemoryBackend()) as ctx:
            save_afresh(ctx)
            store = taken() - dicts
            for condition in (City.name == "", City.population == 0, City.area == 0.0, City.budget == Decimal(0)):
                ctx.select(City, condition).to_list()
            # What was read once keeps how it is best copied.
            assert len(ctx.select(City).to_list()) == MEASURED
            indexed = taken() - dicts
    finally:
        tracemalloc.stop()
    assert len(plain) == MEASURED
    for what, ours in (("", store), (", all read once, and four indexes", indexed)):
        figures(
            f"memory: bytes of {MEASURED:,} documents{what} / plain dicts",
            ours / dicts,
            budget=MEMORY_BUDGET,
            detail=f"{ours / MEASURED:.0f} bytes a document, plain dict {dicts / MEASURED:.0f} bytes",
        )


def taken() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def save_afresh(ctx: Cendry) -> None:
    """Save documents whose values nobody else keeps, so that all that the store holds counts as the store's."""
    decode = codec_for(City).decode
    for first in range(0, MEASURED, COMMIT):
        ctx.save_many([decode(stored(number), f"c{number:06}") for number in range(first, first + COMMIT)])


# Ten of many


@pytest.fixture(scope="module")
def many() -> list[dict[str, Any]]:
    return [stored(number) for number in range(MANY)]


def fill(backend: MemoryBackend, documents: list[dict[str, Any]]) -> None:
    for first in range(0, len(documents), COMMIT):
        part = documents[first : first + COMMIT]
        backend.commit([Set(f"cities/c{number:06}", data) for number, data in enumerate(part, first)])


@pytest.fixture(scope="module")
def ctx(many: list[dict[str, Any]]) -> Cendry:
    backend = MemoryBackend()
    fill(backend, many)
    return Cendry(backend=backend)


def compared(
    what: str,
    query: Callable[[], list[City]],
    comprehension: Callable[[], list[dict[str, Any]]],
    figures: Figures,
) -> None:
    started = time.process_time()
    found = query()
    first = time.process_time() - started
    expected = comprehension()
    assert [(each.name, each.population) for each in found] == [
        (each["displayName"], each["population"]) for each in expected
    ]
    assert len(found) == WANTED
    fast = slow = float("inf")
    for _ in range(10):
        [seconds] = best(query, calls=50, rounds=6)
        fast = min(fast, seconds)
        [seconds] = best(comprehension, calls=1, rounds=3)
        slow = min(slow, seconds)
    figures(
        f"memory: {WANTED} of {MANY:,} documents {what} / list comprehension over plain dicts",
        100 * fast / slow,
        unit="%",
        budget=QUERY_BUDGET,
        detail=f"1/{slow / fast:.0f}: {1e6 * fast:.0f} us, comprehension {1e3 * slow:.1f} ms, "
        f"the first such query {1e3 * first:.0f} ms",
    )


def test_equality(ctx: Cendry, many: list[dict[str, Any]], figures: Figures) -> None:
    compared(
        "by equality",
        lambda: ctx.select(City, City.name == "city 77").to_list(),
        lambda: [each for each in many if each["displayName"] == "city 77"],
        figures,
    )


def test_range_and_order(ctx: Cendry, many: list[dict[str, Any]], figures: Figures) -> None:
    def query() -> list[City]:
        within = City.population >= 500, City.population < 500 + WANTED
        return ctx.select(City, *within, order_by=City.population, limit=WANTED).to_list()

    def comprehension() -> list[dict[str, Any]]:
        within = [each for each in many if 500 <= each["population"] < 500 + WANTED]
        within.sort(key=lambda each: each["population"])
        return within[:WANTED]

    compared("by range and order", query, comprehension, figures)


def test_the_first_of_a_wide_range(ctx: Cendry, many: list[dict[str, Any]], figures: Figures) -> None:
    def query() -> list[City]:
        return ctx.select(City, City.population < 5_000, order_by=City.population.desc(), limit=WANTED).to_list()

    def comprehension() -> list[dict[str, Any]]:
        within = [each for each in many if each["population"] < 5_000]
        within.sort(key=lambda each: each["population"], reverse=True)
        return within[:WANTED]

    compared("by order, out of a range of 5,000,", query, comprehension, figures)


# Search by vector


class Article(Model, collection="articles"):
    title: Field[str]
    embedding: Field[Vector] = field(dimension=DIMENSIONS)


def cosine(one: list[float], other: list[float]) -> float:
    own, its = sum([x * x for x in one]), sum([y * y for y in other])
    return 1 - sum([x * y for x, y in zip(one, other, strict=True)]) / math.sqrt(own * its)


def euclidean(one: list[float], other: list[float]) -> float:
    return math.sqrt(sum([(x - y) * (x - y) for x, y in zip(one, other, strict=True)]))


def dot_product(one: list[float], other: list[float]) -> float:
    return -sum([x * y for x, y in zip(one, other, strict=True)])


@pytest.mark.parametrize("measure", [cosine, euclidean, dot_product])
def test_the_nearest_vectors_cost_less_than_a_list_comprehension(
    measure: Callable[[list[float], list[float]], float], figures: Figures
) -> None:
    numbers = random.Random(1)
    vectors = {f"a{place}": [numbers.uniform(-1, 1) for _ in range(DIMENSIONS)] for place in range(VECTORS)}
    wanted = [numbers.uniform(-1, 1) for _ in range(DIMENSIONS)]
    distance: Any = measure.__name__
    backend = MemoryBackend()
    for name, vector in vectors.items():
        backend.commit([Set(f"articles/{name}", {"title": name, "embedding": Vector(vector)})])
    with Cendry(backend=backend) as ctx:
        nearest = ctx.select(Article).find_nearest(Article.embedding, wanted, limit=WANTED, distance=distance)

        def listed() -> list[str]:
            return [name for _, name in sorted([(measure(wanted, v), name) for name, v in vectors.items()])[:WANTED]]

        assert listed() == [neighbor.document.id for neighbor in nearest]
        ours, plain = best(nearest.to_list, listed, calls=1, rounds=3)
    figures(
        f"memory: the {WANTED} nearest of {VECTORS:,} vectors of {DIMENSIONS} dimensions by {distance} / "
        "a list comprehension",
        ours / plain,
        budget=NEAREST_BUDGET,
        detail=f"{1e3 * ours:.0f} ms, the list comprehension {1e3 * plain:.0f} ms",
    )
